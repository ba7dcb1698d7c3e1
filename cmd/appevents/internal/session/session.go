package session

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// Schema is the version of the format.
const Schema = 1

// The bounds of what is read.
const (
	maxLine  = 32 << 20
	maxNamed = 10 // damaged lines that an error names
)

// A Webhook is one line of a session. See the package comment.
type Webhook struct {
	AfterMS int64
	Field   string
	Page    string
	Person  string
	Body    []byte
	Status  int    // 0: not known
	Calls   []Call // nil: not known; empty: none
}

// A Call is one call that the bot made of Graph.
type Call struct {
	Method   string  `json:"method"`
	Path     string  `json:"path"`
	Status   int     `json:"status"`
	Fault    string  `json:"fault,omitempty"`
	Events   []Event `json:"events,omitempty"`
	Response string  `json:"response,omitempty"`
}

// An Event is one app event or conversion, without what differs each time.
type Event struct {
	Name     string   `json:"name"`
	Value    *float64 `json:"value,omitempty"`
	Currency string   `json:"currency,omitempty"`
	Person   string   `json:"person,omitempty"`
	Edge     string   `json:"edge,omitempty"`
	Refused  bool     `json:"refused,omitempty"`
}

// Events are those of all calls. What an injected fault kept from Graph is left out: it says nothing about the bot.
func (w *Webhook) Events() []Event {
	var list []Event
	for _, call := range w.Calls {
		for _, event := range call.Events {
			if call.Fault == "" || !event.Refused {
				list = append(list, event)
			}
		}
	}
	return list
}

// line is a Webhook as it is written.
type line struct {
	Schema     int    `json:"schema"`
	AfterMS    int64  `json:"after_ms,omitempty"`
	Field      string `json:"field,omitempty"`
	Page       string `json:"page,omitempty"`
	Person     string `json:"person,omitempty"`
	Body       string `json:"body,omitempty"`
	BodyBase64 []byte `json:"body_base64,omitempty"`
	Status     int    `json:"status,omitempty"`
	Calls      []Call `json:"calls,omitzero"`
}

// Line is the webhook as one line of a session, with its newline.
func (w *Webhook) Line() ([]byte, error) {
	l := line{Schema: Schema, AfterMS: w.AfterMS, Field: w.Field, Page: w.Page, Person: w.Person, Status: w.Status,
		Calls: w.Calls}
	if utf8.Valid(w.Body) {
		l.Body = string(w.Body)
	} else {
		l.BodyBase64 = w.Body
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(l)
	return b.Bytes(), err
}

// Write writes a session.
func Write(w io.Writer, list []Webhook) error {
	for n := range list {
		text, err := list[n].Line()
		if err != nil {
			return err
		}
		if _, err := w.Write(text); err != nil {
			return err
		}
	}
	return nil
}

// A LineError says what is wrong with a line of a session. It repeats nothing of the line.
type LineError struct {
	Line   int // counted from 1
	Reason string
}

func (e *LineError) Error() string { return fmt.Sprintf("line %d %s", e.Line, e.Reason) }

// Read reads a session. cutOff is the number of a last line that was left out because it is not whole, or 0. The error
// joins a [*LineError] for each of the first lines that cannot be read; other errors are the reader's.
func Read(r io.Reader) (list []Webhook, cutOff int, err error) {
	lines := bufio.NewReaderSize(r, 64<<10)
	var bad []error
	for number := 1; ; number++ {
		text, whole, err := readLine(lines)
		if errors.Is(err, io.EOF) {
			return list, 0, errors.Join(bad...)
		}
		if err != nil && !errors.Is(err, errLong) {
			return nil, 0, err
		}
		var w Webhook
		if err == nil {
			if number == 1 {
				text = bytes.TrimPrefix(text, []byte("\ufeff"))
			}
			if len(bytes.TrimSpace(text)) == 0 {
				continue
			}
			w, err = parseLine(text)
		}
		switch {
		case err == nil:
			list = append(list, w)
		case !whole && !json.Valid(text) && len(list) > 0:
			return list, number, errors.Join(bad...)
		default:
			bad = append(bad, &LineError{number, err.Error()})
			if len(bad) == maxNamed {
				return nil, 0, errors.Join(append(bad, errors.New("…"))...)
			}
		}
	}
}

var errLong = fmt.Errorf("is longer than %d MiB", maxLine>>20)

// readLine reads up to the next newline. whole says that there was one. A line that is too long is passed over.
func readLine(r *bufio.Reader) (text []byte, whole bool, err error) {
	long := false
	for {
		part, err := r.ReadSlice('\n')
		if long = long || len(text)+len(part) > maxLine; !long {
			text = append(text, part...)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case err != nil && (!errors.Is(err, io.EOF) || len(text) == 0 && !long):
			return nil, false, err
		case long:
			return nil, err == nil, errLong
		}
		return text, err == nil, nil
	}
}

func parseLine(text []byte) (Webhook, error) {
	var l struct {
		line

		// What only other files have.
		NextID    any
		Direction any
	}
	l.Schema = -1
	err := json.Unmarshal(text, &l)
	switch {
	case !json.Valid(text):
		return Webhook{}, errors.New("is damaged: it is not JSON")
	case l.NextID != nil:
		return Webhook{}, errors.New("is the state that --session keeps, not a session: " +
			"export one from the emulator's page")
	case l.Direction != nil:
		return Webhook{}, errors.New("is an exchange of the emulator, not a line of a session: export it again")
	case err != nil:
		return Webhook{}, errors.New("is not a line of a session: " + wrongMember(err))
	case l.Schema == -1:
		return Webhook{}, errors.New(`is not a line of a session: "schema" is missing`)
	case l.Schema != Schema:
		return Webhook{}, fmt.Errorf("has schema %d; this program reads %d", l.Schema, Schema)
	case l.Body == "" && len(l.BodyBase64) == 0:
		return Webhook{}, errors.New(`has no webhook: "body" is missing`)
	case l.Body != "" && len(l.BodyBase64) > 0:
		return Webhook{}, errors.New(`has both "body" and "body_base64"`)
	case l.AfterMS < 0:
		return Webhook{}, errors.New(`has a negative "after_ms"`)
	}
	w := Webhook{AfterMS: l.AfterMS, Field: l.Field, Page: l.Page, Person: l.Person, Body: l.BodyBase64, Status: l.Status,
		Calls: l.Calls}
	if l.Body != "" {
		w.Body = []byte(l.Body)
	}
	about := Describe(w.Body)
	w.Field, w.Page, w.Person = cmp.Or(w.Field, about.Field), cmp.Or(w.Page, about.Page), cmp.Or(w.Person, about.Person)
	return w, nil
}

// wrongMember words an error of encoding/json without what the line holds.
func wrongMember(err error) string {
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok && wrong.Field != "" {
		return fmt.Sprintf("%q is not as it should be", strings.TrimPrefix(wrong.Field, "line."))
	}
	return "a member is not as it should be"
}
