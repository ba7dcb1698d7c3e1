package boltqueue

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime/debug"
	"strings"
	"sync"
	"syscall"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// guard calls fn and returns an error where bbolt panics over a damaged file, or the disk fails to read one of its
// pages, which are memory to bbolt: they are gone when the file was cut off.
func guard(fn func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		switch v := recover().(type) {
		case nil:
		case refused:
			err = v.err
		default:
			err = fmt.Errorf("%w: %v", errDamaged, v)
		}
	}()
	return fn()
}

// handle is an open file. Once bbolt has panicked, nothing enters it any more: it may hold its locks for ever.
type handle struct {
	db   *bbolt.DB
	file *os.File // bbolt's
	path string
	hook *hook

	pageSize int

	reading   chan struct{} // held by the one who reads: one who hangs must not take others along
	writing   sync.Mutex    // held by the one who writes: bbolt needs the file then
	releasing sync.Mutex
	dead      chan struct{} // closed when nothing may enter bbolt any more
	once      sync.Once
	err       error // why; set before dead is closed
}

// fail makes an end. The file is unlocked and closed, its memory stays with bbolt.
func (h *handle) fail(err error) {
	h.once.Do(func() {
		h.err = err
		close(h.dead)
		h.release()
	})
}

// release unlocks the file, and closes it unless somebody writes, who does so then.
func (h *handle) release() {
	h.releasing.Lock()
	defer h.releasing.Unlock()
	_ = unlock(h.file)
	if h.writing.TryLock() {
		defer h.writing.Unlock()
		_ = h.file.Close()
	}
}

// failed returns why nothing may enter bbolt any more, or nil.
func (h *handle) failed() error {
	select {
	case <-h.dead:
		return h.err
	default:
		return nil
	}
}

// view reads the file.
func (h *handle) view(fn func(tx *bbolt.Tx) error) error {
	select {
	case h.reading <- struct{}{}:
	case <-h.dead:
		return h.err
	}
	defer func() { <-h.reading }()
	if err := h.failed(); err != nil {
		return err
	}
	err := guard(func() error { return h.db.View(fn) })
	if errors.Is(err, errDamaged) {
		h.fail(err)
	}
	return err
}

// update writes a transaction. Only one goroutine does. When it returns an error, nothing was written, unless the disk
// failed.
func (h *handle) update(fn func(tx *bbolt.Tx) error) error { return h.write(fn, h.db.Begin) }

// updateAlone is update when every page is needed: while somebody reads, bbolt keeps those that the latest transactions
// gave up.
func (h *handle) updateAlone(fn func(tx *bbolt.Tx) error) error {
	return h.write(fn, func(bool) (*bbolt.Tx, error) {
		select {
		case h.reading <- struct{}{}:
		case <-h.dead:
			return nil, h.err
		}
		defer func() { <-h.reading }()
		return h.db.Begin(true)
	})
}

func (h *handle) write(fn func(tx *bbolt.Tx) error, begin func(writable bool) (*bbolt.Tx, error)) error {
	h.writing.Lock()
	if err := h.failed(); err != nil {
		h.writing.Unlock()
		return err
	}
	err := guard(func() error {
		tx, err := begin(true)
		if err != nil {
			return err
		}
		if err := fn(tx); err != nil {
			return errors.Join(err, tx.Rollback())
		}
		h.hook.committing = true
		defer func() { h.hook.committing, h.hook.verified = false, false }()
		return tx.Commit()
	})
	h.writing.Unlock()
	if errors.Is(err, errDamaged) || errors.Is(err, errStopped) {
		h.fail(err)
	}
	if h.failed() != nil {
		h.release()
	}
	return err
}

// close waits for who reads, and closes the file. The writer has ended.
func (h *handle) close() (err error) {
	select {
	case h.reading <- struct{}{}: // and keeps it
	case <-h.dead:
		return nil
	}
	h.once.Do(func() {
		err = h.db.Close()
		h.err = bolterrors.ErrDatabaseNotOpen
		close(h.dead)
	})
	return err
}

// hook is told by bbolt, as its logger, of an error while it writes, just before it takes the transaction back. For
// that bbolt reads the whole file on a goroutine of its own, where whatever it does not expect ends the process. It
// may do so only when there was no room, and when every page has been found in order.
type hook struct {
	file       *os.File
	committing bool // the others write nothing
	verified   bool
}

// refused is what the hook panics with, to leave the transaction as it is.
type refused struct{ err error }

// Errorf implements [bbolt.Logger].
func (h *hook) Errorf(_ string, args ...any) {
	if !h.committing || h.verified {
		return
	}
	for _, arg := range args {
		err, ok := arg.(error)
		if !ok {
			continue
		}
		if isFull(err) {
			err = verifyPages(h.file)
		}
		if err != nil {
			panic(refused{fmt.Errorf("%w: %w", errStopped, err)}) //nolint:forbidigo // the only way past bbolt; see guard
		}
		h.verified = true
	}
}

// errStopped says that a transaction was left as it was.
var errStopped = errors.New("writing failed")

// The other methods of [bbolt.Logger] do nothing.
func (*hook) Debug(...any)            {}
func (*hook) Debugf(string, ...any)   {}
func (*hook) Error(...any)            {}
func (*hook) Info(...any)             {}
func (*hook) Infof(string, ...any)    {}
func (*hook) Warning(...any)          {}
func (*hook) Warningf(string, ...any) {}
func (*hook) Fatal(...any)            {}
func (*hook) Fatalf(string, ...any)   {}
func (*hook) Panic(...any)            {}
func (*hook) Panicf(string, ...any)   {}

// there reports what became of the file at the path: an error when it is not the open one.
func (h *handle) there() error {
	at, err := os.Stat(h.path)
	if err != nil {
		return fmt.Errorf("%w: %w", errGone, err)
	}
	open, err := h.file.Stat()
	if err != nil {
		return err
	}
	if !os.SameFile(at, open) {
		return errGone
	}
	return nil
}

// errGone says that what is put into the queue would be lost.
var errGone = errors.New("boltqueue: the file was removed or replaced while it was open")

// whole returns an error when the file is shorter than it must be.
func (h *handle) whole() error {
	info, err := h.file.Stat()
	if err != nil {
		return err
	}
	var want int64
	if err := h.view(func(tx *bbolt.Tx) error { want = tx.Size(); return nil }); err != nil {
		return err
	}
	if info.Size() < want {
		return damaged("it was cut off: it has %d bytes instead of at least %d", info.Size(), want)
	}
	return nil
}

// isFull reports whether an error says that there was no room, and nothing was changed. bbolt keeps only the text of
// one of them. A flush that fails for lack of room is another matter: what it should have flushed may be lost.
func isFull(err error) bool {
	if errors.Is(err, bolterrors.ErrMaxSizeReached) || strings.HasPrefix(err.Error(), "file resize error") {
		return true
	}
	var path *fs.PathError
	return errors.As(err, &path) && (path.Op == "write" || path.Op == "truncate") && isNoRoom(err)
}

func isNoRoom(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EFBIG) || errors.Is(err, syscall.EDQUOT)
}
