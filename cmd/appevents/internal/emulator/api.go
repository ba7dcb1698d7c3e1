package emulator

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// routes are the paths below /-/api/.
func (e *Emulator) routes() *http.ServeMux {
	mux := http.NewServeMux()
	get := func(path string, f func(r *http.Request) any) {
		mux.HandleFunc("GET /-/api/"+path, func(w http.ResponseWriter, r *http.Request) { writeJSON(w, 200, f(r)) })
	}
	get("state", func(*http.Request) any { return e.State() })
	get("turns", func(r *http.Request) any { return map[string]any{"turns": e.Turns(number(r, "limit", 1000))} })
	get("counted", func(*http.Request) any { return e.Counted() })
	get("exchanges", func(r *http.Request) any {
		list, rev, gap := e.Exchanges(int64(number(r, "after", 0)), number(r, "limit", 1000))
		if list == nil {
			list = []Exchange{}
		}
		return map[string]any{"exchanges": list, "rev": rev, "gap": gap}
	})
	mux.HandleFunc("GET /-/api/exchanges/{id}", func(w http.ResponseWriter, r *http.Request) {
		id, _ := strconv.ParseInt(r.PathValue("id"), 10, 64) // there is no exchange 0
		x, ok := e.Exchange(id)
		if !ok {
			writeError(w, &InputError{Field: "id", Message: "is not an exchange that is still kept", missing: true})
			return
		}
		writeJSON(w, 200, x)
	})
	get("leads", func(*http.Request) any {
		leads, byAd, funnel := e.Leads()
		if leads == nil {
			leads = []Lead{}
		}
		return map[string]any{"leads": leads, "by_ad": byAd, "funnel": funnel}
	})
	mux.HandleFunc("GET /-/api/ready", func(w http.ResponseWriter, r *http.Request) {
		if err := e.Ready(r.Context()); err != nil {
			writeJSON(w, http.StatusServiceUnavailable, map[string]any{"ready": false, "why": err.Error()})
			return
		}
		writeJSON(w, 200, map[string]any{"ready": true})
	})
	mux.HandleFunc("GET /-/api/export", e.serveExport)

	post(mux, e, "say", func(ctx context.Context, in Say) (any, error) { return e.Say(ctx, in) })
	post(mux, e, "trigger", func(ctx context.Context, in Trigger) (any, error) {
		list, err := e.Trigger(ctx, in)
		ok := true
		for _, x := range list {
			ok = ok && x.Status >= 200 && x.Status < 300
		}
		return map[string]any{"exchanges": list, "ok": ok}, err
	})
	post(mux, e, "person", func(_ context.Context, in Person) (any, error) { return e.AddPerson(in) })
	post(mux, e, "faults", func(_ context.Context, in struct {
		Fault, Edge, Page string
		Times             int
		Clear             bool
	}) (any, error) {
		if in.Clear {
			e.ClearFaults()
			return e.State(), nil
		}
		return e.stateAfter(e.Inject(in.Fault, in.Edge, in.Page, in.Times))
	})
	e.accessRoutes(mux)
	post(mux, e, "clock", func(_ context.Context, in struct {
		Advance string
		Skew    string
		Reset   bool
	}) (any, error) {
		if in.Skew != "" {
			if err := e.SetSkew(in.Skew); err != nil {
				return nil, err
			}
			if in.Advance == "" && !in.Reset {
				return e.State(), nil
			}
		}
		if in.Reset {
			e.ResetClock()
			return e.State(), nil
		}
		d, err := time.ParseDuration(in.Advance)
		if err != nil {
			d = -1
		}
		return e.stateAfter(e.Advance(d))
	})
	post(mux, e, "probe", func(ctx context.Context, _ struct{}) (any, error) { return e.Probe(ctx) })
	post(mux, e, "queue", func(ctx context.Context, in struct{ URL string }) (any, error) {
		return e.AskQueue(ctx, in.URL)
	})
	post(mux, e, "reset", func(context.Context, struct{}) (any, error) { e.Reset(); return e.State(), nil })
	mux.HandleFunc("POST /-/api/again/{id}", func(w http.ResponseWriter, r *http.Request) {
		id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
		if err != nil {
			writeError(w, &InputError{Field: "id", Message: "must be the number of an exchange"})
			return
		}
		_ = r.ParseForm() // what the page adds; the body may be of any kind
		x, err := e.Again(context.WithoutCancel(r.Context()), id)
		e.respond(w, r, x, err)
	})
	mux.HandleFunc("/-/api/", func(w http.ResponseWriter, r *http.Request) {
		writeError(w, &InputError{Field: "path", Message: "or its method is not part of the API", missing: true})
	})
	return mux
}

func number(r *http.Request, name string, otherwise int) int {
	n, err := strconv.Atoi(r.URL.Query().Get(name))
	if err != nil || n < 0 {
		return otherwise
	}
	return n
}

// post adds a path that takes a JSON object or a form with the same names. What it does goes on when the caller leaves.
func post[T any](mux *http.ServeMux, e *Emulator, path string, f func(context.Context, T) (any, error)) {
	mux.HandleFunc("POST /-/api/"+path, func(w http.ResponseWriter, r *http.Request) {
		var in T
		if err := decodeBody(r, &in); err != nil {
			e.respond(w, r, nil, err)
			return
		}
		out, err := f(context.WithoutCancel(r.Context()), in)
		e.respond(w, r, out, err)
	})
}

var errMedia = errors.New("send application/json or a form")

func decodeBody(r *http.Request, v any) error {
	media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch media {
	case "application/json", "":
		if media == "" && r.ContentLength == 0 && r.URL.RawQuery != "" {
			return decodeForm(r.URL.Query(), v)
		}
		dec := json.NewDecoder(r.Body)
		dec.DisallowUnknownFields()
		if err := dec.Decode(v); err != nil && (media != "" || r.ContentLength != 0) {
			return &InputError{Field: "body", Message: "must be one JSON object with the names of the API"}
		}
		return nil
	case "application/x-www-form-urlencoded":
		if err := r.ParseForm(); err != nil {
			return &InputError{Field: "body", Message: "must be a form"}
		}
		return decodeForm(r.PostForm, v)
	}
	return errMedia
}

// decodeForm reads a form into a struct through JSON: numbers and truth values are recognised by what they look like
// where the names want them.
func decodeForm(form url.Values, v any) error {
	if pressed, err := url.ParseQuery(form.Get("press")); err == nil { // a button with several fields
		maps.Copy(form, pressed)
	}
	object := map[string]any{}
	for name, values := range form {
		s := values[0]
		object[name] = s
		switch name {
		case "times", "timezone", "percent":
			if s == "" {
				delete(object, name)
			} else {
				object[name] = json.Number(s)
			}
		case "clear", "reset", "standby", "instagram", "remove":
			object[name] = s != "" && s != "0" && s != "false"
		case "show", "press":
			delete(object, name) // the page's own
		}
	}
	data, err := json.Marshal(object)
	if err == nil {
		err = json.Unmarshal(data, v)
	}
	if err != nil {
		return &InputError{Field: "body", Message: "must be a form with the names of the API"}
	}
	return nil
}

// respond writes a result; a browser without JavaScript is sent back to the page, which says what went wrong.
func (e *Emulator) respond(w http.ResponseWriter, r *http.Request, out any, err error) {
	if strings.Contains(r.Header.Get("Accept"), "text/html") {
		e.mu.Lock()
		if e.notice = ""; err != nil {
			e.notice = err.Error()
		}
		e.mu.Unlock()
		http.Redirect(w, r, backTo(r, out), http.StatusSeeOther)
		return
	}
	if err != nil {
		writeError(w, err)
		return
	}
	writeJSON(w, http.StatusOK, out)
}

// Notice returns what was wrong with the last form of a browser without JavaScript, once.
func (e *Emulator) Notice() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	text := e.notice
	e.notice = ""
	return text
}

// backTo is where a form leads: the person that it is about, and what of the page was shown.
func backTo(r *http.Request, out any) string {
	query := url.Values{}
	if shown, err := url.ParseQuery(r.PostForm.Get("show")); err == nil {
		for _, name := range [...]string{"person", "filter", "tab"} {
			if value := shown.Get(name); value != "" {
				query.Set(name, value)
			}
		}
	}
	psid := r.PostForm.Get("psid")
	switch out := out.(type) {
	case Person:
		psid = out.PSID
	case Exchange:
		psid = or(out.PSID, psid)
	}
	if psid != "" {
		query.Set("person", psid)
	}
	if len(query) == 0 {
		return "/"
	}
	return "/?" + query.Encode()
}

func writeError(w http.ResponseWriter, err error) {
	status, field := http.StatusBadRequest, ""
	if in, ok := errors.AsType[*InputError](err); ok {
		if field = in.Field; in.missing {
			status = http.StatusNotFound
		}
	}
	if errors.Is(err, errMedia) {
		status = http.StatusUnsupportedMediaType
	}
	writeJSON(w, status, map[string]any{"error": map[string]string{"message": err.Error(), "field": field}})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the caller may have gone
}
