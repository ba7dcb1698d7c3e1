package appevents

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"strings"
)

var (
	opGet = declare(operation{name: "get", permission: "a permission is missing from the token"})
	// A path has no character that needs an escape, and no element that begins with a dot.
	readPath = regexp.MustCompile(`^/?([\w$~=:-][\w$~=:.-]*)((/[\w$~=:-][\w$~=:.-]*){0,4})$`)
	version  = regexp.MustCompile(`^v\d+\.\d+$`)
	notRead  = regexp.MustCompile(`(?i)token|secret|^(method|batch)$`) // credentials, and what makes a read a write
)

// Get reads what this package has no method for, such as "me/accounts" or "901/subscribed_apps". The answer is decoded
// into out as by [json.Unmarshal], with the client's own credentials blanked; a nil out drops it. A path with a host or
// a version, or a query with a credential, is a [*ValidationError], and nothing is sent. The token is that of
// [ScopeApp] for "app" and the client's app ID, and for all others that of [ScopePage] with the path's first ID.
//
// https://developers.facebook.com/docs/graph-api/overview
func (c *Client) Get(ctx context.Context, path string, query url.Values, out any) error {
	if err := c.ready(opGet); err != nil {
		return err
	}
	var p problems
	parts := append(readPath.FindStringSubmatch(path), "", "", "")
	node, edge := parts[1], strings.TrimPrefix(parts[2], "/")
	if node == "" || len(path) > 1000 || version.MatchString(node) {
		p.add(field("path"), RuleFormat, `must look like "901/subscribed_apps", without host, version and query`)
	}
	for name := range query {
		if notRead.MatchString(name) {
			p.add(field("query"), RuleReserved, "must not hold a credential, a method or a batch")
		}
	}
	if err := p.err(); err != nil {
		return err
	}
	scope := Scope{Kind: ScopePage, ID: ID(node)}
	if node == "app" || node == string(c.appID) {
		scope = Scope{Kind: ScopeApp, ID: c.appID}
	} else if rule, _ := scope.ID.issue(); rule != "" {
		scope.ID = "" // "me": whoever the token speaks for
	}
	resp, err := c.do(ctx, &request{op: opGet, method: http.MethodGet, node: ID(node), edge: edge,
		name: cmp.Or(edge, "node"), scope: scope, query: query, maxBody: maxInsightsBody})
	if err != nil || out == nil {
		return err
	}
	if json.Unmarshal(resp.Raw, out) != nil {
		return resp.unusable(opGet, "the answer does not have the form of out")
	}
	return nil
}
