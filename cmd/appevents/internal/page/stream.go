package page

import (
	"hash/fnv"
	"net/http"
	"slices"

	"github.com/appevents/appevents-go/cmd/appevents/internal/emulator"
)

// fragment is one change of the page. Mode "replace" puts html in the place of the element called id, "inner" into it,
// and "upsert" in its place or, where there is none, at the end of the element called parent.
type fragment struct {
	ID     string `json:"id"`
	Mode   string `json:"mode"`
	Parent string `json:"parent,omitempty"`
	HTML   string `json:"html"`
}

// panels are the parts that are sent whole when they changed.
var panels = []string{
	"status", "people", "typing", "actions", "counted", "waiting", "leads", "setup", "probe", "unknown",
}

// serveStream keeps one page current. A page that was away too long gets everything anew.
func (p *Page) serveStream(w http.ResponseWriter, r *http.Request) {
	person, filter := r.URL.Query().Get("person"), r.URL.Query().Get("filter")
	sent := map[string]uint64{}
	rev, resumed := emulator.LastEventID(r)
	s := emulator.NewStream(w)
	whole := !resumed
	for {
		list, at, gap := p.e.Exchanges(rev, 0)
		if gap || at < rev {
			whole = true
		}
		if whole {
			list = nil
		} else if list == nil {
			list = []emulator.Exchange{}
		}
		v := p.view(person, filter, list)
		var out []fragment
		if whole {
			out = append(out, fragment{ID: "log", Mode: "inner", HTML: p.render("bubbles", v)},
				fragment{ID: "rows", Mode: "inner", HTML: p.render("rows", v)})
		} else {
			out = p.changed(v, list)
		}
		for _, name := range panels {
			html := p.render(name, v)
			h := fnv.New64a()
			_, _ = h.Write([]byte(html))
			if sum := h.Sum64(); sent[name] != sum {
				sent[name] = sum
				out = append(out, fragment{ID: name, Mode: "replace", HTML: html})
			}
		}
		for n, f := range out {
			id := int64(0)
			if n == len(out)-1 {
				id = at // only a reader that has all of it goes on from here
			}
			if s.Send("fragment", id, f) != nil {
				return
			}
		}
		whole, rev = false, at
		if s.Flush() != nil || !s.Wait(p.e, r, rev) {
			return
		}
	}
}

// changed renders the bubbles and rows that the changed exchanges belong to.
func (p *Page) changed(v *view, list []emulator.Exchange) []fragment {
	var out []fragment
	for _, b := range v.Bubbles {
		if slices.ContainsFunc(list, func(x emulator.Exchange) bool { return x.ID == b.Message.Exchange }) {
			out = append(out, fragment{
				ID: bubbleID(b), Mode: "upsert", Parent: "log", HTML: p.render("bubble", bubbleView{b, v.Person}),
			})
		}
	}
	for _, r := range v.Timeline {
		out = append(out, fragment{ID: r.ID, Mode: "upsert", Parent: "rows", HTML: p.render("row", r)})
	}
	return out
}
