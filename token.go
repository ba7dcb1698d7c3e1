package appevents

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/appevents/appevents-go/internal/redact"
)

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

// TokenSource supplies the access token for each call: one source serves any number of Pages.
//
// Token is called before every attempt, possibly from many goroutines, and should answer from memory. Returning ""
// means that there is no token for that scope: calls to /activities then fall back to the app token (when the client
// has an app secret) or go without one, every other call fails with [ErrNoToken] before anything is sent. An error
// fails the call; the source must keep secrets out of its error text.
type TokenSource interface {
	Token(ctx context.Context, scope Scope) (string, error)
}

// TokenInvalidator is a [TokenSource] that wants to hear when Graph did not accept a token it gave, so that it can
// fetch a new one. Invalidate names the token as well as the scope because, with many calls in flight, a newer one may
// already be in place.
type TokenInvalidator interface {
	TokenSource
	Invalidate(scope Scope, token string)
}

// TokenFunc makes a function a [TokenSource].
type TokenFunc func(ctx context.Context, scope Scope) (string, error)

// Token calls f.
func (f TokenFunc) Token(ctx context.Context, scope Scope) (string, error) { return f(ctx, scope) }

// AppToken returns the app access token of an app: its ID and secret joined by a bar. It belongs on servers only: it
// holds the secret.
func AppToken(appID, appSecret string) string { return appID + "|" + appSecret }

// ErrNoToken is wrapped by the error of a call that needs an access token when none is configured for its scope.
var ErrNoToken = errors.New("no access token for this call")

const redacted = "[redacted]"

// A secret is a credential that cannot be printed by accident. The value sits behind a pointer because fmt does not
// call the methods of unexported fields, but does print their content.
type secret struct{ value *string }

func newSecret(s string) secret {
	if s == "" {
		return secret{}
	}
	return secret{value: &s}
}

func (s secret) reveal() string {
	if s.value == nil {
		return ""
	}
	return *s.value
}

func (s secret) String() string {
	if s.value == nil {
		return ""
	}
	return redacted
}

func (s secret) GoString() string             { return s.String() }
func (s secret) LogValue() slog.Value         { return slog.StringValue(s.String()) }
func (s secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
func (s secret) Format(f fmt.State, _ rune)   { _, _ = f.Write([]byte(s.String())) }

// hidden keeps a value from whatever prints or dumps the struct around it: a function shows as an address, where fmt
// follows a pointer for the verbs that do not suit one.
type hidden[T any] func() T

func hide[T any](value T) hidden[T] { return func() T { return value } }

func (h hidden[T]) get() (value T) {
	if h != nil {
		value = h()
	}
	return value
}

// appSecretProof is the lower-case hex HMAC-SHA256 of message under the app secret. Graph wants it beside the token:
// it shows that the caller holds the secret and not just a stolen token.
//
// https://developers.facebook.com/docs/graph-api/guides/secure-requests
func appSecretProof(appSecret, message string) string {
	mac := hmac.New(sha256.New, []byte(appSecret))
	mac.Write([]byte(message))
	var sum [sha256.Size]byte
	return hex.EncodeToString(mac.Sum(sum[:0]))
}

// sendable reports whether a credential has only characters that credentials have: a header takes no others, and a
// line break left at the end of a file would make Graph refuse every call.
func sendable(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] >= 0x7f {
			return false
		}
	}
	return true
}

const notSendable = "a space, control or non-ASCII character"

// credentials are what one attempt carries to authenticate itself.
type credentials struct {
	token string
	proof string // "" without an app secret
	time  string // appsecret_time, "" for the plain form
}

// credentials resolves the token for scope and signs it. They are made per attempt: tokens rotate, and the
// time-stamped proof expires after five minutes.
func (c *Client) credentials(ctx context.Context, scope Scope, optional bool) (credentials, error) {
	var cred credentials
	token, err := c.token(ctx, scope)
	if err != nil {
		return cred, err
	}
	cred.token = token
	appSecret := c.appSecret.reveal()
	if cred.token == "" {
		if optional {
			return cred, nil
		}
		return cred, fmt.Errorf("%w (scope %s)", ErrNoToken, scope.Kind)
	}
	if !sendable(cred.token) {
		return credentials{}, errors.New("the access token holds " + notSendable)
	}
	if appSecret != "" {
		message := cred.token
		if c.proofTime {
			cred.time = strconv.FormatInt(time.Now().Unix(), 10)
			message += "|" + cred.time
		}
		cred.proof = appSecretProof(appSecret, message)
	}
	return cred, nil
}

// token returns the token for scope, or "" when there is none.
func (c *Client) token(ctx context.Context, scope Scope) (string, error) {
	if source := c.tokens.get(); source != nil {
		token, err := source.Token(ctx, scope)
		if err != nil {
			return "", fmt.Errorf("token source: %w", err)
		}
		if token != "" {
			return token, nil
		}
	}
	if appSecret := c.appSecret.reveal(); scope.Kind == ScopeApp && appSecret != "" {
		return AppToken(string(c.appID), appSecret), nil
	}
	return "", nil
}

// TokenFingerprint returns a digest of the token that a call for scope would carry now, and "" when there is none. It
// tells whether a token that Graph did not accept has been replaced, without showing it. The empty ID of [ScopeApp]
// means the client's app. It asks the [TokenSource]; an error of that is returned without the app secret.
func (c *Client) TokenFingerprint(ctx context.Context, scope Scope) (string, error) {
	if scope.Kind == ScopeApp && scope.ID == "" {
		scope.ID = c.appID
	}
	token, err := c.token(ctx, scope)
	if err != nil || token == "" {
		return "", redact.Error(err, c.appSecret.reveal())
	}
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:]), nil
}

// staticToken is the source behind [WithAccessToken].
type staticToken struct{ secret }

func (t staticToken) Token(context.Context, Scope) (string, error) { return t.reveal(), nil }
