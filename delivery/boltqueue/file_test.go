package boltqueue_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"

	"github.com/appevents/appevents-go"
	"github.com/appevents/appevents-go/delivery"
	"github.com/appevents/appevents-go/delivery/boltqueue"
	"github.com/appevents/appevents-go/graphtest"
)

func open(t *testing.T, path string, opts ...boltqueue.Option) *boltqueue.Queue {
	t.Helper()
	q, err := boltqueue.Open(path, opts...)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, q.Close()) })
	return q
}

// lockChild holds the queue open until its standard input ends.
func lockChild() int {
	q, err := boltqueue.Open(*childPath)
	if err != nil {
		return 1
	}
	fmt.Fprintln(os.Stdout, "open")
	_, _ = os.Stdin.Read(make([]byte, 1))
	if q.Close() != nil {
		return 1
	}
	return 0
}

func TestOpen_SaysWhenAnotherProcessHasTheQueue(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "queue.db")
	cmd := child(t, "lock", "-child-path="+path)
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	require.True(t, bufio.NewScanner(out).Scan())

	_, err = boltqueue.Open(path)
	require.ErrorIs(t, err, boltqueue.ErrLocked)
	require.ErrorContains(t, err, path)

	// Who waits when the other lets go gets it.
	opened := make(chan error, 1)
	go func() {
		q, err := boltqueue.Open(path)
		for errors.Is(err, boltqueue.ErrLocked) { // the other takes its time on a busy machine
			q, err = boltqueue.Open(path)
		}
		if err == nil {
			err = q.Close()
		}
		opened <- err
	}()
	require.NoError(t, in.Close())
	require.NoError(t, cmd.Wait())
	require.NoError(t, <-opened)
}

func TestOpen_NamesTheDirectoryThatIsMissing(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "var", "events")
	_, err := boltqueue.Open(filepath.Join(dir, "events.db"))
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.ErrorContains(t, err, "the directory "+dir+" does not exist, and is not made")
	require.NoDirExists(t, dir)
}

func TestOpen_RefusesNonsense(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, opt := range map[string]boltqueue.Option{
		"WithLeaseTime":   boltqueue.WithLeaseTime(0),
		"WithWindow":      boltqueue.WithWindow(0),
		"WithMaxSize":     boltqueue.WithMaxSize(-1),
		"WithBuriedAge":   boltqueue.WithBuriedAge(0),
		"WithBuriedLimit": boltqueue.WithBuriedLimit(-1),
		"WithLogger":      boltqueue.WithLogger(nil),
		"Open":            nil,
	} {
		_, err := boltqueue.Open(filepath.Join(dir, "queue.db"), opt)
		var config *appevents.ConfigError
		require.ErrorAs(t, err, &config)
		require.Equal(t, "boltqueue."+name, config.Field)
	}
	_, err := boltqueue.Open(filepath.Join(dir, "missing", "queue.db"))
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestQueue_RefusesALaneThatCannotBe(t *testing.T) {
	t.Parallel()
	q := open(t, filepath.Join(t.TempDir(), "queue.db"))
	_, err := q.Put(t.Context(), benchItem(0))
	require.NoError(t, err)
	leases, err := q.Lease(t.Context(), 1, nil)
	require.NoError(t, err)
	require.NoError(t, q.Settle(t.Context(), delivery.Settlement{
		Lease: leases[0], Verdict: delivery.Bury, Reason: delivery.ReasonRefused,
	}))
	list, err := q.Buried(t.Context(), "", 1)
	require.NoError(t, err)
	for _, lane := range []string{"", strings.Repeat("x", 40_000)} {
		item := benchItem(1)
		item.Lane = lane
		_, err := q.Put(t.Context(), item)
		require.ErrorContains(t, err, "lane")
		_, err = q.Unbury(t.Context(), delivery.Unburial{ID: list[0].ID, Again: &item})
		require.ErrorContains(t, err, "lane")
		require.ErrorContains(t, q.Pause(t.Context(), delivery.Pause{Lane: lane, Until: time.Now().Add(time.Hour)}), "lane")
	}
	_, err = q.Put(t.Context(), benchItem(1))
	require.NoError(t, err, "nothing else is held up")
}

func TestSettle_WithoutAVerdictGivesBack(t *testing.T) {
	t.Parallel()
	q := open(t, filepath.Join(t.TempDir(), "queue.db"))
	_, err := q.Put(t.Context(), benchItem(0))
	require.NoError(t, err)
	for range 2 {
		leases, err := q.Lease(t.Context(), 1, nil)
		require.NoError(t, err)
		require.NoError(t, q.Settle(t.Context(), delivery.Settlement{Lease: leases[0]}))
	}
}

func TestPut_TakesBackWhatWasNotWritten(t *testing.T) {
	t.Parallel()
	q := open(t, filepath.Join(t.TempDir(), "queue.db"))
	var wg sync.WaitGroup
	added := make(chan int64, 1000)
	for w := range int64(20) {
		wg.Go(func() {
			for n := range int64(20) {
				// The context ends at any moment: before, while or after the item is written.
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(n)*50*time.Microsecond)
				if ok, err := q.Put(ctx, benchItem(w*100+n)); err == nil && ok {
					added <- w*100 + n
				}
				cancel()
			}
		})
	}
	wg.Wait()
	close(added)
	c, err := q.Counts(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, len(added), c.Stored, "an error of the context means: not stored")
}

func TestClose_WritesWhatWaits(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "queue.db")
	q := open(t, path)
	var wg sync.WaitGroup
	stored := make(chan int64, 1000)
	started := make(chan struct{}, 1000)
	for n := range int64(200) {
		wg.Go(func() {
			started <- struct{}{}
			if ok, err := q.Put(t.Context(), benchItem(n)); err == nil && ok {
				stored <- n
			} else if err != nil && err != delivery.ErrClosed { //nolint:errorlint // exactly this
				t.Error(err)
			}
		})
	}
	for range 100 {
		<-started
	}
	require.NoError(t, q.Close())
	wg.Wait()
	close(stored)
	c, err := open(t, path).Counts(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, len(stored), c.Pending)
}

func TestMaxSize_RefusesAndRecovers(t *testing.T) {
	t.Parallel()
	q := open(t, filepath.Join(t.TempDir(), "queue.db"), boltqueue.WithMaxSize(1<<20))
	n := int64(0)
	for ; ; n++ {
		if _, err := q.Put(t.Context(), largeItem(n)); err != nil {
			require.ErrorIs(t, err, delivery.ErrFull)
			break
		}
	}
	require.Greater(t, n, int64(20))
	drain(t, q, n)
	_, err := q.Put(t.Context(), largeItem(n+1))
	require.NoError(t, err)
}

// largeItem is an item of 16 KB.
func largeItem(n int64) delivery.Item {
	item := benchItem(n)
	item.Body = bytes.Repeat([]byte("x"), 16_000)
	return item
}

// fill puts n items of 60 KB, many at a time.
func fill(t *testing.T, q *boltqueue.Queue, from, n int64) {
	t.Helper()
	large := bytes.Repeat([]byte("x"), 60_000)
	var wg sync.WaitGroup
	for w := range int64(32) {
		wg.Go(func() {
			for k := w; k < n; k += 32 {
				item := benchItem(from + k)
				item.Body = large
				if _, err := q.Put(t.Context(), item); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

func drain(t *testing.T, q *boltqueue.Queue, n int64) {
	t.Helper()
	for n > 0 {
		leases, err := q.Lease(t.Context(), int(min(n, 1000)), nil)
		require.NoError(t, err)
		require.NoError(t, q.Settle(t.Context(), done(leases)...))
		n -= int64(len(leases))
	}
}

func done(leases []*delivery.Lease) (list []delivery.Settlement) {
	for _, l := range leases {
		list = append(list, delivery.Settlement{Lease: l, Verdict: delivery.Done})
	}
	return list
}

func fileSize(t *testing.T, path string) int64 {
	t.Helper()
	info, err := os.Stat(path)
	require.NoError(t, err)
	return info.Size()
}

func TestFile_ReusesFreedSpaceAndShrinksWhenOpened(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "queue.db")
	q := open(t, path)
	const n = 700 // times 60 KB
	fill(t, q, 0, n)
	drain(t, q, n)
	full := fileSize(t, path)
	require.Greater(t, full, int64(36<<20))
	fill(t, q, n, n)
	require.Less(t, fileSize(t, path), full+full/2, "freed space is used again")
	drain(t, q, n-10)
	require.NoError(t, q.Close())

	require.NoError(t, os.MkdirAll(filepath.Join(path+".compact", "in the way"), 0o700))
	var log bytes.Buffer
	q = open(t, path, quiet(&log))
	require.Greater(t, fileSize(t, path), full/2, "a file that cannot be made small stays as it is")
	require.Contains(t, log.String(), `level=WARN msg="boltqueue: most of the file is free, and it could not be made small: `+
		`it stays as large as it is" file=`+path+` error="remove `+path+`.compact: directory not empty"`)
	log.Reset()
	require.NoError(t, q.Close())
	require.NoError(t, os.RemoveAll(path+".compact"))

	require.NoError(t, os.WriteFile(path+".compact", []byte("left by a crash"), 0o600))
	link := filepath.Join(t.TempDir(), "link.db")
	require.NoError(t, os.Symlink(path, link))
	q = open(t, link, quiet(&log))
	require.Empty(t, log.String())
	info, err := os.Lstat(link)
	require.NoError(t, err)
	require.NotZero(t, info.Mode()&os.ModeSymlink, "it is the file that was replaced")
	require.Less(t, fileSize(t, path), int64(4<<20), "a file that is mostly free is made small")
	c, err := q.Counts(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 10, c.Pending)
	require.EqualValues(t, 2*n-10, c.Delivered)
	added, err := q.Put(t.Context(), benchItem(5))
	require.NoError(t, err)
	require.False(t, added, "keys are still known")
	drain(t, q, 10)
	require.NoFileExists(t, path+".compact")
}

// A file grows by 16 MiB at once: most of it can be room that was never used.
func TestFile_ShrinksThoughItHasJustGrown(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "queue.db")
	q := open(t, path)
	n := int64(0)
	for ; fileSize(t, path) < 32<<20; n++ {
		fill(t, q, n, 1)
	}
	drain(t, q, n)
	require.NoError(t, q.Close())
	q = open(t, path)
	require.Less(t, fileSize(t, path), int64(4<<20))
	c, err := q.Counts(t.Context())
	require.NoError(t, err)
	require.Equal(t, n, c.Delivered)
}

func TestFile_HoldsNothingSecretOrPersonal(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "queue.db")
	q := open(t, path)
	graph := graphtest.NewServer(t)
	// Answers that repeat what they were sent, to be stored as errors.
	const answer = `{"error":{"message":"%s access-token-canary app-secret-canary","type":"OAuthException","code":%d,` +
		`"error_user_msg":"token access-token-canary","is_transient":%t}}`
	graph.Inject(
		graphtest.On("activities", graphtest.Reply(http.StatusBadRequest, fmt.Sprintf(answer, "Refused", 100, false))),
		graphtest.On("events", graphtest.Reply(http.StatusInternalServerError, fmt.Sprintf(answer, "Busy", 2, true))),
	)
	var log bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&log, nil))
	client, err := appevents.New("771", appevents.WithBaseURL(graph.URL), appevents.WithLogger(logger),
		appevents.WithAccessToken("access-token-canary"), appevents.WithAppSecret("app-secret-canary"))
	require.NoError(t, err)
	d, err := delivery.New(client, q, delivery.WithLogger(logger))
	require.NoError(t, err)
	e := appevents.Purchase(55.22, "USD")
	user := appevents.UserData{Email: "email.canary@example.com", Phone: "+1 650 555 0100", FirstName: "Namecanary"}
	thread := appevents.Thread{PageID: "901", PSID: "7"}
	c, err := e.Conversion(thread)
	require.NoError(t, err)
	c.UserData = user
	calls := []appevents.Call{
		&appevents.Activity{
			Thread: thread, UserData: user, Consent: appevents.ConsentAllowed, Events: []appevents.Event{e},
		},
		&appevents.ConversionCall{DatasetID: "5501", Conversions: []appevents.Conversion{c}},
	}
	for n, call := range calls {
		require.NoError(t, d.Submit(t.Context(), fmt.Sprint("key-canary@example.com", n), call))
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	require.NoError(t, graph.Wait(t.Context(), len(calls)))
	cancel()
	require.NoError(t, <-ended)
	stats := d.Stats()
	require.EqualValues(t, 1, stats.Buried)
	require.EqualValues(t, 1, stats.Pending)
	require.NoError(t, q.Close())
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	for _, stored := range []string{"fb_mobile_purchase", "Refused", "Busy"} {
		require.Contains(t, string(data), stored, "the calls and the errors are there")
	}
	require.NotEmpty(t, log.String())
	for _, canary := range []string{"canary", "6505550100", "650 555"} {
		require.NotContains(t, string(bytes.ToLower(data)), canary)
		require.NotContains(t, log.String(), canary)
	}
}

func TestFile_SurvivesUnreadableRecords(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "queue.db")
	q := open(t, path)
	for n := range int64(3) {
		item := benchItem(n)
		item.Lane = "edge/1"
		_, err := q.Put(t.Context(), item)
		require.NoError(t, err)
	}
	require.NoError(t, q.Close())
	db, err := bbolt.Open(path, 0o600, nil)
	require.NoError(t, err)
	require.NoError(t, db.Update(func(tx *bbolt.Tx) error {
		return tx.Bucket([]byte("items")).Put([]byte{0, 0, 0, 0, 0, 0, 0, 2}, []byte("a later version wrote this"))
	}))
	require.NoError(t, db.Close())

	var log bytes.Buffer
	q = open(t, path, boltqueue.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
	require.Contains(t, log.String(), "unreadable_calls_buried=1")
	leases, err := q.Lease(t.Context(), 10, nil)
	require.NoError(t, err)
	require.Len(t, leases, 2, "it is not handed out")
	list, err := q.Buried(t.Context(), "", 10)
	require.NoError(t, err)
	require.Len(t, list, 1, "and not lost")
	require.Equal(t, delivery.ReasonUnreadable, list[0].Reason)
	require.Equal(t, "edge/1", list[0].Lane)
	require.Equal(t, "a later version wrote this", string(list[0].Body))
	c, err := q.Counts(t.Context())
	require.NoError(t, err)
	require.Equal(t, delivery.Counts{Stored: 3, Buried: 1, Pending: 2, Kept: 1, Oldest: c.Oldest}, c)
}
