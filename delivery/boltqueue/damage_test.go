package boltqueue_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"

	"github.com/appevents/appevents-go/delivery"
	"github.com/appevents/appevents-go/delivery/boltqueue"
)

// sound returns the bytes of a file with something of everything in it: items that are due, leased and delayed, buried
// ones, a pause, and pages of every kind.
func sound(t *testing.T) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "queue.db")
	q := open(t, path)
	putMany(t, q, 0, 400)
	item := benchItem(1000)
	item.Body = bytes.Repeat([]byte("x"), 10_000) // pages with an overflow
	_, err := q.Put(t.Context(), item)
	require.NoError(t, err)
	require.NoError(t, q.Pause(t.Context(), delivery.Pause{Lane: "edge/1", Until: time.Now().Add(time.Hour)}))
	for _, s := range []delivery.Settlement{
		{Verdict: delivery.Done},
		{Verdict: delivery.Retry, At: time.Now().Add(time.Hour), Error: "later"},
		{Verdict: delivery.Retry, At: time.Now().Add(time.Millisecond), Error: "soon"},
		{Verdict: delivery.Bury, Reason: delivery.ReasonRefused, Error: "no"},
	} {
		leases, err := q.Lease(t.Context(), 3, nil)
		require.NoError(t, err)
		for _, l := range leases {
			s.Lease = l
			require.NoError(t, q.Settle(t.Context(), s))
		}
	}
	require.NoError(t, q.Close())
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{NoFreelistSync: true})
	require.NoError(t, err)
	require.NoError(t, db.Update(func(tx *bbolt.Tx) error { // generations of keys, with a tree and inside their parent
		for name, keys := range map[string]int{"\x7f2345678": 1, "\x7f2345679": 3000} {
			g, err := tx.Bucket([]byte("keys")).CreateBucket([]byte(name))
			if err != nil {
				return err
			}
			for n := range keys {
				if err := g.Put([]byte{byte(n >> 8), byte(n), 14: 0}, []byte{1}); err != nil {
					return err
				}
			}
		}
		return nil
	}))
	compact, err := bbolt.Open(path+".compact", 0o600, &bbolt.Options{NoFreelistSync: true})
	require.NoError(t, err)
	require.NoError(t, bbolt.Compact(compact, db, 1<<20)) // so that there are few free pages
	require.NoError(t, errors.Join(compact.Close(), db.Close()))
	data, err := os.ReadFile(path + ".compact")
	require.NoError(t, err)
	return data
}

// use does with the file at path what a program would. Whatever it holds, there must be no panic.
func use(t *testing.T, path string) error {
	t.Helper()
	q, err := boltqueue.Open(path)
	if err != nil {
		require.ErrorContains(t, err, path)
		return err
	}
	var failed error
	note := func(err error) {
		if failed == nil {
			failed = err
		}
	}
	for n := range int64(3) {
		_, err := q.Put(t.Context(), benchItem(2000+n))
		note(err)
		leases, err := q.Lease(t.Context(), 200, nil)
		note(err)
		note(q.Settle(t.Context(), done(leases)...))
		_, err = q.Counts(t.Context())
		note(err)
		_, err = q.Buried(t.Context(), "", 10)
		note(err)
	}
	note(q.Close())
	return failed
}

func TestDamage_IsAnErrorAndNoPanic(t *testing.T) {
	t.Parallel()
	whole := sound(t)
	page := os.Getpagesize()
	pages := len(whole) / page
	require.Greater(t, pages, 40)
	path := filepath.Join(t.TempDir(), "queue.db")
	require.NoError(t, os.WriteFile(path, whole, 0o600))
	require.NoError(t, use(t, path), "without damage")
	require.NoError(t, os.Remove(path))

	rng := rand.New(rand.NewPCG(1, 1))
	noticed := 0
	for range size(60, 3000) {
		data := bytes.Clone(whole)
		at := rng.IntN(pages) * page
		one := data[at : at+page]
		switch rng.IntN(6) {
		case 0: // the page was never written
			clear(one)
		case 1: // it was overwritten
			for i := range one {
				one[i] = byte(rng.Uint32())
			}
		case 2: // another page was written in its place
			copy(one, whole[rng.IntN(pages)*page:])
		case 3: // the end is missing
			data = data[:rng.IntN(len(data))]
		case 4: // a bit is wrong where it says what it holds
			one[rng.IntN(64)] ^= 1 << rng.IntN(8)
		default: // or anywhere
			one[rng.IntN(page)] ^= 1 << rng.IntN(8)
		}
		require.NoError(t, os.WriteFile(path, data, 0o600))
		if use(t, path) != nil {
			noticed++
		}
		require.NoError(t, os.Remove(path)) // and with it the lock
	}
	require.NotZero(t, noticed)
}

func TestOpen_RefusesTheFileOfAnother(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		make func(*bbolt.Tx) error
		want string
	}{
		"a newer version": {func(tx *bbolt.Tx) error {
			meta, err := tx.CreateBucket([]byte("meta"))
			if err != nil {
				return err
			}
			return meta.Put([]byte("format"), []byte{2})
		}, "newer"},
		"a file without a format": {func(tx *bbolt.Tx) error {
			_, err := tx.CreateBucket([]byte("meta"))
			return err
		}, "format"},
		"another program": {func(tx *bbolt.Tx) error {
			_, err := tx.CreateBucket([]byte("users"))
			return err
		}, "another program"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "queue.db")
			db, err := bbolt.Open(path, 0o600, nil)
			require.NoError(t, err)
			require.NoError(t, errors.Join(db.Update(test.make), db.Close()))
			before, err := os.ReadFile(path)
			require.NoError(t, err)
			for range 2 { // the first one lets go of it
				_, err = boltqueue.Open(path)
				require.ErrorContains(t, err, path)
				require.ErrorContains(t, err, test.want)
			}
			after, err := os.ReadFile(path)
			require.NoError(t, err)
			require.Equal(t, before, after, "it is left as it was")
		})
	}
}

func TestOpen_SaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	whole := sound(t)
	for name, test := range map[string]struct {
		data []byte
		want string
	}{
		"no database":       {bytes.Repeat([]byte("not a queue "), 1000), "damaged, or not a queue"},
		"a few bytes":       {[]byte("not a queue"), "damaged, or not a queue"},
		"half a first page": {whole[:2000], "damaged, or not a queue"},
		"one page":          {whole[:os.Getpagesize()], "too small"},
		"half the file":     {whole[:len(whole)/2], "damaged: it has"},
		"zeros":             {make([]byte, len(whole)), "damaged, or not a queue"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "queue.db")
			require.NoError(t, os.WriteFile(path, test.data, 0o600))
			_, err := boltqueue.Open(path)
			require.ErrorContains(t, err, path)
			require.ErrorContains(t, err, test.want)
		})
	}
}

func TestOpen_SaysWhichPageIsWrong(t *testing.T) {
	t.Parallel()
	whole := sound(t)
	const header, size, branch, leaf = 16, 16, 1, 2 // of pages and their elements
	u16, u32, u64 := binary.NativeEndian.Uint16, binary.NativeEndian.Uint32, binary.NativeEndian.Uint64
	put32, put64 := binary.NativeEndian.PutUint32, binary.NativeEndian.PutUint64
	for name, test := range map[string]struct {
		kind uint16
		edit func(page, first, second []byte)
		want string
	}{
		"a page below itself":      {branch, func(page, first, _ []byte) { put64(first[8:], u64(page)) }, "used twice"},
		"a page with two parents":  {branch, func(_, first, second []byte) { copy(second[8:16], first[8:16]) }, "used twice"},
		"a page that is not there": {branch, func(_, first, _ []byte) { put64(first[8:], 1<<40) }, "outside the file"},
		"a page of the header":     {branch, func(_, first, _ []byte) { put64(first[8:], 1) }, "outside the file"},
		"a branch without leaves":  {branch, func(page, _, _ []byte) { clear(page[10:12]) }, "0 elements"},
		"too many elements":        {leaf, func(page, _, _ []byte) { page[11] = 0xff }, "elements"},
		"another type":             {leaf, func(page, _, _ []byte) { page[8] = 0x10 }, "type 10"},
		"a long overflow":          {leaf, func(page, _, _ []byte) { put32(page[12:], 1<<30) }, "another one"},
		"a long key":               {leaf, func(_, first, _ []byte) { put32(first[8:], 1<<31) }, "outside the page"},
		"a long value":             {leaf, func(_, first, _ []byte) { put32(first[12:], 1<<31) }, "outside the page"},
		"the same key twice": {leaf, func(_, first, second []byte) {
			put32(second[4:], u32(first[4:])-size)
			put32(second[8:], u32(first[8:]))
			put32(second[12:], 0)
		}, "out of order"},
		"a short bucket": {leaf, func(_, first, _ []byte) { put32(first, 1); put32(first[12:], 4) }, "bucket of 4 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			found := false
			for at := 2 * os.Getpagesize(); at < len(whole) && !found; at += os.Getpagesize() {
				if u16(whole[at+8:]) != test.kind || u16(whole[at+10:]) < 2 || u64(whole[at:]) != uint64(at/os.Getpagesize()) {
					continue
				}
				data := bytes.Clone(whole)
				test.edit(data[at:], data[at+header:], data[at+header+size:])
				path := filepath.Join(t.TempDir(), "queue.db")
				require.NoError(t, os.WriteFile(path, data, 0o600))
				err := use(t, path)
				found = err != nil && strings.Contains(err.Error(), test.want)
			}
			require.True(t, found)
		})
	}
}
