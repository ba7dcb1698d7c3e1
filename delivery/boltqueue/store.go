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
//	later   time due, number        -> time since when    pending items that wait
//	keylog  number of a transaction -> time, and the de-duplication keys it stored
//	keys    start of a generation   -> bucket: de-duplication key -> 1
//	buried  number of the burial    -> record
//	pauses  lane                    -> the two pauses
//	reserve number                  -> room for settlements when the disk is full
//	meta    "counts", "format"      -> counts; the format
//	        "unsealed"              -> 1       some records may have no checksum: they are of format 1
//
// Records, pauses, counts and the log of keys have a checksum. What says where items wait needs none: it is compared
// with the items. What is leased is not written: only one process has the file, and when that dies all its leases are
// void.
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
	metaOld      = []byte("unsealed")
	one          = []byte{1}
)

// format is the number of this form of the file. A version that reads another form gives it another number. Format 1
// had no checksums.
const format = 2

func buckets() [9][]byte {
	return [...][]byte{
		bucketItems, bucketReady, bucketLater, bucketKeyLog, bucketKeys, bucketBuried, bucketPauses, bucketSpare, bucketMeta,
	}
}

// reserveSize is the room laid aside in the file.
const reserveSize = 256 << 10

// counts are the figures kept in the file.
type counts struct {
	last       uint64 // number of the newest item
	stored     int64
	duplicates int64
	delivered  int64
	buried     int64 // also the number of the newest burial
	kept       int64
	dropped    int64
}

func readCounts(tx *bbolt.Tx) counts {
	c, _ := parseCounts(tx.Bucket(bucketMeta).Get(metaCounts))
	return c
}

// parseCounts reads the counts. Those of format 1 have no checksum, and there may be none.
func parseCounts(value []byte) (c counts, ok bool) {
	data, ok := unseal(kindCounts, metaCounts, value)
	switch {
	case ok && len(data) == 56:
	case len(value) == 0:
		return counts{}, true
	case len(value) == 48:
		data = append(bytes.Clone(value), make([]byte, 8)...)
	default:
		return counts{}, false
	}
	n := func(i int) int64 { return number64(data[8*i:]) }
	c = counts{
		last: binary.BigEndian.Uint64(data), stored: n(1), duplicates: n(2), delivered: n(3), buried: n(4), kept: n(5),
		dropped: n(6),
	}
	ok = min(c.stored, c.duplicates, c.delivered, c.buried, c.kept, c.dropped) >= 0
	return c, ok
}

func (c *counts) seal() []byte {
	return newDraft(func(dst []byte) []byte {
		dst = binary.BigEndian.AppendUint64(dst, c.last)
		for _, n := range [...]int64{c.stored, c.duplicates, c.delivered, c.buried, c.kept, c.dropped} {
			dst = append64(dst, n)
		}
		return dst
	}).seal(kindCounts, metaCounts)
}

func key64(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

// number is key64 in memory that the next call uses again: bbolt copies the keys it keeps.
func (t *txn) number(n uint64) []byte {
	binary.BigEndian.PutUint64(t.numberKey[:], n)
	return t.numberKey[:]
}

func laterKey(due int64, seq uint64) []byte {
	return binary.BigEndian.AppendUint64(append64(nil, due), seq)
}

// firstDue is when the next delayed item is due, as stored; zero when there is none.
func firstDue(tx *bbolt.Tx) int64 {
	k, _ := tx.Bucket(bucketLater).Cursor().First()
	if len(k) != 16 {
		return 0
	}
	return number64(k)
}

// errRecord is what became of a record that cannot be read.
const errRecord = "boltqueue: the stored call cannot be read: its checksum is wrong, or a newer version wrote it"

// unreadable is what a record that cannot be read is kept as.
func unreadable(value []byte, lane string) record.Record {
	return record.Record{Item: delivery.Item{Lane: lane, Body: value}}
}

// txn is a write transaction under way.
type txn struct {
	tx     *bbolt.Tx
	clock  *clock
	opened map[string]*bbolt.Bucket
	counts counts
	now    time.Time
	stamp  int64  // now as stored
	floor  uint64 // no item was put before with a number from this on
	keys   keyChange
	old    bool // records of format 1 are read

	ready     map[entry]*bitmap // those that were changed
	nextDue   int64             // when the next delayed item is due afterwards
	lanes     map[string]int64  // how many pending items each lane has more
	buriedSum int64             // bytes of buried records more
	numberKey [8]byte
	scratch   []byte
}

func (t *txn) lane(name string, n int64) {
	if t.lanes == nil {
		t.lanes = make(map[string]int64)
	}
	t.lanes[name] += n
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
func (t *txn) put(item *delivery.Item, d draft, once bool) (seq uint64, added bool, err error) {
	if once {
		known, err := t.remember(item.Key, item.OldKey)
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
	key := t.number(seq)
	if err := items.Put(key, d.seal(kindItem, key)); err != nil {
		return 0, false, err
	}
	t.due(item.Lane, seq).set(seq)
	t.lane(item.Lane, 1)
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
		if r, ok := readRecord(kindItem, key, data, t.old); ok && !r.Due.IsZero() {
			if err := t.bucket(bucketLater).Delete(laterKey(r.Due.UnixNano(), seq)); err != nil {
				return true, err
			}
		}
	}
	t.due(lane, seq).clear(seq)
	t.counts.delivered++
	t.lane(lane, -1)
	return true, items.Delete(key)
}

// load returns the record of an item, sharing no memory with the file. One that cannot be read is unreadable.
func (t *txn) load(seq uint64, lane string) (r record.Record, there, ok bool) {
	key := t.number(seq)
	data := t.bucket(bucketItems).Get(key)
	if data == nil {
		return record.Record{}, false, false
	}
	data = bytes.Clone(data)
	if r, ok = readRecord(kindItem, key, data, t.old); !ok {
		r = unreadable(data, lane)
	}
	return r, true, ok
}

func (t *txn) save(seq uint64, r *record.Record) error {
	key := t.number(seq)
	return t.bucket(bucketItems).Put(key, sealRecord(kindItem, key, r))
}

// delay moves an item from the due ones to those that wait.
func (t *txn) delay(seq uint64, r *record.Record, due int64) error {
	r.Due = time.Unix(0, due)
	t.due(r.Lane, seq).clear(seq)
	return t.bucket(bucketLater).Put(laterKey(due, seq), append64(nil, t.stamp))
}

// maxPromoted bounds one transaction.
const maxPromoted = 1000

// promote makes items due whose time has come. It returns their lanes and numbers.
func (t *txn) promote() (lanes []string, seqs []uint64, err error) {
	later := t.bucket(bucketLater)
	var over [][]byte
	end := laterKey(t.stamp, ^uint64(0))
	c := later.Cursor()
	for k, _ := c.First(); len(k) == 16 && bytes.Compare(k, end) <= 0 && len(over) < maxPromoted; k, _ = c.Next() {
		over = append(over, bytes.Clone(k))
	}
	for _, k := range over {
		if err := later.Delete(k); err != nil {
			return nil, nil, err
		}
		seq := binary.BigEndian.Uint64(k[8:])
		switch r, there, ok := t.load(seq, ""); {
		case !there:
		case !ok:
			if err := t.discard(seq, laneOf(r.Body), r.Body); err != nil {
				return nil, nil, err
			}
		default:
			t.due(r.Lane, seq).set(seq)
			lanes, seqs = append(lanes, r.Lane), append(seqs, seq)
		}
	}
	return lanes, seqs, nil
}

// bury moves an item aside.
func (t *txn) bury(seq uint64, r *record.Record) error {
	t.due(r.Lane, seq).clear(seq)
	t.lane(r.Lane, -1)
	if err := t.bucket(bucketItems).Delete(t.number(seq)); err != nil {
		return err
	}
	r.BuriedAt, r.Due = time.Unix(0, t.stamp), time.Time{}
	t.counts.buried++
	t.counts.kept++
	key := t.number(uint64(t.counts.buried)) //nolint:gosec // a count, never negative
	value := sealRecord(kindBuried, key, r)
	t.buriedSum += int64(len(value))
	buried := t.bucket(bucketBuried)
	buried.FillPercent = 0.95 // numbers only grow
	return buried.Put(key, value)
}

// discard buries an item that cannot be read, as it is.
func (t *txn) discard(seq uint64, lane string, value []byte) error {
	r := unreadable(bytes.Clone(value), lane)
	r.Reason, r.FirstError, r.LastError = delivery.ReasonUnreadable, errRecord, errRecord
	return t.bury(seq, &r)
}

// unbury removes a buried item and reports whether it was there.
func (t *txn) unbury(number uint64) (bool, error) {
	buried := t.bucket(bucketBuried)
	key := t.number(number)
	value := buried.Get(key)
	if value == nil {
		return false, nil
	}
	t.counts.kept--
	t.buriedSum -= int64(len(value))
	return true, buried.Delete(key)
}

// drop drops the oldest buried items, at most n, for as long as goes says so.
func (t *txn) drop(n int, goes func(key, value []byte) bool) error {
	buried := t.bucket(bucketBuried)
	c := buried.Cursor()
	var over [][]byte
	for k, v := c.First(); k != nil && len(over) < n && goes(k, v); k, v = c.Next() {
		over = append(over, bytes.Clone(k))
		t.counts.kept--
		t.counts.dropped++
		t.buriedSum -= int64(len(v))
	}
	for _, k := range over {
		if err := buried.Delete(k); err != nil {
			return err
		}
	}
	return nil
}
