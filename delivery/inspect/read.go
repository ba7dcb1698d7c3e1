package inspect

import (
	"cmp"
	"context"
	"encoding/json"
	"iter"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/appevents/appevents-go"
	"github.com/appevents/appevents-go/delivery"
)

const (
	defaultPage = 100
	maxPage     = 1000
)

// figures are delivery.Stats.
type figures struct {
	Accepted       int64     `json:"accepted"`
	Delivered      int64     `json:"delivered"`
	Buried         int64     `json:"buried"`
	Duplicates     int64     `json:"duplicates"`
	Pending        int64     `json:"pending"`
	Kept           int64     `json:"kept"`
	Dropped        int64     `json:"dropped"`
	PausedLanes    int       `json:"paused_lanes"`
	Oldest         time.Time `json:"oldest,omitzero"`
	AsOf           time.Time `json:"as_of,omitzero"`
	Requests       int64     `json:"requests"`
	Retries        int64     `json:"retries"`
	InHand         int64     `json:"in_hand"`
	Unsettled      int64     `json:"unsettled"`
	Running        bool      `json:"running"`
	Idle           bool      `json:"idle"`
	Progress       time.Time `json:"progress,omitzero"`
	SecondsStalled float64   `json:"seconds_stalled"`
	SecondsOldest  float64   `json:"seconds_oldest"`
}

func (h *handler) figures() figures {
	s := h.dispatcher.Stats()
	return figures{
		Accepted: s.Accepted, Delivered: s.Delivered, Buried: s.Buried, Duplicates: s.Duplicates,
		Pending: s.Pending, Kept: s.Kept, Dropped: s.Dropped, PausedLanes: s.PausedLanes,
		Oldest: s.Oldest.UTC(), AsOf: s.AsOf.UTC(),
		Requests: s.Requests, Retries: s.Retries, InHand: s.InHand, Unsettled: s.Unsettled,
		Running: s.Running, Idle: s.Idle, Progress: s.Progress.UTC(),
		SecondsStalled: stalled(&s).Seconds(), SecondsOldest: since(s.Oldest).Seconds(),
	}
}

// stalled is how long a dispatcher that has something to do has made no progress.
func stalled(s *delivery.Stats) time.Duration {
	if !s.Running || s.Idle {
		return 0
	}
	return since(s.Progress)
}

// since is the time since t, and zero when t is zero or lies ahead.
func since(t time.Time) time.Duration {
	if t.IsZero() {
		return 0
	}
	return max(0, time.Since(t))
}

func (h *handler) stats(w http.ResponseWriter, _ *http.Request) error {
	return writeJSON(w, h.figures())
}

// live says whether the dispatcher makes progress. One that does not run is not alive: its program forgot to call Run,
// or Run has returned.
func (h *handler) live(w http.ResponseWriter, _ *http.Request) error {
	s := h.dispatcher.Stats()
	idle := stalled(&s)
	switch {
	case !s.Running:
		return &problem{status: http.StatusServiceUnavailable, Message: "the dispatcher does not run"}
	case idle > h.stall:
		return &problem{
			status:  http.StatusServiceUnavailable,
			Message: "no progress for " + idle.Truncate(time.Second).String(),
		}
	}
	return writeJSON(w, map[string]any{"alive": true, "seconds_stalled": idle.Seconds()})
}

// lane is delivery.LaneStatus.
type lane struct {
	Lane        string             `json:"lane"`
	State       delivery.LaneState `json:"state"`
	Until       time.Time          `json:"until,omitzero"`
	Why         string             `json:"why,omitzero"`
	Pending     int64              `json:"pending"`
	Oldest      time.Time          `json:"oldest,omitzero"`
	LastError   string             `json:"last_error,omitzero"`
	LastErrorAt time.Time          `json:"last_error_at,omitzero"`
	Requests    int                `json:"requests"`
	Failures    int                `json:"failures"`
	Concurrency int                `json:"concurrency"`
	UnderWay    int                `json:"under_way"`
}

func (h *handler) lanes(w http.ResponseWriter, r *http.Request) error {
	query, err := parameters(r, "state", "lane")
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), readTime)
	defer cancel()
	all, err := h.dispatcher.Lanes(ctx)
	if err != nil {
		return err
	}
	state, name := delivery.LaneState(query.Get("state")), query.Get("lane")
	list := make([]lane, 0, len(all))
	for i := range all {
		l := &all[i]
		if state != "" && l.State != state || name != "" && !within(l.Lane, name) {
			continue
		}
		list = append(list, lane{
			Lane: l.Lane, State: l.State, Until: l.Until.UTC(), Why: l.Why, Pending: l.Pending, Oldest: l.Oldest.UTC(),
			LastError: l.LastError, LastErrorAt: l.LastErrorAt.UTC(), Requests: l.Requests, Failures: l.Failures,
			Concurrency: l.Concurrency, UnderWay: l.UnderWay,
		})
	}
	return writeJSON(w, map[string]any{"lanes": list})
}

// within reports whether a lane is another or below it.
func within(lane, above string) bool { return lane == above || strings.HasPrefix(lane, above+"/") }

// buried is a buried call without what is personal.
type buried struct {
	ID         string          `json:"id"`
	Lane       string          `json:"lane"`
	Reason     delivery.Reason `json:"reason"`
	Attempts   int             `json:"attempts"`
	FirstError string          `json:"first_error,omitzero"`
	LastError  string          `json:"last_error,omitzero"`
	Submitted  time.Time       `json:"submitted,omitzero"`
	BuriedAt   time.Time       `json:"buried_at,omitzero"`
	Kind       string          `json:"kind"`
	Events     []string        `json:"events,omitzero"` // names
	Call       json.RawMessage `json:"call,omitzero"`   // only with the token
}

func describe(b *delivery.BuriedCall) buried {
	out := buried{
		ID: b.ID, Lane: b.Lane, Reason: b.Reason, Attempts: b.Attempts, FirstError: b.FirstError, LastError: b.LastError,
		Submitted: b.Submitted.UTC(), BuriedAt: b.BuriedAt.UTC(), Kind: "unreadable",
	}
	name := func(e appevents.EventName) { out.Events = append(out.Events, string(e)) }
	switch c := b.Call.(type) {
	case *appevents.Activity:
		out.Kind = "activity"
		for i := range c.Events {
			name(c.Events[i].Name)
		}
	case *appevents.PageActivity:
		out.Kind = "page_activity"
		for i := range c.Events {
			name(c.Events[i].Name)
		}
	case *appevents.ConversionCall:
		out.Kind = "conversions"
		for i := range c.Conversions {
			out.Events = append(out.Events, string(c.Conversions[i].Name))
		}
	case *appevents.Install:
		out.Kind = "install"
	}
	return out
}

// choice says which buried calls somebody means.
type choice struct {
	IDs    []string        `json:"ids"`
	Reason delivery.Reason `json:"reason"`
	Lane   string          `json:"lane"`
	Since  time.Time       `json:"since"`
	Until  time.Time       `json:"until"`
	All    bool            `json:"all"`

	ids map[string]struct{}
}

// empty reports whether nothing was said.
func (c *choice) empty() bool {
	return len(c.IDs) == 0 && c.Reason == "" && c.Lane == "" && c.Since.IsZero() && c.Until.IsZero()
}

func (c *choice) matches(b delivery.BuriedCall) bool {
	if len(c.IDs) > 0 {
		if c.ids == nil {
			c.ids = make(map[string]struct{}, len(c.IDs))
			for _, id := range c.IDs {
				c.ids[id] = struct{}{}
			}
		}
		if _, ok := c.ids[b.ID]; !ok {
			return false
		}
	}
	return (c.Reason == "" || c.Reason == b.Reason) && (c.Lane == "" || within(b.Lane, c.Lane)) &&
		(c.Since.IsZero() || !b.BuriedAt.Before(c.Since)) && (c.Until.IsZero() || b.BuriedAt.Before(c.Until))
}

// chosen reads a choice from the parameters of a request.
func chosen(query url.Values) (*choice, error) {
	c := &choice{Reason: delivery.Reason(query.Get("reason")), Lane: query.Get("lane")}
	for name, to := range map[string]*time.Time{"since": &c.Since, "until": &c.Until} {
		if text := query.Get(name); text != "" {
			at, err := time.Parse(time.RFC3339, text)
			if err != nil {
				return nil, badParameter(name, appevents.RuleFormat, "must be a time such as 2026-01-31T15:04:05Z")
			}
			*to = at
		}
	}
	return c, nil
}

// parameters refuses parameters that do not exist: a misspelt one would choose too much.
func parameters(r *http.Request, known ...string) (url.Values, error) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, badParameter("query", appevents.RuleFormat, "cannot be read")
	}
	for _, name := range slices.Sorted(maps.Keys(query)) {
		switch {
		case !slices.Contains(known, name):
			return nil, badParameter("query", appevents.RuleUnknown, "takes only "+strings.Join(known, ", "))
		case len(query[name]) > 1:
			return nil, badParameter(name, appevents.RuleFormat, "must be given once")
		}
	}
	return query, nil
}

// each yields the buried calls of a choice, from an ID on.
func (h *handler) each(ctx context.Context, from string, c *choice) iter.Seq2[*delivery.BuriedCall, error] {
	return func(yield func(*delivery.BuriedCall, error) bool) {
		for b, err := range h.dispatcher.BuriedFrom(ctx, from) {
			if err != nil {
				yield(nil, err)
				return
			}
			if c.matches(b) && !yield(&b, nil) {
				return
			}
		}
	}
}

// buried lists buried calls a page at a time.
func (h *handler) buried(w http.ResponseWriter, r *http.Request) error {
	query, err := parameters(r, "reason", "lane", "since", "until", "from", "limit")
	if err != nil {
		return err
	}
	c, err := chosen(query)
	if err != nil {
		return err
	}
	limit, err := strconv.Atoi(cmp.Or(query.Get("limit"), strconv.Itoa(defaultPage)))
	if err != nil || limit < 1 || limit > maxPage {
		return badParameter("limit", appevents.RuleRange, "must be between 1 and 1000")
	}
	ctx, cancel := context.WithTimeout(r.Context(), readTime)
	defer cancel()
	page := struct {
		Buried []buried `json:"buried"`
		Next   string   `json:"next,omitzero"`
	}{Buried: make([]buried, 0, min(limit, defaultPage))}
	for b, err := range h.each(ctx, query.Get("from"), c) {
		if err != nil {
			return err
		}
		if len(page.Buried) == limit {
			page.Next = b.ID
			break
		}
		page.Buried = append(page.Buried, describe(b))
	}
	return writeJSON(w, page)
}

func (h *handler) buriedOne(w http.ResponseWriter, r *http.Request) error {
	ctx, cancel := context.WithTimeout(r.Context(), readTime)
	defer cancel()
	for b, err := range h.dispatcher.BuriedFrom(ctx, r.PathValue("id")) {
		if err != nil {
			return err
		}
		if b.ID == r.PathValue("id") {
			return writeJSON(w, describe(&b))
		}
		break
	}
	return delivery.ErrNotFound
}

// maxGroups bounds the lanes and days that a summary names: the largest, and the latest.
const maxGroups = 1000

// group is buried calls that have something in common.
type group struct {
	Name  string `json:"name"`
	Count int    `json:"count"`
}

func (h *handler) summary(w http.ResponseWriter, r *http.Request) error {
	query, err := parameters(r, "reason", "lane", "since", "until")
	if err != nil {
		return err
	}
	c, err := chosen(query)
	if err != nil {
		return err
	}
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(writeTime)) // where the server has such a thing
	total, reasons, lanes, days := 0, make(map[string]int), make(map[string]int), make(map[string]int)
	for b, err := range h.each(r.Context(), "", c) {
		if err != nil {
			return err
		}
		total++
		reasons[string(b.Reason)]++
		lanes[b.Lane]++
		days[b.BuriedAt.UTC().Format(time.DateOnly)]++
	}
	byCount := func(a, b group) int { return cmp.Or(cmp.Compare(b.Count, a.Count), strings.Compare(a.Name, b.Name)) }
	byName := func(a, b group) int { return strings.Compare(b.Name, a.Name) }
	return writeJSON(w, map[string]any{
		"total": total, "reasons": groups(reasons, byCount), "lanes": groups(lanes, byCount), "days": groups(days, byName),
	})
}

func groups(counts map[string]int, order func(a, b group) int) []group {
	list := make([]group, 0, len(counts))
	for name, count := range counts {
		list = append(list, group{Name: name, Count: count})
	}
	slices.SortFunc(list, order)
	return list[:min(len(list), maxGroups)]
}

// export writes buried calls as lines of JSON. When the queue fails on the way, the last line is an error.
func (h *handler) export(w http.ResponseWriter, r *http.Request) error {
	query, err := parameters(r, "reason", "lane", "since", "until", "calls")
	if err != nil {
		return err
	}
	c, err := chosen(query)
	if err != nil {
		return err
	}
	calls := false
	if text := query.Get("calls"); text != "" {
		if calls, err = strconv.ParseBool(text); err != nil {
			return badParameter("calls", appevents.RuleFormat, "must be true or false")
		}
	}
	if calls {
		if err := h.allow(r); err != nil {
			return err
		}
	}
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(writeTime)) // where the server has such a thing
	w.Header().Set("Content-Type", "application/x-ndjson")
	out := json.NewEncoder(w)
	for b, err := range h.each(r.Context(), "", c) {
		if err != nil {
			_ = out.Encode(map[string]*problem{"error": {Message: "the queue does not answer: the list is not complete"}})
			return nil
		}
		line := describe(b)
		if calls && b.Call != nil {
			if stored, err := appevents.MarshalCall(b.Call); err == nil {
				line.Call = stored
			}
		}
		if out.Encode(line) != nil {
			return nil // the client went away
		}
	}
	return nil
}
