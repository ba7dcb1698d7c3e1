package delivery_test

import (
	"context"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go"
	"github.com/appevents/appevents-go/delivery"
	"github.com/appevents/appevents-go/delivery/memqueue"
)

var table = flag.Bool("table", false, "print the whole table of a flaky Graph, which takes some minutes")

// answer is a failure of the stand-in below.
type answer struct {
	name    string
	status  int
	body    string
	header  string // a usage header
	err     error
	timeout bool
	once    bool // only the first request fails
}

func graphError(name string, status, code int) answer {
	return answer{name: name, status: status, body: fmt.Sprintf(`{"error":{"message":"flaky","code":%d}}`, code)}
}

var answers = []answer{
	graphError("code 1", 500, 1),
	graphError("code 2", 500, 2),
	graphError("unknown code", 400, 98765),
	{name: "502 as HTML", status: 502, body: "<html>bad gateway</html>"},
	{name: "reset", err: syscall.ECONNRESET},
	{name: "time-out", timeout: true},
	graphError("code 4", 400, 4),
	graphError("code 32", 400, 32),
	graphError("code 613", 400, 613),
	{
		name: "code 613, a minute", status: 400, body: `{"error":{"message":"flaky","code":613}}`,
		header: `{"771":[{"type":"pages","call_count":100,"estimated_time_to_regain_access":1}]}`,
	},
	func() answer { a := graphError("code 190, once", 401, 190); a.once = true; return a }(),
	graphError("code 200", 403, 200),
	{name: "403 of a proxy", status: 403, body: "<html>blocked</html>"},
	{name: `{"success":false}`, status: 200, body: `{"success":false}`},
}

const (
	flakyWorkers = 16
	flakyLatency = 20 * time.Millisecond
	flakyTimeout = 10 * time.Second // the client's default
)

// flaky is a Graph in memory that answers after a while, and fails as told.
type flaky struct {
	mu       sync.Mutex
	start    time.Time
	rng      *rand.Rand
	fail     func(r *http.Request, at time.Duration) *answer
	latency  func(r *http.Request) time.Duration
	ended    func(r *http.Request) // when a request is over, before anybody hears of it
	requests int
	taken    int
	failed   int
	seconds  []int // answers in each second: taken
	sent     []int // requests in each second
}

func newFlaky(fail func(r *http.Request, at time.Duration) *answer) *flaky {
	return &flaky{start: time.Now(), rng: rand.New(rand.NewPCG(1, 2)), fail: fail}
}

func bump(list *[]int, at time.Duration) {
	for len(*list) <= int(at/time.Second) {
		*list = append(*list, 0)
	}
	(*list)[int(at/time.Second)]++
}

func (f *flaky) RoundTrip(r *http.Request) (*http.Response, error) {
	f.mu.Lock()
	at := time.Since(f.start)
	f.requests++
	bump(&f.sent, at)
	a := f.fail(r, at)
	latency := flakyLatency
	if f.latency != nil {
		latency = f.latency(r)
	}
	f.mu.Unlock()
	if a != nil && a.timeout {
		latency = time.Hour
	}
	if f.ended != nil {
		defer func() {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.ended(r)
		}()
	}
	timer := time.NewTimer(latency)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	_ = r.Body.Close()
	if a != nil && a.err != nil {
		return nil, a.err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	response := &http.Response{StatusCode: 200, Header: http.Header{}, Request: r}
	body := `{"success":true}`
	if a != nil {
		f.failed++
		response.StatusCode, body = a.status, a.body
		if a.header != "" {
			response.Header.Set("X-Business-Use-Case-Usage", a.header)
		}
	} else {
		f.taken++
		bump(&f.seconds, time.Since(f.start))
	}
	response.Body = io.NopCloser(strings.NewReader(body))
	return response, nil
}

func (f *flaky) count() (requests, taken int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.requests, f.taken
}

// rate fails a share of the requests.
func (f *flaky) rate(a answer, share float64) {
	first := true
	f.fail = func(*http.Request, time.Duration) *answer {
		if a.once {
			if first {
				first = false
				return &a
			}
			return nil
		}
		if f.rng.Float64() < share {
			return &a
		}
		return nil
	}
}

// flakyBench is a dispatcher over a flaky Graph.
type flakyBench struct {
	*flaky
	*delivery.Dispatcher
	t      *testing.T
	queue  *memqueue.Queue
	cancel context.CancelFunc
	ended  chan error
	calls  int
}

func newFlakyBench(t *testing.T, f *flaky, opts ...delivery.Option) *flakyBench {
	t.Helper()
	client, err := appevents.New(appID, appevents.WithAccessToken(pageToken),
		appevents.WithHTTPClient(&http.Client{Transport: f}))
	require.NoError(t, err)
	b := &flakyBench{flaky: f, t: t, queue: memqueue.New(), ended: make(chan error, 1)}
	b.Dispatcher, err = delivery.New(client, b.queue, append([]delivery.Option{delivery.WithWorkers(flakyWorkers)}, opts...)...)
	require.NoError(t, err)
	return b
}

// submitMany submits calls of different people, in turns by Page.
func (b *flakyBench) submitMany(pages, n int) {
	b.t.Helper()
	for range n {
		b.submitTo(901 + b.calls%pages)
	}
}

func (b *flakyBench) submitTo(page int) {
	b.t.Helper()
	b.calls++
	call := activity(page, b.calls, "e")
	require.NoError(b.t, b.Submit(context.Background(), fmt.Sprint(b.calls), call))
}

func (b *flakyBench) run() {
	var ctx context.Context
	ctx, b.cancel = context.WithCancel(context.Background())
	b.t.Cleanup(b.cancel)
	b.start = time.Now()
	go func() { b.ended <- b.Run(ctx) }()
}

func (b *flakyBench) stop() {
	b.t.Helper()
	b.cancel()
	require.NoError(b.t, <-b.ended)
}

// cell is one line of the table.
type cell struct {
	share    float64 // of what was possible
	requests int
	buried   int64
}

// possible is how many calls workers without a policy get through in a time.
func possible(a answer, rate float64, d time.Duration) float64 {
	failure := flakyLatency
	if a.timeout {
		failure = flakyTimeout
	}
	if a.once {
		rate = 0
	}
	mean := (1-rate)*flakyLatency.Seconds() + rate*failure.Seconds()
	return flakyWorkers * d.Seconds() / mean * (1 - rate)
}

func measure(t *testing.T, a answer, rate float64, pages int, d time.Duration) (c cell) {
	t.Helper()
	bubble(t, func(t *testing.T) {
		f := newFlaky(nil)
		f.rate(a, rate)
		b := newFlakyBench(t, f)
		want := possible(a, rate, d)
		b.submitMany(pages, max(int(want*1.2), 5*pages, 1000))
		b.run()
		after(d)
		requests, taken := f.count()
		c.requests, c.buried = requests, b.Stats().Buried
		if want > 0 {
			c.share = float64(taken) / want
		}
		s := b.Stats()
		require.Equal(t, s.Accepted, s.Delivered+s.Buried+s.Pending+s.Duplicates)
		b.stop()
	})
	return c
}

// outage is what a time without Graph costs.
type outage struct {
	first15   int     // requests in the first 15 seconds of it
	perMinute float64 // requests after the first minute
	total     int
	recovery  time.Duration // until the full rate
}

func measureOutage(t *testing.T, a answer, pages int, d time.Duration) (o outage) {
	t.Helper()
	bubble(t, func(t *testing.T) {
		const before = 5 * time.Second
		f := newFlaky(func(_ *http.Request, at time.Duration) *answer {
			if at >= before && at < before+d {
				return &a
			}
			return nil
		})
		b := newFlakyBench(t, f)
		full := float64(flakyWorkers) / flakyLatency.Seconds()
		b.submitMany(pages, int(full*(before.Seconds()+8)))
		b.run()
		after(before)
		begun, _ := f.count()
		after(min(d, 15*time.Second))
		requests, _ := f.count()
		o.first15 = requests - begun
		if d > time.Minute {
			after(time.Minute - 15*time.Second)
			minute, _ := f.count()
			after(d - time.Minute)
			requests, _ = f.count()
			o.perMinute = float64(requests-minute) / (d - time.Minute).Minutes()
		}
		o.total = requests - begun
		end := time.Now()
		const step = 250 * time.Millisecond
		for _, last := f.count(); ; {
			after(step)
			_, taken := f.count()
			if float64(taken-last) >= 0.95*full*step.Seconds() {
				o.recovery = time.Since(end) - step
				break
			}
			b.submitMany(pages, taken-last) // so that it does not run out of calls
			last = taken
			if time.Since(end) > 10*time.Minute {
				o.recovery = time.Since(end)
				break
			}
		}
		b.stop()
	})
	return o
}

// TestFlakyTable measures what a flaky Graph costs, in virtual time. With -table it measures and prints all of it.
func TestFlakyTable(t *testing.T) { //nolint:paralleltest // it prints line by line
	kinds := []answer{answers[1], answers[5], answers[10]}
	rates, sizes, short, long := []float64{0.05, 0.5}, []int{1, 10}, 6*time.Second, 4*time.Minute
	out := io.Discard
	if *table {
		kinds, rates, sizes = answers, []float64{0.001, 0.01, 0.05, 0.2, 0.5, 1}, []int{1, 10, 1000}
		short, long, out = 20*time.Second, 10*time.Minute, os.Stdout
	}
	fmt.Fprint(out, "| failure | Pages |")
	for _, rate := range rates {
		fmt.Fprintf(out, " %g %% |", 100*rate)
	}
	fmt.Fprintln(out, "\n|---|--:|"+strings.Repeat("--:|", len(rates)))
	for _, a := range kinds {
		for _, pages := range sizes {
			fmt.Fprintf(out, "| %s | %d |", a.name, pages)
			for _, rate := range rates {
				d := short
				if a.timeout && rate >= 0.05 {
					d = long
				}
				c := measure(t, a, rate, pages, d)
				fmt.Fprintf(out, " %s |", c)
				c.check(t, a, rate, fmt.Sprintf("%s, %d Pages, %g", a.name, pages, rate))
				if a.once {
					break
				}
			}
			fmt.Fprintln(out)
		}
	}
}

func (c cell) String() string {
	text := fmt.Sprint(c.requests)
	if c.share > 0 {
		text = fmt.Sprintf("%.0f %%, %s", 100*c.share, text)
	}
	if c.buried > 0 {
		text += fmt.Sprintf(", %d buried", c.buried)
	}
	return text
}

// check holds the line against what is promised. A limit is not: who is told to stay away stays away.
func (c cell) check(t *testing.T, a answer, rate float64, name string) {
	t.Helper()
	least := 0.95
	switch {
	case rate == 1 && !a.once, strings.HasPrefix(a.name, "code 4"), strings.HasPrefix(a.name, "code 32"),
		strings.HasPrefix(a.name, "code 613"):
		least = 0
	case a.timeout:
		least = 0.8
	case rate > 0.2 && !a.once:
		least = 0.9
	}
	assert.GreaterOrEqual(t, c.share, least, name)
	assert.LessOrEqual(t, c.buried, int64(c.requests/1000), name)
}

// TestOutageTable measures what an outage costs, in virtual time. With -table it measures and prints all of it.
func TestOutageTable(t *testing.T) { //nolint:paralleltest // it prints line by line
	kinds, out := []answer{answers[1], answers[5]}, io.Discard
	if *table {
		kinds, out = []answer{answers[1], answers[3], answers[4], answers[5], answers[12]}, os.Stdout
	}
	fmt.Fprintln(out, "| outage | Pages | lasts | requests in 15 s | a minute, later | in all | full rate after |")
	fmt.Fprintln(out, "|---|--:|--:|--:|--:|--:|--:|")
	for _, a := range kinds {
		for _, pages := range []int{1, 10, 1000} {
			for _, d := range []time.Duration{15 * time.Second, time.Hour} {
				if !*table && (pages == 10 || pages == 1000 && d == time.Hour && a.timeout) { // the latter takes its time
					continue
				}
				o := measureOutage(t, a, pages, d)
				name := fmt.Sprintf("%s, %d Pages, %v", a.name, pages, d)
				fmt.Fprintf(out, "| %s | %d | %v | %d | %.1f | %d | %.1f s |\n", a.name, pages, d, o.first15, o.perMinute,
					o.total, o.recovery.Seconds())
				assert.LessOrEqual(t, o.total, 20_000, name)
				if pages == 1 {
					assert.LessOrEqual(t, o.first15, 60, name)
					assert.Less(t, o.perMinute, 2.2, name)
				}
				recovery := 30 * time.Second
				if d == 15*time.Second {
					recovery = 5 * time.Second
				}
				assert.LessOrEqual(t, o.recovery, recovery, name)
			}
		}
	}
}

// TestOutage_StopsAtTheFirstFailures: each worker can have begun one request before anything is known of an outage, and
// one more before the last answer of the time before it has come. After that only single requests go, and then probes.
func TestOutage_StopsAtTheFirstFailures(t *testing.T) {
	t.Parallel()
	for _, workers := range []int{16, 32, 40, 64} {
		for _, spread := range []time.Duration{0, flakyLatency} {
			t.Run(fmt.Sprint(workers, " ", spread), func(t *testing.T) {
				t.Parallel()
				bubble(t, func(t *testing.T) { stopsAtFirst(t, workers, spread) })
			})
		}
	}
}

func stopsAtFirst(t *testing.T, workers int, spread time.Duration) {
	const before, probed = time.Second, 300 * time.Millisecond // the first probe is later than that
	known, between, probes := 0, 0, 0
	f := newFlaky(nil)
	f.fail = func(_ *http.Request, at time.Duration) *answer {
		switch {
		case at < before:
			return nil
		case f.failed == 0:
			known++
		case at < before+flakyLatency+probed:
			between++
		default:
			probes++
		}
		return &answers[1]
	}
	f.latency = func(*http.Request) time.Duration { // on average the same
		return flakyLatency - spread/2 + time.Duration(f.rng.Int64N(int64(spread)+1))
	}
	b := newFlakyBench(t, f, delivery.WithWorkers(workers))
	b.submitMany(1, int(float64(workers)*(before.Seconds()+1)/flakyLatency.Seconds()))
	b.run()
	after(before + 15*time.Second)
	b.stop()
	total := known + between + probes
	t.Logf("%d before the first failure was known, %d then, %d probes: %d", known, between, probes, total)
	require.LessOrEqual(t, known, workers)
	require.LessOrEqual(t, known+between, 2*workers+16, "as many in a row open a lane that went well")
	require.LessOrEqual(t, probes, 18)
}

// TestFlaky_FailuresComeBackBeforeAnswers: what fails at once is heard of before what takes its time. Many failures in a
// row are then ordinary, and say nothing about the requests under way.
func TestFlaky_FailuresComeBackBeforeAnswers(t *testing.T) {
	t.Parallel()
	for _, workers := range []int{16, 64} {
		for _, rate := range []float64{0.2, 0.5} {
			t.Run(fmt.Sprint(workers, " ", rate), func(t *testing.T) {
				t.Parallel()
				bubble(t, func(t *testing.T) { failsBeforeItAnswers(t, workers, rate) })
			})
		}
	}
}

func failsBeforeItAnswers(t *testing.T, workers int, rate float64) {
	const d, slow, quick = 10 * time.Second, 100 * time.Millisecond, 20 * time.Millisecond
	f, fails := newFlaky(nil), false
	f.fail = func(*http.Request, time.Duration) *answer {
		if fails = f.rng.Float64() < rate; fails {
			return &answers[1]
		}
		return nil
	}
	f.latency = func(*http.Request) time.Duration {
		if fails {
			return quick
		}
		return slow/2 + time.Duration(f.rng.Int64N(int64(slow)))
	}
	b := newFlakyBench(t, f, delivery.WithWorkers(workers))
	mean := (1-rate)*slow.Seconds() + rate*quick.Seconds()
	want := float64(workers) * d.Seconds() / mean * (1 - rate)
	b.submitMany(1, int(want*1.2))
	b.run()
	after(d)
	_, taken := f.count()
	b.stop()
	t.Logf("%.1f %% of what was possible", 100*float64(taken)/want)
	require.GreaterOrEqual(t, float64(taken), 0.9*want)
}
