// Package record is the stored form of an item, for queues that keep bytes.
package record

import (
	"encoding/binary"
	"errors"
	"slices"
	"time"

	"github.com/appevents/appevents-go/delivery"
)

// Record is an item with its past.
type Record struct {
	delivery.Item

	Attempts   int
	FirstError string
	LastError  string
	Begun      bool
	Due        time.Time // when it is to be retried

	// For buried items.
	Reason   delivery.Reason
	BuriedAt time.Time
}

// Failed counts an attempt that failed with this error; without a text it was no attempt.
func (r *Record) Failed(text string) {
	if text == "" {
		return
	}
	r.Attempts++
	r.LastError = text
	if r.FirstError == "" {
		r.FirstError = text
	}
}

// version is the first byte of a record. Records outlive a version of this package: a new form needs a new number.
const version = 1

const flagBegun = 1

// fixedSize is at least what a record takes besides its texts and its body.
const fixedSize = 2 + 16 + 16 + 4*(5+10) + 5*5

// Append appends the stored form of r to dst.
func Append(dst []byte, r *Record) []byte {
	var flags byte
	if r.Begun {
		flags |= flagBegun
	}
	dst = slices.Grow(dst, fixedSize+len(r.Lane)+len(r.FirstError)+len(r.LastError)+len(r.Reason)+len(r.Body))
	dst = append(dst, version, flags)
	dst = append(dst, r.Key[:]...)
	dst = append(dst, r.Group[:]...)
	dst = binary.AppendUvarint(dst, uint64(r.Attempts)) //nolint:gosec // a count, never negative
	for _, t := range [...]time.Time{r.Submitted, r.Expires, r.Due, r.BuriedAt} {
		dst = appendTime(dst, t)
	}
	for _, s := range [...]string{r.Lane, r.FirstError, r.LastError, string(r.Reason)} {
		dst = binary.AppendUvarint(dst, uint64(len(s)))
		dst = append(dst, s...)
	}
	return append(dst, r.Body...)
}

// appendTime writes the zero time as 0, others as seconds and one more than the nanoseconds.
func appendTime(dst []byte, t time.Time) []byte {
	if t.IsZero() {
		return append(dst, 0)
	}
	dst = binary.AppendUvarint(dst, uint64(t.Nanosecond())+1) //nolint:gosec // 0 to 999,999,999
	return binary.AppendVarint(dst, t.Unix())
}

// ErrFormat is returned for bytes that are no record, or one of a newer version.
var ErrFormat = errors.New("delivery: not a stored call this version can read")

// Parse reads what Append wrote. Body shares memory with data.
func Parse(data []byte) (r Record, err error) {
	p := parser{data: data}
	if v := p.take(2); len(v) == 2 && v[0] == version {
		r.Begun = v[1]&flagBegun != 0
	} else {
		p.failed = true
	}
	copy(r.Key[:], p.take(len(r.Key)))
	copy(r.Group[:], p.take(len(r.Group)))
	r.Attempts = int(min(p.uvarint(), 1<<31-1))
	for _, t := range [...]*time.Time{&r.Submitted, &r.Expires, &r.Due, &r.BuriedAt} {
		*t = p.time()
	}
	var reason string
	for _, s := range [...]*string{&r.Lane, &r.FirstError, &r.LastError, &reason} {
		n := p.uvarint()
		if n > uint64(len(p.data)) {
			p.failed = true
			break
		}
		*s = string(p.take(int(n))) //nolint:gosec // at most the length of data
	}
	r.Reason = delivery.Reason(reason)
	r.Body = p.data
	if p.failed {
		return Record{}, ErrFormat
	}
	return r, nil
}

// parser takes values off the front of data; after a failure it returns zeros.
type parser struct {
	data   []byte
	failed bool
}

func (p *parser) take(n int) []byte {
	if p.failed || n > len(p.data) {
		p.failed = true
		return nil
	}
	out := p.data[:n]
	p.data = p.data[n:]
	return out
}

func (p *parser) uvarint() uint64 {
	v, n := binary.Uvarint(p.data)
	if n <= 0 || p.failed {
		p.failed = true
		return 0
	}
	p.data = p.data[n:]
	return v
}

func (p *parser) time() time.Time {
	nanos := p.uvarint()
	if nanos == 0 {
		return time.Time{}
	}
	seconds, n := binary.Varint(p.data)
	if n <= 0 || p.failed || nanos > 1e9 {
		p.failed = true
		return time.Time{}
	}
	p.data = p.data[n:]
	return time.Unix(seconds, int64(nanos-1)).UTC()
}
