package boltqueue_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
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

// soundItems is how many items are put into the file of sound, and soundPending how many of them are pending then.
const soundItems, soundPending = 301, 301 - 3 - 3

// soundItem is an item that can be told from the others, one of them with pages of its own.
func soundItem(n int64) delivery.Item {
	item := benchItem(n)
	item.Body = bytes.Repeat(fmt.Appendf(nil, "call %d ", n), 40)
	if n == soundItems-1 {
		item.Body = bytes.Repeat(fmt.Appendf(nil, "call %d ", n), 1000)
	}
	return item
}

// sound returns the bytes of a file with something of everything in it: items that are due, leased and delayed, buried
// ones, a pause, and pages of every kind.
func sound(t *testing.T) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "queue.db")
	q := open(t, path)
	for n := range int64(soundItems) {
		_, err := q.Put(t.Context(), soundItem(n))
		require.NoError(t, err)
	}
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
			return meta.Put([]byte("format"), []byte{3})
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
		"half a first page": {whole[:2000], "damaged"},
		"one page":          {whole[:os.Getpagesize()], "damaged: it has"},
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
			copy(second[u32(second[4:]):][:u32(second[8:])], first[u32(first[4:]):][:u32(first[8:])])
		}, "out of order"},
		"keys that overlap":         {leaf, func(_, _, second []byte) { put32(second[4:], u32(second[4:])-1) }, "outside the page"},
		"a key without a name":      {leaf, func(_, first, _ []byte) { put32(first[8:], 0) }, "outside the page"},
		"a record that is a bucket": {leaf, func(_, first, _ []byte) { put32(first, 1) }, "is in"},
		"a flag of its own":         {leaf, func(_, first, _ []byte) { put32(first, 2) }, "outside the page"},
		"a leaf without elements":   {leaf, func(page, _, _ []byte) { clear(page[10:12]) }, "0 elements"},
		"a lost element":            {leaf, func(page, _, _ []byte) { page[10]-- }, "outside the page"},
		"a short overflow":          {leaf, func(page, _, _ []byte) { put32(page[12:], 1) }, "bytes for"},
		"a parent's key before the first": {branch, func(_, first, _ []byte) {
			key := first[u32(first):][:u32(first[4:])]
			key[len(key)-1] &^= 1 // so that it may be less, and in order
		}, "not below its parent"},
		"a key below its parent's": {branch, func(_, _, second []byte) {
			key := second[u32(second):][:u32(second[4:])]
			key[len(key)-1]--
		}, "not below its parent"},
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
				_, err := boltqueue.Open(path)
				found = err != nil && strings.Contains(err.Error(), test.want)
			}
			require.True(t, found)
		})
	}
}
