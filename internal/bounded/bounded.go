// Package bounded reads bodies whose length a peer decides.
package bounded

import (
	"errors"
	"io"
	"slices"
)

// ErrTooLong is a body longer than the limit.
var ErrTooLong = errors.New("longer than the limit")

// Read reads body into buf, or into more memory where buf is too small, and returns what it read, also with an error:
// [ErrTooLong] for more than limit bytes, or the error of body. Memory grows with what has arrived, not with what was
// announced.
func Read(buf []byte, body io.Reader, limit int64) ([]byte, error) {
	for buf = buf[:0]; ; {
		if len(buf) == cap(buf) {
			buf = slices.Grow(buf, max(len(buf), 512))
		}
		n, err := body.Read(buf[len(buf) : min(int64(cap(buf))-1, limit)+1])
		buf = buf[:len(buf)+n]
		switch {
		case int64(len(buf)) > limit:
			return buf, ErrTooLong
		case err == io.EOF:
			return buf, nil
		case err != nil:
			return buf, err
		}
	}
}
