package boltqueue

import (
	"errors"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"github.com/appevents/appevents-go/delivery"
)

const (
	// dropAtATime is how many buried items are dropped at a time, at most, unless there are many and new ones need
	// room.
	dropAtATime = 256

	probeSize    = 256 << 10
	maxProbeWait = 30 * time.Second
)

// noteFull notes that there was no room. Until some was freed, nobody tries again: bbolt reads the whole file when it
// takes a transaction back.
func (w *writer) noteFull(err error) {
	pages := 0
	if info, err := w.queue.file.file.Stat(); err == nil {
		pages = int(info.Size()) / w.queue.file.pageSize
	}
	w.fullFree, w.fullStep = w.freePages(), max(1, pages>>10)
	w.disk = !errors.Is(err, bolterrors.ErrMaxSizeReached)
	w.probe.wait = min(max(2*w.probe.wait, time.Second), maxProbeWait)
	w.probe.at = time.Now().Add(w.probe.wait)
	w.full.Store(true)
}

// noteFreed looks whether enough was freed to try again.
func (w *writer) noteFreed(c counts) {
	if w.freePages() >= w.fullFree+w.fullStep || c.kept == 0 && c.stored == c.delivered+c.buried {
		w.full.Store(false)
	}
}

// freePages is how many pages of the file are free for what needs room.
func (w *writer) freePages() int {
	s := w.queue.file.db.Stats()
	free := s.FreePageN + s.PendingPageN
	if w.spent {
		free -= reserveSize/w.queue.file.pageSize + 1
	}
	return free
}

// probe is for a disk that was full: others may have made room on it.
type probe struct {
	at   time.Time
	wait time.Duration
}

// tryDisk makes the file a little longer, which needs no transaction, when it is time to.
func (w *writer) tryDisk() {
	if !w.full.Load() || !w.disk || time.Now().Before(w.probe.at) {
		return
	}
	file := w.queue.file.file
	info, err := file.Stat()
	if err == nil && w.queue.maxSize > 0 && info.Size()+probeSize > int64(w.queue.maxSize) {
		return
	}
	if err == nil {
		_, err = file.WriteAt(make([]byte, probeSize), info.Size())
	}
	if err != nil {
		w.probe.at = time.Now().Add(w.probe.wait)
		return
	}
	w.full.Store(false)
}

// makeRoom drops buried items, the oldest first, for the sake of new ones. It reports whether it did.
func (w *writer) makeRoom() bool {
	if w.kept == 0 {
		return false
	}
	drop := func() error {
		_, err := w.write(func(t *txn) error {
			return t.drop(int(max(dropAtATime, w.kept/8)), func(_, _ []byte) bool { return true })
		})
		return err
	}
	err := drop()
	if errors.Is(err, delivery.ErrFull) && !w.spent {
		err = w.rescue(drop)
	}
	if err == nil && w.spent {
		_ = w.reserve(true)
	}
	return err == nil
}

// layReserve lays room aside, or gives it back. In one piece it is of most use: to delete an item bbolt writes its
// neighbours anew, all in a row. Where there is no row so long, it is laid in pieces of half a page.
func layReserve(tx *bbolt.Tx, lay, whole bool) error {
	spare := tx.Bucket(bucketSpare)
	half := tx.DB().Info().PageSize / 2
	pieces := uint64(reserveSize / half) //nolint:gosec // not negative
	there := uint64(0)
	for n := range pieces {
		if spare.Get(key64(n)) != nil {
			there++
		}
	}
	if lay && (spare.Get(bucketSpare) != nil || there == pieces) {
		return nil
	}
	if !lay || whole {
		if err := spare.Delete(bucketSpare); err != nil {
			return err
		}
		for n := range pieces {
			if err := spare.Delete(key64(n)); err != nil {
				return err
			}
		}
	}
	switch {
	case !lay:
		return nil
	case whole:
		return spare.Put(bucketSpare, make([]byte, reserveSize))
	}
	piece := make([]byte, half-64) // two of them fit into a page with its header
	for n := range pieces {
		if err := spare.Put(key64(n), piece); err != nil {
			return err
		}
	}
	return nil
}

// reserve lays room aside in the file or gives it back. On a full disk it lets settlements be written, which make room
// in the end but take some first.
func (w *writer) reserve(lay bool) error {
	err := w.update(func(tx *bbolt.Tx) error { return layReserve(tx, lay, true) })
	if lay && errors.Is(err, delivery.ErrFull) {
		err = w.update(func(tx *bbolt.Tx) error { return layReserve(tx, true, false) })
	}
	w.spent = !lay || err != nil
	return err
}

// rescue writes what frees room, with all the room there is: what was laid aside, and what bbolt keeps for those who
// read.
func (w *writer) rescue(write func() error) error {
	w.alone = true
	defer func() { w.alone = false }()
	_ = w.reserve(false)
	return write()
}
