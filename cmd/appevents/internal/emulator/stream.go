package emulator

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// A Stream writes server-sent events. A reader that does not take them within ten seconds is dropped; it resumes by the
// id of the last event that it saw.
type Stream struct {
	w  http.ResponseWriter
	rc *http.ResponseController
}

// slowReader is how long one write may take, and keepAlive how long a stream is silent.
const (
	slowReader = 10 * time.Second
	keepAlive  = 15 * time.Second
	coalesce   = 100 * time.Millisecond
)

// NewStream answers with the headers of a stream.
func NewStream(w http.ResponseWriter) *Stream {
	w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	s := &Stream{w, http.NewResponseController(w)}
	_ = s.rc.SetWriteDeadline(time.Now().Add(slowReader)) // not every ResponseWriter has one
	w.WriteHeader(http.StatusOK)
	_, _ = fmt.Fprint(w, "retry: 1000\n\n")
	_ = s.rc.Flush()
	return s
}

// Send writes one event whose data is JSON, and Flush what is buffered.
func (s *Stream) Send(event string, id int64, data any) error {
	text, err := json.Marshal(data)
	if err != nil {
		return err
	}
	_ = s.rc.SetWriteDeadline(time.Now().Add(slowReader))
	if id > 0 {
		_, err = fmt.Fprintf(s.w, "event: %s\nid: %d\ndata: %s\n\n", event, id, text)
	} else {
		_, err = fmt.Fprintf(s.w, "event: %s\ndata: %s\n\n", event, text)
	}
	return err
}

// Flush sends what is buffered.
func (s *Stream) Flush() error { return s.rc.Flush() }

// Wait returns true at a change after rev, at most ten times a second, and false when the reader left.
func (s *Stream) Wait(e *Emulator, r *http.Request, rev int64) bool {
	for {
		now, changed := e.Changed()
		timer := time.NewTimer(keepAlive)
		if now > rev {
			timer.Reset(coalesce)
			changed = nil
		}
		select {
		case <-changed:
			timer.Stop()
		case <-timer.C:
			if now > rev {
				return true
			}
			_ = s.rc.SetWriteDeadline(time.Now().Add(slowReader))
			if _, err := fmt.Fprint(s.w, ": still here\n\n"); err != nil || s.Flush() != nil {
				return false
			}
		case <-r.Context().Done():
			timer.Stop()
			return false
		case <-e.ctx.Done():
			timer.Stop()
			return false
		}
	}
}

// LastEventID says where a reader wants to go on, and whether it said so.
func LastEventID(r *http.Request) (int64, bool) {
	text := r.Header.Get("Last-Event-ID")
	if text == "" {
		text = r.URL.Query().Get("after")
	}
	id, err := strconv.ParseInt(text, 10, 64)
	return id, err == nil && id >= 0
}

// serveEvents is GET /-/events.
func (e *Emulator) serveEvents(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet {
		w.Header().Set("Allow", "GET")
		http.Error(w, "the stream takes GET only", http.StatusMethodNotAllowed)
		return
	}
	now, _ := e.Changed()
	rev, resumed := LastEventID(r)
	if !resumed || rev > now {
		rev = now
	}
	s := NewStream(w)
	for {
		list, at, gap := e.Exchanges(rev, 500)
		if gap && s.Send("gap", 0, map[string]int64{"rev": at}) != nil {
			return
		}
		for _, x := range list {
			if s.Send("exchange", x.Rev, x) != nil {
				return
			}
		}
		if len(list) == 0 && at > rev && s.Send("state", at, map[string]int64{"rev": at}) != nil {
			return
		}
		rev = at
		if s.Flush() != nil || !s.Wait(e, r, rev) {
			return
		}
	}
}
