package appevents

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/appevents/appevents-go/internal/loose"
)

var opInspectToken = declare(operation{name: "inspect token", permission: "a permission is missing from the token"})

// TokenInfo is what Graph knows about an access token.
//
// https://developers.facebook.com/docs/graph-api/reference/debug_token
type TokenInfo struct {
	AppID       ID
	Application string // the name of the app
	Type        string // "USER", "PAGE", "APP", "SYSTEM_USER", ...
	Valid       bool
	UserID      ID // the person it was issued to
	ProfileID   ID // the Page of a Page token

	IssuedAt            time.Time // zero when unknown
	ExpiresAt           time.Time // zero: never
	DataAccessExpiresAt time.Time // zero: never; the end of access to data, apart from the token's own

	Scopes         []string // the permissions granted
	GranularScopes []GranularScope

	// ErrorCode, ErrorSubcode and ErrorMessage say why a token is not valid; zero when it is.
	ErrorCode    int
	ErrorSubcode int
	ErrorMessage string

	clientApp ID
}

// GranularScope is a permission that may be limited to some objects.
type GranularScope struct {
	Scope     string `json:"scope"`
	TargetIDs []ID   `json:"target_ids"` // empty: not limited
}

// InspectToken asks Graph what it knows about token. The call itself uses the app token ([ScopeApp]). A token that is
// invalid or expired is not an error: TokenInfo says so. The call is a read, so the inspected token is part of its
// URL; the SDK keeps it out of errors and logs, and any proxy in between should do the same.
func (c *Client) InspectToken(ctx context.Context, token string) (*TokenInfo, error) {
	if err := c.ready(opInspectToken); err != nil {
		return nil, err
	}
	if strings.TrimSpace(token) == "" {
		return nil, &ValidationError{Issues: []Issue{{Path: "token", Rule: RuleRequired, Message: "must be set"}}}
	}
	resp, err := c.do(ctx, &request{
		op:      opInspectToken,
		method:  http.MethodGet,
		edge:    "debug_token",
		scope:   Scope{Kind: ScopeApp, ID: c.appID},
		query:   url.Values{"input_token": {token}},
		secrets: []string{token},
	})
	if err != nil {
		return nil, err
	}
	var answer struct {
		Data *struct {
			AppID               ID              `json:"app_id"`
			Application         string          `json:"application"`
			Type                string          `json:"type"`
			Valid               bool            `json:"is_valid"`
			UserID              ID              `json:"user_id"`
			ProfileID           ID              `json:"profile_id"`
			IssuedAt            loose.Time      `json:"issued_at"`
			ExpiresAt           loose.Time      `json:"expires_at"`
			DataAccessExpiresAt loose.Time      `json:"data_access_expires_at"`
			Scopes              []string        `json:"scopes"`
			GranularScopes      []GranularScope `json:"granular_scopes"`
			Error               struct {
				Code    int    `json:"code"`
				Subcode int    `json:"subcode"`
				Message string `json:"message"`
			} `json:"error"`
		} `json:"data"`
	}
	if err := json.Unmarshal(resp.Raw, &answer); err != nil || answer.Data == nil {
		return nil, resp.unusable(opInspectToken, "the answer holds no token data")
	}
	d := answer.Data
	return &TokenInfo{
		AppID: d.AppID, Application: d.Application, Type: d.Type, Valid: d.Valid, UserID: d.UserID,
		ProfileID: d.ProfileID, IssuedAt: d.IssuedAt.Time, ExpiresAt: d.ExpiresAt.Time,
		DataAccessExpiresAt: d.DataAccessExpiresAt.Time, Scopes: d.Scopes, GranularScopes: d.GranularScopes,
		ErrorCode: d.Error.Code, ErrorSubcode: d.Error.Subcode, ErrorMessage: d.Error.Message, clientApp: c.appID,
	}, nil
}

// Verdict answers whether a token may do something, and why not.
type Verdict struct {
	Allowed bool

	// Reasons are all obstacles, each with its way out; nil when allowed.
	Reasons []string
}

// String is "yes", or "no: " and the reasons.
func (v Verdict) String() string {
	if v.Allowed {
		return "yes"
	}
	return "no: " + strings.Join(v.Reasons, "; ")
}

// permissionPageEvents lets a token log events for a Page.
const permissionPageEvents = "page_events"

// MayLogFor answers whether the token may log events for the given Page: it is valid and not expired, belongs to the
// client's app, and holds page_events for that Page. It does not ask Graph again.
func (t *TokenInfo) MayLogFor(pageID ID) Verdict {
	if t == nil {
		return Verdict{Reasons: []string{"nothing is known about the token"}}
	}
	var reasons []string
	no := func(reason string) { reasons = append(reasons, reason) }
	now := time.Now()
	switch {
	case !t.ExpiresAt.IsZero() && !now.Before(t.ExpiresAt):
		no("the token expired on " + t.ExpiresAt.Format(time.RFC3339) + ": get a new one")
	case !t.Valid:
		hint := "get a new one"
		if text, ok := authSubcodes[t.ErrorSubcode]; ok {
			hint = text
		}
		no("the token is not valid: " + hint)
	}
	if !t.DataAccessExpiresAt.IsZero() && !now.Before(t.DataAccessExpiresAt) {
		no("its access to data ended on " + t.DataAccessExpiresAt.Format(time.RFC3339) +
			": the person must log in again")
	}
	if t.AppID != "" && t.clientApp != "" && t.AppID != t.clientApp {
		no("it belongs to app " + string(t.AppID) + ", not to app " + string(t.clientApp))
	}
	if strings.EqualFold(t.Type, "PAGE") && t.ProfileID != "" && t.ProfileID != pageID {
		no("it is the token of Page " + string(t.ProfileID) + ", not of Page " + string(pageID))
	}
	switch {
	case !slices.Contains(t.Scopes, permissionPageEvents):
		no("the permission page_events is missing: ask for it at login")
	case !t.covers(permissionPageEvents, pageID):
		no("the permission page_events was not granted for Page " + string(pageID))
	}
	return Verdict{Allowed: len(reasons) == 0, Reasons: reasons}
}

// covers reports whether a granted permission reaches an object: without listed objects it reaches all.
func (t *TokenInfo) covers(scope string, object ID) bool {
	listed := false
	for _, g := range t.GranularScopes {
		if g.Scope != scope {
			continue
		}
		if len(g.TargetIDs) == 0 || slices.Contains(g.TargetIDs, object) {
			return true
		}
		listed = true
	}
	return !listed
}
