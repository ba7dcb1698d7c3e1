package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/appevents/appevents-go"
	"github.com/appevents/appevents-go/internal/redact"
)

// A dryTransport sends nothing and keeps what it was given. It answers as Graph does when all is well.
type dryTransport struct{ requests []recorded }

type recorded struct {
	request *http.Request
	body    []byte
}

// RoundTrip implements [http.RoundTripper].
func (r *dryTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	var body []byte
	if req.Body != nil {
		var err error
		if body, err = io.ReadAll(req.Body); err != nil {
			return nil, err
		}
		_ = req.Body.Close()
	}
	r.requests = append(r.requests, recorded{req, body})
	const answer = `{"success":true,"events_received":1,"id":"` + unknownDataset + `"}`
	return &http.Response{
		StatusCode: http.StatusOK, Status: "200 OK", Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: req,
		Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(answer)),
	}, nil
}

// dryRun prints the requests that a call leads to.
func (c *sendCommand) dryRun(ctx context.Context, p *program, call appevents.Call) error {
	var r dryTransport
	s, err := c.client(ctx, p, true, false, append(c.options(), appevents.WithHTTPClient(&http.Client{Transport: &r}))...)
	if err != nil {
		return err
	}
	if c.EnsureDataset {
		if _, err := s.EnsureDataset(ctx, appevents.ID(c.Page)); err != nil {
			return callFailure(err)
		}
		p.note("the dataset in the second request stands for the one that Meta names")
	}
	if _, err := s.sendCall(ctx, call); err != nil {
		return callFailure(err)
	}
	if p.json {
		return p.printRecorded(r.requests)
	}
	for i := range r.requests {
		if i > 0 {
			if err := p.print(""); err != nil {
				return err
			}
		}
		if err := p.printRequest(&r.requests[i]); err != nil {
			return err
		}
	}
	p.note("nothing was sent")
	return nil
}

// hiddenFields are the parameters that are credentials.
var hiddenFields = []string{"access_token", "appsecret_proof", "client_secret"}

// parts takes a request apart, without its credentials.
func (r *recorded) parts() (address string, header map[string]string, fields url.Values, body json.RawMessage) {
	u := *r.request.URL
	query := u.Query()
	hide(query)
	u.RawQuery = query.Encode()
	header = make(map[string]string)
	for name, values := range r.request.Header {
		header[name] = strings.Join(values, ", ")
		if name == "Authorization" {
			header[name] = "Bearer " + redact.Placeholder
		}
	}
	if strings.HasPrefix(r.request.Header.Get("Content-Type"), "application/json") {
		return u.String(), header, nil, hideMembers(r.body)
	}
	fields, _ = url.ParseQuery(string(r.body))
	hide(fields)
	return u.String(), header, fields, nil
}

func hide(fields url.Values) {
	for _, name := range hiddenFields {
		if fields.Has(name) {
			fields.Set(name, redact.Placeholder)
		}
	}
}

// hideMembers is a JSON body without its credentials, indented.
func hideMembers(body []byte) json.RawMessage {
	var members map[string]json.RawMessage
	if json.Unmarshal(body, &members) != nil {
		return json.RawMessage(`"` + redact.Placeholder + `"`)
	}
	for _, name := range hiddenFields {
		if members[name] != nil {
			members[name] = json.RawMessage(`"` + redact.Placeholder + `"`)
		}
	}
	out, err := json.Marshal(members)
	if err != nil {
		return nil
	}
	return out
}

func (p *program) printRecorded(list []recorded) error {
	requests := make([]object, len(list))
	for i := range list {
		address, header, fields, body := list[i].parts()
		requests[i] = object{"method": list[i].request.Method, "url": address, "header": header}
		if body != nil {
			requests[i]["body"] = body
		} else {
			flat := make(map[string]string, len(fields))
			for name := range fields {
				flat[name] = fields.Get(name)
			}
			requests[i]["fields"] = flat
		}
	}
	return p.printJSON(object{"dry_run": true, "requests": requests})
}

// printRequest prints a request for a person: one field a line, not encoded.
func (p *program) printRequest(r *recorded) error {
	address, header, fields, body := r.parts()
	lines := []string{r.request.Method + " " + address}
	for _, name := range slices.Sorted(maps.Keys(header)) {
		lines = append(lines, name+": "+header[name])
	}
	lines = append(lines, "")
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		lines = append(lines, name+"="+fields.Get(name))
	}
	for i, line := range lines {
		lines[i] = printable(line)
	}
	if body != nil {
		var b bytes.Buffer
		if json.Indent(&b, body, "", "  ") == nil {
			for line := range strings.SplitSeq(b.String(), "\n") {
				lines = append(lines, printable(line))
			}
		}
	}
	return p.print("%s", strings.Join(lines, "\n"))
}
