package boltqueue

import (
	"errors"
	"fmt"
	"io/fs"
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

// openFile opens the file, makes it small when it pays, and makes its buckets.
func openFile(path string, maxSize int) (*bbolt.DB, error) {
	db, err := openAgain(path, maxSize)
	if err != nil {
		return nil, err
	}
	if err := guard(func() error { return prepare(db) }); err != nil {
		return nil, errors.Join(fmt.Errorf("boltqueue: open %s: %w", path, err), db.Close())
	}
	if !mostlyFree(db) {
		return db, nil
	}
	// A file that cannot be made small stays large, that is all; but once it is replaced, db is of no use.
	replaced := false
	err = guard(func() (err error) {
		replaced, err = compact(db, path)
		return err
	})
	if !replaced {
		return db, nil
	}
	if err := errors.Join(err, db.Close()); err != nil {
		return nil, fmt.Errorf("boltqueue: open %s: %w", path, err)
	}
	return openAgain(path, maxSize)
}

// openAgain opens the file at the path, again when it was replaced meanwhile.
func openAgain(path string, maxSize int) (db *bbolt.DB, err error) {
	for range maxOpens {
		if err = verifyFile(path); err == nil {
			db, err = open(path, maxSize)
		}
		if !errors.Is(err, errReplaced) {
			break
		}
	}
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		return nil, fmt.Errorf("%w: %s", ErrLocked, path)
	case err != nil:
		return nil, fmt.Errorf("boltqueue: open %s: %w", path, err)
	}
	return db, nil
}

func open(path string, maxSize int) (*bbolt.DB, error) {
	db, file, err := openBolt(path, bbolt.Options{
		Timeout:      lockTimeout,
		FreelistType: bbolt.FreelistMapType,
		// The list of free pages is found by reading the file when it is opened. Written with each transaction it would
		// make them slow once a long queue has been worked off.
		NoFreelistSync: true,
		MaxSize:        maxSize,
	})
	if err != nil {
		return nil, err
	}
	// Whoever made the file small held the lock of the old one until it was replaced: having waited for that lock says
	// nothing.
	opened, err := file.Stat()
	if err == nil {
		var there os.FileInfo
		if there, err = os.Stat(path); err == nil && !os.SameFile(opened, there) || errors.Is(err, fs.ErrNotExist) {
			err = errReplaced
		}
	}
	if err == nil {
		err = syncDir(path) // it may be new
	}
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// openBolt opens a file with bbolt, which panics on some damaged ones and then keeps them open and locked.
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
		_ = file.Close()
	}
	return db, file, err
}

// prepare makes the buckets of a new file, and refuses one that is not this package's.
func prepare(db *bbolt.DB) error {
	err := db.View(func(tx *bbolt.Tx) error {
		meta := tx.Bucket(bucketMeta)
		if meta == nil {
			if name, _ := tx.Cursor().First(); name != nil {
				return errors.New("it is not a queue, but the database of another program")
			}
			return nil
		}
		if v := meta.Get(metaFormat); len(v) != 1 || v[0] != format {
			return fmt.Errorf("the queue has format %x, and this version of boltqueue reads only %02x: open it with a newer one",
				v, format)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return db.Update(makeBuckets)
}

func makeBuckets(tx *bbolt.Tx) error {
	for _, name := range buckets() {
		if _, err := tx.CreateBucketIfNotExists(name); err != nil {
			return err
		}
	}
	if meta := tx.Bucket(bucketMeta); meta.Get(metaFormat) == nil {
		return meta.Put(metaFormat, []byte{format})
	}
	return nil
}

// mostlyFree reports whether a file is worth making small. It needs a transaction to have been written.
func mostlyFree(db *bbolt.DB) bool {
	info, err := os.Stat(db.Path())
	if err != nil || info.Size() < compactSize {
		return false
	}
	stats := db.Stats()
	free := (stats.FreePageN + stats.PendingPageN) * db.Info().PageSize
	return float64(free) > compactFree*float64(info.Size())
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
