package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/appevents/appevents-go"
)

// An unreadable is a part of the input that is no call.
type unreadable struct {
	line int // 0 for all of the input
	err  error
}

func (u *unreadable) Error() string {
	if u.line == 0 {
		return u.err.Error()
	}
	return fmt.Sprintf("line %d: %v", u.line, u.err)
}

func (u *unreadable) Unwrap() error { return u.err }

var errNotACall = errors.New("neither a body of /page_activities, nor a curl line, nor a stored call")

// readCalls finds the calls in an input: JSON, one value after the other; curl lines; or a form. What cannot be read is
// passed to bad, and the rest is read all the same.
func (p *program) readCalls(data []byte, bad func(*unreadable)) []*original {
	data = bytes.TrimSpace(bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")))
	var list []*original
	take := func(line int, o *original, err error) {
		if err != nil {
			bad(&unreadable{line, err})
			return
		}
		o.line = line
		list = append(list, o)
	}
	switch {
	case len(data) == 0:
		bad(&unreadable{0, errors.New("the input is empty")})
	case data[0] == '{':
		p.readJSON(data, take)
	case looksLikeCurl(string(data)):
		requests, err := curlLines(string(data))
		if err != nil {
			take(0, nil, err)
		}
		for i, r := range requests {
			line := 0
			if len(requests) > 1 {
				line = i + 1
			}
			o, err := p.readWire(r)
			take(line, o, err)
		}
	default:
		r, err := bodyAlone(data)
		if err != nil {
			take(0, nil, err)
			break
		}
		o, err := p.readWire(r)
		take(0, o, err)
	}
	return list
}

// readJSON reads one value, over several lines or not, or a value on each line.
func (p *program) readJSON(data []byte, take func(line int, o *original, err error)) {
	if values, ok := jsonValues(data); ok {
		for i, value := range values {
			line := i + 1
			if len(values) == 1 {
				line = 0
			}
			o, err := p.readValue(value)
			take(line, o, err)
		}
		return
	}
	if line, _, _ := bytes.Cut(data, []byte("\n")); bytes.HasPrefix(bytes.TrimSpace(line), []byte("{")) &&
		!json.Valid(line) && bytes.Count(data, []byte("\n{")) == 0 {
		take(0, nil, errors.New("is not valid JSON"+whereInvalid(data)))
		return
	}
	n := 0
	for line := range bytes.Lines(data) {
		n++
		line = bytes.TrimSpace(line)
		switch {
		case len(line) == 0:
		case !json.Valid(line):
			take(n, nil, errors.New("is not valid JSON"))
		default:
			o, err := p.readValue(line)
			take(n, o, err)
		}
	}
}

// jsonValues are the values of a stream of JSON.
func jsonValues(data []byte) ([]json.RawMessage, bool) {
	var values []json.RawMessage
	decoder := json.NewDecoder(bytes.NewReader(data))
	for {
		var value json.RawMessage
		if err := decoder.Decode(&value); errors.Is(err, io.EOF) {
			return values, true
		} else if err != nil {
			return nil, false
		}
		values = append(values, value)
	}
}

// whereInvalid is the place at which JSON ends to be valid, "" when it is valid.
func whereInvalid(data []byte) string {
	var value any
	if syntax, ok := errors.AsType[*json.SyntaxError](json.Unmarshal(data, &value)); ok {
		before := data[:min(int(syntax.Offset), len(data))]
		line := bytes.Count(before, []byte("\n")) + 1
		column := len(before) - bytes.LastIndexByte(before, '\n') - 1
		return fmt.Sprintf(" at line %d, column %d", line, column)
	}
	return ""
}

// readValue reads a stored call or the body of a request.
func (p *program) readValue(data []byte) (*original, error) {
	var stored struct {
		Kind json.RawMessage `json:"kind"`
		Call json.RawMessage `json:"call"`
	}
	if err := json.Unmarshal(data, &stored); err == nil && stored.Kind != nil && stored.Call != nil {
		call, err := appevents.UnmarshalCall(data)
		if err != nil {
			return nil, errors.New("a stored call that cannot be read: " +
				strings.TrimPrefix(errorText(err), "unmarshal call: "))
		}
		return fromStored(call), nil
	}
	return p.readWire(&wireRequest{
		method: http.MethodPost, header: http.Header{"Content-Type": {"application/json"}}, body: data,
	})
}

// bodyAlone is the request of a body that is a form.
func bodyAlone(data []byte) (*wireRequest, error) {
	r := &wireRequest{method: http.MethodPost, header: make(http.Header), body: data}
	if line, _, ok := bytes.Cut(data, []byte("\n")); ok && bytes.HasPrefix(data, []byte("--")) {
		boundary := strings.TrimSpace(strings.TrimPrefix(string(line), "--"))
		r.header.Set("Content-Type", "multipart/form-data; boundary="+`"`+boundary+`"`)
		return r, nil
	}
	name, _, ok := bytes.Cut(data, []byte("="))
	if !ok || bytes.ContainsAny(name, " \t\r\n<>") {
		return nil, errNotACall
	}
	r.body = bytes.ReplaceAll(bytes.ReplaceAll(data, []byte("\r\n"), nil), []byte("\n"), nil)
	r.header.Set("Content-Type", "application/x-www-form-urlencoded")
	return r, nil
}
