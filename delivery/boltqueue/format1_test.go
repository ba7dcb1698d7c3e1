package boltqueue_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"

	"github.com/appevents/appevents-go/delivery"
	"github.com/appevents/appevents-go/delivery/boltqueue"
)

// format1 is a file of format 1, as it was written before records had checksums: 60 calls of three Pages were put, then
// of each Page one was delivered, one delayed until 2126, one buried, one begun and one tried again. The second Page is
// paused until 2126. 300 more keys are sorted into the file.
func format1(t *testing.T) []byte {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", "format1.db.gz"))
	require.NoError(t, err)
	defer f.Close()
	r, err := gzip.NewReader(f)
	require.NoError(t, err)
	data, err := io.ReadAll(r)
	require.NoError(t, err)
	return data
}

// quiet is a logger that keeps what it is told.
func quiet(log *bytes.Buffer) boltqueue.Option {
	return boltqueue.WithLogger(slog.New(slog.NewTextHandler(log, nil)))
}

func TestFormat1_IsReadAndUpgraded(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "queue.db")
	require.NoError(t, os.WriteFile(path, format1(t), 0o600))
	var log bytes.Buffer
	opts := []boltqueue.Option{
		quiet(&log), boltqueue.WithWindow(20 * 365 * 24 * time.Hour), boltqueue.WithBuriedAge(100 * 365 * 24 * time.Hour),
	}
	require.NoError(t, open(t, path, opts...).Close()) // what follows holds after any number of openings
	q := open(t, path, opts...)
	require.NotContains(t, log.String(), "WARN", "it is in order")
	c, err := q.Counts(t.Context())
	require.NoError(t, err)
	require.Equal(t, delivery.Counts{
		Stored: 60, Duplicates: 1, Delivered: 3, Buried: 3, Pending: 54, Kept: 3, PausedLanes: 1,
		Oldest: time.Date(2026, 11, 1, 12, 0, 3, 0, time.UTC),
	}, c)
	lanes, err := q.Lanes(t.Context())
	require.NoError(t, err)
	require.Len(t, lanes, 3)
	for n, l := range lanes {
		require.Equal(t, fmt.Sprint("activities/", 901+n), l.Lane)
		require.EqualValues(t, 18, l.Pending)
		require.False(t, l.Oldest.IsZero())
		require.Equal(t, n == 1, !l.PausedUntil.IsZero())
		require.Less(t, time.Until(l.PausedUntil), 25*time.Hour, "nothing says that it may last for a hundred years")
	}
	list, err := q.Buried(t.Context(), "", 10)
	require.NoError(t, err)
	require.Len(t, list, 3)
	for _, b := range list {
		require.Equal(t, delivery.ReasonRefused, b.Reason)
		require.Equal(t, "no", b.LastError)
		require.NotEmpty(t, b.Body)
	}
	for _, text := range []string{"call 0", "call 59", "sorted 0", "sorted 299"} {
		added, err := q.Put(t.Context(), delivery.Item{Key: delivery.KeyOf(text), Lane: "activities/901"})
		require.NoError(t, err)
		require.False(t, added, text)
	}
	require.NoError(t, q.Pause(t.Context(), delivery.Pause{Lane: "activities/902"}))
	begun, again := 0, 0
	for n := 0; n < 51; {
		leases, err := q.Lease(t.Context(), 100, nil)
		require.NoError(t, err)
		for _, l := range leases {
			if l.Begun {
				begun++
			}
			if l.Attempts == 1 {
				again++
				require.Equal(t, "again", l.LastError)
			}
			require.Equal(t, delivery.Group(delivery.KeyOf("group")), l.Group)
		}
		require.NoError(t, q.Settle(t.Context(), done(leases)...))
		n += len(leases)
	}
	require.Equal(t, 3, begun)
	require.Equal(t, 3, again)
	require.NoError(t, q.Close())
	checkSealed(t, path)
	q = open(t, path, opts...)
	c, err = q.Counts(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 3, c.Pending, "those that were delayed")
	require.NotContains(t, log.String(), "WARN")
}

// checkSealed looks whether every record of a file has a checksum.
func checkSealed(t *testing.T, path string) {
	t.Helper()
	db, err := bbolt.Open(path, 0o600, nil)
	require.NoError(t, err)
	defer db.Close()
	require.NoError(t, db.View(func(tx *bbolt.Tx) error {
		require.Equal(t, []byte{2}, tx.Bucket([]byte("meta")).Get([]byte("format")), "an older version must not read it")
		require.Nil(t, tx.Bucket([]byte("meta")).Get([]byte("unsealed")))
		for _, name := range []string{"items", "buried"} {
			err := tx.Bucket([]byte(name)).ForEach(func(_, v []byte) error {
				require.EqualValues(t, 0xc5, v[0])
				return nil
			})
			if err != nil {
				return err
			}
		}
		return nil
	}))
}

func TestFormat1_IsReadWhereThereIsNoRoomToUpgradeIt(t *testing.T) {
	t.Parallel()
	whole := format1(t)
	path := filepath.Join(t.TempDir(), "queue.db")
	for _, more := range []int{-400 << 10, 0} { // no room at all, and none to grow
		require.NoError(t, os.WriteFile(path, whole, 0o600))
		var log bytes.Buffer
		q, err := boltqueue.Open(path, quiet(&log), boltqueue.WithMaxSize(len(whole)+more))
		require.NoError(t, err)
		c, err := q.Counts(t.Context())
		require.NoError(t, err)
		require.EqualValues(t, 54, c.Pending)
		leases, err := q.Lease(t.Context(), 3, nil)
		require.NoError(t, err)
		require.NoError(t, q.Settle(t.Context(), done(leases)...))
		require.NoError(t, q.Close())
		q, err = boltqueue.Open(path)
		require.NoError(t, err)
		c, err = q.Counts(t.Context())
		require.NoError(t, err)
		require.EqualValues(t, 54-len(leases), c.Pending)
		require.NoError(t, q.Close())
		checkSealed(t, path)
	}
}
