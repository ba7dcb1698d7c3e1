package graphtest

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"
)

// A Fault makes one call go wrong. [Server.Inject] queues faults; each is used up by one call, in the order injected.
//
// Faults are the constants of type [FaultKind] and what [Error], [ThrottleFor], [Slow], [Drip], [Reply] and [Redirect]
// return, repeated by [Times], aimed by [On] and [OnPage], mixed by [Random].
type Fault interface {
	plan() []plan
}

// A FaultKind is a fault without parameters.
//
// "Taken" below says whether the server accepts the data of a valid call although the caller does not hear of it in the
// usual way; Call.Accepted records it.
type FaultKind uint8

const (
	// None lets the call through: a place in a sequence. Taken.
	None FaultKind = iota
	// Throttle answers that the limit is reached, with usage headers that ask for five minutes' patience. The code is 4
	// on /activities and /debug_token, 80006 on /page_activities and /dataset, 80004 on /events, 80000 on /insights.
	// Not taken.
	Throttle
	// Transient answers HTTP 500 with code 2 and is_transient true. Not taken.
	Transient
	// Unavailable answers HTTP 503 with a gateway's HTML page. Not taken.
	Unavailable
	// HTML answers HTTP 502 with a gateway's HTML page. Not taken.
	HTML
	// Timeout reads the request and does not answer until the caller gives up or the server closes, and no longer than
	// a minute. Taken: this is the case in which a caller cannot know.
	Timeout
	// Reset resets the connection after the request was read. Taken.
	Reset
	// ResetEarly resets the connection before the body was read. Not taken.
	ResetEarly
	// Truncate promises the whole answer in Content-Length, sends half and closes. Taken.
	Truncate
	// Empty answers HTTP 200 without a body. Not taken.
	Empty
	// False answers HTTP 200 with the bare word false. Not taken.
	False
	// NotSuccess answers HTTP 200 with {"success":false}. Not taken.
	NotSuccess
	// ExpiredToken answers code 190 with subcode 463. Not taken.
	ExpiredToken
	// MissingPermission answers code 200. Not taken.
	MissingPermission
	// VersionDrift serves the call by another Graph version than asked for. Taken.
	VersionDrift
	// SlowHeaders is Slow(time.Second).
	SlowHeaders
	// SlowBody is Drip(time.Second).
	SlowBody
	// Duplicate sends the answer's JSON twice in one body. Taken.
	Duplicate
	// Unsolicited sends a second complete HTTP response after the first on the same connection. Through
	// [Server.RoundTrip] it cannot be expressed and does nothing. Taken.
	Unsolicited

	kindError
	kindReply
	kindRedirect
)

var faultNames = [...]string{
	"none", "throttle", "transient", "unavailable", "html", "timeout", "reset", "reset early", "truncate", "empty",
	"false", "not success", "expired token", "missing permission", "version drift", "slow headers", "slow body",
	"duplicate", "unsolicited", "error", "reply", "redirect",
}

// String returns the name recorded in Call.Fault.
func (k FaultKind) String() string {
	if int(k) < len(faultNames) {
		return faultNames[k]
	}
	return "fault " + strconv.Itoa(int(k))
}

func (k FaultKind) plan() []plan {
	p := plan{kind: k}
	switch k {
	case Throttle:
		p.wait = 5 * time.Minute
	case SlowHeaders, SlowBody:
		p.wait = time.Second
	}
	return []plan{p}
}

// plan is one place in the queue of faults.
type plan struct {
	kind    FaultKind
	edge    string        // "" = every edge
	page    string        // "" = every Page
	wait    time.Duration // delay, or the time a throttle asks for
	code    int           // kindError
	subcode int           // kindError
	status  int           // kindReply
	body    string        // kindReply: the body; kindRedirect: the location
}

type plans []plan

func (p plans) plan() []plan { return p }

func (p *plan) matches(c *Call) bool {
	return (p.edge == "" || p.edge == c.Edge) && (p.page == "" || p.page == c.PageID)
}

// name is what Call.Fault records.
func (p *plan) name() string {
	switch p.kind {
	case None:
		return ""
	case kindError:
		return fmt.Sprintf("error %d/%d", p.code, p.subcode)
	case kindReply:
		return fmt.Sprintf("reply %d", p.status)
	}
	return p.kind.String()
}

// taken reports whether a valid call has its effect in spite of the fault.
func (p *plan) taken() bool {
	switch p.kind {
	case None, Timeout, Reset, Truncate, VersionDrift, SlowHeaders, SlowBody, Duplicate, Unsolicited:
		return true
	case kindReply:
		return p.status >= 200 && p.status < 300
	}
	return false
}

// Error answers with Graph's error envelope for this code and subcode (0 = none) and the HTTP status Graph uses for it.
// A code that means throttling brings the usage headers of [Throttle].
func Error(code, subcode int) Fault {
	return plans{{kind: kindError, code: code, subcode: subcode, wait: 5 * time.Minute}}
}

// ThrottleFor is [Throttle] asking for d, rounded up to the whole minutes in which Graph states it.
//
// A call that arrives sooner is answered normally but has the Problem "throttled": Graph would make the caller wait
// longer for it.
func ThrottleFor(d time.Duration) Fault { return plans{{kind: Throttle, wait: d}} }

// Slow answers after d. The wait ends early when the caller gives up or the server closes.
func Slow(d time.Duration) Fault { return plans{{kind: SlowHeaders, wait: d}} }

// Drip answers the headers at once and the body in pieces over d. The wait ends early like that of [Slow].
func Drip(d time.Duration) Fault { return plans{{kind: SlowBody, wait: d}} }

// Reply answers with this status and JSON body instead of the usual success, for instance an attribution claim, a
// drop_reason, or a failed report run. With a status in 200-299 a valid call counts as accepted.
func Reply(status int, body string) Fault {
	return plans{{kind: kindReply, status: status, body: body}}
}

// Redirect answers 302 with this Location, to prove that a client takes its credentials nowhere else.
func Redirect(location string) Fault { return plans{{kind: kindRedirect, body: location}} }

// Times repeats f n times.
func Times(n int, f Fault) Fault {
	var out plans
	for range n {
		out = append(out, f.plan()...)
	}
	return out
}

// On lets f meet only calls to this edge (see Call.Edge), leaving others alone until such a call comes.
func On(edge string, f Fault) Fault {
	out := plans(append([]plan(nil), f.plan()...))
	for i := range out {
		out[i].edge = edge
	}
	return out
}

// OnPage lets f meet only calls about this Page. The Page is in the body, so even [ResetEarly] reads it then.
func OnPage(pageID string, f Fault) Fault {
	out := plans(append([]plan(nil), f.plan()...))
	for i := range out {
		out[i].page = pageID
	}
	return out
}

// Random is a schedule of n places, each with even odds either no fault or one drawn from faults; the same seed gives
// the same schedule. Without faults it draws from Transient, Unavailable, HTML, Empty, False, Reset, ResetEarly,
// Truncate and Duplicate: everything that neither takes time nor asks the caller to wait.
func Random(seed uint64, n int, faults ...Fault) Fault {
	if len(faults) == 0 {
		faults = []Fault{Transient, Unavailable, HTML, Empty, False, Reset, ResetEarly, Truncate, Duplicate}
	}
	rng := rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // a schedule has to be repeatable, not secret
	var out plans
	for range n {
		pick := Fault(None)
		if rng.IntN(2) == 1 {
			pick = faults[rng.IntN(len(faults))]
		}
		out = append(out, pick.plan()...)
	}
	return out
}

const gatewayPage = "<!DOCTYPE html>\n<html><head><title>%[1]d %[2]s</title></head>" +
	"<body><h1>%[1]d %[2]s</h1><p>The gateway could not complete your request.</p></body></html>\n"

// replace turns the answer to a call into the fault's answer. Faults of the connection are left to the transport.
func (p *plan) replace(a *answer, c *Call, g *graph) {
	switch p.kind {
	case Throttle, kindError:
		code := p.code
		if p.kind == Throttle {
			code = throttleCode(c.Edge)
		}
		e := newGraphError(code, p.subcode, "")
		a.fail(e, c)
		if isThrottle(code) {
			throttleHeaders(a.header, c, code, p.wait)
		}
	case Transient:
		a.fail(newGraphError(2, 0, ""), c)
	case ExpiredToken:
		a.fail(newGraphError(190, 463, ""), c)
	case MissingPermission:
		a.fail(newGraphError(200, 0, ""), c)
	case Unavailable, HTML:
		a.status = http.StatusBadGateway
		if p.kind == Unavailable {
			a.status = http.StatusServiceUnavailable
		}
		a.header.Set("Content-Type", "text/html; charset=utf-8")
		a.header.Del("Facebook-Api-Version")
		a.body = fmt.Appendf(nil, gatewayPage, a.status, http.StatusText(a.status))
	case Empty:
		a.status, a.body = http.StatusOK, nil
	case False:
		a.status, a.body = http.StatusOK, []byte("false")
	case NotSuccess:
		a.status, a.body = http.StatusOK, []byte(`{"success":false}`)
	case kindReply:
		a.status, a.body = p.status, []byte(p.body)
	case kindRedirect:
		a.status, a.body = http.StatusFound, nil
		a.header.Set("Location", p.body)
	case VersionDrift:
		c.Served = g.cfg.otherVersion(c.Served)
		a.header.Set("Facebook-Api-Version", c.Served)
	case Duplicate:
		a.body = append(a.body, a.body...)
	}
}

// throttleCode is the limit a call on this edge runs into.
func throttleCode(edge string) int {
	switch edge {
	case "page_activities", "dataset":
		return 80006
	case "events":
		return 80004
	case "insights", "report":
		return 80000
	}
	return 4
}

func isThrottle(code int) bool {
	switch code {
	case 4, 17, 32, 341, 613:
		return true
	}
	return code >= 80000 && code <= 80014
}

// usageTypes maps the codes of business use case limits to the type in the usage header.
var usageTypes = map[int]string{
	80000: "ads_insights", 80001: "pages", 80002: "instagram", 80003: "custom_audience", 80004: "ads_management",
	80005: "leadgen", 80006: "messenger",
}

// throttleHeaders adds the usage headers that state when calls are welcome again.
func throttleHeaders(h http.Header, c *Call, code int, wait time.Duration) {
	id := c.ObjectID
	if c.PageID != "" {
		id = c.PageID
	}
	kind := usageTypes[code]
	if kind == "" {
		h.Set("X-App-Usage", `{"call_count":100,"total_cputime":25,"total_time":25}`)
		kind = "messenger"
	}
	minutes := int64((wait + time.Minute - 1) / time.Minute)
	h.Set("X-Business-Use-Case-Usage", fmt.Sprintf(
		`{%q:[{"type":%q,"call_count":100,"total_cputime":25,"total_time":25,"estimated_time_to_regain_access":%d}]}`,
		id, kind, minutes))
}

// appLane names the app a call counts against.
func appLane(c *Call) string {
	if c.Edge == "activities" || c.Edge == "page_activities" {
		return "app " + c.ObjectID
	}
	return "app"
}

// lane names what a throttle code holds up: the app, the Page or the object of the call.
func lane(code int, c *Call) string {
	switch code {
	case 4, 341, 613:
		return appLane(c)
	case 80001, 80002, 80006, 32:
		if c.PageID != "" && c.Edge != "events" { // Marketing API calls are outside the Page's limits
			return "page " + c.PageID
		}
	}
	return "object " + c.ObjectID
}
