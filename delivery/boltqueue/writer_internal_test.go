package boltqueue

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"github.com/appevents/appevents-go/delivery"
)

func TestWriter_WritesNothingAfterAFailure(t *testing.T) {
	t.Parallel()
	for name, apply := range map[string]func(*txn) (func(), error){
		"open it again":       func(*txn) (func(), error) { return nil, errors.New("input/output error") },
		"the file is damaged": func(*txn) (func(), error) { panic("page 7: unexpected page type") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "queue.db")
			synctest.Test(t, func(t *testing.T) { breakQueue(t, path, apply, name) })
			q, err := Open(path)
			require.NoError(t, err)
			c, err := q.Counts(t.Context())
			require.NoError(t, err)
			require.EqualValues(t, 1, c.Pending)
			require.NoError(t, q.Close())
		})
	}
}

// breakQueue has a write fail and looks at what the queue does from then on.
func breakQueue(t *testing.T, path string, apply func(*txn) (func(), error), name string) {
	t.Helper()
	q, err := Open(path)
	require.NoError(t, err)
	item := delivery.Item{Key: delivery.KeyOf("1"), Lane: "edge"}
	_, err = q.Put(t.Context(), item)
	require.NoError(t, err)
	leases, err := q.Lease(t.Context(), 1, nil)
	require.NoError(t, err)
	waiting := make(chan error, 1)
	go func() {
		_, err := q.Lease(t.Context(), 1, nil)
		waiting <- err
	}()
	synctest.Wait()
	begin := time.Now()
	require.ErrorContains(t, q.writer.do(t.Context(), &op{apply: apply}), name)
	require.ErrorContains(t, <-waiting, name, "who waits is told")
	require.Zero(t, time.Since(begin), "at once")
	item.Key = delivery.KeyOf("2")
	_, err = q.Put(t.Context(), item)
	require.ErrorContains(t, err, name)
	require.ErrorContains(t, q.Settle(t.Context(), delivery.Settlement{Lease: leases[0], Verdict: delivery.Done}), name)
	_, err = q.Lease(t.Context(), 1, nil)
	require.ErrorContains(t, err, name, "what cannot be settled is not handed out")
	require.ErrorIs(t, err, delivery.ErrClosed, "and whoever delivers ends")
	_, err = q.Counts(t.Context())
	_, buriedErr := q.Buried(t.Context(), "", 1)
	_, lanesErr := q.Lanes(t.Context())
	if name == "the file is damaged" { // and may not be entered again
		for _, err := range []error{err, buriedErr, lanesErr} {
			require.ErrorContains(t, err, name)
			require.ErrorIs(t, err, delivery.ErrClosed)
		}
	} else {
		require.NoError(t, errors.Join(err, buriedErr, lanesErr), "what is there can be looked at")
	}
	require.NoError(t, q.Close())
	require.Zero(t, time.Since(begin), "at once")
}

func TestIsFull(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		err  error
		want bool
	}{
		{&fs.PathError{Op: "write", Path: "queue.db", Err: syscall.ENOSPC}, true},
		{&fs.PathError{Op: "write", Path: "queue.db", Err: syscall.EFBIG}, true},
		{&fs.PathError{Op: "write", Path: "queue.db", Err: syscall.EDQUOT}, true},
		{&fs.PathError{Op: "truncate", Path: "queue.db", Err: syscall.EFBIG}, true},
		{&fs.PathError{Op: "write", Path: "queue.db", Err: syscall.EIO}, false},
		{&fs.PathError{Op: "sync", Path: "queue.db", Err: syscall.ENOSPC}, false},
		{syscall.ENOSPC, false}, // of a flush: what it should have flushed may be lost
		{bolterrors.ErrMaxSizeReached, true},
		{errors.New("file resize error: no space left on device"), true},
		{errors.New("file sync error: no space left on device"), false},
	} {
		require.Equal(t, test.want, isFull(test.err), "%v", test.err)
	}
}

// fillUp puts items until there is no room, and returns how many.
func fillUp(t *testing.T, q *Queue, from uint64) (n uint64) {
	t.Helper()
	for {
		item := numbered(from + n)
		item.Body = make([]byte, 16_000)
		if _, err := q.Put(t.Context(), item); err != nil {
			require.ErrorIs(t, err, delivery.ErrFull)
			return n
		}
		n++
	}
}

func TestReserve_IsNotForNewItems(t *testing.T) {
	t.Parallel()
	q, err := Open(filepath.Join(t.TempDir(), "queue.db"), WithMaxSize(1<<20))
	require.NoError(t, err)
	fillUp(t, q, 0)
	require.NoError(t, q.writer.reserve(false)) // as if settlements had needed it
	require.Zero(t, fillUp(t, q, 1000))
	require.NoError(t, q.Close())
}

func TestReserve_CanBeMissingWhenOpened(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "queue.db")
	q, err := Open(path, WithMaxSize(1<<20))
	require.NoError(t, err)
	n := fillUp(t, q, 0)
	require.NoError(t, q.writer.reserve(false))
	q.writer.spent = false
	q.writer.full.Store(false)
	n += fillUp(t, q, 1000)
	require.NoError(t, q.Close())

	q, err = Open(path, WithMaxSize(1<<20))
	require.NoError(t, err)
	require.True(t, q.writer.spent)
	for n > 0 {
		leases, err := q.Lease(t.Context(), 10, nil)
		require.NoError(t, err)
		for _, l := range leases {
			require.NoError(t, q.Settle(t.Context(), delivery.Settlement{Lease: l, Verdict: delivery.Done}))
			n--
		}
	}
	require.NotZero(t, fillUp(t, q, 2000))
	require.False(t, q.writer.spent)
	require.NoError(t, q.Close())
}

func TestOpen_NoticesThatTheFileWasReplaced(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path, smaller := filepath.Join(dir, "queue.db"), filepath.Join(dir, "smaller.db")
	q, err := Open(path)
	require.NoError(t, err)
	other, err := Open(smaller)
	require.NoError(t, err)
	require.True(t, put(t, other, numbered(1)))
	require.NoError(t, other.Close())
	type result struct {
		h   *handle
		err error
	}
	opened := make(chan result, 1)
	go func() {
		h, err := open(path, 0, nil) // waits for the lock
		opened <- result{h, err}
	}()
	<-time.After(200 * time.Millisecond) // long enough for it to wait, nearly always
	require.NoError(t, os.Rename(smaller, path))
	require.NoError(t, q.Close())
	if r := <-opened; r.err == nil { // it came later
		require.NoError(t, r.h.view(func(tx *bbolt.Tx) error {
			require.EqualValues(t, 1, readCounts(tx).stored)
			return nil
		}))
		require.NoError(t, r.h.close())
	} else if !errors.Is(r.err, bolterrors.ErrTimeout) {
		require.ErrorIs(t, r.err, errReplaced)
	}
}
