package boltqueue

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"iter"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/appevents/appevents-go/delivery/internal/record"
)

// audit is what is found in a file before it is opened: what the queue keeps in memory, and what does not fit together.
// The items are what counts; what says where they wait follows them.
type audit struct {
	meta   meta
	ours   bool // the file is a queue of a form that is known
	format byte
	now    int64 // as stored

	counts    counts // as they should be
	lanes     map[string]*laneInfo
	waiting   int64 // items in later
	buriedSum int64 // bytes of buried records
	old       bool  // there are, or may be, records without a seal

	found findings

	putBack []placed    // items that wait nowhere
	stray   []strayBit  // due, but not an item of that lane
	unlater []laterItem // waiting, but not an item with that time
	bad     []placed    // items that cannot be read
	moved   []laterItem // items that cannot be due as late as that
	pauses  []string    // pauses that cannot be read
	lost    []uint64    // buried items that cannot be read
	logs    [][]byte    // entries of the log of keys that are damaged
	seen    int64       // a time when something was written
	recount bool
}

// findings counts what is wrong with a file.
type findings struct {
	meta, items, buried, unindexed, stray, late, pauses, keys, counts int
}

// placed is an item and its lane.
type placed struct {
	seq  uint64
	lane string
}

// strayBit is a bit of an entry of the ready bucket.
type strayBit struct {
	entry
	bit uint64
}

// laterItem is an item that waits: until when, and since when if that is known.
type laterItem struct {
	seq      uint64
	due, set int64
}

// auditFile looks at a whole file.
func auditFile(file *os.File, now int64) (*audit, error) {
	p, err := openPages(file)
	if err != nil {
		return nil, err
	}
	a := &audit{meta: p.meta, now: now, lanes: make(map[string]*laneInfo)}
	if p.lost {
		a.found.meta++
	}
	roots := make(map[string][]byte)
	other := false
	err = p.tree(p.root, func(key, value []byte, bucket bool) error {
		roots[string(key)] = bytes.Clone(value)
		other = other || !bucket
		return nil
	})
	if err != nil {
		return nil, err
	}
	if other {
		return a, p.free() // of another program
	}
	if root := roots[string(bucketMeta)]; root != nil {
		if err := a.readMeta(p, root); err != nil {
			return nil, err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(roots)) {
		if a.ours && slices.ContainsFunc(read(), func(b []byte) bool { return string(b) == name }) {
			continue
		}
		if err := p.all(roots[name], 0); err != nil {
			return nil, err
		}
	}
	if a.ours {
		if err := a.readAll(p, roots); err != nil {
			return nil, err
		}
	}
	return a, p.free()
}

// read are the buckets the audit reads itself.
func read() [][]byte {
	return [][]byte{bucketMeta, bucketLater, bucketItems, bucketReady, bucketBuried, bucketPauses, bucketKeyLog}
}

func (a *audit) readMeta(p *pages, root []byte) error {
	sound := true
	err := p.bucket(root, func(key, value []byte, _ bool) error {
		switch string(key) {
		case string(metaFormat):
			if len(value) == 1 {
				a.format = value[0]
			}
		case string(metaOld):
			a.old = true
		case string(metaCounts):
			a.counts, sound = parseCounts(value)
		}
		return nil
	})
	a.ours = a.format == 1 || a.format == format
	a.old = a.old || a.format == 1
	if !sound {
		a.found.counts++
	}
	return err
}

func (a *audit) readAll(p *pages, roots map[string][]byte) error {
	walk := func(name []byte, fn visit) error {
		root := roots[string(name)]
		if root == nil {
			return nil
		}
		return p.bucket(root, func(key, value []byte, bucket bool) error {
			if bucket {
				return damaged("%q is in %q", key, name)
			}
			return fn(key, value, false)
		})
	}
	later, err := a.readLater(walk)
	if err == nil {
		err = a.readItems(walk, later)
	}
	if err == nil {
		err = a.readBuried(walk)
	}
	if err == nil {
		err = walk(bucketPauses, func(lane, value []byte, _ bool) error {
			if _, ok := parsePauses(lane, value); !ok {
				a.pauses = append(a.pauses, string(lane))
			}
			return nil
		})
	}
	if err == nil {
		err = walk(bucketKeyLog, func(key, value []byte, _ bool) error {
			put, _, ok := parseKeys(key, value)
			if !ok {
				a.logs = append(a.logs, bytes.Clone(key))
			}
			a.seen = max(a.seen, put)
			return nil
		})
	}
	a.found.pauses, a.found.buried, a.found.keys = len(a.pauses), len(a.lost), len(a.logs)
	a.found.stray += len(a.stray) + len(a.unlater)
	a.found.unindexed, a.found.items, a.found.late = len(a.putBack), len(a.bad), len(a.moved)
	return err
}

type walkFunc func(name []byte, fn visit) error

// readLater returns the entries of the later bucket by item.
func (a *audit) readLater(walk walkFunc) (list []laterItem, err error) {
	err = walk(bucketLater, func(key, value []byte, _ bool) error {
		l := laterItem{}
		if len(key) != 16 {
			return damaged("a time has %d bytes", len(key))
		}
		l.due, l.seq = number64(key), binary.BigEndian.Uint64(key[8:])
		if len(value) == 8 {
			l.set = number64(value)
		}
		list = append(list, l)
		return nil
	})
	slices.SortFunc(list, func(x, y laterItem) int {
		return cmp.Or(cmp.Compare(x.seq, y.seq), cmp.Compare(x.due, y.due))
	})
	return list, err
}

// readyEntry is an entry of the ready bucket.
type readyEntry struct {
	segment uint64
	lane    string
	bits    bitmap
}

// readItems compares the items with where they wait. Both are in the order of their numbers.
func (a *audit) readItems(walk walkFunc, later []laterItem) error {
	names := make(map[string]string)
	var readyErr error
	next, stop := iter.Pull(func(yield func(readyEntry) bool) {
		readyErr = walk(bucketReady, func(key, value []byte, _ bool) error {
			if len(key) <= 8 || len(value) != len(bitmap{}) {
				return damaged("an entry of %d bytes for %d", len(key), len(value))
			}
			lane, ok := names[string(key[8:])]
			if !ok {
				lane = string(key[8:])
				names[lane] = lane
			}
			if !yield(readyEntry{binary.BigEndian.Uint64(key), lane, readBitmap(value)}) {
				return errDamaged // not looked at
			}
			return nil
		})
	})
	defer stop()
	m := merge{audit: a, later: later, next: next}
	m.head, m.more = next()
	var last uint64
	err := walk(bucketItems, func(key, value []byte, _ bool) error {
		if len(key) != 8 {
			return damaged("an item has a number of %d bytes", len(key))
		}
		last = binary.BigEndian.Uint64(key)
		m.item(last, key, value)
		return nil
	})
	if err != nil {
		return err
	}
	m.upTo(^uint64(0))
	m.flush()
	a.unlater = append(a.unlater, m.later...)
	if a.counts.last < last {
		a.counts.last = last
		a.found.counts++
	}
	return readyErr
}

// merge goes through the items and the ready entries side by side.
type merge struct {
	*audit
	later []laterItem
	next  func() (readyEntry, bool)
	head  readyEntry // the next one that is not in group
	more  bool

	begun   bool
	segment uint64
	group   []readyEntry // those of the present segment, with the bits whose items have not come
}

// upTo goes on to a segment.
func (m *merge) upTo(segment uint64) {
	if segment == m.segment && m.begun {
		return
	}
	m.begun = true
	for m.flush(); m.more && m.head.segment <= segment; m.flush() {
		m.segment = m.head.segment
		for m.more && m.head.segment == m.segment {
			m.group = append(m.group, m.head)
			m.head, m.more = m.next()
		}
		if m.segment == segment {
			return
		}
	}
	m.segment = segment
}

// flush leaves a segment. Bits that are left are of no item.
func (m *merge) flush() {
	for _, e := range m.group {
		for n := range uint64(segmentSize) {
			if e.bits.has(n) {
				m.stray = append(m.stray, strayBit{entry{e.segment, e.lane}, n})
			}
		}
	}
	m.group = m.group[:0]
}

func (m *merge) item(seq uint64, key, value []byte) {
	m.upTo(seq / segmentSize)
	for len(m.later) > 0 && m.later[0].seq < seq {
		m.unlater, m.later = append(m.unlater, m.later[0]), m.later[1:]
	}
	var waits []laterItem
	for len(m.later) > 0 && m.later[0].seq == seq {
		waits, m.later = append(waits, m.later[0]), m.later[1:]
	}
	r, ok := readRecord(kindItem, key, value, m.old)
	if !ok || checkLane(r.Lane) != nil {
		m.unreadable(seq, value, waits)
		return
	}
	due := false
	for i := range m.group {
		e := &m.group[i]
		if !e.bits.has(seq) {
			continue
		}
		e.bits.clear(seq)
		if e.lane == r.Lane {
			due = true
		} else {
			m.stray = append(m.stray, strayBit{entry{e.segment, e.lane}, seq % segmentSize})
		}
	}
	l := m.lane(r.Lane)
	l.count(seq, r.Submitted)
	listed := false
	for _, w := range waits {
		if due || listed || r.Due.IsZero() || w.due != r.Due.UnixNano() {
			m.unlater = append(m.unlater, w)
			continue
		}
		listed = true
		m.waiting++
		if to := clamp(w.due, w.set, m.now); to != w.due {
			m.moved = append(m.moved, w)
		}
	}
	switch {
	case due:
		l.due(seq)
	case !listed:
		m.putBack = append(m.putBack, placed{seq, r.Lane})
	}
}

// unreadable notes an item that cannot be read. Its lane is where it waits, or what it looks like.
func (m *merge) unreadable(seq uint64, value []byte, waits []laterItem) {
	bad := placed{seq: seq}
	for i := range m.group {
		if e := &m.group[i]; e.bits.has(seq) {
			e.bits.clear(seq)
			m.stray = append(m.stray, strayBit{entry{e.segment, e.lane}, seq % segmentSize})
			m.found.stray--
			bad.lane = e.lane
		}
	}
	m.unlater = append(m.unlater, waits...)
	m.found.stray -= len(waits)
	if bad.lane == "" {
		bad.lane = laneOf(value)
	}
	m.bad = append(m.bad, bad)
}

// laneOf is the lane of a record that cannot be believed.
func laneOf(value []byte) string {
	if len(value) > sealSize && value[0] == sealMark {
		value = value[sealSize:]
	}
	if r, err := record.Parse(value); err == nil && checkLane(r.Lane) == nil {
		return r.Lane
	}
	return "unreadable"
}

func (a *audit) lane(name string) *laneInfo {
	l := a.lanes[name]
	if l == nil {
		l = new(laneInfo)
		a.lanes[name] = l
	}
	return l
}

// readBuried looks at the buried items, and at whether the figures fit.
func (a *audit) readBuried(walk walkFunc) error {
	var kept, last int64
	err := walk(bucketBuried, func(key, value []byte, _ bool) error {
		if len(key) != 8 {
			return damaged("a burial has a number of %d bytes", len(key))
		}
		kept++
		last = number64(key)
		a.buriedSum += int64(len(value))
		switch r, ok := readRecord(kindBuried, key, value, a.old); {
		case !ok:
			a.lost = append(a.lost, binary.BigEndian.Uint64(key))
		case !r.BuriedAt.IsZero():
			a.seen = max(a.seen, r.BuriedAt.UnixNano())
		}
		return nil
	})
	pending := int64(len(a.bad))
	for _, l := range a.lanes {
		pending += l.pending
	}
	c := a.counts
	c.kept, c.buried = kept, max(c.buried, last)
	c.stored = c.delivered + c.buried + pending
	if c != a.counts {
		a.counts = c
		a.found.counts++
	}
	a.recount = a.found.counts > 0
	return err
}

// laneInfo is what is known in memory about a lane with pending items.
type laneInfo struct {
	pending   int64
	from      uint64    // no item that is due is before; zero when none is due
	first     uint64    // the oldest item, or one before
	submitted time.Time // when an item near that was submitted
}

func (l *laneInfo) count(seq uint64, submitted time.Time) {
	if l.pending++; l.pending == 1 {
		l.first, l.submitted = seq, submitted
	}
}

func (l *laneInfo) due(seq uint64) {
	if l.from == 0 || seq < l.from {
		l.from = seq
	}
}
