package boltqueue

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

const (
	// lockTimeout is how long Open waits for another process to let go: a restart overlaps a little.
	lockTimeout = time.Second

	// A file of this size of which so much is free is made small when it is opened.
	compactSize = 32 << 20
	compactFree = 0.75

	maxOpens = 3 // a file can be replaced by a smaller one while it is opened
)

// errReplaced says that the opened file is no longer the one at the path.
var errReplaced = errors.New("the file was replaced while it was opened")

// openFile looks at the file, opens it, makes it small when it pays, and makes its buckets.
func openFile(path string, maxSize int, clock *clock, logger *slog.Logger) (h *handle, a *audit, err error) {
	h, a, err = openAgain(path, maxSize, clock)
	if err != nil {
		return nil, nil, err
	}
	fail := func(err error) error {
		return errors.Join(fmt.Errorf("boltqueue: open %s: %w", path, err), h.close())
	}
	if err := h.prepare(a); err != nil {
		return nil, nil, fail(err)
	}
	if !mostlyFree(h) {
		return h, a, nil
	}
	// A file that cannot be made small stays large, that is all; but once it is replaced, the open one is of no use.
	replaced := false
	err = guard(func() (err error) {
		replaced, err = compact(h.db, path)
		return err
	})
	if !replaced {
		logger.LogAttrs(context.Background(), slog.LevelWarn,
			"boltqueue: most of the file is free, and it could not be made small: it stays as large as it is",
			slog.String("file", path), slog.String("error", err.Error()))
		return h, a, nil
	}
	if err := errors.Join(err, h.close()); err != nil {
		return nil, nil, fmt.Errorf("boltqueue: open %s: %w", path, err)
	}
	lost := a.found.meta
	h, a, err = openAgain(path, maxSize, clock)
	if err == nil {
		a.found.meta += lost
	}
	return h, a, err
}

// openAgain looks at the file at the path and opens it, again when it was changed meanwhile.
func openAgain(path string, maxSize int, clock *clock) (h *handle, a *audit, err error) {
	for range maxOpens {
		if a, err = auditPath(path, clock); err == nil {
			h, err = open(path, maxSize, a)
		}
		if !errors.Is(err, errReplaced) {
			break
		}
	}
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		return nil, nil, fmt.Errorf("%w: %s", ErrLocked, path)
	case errors.Is(err, fs.ErrNotExist) && !exists(filepath.Dir(path)):
		return nil, nil, fmt.Errorf("boltqueue: open %s: the directory %s does not exist, and is not made: %w", path,
			filepath.Dir(path), fs.ErrNotExist)
	case err != nil:
		return nil, nil, fmt.Errorf("boltqueue: open %s: %w", path, err)
	}
	return h, a, nil
}

// auditPath looks at the file at the path. It returns nil when there is none.
func auditPath(path string, clock *clock) (a *audit, err error) {
	file, err := os.Open(path) //nolint:gosec // the caller's path
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil //nolint:nilnil // to be made
	}
	if err != nil {
		return nil, err
	}
	defer file.Close()
	if info, err := file.Stat(); err != nil || info.Size() == 0 {
		return nil, err
	}
	// bbolt is given the meta pages only when they are in order, and then only to lock the file.
	if _, err := openPages(file); err != nil {
		return nil, err
	}
	db, locked, err := openBolt(path, bbolt.Options{Timeout: lockTimeout, ReadOnly: true})
	switch {
	case errors.Is(err, bolterrors.ErrInvalid):
		return nil, fmt.Errorf("%w, or not a queue: %w", errDamaged, err)
	case err != nil:
		return nil, err
	}
	a, err = auditFile(locked, clock.now())
	return a, errors.Join(err, db.Close())
}

// open opens the file that was looked at.
func open(path string, maxSize int, a *audit) (*handle, error) {
	hook := new(hook)
	db, file, err := openBolt(path, bbolt.Options{
		Timeout:      lockTimeout,
		FreelistType: bbolt.FreelistMapType,
		// The list of free pages is found by reading the file when it is opened. Written with each transaction it would
		// make them slow once a long queue has been worked off.
		NoFreelistSync: true,
		MaxSize:        maxSize,
		Logger:         hook,
	})
	if err != nil {
		return nil, err
	}
	hook.file = file
	h := &handle{
		db: db, file: file, path: path, hook: hook, pageSize: db.Info().PageSize, reading: make(chan struct{}, 1),
		dead: make(chan struct{}),
	}
	// Whoever made the file small held the lock of the old one until it was replaced, and who had it open has written:
	// having waited for the lock says nothing.
	err = h.there()
	if errors.Is(err, errGone) {
		err = errReplaced
	}
	if err == nil && a != nil {
		err = h.view(func(tx *bbolt.Tx) error {
			if uint64(tx.ID()) != a.meta.txid { //nolint:gosec // never negative
				return errReplaced
			}
			return nil
		})
	}
	if err == nil {
		err = syncDir(path) // it may be new
	}
	if err != nil {
		return nil, errors.Join(err, h.close())
	}
	return h, nil
}

// openBolt opens a file with bbolt.
func openBolt(path string, options bbolt.Options) (db *bbolt.DB, file *os.File, err error) {
	options.OpenFile = func(name string, flag int, mode os.FileMode) (*os.File, error) {
		var err error
		file, err = os.OpenFile(name, flag, mode) //nolint:gosec // the caller's path
		return file, err
	}
	err = guard(func() (err error) {
		db, err = bbolt.Open(path, 0o600, &options)
		return err
	})
	if errors.Is(err, errDamaged) && file != nil {
		_ = unlock(file)
		_ = file.Close()
	}
	return db, file, err
}

// prepare makes the buckets of a new file, takes one of format 1 over, and refuses one that is not this package's.
func (h *handle) prepare(a *audit) error {
	err := h.view(func(tx *bbolt.Tx) error {
		meta := tx.Bucket(bucketMeta)
		if meta == nil {
			if name, _ := tx.Cursor().First(); name != nil {
				return errors.New("it is not a queue, but the database of another program")
			}
			return nil
		}
		if v := meta.Get(metaFormat); len(v) != 1 || v[0] < 1 || v[0] > format {
			return fmt.Errorf("the queue has format %x, and this version of boltqueue reads only up to %02x: "+
				"open it with a newer one", v, format)
		}
		return nil
	})
	if err != nil {
		return err
	}
	err = h.update(makeBuckets)
	if a != nil && a.ours && err != nil && isFull(err) {
		return nil // it has what it needs, and what it still lacks it gets another time
	}
	return err
}

func makeBuckets(tx *bbolt.Tx) error {
	for _, name := range buckets() {
		if _, err := tx.CreateBucketIfNotExists(name); err != nil {
			return err
		}
	}
	meta := tx.Bucket(bucketMeta)
	switch v := meta.Get(metaFormat); {
	case v == nil:
	case v[0] < format:
		if err := meta.Put(metaOld, one); err != nil {
			return err
		}
	default:
		return nil
	}
	return meta.Put(metaFormat, []byte{format})
}

// mostlyFree reports whether a file is worth making small. It needs a transaction to have been written. What lies
// behind the last page counts as free too: bbolt lets a file grow by 16 MiB at once.
func mostlyFree(h *handle) bool {
	info, err := h.file.Stat()
	if err != nil || info.Size() < compactSize {
		return false
	}
	var pages int64
	err = h.view(func(tx *bbolt.Tx) error {
		pages = tx.Size() / int64(h.pageSize)
		return nil
	})
	stats := h.db.Stats()
	used := (pages - int64(stats.FreePageN+stats.PendingPageN)) * int64(h.pageSize)
	return err == nil && float64(used) < (1-compactFree)*float64(info.Size())
}

// compact writes what is in db to a new file and puts that in the place of the old one, which stays locked until its
// caller closes it. A crash leaves either the old file or the new one. It reports whether the old one was replaced.
func compact(db *bbolt.DB, path string) (replaced bool, err error) {
	if path, err = filepath.EvalSymlinks(path); err != nil { // the file is replaced, not what leads to it
		return false, err
	}
	temp := path + ".compact"
	if err := os.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	small, err := bbolt.Open(temp, 0o600, &bbolt.Options{
		Timeout: lockTimeout, NoSync: true, FreelistType: bbolt.FreelistMapType, NoFreelistSync: true,
	})
	if err != nil {
		_ = os.Remove(temp)
		return false, err
	}
	err = errors.Join(bbolt.Compact(small, db, 1<<20), small.Sync(), small.Close())
	if err == nil {
		err = os.Rename(temp, path)
	}
	if err != nil {
		_ = os.Remove(temp)
		return false, err
	}
	return true, syncDir(path)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// syncDir makes the name of a file durable. Not every system can flush a directory; those that cannot need not.
func syncDir(path string) error {
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer dir.Close()
	if err := dir.Sync(); err != nil && !errors.Is(err, errors.ErrUnsupported) && !errors.Is(err, fs.ErrPermission) &&
		!errors.Is(err, fs.ErrInvalid) {
		return err
	}
	return nil
}
