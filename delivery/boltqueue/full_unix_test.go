//go:build unix

package boltqueue_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"

	"github.com/appevents/appevents-go/delivery"
	"github.com/appevents/appevents-go/delivery/boltqueue"
)

// fullChild fills a queue until the file may grow no more, works it off, and fills it again.
func fullChild() int {
	if err := fillAndDrain(); err != nil {
		fmt.Fprintln(os.Stderr, "child:", err)
		return 1
	}
	return 0
}

func fillAndDrain() error {
	ctx := context.Background()
	q, err := boltqueue.Open(*childPath)
	if err != nil {
		return err
	}
	signal.Ignore(syscall.SIGXFSZ) // so that a write beyond the limit fails like one to a full disk
	limit := syscall.Rlimit{Cur: 2 << 20, Max: 2 << 20}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	total := 0
	for range 3 {
		stored := 0
		for ; ; stored++ {
			added, err := q.Put(ctx, largeItem(int64(total+stored)))
			if errors.Is(err, delivery.ErrFull) {
				break
			}
			if err != nil || !added {
				return fmt.Errorf("put: %v, %w", added, err)
			}
		}
		if stored < 20 {
			return fmt.Errorf("only %d items fitted", stored)
		}
		total += stored
		for n := stored; n > 0; {
			if n == stored || n == stored/2 { // the disk is still full
				if err := q.Close(); err != nil {
					return err
				}
				if q, err = boltqueue.Open(*childPath); err != nil {
					return err
				}
			}
			leases, err := q.Lease(ctx, 1, nil)
			if err != nil {
				return err
			}
			stop := reading(ctx, q) // as a page about the queue does
			err = q.Settle(ctx, done(leases)...)
			stop()
			if err != nil {
				return fmt.Errorf("settle: %w", err)
			}
			n -= len(leases)
		}
		if c, err := q.Counts(ctx); err != nil || c.Pending != 0 || c.Delivered != int64(total) {
			return fmt.Errorf("counts: %+v, %w", c, err)
		}
	}
	for n := range 50 { // to be found by the parent
		if _, err := q.Put(ctx, largeItem(int64(1_000_000+n))); err != nil {
			return err
		}
	}
	return nil // without Close, like a crash
}

// reading reads the queue without a pause until stop is called.
func reading(ctx context.Context, q *boltqueue.Queue) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var reader sync.WaitGroup
	reader.Go(func() {
		for ctx.Err() == nil {
			_, _ = q.Buried(ctx, "", 1)
		}
	})
	return func() {
		cancel()
		reader.Wait()
	}
}

// roomChild fills a queue until the file may grow no more, and then lets it grow: nothing is freed in it meanwhile.
func roomChild() int {
	if err := fillAndGrow(); err != nil {
		fmt.Fprintln(os.Stderr, "child:", err)
		return 1
	}
	return 0
}

func fillAndGrow() error {
	ctx := context.Background()
	q, err := boltqueue.Open(*childPath)
	if err != nil {
		return err
	}
	signal.Ignore(syscall.SIGXFSZ)
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	less := limit
	less.Cur = 2 << 20
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &less); err != nil {
		return err
	}
	n := int64(0)
	for err == nil {
		_, err = q.Put(ctx, largeItem(n))
		n++
	}
	if !errors.Is(err, delivery.ErrFull) {
		return err
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	for errors.Is(err, delivery.ErrFull) { // for a second or so
		_, err = q.Put(ctx, largeItem(n))
	}
	return errors.Join(err, q.Close())
}

func TestFull_ADiskWithRoomAgainIsFound(t *testing.T) {
	t.Parallel()
	require.NoError(t, child(t, "room", "-child-path="+filepath.Join(t.TempDir(), "queue.db")).Run())
}

func TestFull_WhatIsInTheQueueStaysDeliverable(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "queue.db")
	require.NoError(t, child(t, "full", "-child-path="+path).Run())
	db, err := bbolt.Open(path, 0o600, nil)
	require.NoError(t, err)
	require.NoError(t, db.View(func(tx *bbolt.Tx) error {
		for err := range tx.Check() {
			return err
		}
		return nil
	}), "the file is intact")
	require.NoError(t, db.Close())
	q := open(t, path)
	c, err := q.Counts(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 50, c.Pending)
	require.Equal(t, c.Stored, c.Delivered+c.Buried+c.Pending)
}
