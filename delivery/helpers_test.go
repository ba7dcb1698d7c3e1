package delivery_test

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go"
	"github.com/appevents/appevents-go/delivery"
	"github.com/appevents/appevents-go/delivery/memqueue"
	"github.com/appevents/appevents-go/graphtest"
)

const (
	appID     = "771"
	pageToken = "page-token-canary-5c1d"
	appSecret = "app-secret-canary-90fe"
)

// bench is a dispatcher over a queue in memory and a stand-in without sockets, to be used in a synctest bubble.
type bench struct {
	*testing.T
	*delivery.Dispatcher

	graph  *graphtest.Server
	client *appevents.Client
	queue  delivery.Queue
	cancel context.CancelFunc
	ended  chan error

	mu      sync.Mutex
	settled []delivery.Settled
}

// setup changes what a bench is made of.
type setup struct {
	graph  []graphtest.Option
	client []appevents.Option
	opts   []delivery.Option
	queue  delivery.Queue
	round  func(next http.RoundTripper) http.RoundTripper
}

func newBench(t *testing.T, s setup) *bench {
	t.Helper()
	b := &bench{T: t, graph: graphtest.New(s.graph...), queue: s.queue}
	var transport http.RoundTripper = b.graph
	if s.round != nil {
		transport = s.round(transport)
	}
	var err error
	b.client, err = appevents.New(appID, append([]appevents.Option{
		appevents.WithBaseURL(b.graph.URL), appevents.WithHTTPClient(&http.Client{Transport: transport}),
	}, s.client...)...)
	require.NoError(t, err)
	if len(s.client) == 0 {
		b.client, err = b.client.Clone(appevents.WithAccessToken(pageToken), appevents.WithAppSecret(appSecret))
		require.NoError(t, err)
	}
	if b.queue == nil {
		b.queue = memqueue.New()
	}
	b.Dispatcher, err = delivery.New(b.client, b.queue, append([]delivery.Option{
		delivery.WithObserver(func(_ context.Context, s delivery.Settled) {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.settled = append(b.settled, s)
		}),
	}, s.opts...)...)
	require.NoError(t, err)
	return b
}

// run starts Run; stop or the end of the test ends it.
func (b *bench) run() {
	ctx, cancel := context.WithCancel(context.Background())
	b.cancel, b.ended = cancel, make(chan error, 1)
	b.T.Cleanup(cancel) // a test that fails says why, and not that goroutines are left
	go func() { b.ended <- b.Dispatcher.Run(ctx) }()
}

func (b *bench) stop() {
	b.Helper()
	b.cancel()
	require.NoError(b, <-b.ended)
}

// drain runs until nothing is pending, and stops.
func (b *bench) drain() {
	b.Helper()
	b.run()
	b.until(func(s delivery.Stats) bool { return s.Pending == 0 })
	b.stop()
}

// until waits for the figures to be as wanted, up to ten days of fake time: by the second first, then by the minute.
func (b *bench) until(ok func(delivery.Stats) bool) {
	b.Helper()
	for n := range 3600 + 10*24*60 {
		synctest.Wait()
		s := b.Stats()
		b.invariant(s)
		if ok(s) {
			return
		}
		if n < 3600 {
			after(time.Second)
		} else {
			after(time.Minute)
		}
	}
	require.Fail(b, "it did not come to pass", "%+v", b.Stats())
}

func (b *bench) invariant(s delivery.Stats) {
	b.Helper()
	require.Equal(b, s.Accepted, s.Delivered+s.Buried+s.Pending+s.Duplicates, "%+v", s)
	require.Empty(b, b.Stranded(), "lanes that nothing would let go again")
}

// outcomes are the settlements of one kind so far.
func (b *bench) outcomes(v delivery.Verdict) (list []delivery.Settled) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, s := range b.settled {
		if s.Verdict == v {
			list = append(list, s)
		}
	}
	return list
}

func (b *bench) submit(key string, call appevents.Call) {
	b.Helper()
	require.NoError(b, b.Submit(context.Background(), key, call))
}

// after lets fake time pass.
func after(d time.Duration) {
	timer := time.NewTimer(d)
	<-timer.C
}

// arrived counts, for each event ID, how often the stand-in took it.
func arrived(graph *graphtest.Server) map[string]int {
	seen := map[string]int{}
	for _, c := range graph.Calls() {
		if c.Accepted {
			for _, e := range c.Events {
				seen[e.ID]++
			}
		}
	}
	return seen
}

// event is a valid event with an ID.
func event(id string) appevents.Event {
	e := appevents.Purchase(55.22, "USD")
	e.ID = id
	return e
}

// activity is the events of one person on a Page.
func activity(page, person int, ids ...string) *appevents.Activity {
	a := &appevents.Activity{Thread: thread(page, person), Consent: appevents.ConsentAllowed}
	for _, id := range ids {
		a.Events = append(a.Events, event(id))
	}
	return a
}

func pageActivity(page, person int, ids ...string) *appevents.PageActivity {
	a := activity(page, person, ids...)
	return &appevents.PageActivity{Thread: a.Thread, Consent: a.Consent, Events: a.Events}
}

func thread(page, person int) appevents.Thread {
	return appevents.Thread{PageID: appevents.ID(strconv.Itoa(page)), PSID: appevents.ID(strconv.Itoa(person))}
}

// ids are n event IDs.
func ids(prefix string, n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf("%s-%d", prefix, i)
	}
	return list
}

// bubble runs a test in fake time.
func bubble(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		after(time.Until(time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC))) // the fake clock starts in 2000
		test(t)
	})
}

// logText is what a dispatcher logged, to be read while it goes on.
type logText struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logText) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logText) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
