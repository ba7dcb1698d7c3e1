package appevents

import "fmt"

// ScopeKind says what an access token must speak for.
type ScopeKind uint8

// The kinds of [Scope].
const (
	ScopeApp     ScopeKind = iota // the app itself: /activities, debug_token
	ScopePage                     // one Page or Instagram account: /page_activities, dataset look-ups
	ScopeDataset                  // one dataset: /events
	ScopeAd                       // one ad account, campaign, ad set or ad: insights
)

// String returns "app", "page", "dataset" or "ad".
func (k ScopeKind) String() string {
	switch k {
	case ScopeApp:
		return "app"
	case ScopePage:
		return "page"
	case ScopeDataset:
		return "dataset"
	case ScopeAd:
		return "ad"
	default:
		return fmt.Sprintf("ScopeKind(%d)", uint8(k))
	}
}

// Scope names the object a call is about, so that a [TokenSource] can pick the right token. It is comparable.
type Scope struct {
	Kind ScopeKind
	ID   ID // the app, Page, dataset or ad object
}

// String returns kind and ID: "page 901".
func (s Scope) String() string {
	if s.ID == "" {
		return s.Kind.String()
	}
	return s.Kind.String() + " " + string(s.ID)
}
