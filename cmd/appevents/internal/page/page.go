// Package page renders the emulator's page: HTML from templates on the server, kept current by server-sent events.
// Whatever people and bots wrote goes through html/template and stays text, and their links and images are shown as
// text too: the page names no origin but its own.
package page

import (
	"bytes"
	"embed"
	"html/template"
	"net/http"

	"github.com/appevents/appevents-go/cmd/appevents/internal/emulator"
)

//go:embed templates assets
var files embed.FS

// Page is the handler of "/", its assets and its stream.
type Page struct {
	e    *emulator.Emulator
	html *template.Template
}

// New returns the handler of the page, its assets and its stream; it is what emulator.Config.Page wants.
func New(e *emulator.Emulator) http.Handler {
	p := &Page{e: e, html: template.Must(template.New("").Funcs(funcs).ParseFS(files, "templates/*.html"))}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", p.servePage)
	mux.HandleFunc("GET /-/events", p.serveStream)
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

func (p *Page) servePage(w http.ResponseWriter, r *http.Request) {
	var b bytes.Buffer
	v := p.view(r.URL.Query().Get("person"), r.URL.Query().Get("filter"), nil)
	if err := p.html.ExecuteTemplate(&b, "page", v); err != nil {
		http.Error(w, "the page could not be rendered", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write(b.Bytes())
}

// render returns a fragment.
func (p *Page) render(name string, data any) string {
	var b bytes.Buffer
	if p.html.ExecuteTemplate(&b, name, data) != nil {
		return ""
	}
	return b.String()
}
