package boltqueue

import (
	"bytes"
	"encoding/binary"
	"slices"
	"time"

	"go.etcd.io/bbolt"

	"github.com/appevents/appevents-go/delivery"
)

const (
	// generations is into how many parts the de-duplication window is cut, by when keys were put. A key in the file is
	// forgotten with its generation, a whole bucket at a time.
	generations = 4

	// maxRecent is how many keys are held in memory. Only with more than that in a window are they sorted into the
	// file, part by part, so that neighbours are written together: one by one, each key would cost a page.
	maxRecent = 1 << 16

	// minSweep is how many of them a transaction sorts into the file at least, when there are more.
	minSweep = 256

	// recentParts is into how many parts they are cut, by their first bits.
	recentParts = 1 << 12
)

// keys are the de-duplication keys: the recent ones in memory, and in a log in the file for the next start; older ones
// sorted in the file. Only the writer uses them.
type keys struct {
	window time.Duration
	recent [recentParts][]recentKey
	count  int // of recent

	// since is when a generation from the future was first seen: the clock has been set back, and it lasts as long as
	// one of now.
	since map[int64]int64

	swept uint64     // parts sorted into the file so far; the next one is swept % recentParts
	log   []logEntry // what the log holds, oldest first
	last  uint64     // number of its newest entry
}

type recentKey struct {
	key delivery.Key
	put int64 // nanoseconds
}

// logEntry is the keys of one transaction.
type logEntry struct {
	number uint64
	put    int64
	swept  uint64 // keys.swept when it was written: after another recentParts, all its keys are in the file
}

func partOf(k delivery.Key) uint64 { return uint64(binary.BigEndian.Uint16(k[:])) >> 4 }

// parseKeys reads an entry of the log: when its keys were put, and the keys. Those of format 1 have no checksum. One
// that is damaged is read all the same: most of its keys are right, and none that is wrong is ever asked for.
func parseKeys(number, value []byte) (put int64, list []byte, ok bool) {
	data, ok := unseal(kindKeys, number, value)
	if data == nil {
		data, ok = value, len(value)%16 == 8
	}
	if len(data) < 8 {
		return 0, nil, false
	}
	return number64(data), data[8:], ok
}

// load reads the log. No key was put later than now.
func (k *keys) load(tx *bbolt.Tx, now int64) {
	oldest := now - int64(k.window)
	c := tx.Bucket(bucketKeyLog).Cursor()
	for number, value := c.First(); len(number) == 8; number, value = c.Next() {
		put, list, _ := parseKeys(number, value)
		put = min(put, now)
		k.last = binary.BigEndian.Uint64(number)
		k.log = append(k.log, logEntry{number: k.last, put: put})
		if put <= oldest {
			continue
		}
		for ; len(list) >= len(delivery.Key{}); list = list[len(delivery.Key{}):] {
			k.add(recentKey{key: delivery.Key(list[:16]), put: put})
		}
	}
}

func (k *keys) add(r recentKey) {
	part := partOf(r.key)
	k.recent[part] = append(k.recent[part], r)
	k.count++
}

// known reports whether a recent key is remembered.
func (k *keys) known(key delivery.Key, oldest int64) bool {
	for _, r := range k.recent[partOf(key)] {
		if r.key == key && r.put > oldest {
			return true
		}
	}
	return false
}

// keyChange is what a transaction does to the keys.
type keyChange struct {
	keys    *keys
	fresh   map[delivery.Key]struct{}
	sorted  []*bbolt.Bucket // the living generations
	opened  bool
	swept   uint64                  // keys.swept afterwards
	filling map[int64]*bbolt.Bucket // generations that recent keys are sorted into
	cut     int                     // entries of the log that go
}

// remember adds a key, unless it or the old one is known already, and reports that.
func (t *txn) remember(key, old delivery.Key) (known bool, err error) {
	c := &t.keys
	if known, err := t.knows(key); known || err != nil {
		return known, err
	}
	if !old.IsZero() {
		if known, err := t.knows(old); known || err != nil {
			return known, err
		}
	}
	if c.fresh == nil {
		c.fresh = make(map[delivery.Key]struct{})
	}
	c.fresh[key] = struct{}{}
	return false, nil
}

// knows reports whether a key is remembered.
func (t *txn) knows(key delivery.Key) (bool, error) {
	c := &t.keys
	if _, known := c.fresh[key]; known || c.keys.known(key, t.stamp-int64(c.keys.window)) {
		return true, nil
	}
	if !c.opened {
		if err := t.openGenerations(); err != nil {
			return false, err
		}
	}
	for _, g := range c.sorted {
		if g.Get(key[:]) != nil {
			return true, nil
		}
	}
	return false, nil
}

// openGenerations drops the generations that are over and opens the others.
func (t *txn) openGenerations() error {
	c := &t.keys
	c.opened = true
	all := t.bucket(bucketKeys)
	lasts := int64(c.keys.window + c.keys.window/generations)
	var over [][]byte
	cursor := all.Cursor()
	for k, _ := cursor.First(); len(k) == 8; k, _ = cursor.Next() {
		if c.keys.start(number64(k), t.stamp) <= t.stamp-lasts {
			over = append(over, bytes.Clone(k))
		} else {
			c.sorted = append(c.sorted, all.Bucket(k))
		}
	}
	for _, k := range over {
		if err := all.DeleteBucket(k); err != nil {
			return err
		}
	}
	return nil
}

// start is when a generation began, which is not later than now.
func (k *keys) start(name, now int64) int64 {
	if name <= now {
		delete(k.since, name)
		return name
	}
	if k.since == nil {
		k.since = make(map[int64]int64)
	}
	if _, ok := k.since[name]; !ok {
		k.since[name] = now
	}
	return k.since[name]
}

// writeKeys writes what became of the keys: new ones to the log, parts of the recent ones to their place in the file
// when there are too many in memory, and what is no longer needed out of the log.
func (t *txn) writeKeys() error {
	c := &t.keys
	c.swept = c.keys.swept
	if len(c.fresh) == 0 {
		return nil
	}
	log := t.bucket(bucketKeyLog)
	log.FillPercent = 1 // numbers only grow
	number := key64(c.keys.last + 1)
	entry := newDraft(func(dst []byte) []byte {
		dst = append64(slices.Grow(dst, 8+16*len(c.fresh)), t.stamp)
		for key := range c.fresh {
			dst = append(dst, key[:]...)
		}
		return dst
	})
	if err := log.Put(number, entry.seal(kindKeys, number)); err != nil {
		return err
	}
	if err := t.sweep(); err != nil {
		return err
	}
	oldest := t.stamp - int64(c.keys.window)
	for c.cut < len(c.keys.log) {
		e := c.keys.log[c.cut]
		if e.put > oldest && c.swept-e.swept < recentParts {
			break
		}
		if err := log.Delete(key64(e.number)); err != nil {
			return err
		}
		c.cut++
	}
	return nil
}

// sweep sorts parts of the recent keys into the file until there are few enough in memory, or this transaction has done
// its share: after a start there can be many more.
func (t *txn) sweep() error {
	c := &t.keys
	excess := min(c.keys.count+len(c.fresh)-maxRecent, minSweep+2*len(c.fresh))
	oldest := t.stamp - int64(c.keys.window)
	for end := c.swept + recentParts; excess > 0 && c.swept < end; c.swept++ {
		part := slices.Clone(c.keys.recent[c.swept%recentParts])
		slices.SortFunc(part, func(a, b recentKey) int { return bytes.Compare(a.key[:], b.key[:]) })
		for i := range part {
			if part[i].put <= oldest {
				continue
			}
			g, err := t.generation(part[i].put)
			if err == nil {
				err = g.Put(part[i].key[:], one)
			}
			if err != nil {
				return err
			}
		}
		excess -= len(part)
	}
	return nil
}

// generation is the bucket for keys that were put at a time.
func (t *txn) generation(put int64) (*bbolt.Bucket, error) {
	start := max(put-put%int64(t.keys.keys.window/generations), 0)
	if g := t.keys.filling[start]; g != nil {
		return g, nil
	}
	g, err := t.bucket(bucketKeys).CreateBucketIfNotExists(key64(uint64(start)))
	if err != nil {
		return nil, err
	}
	g.FillPercent = 0.8 // a part at a time: nearly in order
	if t.keys.filling == nil {
		t.keys.filling = make(map[int64]*bbolt.Bucket)
	}
	t.keys.filling[start] = g
	return g, nil
}

// commit makes a change that is on the disk known in memory.
func (c *keyChange) commit(now int64) {
	k := c.keys
	for ; k.swept < c.swept; k.swept++ {
		part := &k.recent[k.swept%recentParts]
		k.count -= len(*part)
		*part = nil
	}
	k.log = k.log[c.cut:]
	if len(c.fresh) == 0 {
		return
	}
	for key := range c.fresh {
		k.add(recentKey{key: key, put: now})
	}
	k.last++
	k.log = append(k.log, logEntry{number: k.last, put: now, swept: k.swept})
	k.forget(now)
}

// forget drops the keys of one part whose time is over, a different part each time.
func (k *keys) forget(now int64) {
	part := &k.recent[k.last%recentParts]
	oldest := now - int64(k.window)
	before := len(*part)
	*part = slices.DeleteFunc(*part, func(r recentKey) bool { return r.put <= oldest })
	k.count -= before - len(*part)
}
