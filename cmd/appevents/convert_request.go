package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/appevents/appevents-go"
	"github.com/appevents/appevents-go/graphtest"
	"github.com/appevents/appevents-go/internal/names"
)

const (
	// lastPageActivities is the last version of Graph with the edge.
	lastPageActivities = "v20.0"

	// writtenToken stands for the token of a request that was given without one.
	writtenToken = "written-down-without-its-token"

	// unknownID stands for an ID that was not given.
	unknownID = "1"

	mostIDDigits = 19

	// leastSecret is how long a credential is at least. Shorter ones are placeholders, whose letters can be anywhere.
	leastSecret = 8
)

// A wireRequest is a request as somebody wrote it down. Its texts can hold credentials: nothing of it is printed but
// through program.withoutSecrets.
type wireRequest struct {
	method string
	url    string // as written, perhaps without a scheme; "" for a body alone
	header http.Header
	body   []byte

	notes   []flaw   // what is wrong with the way it was written down
	secrets []string // credentials that stand nowhere else in the request as they are
}

// place finds the edge of a request. A body alone is one for /page_activities, unless it can only be for another.
func (o *original) place(r *wireRequest) (edge appevents.Edge, object string, err error) {
	object = unknownID
	if r.url == "" {
		edge, o.path = appevents.EdgePageActivities, "/APP_ID/page_activities"
		switch {
		case bodyHas(r, "event") || bodyHas(r, "extinfo"):
			edge, o.path = appevents.EdgeActivities, "/APP_ID/activities"
		case !bodyHas(r, "custom_events") && bodyHas(r, "data"):
			edge, o.path = appevents.EdgeConversions, "/DATASET_ID/events"
		case !bodyHas(r, "custom_events") && !bodyHas(r, "page_scoped_user_id"):
			return "", "", errors.New("there is neither custom_events nor page_scoped_user_id in it")
		}
	} else {
		address := r.url
		if !strings.Contains(address, "://") {
			address = "https://" + address
		}
		u, err := url.Parse(address)
		if err != nil {
			return "", "", errors.New("the address of the request cannot be read")
		}
		parts := strings.Split(strings.Trim(u.Path, "/"), "/")
		o.path = shownPath(parts)
		edge = appevents.Edge(parts[len(parts)-1])
		version, known := "", false
		if len(parts) > 1 {
			object = parts[len(parts)-2]
		}
		if len(parts) > 2 {
			version = parts[0]
			if parsed, ok := names.ParseVersion(version); ok && edge == appevents.EdgePageActivities {
				last, _ := names.ParseVersion(lastPageActivities)
				known = !parsed.After(last)
			}
		}
		if !names.Digits(object) || len(object) > mostIDDigits || strings.Trim(object, "0") == "" {
			if edge == appevents.EdgeActivities || edge == appevents.EdgePageActivities {
				o.problems = append(o.problems, flaw{"path", "id", "the ID of the app must stand before the edge, in digits"})
			}
			object = unknownID
		} else if edge != appevents.EdgeConversions {
			o.app = object
		}
		if edge == appevents.EdgePageActivities && version != "" && !known {
			o.problems = append(o.problems, flaw{"path", "version",
				"this version never had the edge: " + lastPageActivities + " was the last"})
		}
		if r.method != http.MethodPost {
			o.problems = append(o.problems, flaw{"method", "method", "must be POST"})
		}
	}
	switch edge {
	case appevents.EdgeActivities:
	case appevents.EdgePageActivities:
		o.problems = append(o.problems, flaw{"path", "retired", "Meta retired page_activities in September 2025: " +
			"no living version of Graph has it"})
	case appevents.EdgeConversions:
		o.cannot = "this is a call of the Conversions API already"
	default:
		o.cannot = "this is no call that logs events: those go to /page_activities or /activities"
	}
	return edge, object, nil
}

var knownPart = regexp.MustCompile(`^(?:v[0-9]{1,3}\.[0-9]{1,2}|[0-9]{1,20}|act_[0-9]{1,20}|[a-z_]{1,32})$`)

// shownPath is a path of which only the parts are repeated that are surely no credential.
func shownPath(parts []string) string {
	var path strings.Builder
	for _, part := range parts {
		if !knownPart.MatchString(part) {
			part = "…"
		}
		path.WriteString("/" + part)
	}
	return path.String()
}

// decodeWire has graphtest take the request apart, at a path where it is known. Nothing leaves the process.
func decodeWire(r *wireRequest, edge appevents.Edge, object string) (graphtest.Call, error) {
	server := graphtest.New()
	defer server.Close()
	version := lastPageActivities
	if edge == appevents.EdgeActivities {
		version = appevents.DefaultGraphVersion
	}
	_, query, _ := strings.Cut(r.url, "?")
	query, _, _ = strings.Cut(query, "#")
	target := server.URL + "/" + version + "/" + object + "/" + string(edge)
	req, err := http.NewRequest(http.MethodPost, target, bytes.NewReader(r.body)) //nolint:noctx // nothing to wait for
	if err != nil {
		return graphtest.Call{}, errors.New("the request cannot be read")
	}
	req.URL.RawQuery = query
	for _, name := range []string{"Content-Type", "Content-Encoding", "Authorization", "X-Forwarded-For"} {
		if values := r.header.Values(name); len(values) > 0 {
			req.Header[name] = values
		}
	}
	if len(secretsOf(r)) == 0 {
		req.Header.Set("Authorization", "Bearer "+writtenToken)
	}
	resp, err := server.RoundTrip(req)
	if err == nil {
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
	}
	calls := server.Calls()
	if len(calls) != 1 {
		return graphtest.Call{}, errors.New("the request cannot be read")
	}
	return calls[0], nil
}

// fieldsOf are the texts of a request by name: of its query, and of its body where that is a form or JSON.
func fieldsOf(r *wireRequest) url.Values {
	_, query, _ := strings.Cut(r.url, "?")
	fields, _ := url.ParseQuery(query)
	contentType := r.header.Get("Content-Type")
	switch {
	case strings.HasPrefix(contentType, "application/json"):
		var members map[string]json.RawMessage
		_ = json.Unmarshal(r.body, &members)
		for name, raw := range members {
			var text string
			if json.Unmarshal(raw, &text) != nil {
				text = string(raw)
			}
			fields.Add(name, text)
		}
	case strings.HasPrefix(contentType, "multipart/"):
		req := http.Request{Method: http.MethodPost, Header: r.header, Body: io.NopCloser(bytes.NewReader(r.body))}
		if req.ParseMultipartForm(int64(len(r.body))+1) == nil {
			for name, values := range req.MultipartForm.Value {
				fields[name] = append(fields[name], values...)
			}
		}
	default:
		form, _ := url.ParseQuery(string(r.body))
		for name, values := range form {
			fields[name] = append(fields[name], values...)
		}
	}
	return fields
}

func bodyHas(r *wireRequest, name string) bool { return fieldsOf(r).Has(name) }

// secretsOf are the credentials in a request.
func secretsOf(r *wireRequest) []string {
	list := slices.Clone(r.secrets)
	keep := func(value string) {
		if value != "" {
			list = append(list, value)
		}
	}
	for name, values := range fieldsOf(r) {
		if secretParam.MatchString(name) && name != "device_token" {
			for _, value := range values {
				keep(value)
			}
		}
	}
	for name, values := range r.header {
		if secretHeader.MatchString(name) {
			for _, value := range values {
				keep(value)
				if _, token, ok := strings.Cut(value, " "); ok {
					keep(token)
				}
			}
		}
	}
	if u, err := url.Parse(r.url); err == nil && u.User != nil {
		if password, ok := u.User.Password(); ok {
			keep(password)
		}
	}
	return list
}
