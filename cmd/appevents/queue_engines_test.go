package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go"
	"github.com/appevents/appevents-go/delivery"
	"github.com/appevents/appevents-go/delivery/inspect"
	"github.com/appevents/appevents-go/delivery/memqueue"
	"github.com/appevents/appevents-go/graphtest"
	"github.com/appevents/appevents-go/internal/pgtest"
)

// The secrets of queues. They must not be found in anything that is printed.
const (
	inspectToken  = "canary-inspect-token-77ab"
	queuePassword = "canarypassword77"
)

// A testQueue is a queue with calls in it, and how to name it.
type testQueue struct {
	name string
	env  []string
}

// run runs a queue command on it.
func (q testQueue) run(t *testing.T, args ...string) result {
	t.Helper()
	i := invocation{env: append(q.env, "TERM=xterm-256color")}
	got := i.run(t, append(append([]string{"queue"}, args...), q.name)...)
	for _, text := range []string{got.stdout, got.stderr} {
		require.NotContains(t, text, "canary")
		require.NotContains(t, text, "\x1b")
		require.NotContains(t, text, "\r")
	}
	return got
}

// object runs a command that prints one JSON object.
func (q testQueue) object(t *testing.T, code int, args ...string) map[string]any {
	t.Helper()
	got := q.run(t, append(args, "--json")...)
	require.Equal(t, code, got.code, got.stderr)
	list := jsonLines(t, got.stdout)
	require.Len(t, list, 1, got.stdout)
	return list[0]
}

// jsonLines parses what a command prints with --json.
func jsonLines(t *testing.T, text string) (list []map[string]any) {
	t.Helper()
	for line := range strings.Lines(text) {
		var o map[string]any
		require.NoError(t, json.Unmarshal([]byte(line), &o), line)
		require.EqualValues(t, 1, o["schema"], line)
		list = append(list, o)
	}
	return list
}

// counts are the figures of a queue. They fit together.
func (q testQueue) counts(t *testing.T) map[string]int {
	t.Helper()
	counts := make(map[string]int)
	for name, value := range q.object(t, exitDone, "stats")["counts"].(map[string]any) {
		if n, ok := value.(float64); ok {
			counts[name] = int(n)
		}
	}
	require.Equal(t, counts["accepted"], counts["delivered"]+counts["buried"]+counts["pending"]+counts["duplicates"])
	return counts
}

// queueKinds make a queue of each kind and fill it.
var queueKinds = map[string]func(t *testing.T, fill func(delivery.Queue)) testQueue{
	"file": func(t *testing.T, fill func(delivery.Queue)) testQueue {
		name := filepath.Join(t.TempDir(), "queue.db")
		fillNamed(t, name, fill)
		return testQueue{name: name}
	},
	"nats": func(t *testing.T, fill func(delivery.Queue)) testQueue {
		name := natsURL(t) + "/" + ownName(t)
		fillNamed(t, name, fill)
		return testQueue{name: name}
	},
	"postgres": func(t *testing.T, fill func(delivery.Queue)) testQueue {
		name := pgtest.URL(t) + "&appevents_schema=" + ownName(t)
		name = strings.Replace(name, "postgres@", "postgres:"+queuePassword+"@", 1)
		fillNamed(t, name, fill)
		return testQueue{name: name}
	},
	"bot": func(t *testing.T, fill func(delivery.Queue)) testQueue {
		queue := memqueue.New()
		fill(queue)
		d, err := delivery.New(sdkClient(t, ""), queue)
		require.NoError(t, err)
		server := httptest.NewServer(inspect.Handler(d, inspect.WithToken(inspectToken)))
		t.Cleanup(server.Close)
		return testQueue{name: server.URL + "/", env: []string{"INSPECT_TOKEN=" + inspectToken}}
	},
}

var ownNames atomic.Int64

// ownName is a name that no other queue of the test process has: a test can run more than once.
func ownName(t *testing.T) string {
	name := regexp.MustCompile(`\W`).ReplaceAllString(t.Name(), "_")
	return strings.ToLower(name) + "_" + strconv.FormatInt(ownNames.Add(1), 10)
}

func fillNamed(t *testing.T, name string, fill func(delivery.Queue)) {
	p := &program{stdout: new(buffer), stderr: new(buffer), quiet: true}
	e, err := p.openEngine(t.Context(), name, true)
	require.NoError(t, err)
	fill(e.Queue)
	require.NoError(t, e.Close())
}

func sdkClient(t testing.TB, url string) *appevents.Client {
	options := []appevents.Option{appevents.WithAccessToken("none")}
	if url != "" {
		options = append(options, appevents.WithBaseURL(url))
	}
	client, err := appevents.New(sendApp, options...)
	require.NoError(t, err)
	return client
}

// The calls of a filled queue: those up to a number, and one that cannot be read.
const (
	filledRefused   = 12
	filledExpired   = filledRefused + 3
	filledUnknown   = filledExpired + 2
	filledDelivered = filledUnknown + 3
	filledAll       = filledDelivered + 10
)

// filled puts calls into a queue and settles some of them.
func filled(t *testing.T) func(delivery.Queue) {
	return func(q delivery.Queue) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		d, err := delivery.New(sdkClient(t, ""), q)
		require.NoError(t, err)
		for n := range filledAll {
			call, err := appevents.UnmarshalCall([]byte(numbered(t, n)))
			require.NoError(t, err)
			require.NoError(t, d.Submit(ctx, fmt.Sprint("call-", n), call))
		}
		_, err = q.Put(ctx, delivery.Item{
			Key: delivery.KeyOf("odd"), Lane: "activities/901", Body: []byte("{\"kind\":\"novelty\",\"call\":{}}"),
			Submitted: time.Now(), Expires: time.Now().Add(time.Hour),
		})
		require.NoError(t, err)
		require.NoError(t, q.Pause(ctx, delivery.Pause{
			Lane: "activities/905", Until: time.Now().Add(time.Hour), Note: "asked by the owner", Manual: true,
		}))
		require.NoError(t, q.Pause(ctx, delivery.Pause{Lane: "activities/905", Manual: true})) // so that it can be leased
		var leases []*delivery.Lease
		for len(leases) <= filledAll {
			more, err := q.Lease(ctx, filledAll+1, nil)
			require.NoError(t, err)
			leases = append(leases, more...)
		}
		list := make([]delivery.Settlement, 0, len(leases))
		for _, l := range leases {
			s := delivery.Settlement{Lease: l, Verdict: delivery.Bury, Error: "graph error 100: it says so"}
			var n int
			call, err := appevents.UnmarshalCall(l.Body)
			if err == nil {
				n, err = strconv.Atoi(fmt.Sprint(call.(*appevents.Activity).Events[0].Params.Custom["n"]))
				require.NoError(t, err)
			}
			switch {
			case err != nil:
				s.Reason = delivery.ReasonUnreadable
			case n < filledRefused:
				s.Reason = delivery.ReasonRefused
			case n < filledExpired:
				s.Reason = delivery.ReasonExpired
			case n < filledUnknown:
				s.Reason = delivery.ReasonUnknown
			case n < filledDelivered:
				s = delivery.Settlement{Lease: l, Verdict: delivery.Done}
			default:
				s = delivery.Settlement{Lease: l, Verdict: delivery.Release}
			}
			list = append(list, s)
		}
		require.NoError(t, q.Settle(ctx, list...))
		require.NoError(t, q.Pause(ctx, delivery.Pause{
			Lane: "activities/905", Until: time.Now().Add(time.Hour), Note: "asked by the owner", Manual: true,
		}))
	}
}

// sharedNATS is a NATS server of the tests. Its program is built from the module that tests the queue in NATS, so that
// this one needs no such dependency.
var sharedNATS struct {
	sync.Once
	dir, address string
	server       *exec.Cmd
	over         chan struct{}
	err          error
}

var natsListens = regexp.MustCompile(`Listening for client connections on (\S+)`)

func startNATS() (err error) {
	s := &sharedNATS
	if s.dir, err = os.MkdirTemp("", "appevents-nats"); err != nil {
		return err
	}
	path := filepath.Join(s.dir, "nats-server")
	build := exec.Command("go", "build", "-o", path, "github.com/nats-io/nats-server/v2")
	build.Dir = filepath.Join("..", "..", "delivery", "natsqueue")
	build.Env = append(os.Environ(), "GOWORK=off")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	server := exec.Command(path, "-js", "-sd", s.dir, "-a", "127.0.0.1", "-p", "-1", "--user", "appevents", "--pass",
		queuePassword)
	log, err := server.StderrPipe()
	if err != nil {
		return err
	}
	if err := server.Start(); err != nil {
		return err
	}
	ready := make(chan string, 1)
	s.server, s.over = server, make(chan struct{})
	go func() {
		defer close(s.over)
		address := ""
		for lines := bufio.NewScanner(log); lines.Scan(); {
			if found := natsListens.FindStringSubmatch(lines.Text()); found != nil {
				address = found[1]
			}
			if strings.Contains(lines.Text(), "Server is ready") {
				ready <- address
			}
		}
	}()
	select {
	case s.address = <-ready:
		return nil
	case <-s.over:
		return errors.New("it has ended")
	}
}

// stopNATS is for the end of all tests.
func stopNATS() {
	s := &sharedNATS
	if s.server != nil {
		_ = s.server.Process.Kill()
		<-s.over
		_ = s.server.Wait()
	}
	if s.dir != "" {
		_ = os.RemoveAll(s.dir)
	}
}

// natsURL is the URL of the server, which is started when a test first needs it.
func natsURL(t *testing.T) string {
	t.Helper()
	s := &sharedNATS
	s.Do(func() { s.err = startNATS() })
	if s.err != nil {
		t.Skip("NOT RUN: no NATS server can be built and started here: " + s.err.Error())
	}
	return "nats://appevents:" + queuePassword + "@" + s.address
}

// A queue whose own process keeps buried calls for longer than is usual loses none because a command opened it.
func TestQueue_OpeningDropsNothing(t *testing.T) {
	t.Parallel()
	q := queueKinds["postgres"](t, filled(t))
	db, err := pgx.Connect(t.Context(), pgtest.URL(t))
	require.NoError(t, err)
	defer db.Close(context.WithoutCancel(t.Context()))
	_, schema, _ := strings.Cut(q.name, "appevents_schema=")
	_, err = db.Exec(t.Context(), "UPDATE "+schema+".buried SET buried_at = buried_at - interval '60 days'")
	require.NoError(t, err)
	graph := graphtest.NewServer(t)
	require.Equal(t, exitNotSent, q.drain(t, graph.URL).code, "a lane is paused") // for long enough to be swept
	counts := q.counts(t)
	require.Equal(t, filledUnknown+1, counts["kept"])
	require.Zero(t, counts["dropped"])
}
