package boltqueue_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"

	"github.com/appevents/appevents-go/delivery"
	"github.com/appevents/appevents-go/delivery/boltqueue"
)

func number(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

// flip changes one bit of a value in the middle of it.
func flip(t *testing.T, tx *bbolt.Tx, bucket string, key []byte) {
	t.Helper()
	b := tx.Bucket([]byte(bucket))
	value := bytes.Clone(b.Get(key))
	require.NotEmpty(t, value)
	value[len(value)/2] ^= 4
	require.NoError(t, b.Put(key, value))
}

// TestOpen_MendsWhatDoesNotFit damages files so that their structure is in order. In each, ten calls of one lane wait,
// of which the second is due in an hour, and one more is buried.
func TestOpen_MendsWhatDoesNotFit(t *testing.T) {
	t.Parallel()
	const lane = "edge/1"
	firstEntry := append(number(0), lane...)
	usual := delivery.Counts{Stored: 11, Buried: 1, Pending: 10, Kept: 1}
	oneUnreadable := delivery.Counts{Stored: 11, Buried: 2, Pending: 9, Kept: 2}
	for name, test := range map[string]struct {
		damage func(t *testing.T, tx *bbolt.Tx)
		said   string
		counts delivery.Counts
		due    int // how many are leased then
	}{
		"nothing": {func(*testing.T, *bbolt.Tx) {}, "", usual, 9},
		"an amount in a record": {func(t *testing.T, tx *bbolt.Tx) {
			flip(t, tx, "items", number(5))
		}, "unreadable_calls_buried=1", oneUnreadable, 8},
		"a record that waits": {func(t *testing.T, tx *bbolt.Tx) {
			flip(t, tx, "items", number(3))
		}, "unreadable_calls_buried=1", oneUnreadable, 9},
		"a record of another number": {func(t *testing.T, tx *bbolt.Tx) {
			b := tx.Bucket([]byte("items"))
			require.NoError(t, b.Put(number(5), bytes.Clone(b.Get(number(6)))))
		}, "unreadable_calls_buried=1", oneUnreadable, 8},
		"a record without a checksum": {func(t *testing.T, tx *bbolt.Tx) {
			b := tx.Bucket([]byte("items"))
			require.NoError(t, b.Put(number(5), bytes.Clone(b.Get(number(5))[5:])))
		}, "unreadable_calls_buried=1", oneUnreadable, 8},
		"a record that is empty": {func(t *testing.T, tx *bbolt.Tx) {
			require.NoError(t, tx.Bucket([]byte("items")).Put(number(5), nil))
		}, "unreadable_calls_buried=1", oneUnreadable, 8},
		"a cleared bit": {func(t *testing.T, tx *bbolt.Tx) {
			b := tx.Bucket([]byte("ready"))
			bits := bytes.Clone(b.Get(firstEntry))
			bits[0] &^= 1 << 5
			require.NoError(t, b.Put(firstEntry, bits))
		}, "calls_put_back=1", usual, 9},
		"no entries": {func(t *testing.T, tx *bbolt.Tx) {
			require.NoError(t, tx.Bucket([]byte("ready")).Delete(firstEntry))
		}, "calls_put_back=9", usual, 9},
		"an entry of another lane": {func(t *testing.T, tx *bbolt.Tx) {
			b := tx.Bucket([]byte("ready"))
			bits := bytes.Clone(b.Get(firstEntry))
			require.NoError(t, b.Delete(firstEntry))
			require.NoError(t, b.Put(append(number(0), "edge/3"...), bits))
		}, "calls_put_back=9 stray_entries_dropped=9", usual, 9},
		"an entry far away": {func(t *testing.T, tx *bbolt.Tx) {
			b := tx.Bucket([]byte("ready"))
			require.NoError(t, b.Put(append(number(1<<63), lane...), bytes.Repeat([]byte{1}, 32)))
		}, "stray_entries_dropped=32", usual, 9},
		"a set bit": {func(t *testing.T, tx *bbolt.Tx) {
			b := tx.Bucket([]byte("ready"))
			bits := bytes.Clone(b.Get(firstEntry))
			bits[20] |= 1
			require.NoError(t, b.Put(firstEntry, bits))
		}, "stray_entries_dropped=1", usual, 9},
		"a call due and waiting": {func(t *testing.T, tx *bbolt.Tx) {
			b := tx.Bucket([]byte("ready"))
			bits := bytes.Clone(b.Get(firstEntry))
			bits[0] |= 1 << 3
			require.NoError(t, b.Put(firstEntry, bits))
		}, "stray_entries_dropped=1", usual, 10},
		"a wait that is lost": {func(t *testing.T, tx *bbolt.Tx) {
			c := tx.Bucket([]byte("later")).Cursor()
			_, _ = c.First()
			require.NoError(t, c.Delete())
		}, "calls_put_back=1", usual, 9},
		"a wait until the end of time": {func(t *testing.T, tx *bbolt.Tx) {
			b := tx.Bucket([]byte("later"))
			k, v := b.Cursor().First()
			k, v = bytes.Clone(k), bytes.Clone(v)
			require.NoError(t, b.Delete(k))
			k[0] |= 0x40
			require.NoError(t, b.Put(k, v))
		}, "calls_put_back=1 stray_entries_dropped=1", usual, 9},
		"a wait of no call": {func(t *testing.T, tx *bbolt.Tx) {
			require.NoError(t, tx.Bucket([]byte("later")).Put(append(number(1<<60), number(999)...), number(1<<59)))
		}, "stray_entries_dropped=1", usual, 9},
		"the figures": {func(t *testing.T, tx *bbolt.Tx) {
			flip(t, tx, "meta", []byte("counts"))
		}, "figures_corrected=", usual, 9},
		"no figures": {func(t *testing.T, tx *bbolt.Tx) {
			require.NoError(t, tx.Bucket([]byte("meta")).Delete([]byte("counts")))
		}, "figures_corrected=", usual, 9},
		"a buried record": {func(t *testing.T, tx *bbolt.Tx) {
			flip(t, tx, "buried", number(1))
		}, "unreadable_buried_calls=1", usual, 9},
		"a pause": {func(t *testing.T, tx *bbolt.Tx) {
			flip(t, tx, "pauses", []byte("edge/2"))
		}, "unreadable_pauses_dropped=1", usual, 9},
		"the log of keys": {func(t *testing.T, tx *bbolt.Tx) {
			k, _ := tx.Bucket([]byte("keylog")).Cursor().First()
			flip(t, tx, "keylog", bytes.Clone(k))
		}, "unreadable_key_logs=1", usual, 9},
		"an item without anything": {func(t *testing.T, tx *bbolt.Tx) {
			require.NoError(t, tx.Bucket([]byte("items")).Put(number(500), []byte("what is this")))
		}, "unreadable_calls_buried=1", delivery.Counts{Stored: 12, Buried: 2, Pending: 10, Kept: 2}, 9},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "queue.db")
			fillToDamage(t, path, lane)
			db, err := bbolt.Open(path, 0o600, &bbolt.Options{NoFreelistSync: true})
			require.NoError(t, err)
			require.NoError(t, db.Update(func(tx *bbolt.Tx) error {
				test.damage(t, tx)
				return nil
			}))
			require.NoError(t, db.Close())
			var log bytes.Buffer
			q := open(t, path, quiet(&log))
			if test.said == "" {
				require.Empty(t, log.String())
			}
			require.Contains(t, log.String(), test.said)
			want := test.counts
			if test.said != "" {
				log.Reset()
				require.NoError(t, q.Close())
				q = open(t, path, quiet(&log))
				require.Empty(t, log.String(), "what was mended is in order")
			}
			c, err := q.Counts(t.Context())
			require.NoError(t, err)
			want.PausedLanes, want.Oldest = c.PausedLanes, c.Oldest
			require.Equal(t, want, c)
			lanes, err := q.Lanes(t.Context())
			require.NoError(t, err)
			require.Equal(t, lane, lanes[0].Lane)
			require.Equal(t, want.Pending, lanes[0].Pending)
			seen := map[string]bool{}
			for len(seen) < test.due {
				leases, err := q.Lease(t.Context(), 100, nil)
				require.NoError(t, err)
				for _, l := range leases {
					require.Equal(t, lane, l.Lane)
					require.Regexp(t, `^call \d+$`, string(l.Body))
					require.False(t, seen[string(l.Body)])
					seen[string(l.Body)] = true
				}
				require.NoError(t, q.Settle(t.Context(), done(leases)...))
			}
			require.Len(t, seen, test.due)
			list, err := q.Buried(t.Context(), "", 10)
			require.NoError(t, err)
			require.Len(t, list, int(want.Kept))
			for _, b := range list[1:] {
				require.Equal(t, delivery.ReasonUnreadable, b.Reason)
			}
			added, err := q.Put(t.Context(), delivery.Item{Key: delivery.KeyOf("another"), Lane: lane})
			require.NoError(t, err)
			require.True(t, added)
		})
	}
}

func fillToDamage(t *testing.T, path, lane string) {
	t.Helper()
	q, err := boltqueue.Open(path)
	require.NoError(t, err)
	for n := range 11 {
		_, err := q.Put(t.Context(), delivery.Item{
			Key: delivery.KeyOf(fmt.Sprint(n)), Lane: lane, Body: fmt.Appendf(nil, "call %d", n), Submitted: time.Now(),
		})
		require.NoError(t, err)
	}
	leases, err := q.Lease(t.Context(), 3, nil)
	require.NoError(t, err)
	require.NoError(t, q.Settle(t.Context(),
		delivery.Settlement{Lease: leases[0], Verdict: delivery.Bury, Reason: delivery.ReasonRefused},
		delivery.Settlement{Lease: leases[2], Verdict: delivery.Retry, At: time.Now().Add(time.Hour), Error: "busy"},
	))
	require.NoError(t, q.Pause(t.Context(), delivery.Pause{Lane: "edge/2", Until: time.Now().Add(time.Hour), Note: "why"}))
	require.NoError(t, q.Close())
}
