package jsonfill

import (
	"strings"
	"time"

	"github.com/appevents/appevents-go/internal/jsonscan"
)

// Problem is a value that could not be read. It repeats nothing of the document but keys that were asked for.
type Problem struct{ Path, Message string }

const (
	maxProblems = 8
	problemSize = 128 // bytes, with the text of its path
	pathDepth   = 8   // deeper keys are left out of paths
)

// Reader reads a document once, from its start to its end. A value of another kind than asked for is skipped and noted
// as a problem, and reading goes on. After a syntax error, or when a limit is reached, every loop ends.
type Reader struct {
	// Scan is the place in the document.
	Scan jsonscan.Scanner

	problems []Problem
	path     [pathDepth]string // the keys that lead to the value being read
	level    int

	parts   int // left
	room    int // bytes left
	reserve int // of room, not for the elements of lists
	decoded int // by the scanners before Scan
	full    bool
}

// New returns a reader of doc. What it makes of doc has at most the given number of parts (elements of lists, and what
// else is counted by [Reader.Spend]) and takes at most room bytes, half of which the lists inside the values leave to
// everything else.
func New(doc string, parts, room int) Reader {
	return Reader{Scan: jsonscan.New(doc), parts: parts, room: room, reserve: room / 2}
}

// Spend takes one part of so many bytes from what is left. When there is not enough it ends the whole walk and returns
// false.
func (r *Reader) Spend(size int) bool {
	r.parts--
	r.room -= size
	if r.parts < 0 || r.room < r.strings() {
		r.full = true
		r.Scan.Stop()
	}
	return !r.full
}

// strings is what was taken for strings that had to be decoded.
func (r *Reader) strings() int { return r.decoded + r.Scan.Decoded() }

// Full reports whether the walk was ended for want of room.
func (r *Reader) Full() bool { return r.full }

// allow is Spend for what may be left out: it keeps the reserve, and only the number of parts ends the walk.
func (r *Reader) allow(size int) bool {
	if r.room-size < r.reserve+r.strings() {
		r.Spend(0)
		return false
	}
	return r.Spend(size)
}

// Again runs read on a span of the document, and then goes on where it was.
func (r *Reader) Again(span string, read func()) {
	outer, level := r.Scan, r.level
	r.decoded += outer.Decoded()
	r.Scan, r.level = jsonscan.New(span), 0
	read()
	r.decoded += r.Scan.Decoded() - outer.Decoded()
	r.Scan, r.level = outer, level
	if r.full {
		r.Scan.Stop()
	}
}

// Problems returns what was noted since the last call.
func (r *Reader) Problems() []Problem {
	problems := r.problems
	r.problems = nil
	return problems
}

// Note notes a problem with the value at the current path. Only the first few are kept.
func (r *Reader) Note(message string) {
	switch n := len(r.problems); {
	case n == maxProblems, n > 0 && !r.allow(2*problemSize), n == 0 && !r.Spend(problemSize):
		return
	}
	path := strings.Join(r.path[:min(r.level, pathDepth)], ".")
	r.problems = append(r.problems, Problem{Path: path, Message: message})
}

// expect notes a problem with a value of another kind.
func (r *Reader) expect(ok bool, message string) {
	if !ok {
		r.Note(message)
	}
}

// Text reads text, or the digits of a number.
func (r *Reader) Text() string {
	v, ok := r.Scan.Text()
	r.expect(ok, "must be text")
	return v
}

// ID reads an identifier, a string or an integer, as text.
func (r *Reader) ID() string {
	v, ok := r.Scan.ID()
	r.expect(ok, "must be a string or an integer")
	return v
}

// Flag reads a truth value.
func (r *Reader) Flag() bool {
	v, ok := r.Scan.Bool()
	r.expect(ok, "must be true or false")
	return v
}

// Integer reads an integer.
func (r *Reader) Integer() int64 {
	v, ok := r.Scan.Int64()
	r.expect(ok, "must be an integer")
	return v
}

// Number reads a number.
func (r *Reader) Number() float64 {
	v, ok := r.Scan.Float64()
	r.expect(ok, "must be a number")
	return v
}

const (
	firstMilli = 100_000_000_000     // smaller Unix times are in seconds
	lastMilli  = 253_402_300_799_999 // the end of the year 9999
)

// Millis reads a Unix time in seconds or milliseconds as milliseconds, 0 for none.
func (r *Reader) Millis() int64 {
	v, ok := r.Scan.Int64()
	if !ok || v < 0 || v > lastMilli {
		r.Note("must be a Unix time")
		return 0
	}
	if v < firstMilli {
		v *= 1000
	}
	return v
}

// Time reads what Millis reads as a time in UTC, zero for none.
func (r *Reader) Time() time.Time {
	ms := r.Millis()
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// Seconds reads a duration in whole seconds.
func (r *Reader) Seconds() time.Duration {
	const most = int64(1<<63-1) / int64(time.Second)
	v := r.Integer()
	if v < 0 || v > most {
		r.Note("must be a number of seconds")
		return 0
	}
	return time.Duration(v) * time.Second
}

// Object calls field for each key of the next value; field reads the key's value or leaves it alone. Null is an object
// without keys, and so, with a problem noted, is a value of another kind.
func (r *Reader) Object(field func(key string)) {
	s := &r.Scan
	if kind := s.Kind(); kind != jsonscan.Object {
		if kind != jsonscan.Null {
			r.Note("must be an object")
		}
		s.Skip()
		return
	}
	s.Open(jsonscan.Object)
	r.level++
	for key, ok := s.NextKey(); ok; key, ok = s.NextKey() {
		if s.Decoded() > r.room {
			r.Spend(0)
		}
		r.name(key)
		value := s.Pos()
		if field(key); s.Pos() == value {
			s.Skip()
		}
	}
	r.level--
}

// name says how the key being read is called in paths.
func (r *Reader) name(key string) {
	if r.level <= pathDepth {
		r.path[r.level-1] = key
	}
}

// Array calls element for each element of the next value; element consumes it. Null is an empty list, and so, with a
// problem noted, is a value of another kind. size is what an element takes; elements there is no room for are skipped.
func (r *Reader) Array(size int, element func()) {
	s := &r.Scan
	if kind := s.Kind(); kind != jsonscan.Array {
		if kind != jsonscan.Null {
			r.Note("must be a list")
		}
		s.Skip()
		return
	}
	s.Open(jsonscan.Array)
	skipped := false
	for s.NextElem() {
		if r.allow(size) {
			element()
			continue
		}
		if s.Skip(); !skipped {
			skipped = true
			r.Note("has too many elements")
		}
	}
}

// Texts reads a list of strings. With a key it is a list of objects that have the text there: [{"name": "x"}].
func (r *Reader) Texts(under string) (list []string) {
	r.Array(grown*16, func() {
		if under == "" {
			list = append(list, r.Text())
			return
		}
		r.Object(func(key string) {
			if key == under {
				list = append(list, r.Text())
			}
		})
	})
	return list
}
