package emulator

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/appevents/appevents-go/graphtest"
)

// fault is one fault that waits for its call.
type fault struct {
	FaultState
	spec
}

// spec is what a kind of fault does.
type spec struct {
	name  string
	fault graphtest.Fault
	shape shape
}

// shape is what a fault does to a valid call: nothing of it is taken, or it has its effect. On edges that graphtest
// does not know, it says what becomes of the answer as well.
type shape uint8

const (
	shapeNone shape = iota // not taken
	shapeTruncate
	shapeSlow
	shapeDrip
	shapeDouble
	shapeDrift
	shapeUnsolicited
	shapeHeld // no answer: the connection ends
)

var shapes = map[graphtest.FaultKind]shape{
	graphtest.Timeout: shapeHeld, graphtest.Reset: shapeHeld, graphtest.Truncate: shapeTruncate,
	graphtest.SlowHeaders: shapeSlow, graphtest.SlowBody: shapeDrip, graphtest.Duplicate: shapeDouble,
	graphtest.VersionDrift: shapeDrift, graphtest.Unsolicited: shapeUnsolicited,
}

var faultKinds = func() map[string]spec {
	kinds := map[string]spec{}
	for k := graphtest.Throttle; k <= graphtest.Unsolicited; k++ {
		kinds[k.String()] = spec{k.String(), k, shapes[k]}
	}
	return kinds
}()

// FaultNames are the faults that POST /-/api/faults takes, beside "error CODE/SUBCODE".
func FaultNames() []string { return slices.Sorted(maps.Keys(faultKinds)) }

func parseFault(name string) (spec, error) {
	name = strings.ToLower(strings.TrimSpace(name))
	name = strings.NewReplacer("-", " ", "_", " ").Replace(name)
	if s, ok := faultKinds[name]; ok {
		return s, nil
	}
	if codes, ok := strings.CutPrefix(name, "error "); ok {
		first, second, _ := strings.Cut(codes, "/")
		code, err := strconv.Atoi(first)
		subcode := 0
		if err == nil && second != "" {
			subcode, err = strconv.Atoi(second)
		}
		if err == nil && code > 0 && subcode >= 0 {
			return spec{name: fmt.Sprintf("error %d/%d", code, subcode), fault: graphtest.Error(code, subcode)}, nil
		}
	}
	return spec{}, fmt.Errorf("must be one of %s, or error CODE/SUBCODE", strings.Join(FaultNames(), ", "))
}

// Inject lets the next calls to an edge and about a Page go wrong; empty means any.
func (e *Emulator) Inject(name, edge, page string, times int) error {
	s, err := parseFault(name)
	if err != nil {
		return &InputError{Field: "fault", Message: err.Error()}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	times = max(times, 1)
	if len(e.faults)+times > maxFaults {
		return &InputError{Field: "times", Message: fmt.Sprintf("at most %d faults may wait", maxFaults)}
	}
	for range times {
		e.faults = append(e.faults, fault{FaultState{s.name, edge, page}, s})
	}
	e.touch()
	return nil
}

// ClearFaults forgets the faults that wait.
func (e *Emulator) ClearFaults() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.faults = nil
	e.touch()
}

// takeFault removes the first fault that matches a call. The lock is held.
func (e *Emulator) takeFault(c *call) (fault, bool) {
	for n, f := range e.faults {
		if (f.Edge == "" || f.Edge == c.x.Kind) && (f.Page == "" || f.Page == c.x.Page) {
			e.faults = slices.Delete(e.faults, n, n+1)
			return f, true
		}
	}
	return fault{}, false
}

// answer keeps a copy of what a call is answered, and bends the answers of edges that graphtest does not know.
type answer struct {
	http.ResponseWriter
	e       *Emulator
	c       *call
	request *http.Request
	kept    bytes.Buffer
	body    bytes.Buffer // held back while it is to be bent
	status  int
}

func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// Hijack lets graphtest reset the connection.
func (a *answer) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return http.NewResponseController(a.ResponseWriter).Hijack()
}

func (a *answer) WriteHeader(status int) {
	a.e.decorate(a.Header(), a.c.x.Page)
	if a.bent() {
		a.status = status
		return
	}
	a.e.answers(a.c)
	a.ResponseWriter.WriteHeader(status)
}

// decorate adds the headers of every answer: the time of Graph's clock, and how much of the limits is used up.
func (e *Emulator) decorate(h http.Header, page string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	h.Set("Date", e.now().Add(e.s.Skew).Format(http.TimeFormat))
	h.Set(EmulatorHeader, "appevents")
	if e.s.Usage == 0 || h.Get("X-App-Usage") != "" || h.Get("X-Business-Use-Case-Usage") != "" {
		return
	}
	h.Set("X-App-Usage", fmt.Sprintf(`{"call_count":%d,"total_cputime":1,"total_time":1}`, e.s.Usage))
	h.Set("X-Business-Use-Case-Usage", fmt.Sprintf(`{%q:[{"type":"messenger","call_count":%d,"total_cputime":1,`+
		`"total_time":1,"estimated_time_to_regain_access":0}]}`, or(page, e.creds.PageID), e.s.Usage))
}

// EmulatorHeader is in every answer that Graph itself did not give.
const EmulatorHeader = "X-Emulator"

// refusedByFault records the error that an injected fault answers with: unlike refusals, it is in the answer only.
func (e *Emulator) refusedByFault(c *call, body []byte) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if c.fault == "" || c.x.Accepted || c.x.Error != nil {
		return
	}
	var answer struct {
		Error struct {
			Code    int
			Subcode int `json:"error_subcode"`
			Message string
		}
	}
	if json.Unmarshal(body, &answer) != nil || answer.Error.Code == 0 {
		return // a gateway's page, or nothing
	}
	c.x.Error = &Error{Code: answer.Error.Code, Subcode: answer.Error.Subcode, Message: answer.Error.Message}
	e.update(c.x)
}

func (a *answer) bent() bool { return a.c.shape != shapeNone && a.c.shape != shapeHeld }

func (a *answer) Write(p []byte) (int, error) {
	a.e.refusedByFault(a.c, p)
	if room := maxShown - a.kept.Len(); room > 0 {
		a.kept.Write(p[:min(room, len(p))])
	}
	if a.bent() {
		return a.body.Write(p)
	}
	return a.ResponseWriter.Write(p)
}

// finish sends what was held back, the way the fault wants it.
func (a *answer) finish() {
	if !a.bent() {
		return
	}
	body, h := a.body.Bytes(), a.Header()
	switch a.c.shape {
	case shapeDouble:
		body = append(bytes.Clone(body), body...)
	case shapeDrift:
		h.Set("Facebook-Api-Version", a.c.x.Served)
	case shapeSlow:
		a.wait(time.Second)
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	a.ResponseWriter.WriteHeader(a.status)
	rc := http.NewResponseController(a.ResponseWriter)
	switch a.c.shape {
	case shapeTruncate:
		_, _ = a.ResponseWriter.Write(body[:len(body)/2]) // net/http closes where less came than was announced
		return
	case shapeDrip:
		_ = rc.Flush()
		for part := range slices.Chunk(body, max(1, len(body)/10)) {
			if !a.wait(100 * time.Millisecond) {
				return
			}
			_, _ = a.ResponseWriter.Write(part)
			_ = rc.Flush()
		}
		return
	}
	_, _ = a.ResponseWriter.Write(body)
	if a.c.shape == shapeUnsolicited {
		_ = rc.Flush()
		conn, buf, err := rc.Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		_, _ = fmt.Fprintf(buf, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
			len(body), body)
		_ = buf.Flush()
	}
}

func (a *answer) wait(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-a.request.Context().Done():
	case <-a.e.ctx.Done():
	}
	return false
}
