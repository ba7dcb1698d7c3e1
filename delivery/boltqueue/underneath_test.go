package boltqueue_test

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go/delivery"
	"github.com/appevents/appevents-go/delivery/boltqueue"
)

// newestMeta returns which of the two first pages was written last.
func newestMeta(t *testing.T, path string) int64 {
	t.Helper()
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	page := os.Getpagesize()
	if bytes.Compare(reversed(data[16+48:16+56]), reversed(data[page+16+48:page+16+56])) < 0 {
		return 1
	}
	return 0
}

// reversed turns a little-endian number into one that sorts.
func reversed(b []byte) []byte {
	b = bytes.Clone(b)
	for i, j := 0, len(b)-1; i < j; i, j = i+1, j-1 {
		b[i], b[j] = b[j], b[i]
	}
	return b
}

func zeroPage(t *testing.T, path string, page int64) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	require.NoError(t, err)
	defer f.Close()
	_, err = f.WriteAt(make([]byte, os.Getpagesize()), page*int64(os.Getpagesize()))
	require.NoError(t, err)
}

func TestOpen_LosesNothingWithOneOfTheFirstPages(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "queue.db")
	for _, old := range []bool{false, true} {
		q, err := boltqueue.Open(path)
		require.NoError(t, err)
		n := int64(0)
		if old {
			n++
		}
		_, err = q.Put(t.Context(), benchItem(n))
		require.NoError(t, err)
		require.NoError(t, q.Close())
		page := newestMeta(t, path)
		if old {
			page = 1 - page
		}
		zeroPage(t, path, page)
		var log bytes.Buffer
		q, err = boltqueue.Open(path, quiet(&log))
		require.NoError(t, err)
		require.Contains(t, log.String(), "one of the two first pages")
		c, err := q.Counts(t.Context())
		require.NoError(t, err)
		require.Equal(t, n+1, c.Pending)
		require.NoError(t, q.Close())
		log.Reset()
		q, err = boltqueue.Open(path, quiet(&log))
		require.NoError(t, err)
		require.Empty(t, log.String(), "it has been written again")
		require.NoError(t, q.Close())
	}
}

func TestWatch_WritesTheLastTransactionOnceMoreWhenIdle(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path, copied := filepath.Join(dir, "queue.db"), filepath.Join(dir, "copy.db")
	q := open(t, path)
	_, err := q.Put(t.Context(), benchItem(1))
	require.NoError(t, err)
	before := q.Transactions()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for q.Transactions() == before {
		<-tick.C
		require.NoError(t, t.Context().Err())
	}
	for !q.Doubled() {
		<-tick.C
	}
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(copied, data, 0o600))
	zeroPage(t, copied, newestMeta(t, copied))
	c, err := open(t, copied).Counts(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 1, c.Pending)
	require.Equal(t, before+1, q.Transactions(), "once")
}

func TestUnderneath_ARemovedFileTakesNothingMore(t *testing.T) {
	t.Parallel()
	for name, remove := range map[string]func(t *testing.T, path string){
		"removed": func(t *testing.T, path string) { require.NoError(t, os.Remove(path)) },
		"replaced": func(t *testing.T, path string) {
			require.NoError(t, os.Rename(path, path+".old"))
			other, err := boltqueue.Open(path)
			require.NoError(t, err)
			require.NoError(t, other.Close())
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "queue.db")
			q := open(t, path)
			_, err := q.Put(t.Context(), benchItem(1))
			require.NoError(t, err)
			remove(t, path)
			_, err = q.Put(t.Context(), benchItem(2))
			require.ErrorContains(t, err, "removed or replaced")
			leases, err := q.Lease(t.Context(), 1, nil)
			require.NoError(t, err, "what was accepted is delivered all the same")
			require.NoError(t, q.Settle(t.Context(), done(leases)...))
			c, err := q.Counts(t.Context())
			require.NoError(t, err)
			require.Zero(t, c.Pending)
			require.EqualValues(t, 1, c.Stored)
		})
	}
}

func TestUnderneath_ATruncatedFileEndsEverything(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "queue.db")
	q := open(t, path)
	putMany(t, q, 0, 200)
	require.NoError(t, q.Pause(t.Context(), delivery.Pause{Lane: "activities", Until: time.Now().Add(time.Hour)}))
	waiting := make(chan error, 1)
	go func() {
		_, err := q.Lease(t.Context(), 1, nil)
		waiting <- err
	}()
	require.NoError(t, os.Truncate(path, 3*int64(os.Getpagesize())))
	require.ErrorIs(t, <-waiting, delivery.ErrClosed, "whoever waits is told")
	ctx := t.Context()
	_, err := q.Put(ctx, benchItem(1000))
	require.ErrorIs(t, err, delivery.ErrClosed)
	_, err = q.Buried(ctx, "", 1)
	require.ErrorIs(t, err, delivery.ErrClosed)
	_, err = q.Lanes(ctx)
	require.ErrorIs(t, err, delivery.ErrClosed)
	require.NoError(t, q.Close())
	_, err = boltqueue.Open(path)
	require.ErrorContains(t, err, "the file is damaged")
}

// TestUnderneath_DamageIsFoundBeforeATransactionIsTakenBack has bbolt run out of room in a damaged file: it would read the
// whole of it on a goroutine of its own.
func TestUnderneath_DamageIsFoundBeforeATransactionIsTakenBack(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "queue.db")
	q := open(t, path, boltqueue.WithMaxSize(2<<20))
	for n := range int64(30) {
		_, err := q.Put(t.Context(), largeItem(n))
		require.NoError(t, err)
	}
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	require.NoError(t, err)
	defer f.Close()
	for at := 2 * os.Getpagesize(); at < len(data); at += os.Getpagesize() {
		if data[at+8] == 2 && data[at+12] >= 3 && data[at+12] < 16 { // a leaf with a large item
			_, err = f.WriteAt([]byte{0x77}, int64(at+8))
			require.NoError(t, err)
		}
	}
	for n := int64(1000); err == nil; n++ {
		_, err = q.Put(t.Context(), largeItem(n))
	}
	require.ErrorIs(t, err, delivery.ErrClosed)
	require.ErrorContains(t, err, "the file is damaged")
	require.NoError(t, q.Close())
	_, err = boltqueue.Open(path)
	require.ErrorContains(t, err, "the file is damaged")
}

func TestUnderneath_ARecordDamagedWhileOpenIsBuried(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "queue.db")
	var log bytes.Buffer
	q := open(t, path, quiet(&log))
	for n := range int64(3) {
		item := soundItem(n)
		item.Lane = "edge"
		_, err := q.Put(t.Context(), item)
		require.NoError(t, err)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	require.NoError(t, err)
	defer f.Close()
	data, err := io.ReadAll(f)
	require.NoError(t, err)
	for at := 0; ; { // also where it was written before
		i := bytes.Index(data[at:], []byte("call 1 call 1"))
		if i < 0 {
			break
		}
		at += i
		_, err = f.WriteAt([]byte("call 9"), int64(at))
		require.NoError(t, err)
		at += 13
	}
	leases, err := q.Lease(t.Context(), 10, nil)
	require.NoError(t, err)
	require.Len(t, leases, 2, "an amount of 15 is not delivered as 19")
	require.NoError(t, q.Settle(t.Context(), done(leases)...))
	list, err := q.Buried(t.Context(), "", 10)
	require.NoError(t, err)
	require.Len(t, list, 1)
	require.Equal(t, delivery.ReasonUnreadable, list[0].Reason)
	require.Contains(t, string(list[0].Body), "call 9")
	c, err := q.Counts(t.Context())
	require.NoError(t, err)
	require.Zero(t, c.Pending)
	require.NoError(t, q.Close())
	require.Contains(t, log.String(), "unreadable_calls_buried=1")
}
