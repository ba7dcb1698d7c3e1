package boltqueue

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime/debug"
	"slices"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// errDamaged says that the file does not hold what was written to it.
var errDamaged = errors.New("the file is damaged")

// guard calls fn and returns an error where bbolt panics over a damaged file, or the disk fails to read one of its
// pages, which are memory to bbolt.
func guard(fn func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("%w: %v", errDamaged, v)
		}
	}()
	return fn()
}

func damaged(text string, args ...any) error {
	return fmt.Errorf("%w: %s", errDamaged, fmt.Sprintf(text, args...))
}

// verifyFile looks at every page of the file at the path, if there is one. Opening it for writing does so too, but on a
// goroutine of bbolt: what that does not expect ends the process.
func verifyFile(path string) error {
	if info, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) || err == nil && info.Size() == 0 {
		return nil // to be made
	}
	db, file, err := openBolt(path, bbolt.Options{Timeout: lockTimeout, ReadOnly: true})
	switch {
	case errors.Is(err, bolterrors.ErrInvalid) || errors.Is(err, bolterrors.ErrChecksum):
		return fmt.Errorf("%w, or not a queue: %w", errDamaged, err)
	case errors.Is(err, bolterrors.ErrVersionMismatch):
		return fmt.Errorf("the queue was written by another version of bbolt: %w", err)
	case err != nil:
		return err
	}
	info, err := file.Stat()
	if err == nil {
		v := &verifier{file: file, fileSize: info.Size(), pageSize: int64(db.Info().PageSize)}
		err = guard(func() error { return db.View(v.verify) })
	}
	return errors.Join(err, db.Close())
}

// The form of a bbolt page: a header, and elements that say where their key is, counted from where they are.
const (
	pageHeader  = 16
	pageElement = 16
	flagBranch  = 1
	flagLeaf    = 2
	flagBucket  = 1 // of an element: its value is a bucket

	bucketHeader = 16
	maxDepth     = 64
)

// verifier walks the trees of a file.
type verifier struct {
	file     *os.File
	fileSize int64
	pageSize int64
	pages    uint64 // how many the file has
	seen     []bool
	buffers  [maxDepth + 1][]byte // of the pages on the way from the root
}

func (v *verifier) verify(tx *bbolt.Tx) error {
	if v.pageSize < 1024 || tx.Size() > v.fileSize {
		return damaged("it has %d bytes instead of at least %d", v.fileSize, tx.Size())
	}
	v.pages = uint64(tx.Size() / v.pageSize) //nolint:gosec // not negative
	v.seen = make([]bool, v.pages)
	return v.tree(uint64(tx.Cursor().Bucket().Root()), 0)
}

// tree looks at a page and what hangs on it.
func (v *verifier) tree(id uint64, depth int) error {
	if depth > maxDepth {
		return damaged("page %d is too deep", id)
	}
	p, err := v.read(id, &v.buffers[depth])
	if err != nil {
		return err
	}
	return v.elements(p, id, depth)
}

// read reads a page with its overflow.
func (v *verifier) read(id uint64, buffer *[]byte) ([]byte, error) {
	if id < 2 || id >= v.pages {
		return nil, damaged("page %d is outside the file", id)
	}
	p, err := v.readAt(id, 1, buffer)
	if err != nil {
		return nil, err
	}
	overflow := u32(p[12:])
	if binary.NativeEndian.Uint64(p) != id || overflow >= v.pages-id {
		return nil, damaged("page %d is another one", id)
	}
	for i := id; i <= id+overflow; i++ {
		if v.seen[i] {
			return nil, damaged("page %d is used twice", i)
		}
		v.seen[i] = true
	}
	if overflow == 0 {
		return p, nil
	}
	return v.readAt(id, overflow+1, buffer)
}

func (v *verifier) readAt(id, pages uint64, buffer *[]byte) ([]byte, error) {
	size := int(pages) * int(v.pageSize) //nolint:gosec // inside the file
	*buffer = slices.Grow((*buffer)[:0], size)[:size]
	_, err := v.file.ReadAt(*buffer, int64(id)*v.pageSize) //nolint:gosec // inside the file
	return *buffer, err
}

// elements looks at the elements of a page.
func (v *verifier) elements(p []byte, id uint64, depth int) error {
	flags, count := binary.NativeEndian.Uint16(p[8:]), int(binary.NativeEndian.Uint16(p[10:]))
	branch, leaf := flags == flagBranch, flags == flagLeaf
	if !branch && !leaf || pageHeader+count*pageElement > len(p) || branch && count == 0 {
		return damaged("page %d has type %x and %d elements", id, flags, count)
	}
	var last []byte
	for i := range count {
		from := p[pageHeader+i*pageElement:]
		e := from[:pageElement]
		var kind, pos, keySize, valueSize uint64
		if branch {
			pos, keySize = u32(e), u32(e[4:])
		} else {
			kind, pos, keySize, valueSize = u32(e), u32(e[4:]), u32(e[8:]), u32(e[12:])
		}
		if pos+keySize+valueSize > uint64(len(from)) {
			return damaged("page %d, element %d is outside the page", id, i)
		}
		key := from[pos : pos+keySize]
		if i > 0 && bytes.Compare(last, key) >= 0 {
			return damaged("page %d, element %d is out of order", id, i)
		}
		last = key
		var err error
		switch {
		case branch:
			err = v.tree(binary.NativeEndian.Uint64(e[8:]), depth+1)
		case kind&flagBucket != 0:
			err = v.bucket(from[pos+keySize:pos+keySize+valueSize], id, depth)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// bucket looks at a bucket, which is in a page of its own or in the page of its parent.
func (v *verifier) bucket(value []byte, id uint64, depth int) error {
	if len(value) < bucketHeader {
		return damaged("page %d has a bucket of %d bytes", id, len(value))
	}
	if root := binary.NativeEndian.Uint64(value); root != 0 {
		return v.tree(root, depth+1)
	}
	if len(value) < bucketHeader+pageHeader {
		return damaged("page %d has a bucket of %d bytes", id, len(value))
	}
	return v.elements(value[bucketHeader:], id, depth+1)
}

func u32(b []byte) uint64 { return uint64(binary.NativeEndian.Uint32(b)) }
