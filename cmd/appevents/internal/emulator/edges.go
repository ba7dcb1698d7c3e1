package emulator

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// edgeFunc answers a call to an edge that graphtest does not have. The lock is held.
type edgeFunc func(e *Emulator, c *call) (any, *Error)

// pageData is one Page with what bots set for it.
type pageData struct {
	ID         string
	Name       string
	Subscribed subscription
	Profile    map[string]json.RawMessage
	Personas   []persona
	NextID     int64
}

type persona struct {
	ID      string `json:"id"`
	Name    string `json:"name"`
	Picture string `json:"profile_picture_url"`
}

// subscription is what an app or a Page subscribed to.
type subscription struct {
	Set      bool
	Fields   []string
	Callback string
	Object   string
}

// classify finds the edge, the Page and, for edges of the emulator's own, their function. The lock is held.
func (e *Emulator) classify(c *call) {
	parts, method := c.parts, c.x.Method
	if over := strings.ToUpper(c.params.text("method")); over == http.MethodDelete || over == http.MethodGet {
		method = over
	}
	first := parts[0]
	page := e.pageByID(first)
	if first == "me" {
		page = e.tokenPage(c.token)
	}
	if page == nil && len(parts) == 2 {
		page = e.pageByID(c.params.text("page_id"))
	}
	c.page = page
	if page != nil {
		c.x.Page = page.ID
	}
	onPage := page != nil && (first == "me" || first == page.ID) || first == "me"
	switch {
	case len(parts) == 1 && (first == "me" || onPage):
		c.x.Kind, c.own = "me", getPage
	case len(parts) == 1 && e.person("", first) != nil:
		c.x.Kind, c.own = "profile", getPerson
		c.params.set("page_scoped_user_id", json.RawMessage(strconv.Quote(first)))
	case len(parts) == 1 && e.personaOwner(first) != nil:
		c.page, c.x.Kind, c.own = e.personaOwner(first), "personas", onePersona
	case len(parts) == 2 && first == e.creds.AppID && parts[1] == "subscriptions":
		c.x.Kind, c.own = parts[1], appSubscriptions
	case len(parts) == 2 && onPage:
		c.x.Kind, c.own = parts[1], pageEdges[parts[1]]
	case len(parts) == 2:
		c.x.Kind = parts[1]
	default:
		c.x.Kind = parts[len(parts)-1]
	}
	c.x.Kind = truncate(c.x.Kind, 100)
	c.x.Method = method
}

var pageEdges = map[string]edgeFunc{
	"messages":            sendMessage,
	"messenger_profile":   messengerProfile,
	"personas":            personas,
	"subscribed_apps":     pageSubscriptions,
	"nlp_configs":         succeed,
	"message_attachments": uploadAttachment,
	"pass_thread_control": succeed,
	"take_thread_control": succeed,
}

func (e *Emulator) pageByID(id string) *pageData {
	for _, p := range e.s.Pages {
		if p.ID == id {
			return p
		}
	}
	return nil
}

// tokenPage is the Page that "me" means.
func (e *Emulator) tokenPage(token string) *pageData {
	if token == e.creds.PageAccessToken {
		return e.pageByID(e.creds.PageID)
	}
	return nil
}

func (e *Emulator) personaOwner(id string) *pageData {
	for _, p := range e.s.Pages {
		if slices.ContainsFunc(p.Personas, func(x persona) bool { return x.ID == id }) {
			return p
		}
	}
	return nil
}

// answerOwn answers a call to one of the emulator's own edges. The lock is held.
func (e *Emulator) answerOwn(c *call) (int, []byte) {
	err := e.authorize(c)
	var result any
	if err == nil {
		result, err = c.own(e, c)
	}
	if err != nil {
		c.err, c.refused = err, true
		return errorStatus(err.Code), errorBody(err, c.x.ID)
	}
	body, failed := json.Marshal(result)
	if failed != nil {
		body = []byte(`{}`)
	}
	return http.StatusOK, body
}

func errorStatus(code int) int {
	switch {
	case code == 190:
		return http.StatusUnauthorized
	case code == 10 || code == 3 || code >= 200 && code < 300:
		return http.StatusForbidden
	}
	return http.StatusBadRequest
}

func invalid(field, format string, args ...any) *Error {
	return &Error{Code: 100, Message: "(#100) Param " + field + " " + fmt.Sprintf(format, args...)}
}

// authorize judges version, token and proof of a call to an edge of the emulator's own.
func (e *Emulator) authorize(c *call) *Error {
	if c.params.err != "" {
		return &Error{Code: 100, Message: "(#100) " + c.params.err}
	}
	if major, ok := majorVersion(c.version); ok && major > newestVersion {
		return &Error{Code: 2500, Message: "Unknown Graph version: " + c.version}
	}
	app := e.creds.AppID + "|" + e.creds.AppSecret
	switch {
	case c.token == "":
		return &Error{Code: 104, Message: "An access token is required to request this resource.",
			Hint: "send the Page access token of the emulator's environment"}
	case c.token != e.creds.PageAccessToken && c.token != app:
		return &Error{Code: 190, Message: "Invalid OAuth access token.",
			Hint: "not a token of the emulator; the bot should read it from its environment"}
	case c.token == app && c.x.Kind != "subscriptions" && c.x.Kind != "profile":
		return &Error{Code: 190, Subcode: 0, Message: "This method must be called with a Page Access Token"}
	case c.params.proof == "" && e.cfg.RequireProof:
		return &Error{Code: 100, Message: "API calls from the server require an appsecret_proof argument"}
	case c.params.proof != "" && !strings.EqualFold(c.params.proof, proof(e.creds.AppSecret, c.token)):
		return &Error{Code: 100, Message: "Invalid appsecret_proof provided in the API argument",
			Hint: "signed with the secret of another app, or over another token"}
	}
	return nil
}

// The living Graph versions, as graphtest has them.
const (
	oldestVersion = 21
	newestVersion = 26
)

func majorVersion(version string) (int, bool) {
	digits, _, _ := strings.Cut(strings.TrimPrefix(version, "v"), ".")
	n, err := strconv.Atoi(digits)
	return n, err == nil && version != ""
}

func errGone() *Error {
	return &Error{Code: 100, Subcode: 33, Message: "Unsupported request. Object does not exist."}
}

func succeed(*Emulator, *call) (any, *Error) { return map[string]bool{"success": true}, nil }

func getPage(e *Emulator, c *call) (any, *Error) {
	if c.page == nil {
		return nil, &Error{Code: 2500, Message: "An active access token must be used to query information about the " +
			"current user."}
	}
	return map[string]string{"id": c.page.ID, "name": c.page.Name}, nil
}

func getPerson(e *Emulator, c *call) (any, *Error) {
	p := e.person("", c.parts[0])
	if p == nil { // a reset came between
		return nil, errGone()
	}
	all := map[string]any{
		"id": p.PSID, "name": p.Name, "first_name": p.FirstName, "last_name": p.LastName, "locale": p.Locale,
		"timezone": p.Timezone, "gender": "", "profile_pic": "https://cdn.example.invalid/" + p.PSID + ".jpg",
	}
	fields := c.params.list("fields")
	if len(fields) == 0 {
		fields = []string{"first_name", "last_name", "profile_pic"}
	}
	out := map[string]any{"id": p.PSID}
	for _, name := range fields {
		value, ok := all[name]
		if !ok {
			return nil, &Error{Code: 100, Message: "(#100) Tried accessing nonexisting field (" + truncate(name, 60) + ")"}
		}
		out[name] = value
	}
	return out, nil
}

func personas(e *Emulator, c *call) (any, *Error) {
	if c.x.Method != http.MethodPost {
		list := c.page.Personas
		if list == nil {
			list = []persona{}
		}
		return map[string]any{"data": list}, nil
	}
	p := persona{Name: c.params.text("name"), Picture: c.params.text("profile_picture_url")}
	if p.Name == "" {
		return nil, invalid("name", "is required")
	}
	if p.Picture == "" {
		return nil, invalid("profile_picture_url", "is required")
	}
	if len(c.page.Personas) >= 1000 {
		return nil, invalid("name", "too many personas")
	}
	c.page.NextID++
	p.ID = fmt.Sprint(880000000000000 + c.page.NextID)
	c.page.Personas = append(c.page.Personas, p)
	return map[string]string{"id": p.ID}, nil
}

func onePersona(e *Emulator, c *call) (any, *Error) {
	n := slices.IndexFunc(c.page.Personas, func(p persona) bool { return p.ID == c.parts[0] })
	if n < 0 { // another call was faster
		return nil, errGone()
	}
	if c.x.Method == http.MethodDelete {
		c.page.Personas = slices.Delete(c.page.Personas, n, n+1)
		return map[string]bool{"success": true}, nil
	}
	return c.page.Personas[n], nil
}

func uploadAttachment(e *Emulator, c *call) (any, *Error) {
	if c.params.text("message") == "" {
		return nil, invalid("message", "is required")
	}
	return map[string]string{"attachment_id": fmt.Sprint(770000000000000 + c.x.ID)}, nil
}

// profileKeys are the properties of the Messenger profile.
var profileKeys = []string{
	"get_started", "greeting", "ice_breakers", "persistent_menu", "whitelisted_domains", "account_linking_url",
	"home_url", "commands", "payment_settings", "target_audience", "platform", "subject_to_new_eu_privacy_rules",
}

func messengerProfile(e *Emulator, c *call) (any, *Error) {
	p := c.page
	if p == nil {
		return getPage(e, c)
	}
	switch c.x.Method {
	case http.MethodGet:
		row := map[string]json.RawMessage{}
		for _, name := range c.params.list("fields") {
			if raw, ok := p.Profile[name]; ok {
				row[name] = raw
			}
		}
		if len(row) == 0 {
			return map[string]any{"data": []any{}}, nil
		}
		return map[string]any{"data": []any{row}}, nil
	case http.MethodDelete:
		for _, name := range c.params.list("fields") {
			delete(p.Profile, name)
		}
		return map[string]string{"result": "success"}, nil
	}
	set := map[string]json.RawMessage{}
	for _, name := range profileKeys {
		if text := c.params.text(name); text != "" {
			raw := json.RawMessage(text)
			if !json.Valid(raw) {
				raw, _ = json.Marshal(text) // a string
			}
			set[name] = raw
		}
	}
	if len(set) == 0 {
		return nil, &Error{Code: 100, Message: "(#100) The parameter get_started, greeting, persistent_menu or another " +
			"property of the Messenger profile is required"}
	}
	_, menu := set["persistent_menu"]
	if menu && set["get_started"] == nil && p.Profile["get_started"] == nil {
		return nil, &Error{Code: 100, Subcode: 2018145, Message: "(#100) You must set a Get Started button if you also " +
			"wish to use persistent menu"}
	}
	if p.Profile == nil {
		p.Profile = map[string]json.RawMessage{}
	}
	maps.Copy(p.Profile, set)
	return map[string]string{"result": "success"}, nil
}
