package boltqueue_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime/pprof"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go/delivery"
	"github.com/appevents/appevents-go/delivery/boltqueue"
)

// Harm is done to files by a process of its own: when that ends, or hangs, it is noticed.

// harm damages a file in some way, and says how.
func harm(rng *rand.Rand, whole []byte) (data []byte, how string) {
	page := os.Getpagesize()
	pages := len(whole) / page
	data = bytes.Clone(whole)
	n := rng.IntN(pages)
	for bytes.Count(whole[n*page:(n+1)*page], []byte{0}) == page { // of the room laid aside, or never used
		n = rng.IntN(pages)
	}
	if rng.IntN(4) == 0 {
		n = rng.IntN(2) // a meta page
	}
	one := data[n*page : (n+1)*page]
	switch rng.IntN(10) {
	case 0:
		clear(one)
		return data, fmt.Sprintf("page %d was never written", n)
	case 1:
		for i := range one {
			one[i] = byte(rng.Uint32())
		}
		return data, fmt.Sprintf("page %d was overwritten", n)
	case 2:
		other := rng.IntN(pages)
		copy(one, whole[other*page:])
		return data, fmt.Sprintf("page %d was written in the place of %d", other, n)
	case 3:
		other := rng.IntN(pages)
		copy(one, whole[other*page:])
		copy(data[other*page:], whole[n*page:(n+1)*page])
		return data, fmt.Sprintf("pages %d and %d changed places", n, other)
	case 4:
		end := rng.IntN(len(data))
		if rng.IntN(2) == 0 {
			end = n*page + rng.IntN(3) - 1
		}
		return data[:max(end, 0)], fmt.Sprintf("it ends after %d bytes", end)
	case 5, 6:
		bit := rng.IntN(64 * 8)
		one[bit/8] ^= 1 << (bit % 8)
		return data, fmt.Sprintf("bit %d of page %d, in its header or first elements, is wrong", bit, n)
	case 7:
		at, size := rng.IntN(page), 1+rng.IntN(64)
		clear(one[at:min(at+size, page)])
		return data, fmt.Sprintf("%d bytes from byte %d of page %d are gone", size, at, n)
	default:
		bit := rng.IntN(page * 8)
		one[bit/8] ^= 1 << (bit % 8)
		return data, fmt.Sprintf("bit %d of page %d is wrong", bit, n)
	}
}

// damageChild damages files, half of them while they are open, and uses them.
func damageChild() int {
	whole, err := os.ReadFile(*childPath)
	if err != nil {
		fmt.Fprintln(os.Stderr, "child:", err)
		return 1
	}
	rng := rand.New(rand.NewPCG(*childSeed, 1))
	noticed, mended := 0, 0
	for i := range *childCount {
		data, how := harm(rng, whole)
		path := fmt.Sprintf("%s.%d", *childPath, i)
		var log bytes.Buffer
		ended := make(chan error, 1)
		var refused, repaired bool
		go func() {
			var err error
			if i%2 == 0 {
				refused, repaired, err = useDamaged(path, data, &log)
			} else {
				err = damageUnderneath(path, whole, data, rng.IntN(3))
			}
			ended <- err
		}()
		select {
		case err := <-ended:
			if err != nil {
				fmt.Fprintf(os.Stderr, "child: file %d: %s: %v\n%s", i, how, err, &log)
				return 1
			}
		case <-time.After(2 * time.Minute): // whatever the machine does
			fmt.Fprintf(os.Stderr, "child: file %d: %s: it hangs\n", i, how)
			_ = pprof.Lookup("goroutine").WriteTo(os.Stderr, 2)
			return 2
		}
		if refused {
			noticed++
		} else if repaired {
			mended++
		}
		_ = os.Remove(path)
	}
	fmt.Fprintf(os.Stdout, "%d files, %d refused, %d mended\n", *childCount, noticed, mended)
	return 0
}

// useDamaged opens a damaged file and does what a program would. It is refused, or nothing of it is wrong or missing.
func useDamaged(path string, data []byte, log *bytes.Buffer) (refused, repaired bool, err error) {
	if err := os.WriteFile(path, data, 0o600); err != nil {
		return false, false, err
	}
	q, err := boltqueue.Open(path, quiet(log))
	if err != nil {
		if !strings.Contains(err.Error(), path) {
			return true, false, fmt.Errorf("it does not say which file: %w", err)
		}
		return true, false, nil
	}
	ctx := context.Background()
	c, err := q.Counts(ctx)
	if err != nil {
		return false, false, errors.Join(err, q.Close())
	}
	lost := strings.Contains(log.String(), "first pages")
	if len(data) > 0 && !lost && (c.Pending+c.Kept < soundPending+3 || c.Stored != c.Delivered+c.Buried+c.Pending) {
		return false, false, errors.Join(fmt.Errorf("calls are missing: %+v", c), q.Close())
	}
	if err := useAll(ctx, q, c.Pending); err != nil {
		return false, false, errors.Join(err, q.Close())
	}
	if err := q.Close(); err != nil {
		return false, false, err
	}
	repaired = strings.Contains(log.String(), "mended")
	log.Reset()
	q, err = boltqueue.Open(path, quiet(log)) // what was mended is in order
	if err == nil {
		err = q.Close()
	}
	if err == nil && strings.Contains(log.String(), "WARN") {
		err = errors.New("it is mended again")
	}
	return false, repaired, err
}

// useAll delivers what is due, checks that it is what was put, and puts more.
func useAll(ctx context.Context, q *boltqueue.Queue, pending int64) error {
	if err := q.Pause(ctx, delivery.Pause{Lane: "activities/902"}); err != nil {
		return err
	}
	seen := map[string]bool{}
	for range pending {
		ctx, cancel := context.WithTimeout(ctx, time.Second)
		if len(seen)+10 > int(pending) { // what is left may wait for its time
			cancel()
		}
		leases, err := q.Lease(ctx, 50, nil)
		cancel()
		if err != nil {
			break
		}
		for _, l := range leases {
			var n int64
			if _, err := fmt.Sscanf(string(l.Body), "call %d ", &n); err != nil {
				return fmt.Errorf("the body is %.40q", l.Body)
			}
			want := soundItem(n)
			if l.Key != want.Key || !bytes.Equal(l.Body, want.Body) || l.Lane != want.Lane || seen[string(l.Body)] {
				return fmt.Errorf("%.20q was handed out, twice %v, in %s", l.Body, seen[string(l.Body)], l.Lane)
			}
			seen[string(l.Body)] = true
		}
		if err := q.Settle(ctx, done(leases)...); err != nil && len(leases) == 0 {
			return err
		}
	}
	for n := range int64(3) {
		if _, err := q.Put(ctx, benchItem(10_000+n)); err != nil {
			return err
		}
	}
	if _, err := q.Buried(ctx, "", 1000); err != nil {
		return err
	}
	_, err := q.Lanes(ctx)
	return err
}

// misleads reports whether a page that is slightly different says where other pages are, or how long it is. bbolt
// follows such a page in a circle when it is led into one, or frees as many pages as it says, and nothing outside it
// can see that while the file is open: the manual says so.
func misleads(whole, data []byte) bool {
	page := os.Getpagesize()
	for at := 0; at+page <= min(len(whole), len(data)); at += page {
		was, is := whole[at:at+page], data[at:at+page]
		different := 0
		for i := range was {
			if was[i] != is[i] {
				different++
			}
		}
		kind := binary.NativeEndian.Uint16(was[8:])
		bucket := kind == 2 && binary.NativeEndian.Uint16(was[10:]) > 0 && was[16] == 1
		length := !bytes.Equal(was[12:16], is[12:16])
		if different > 0 && different <= 64 && (kind == 1 || bucket || length) {
			return true
		}
	}
	return false
}

// damageUnderneath damages a file while it is open. Every method ends, with whatever error, and so does Close; and then
// the file can be tried again.
func damageUnderneath(path string, whole, data []byte, way int) error {
	if misleads(whole, data) {
		return nil
	}
	if err := os.WriteFile(path, whole, 0o600); err != nil {
		return err
	}
	var log bytes.Buffer
	q, err := boltqueue.Open(path, quiet(&log))
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	switch {
	case way == 0 || len(data) < len(whole):
		err = os.Truncate(path, int64(len(data)))
		fallthrough
	default:
		f, openErr := os.OpenFile(path, os.O_WRONLY, 0)
		if err = errors.Join(err, openErr); err == nil {
			_, err = f.WriteAt(data, 0)
			err = errors.Join(err, f.Close())
		}
	}
	if err != nil {
		return err
	}
	var wg sync.WaitGroup
	for w := range int64(4) {
		wg.Go(func() {
			for n := range int64(5) {
				_, _ = q.Put(ctx, benchItem(20_000+100*w+n))
				leases, _ := q.Lease(ctx, 20, nil)
				_ = q.Settle(ctx, done(leases)...)
				_, _ = q.Buried(ctx, "", 5)
				_, _ = q.Counts(ctx)
				_, _ = q.Lanes(ctx)
			}
		})
	}
	wg.Wait()
	_ = q.Close()
	q, err = boltqueue.Open(path, quiet(&log))
	if errors.Is(err, boltqueue.ErrLocked) {
		return err
	}
	if err == nil {
		return q.Close()
	}
	return nil
}

func TestDamage_EndsInAnErrorAndNothingElse(t *testing.T) {
	t.Parallel()
	whole := sound(t)
	for seed := range size(2, 8) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "queue.db")
			require.NoError(t, os.WriteFile(path, whole, 0o600))
			out, err := child(t, "damage", "-child-path="+path, fmt.Sprint("-child-seed=", seed),
				fmt.Sprint("-child-count=", size(60, 4000))).Output()
			require.NoError(t, err)
			t.Logf("%s", out)
		})
	}
}
