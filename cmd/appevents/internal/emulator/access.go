package emulator

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"
	"strings"
	"time"
)

// Permissions are what a token of the emulator may be granted.
var Permissions = []string{
	"ads_read", "instagram_manage_events", "page_events", "pages_manage_metadata", "pages_messaging", "pages_show_list",
}

// permissionFor is what an edge of the emulator's own needs.
var permissionFor = map[string]string{
	"accounts": "pages_show_list", "dataset": "page_events",
	"subscribed_apps": "pages_manage_metadata", "nlp_configs": "pages_manage_metadata",
	"messages": "pages_messaging", "messenger_profile": "pages_messaging", "personas": "pages_messaging",
	"profile": "pages_messaging", "message_attachments": "pages_messaging", "custom_labels": "pages_messaging",
	"label": "pages_messaging", "conversations": "pages_messaging", "conversation": "pages_messaging",
	"message": "pages_messaging", "thread_owner": "pages_messaging", "secondary_receivers": "pages_messaging",
	"pass_thread_control": "pages_messaging", "take_thread_control": "pages_messaging",
	"request_thread_control": "pages_messaging", "release_thread_control": "pages_messaging",
}

// tokenStates are the ways in which a token dies, with the subcode of 190 that tells them apart and Graph's words.
var tokenStates = map[string]struct {
	subcode int
	message string
}{
	"revoked":          {458, "The user has not authorized application."},
	"checkpoint":       {459, "The user has been checkpointed."},
	"password_changed": {460, "The session has been invalidated because the user changed their password."},
	"expired":          {463, "Session has expired."},
	"unconfirmed":      {464, "The user is not a confirmed user."},
	"invalid":          {467, "The session is invalid."},
	"role_lost":        {492, "The user no longer has a role on the Page."},
}

// TokenStates are the words for the state of a token.
func TokenStates() []string {
	return append([]string{"valid"}, slices.Sorted(maps.Keys(tokenStates))...)
}

// access is what one token may do. The zero value may do everything and never ends.
type access struct {
	State      string    `json:",omitempty"` // "" = valid
	Denied     []string  `json:",omitempty"`
	Expires    time.Time `json:",omitzero"`
	DataAccess time.Time `json:",omitzero"` // zero = in 90 days
}

// dead returns the error of a token that is not valid any more.
func (a *access) dead(now time.Time) *Error {
	state := a.State
	if state == "" && !a.Expires.IsZero() && !now.Before(a.Expires) {
		state = "expired"
	}
	s, ok := tokenStates[state]
	if !ok {
		return nil
	}
	return &Error{Code: 190, Subcode: s.subcode, Message: "Error validating access token: " + s.message}
}

func (a *access) allows(permission string) bool { return !slices.Contains(a.Denied, permission) }

// The kinds of token.
const (
	tokenUnknown = iota
	tokenApp
	tokenUser
	tokenPage
)

// A holder is whom a token speaks for.
type holder struct {
	kind   int
	page   *pageData // of a Page's token
	access *access   // nil for the app's
}

// holder finds out whose a token is. The lock is held.
func (e *Emulator) holder(token string) holder {
	switch token {
	case "":
		return holder{}
	case e.creds.AppID + "|" + e.creds.AppSecret:
		if e.s.OtherSecret {
			return holder{}
		}
		return holder{kind: tokenApp}
	case e.userToken():
		return holder{kind: tokenUser, access: &e.s.User}
	}
	for _, p := range e.s.Pages {
		if token == e.pageToken(p) {
			return holder{kind: tokenPage, page: p, access: &p.Access}
		}
	}
	return holder{}
}

// pageToken is the token of a Page: that of the credentials, or for further Pages one made from the app secret.
func (e *Emulator) pageToken(p *pageData) string {
	if p.ID == e.creds.PageID {
		return e.creds.PageAccessToken
	}
	return e.derived("page " + p.ID)
}

// userToken is the token of the person who connected the Pages.
func (e *Emulator) userToken() string { return e.derived("user") }

// userID is the person who connected the Pages.
const userID = "100000000000015"

// madeToken is what the tokens that the emulator makes begin with.
const madeToken = "EAAemulated"

func (e *Emulator) derived(name string) string {
	mac := hmac.New(sha256.New, []byte(e.creds.AppSecret))
	mac.Write([]byte("emulated token " + name))
	return madeToken + hex.EncodeToString(mac.Sum(nil))
}

// Tokens are those that the emulator made beside its credentials: of the person who connected the Pages, and of
// further Pages.
type Tokens struct {
	User  string            `json:"user"`
	Pages map[string]string `json:"pages"`
}

// Tokens returns them.
func (e *Emulator) Tokens() Tokens {
	e.mu.Lock()
	defer e.mu.Unlock()
	t := Tokens{User: e.userToken(), Pages: map[string]string{}}
	for _, p := range e.s.Pages {
		if p.ID != e.creds.PageID {
			t.Pages[p.ID] = e.pageToken(p)
		}
	}
	return t
}

// authorize judges version, token, proof and permission of a call to an edge of the emulator's own. The lock is held.
func (e *Emulator) authorize(c *call) *Error {
	if c.params.err != "" {
		return &Error{Code: 100, Message: "(#100) " + c.params.err}
	}
	if major, ok := majorVersion(c.version); ok && major > newestVersion {
		return &Error{Code: 2500, Message: "Unknown Graph version: " + c.version}
	}
	if c.token == "" {
		return &Error{Code: 104, Message: "An access token is required to request this resource.",
			Hint: "send the Page access token of the emulator's environment"}
	}
	if err := e.judgeToken(c); err != nil {
		return err
	}
	h := e.holder(c.token)
	switch {
	case h.kind == tokenApp:
		switch c.x.Kind {
		case "subscriptions", "profile", "debug_token", "app", "batch":
			return nil
		}
		return &Error{Code: 190, Message: "This method must be called with a Page Access Token"}
	case h.kind == tokenPage && c.page != nil && c.page != h.page:
		return errGone()
	}
	return e.judgePermission(h, c.page, permissionFor[c.x.Kind])
}

// judgeToken judges a token and its proof. The lock is held.
func (e *Emulator) judgeToken(c *call) *Error {
	h := e.holder(c.token)
	if h.kind == tokenUnknown {
		return &Error{Code: 190, Message: "Invalid OAuth access token.",
			Hint: "not a token of the emulator; the bot should read it from its environment"}
	}
	if h.access != nil {
		if err := h.access.dead(e.now()); err != nil {
			return err
		}
	}
	message := c.token
	if at := c.params.text("appsecret_time"); at != "" {
		message += "|" + at
	}
	switch {
	case c.params.proof == "" && e.cfg.RequireProof:
		return &Error{Code: 100, Message: "API calls from the server require an appsecret_proof argument"}
	case c.params.proof != "" &&
		(e.s.OtherSecret || !strings.EqualFold(c.params.proof, proof(e.creds.AppSecret, message))):
		return &Error{Code: 100, Message: "Invalid appsecret_proof provided in the API argument",
			Hint: "signed with the secret of another app, or over another token"}
	}
	return nil
}

// judgePermission refuses a token that lacks a permission, for a Page where one is meant.
func (e *Emulator) judgePermission(h holder, page *pageData, permission string) *Error {
	if permission == "" || h.kind == tokenApp {
		return nil
	}
	if !h.access.allows(permission) || page != nil && !page.Access.allows(permission) {
		return &Error{Code: 200, Message: "(#200) App does not have " + permission + " permission",
			Hint: "the emulated token was not granted it: POST /-/api/grants?allow=" + permission}
	}
	return nil
}

// debugToken is GET /debug_token: what is known about a token. A dead one is described, not refused.
func debugToken(e *Emulator, c *call) (any, *Error) {
	input := c.params.text("input_token")
	if input == "" {
		return nil, invalid("input_token", "is required")
	}
	d := map[string]any{
		"app_id": e.creds.AppID, "application": "emulated app", "is_valid": true, "issued_at": e.now().Add(-time.Hour).Unix(),
		"expires_at": 0, "data_access_expires_at": 0, "scopes": []string{},
	}
	answer := map[string]any{"data": d}
	h := e.holder(input)
	switch h.kind {
	case tokenUnknown:
		return map[string]any{"data": map[string]any{"is_valid": false, "scopes": []string{},
			"error": map[string]any{"code": 190, "message": "Invalid OAuth access token."}}}, nil
	case tokenApp:
		d["type"] = "APP"
		return answer, nil
	case tokenUser:
		d["type"], d["user_id"] = "USER", userID
	case tokenPage:
		d["type"], d["user_id"], d["profile_id"] = "PAGE", userID, h.page.ID
	}
	if !h.access.Expires.IsZero() {
		d["expires_at"] = h.access.Expires.Unix()
	}
	until := h.access.DataAccess
	if until.IsZero() {
		until = e.now().Add(90 * 24 * time.Hour)
	}
	d["data_access_expires_at"] = until.Unix()
	if err := h.access.dead(e.now()); err != nil {
		d["is_valid"] = false
		d["error"] = map[string]any{"code": err.Code, "subcode": err.Subcode, "message": err.Message}
		if d["expires_at"] == 0 && err.Subcode == 463 {
			d["expires_at"] = e.now().Add(-time.Minute).Unix()
		}
	}
	scopes, granular := []string{}, []any{}
	for _, name := range Permissions {
		var pages []string
		for _, p := range e.s.Pages {
			if p.Access.allows(name) && (h.page == nil || h.page == p) {
				pages = append(pages, p.ID)
			}
		}
		if h.access.allows(name) && len(pages) > 0 {
			scopes = append(scopes, name)
			granular = append(granular, map[string]any{"scope": name, "target_ids": pages})
		}
	}
	d["scopes"], d["granular_scopes"] = scopes, granular
	return answer, nil
}

// accounts is GET /me/accounts: the Pages of the person, with their tokens.
func accounts(e *Emulator, c *call) (any, *Error) {
	if e.holder(c.token).kind != tokenUser {
		return nil, &Error{Code: 100, Message: "(#100) Tried accessing nonexisting field (accounts) on node type (Page)",
			Hint: "this needs the token of a person: GET /-/api/tokens has the emulated one"}
	}
	list := []any{}
	for _, p := range e.s.Pages {
		if !p.Access.allows("pages_show_list") {
			continue
		}
		list = append(list, map[string]any{
			"id": p.ID, "name": p.Name, "category": "Shop", "access_token": e.pageToken(p),
			"tasks": []string{"ANALYZE", "MESSAGING", "MODERATE", "MANAGE"},
		})
	}
	return map[string]any{"data": list}, nil
}
