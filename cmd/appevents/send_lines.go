package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"unicode/utf8"

	"github.com/appevents/appevents-go"
)

const (
	maxLine = 1 << 20 // bytes of a line, its end not counted

	maxSome = 256 // lines handed over at a time

	// keptOfLongLine is how much of a line that is too long goes into a report.
	keptOfLongLine = 256
)

// A line is one line of a file of calls.
type line struct {
	number int
	text   []byte         // without its end
	call   appevents.Call // nil when there is a problem
	err    error          // what is wrong with it
}

// A lineReader reads lines of any length in constant memory.
type lineReader struct {
	r      *bufio.Reader
	number int
	read   int64 // bytes
}

func newLineReader(r io.Reader) *lineReader { return &lineReader{r: bufio.NewReaderSize(r, 256<<10)} }

var (
	errLong = lineProblem(appevents.RuleLength, "the line is longer than 1 MiB")
	errUTF8 = lineProblem(appevents.RuleFormat, "the line is not UTF-8")
	errKind = lineProblem(appevents.RuleFormat,
		`the line is no stored call: MarshalCall writes {"kind":"activity","call":{…}}`)
)

func lineProblem(rule, message string) error {
	return &appevents.ValidationError{Issues: []appevents.Issue{{Rule: rule, Message: message}}}
}

// some returns the next lines: those that can be had without waiting for more, up to [maxSome] and a mebibyte. With an
// error it returns those before it.
func (l *lineReader) some() (list []line, err error) {
	for bytes := 0; len(list) < maxSome && bytes < 1<<20; {
		next, err := l.next()
		if err != nil {
			return list, err
		}
		list, bytes = append(list, next), bytes+len(next.text)
		if l.r.Buffered() == 0 {
			break
		}
	}
	return list, nil
}

// next returns the next line that is not blank. The text is the caller's to keep. It ends with [io.EOF].
func (l *lineReader) next() (line, error) {
	for {
		text, long, err := l.readLine()
		if err != nil {
			return line{}, err
		}
		l.number++
		if l.number == 1 {
			text = bytes.TrimPrefix(text, []byte("\ufeff"))
		}
		text = bytes.TrimSpace(text)
		switch {
		case long:
			return line{number: l.number, text: text, err: errLong}, nil
		case len(text) > 0:
			return line{number: l.number, text: text}, nil
		}
	}
}

// readLine reads up to the next newline, or to the end of what was not ended by one.
func (l *lineReader) readLine() (text []byte, long bool, err error) {
	for {
		part, err := l.r.ReadSlice('\n')
		l.read += int64(len(part))
		switch {
		case long:
		case len(text)+len(bytes.TrimRight(part, "\r\n")) > maxLine:
			text, long = append(text, part...)[:keptOfLongLine], true
		default:
			text = append(text, part...)
		}
		switch {
		case err == nil:
			return text, long, nil
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF) && (len(text) > 0 || long):
			return text, long, nil
		default:
			return nil, false, err
		}
	}
}

// decode reads the call of a line, and validates it if asked to.
func (l *line) decode(validate bool) {
	if l.err != nil {
		return
	}
	if !utf8.Valid(l.text) {
		l.err = errUTF8
		return
	}
	call, err := appevents.UnmarshalCall(l.text)
	if err != nil {
		l.err = l.wrongForm(err)
		return
	}
	if l.call = call; validate {
		l.err = call.Validate()
	}
}

// wrongForm says what keeps a line from being a call. Of what encoding/json says, it repeats where and not what.
func (l *line) wrongForm(err error) error {
	if kind, ok := errors.AsType[*json.UnmarshalTypeError](err); ok && kind.Field != "" {
		return &appevents.ValidationError{Issues: []appevents.Issue{{
			Path: kind.Field, Rule: appevents.RuleType, Message: "must not be a JSON " + jsonKind(kind.Value),
		}}}
	}
	if !json.Valid(l.text) {
		return lineProblem(appevents.RuleFormat, "the line is not JSON")
	}
	if stored := storedOf(l.text); stored.Kind == "" || len(stored.Call) == 0 {
		return errKind
	}
	return lineProblem(appevents.RuleFormat, errorText(err))
}

// jsonKind is the kind of a JSON value: for a number encoding/json adds the number.
func jsonKind(value string) string {
	kind, _, _ := bytes.Cut([]byte(value), []byte(" "))
	return string(kind)
}

// stored is a line as its parts, and what a rejected one says besides.
type stored struct {
	Kind string          `json:"kind"`
	Call json.RawMessage `json:"call"`
	Text *string         `json:"text"`
}

func storedOf(text []byte) (s stored) {
	if json.Unmarshal(text, &s) != nil {
		return stored{}
	}
	return s
}
