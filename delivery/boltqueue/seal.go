package boltqueue

import (
	"encoding/binary"
	"hash/crc32"

	"github.com/appevents/appevents-go/delivery/internal/record"
)

// A value in the file is sealed: a mark, a checksum of what it is, where it is and what it holds, and what it holds. A
// record of format 1 has no seal; it begins with a 1, which differs from the mark in four bits.
const (
	sealMark = 0xc5
	sealSize = 5
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// kind tells the buckets apart whose values are sealed.
type kind byte

const (
	kindItem   kind = 'i'
	kindBuried kind = 'b'
	kindPause  kind = 'p'
	kindCounts kind = 'c'
	kindKeys   kind = 'k'
)

// draft is a value whose seal lacks only the key it is put under.
type draft struct {
	value []byte
	sum   uint32
}

// newDraft lets fill append the payload.
func newDraft(fill func(dst []byte) []byte) draft {
	value := fill([]byte{sealMark, 0, 0, 0, 0})
	return draft{value: value, sum: crc32.Update(0, castagnoli, value[sealSize:])}
}

func draftRecord(r *record.Record) draft {
	return newDraft(func(dst []byte) []byte { return record.Append(dst, r) })
}

// seal returns the value for a key.
func (d draft) seal(k kind, key []byte) []byte {
	binary.BigEndian.PutUint32(d.value[1:], sealSum(d.sum, k, key))
	return d.value
}

func sealSum(sum uint32, k kind, key []byte) uint32 {
	return crc32.Update(crc32.Update(sum, castagnoli, key), castagnoli, []byte{byte(k)})
}

// unseal returns the payload of a value, and false when it is not what was written.
func unseal(k kind, key, value []byte) (payload []byte, ok bool) {
	if len(value) < sealSize || value[0] != sealMark {
		return nil, false
	}
	payload = value[sealSize:]
	sum := crc32.Update(0, castagnoli, payload)
	return payload, binary.BigEndian.Uint32(value[1:]) == sealSum(sum, k, key)
}

func sealRecord(k kind, key []byte, r *record.Record) []byte { return draftRecord(r).seal(k, key) }

// readRecord reads a record, with old also one of format 1. It shares memory with the value.
func readRecord(k kind, key, value []byte, old bool) (record.Record, bool) {
	payload, ok := unseal(k, key, value)
	if !ok && old && len(value) > 0 && value[0] != sealMark {
		payload, ok = value, true
	}
	if !ok {
		return record.Record{}, false
	}
	r, err := record.Parse(payload)
	return r, err == nil
}
