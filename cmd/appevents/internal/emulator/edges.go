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

	Access      access   `json:",omitzero"` // what its token may do
	Labels      []*label `json:",omitempty"`
	Attachments []string `json:",omitempty"` // uploaded
}

type persona struct {
	ID      string `json:"id"`
	Name    string `json:"name"`
	Picture string `json:"profile_picture_url"`
}

// subscription is what an app or a Page subscribed to.
type subscription struct {
	Set      bool
	Ended    bool `json:",omitempty"` // was set, and taken away
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
	case len(parts) == 1 && first == "" && method == http.MethodPost && c.params.text("batch") != "":
		c.x.Kind, c.own = "batch", batch
	case len(parts) == 1 && first == "debug_token":
		c.x.Kind, c.own = first, debugToken
	case len(parts) == 1 && (first == "app" || first == e.creds.AppID):
		c.x.Kind, c.own = "app", getApp
	case len(parts) == 1 && (first == "me" || onPage):
		c.x.Kind, c.own = "me", getPage
	case len(parts) == 2 && first == "me" && parts[1] == "accounts":
		c.x.Kind, c.own = "accounts", accounts
	case len(parts) == 1 && e.person("", first) != nil:
		c.x.Kind, c.own, c.page = "profile", getPerson, e.pageOfPerson(c, first)
		c.params.set("page_scoped_user_id", json.RawMessage(strconv.Quote(first)))
	case len(parts) == 2 && parts[1] == "custom_labels" && e.person("", first) != nil:
		c.x.Kind, c.own, c.page = "custom_labels", labelsOf, e.pageOfPerson(c, first)
	case len(parts) == 1 && e.personaOwner(first) != nil:
		c.page, c.x.Kind, c.own = e.personaOwner(first), "personas", onePersona
	case len(parts) == 1 && e.labelOwner(first) != nil:
		c.page, c.x.Kind, c.own = e.labelOwner(first), "label", oneLabel
	case len(parts) == 2 && parts[1] == "label" && e.labelOwner(first) != nil:
		c.page, c.x.Kind, c.own = e.labelOwner(first), "label", stickLabel
	case len(parts) == 1 && strings.HasPrefix(first, "m_"):
		c.x.Kind, c.own = "message", oneMessage
		_, _, c.page = e.messageByID(first)
	case strings.HasPrefix(first, "t_") && (len(parts) == 1 || len(parts) == 2 && parts[1] == "messages"):
		c.x.Kind, c.own = "conversation", oneConversation
		c.page = e.pageOfPerson(c, strings.TrimPrefix(first, "t_"))
	case len(parts) == 2 && first == e.creds.AppID && parts[1] == "subscriptions":
		c.x.Kind, c.own = parts[1], appSubscriptions
	case len(parts) == 2 && onPage:
		c.x.Kind, c.own = parts[1], pageEdges[parts[1]]
	case len(parts) == 2:
		c.x.Kind = parts[1]
	default:
		c.x.Kind = parts[len(parts)-1]
	}
	if c.page != nil {
		c.x.Page = c.page.ID
	}
	c.x.Kind = truncate(c.x.Kind, 100)
	c.x.Method = method
}

var pageEdges = map[string]edgeFunc{
	"messages":               sendMessage,
	"messenger_profile":      messengerProfile,
	"personas":               personas,
	"subscribed_apps":        pageSubscriptions,
	"nlp_configs":            succeed,
	"message_attachments":    uploadAttachment,
	"dataset":                pageDataset,
	"custom_labels":          customLabels,
	"conversations":          conversations,
	"pass_thread_control":    control,
	"take_thread_control":    control,
	"request_thread_control": control,
	"release_thread_control": control,
	"thread_owner":           threadOwner,
	"secondary_receivers":    secondaryReceivers,
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
func (e *Emulator) tokenPage(token string) *pageData { return e.holder(token).page }

// pageOfPerson is the Page on which a person is meant: that of the token when the person writes to it.
func (e *Emulator) pageOfPerson(c *call, psid string) *pageData {
	if own := e.tokenPage(c.token); own != nil && e.person(own.ID, psid) != nil {
		return own
	}
	if p := e.person("", psid); p != nil {
		return e.pageByID(p.Page)
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
	h := e.holder(c.token)
	if c.page == nil && h.kind == tokenUser && len(c.parts) == 1 && c.parts[0] == "me" {
		return project(map[string]any{"id": userID, "name": "Ada Example"}, c.fields("name"))
	}
	if c.page == nil {
		return nil, &Error{Code: 2500, Message: "An active access token must be used to query information about the " +
			"current user."}
	}
	page := map[string]any{
		"id": c.page.ID, "name": c.page.Name, "category": "Shop", "tasks": []string{"ANALYZE", "MESSAGING", "MANAGE"},
		"access_token": e.pageToken(c.page), "link": "https://www.facebook.com/" + c.page.ID,
	}
	return project(page, c.fields("name"))
}

// getApp is GET /app and GET /{app}.
func getApp(e *Emulator, c *call) (any, *Error) {
	if c.x.Method != http.MethodGet {
		return nil, errGone()
	}
	app := map[string]any{"id": e.creds.AppID, "name": "emulated app", "link": "", "category": "Messenger bots"}
	return project(app, c.fields("name,category,link"))
}

func getPerson(e *Emulator, c *call) (any, *Error) {
	p := e.person(c.pageID(), c.parts[0])
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
