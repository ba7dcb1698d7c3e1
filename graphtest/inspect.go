package graphtest

import (
	"crypto/sha256"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// inspection is the examination of one call.
type inspection struct {
	g    *graph
	call *Call
	req  *http.Request
	now  time.Time

	edge    *edge   // nil when the path leads nowhere
	list    []param // parameters without the credentials
	auth    credentials
	grant   Grant // what the token may do; the zero Grant when nothing was declared
	refusal *graphError
	count   int // events in the call
}

// edge is one kind of URL the server answers.
type edge struct {
	name      string
	methods   []string
	object    func(string) bool        // whether the node id has the right form
	tokenless bool                     // may be called without a token
	marketing bool                     // Marketing API: needs a version in the path
	check     func(*inspection)        // finds the problems; must not change the graph
	apply     func(*inspection) []byte // the effect of a valid call and its answer; holds graph.mu
}

// edgeFor returns the edge of this name, or nil. It is a function so that the package has no mutable state.
func edgeFor(name string) *edge {
	post, getPost, get := []string{"POST"}, []string{"GET", "POST"}, []string{"GET"}
	switch name {
	case "activities":
		return &edge{name: name, methods: post, object: isID, tokenless: true,
			check: checkActivities, apply: applyAppEvents}
	case "page_activities":
		return &edge{name: name, methods: post, object: isID, check: checkPageActivities, apply: applyAppEvents}
	case "events":
		return &edge{name: name, methods: post, object: isID, marketing: true,
			check: checkConversions, apply: applyConversions}
	case "dataset":
		return &edge{name: name, methods: getPost, object: isID, check: checkDataset, apply: applyDataset}
	case "insights":
		return &edge{name: name, methods: getPost, object: isInsightsObject, marketing: true,
			check: checkInsights, apply: applyInsights}
	case "report":
		return &edge{name: name, methods: get, object: isID, marketing: true, check: checkReport, apply: applyReport}
	case "debug_token":
		return &edge{name: name, methods: get, check: checkDebugToken, apply: applyDebugToken}
	}
	return nil
}

// maxProblems is how many problems of one call are kept.
const maxProblems = 1000

func (i *inspection) note(p Problem) {
	if len(i.call.Problems) < maxProblems {
		i.call.Problems = append(i.call.Problems, p)
	}
}

// problem notes something Graph is not known to refuse.
func (i *inspection) problem(field, rule, message string) {
	i.note(Problem{Field: field, Rule: rule, Message: message})
}

// tolerate notes a habit of Meta's own SDKs.
func (i *inspection) tolerate(field, rule, message string) {
	i.note(Problem{Field: field, Rule: rule, Message: message, Tolerated: true})
}

// refuse notes something Graph refuses. The first refusal becomes the answer: Graph reports one error, not a list.
func (i *inspection) refuse(code, subcode int, field, rule, message string) {
	i.note(Problem{Field: field, Rule: rule, Message: message, Code: code, Subcode: subcode})
	if i.refusal == nil {
		text := message
		switch {
		case code == 100 && subcode == 0:
			text = "(#100) Param " + field + ": " + message
		case code == 190 || code == 104 || code == 100 && subcode == 33:
			text = ""
		}
		i.refusal = newGraphError(code, subcode, text)
	}
}

// refuseWith is refuse with Graph's own text in the answer.
func (i *inspection) refuseWith(code int, field, rule, text string) {
	first := i.refusal == nil
	i.refuse(code, 0, field, rule, text)
	if first {
		i.refusal.Message = text
	}
}

// route finds version, node and edge in the path.
func (i *inspection) route() {
	c := i.call
	parts := strings.Split(strings.Trim(c.Path, "/"), "/")
	if strings.HasPrefix(parts[0], "v") {
		if _, _, ok := parseVersion(parts[0]); ok {
			c.Version, parts = parts[0], parts[1:]
		}
	}
	switch {
	case len(parts) == 1 && parts[0] == "debug_token":
		c.Edge = "debug_token"
	case len(parts) == 1 && isID(parts[0]):
		c.ObjectID, c.Edge = parts[0], "report"
	case len(parts) == 2:
		c.ObjectID, c.Edge = parts[0], parts[1]
	}
	if c.Edge == "report" && len(parts) == 2 {
		c.Edge = ""
	}
	i.edge = edgeFor(c.Edge)
	if i.edge == nil {
		c.Edge = ""
	}
	served, known := i.g.cfg.serve(c.Version)
	if c.Edge == "page_activities" && c.Version != "" && compareVersions(c.Version, "v21.0") < 0 {
		served = c.Version // the last versions that had the edge
	}
	if known || c.Version == "" {
		c.Served = served
	}
}

// checkPath judges what route found.
func (i *inspection) checkPath() {
	c := i.call
	switch {
	case i.edge == nil:
		i.refuseWith(2500, "path", "path", "Unknown path components: "+c.Path)
		return
	case c.Version != "" && c.Served == "":
		i.refuseWith(2500, "path", "version", "Unknown Graph version: "+c.Version)
	case c.Version == "" && i.edge.marketing:
		i.refuse(100, 0, "path", "version", "this edge needs a version in the path")
	case c.Edge == "page_activities" &&
		(i.g.cfg.pageEdgeGone || c.Version == "" || compareVersions(c.Version, "v21.0") >= 0):
		i.refuseWith(2500, "path", "retired", "Unknown path components: /page_activities")
	case c.Version != "" && c.Served != c.Version:
		i.problem("path", "version", "the version has expired; the call was served by "+c.Served)
	}
	if !slices.Contains(i.edge.methods, c.Method) {
		i.refuse(100, 33, "method", "method", "the edge takes "+strings.Join(i.edge.methods, " or "))
	}
	if i.edge.object != nil && !i.edge.object(c.ObjectID) {
		i.refuseWith(803, "path", "object", "(#803) Some of the aliases you requested do not exist")
	}
	appEdge := c.Edge == "activities" || c.Edge == "page_activities"
	if appEdge && i.g.cfg.appID != "" && c.ObjectID != i.g.cfg.appID {
		i.refuse(100, 33, "path", "app", "the app ID is not the one the server was given")
	}
}

// check runs all checks on a decoded call.
func (i *inspection) check() {
	i.checkPath()
	if i.edge == nil || !slices.Contains(i.edge.methods, i.call.Method) {
		return
	}
	if ip := i.call.ForwardedFor; ip != "" {
		if addr, err := netip.ParseAddr(ip); err != nil || addr.Zone() != "" {
			i.problem("header.X-Forwarded-For", "ip", "want exactly one IPv4 or IPv6 address")
		}
	}
	i.edge.check(i)
}

// headers copies the request headers into the record.
func (i *inspection) headers() {
	c, h := i.call, i.req.Header
	c.Header = h.Clone()
	for _, name := range [...]string{"Authorization", "Cookie", "Proxy-Authorization"} {
		for k, v := range c.Header[name] {
			scheme, rest, found := strings.Cut(v, " ")
			i.secret(rest)
			if c.Header[name][k] = Redacted; found {
				c.Header[name][k] = scheme + " " + Redacted
			} else {
				i.secret(v)
			}
		}
	}
	c.ForwardedFor = strings.Join(h.Values("X-Forwarded-For"), ", ")
}

// secret adds a value to those that must not be recorded anywhere. The fields and headers made for credentials never
// are; this is for the places a credential strays to. Short ones, such as a test's "token", would garble the record.
func (i *inspection) secret(s string) {
	if len(s) >= 8 {
		i.auth.secrets = append(i.auth.secrets, s)
	}
}

// scrub moves the parameters into the record and removes every credential from it.
func (i *inspection) scrub() {
	c := i.call
	c.token = sha256.Sum256([]byte(i.auth.token))
	i.secret(i.g.cfg.appSecret)
	_, rest, _ := strings.Cut(i.auth.token, "|")
	i.secret(rest)
	// The longest first: one secret may be part of another, as in "id|secret".
	slices.SortFunc(i.auth.secrets, func(a, b string) int { return len(b) - len(a) })
	dirty := false
	clean := func(s string) string {
		for _, secret := range i.auth.secrets {
			if strings.Contains(s, secret) {
				s, dirty = strings.ReplaceAll(s, secret, Redacted), true
			}
		}
		return s
	}
	for k := range c.Fields {
		c.Fields[k].Name, c.Fields[k].Value = clean(c.Fields[k].Name), clean(c.Fields[k].Value)
	}
	c.Path, c.ObjectID, c.ForwardedFor = clean(c.Path), clean(c.ObjectID), clean(c.ForwardedFor)
	for _, values := range c.Header {
		for k, v := range values {
			values[k] = clean(v)
		}
	}
	for k, p := range c.Problems {
		c.Problems[k].Field, c.Problems[k].Message = clean(p.Field), clean(p.Message)
	}
	if dirty {
		for k, e := range c.Events {
			c.Events[k].Name, c.Events[k].ID = clean(e.Name), clean(e.ID)
			c.Events[k].Params, _ = cleanPlain(e.Params, clean).(map[string]any)
		}
	}
}

func cleanPlain(v any, clean func(string) string) any {
	switch v := v.(type) {
	case string:
		return clean(v)
	case []any:
		for k := range v {
			v[k] = cleanPlain(v[k], clean)
		}
	case map[string]any:
		for k := range v {
			v[k] = cleanPlain(v[k], clean)
		}
	}
	return v
}
