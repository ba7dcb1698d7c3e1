package emulator

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Grants changes what the tokens may do. Empty members leave things as they are.
type Grants struct {
	Page       string `json:"page"`        // the Page whose token is meant; "" = all tokens
	Allow      string `json:"allow"`       // permissions, with commas; "all"
	Deny       string `json:"deny"`        // permissions, with commas; "all"
	Token      string `json:"token"`       // "valid", "expired", "password_changed", "revoked", …
	Expires    string `json:"expires"`     // from now, such as "48h"; "never"
	DataAccess string `json:"data_access"` // from now, such as "48h"; "" = in 90 days
	Secret     string `json:"secret"`      // "other": what the bot signs with is another app's secret; "own"
	Reset      bool   `json:"reset"`       // everything is granted again
}

// SetGrants does it.
func (e *Emulator) SetGrants(in Grants) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	targets := []*access{}
	for _, p := range e.s.Pages {
		if in.Page == "" || in.Page == p.ID {
			targets = append(targets, &p.Access)
		}
	}
	if in.Page == "" {
		targets = append(targets, &e.s.User)
	} else if len(targets) == 0 {
		return &InputError{Field: "page", Message: "is not a Page of the emulator", missing: true}
	}
	allow, err := permissionList("allow", in.Allow)
	if err != nil {
		return err
	}
	deny, err := permissionList("deny", in.Deny)
	if err != nil {
		return err
	}
	if _, ok := tokenStates[in.Token]; !ok && in.Token != "" && in.Token != "valid" {
		return &InputError{Field: "token", Message: "must be one of " + strings.Join(TokenStates(), ", ")}
	}
	expires, err := e.moment("expires", in.Expires)
	if err != nil {
		return err
	}
	dataAccess, err := e.moment("data_access", in.DataAccess)
	if err != nil {
		return err
	}
	switch in.Secret {
	case "":
	case "own", "other":
		e.s.OtherSecret = in.Secret == "other"
	default:
		return &InputError{Field: "secret", Message: "must be own or other"}
	}
	if in.Reset {
		e.s.OtherSecret = false
	}
	for _, a := range targets {
		if in.Reset {
			*a = access{}
		}
		a.Denied = slices.DeleteFunc(a.Denied, func(name string) bool { return slices.Contains(allow, name) })
		for _, name := range deny {
			if a.allows(name) {
				a.Denied = append(a.Denied, name)
			}
		}
		switch in.Token {
		case "":
		case "valid":
			a.State = ""
			if !a.Expires.IsZero() && !e.now().Before(a.Expires) {
				a.Expires = time.Time{}
			}
		default:
			a.State = in.Token
		}
		if in.Expires != "" {
			a.Expires = expires
		}
		if in.DataAccess != "" {
			a.DataAccess = dataAccess
		}
	}
	e.touch()
	return nil
}

func permissionList(field, text string) ([]string, error) {
	if text == "all" {
		return Permissions, nil
	}
	list := listOf(text)
	for _, name := range list {
		if !slices.Contains(Permissions, name) {
			return nil, &InputError{Field: field, Message: "must be one of " + strings.Join(Permissions, ", ")}
		}
	}
	return list, nil
}

func listOf(text string) []string {
	var out []string
	for s := range strings.SplitSeq(text, ",") {
		if s = strings.TrimSpace(s); s != "" {
			out = append(out, s)
		}
	}
	return out
}

// moment reads "48h" as a time from now.
func (e *Emulator) moment(field, text string) (time.Time, error) {
	if text == "" || text == "never" {
		return time.Time{}, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d.Abs() > 10*365*24*time.Hour {
		return time.Time{}, &InputError{Field: field, Message: "must be a time from now such as 48h or -1h, or never"}
	}
	return e.now().Add(d), nil
}

// accessRoutes are the paths of the API that change what Graph lets the bot do.
func (e *Emulator) accessRoutes(mux *http.ServeMux) {
	post(mux, e, "grants", func(_ context.Context, in Grants) (any, error) { return e.stateAfter(e.SetGrants(in)) })
	post(mux, e, "pages", func(_ context.Context, in struct{ ID, Name string }) (any, error) {
		return e.stateAfter(e.AddPage(in.ID, in.Name))
	})
	post(mux, e, "datasets", func(_ context.Context, in DatasetChange) (any, error) {
		return e.stateAfter(e.SetDataset(in))
	})
	post(mux, e, "usage", func(_ context.Context, in struct{ Percent int }) (any, error) {
		return e.stateAfter(e.SetUsage(in.Percent))
	})
	mux.HandleFunc("GET /-/api/tokens", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, 200, e.Tokens()) })
}

func (e *Emulator) stateAfter(err error) (any, error) {
	if err != nil {
		return nil, err
	}
	return e.State(), nil
}

// AddPage adds a Page with nobody on it.
func (e *Emulator) AddPage(id, name string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := checkID("id", id); err != nil {
		return err
	}
	if name = strings.TrimSpace(name); name == "" || len(name) > 200 {
		return &InputError{Field: "name", Message: "must be 1 to 200 bytes long"}
	}
	if p := e.pageByID(id); p != nil {
		p.Name = name
		e.touch()
		return nil
	}
	if len(e.s.Pages) >= maxPages {
		return &InputError{Field: "id", Message: fmt.Sprintf("at most %d Pages are kept", maxPages)}
	}
	e.s.Pages = append(e.s.Pages, &pageData{ID: id, Name: name})
	e.touch()
	return nil
}

// maxPages bounds the Pages, and the datasets.
const maxPages = 50

func checkID(field, id string) error {
	if id == "" || len(id) > 19 || strings.Trim(id, "0123456789") != "" || id[0] == '0' {
		return &InputError{Field: field, Message: "must be a number"}
	}
	return nil
}
