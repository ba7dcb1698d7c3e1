package boltqueue

import (
	"encoding/binary"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"

	"github.com/appevents/appevents-go/delivery"
)

func numbered(n uint64) delivery.Item {
	var key delivery.Key
	binary.BigEndian.PutUint64(key[:], n<<48) // the first bits tell the parts
	binary.BigEndian.PutUint64(key[8:], n)
	return delivery.Item{Key: key, Lane: "edge"}
}

func openWindow(t *testing.T, path string, window time.Duration) *Queue {
	t.Helper()
	q, err := Open(path, WithWindow(window))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, q.Close()) })
	return q
}

func put(t *testing.T, q *Queue, item delivery.Item) (added bool) {
	t.Helper()
	added, err := q.Put(t.Context(), item)
	require.NoError(t, err)
	return added
}

func generationsOf(t *testing.T, q *Queue) (n int) {
	t.Helper()
	require.NoError(t, q.view(func(tx *bbolt.Tx) error {
		return tx.Bucket(bucketKeys).ForEachBucket(func([]byte) error {
			n++
			return nil
		})
	}))
	return n
}

func TestKeys_InTheFileAreForgottenAfterTheWindow(t *testing.T) {
	t.Parallel()
	const window = time.Hour
	q := openWindow(t, filepath.Join(t.TempDir(), "queue.db"), window)
	ages := []time.Duration{2 * window, window + window/generations, window - time.Minute, window / 2, 0}
	require.NoError(t, q.writer.do(t.Context(), &op{apply: func(tx *txn) (func(), error) {
		for n, age := range ages {
			g, err := tx.generation(tx.now.Add(-age).UnixNano())
			if err != nil {
				return nil, err
			}
			key := numbered(uint64(n)).Key
			if err := g.Put(key[:], one); err != nil {
				return nil, err
			}
		}
		return nil, nil
	}}))
	for n, age := range ages {
		require.Equal(t, age > window, put(t, q, numbered(uint64(n))), "after %v", age)
	}
	require.Equal(t, 3, generationsOf(t, q), "those that are over are removed")
}

func TestKeys_TooManyAreSortedIntoTheFile(t *testing.T) {
	t.Parallel()
	const window, extra = time.Hour, 3000
	path := filepath.Join(t.TempDir(), "queue.db")
	q := openWindow(t, path, window)
	// As after a start: more in memory than there should be, half of them over.
	now := time.Now()
	for n := range uint64(maxRecent + extra) {
		at := now.Add(-window / 2)
		if n%2 == 1 {
			at = now.Add(-2 * window)
		}
		q.writer.keys.add(recentKey{key: numbered(n).Key, put: at.UnixNano()})
	}
	puts := uint64(0)
	next := func() int {
		require.True(t, put(t, q, numbered(1<<40+puts)))
		puts++
		return q.writer.keys.count
	}
	before, after := maxRecent+extra, next()
	require.Less(t, after, before, "some at a time")
	require.Greater(t, after, before-2*minSweep)
	for after > maxRecent {
		before, after = after, next()
		require.Less(t, after, before)
	}
	require.Less(t, puts, uint64(40))
	require.Equal(t, 1, generationsOf(t, q), "by when they were put, and none for those that are over")
	for n := range uint64(200) {
		require.Equal(t, n%2 == 1, put(t, q, numbered(n)), "key %d", n)
	}
}

func TestKeys_TheLogIsCut(t *testing.T) {
	t.Parallel()
	const window = 50 * time.Millisecond
	path := filepath.Join(t.TempDir(), "queue.db")
	q := openWindow(t, path, window)
	for n := range uint64(20) {
		require.True(t, put(t, q, numbered(n)))
	}
	require.NoError(t, q.Close())
	q = openWindow(t, path, window)
	for n := uint64(100); q.writer.keys.log[0].number <= 20; n++ { // what is older than the window goes
		require.True(t, put(t, q, numbered(n)))
		require.NoError(t, t.Context().Err())
	}
	first := q.writer.keys.log[0]
	require.Len(t, q.writer.keys.log, int(q.writer.keys.last-first.number)+1)
	require.NoError(t, q.view(func(tx *bbolt.Tx) error {
		k, _ := tx.Bucket(bucketKeyLog).Cursor().First()
		require.Equal(t, first.number, binary.BigEndian.Uint64(k), "in the file too")
		return nil
	}))
}
