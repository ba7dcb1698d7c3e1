package emulator

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// maxBatch is how many calls one batch may hold.
const maxBatch = 50

type batchItem struct {
	Method  string
	URL     string `json:"relative_url"`
	Body    string
	Name    string
	Depends string `json:"depends_on"`
	Omit    *bool  `json:"omit_response_on_success"`
	Headers []batchHeader
}

type batchHeader struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

type batchAnswer struct {
	Code    int           `json:"code"`
	Headers []batchHeader `json:"headers,omitempty"`
	Body    string        `json:"body"`
}

// batch is POST /: several calls in one, each recorded as a call of its own. The lock is held, and let go while they
// run.
func batch(e *Emulator, c *call) (any, *Error) {
	var items []batchItem
	if !c.params.decode("batch", &items) {
		return nil, invalid("batch", "must be a JSON array")
	}
	if len(items) == 0 || len(items) > maxBatch {
		return nil, invalid("batch", "must have 1 to %d items", maxBatch)
	}
	e.mu.Unlock()
	defer e.mu.Lock()
	withHeaders := c.params.text("include_headers")
	done := map[string]batchAnswer{}
	list := make([]*batchAnswer, len(items))
	for n := range items {
		item := &items[n]
		answer, ended := e.batchCall(c, item, done)
		if !ended {
			continue // null: not finished
		}
		if withHeaders == "false" || withHeaders == "0" {
			answer.Headers = nil
		}
		if item.Name != "" {
			done[item.Name] = answer
		}
		if item.Name == "" || item.Omit != nil && !*item.Omit || answer.Code != http.StatusOK {
			list[n] = &answer
		}
	}
	return list, nil
}

// batchCall makes one call of a batch. It has not ended when a fault closed its connection.
func (e *Emulator) batchCall(
	c *call, item *batchItem, done map[string]batchAnswer,
) (answer batchAnswer, ended bool) {
	refused := func(why string) (batchAnswer, bool) {
		err := &Error{Code: 100, Message: "(#100) " + why}
		return batchAnswer{Code: http.StatusBadRequest, Body: string(errorBody(err, c.x.ID))}, true
	}
	if item.Depends != "" {
		if before, ok := done[item.Depends]; !ok || before.Code != http.StatusOK {
			return refused("the call that this one depends on did not succeed")
		}
	}
	relative, ok1 := fillIn(item.URL, done)
	body, ok2 := fillIn(item.Body, done)
	if !ok1 || !ok2 {
		return refused("a reference to the result of another call leads nowhere")
	}
	u, err := url.Parse("/" + strings.TrimLeft(relative, "/"))
	method := strings.ToUpper(item.Method)
	if err != nil || !slices.Contains([]string{"GET", "POST", "PUT", "DELETE"}, method) {
		return refused("the item needs a method and a relative_url")
	}
	if parts := strings.Split(strings.Trim(u.Path, "/"), "/"); len(parts) == 1 && (parts[0] == "" || isVersion(parts[0])) {
		return refused("a batch cannot hold a batch")
	}
	if first, _, _ := strings.Cut(strings.Trim(u.Path, "/"), "/"); !isVersion(first) && c.version != "" {
		u.Path = "/" + c.version + u.Path
	}
	form, _ := url.ParseQuery(body) // a bad one is refused where it arrives
	own := u.Query().Get("access_token") != "" || form.Get("access_token") != ""
	if query := u.Query(); !own && c.params.proof != "" && query.Get("appsecret_proof") == "" {
		query.Set("appsecret_proof", c.params.proof)
		if at := c.params.text("appsecret_time"); at != "" {
			query.Set("appsecret_time", at)
		}
		u.RawQuery = query.Encode()
	}
	r := c.request.Clone(c.request.Context())
	r.Method, r.URL, r.RequestURI = method, u, ""
	r.Header = http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
	for _, h := range item.Headers {
		r.Header.Set(h.Name, h.Value)
	}
	if !own {
		r.Header.Set("Authorization", "Bearer "+c.token)
	}
	r.Body, r.ContentLength = http.NoBody, 0
	if body != "" {
		r.Body, r.ContentLength = readCloser{bytes.NewReader([]byte(body))}, int64(len(body))
	}
	w := &collector{header: http.Header{}, status: http.StatusOK}
	e.serveGraph(w, r)
	if w.hungUp {
		return answer, false
	}
	answer = batchAnswer{Code: w.status, Body: w.body.String()}
	for _, name := range slices.Sorted(maps.Keys(w.header)) {
		answer.Headers = append(answer.Headers, batchHeader{name, w.header.Get(name)})
	}
	return answer, true
}

// collector is the answer to one call of a batch.
type collector struct {
	header http.Header
	body   bytes.Buffer
	status int
	hungUp bool
}

// Hijack lets faults of the connection end the call.
func (w *collector) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	w.hungUp = w.body.Len() == 0
	near, far := net.Pipe()
	go func() { _, _ = io.Copy(io.Discard, far) }() // ends when near is closed
	return near, bufio.NewReadWriter(bufio.NewReader(near), bufio.NewWriter(near)), nil
}

func (w *collector) Header() http.Header         { return w.header }
func (w *collector) Write(p []byte) (int, error) { return w.body.Write(p) }
func (w *collector) WriteHeader(status int)      { w.status = status }

type readCloser struct{ *bytes.Reader }

func (readCloser) Close() error { return nil }

var reference = regexp.MustCompile(`\{result=([^:}]+):\$([^}]*)\}`)

// fillIn replaces {result=name:$.data[0].id} by what another call of the batch was answered.
func fillIn(text string, done map[string]batchAnswer) (string, bool) {
	whole := true
	text = reference.ReplaceAllStringFunc(text, func(found string) string {
		parts := reference.FindStringSubmatch(found)
		var value any
		dec := json.NewDecoder(strings.NewReader(done[parts[1]].Body))
		dec.UseNumber()
		if dec.Decode(&value) != nil {
			whole = false
			return ""
		}
		var picked []string
		for _, v := range pick(value, steps(parts[2])) {
			if s, ok := v.(string); ok {
				picked = append(picked, s)
			} else {
				data, _ := json.Marshal(v) // it was JSON
				picked = append(picked, string(data))
			}
		}
		whole = whole && len(picked) > 0
		return strings.Join(picked, ",")
	})
	return text, whole
}

// steps takes a JSONPath apart: ".data[0].id" is data, 0, id.
func steps(path string) []string {
	return strings.FieldsFunc(path, func(r rune) bool { return strings.ContainsRune(`.[]'"`, r) })
}

func pick(value any, path []string) []any {
	if len(path) == 0 {
		return []any{value}
	}
	switch v := value.(type) {
	case map[string]any:
		if member, ok := v[path[0]]; ok {
			return pick(member, path[1:])
		}
	case []any:
		if path[0] == "*" {
			var all []any
			for _, element := range v {
				all = append(all, pick(element, path[1:])...)
			}
			return all
		}
		if n, err := strconv.Atoi(path[0]); err == nil && n >= 0 && n < len(v) {
			return pick(v[n], path[1:])
		}
	}
	return nil
}
