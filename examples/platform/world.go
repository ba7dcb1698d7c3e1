package main

import (
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/appevents/appevents-go"
	"github.com/appevents/appevents-go/graphtest"
)

// The app of the demonstration. The secrets guard nothing: they only ever reach the stand-in.
const (
	demoAppID       = "1517776481860111"
	demoAppSecret   = "demo-app-secret"
	demoVerifyToken = "demo-verify-token"
	payloadBuy      = "BUY"
)

// The Pages with which something is wrong, by number.
const (
	pageExpired   = 0 // its token has expired
	pageForbidden = 1 // its token lacks a permission
	pageThrottled = 2 // it has used up its share
	firstFine     = 3
)

// world is everything outside of the platform: Meta, and people who buy from Pages.
type world struct {
	pages, events int
	fault         func(graphtest.Call) graphtest.Fault // what else calls meet, to see whether it is noticed
}

func pageID(n int) appevents.ID    { return appevents.ID(strconv.Itoa(107_000_000_000_000 + n)) }
func datasetID(n int) appevents.ID { return appevents.ID(strconv.Itoa(880_000_000_000 + n)) }
func pageToken(n int) string       { return fmt.Sprintf("demo-page-token-%d", n) }
func newPageToken(n int) string    { return fmt.Sprintf("demo-new-page-token-%d", n) }

// graph starts the stand-in. It knows every Page's dataset and token, and takes no event with another Page's. It keeps
// no calls: what arrives goes to the ledger.
func (w *world) graph(l *ledger) (*graphtest.Server, error) {
	opts := []graphtest.Option{
		graphtest.WithAppID(demoAppID), graphtest.WithAppSecret(demoAppSecret), graphtest.WithRequireProof(),
		graphtest.WithMaxCalls(0), graphtest.WithObserver(l.observe),
		graphtest.WithFaults(func(c graphtest.Call) graphtest.Fault {
			if c.ObjectID == string(datasetID(pageThrottled)) {
				return graphtest.Throttle // for five minutes
			}
			if w.fault != nil {
				return w.fault(c)
			}
			return nil
		}),
	}
	for n := range w.pages {
		grant := graphtest.Grant{
			Type: graphtest.TokenPage, Pages: []string{string(pageID(n))}, Permissions: []string{"page_events"},
		}
		opts = append(opts,
			graphtest.WithDataset(string(datasetID(n)), string(pageID(n))),
			graphtest.WithToken(newPageToken(n), grant))
		switch n {
		case pageExpired:
			grant.Expired = true
		case pageForbidden:
			grant.Permissions = []string{"pages_messaging"}
		}
		opts = append(opts, graphtest.WithToken(pageToken(n), grant))
	}
	return graphtest.Start(opts...)
}

// perWebhook is how many events travel in one webhook.
const perWebhook = 50

// webhooks are the payloads Meta sends, every tenth of them twice. It returns how many events come for the second time.
func (w *world) webhooks() (list []graphtest.Payload, repeated int) {
	var batch []graphtest.Payload
	flush := func() {
		list = append(list, graphtest.Batch(batch...))
		if len(list)%11 == 10 {
			list, repeated = append(list, list[len(list)-1]), repeated+len(batch)
		}
		batch = nil
	}
	for person := range w.events {
		for n := range w.pages {
			batch = append(batch, graphtest.Postback(payloadBuy,
				graphtest.To(string(pageID(n))), graphtest.From(strconv.Itoa(6_543_210_000_000_001+person))))
			if len(batch) == perWebhook {
				flush()
			}
		}
	}
	if len(batch) > 0 {
		flush()
	}
	return list, repeated
}

// ledger is what arrived at Meta: how often each event was accepted, by dataset.
type ledger struct {
	requests atomic.Int64

	mu       sync.Mutex
	accepted map[string]map[string]int
	problems []string // with calls, the first few
}

func newLedger() *ledger { return &ledger{accepted: make(map[string]map[string]int)} }

func (l *ledger) observe(c graphtest.Call) {
	l.requests.Add(1)
	l.mu.Lock()
	defer l.mu.Unlock()
	if !c.Accepted {
		return
	}
	for _, problem := range c.Problems {
		if len(l.problems) < 10 {
			l.problems = append(l.problems, c.Path+": "+problem.String())
		}
	}
	events := l.accepted[c.ObjectID]
	if events == nil {
		events = make(map[string]int)
		l.accepted[c.ObjectID] = events
	}
	for _, e := range c.Events {
		events[e.ID]++
	}
}

// once returns how many events of a dataset arrived, and whether each did once.
func (l *ledger) once(dataset appevents.ID) (events int, once bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	once = true
	for _, times := range l.accepted[string(dataset)] {
		once = once && times == 1
	}
	return len(l.accepted[string(dataset)]), once
}
