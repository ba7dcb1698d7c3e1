// Package page renders the emulator's page: HTML from templates on the server, kept current by server-sent events.
// Whatever people and bots wrote goes through html/template and stays text, and their links and images are shown as
// text too: the page loads nothing from elsewhere, and the only links that lead away are to Meta's documentation.
package page

import (
	"embed"
	"html/template"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/appevents/appevents-go/cmd/appevents/internal/emulator"
	"github.com/appevents/appevents-go/cmd/appevents/internal/plain"
)

//go:embed templates assets
var files embed.FS

// Page is the handler of "/", its assets, its stream and the details of a call.
type Page struct {
	e    *emulator.Emulator
	html *template.Template
	boot string // tells this process from an earlier one, whose revisions mean something else

	mu    sync.Mutex
	known *facts // as of the latest revision that somebody asked for
}

// New returns the handler of the page and what belongs to it; it is what emulator.Config.Page wants.
func New(e *emulator.Emulator) http.Handler {
	p := &Page{
		e: e, html: template.Must(template.New("").Funcs(funcs).ParseFS(files, "templates/*.html")),
		boot: strconv.FormatInt(time.Now().UnixNano(), 36),
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", p.servePage)
	mux.HandleFunc("GET /-/events", p.serveStream)
	mux.HandleFunc("GET /-/call/{id}", p.serveCall)
	asset := func(name, media string) {
		mux.HandleFunc("GET /-/"+name, func(w http.ResponseWriter, r *http.Request) {
			data, err := files.ReadFile("assets/" + name)
			if err != nil {
				http.NotFound(w, r)
				return
			}
			w.Header().Set("Content-Type", media)
			_, _ = w.Write(data)
		})
	}
	asset("page.css", "text/css; charset=utf-8")
	asset("page.js", "text/javascript; charset=utf-8")
	asset("icon.svg", "image/svg+xml")
	return mux
}

// query is what of the page is shown: it is part of the page's address, and of its stream's.
type query struct {
	Person string
	Filter string // one of filters
	Tab    string // one of tabs
	Call   int64  // whose details are open; 0 = none
}

func parseQuery(values url.Values) query {
	q := query{Person: values.Get("person"), Filter: values.Get("filter"), Tab: values.Get("tab")}
	if !slices.ContainsFunc(filters, func(f choice) bool { return f.Name == q.Filter }) {
		q.Filter = ""
	}
	if !slices.ContainsFunc(tabs, func(t choice) bool { return t.Name == q.Tab }) {
		q.Tab = tabs[0].Name
	}
	q.Call, _ = strconv.ParseInt(values.Get("call"), 10, 64) // there is no call 0
	return q
}

// String is the query as part of an address, without the call.
func (q query) String() string {
	values := url.Values{}
	for name, value := range map[string]string{"person": q.Person, "filter": q.Filter, "tab": q.Tab} {
		if value != "" && value != tabs[0].Name {
			values.Set(name, value)
		}
	}
	return values.Encode()
}

// With is the same address with another person or tab, or a call.
func (q query) With(name string, value any) string {
	switch value := value.(type) {
	case int64:
		text := strconv.FormatInt(value, 10)
		return "/?" + q.and("call="+text) + "#x-" + text
	case string:
		if name == "tab" {
			q.Tab = value
			return "/?" + q.String() + "#more"
		}
		q.Person = value
	}
	return "/?" + q.String()
}

func (q query) and(more string) string {
	if text := q.String(); text != "" {
		return text + "&" + more
	}
	return more
}

func (p *Page) servePage(w http.ResponseWriter, r *http.Request) {
	v := p.view(parseQuery(r.URL.Query()), nil)
	v.Notice = p.e.Notice()
	p.write(w, "page", v)
}

// serveCall is the inside of one call, which the page asks for when somebody opens it.
func (p *Page) serveCall(w http.ResponseWriter, r *http.Request) {
	id, _ := strconv.ParseInt(r.PathValue("id"), 10, 64)
	x, ok := p.e.Exchange(id)
	if !ok {
		http.Error(w, "the call is no longer kept", http.StatusNotFound)
		return
	}
	p.write(w, "inside", p.inside(x, parseQuery(r.URL.Query())))
}

func (p *Page) write(w http.ResponseWriter, name string, data any) {
	html := p.render(name, data)
	if html == "" {
		http.Error(w, "the page could not be rendered", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = io.WriteString(w, html)
}

// render returns a template filled in, "" when that fails.
func (p *Page) render(name string, data any) string {
	var b strings.Builder
	if p.html.ExecuteTemplate(&b, name, data) != nil {
		return ""
	}
	return tidy(b.String())
}

// tidy replaces what is no plain text between the tags. Attributes stay as they are: forms send them back.
func tidy(html string) string {
	var b strings.Builder
	b.Grow(len(html))
	for {
		text, rest, tag := strings.Cut(html, "<") // in a text or an attribute it is written &lt;
		b.WriteString(plain.Lines(text))
		if !tag {
			return b.String()
		}
		inside, after, _ := strings.Cut(rest, ">")
		b.WriteString("<" + inside + ">")
		html = after
	}
}
