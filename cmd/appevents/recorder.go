package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/appevents/appevents-go/cmd/appevents/internal/session"
)

// A recorder appends webhooks to a session file.
type recorder struct {
	redactor *session.Redactor // nil: as they came

	mu            sync.Mutex
	file          *os.File
	last          time.Time
	written, lost int64
}

// openRecorder opens a session file, for its owner alone. What is in it stays; a line that was cut off gets an end.
func openRecorder(name string) (*recorder, error) {
	file, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600) //nolint:gosec // the user names it
	if err != nil {
		return nil, fail(exitNo, "--record: %w", err)
	}
	info, err := file.Stat()
	if err == nil && info.Mode().IsRegular() {
		if info.Mode().Perm()&0o077 != 0 {
			err = file.Chmod(0o600)
		}
		end := make([]byte, 1)
		if size := info.Size(); err == nil && size > 0 {
			if _, err = file.ReadAt(end, size-1); err == nil && end[0] != '\n' {
				_, err = file.WriteString("\n")
			}
		}
	}
	if err != nil {
		return nil, errors.Join(fail(exitNo, "--record: %w", err), file.Close())
	}
	return &recorder{file: file}, nil
}

// write appends one webhook. The line is written at once, so that lines stay whole when several write.
func (r *recorder) write(at time.Time, about session.About, body []byte) (err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	defer func() {
		if err != nil {
			r.lost++
		} else {
			r.written++
		}
	}()
	w := session.Webhook{Field: about.Field, Page: about.Page, Person: about.Person, Body: body}
	if len(body) == 0 {
		return errors.New("it has no body")
	}
	if r.redactor != nil {
		if w.Body, err = r.redactor.Body(body); err != nil {
			return errors.New("its body cannot be read, so nothing in it can be redacted")
		}
		if w.Person != "" {
			w.Person = r.redactor.ID(w.Person)
		}
	}
	if !r.last.IsZero() {
		w.AfterMS = max(at.Sub(r.last).Milliseconds(), 0)
	}
	line, err := w.Line()
	if err != nil {
		return err
	}
	before := r.size()
	n, err := r.file.Write(line)
	if err == nil && n < len(line) {
		err = io.ErrShortWrite
	}
	if err != nil {
		if n > 0 && before >= 0 && r.size() == before+int64(n) { // nobody else wrote
			_ = r.file.Truncate(before) // half a line would be damage
		}
		return fmt.Errorf("the session file: %w", err)
	}
	r.last = at
	return nil
}

// size is that of a regular file, else -1.
func (r *recorder) size() int64 {
	info, err := r.file.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return -1
	}
	return info.Size()
}

// close brings the file to the disk.
func (r *recorder) close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return errors.Join(r.file.Sync(), r.file.Close())
}
