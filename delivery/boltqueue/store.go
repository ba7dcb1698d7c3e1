package boltqueue

import (
	"bytes"
	"encoding/binary"
	"time"

	"go.etcd.io/bbolt"

	"github.com/appevents/appevents-go/delivery"
	"github.com/appevents/appevents-go/delivery/internal/record"
)

// The buckets of the file. Numbers in keys are big-endian, so that they sort.
//
//	items   number of the item      -> record
//	ready   segment, lane           -> bitmap  pending items that are due, leased ones included
//	later   time due, number        -> 1       pending items that wait
//	keylog  number of a transaction -> time, and the de-duplication keys it stored
//	keys    start of a generation   -> bucket: de-duplication key -> 1
//	buried  number of the burial    -> record
//	pauses  lane                    -> time
//	reserve "reserve"               -> room for settlements when the disk is full
//	meta    "counts", "format"      -> counts; the format
//
// What is leased is not written: only one process has the file, and when that dies all its leases are void.
var (
	bucketItems  = []byte("items")
	bucketReady  = []byte("ready")
	bucketLater  = []byte("later")
	bucketKeyLog = []byte("keylog")
	bucketKeys   = []byte("keys")
	bucketBuried = []byte("buried")
	bucketPauses = []byte("pauses")
	bucketSpare  = []byte("reserve")
	bucketMeta   = []byte("meta")
	metaCounts   = []byte("counts")
	metaFormat   = []byte("format")
	one          = []byte{1}
)

// format is the number of this form of the file. A version that reads another form gives it another number.
const format = 1

func buckets() [9][]byte {
	return [...][]byte{
		bucketItems, bucketReady, bucketLater, bucketKeyLog, bucketKeys, bucketBuried, bucketPauses, bucketSpare, bucketMeta,
	}
}

// reserveSize is the room laid aside in the file.
const reserveSize = 256 << 10

// layReserve lays room aside, or gives it back.
func layReserve(tx *bbolt.Tx, lay bool) error {
	spare := tx.Bucket(bucketSpare)
	switch there := spare.Get(bucketSpare) != nil; {
	case lay && !there:
		return spare.Put(bucketSpare, make([]byte, reserveSize))
	case !lay && there:
		return spare.Delete(bucketSpare)
	}
	return nil
}

// counts are the figures kept in the file.
type counts struct {
	last       uint64 // number of the newest item
	stored     int64
	duplicates int64
	delivered  int64
	buried     int64 // also the number of the newest burial
	kept       int64
}

func readCounts(tx *bbolt.Tx) counts {
	data := tx.Bucket(bucketMeta).Get(metaCounts)
	if len(data) < 48 {
		return counts{}
	}
	n := func(i int) int64 { return int64(binary.BigEndian.Uint64(data[8*i:])) } //nolint:gosec // as written
	return counts{
		last: binary.BigEndian.Uint64(data), stored: n(1), duplicates: n(2), delivered: n(3), buried: n(4), kept: n(5),
	}
}

func (c *counts) append(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint64(dst, c.last)
	for _, n := range [...]int64{c.stored, c.duplicates, c.delivered, c.buried, c.kept} {
		dst = binary.BigEndian.AppendUint64(dst, uint64(n)) //nolint:gosec // never negative
	}
	return dst
}

func key64(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

// number is key64 in memory that the next call uses again: bbolt copies the keys it keeps.
func (t *txn) number(n uint64) []byte {
	binary.BigEndian.PutUint64(t.numberKey[:], n)
	return t.numberKey[:]
}

func timeToNanos(t time.Time) uint64 { return uint64(max(t.UnixNano(), 0)) }

func nanosToTime(n uint64) time.Time { return time.Unix(0, int64(n)) } //nolint:gosec // as written

func laterKey(due time.Time, seq uint64) []byte {
	return binary.BigEndian.AppendUint64(key64(timeToNanos(due)), seq)
}

// firstDue is when the next delayed item is due.
func firstDue(tx *bbolt.Tx) time.Time {
	k, _ := tx.Bucket(bucketLater).Cursor().First()
	if len(k) != 16 {
		return time.Time{}
	}
	return nanosToTime(binary.BigEndian.Uint64(k))
}

// parse reads a record. One that cannot be read becomes an item whose body is the whole record, so that it can be
// buried and looked at.
func parse(data []byte, lane string) record.Record {
	r, err := record.Parse(data)
	if err != nil {
		return record.Record{Item: delivery.Item{Lane: lane, Body: data}}
	}
	return r
}

// txn is a write transaction under way.
type txn struct {
	tx     *bbolt.Tx
	opened map[string]*bbolt.Bucket
	counts counts
	now    time.Time
	keys   keyChange

	ready     map[entry]*bitmap // those that were changed
	numberKey [8]byte
	scratch   []byte
}

func (t *txn) bucket(name []byte) *bbolt.Bucket {
	b := t.opened[string(name)]
	if b == nil {
		b = t.tx.Bucket(name)
		t.opened[string(name)] = b
	}
	return b
}

// put stores a record unless its key is known.
func (t *txn) put(key delivery.Key, lane string, data []byte, once bool) (seq uint64, added bool, err error) {
	if once {
		known, err := t.remember(key)
		if err != nil {
			return 0, false, err
		}
		if known {
			t.counts.duplicates++
			return 0, false, nil
		}
	}
	t.counts.last++
	t.counts.stored++
	seq = t.counts.last
	items := t.bucket(bucketItems)
	items.FillPercent = 0.95 // numbers only grow: pages are filled in order
	if err := items.Put(t.number(seq), data); err != nil {
		return 0, false, err
	}
	t.due(lane, seq).set(seq)
	return seq, true, nil
}

// done removes an item. It reports whether the item was there. One whose lease was void may wait to be retried.
func (t *txn) done(seq uint64, lane string, leased bool) (bool, error) {
	items := t.bucket(bucketItems)
	key := t.number(seq)
	data := items.Get(key)
	if data == nil {
		return false, nil
	}
	if !leased {
		if due := parse(data, lane).Due; !due.IsZero() {
			if err := t.bucket(bucketLater).Delete(laterKey(due, seq)); err != nil {
				return true, err
			}
		}
	}
	t.due(lane, seq).clear(seq)
	t.counts.delivered++
	return true, items.Delete(key)
}

// load returns the record of an item, sharing no memory with the file.
func (t *txn) load(seq uint64, lane string) (record.Record, bool) {
	data := t.bucket(bucketItems).Get(t.number(seq))
	if data == nil {
		return record.Record{}, false
	}
	return parse(bytes.Clone(data), lane), true
}

func (t *txn) save(seq uint64, r *record.Record) error {
	return t.bucket(bucketItems).Put(t.number(seq), record.Append(nil, r))
}

// delay moves an item from the due ones to those that wait.
func (t *txn) delay(seq uint64, r *record.Record) error {
	t.due(r.Lane, seq).clear(seq)
	return t.bucket(bucketLater).Put(laterKey(r.Due, seq), one)
}

// maxPromoted bounds one transaction.
const maxPromoted = 1000

// promote makes items due whose time has come. It returns their lanes and numbers.
func (t *txn) promote() (lanes []string, seqs []uint64, err error) {
	later := t.bucket(bucketLater)
	var over [][]byte
	end := laterKey(t.now, ^uint64(0))
	c := later.Cursor()
	for k, _ := c.First(); len(k) == 16 && bytes.Compare(k, end) <= 0 && len(over) < maxPromoted; k, _ = c.Next() {
		over = append(over, bytes.Clone(k))
	}
	for _, k := range over {
		if err := later.Delete(k); err != nil {
			return nil, nil, err
		}
		seq := binary.BigEndian.Uint64(k[8:])
		data := t.bucket(bucketItems).Get(t.number(seq))
		if data == nil {
			continue
		}
		lane := parse(data, "").Lane
		t.due(lane, seq).set(seq)
		lanes, seqs = append(lanes, lane), append(seqs, seq)
	}
	return lanes, seqs, nil
}

// bury moves an item aside.
func (t *txn) bury(seq uint64, r *record.Record) error {
	t.due(r.Lane, seq).clear(seq)
	if err := t.bucket(bucketItems).Delete(t.number(seq)); err != nil {
		return err
	}
	t.counts.buried++
	t.counts.kept++
	number := uint64(t.counts.buried) //nolint:gosec // a count, never negative
	return t.bucket(bucketBuried).Put(t.number(number), record.Append(nil, r))
}

// unbury removes a buried item and reports whether it was there.
func (t *txn) unbury(number uint64) bool {
	buried := t.bucket(bucketBuried)
	key := t.number(number)
	if buried.Get(key) == nil || buried.Delete(key) != nil {
		return false
	}
	t.counts.kept--
	return true
}
