package emulator

import (
	"bytes"
	"encoding/json"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/appevents/appevents-go/graphtest"
)

// params are the parameters of a call, wherever they came: query, form, multipart or a JSON object.
type params struct {
	values  map[string]json.RawMessage
	order   []string
	token   string
	proof   string
	inQuery bool     // the token was in the URL
	secrets []string // credentials seen, known or not
	err     string
}

// innerSecret finds credentials in the addresses, forms and headers inside a batch.
var innerSecret = regexp.MustCompile(
	`(?i)(?:token|secret|appsecret_proof|bearer|oauth)(?:=|%3D|"\s*:\s*"|\s)([^&"\\\s]+)`)

// credentialParams are the parameters that are credentials.
var credentialParams = []string{
	"access_token", "appsecret_proof", "client_secret", "input_token", "verify_token", "fb_exchange_token",
}

func parseParams(r *http.Request, body []byte) params {
	p := params{values: map[string]json.RawMessage{}}
	p.form(r.URL.Query())
	media, attr, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	text := bytes.TrimSpace(body)
	switch {
	case len(text) == 0:
	case media == "multipart/form-data":
		form, err := multipart.NewReader(bytes.NewReader(body), attr["boundary"]).ReadForm(maxBody)
		if err != nil {
			p.err = "the multipart body cannot be read"
			break
		}
		p.form(form.Value)
		for name := range form.File {
			p.set(name, json.RawMessage(`"(file)"`))
		}
		_ = form.RemoveAll()
	case text[0] == '{':
		var object map[string]json.RawMessage
		if json.Unmarshal(text, &object) != nil {
			p.err = "the body is not JSON"
			break
		}
		for name, raw := range object {
			p.set(name, raw)
		}
	default:
		values, err := url.ParseQuery(string(body))
		if err != nil {
			p.err = "the body is not a form"
			break
		}
		p.form(values)
	}
	if _, token, ok := strings.Cut(r.Header.Get("Authorization"), " "); ok {
		p.token = token
	}
	for _, name := range credentialParams {
		value := p.text(name)
		if value == "" {
			continue
		}
		p.secrets = append(p.secrets, value)
		switch name {
		case "access_token":
			if p.token == "" {
				p.token = value
			}
		case "appsecret_proof":
			p.proof = value
		}
	}
	for _, found := range innerSecret.FindAllStringSubmatch(p.text("batch"), -1) { // those of the calls in it
		p.secrets = append(p.secrets, found[1])
		if plain, err := url.QueryUnescape(found[1]); err == nil {
			p.secrets = append(p.secrets, plain)
		}
	}
	p.inQuery = r.URL.Query().Get("access_token") != ""
	if p.token != "" {
		p.secrets = append(p.secrets, p.token)
		if _, secret, ok := strings.Cut(p.token, "|"); ok {
			p.secrets = append(p.secrets, secret)
		}
	}
	slices.Sort(p.order)
	return p
}

func (p *params) form(values url.Values) {
	for name, list := range values {
		raw, _ := json.Marshal(list[0]) // a string
		p.set(name, raw)
	}
}

func (p *params) set(name string, raw json.RawMessage) {
	if _, had := p.values[name]; !had {
		p.order = append(p.order, name)
	}
	p.values[name] = raw
}

// text returns a parameter as text: a JSON string without its quotes, other JSON as it is.
func (p *params) text(name string) string {
	raw, ok := p.values[name]
	if !ok || string(raw) == "null" {
		return ""
	}
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return s
	}
	return string(raw)
}

// decode reads a parameter that is JSON, or JSON in a string, as forms send it.
func (p *params) decode(name string, v any) bool {
	text := p.text(name)
	return text != "" && json.Unmarshal([]byte(text), v) == nil
}

// list reads a parameter that is an array of strings or a list with commas.
func (p *params) list(name string) []string {
	var out []string
	if p.decode(name, &out) {
		return out
	}
	return listOf(p.text(name))
}

// psid finds the person a call is about.
func (p *params) psid() string {
	if id := p.text("page_scoped_user_id"); id != "" {
		return id
	}
	var recipient struct{ ID text }
	if p.decode("recipient", &recipient) {
		return string(recipient.ID)
	}
	var data []struct {
		User struct {
			PSID text `json:"page_scoped_user_id"`
			IGID text `json:"ig_sid"`
		} `json:"user_data"`
	}
	if p.decode("data", &data) && len(data) > 0 {
		return string(data[0].User.PSID + data[0].User.IGID)
	}
	return ""
}

// shown is a JSON object of the parameters without credentials.
func (p *params) shown() string {
	if len(p.order) == 0 {
		return ""
	}
	var b bytes.Buffer
	b.WriteByte('{')
	for _, name := range p.order {
		if b.Len() > 1 {
			b.WriteByte(',')
		}
		key, _ := json.Marshal(name) // a string
		b.Write(key)
		b.WriteByte(':')
		if slices.Contains(credentialParams, name) {
			b.WriteString(`"` + graphtest.Redacted + `"`)
			continue
		}
		b.Write(p.values[name])
	}
	b.WriteByte('}')
	return b.String()
}

// text is an ID that may be a JSON string or a number.
type text string

// UnmarshalJSON takes strings and numbers.
func (t *text) UnmarshalJSON(data []byte) error {
	var s string
	if json.Unmarshal(data, &s) == nil {
		*t = text(s)
		return nil
	}
	if len(data) > 0 && (data[0] == '-' || data[0] >= '0' && data[0] <= '9') {
		*t = text(data)
	}
	return nil
}
