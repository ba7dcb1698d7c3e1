package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go/graphtest"
)

const (
	appID       = "1517776481860111"
	appSecret   = "app-secret-canary-90fe"
	verifyToken = "verify-token-canary-12ab"
	datasetID   = "4411"
	accessToken = "access-token-canary-5c1d"

	inspectToken = "inspect-token-canary-77ab"
)

// credentials are the environment of a bot that sends conversions too.
var credentials = map[string]string{
	"APP_ID": appID, "APP_SECRET": appSecret, "VERIFY_TOKEN": verifyToken,
	"DATASET_ID": datasetID, "ACCESS_TOKEN": accessToken, "INSPECT_TOKEN": inspectToken,
}

func getenv(name string) string { return credentials[name] }

// patience is for what is bound to happen. Nothing is ever concluded from how long something took.
const patience = time.Minute

// meta is the stand-in for Meta.
type meta struct {
	*graphtest.Server

	fault  atomic.Pointer[graphtest.Fault] // what every call meets
	events chan arrival
	failed chan struct{} // a call was not accepted; holds one
}

// arrival is an event that was accepted.
type arrival struct {
	edge, name, id string
	at             int64 // Unix seconds
}

func newMeta(t *testing.T) *meta {
	t.Helper()
	m := &meta{events: make(chan arrival, 10_000), failed: make(chan struct{}, 1)}
	m.Server = graphtest.NewServer(t,
		graphtest.WithStrict(), graphtest.WithAppID(appID), graphtest.WithAppSecret(appSecret),
		graphtest.WithRequireProof(),
		graphtest.WithToken(accessToken, graphtest.Grant{}),
		graphtest.WithFaults(func(graphtest.Call) graphtest.Fault {
			if f := m.fault.Load(); f != nil {
				return *f
			}
			return nil
		}),
		graphtest.WithObserver(func(c graphtest.Call) {
			if !c.Accepted {
				select {
				case m.failed <- struct{}{}:
				default:
				}
				return
			}
			for _, e := range c.Events {
				m.events <- arrival{edge: c.Edge, name: e.Name, id: e.ID, at: e.Time.Unix()}
			}
		}))
	return m
}

// meet makes every call from now on meet a fault, or none.
func (m *meta) meet(f graphtest.Fault) {
	if f == nil {
		m.fault.Store(nil)
		return
	}
	m.fault.Store(&f)
}

// wait returns the next n events that are accepted.
func (m *meta) wait(t *testing.T, n int) []arrival {
	t.Helper()
	list := make([]arrival, n)
	for i := range list {
		list[i] = await(t, m.events, fmt.Sprintf("event %d of %d", i+1, n))
	}
	return list
}

// none fails the test when more events have arrived. Call it when no bot runs.
func (m *meta) none(t *testing.T) {
	t.Helper()
	select {
	case e := <-m.events:
		require.Fail(t, "an event too many", "%+v", e)
	default:
	}
}

// await waits for what a channel tells.
func await[T any](t *testing.T, c <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		require.FailNow(t, "waited in vain", "for %s", what)
		panic("unreachable")
	}
}

// process is a bot that runs.
type process struct {
	url     string
	inspect string // URL of the queue, for operators
	log     *logLines
	stop    func() // as on SIGTERM, and wait
}

// start runs the program in this process.
func start(t *testing.T, m *meta, args ...string) *process {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	log := newLogLines()
	var err error
	done := make(chan struct{})
	go func() {
		defer close(done)
		flags := []string{"-addr", "127.0.0.1:0", "-inspect", "127.0.0.1:0", "-base-url", m.URL}
		err = run(ctx, append(flags, args...), getenv, io.Discard, log)
	}()
	stop := sync.OnceFunc(func() {
		cancel()
		<-done
		if err != nil {
			t.Errorf("the bot ended with: %v", err) // also on other goroutines than the test's
		}
	})
	t.Cleanup(stop)
	select {
	case addr := <-log.addr:
		return &process{url: "http://" + addr, inspect: <-log.inspect, log: log, stop: stop}
	case <-done:
		require.FailNow(t, "the bot did not start", "%v", err)
		return nil
	}
}

// get returns the status and the body of an answer.
func (p *process) get(t *testing.T, path string) (code int, body string) {
	t.Helper()
	resp, err := http.Get(p.url + path)
	require.NoError(t, err)
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(data)
}

func (p *process) deliver(t *testing.T, payloads ...graphtest.Payload) {
	t.Helper()
	for _, payload := range payloads {
		require.Equal(t, 1, graphtest.Deliver(t, p.url+"/webhook", appSecret, payload).Attempts)
	}
}

// file is a new file for a queue.
func file(t *testing.T) string {
	t.Helper()
	return filepath.Join(t.TempDir(), "events.db")
}

// logLines is the log of a bot.
type logLines struct {
	addr     chan string   // where it serves
	inspect  chan string   // where operators see the queue
	stopping chan struct{} // closed when it was told to stop

	mu   sync.Mutex
	rest []byte // a line that is not complete yet
	text bytes.Buffer
}

func newLogLines() *logLines {
	return &logLines{addr: make(chan string, 1), inspect: make(chan string, 1), stopping: make(chan struct{})}
}

func (l *logLines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text.Write(p)
	l.rest = append(l.rest, p...)
	for {
		line, rest, found := bytes.Cut(l.rest, []byte("\n"))
		if !found {
			return len(p), nil
		}
		l.rest = rest
		var record struct{ Msg, Addr, At string }
		if json.Unmarshal(line, &record) != nil {
			continue
		}
		switch record.Msg {
		case "serving":
			l.addr <- record.Addr
		case "inspecting":
			l.inspect <- record.At
		case "stopping":
			close(l.stopping)
		}
	}
}

func (l *logLines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
