package boltqueue

import (
	"bytes"
	"encoding/binary"
	"math/bits"

	"go.etcd.io/bbolt"
)

// segmentSize is how many consecutive items share the entries of the ready bucket: one for each lane, with a bit for
// each item. New items of many lanes then go to neighbouring entries, which are cheap to write, and a lane is still
// found without reading what belongs to others.
const segmentSize = 256

// bitmap says which items of a segment are due in a lane.
type bitmap [segmentSize / 8]byte

func (b *bitmap) has(seq uint64) bool { return b[seq%segmentSize/8]&(1<<(seq%8)) != 0 }
func (b *bitmap) set(seq uint64)      { b[seq%segmentSize/8] |= 1 << (seq % 8) }
func (b *bitmap) clear(seq uint64)    { b[seq%segmentSize/8] &^= 1 << (seq % 8) }

func readBitmap(data []byte) (b bitmap) {
	copy(b[:], data)
	return b
}

// from returns the first item not before seq in the segment, or false.
func (b *bitmap) from(seq uint64) (uint64, bool) {
	segment := seq - seq%segmentSize
	for word := seq % segmentSize / 64; word < segmentSize/64; word++ {
		set := binary.LittleEndian.Uint64(b[8*word:])
		if word == seq%segmentSize/64 {
			set &= ^uint64(0) << (seq % 64)
		}
		if set != 0 {
			return segment + 64*word + uint64(bits.TrailingZeros64(set)), true //nolint:gosec // at most 64
		}
	}
	return 0, false
}

// entry names an entry of the ready bucket.
type entry struct {
	segment uint64
	lane    string
}

func entryOf(lane string, seq uint64) entry { return entry{segment: seq / segmentSize, lane: lane} }

func (e entry) append(dst []byte) []byte {
	return append(binary.BigEndian.AppendUint64(dst, e.segment), e.lane...)
}

// due returns the bitmap to change for an item. It is written with the transaction.
func (t *txn) due(lane string, seq uint64) *bitmap { return t.bits(entryOf(lane, seq)) }

// bits returns the bitmap of an entry to change.
func (t *txn) bits(e entry) *bitmap {
	b := t.ready[e]
	if b == nil {
		t.scratch = e.append(t.scratch[:0])
		loaded := readBitmap(t.bucket(bucketReady).Get(t.scratch))
		if b = &loaded; t.ready == nil {
			t.ready = make(map[entry]*bitmap)
		}
		t.ready[e] = b
	}
	return b
}

// writeReady writes the bitmaps that were changed.
func (t *txn) writeReady() error {
	ready := t.bucket(bucketReady)
	for e, b := range t.ready {
		t.scratch = e.append(t.scratch[:0])
		var err error
		if *b == (bitmap{}) {
			err = ready.Delete(t.scratch)
		} else {
			err = ready.Put(t.scratch, b[:])
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// scan calls fn with the numbers of the items due in a lane, from a number on and in order, until fn returns false. It
// reports whether it came to the end.
func scan(tx *bbolt.Tx, lane string, from uint64, fn func(seq uint64) bool) (end bool, err error) {
	c := tx.Bucket(bucketReady).Cursor()
	e := entryOf(lane, from)
	var key []byte
	for {
		key = e.append(key[:0])
		k, data := c.Seek(key)
		if len(k) < 8 {
			return true, nil
		}
		if bytes.Compare(k, key) < 0 {
			return false, damaged("an entry of the ready bucket is out of order") // to be looked for without end
		}
		switch segment := binary.BigEndian.Uint64(k); {
		case string(k[8:]) == lane:
			b := readBitmap(data)
			for seq, ok := b.from(max(from, segment*segmentSize)); ok; {
				if !fn(seq) {
					return false, nil
				}
				if seq++; seq%segmentSize == 0 {
					break
				}
				seq, ok = b.from(seq)
			}
			e.segment = segment + 1
		case string(k[8:]) > lane:
			e.segment = segment + 1
		default:
			e.segment = segment
		}
	}
}
