package page

import (
	"hash/fnv"
	"net/http"

	"github.com/appevents/appevents-go/cmd/appevents/internal/emulator"
)

// fragment is one change of the page. Mode "replace" puts html in the place of the element called id, "inner" into it,
// and "upsert" in its place or, where there is none, into the element called parent, by its order.
type fragment struct {
	ID     string `json:"id"`
	Mode   string `json:"mode"`
	Parent string `json:"parent,omitempty"`
	HTML   string `json:"html"`
}

// panels are the parts that are sent whole when they changed.
var panels = []string{
	"status", "people", "window", "typing", "actions", "waiting", "sums", "tabs",
	"counted", "leads", "queue", "replay", "setup", "probe", "unknown",
}

// serveStream keeps one page current.
func (p *Page) serveStream(w http.ResponseWriter, r *http.Request) {
	q := parseQuery(r.URL.Query())
	sent := map[string]uint64{}
	rev, resumed := emulator.LastEventID(r)
	// A page that was away too long, or looks at another process, gets everything anew.
	whole := !resumed || r.URL.Query().Get("boot") != p.boot
	s := emulator.NewStream(w)
	for {
		list, at, gap := p.e.Exchanges(rev, 0)
		whole = whole || gap || at < rev
		if whole {
			list = nil
		} else if list == nil {
			list = []emulator.Exchange{}
		}
		current := len(sent) == 0 && !whole && at == rev // the page was rendered just now
		v := p.view(q, list)
		out := p.changed(v, whole)
		for _, name := range panels {
			html := p.render(name, v)
			h := fnv.New64a()
			_, _ = h.Write([]byte(html))
			if sum := h.Sum64(); sent[name] != sum {
				sent[name] = sum
				if current {
					continue
				}
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

// changed renders conversation and timeline: all of them, or what is in the view.
func (p *Page) changed(v *view, whole bool) []fragment {
	if whole {
		return []fragment{
			{ID: "log", Mode: "inner", HTML: p.render("items", v)}, {ID: "rows", Mode: "inner", HTML: p.render("rows", v)},
		}
	}
	var out []fragment
	for _, i := range v.Items {
		out = append(out, fragment{ID: i.ID, Mode: "upsert", Parent: "log", HTML: p.render("item", i)})
	}
	for _, r := range v.Timeline {
		out = append(out, fragment{ID: r.ID, Mode: "upsert", Parent: "rows", HTML: p.render("row", r)})
	}
	return out
}
