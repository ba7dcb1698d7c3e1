package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/appevents/appevents-go/cmd/appevents/internal/session"
)

// The bounds of what waits for one target, and how it is tried again.
const (
	maxWaiting      = 1000
	maxWaitingBytes = 64 << 20
	targetLanes     = 8 // conversations that are passed on at the same time
	firstPause      = time.Second
	longestPause    = 30 * time.Second
)

// A target is a URL that webhooks are passed on to. Those of one conversation go one after the other; one that is not
// taken is tried again until its time is over.
type target struct {
	p        *program
	fields   []string // nil: all
	url      string
	name     string // without what may be secret
	retryFor time.Duration
	http     *http.Client
	lanes    [targetLanes]chan *forwarded
	seed     maphash.Seed
	ctx      context.Context // ends when there is no time left
	cancel   context.CancelFunc
	work     sync.WaitGroup

	waiting, bytes  atomic.Int64
	passed, dropped atomic.Int64
	failing         atomic.Bool // it was said that the target takes nothing

	mu      sync.RWMutex
	stopped bool
}

// forwarded is a webhook on its way.
type forwarded struct {
	body   []byte
	header http.Header
	until  time.Time
}

// fieldPrefix is what stands before the URL in [FIELD=]URL.
var fieldPrefix = regexp.MustCompile(`^([a-z][a-z_,]*)=`)

func newTarget(p *program, text string, retryFor time.Duration) (*target, error) {
	t := &target{p: p, url: text, retryFor: retryFor, seed: maphash.MakeSeed()}
	if match := fieldPrefix.FindStringSubmatch(text); match != nil {
		t.url = text[len(match[0]):]
		t.fields = strings.Split(match[1], ",")
		known := webhookFields()
		for _, field := range t.fields {
			if !slices.Contains(known, field) {
				return nil, usageError("--forward: unknown webhook field %s%s", word(field), nearest(field, known))
			}
		}
	}
	if _, ok := webURL(t.url); !ok {
		return nil, usageError("--forward takes [FIELD=]URL, with the http or https URL of a webhook")
	}
	t.name = withoutQuery(t.url)
	t.http = &http.Client{
		Timeout: webhookDeadline,
		Transport: p.transport(&http.Transport{
			Proxy: nil, MaxIdleConnsPerHost: targetLanes, IdleConnTimeout: time.Minute,
		}),
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	for n := range t.lanes {
		t.lanes[n] = make(chan *forwarded, maxWaiting)
	}
	t.ctx, t.cancel = context.WithCancel(context.Background())
	return t, nil
}

// webhookFields are the names of the fields that Meta has.
func webhookFields() []string {
	var list []string
	for _, name := range triggerFields() {
		name, _, _ = strings.Cut(strings.TrimPrefix(name, "instagram/"), "/")
		list = append(list, name)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

func (t *target) start() {
	for _, lane := range t.lanes {
		t.work.Go(func() {
			for f := range lane {
				t.pass(f)
				t.waiting.Add(-1)
				t.bytes.Add(-int64(len(f.body)))
			}
		})
	}
}

// stop lets what waits go out until ctx ends; the rest is dropped.
func (t *target) stop(ctx context.Context) {
	t.mu.Lock()
	t.stopped = true
	t.mu.Unlock()
	for _, lane := range t.lanes {
		close(lane)
	}
	end := context.AfterFunc(ctx, t.cancel)
	defer end()
	t.work.Wait()
	t.cancel()
	t.http.CloseIdleConnections()
}

// offer queues a webhook of the target's fields, or drops it when too much waits. It never waits itself.
func (t *target) offer(about session.About, body []byte, header http.Header) {
	if t.fields != nil && !slices.ContainsFunc(about.Fields, func(field string) bool {
		return slices.Contains(t.fields, field)
	}) {
		return
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
	size := int64(len(body))
	waiting, bytesWaiting := t.waiting.Add(1), t.bytes.Add(size)
	if waiting > maxWaiting || bytesWaiting > maxWaitingBytes || t.stopped {
		t.waiting.Add(-1)
		t.bytes.Add(-size)
		t.drop("its queue is full")
		return
	}
	f := &forwarded{body: bytes.Clone(body), header: http.Header{}, until: time.Now().Add(t.retryFor)}
	for _, name := range []string{"Content-Type", "User-Agent", "X-Hub-Signature", "X-Hub-Signature-256"} {
		if values := header.Values(name); values != nil {
			f.header[name] = slices.Clone(values)
		}
	}
	t.lanes[maphash.String(t.seed, about.Page+"/"+about.Person)%targetLanes] <- f
}

// pass delivers a webhook, again and again until it is taken, refused for good, or late.
func (t *target) pass(f *forwarded) {
	for delay := cmp.Or(t.p.retryPause, firstPause); ; delay = min(2*delay, longestPause) {
		err := t.post(f)
		if err == nil {
			t.passed.Add(1)
			if t.failing.Swap(false) {
				t.p.note("%s %s takes webhooks again", t.p.state(t.p.stderr, stateOK), t.name)
			}
			return
		}
		refusal, refused := errors.AsType[*refusedError](err)
		if refused && refusal.final() || time.Now().Add(delay).After(f.until) {
			t.drop(err.Error())
			return
		}
		if t.ctx.Err() == nil && !t.failing.Swap(true) {
			t.p.note("%s %s: %s; webhooks wait and are tried again", t.p.state(t.p.stderr, stateWarn), t.name,
				printable(err.Error()))
		}
		if !pause(t.ctx, delay) {
			t.dropped.Add(1) // the tally says so
			return
		}
	}
}

// drop counts a webhook that is not passed on, and says so: the 1st, the 10th, the 100th and so on.
func (t *target) drop(why string) {
	n := t.dropped.Add(1)
	for n%10 == 0 {
		n /= 10
	}
	if n == 1 {
		t.p.note("%s %s: %s; %s dropped so far", t.p.state(t.p.stderr, stateFail), t.name, printable(why),
			counted(t.dropped.Load(), "webhook"))
	}
}

// A refusedError is an answer other than 200.
type refusedError struct{ status int }

func (e *refusedError) Error() string { return fmt.Sprintf("it answered %d", e.status) }

// final reports whether another attempt is useless.
func (e *refusedError) final() bool {
	switch e.status {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return false
	}
	return e.status < http.StatusInternalServerError
}

func (t *target) post(f *forwarded) error {
	req, err := http.NewRequestWithContext(t.ctx, http.MethodPost, t.url, bytes.NewReader(f.body))
	if err != nil {
		return errors.New("its URL cannot be used")
	}
	req.Header = f.header
	resp, err := t.http.Do(req)
	if err != nil {
		return withoutURL(err)
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<20))
	if resp.StatusCode/100 != 2 {
		return &refusedError{resp.StatusCode}
	}
	return nil
}
