package session

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

var errNotJSON = errors.New("session: the body is not JSON")

// edit replaces scalars of a JSON text and leaves every other byte as it is. visit gets the way to the value, "*" for
// the elements of a list, and the value as written; it returns what is to stand there, nil for no change. It must not
// keep its arguments.
func edit(body []byte, visit func(path []string, raw []byte) []byte) ([]byte, error) {
	if !json.Valid(body) {
		return nil, errNotJSON
	}
	type frame struct{ list, value bool } // value: the key was read, its value is next
	var (
		out    = make([]byte, 0, len(body)+64)
		frames []frame
		path   []string
		copied int
	)
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	for {
		before := int(dec.InputOffset())
		token, err := dec.Token()
		if errors.Is(err, io.EOF) {
			return append(out, body[copied:]...), nil
		}
		if err != nil {
			return nil, errNotJSON
		}
		end := int(dec.InputOffset())
		top := len(frames) - 1
		switch token {
		case json.Delim('{'), json.Delim('['):
			frames = append(frames, frame{list: token == json.Delim('[')})
			path = append(path, "*")
			continue
		case json.Delim('}'), json.Delim(']'):
			frames, path = frames[:top], path[:top]
			top--
		default:
			if key, ok := token.(string); ok && top >= 0 && !frames[top].list && !frames[top].value {
				path[top], frames[top].value = key, true
				continue
			}
			start := end - len(bytes.TrimLeft(body[before:end], " \t\r\n,:"))
			if replacement := visit(path, body[start:end]); replacement != nil {
				out = append(append(out, body[copied:start]...), replacement...)
				copied = end
			}
		}
		if top >= 0 {
			frames[top].value = false
		}
	}
}

// ends reports whether a path ends with these steps.
func ends(path []string, steps ...string) bool {
	return len(path) >= len(steps) && slices.Equal(path[len(path)-len(steps):], steps)
}

// unquote returns the text of a JSON string, and false for other values.
func unquote(raw []byte) (string, bool) {
	var s string
	if len(raw) == 0 || raw[0] != '"' || json.Unmarshal(raw, &s) != nil {
		return "", false
	}
	return s, true
}

// quoteJSON writes text as Meta does, with its slashes escaped.
func quoteJSON(s string) []byte {
	data, _ := json.Marshal(s) // a string
	return bytes.ReplaceAll(data, []byte("/"), []byte(`\/`))
}

// instant reads a time on the wire: the number at a member that holds times, in seconds or milliseconds. unit is that
// of the number.
func instant(path []string, raw []byte) (at time.Time, unit time.Duration, ok bool) {
	if len(path) == 0 {
		return time.Time{}, 0, false
	}
	switch path[len(path)-1] {
	case "timestamp", "time", "watermark":
	default:
		return time.Time{}, 0, false
	}
	n, err := strconv.ParseInt(string(raw), 10, 64)
	switch {
	case err != nil:
		return time.Time{}, 0, false
	case n >= 1e9 && n < 1e10:
		return time.Unix(n, 0), time.Second, true
	case n >= 1e12 && n < 1e13:
		return time.UnixMilli(n), time.Millisecond, true
	}
	return time.Time{}, 0, false
}

// ownMID reports whether a path leads to the ID of the message that the webhook brings, rather than one it refers to.
func ownMID(path []string) bool { return ends(path, "message", "mid") || ends(path, "postback", "mid") }

// anyMID reports whether a path leads to the ID of a message.
func anyMID(path []string) bool { return ends(path, "mid") || ends(path, "mids", "*") }

// Fresh makes recorded webhooks new ones: the latest time in each becomes now, messages get new IDs, also where other
// webhooks refer to them, and a body that was recorded twice stays a redelivery. A bot then takes them for new, and
// Graph does not find its events too old. Its zero value is ready, and safe for concurrent use.
type Fresh struct {
	Now    func() time.Time  // defaults to time.Now
	Rename map[string]string // IDs to put in the place of others

	mu   sync.Mutex
	last time.Time
	mids map[string]string
	done map[string][]byte
}

// Body returns the new body. One that is not JSON stays as it is.
func (f *Fresh) Body(body []byte) []byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	if done, ok := f.done[string(body)]; ok {
		return done
	}
	if f.done == nil {
		f.done, f.mids = map[string][]byte{}, map[string]string{}
	}
	now := time.Now
	if f.Now != nil {
		now = f.Now
	}
	var newest time.Time
	_, _ = edit(body, func(path []string, raw []byte) []byte {
		if at, _, ok := instant(path, raw); ok && at.After(newest) {
			newest = at
		}
		return nil
	})
	at := now()
	if !at.After(f.last.Add(time.Millisecond)) { // events without an ID are told apart by their time
		at = f.last.Add(time.Millisecond)
	}
	f.last = at
	shift := at.Sub(newest)
	out, err := edit(body, func(path []string, raw []byte) []byte {
		if at, unit, ok := instant(path, raw); ok {
			at = at.Add(shift)
			if unit == time.Second {
				return strconv.AppendInt(nil, at.Unix(), 10)
			}
			return strconv.AppendInt(nil, at.UnixMilli(), 10)
		}
		return f.identifier(path, raw)
	})
	if err != nil {
		out = body
	}
	f.done[string(body)] = out
	return out
}

func (f *Fresh) identifier(path []string, raw []byte) []byte {
	text, ok := unquote(raw)
	if !ok {
		if to := f.Rename[string(raw)]; to != "" {
			return []byte(to)
		}
		return nil
	}
	if to := f.Rename[text]; to != "" {
		return quoteJSON(to)
	}
	if !anyMID(path) || text == "" {
		return nil
	}
	if f.mids[text] == "" && ownMID(path) {
		if f.mids[text] = rand.Text(); strings.HasPrefix(text, "m_") {
			f.mids[text] = "m_" + f.mids[text]
		}
	}
	if to := f.mids[text]; to != "" {
		return quoteJSON(to)
	}
	return nil
}
