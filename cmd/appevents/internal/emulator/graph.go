package emulator

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/appevents/appevents-go/graphtest"
)

// callHeader carries the number of a call through graphtest, which shows its record to the observer.
const callHeader = "X-Emulator-Call"

// call is one request to Graph on its way.
type call struct {
	x       *Exchange
	parts   []string // of the path, without the version
	version string
	params  params
	token   string
	page    *pageData // the Page of the token or path; nil = unknown
	own     edgeFunc  // an edge that graphtest does not have
	request *http.Request
	shape   shape // what a fault does to the answer of an own edge
	fault   string
	err     *Error
	refused bool // answered by the emulator with an error
}

// graphOptions sets graphtest up with the emulator's app. Tokens are left to the emulator: what they may do changes
// while it runs.
func (e *Emulator) graphOptions() []graphtest.Option {
	opts := []graphtest.Option{
		graphtest.WithAppID(e.creds.AppID),
		graphtest.WithAppSecret(e.creds.AppSecret),
		graphtest.WithClock(e.cfg.Now),
		graphtest.WithMaxCalls(0),
		graphtest.WithObserver(e.observe),
		graphtest.WithFaults(e.decide),
	}
	if e.cfg.RequireProof {
		opts = append(opts, graphtest.WithRequireProof())
	}
	if !e.cfg.AcceptPageActivities {
		opts = append(opts, graphtest.WithoutPageActivities())
	}
	return opts
}

// serveGraph answers one call. graphtest decodes and answers all of them; for the edges it does not know, decide puts
// the emulator's own answer in place.
func (e *Emulator) serveGraph(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	if err != nil {
		http.Error(w, "the body ended early", http.StatusBadRequest)
		return
	}
	c := e.begin(r, body)
	number := strconv.FormatInt(c.x.ID, 10)
	defer e.end(number, c)

	inner := r.Clone(r.Context())
	inner.Header.Set(callHeader, number)
	inner.Header.Del("Proxy-Connection")
	inner.Body = io.NopCloser(bytes.NewReader(body))
	inner.ContentLength = int64(len(body))
	out := &answer{ResponseWriter: w, e: e, c: c, request: r}
	defer func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.resize(c.x, c.x.Request, e.clean(out.kept.String(), c.token))
	}()
	e.graph.ServeHTTP(out, inner)
	out.finish()
}

// begin records that a call arrived.
func (e *Emulator) begin(r *http.Request, body []byte) *call {
	c := &call{params: parseParams(r, body), request: r}
	c.token = c.params.token
	path := strings.Trim(r.URL.Path, "/")
	c.parts = strings.Split(path, "/")
	if isVersion(c.parts[0]) {
		c.version, c.parts = c.parts[0], c.parts[1:]
	}
	if len(c.parts) == 0 {
		c.parts = []string{""} // the version alone
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	c.x = &Exchange{
		Time: e.now(), Direction: DirCall, Method: r.Method, Version: c.version,
		Path: e.clean(r.URL.EscapedPath(), c.token),
	}
	e.classify(c)
	c.x.PSID = c.params.psid()
	if p := e.person("", c.x.PSID); p != nil {
		c.x.Person = p.Name
		if c.x.Page == "" {
			c.x.Page = p.Page
		}
	}
	if t := e.lastTurn(c.x.Page, c.x.PSID); t != nil {
		c.x.Turn = t.ID
	}
	c.x.Request = e.clean(truncate(c.params.shown(), maxShown), c.params.secrets...)
	c.x.Summary = c.x.Kind
	e.add(c.x)
	if t := e.turn(c.x.Turn); t != nil {
		t.Exchanges = append(t.Exchanges, c.x.ID)
	}
	e.pending[strconv.FormatInt(c.x.ID, 10)] = c
	return c
}

func isVersion(part string) bool {
	return len(part) > 1 && part[0] == 'v' && part[1] >= '0' && part[1] <= '9'
}

// answers notes that the answer to a call goes out. What the bot does next can come before the end of the record.
func (e *Emulator) answers(c *call) {
	e.mu.Lock()
	defer e.mu.Unlock()
	c.x.answered = e.now()
}

// end closes the record of a call, however its answer went.
func (e *Emulator) end(number string, c *call) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.pending, number)
	c.x.Done = true
	now := e.now()
	c.x.DurationMS = millis(now.Sub(c.x.Time))
	if c.x.answered.IsZero() {
		c.x.answered = now
	}
	e.update(c.x)
}

// decide chooses the fault for a call, or answers it where graphtest cannot.
func (e *Emulator) decide(seen graphtest.Call) graphtest.Fault {
	e.mu.Lock()
	defer e.mu.Unlock()
	c := e.pending[seen.Header.Get(callHeader)]
	if c == nil {
		return nil
	}
	if c.x.Page == "" {
		c.x.Page = seen.PageID
	}
	if f, ok := e.takeFault(c); ok {
		c.fault = f.name
		c.refused = f.shape == shapeNone
		if c.refused || c.own == nil {
			return f.fault
		}
		if c.shape = f.shape; c.shape == shapeHeld { // the connection ends, but the call has its effect
			e.answerOwn(c)
			return f.fault
		}
	}
	switch {
	case c.own != nil:
		status, body := e.answerOwn(c)
		return graphtest.Reply(status, string(body))
	case seen.Edge == "page_activities" && !e.cfg.AcceptPageActivities:
		return e.refuse(c, http.StatusBadRequest, 2500, 0, "Unknown path components: /page_activities. The edge has "+
			"retired on every living version. Log to POST /{app-id}/activities, or to POST /{dataset-id}/events of the "+
			"Conversions API.", "use /activities, or the Conversions API")
	case seen.Edge == "":
		path := truncate(c.x.Path, 200)
		if !slices.Contains(e.s.Unknown, path) && len(e.s.Unknown) < 100 {
			e.s.Unknown = append(e.s.Unknown, path)
		}
		return e.refuse(c, http.StatusBadRequest, 2500, 0, "Unknown path components: "+path, "not emulated")
	}
	if err := e.judgeShared(c, seen); err != nil {
		return e.refuse(c, errorStatus(err.Code), err.Code, err.Subcode, err.Message, err.Hint)
	}
	switch {
	case e.cfg.Strict:
		for _, p := range seen.Problems {
			if !p.Tolerated && p.Code == 0 {
				return e.refuse(c, http.StatusBadRequest, 100, 0, "(#100) Param "+p.Field+": "+p.Message, "refused by --strict")
			}
		}
	case seen.Edge == "insights" && seen.Method == http.MethodGet && len(e.s.Leads) > 0 && !refusedAlready(seen):
		return graphtest.Reply(http.StatusOK, e.insights(seen))
	}
	return nil
}

// refusedAlready reports whether graphtest has found something that Graph refuses.
func refusedAlready(seen graphtest.Call) bool {
	return slices.ContainsFunc(seen.Problems, func(p graphtest.Problem) bool { return p.Code != 0 })
}

// judgeShared judges what graphtest leaves open on its own edges. The lock is held.
func (e *Emulator) judgeShared(c *call, seen graphtest.Call) *Error {
	if c.token == "" {
		return nil // some edges take that; graphtest refuses it on the others
	}
	if err := e.judgeToken(c); err != nil {
		return err
	}
	if refusedAlready(seen) {
		return nil
	}
	h, page := e.holder(c.token), e.pageByID(seen.PageID)
	switch seen.Edge {
	case "page_activities":
		if h.kind == tokenPage && page != nil && page != h.page {
			return &Error{Code: 200, Message: "(#200) The token is not good for this Page"}
		}
		return e.judgePermission(h, page, "page_events")
	case "insights", "report":
		return e.judgePermission(h, nil, "ads_read")
	case "events":
		return e.judgeConversions(c)
	}
	return nil
}

// refuse answers with an error of the emulator's own.
func (e *Emulator) refuse(c *call, status, code, subcode int, message, hint string) graphtest.Fault {
	c.err = &Error{Code: code, Subcode: subcode, Message: message, Hint: hint}
	c.refused = true
	return graphtest.Reply(status, string(errorBody(c.err, c.x.ID)))
}

func errorBody(err *Error, id int64) []byte {
	kind := "OAuthException"
	if err.Code == 100 && err.Subcode == 33 {
		kind = "GraphMethodException"
	}
	inner := map[string]any{
		"message": err.Message, "type": kind, "code": err.Code, "fbtrace_id": fmt.Sprintf("Aemulator%08d", id),
	}
	if err.Subcode != 0 {
		inner["error_subcode"] = err.Subcode
	}
	if err.Hint != "" {
		inner["error_user_msg"] = err.Hint
	}
	body, _ := json.Marshal(map[string]any{"error": inner}) // plain values
	return body
}

// observe takes over what graphtest found, just before the bot hears the answer: what is counted is counted by then.
func (e *Emulator) observe(seen graphtest.Call) {
	e.mu.Lock()
	defer e.mu.Unlock()
	c := e.pending[seen.Header.Get(callHeader)]
	if c == nil {
		return
	}
	x := c.x
	x.Status, x.Served, x.Fault = seen.Status, seen.Served, c.fault
	if c.shape == shapeDrift {
		x.Served = "v21.0"
	}
	x.Accepted = seen.Accepted
	if c.own != nil {
		x.Accepted = seen.Status >= 200 && seen.Status < 300 && c.err == nil || c.shape == shapeHeld
	}
	if x.Page == "" {
		x.Page = seen.PageID
	}
	if x.PSID == "" {
		x.PSID = seen.PSID
	}
	for _, p := range seen.Problems {
		if c.own != nil && p.Code != 0 || seen.Edge == "" && p.Code == 2500 {
			continue // graphtest does not know the path, or judges what is not its own
		}
		x.Problems = append(x.Problems, Problem{p.Field, p.Rule, p.Message, p.Code, p.Subcode, p.Tolerated})
		if p.Code != 0 && c.err == nil && !x.Accepted {
			c.err = &Error{Code: p.Code, Subcode: p.Subcode, Message: p.Field + ": " + p.Message}
		}
	}
	x.Error = c.err
	e.count(c, seen)
	e.judgeCall(c)
	e.update(x)
}

func millis(d time.Duration) float64 {
	return float64(d.Round(10*time.Microsecond)) / float64(time.Millisecond)
}

func truncate(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}

// proof is the appsecret_proof of a token.
func proof(secret, token string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(token))
	return hex.EncodeToString(mac.Sum(nil))
}
