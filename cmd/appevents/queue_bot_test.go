package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go"
	"github.com/appevents/appevents-go/delivery"
	"github.com/appevents/appevents-go/delivery/boltqueue"
	"github.com/appevents/appevents-go/delivery/inspect"
	"github.com/appevents/appevents-go/graphtest"
)

// A bot that delivers from a file is looked at and mended meanwhile, and the figures always add up.
func TestQueue_OfABotThatDelivers(t *testing.T) {
	t.Parallel()
	const calls = 300
	seen := newArrivals()
	var mu sync.Mutex
	refusing := true
	graph := graphtest.NewServer(t, graphtest.WithObserver(seen.observe),
		graphtest.WithFaults(func(call graphtest.Call) graphtest.Fault {
			mu.Lock()
			defer mu.Unlock()
			if refusing && call.PageID == "902" {
				return graphtest.Error(100, 0)
			}
			return nil
		}))
	file := filepath.Join(t.TempDir(), "queue.db")
	queue, err := boltqueue.Open(file)
	require.NoError(t, err)
	defer queue.Close()
	settled := make(chan delivery.Settled, 4*calls)
	d, err := delivery.New(sdkClient(t, graph.URL), queue, delivery.WithWorkers(4),
		delivery.WithObserver(func(_ context.Context, s delivery.Settled) { settled <- s }))
	require.NoError(t, err)
	running, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(running) }()
	defer func() {
		stop()
		require.NoError(t, <-ended)
	}()
	mux := http.NewServeMux()
	mux.Handle("/-/queue/", http.StripPrefix("/-/queue", inspect.Handler(d, inspect.WithToken(inspectToken))))
	server := httptest.NewServer(mux)
	defer server.Close()
	bot := testQueue{name: server.URL + "/-/queue", env: []string{"APPEVENTS_INSPECT_TOKEN=" + inspectToken}}

	var submits sync.WaitGroup
	submits.Go(func() {
		for n := range calls {
			call, err := appevents.UnmarshalCall([]byte(numbered(t, n)))
			if err == nil {
				err = d.Submit(running, fmt.Sprint("call-", n), call)
			}
			if err != nil {
				t.Error(err)
				return
			}
		}
	})
	for range 5 {
		bot.counts(t) // while it delivers
	}
	submits.Wait()
	for range calls {
		require.NotEqual(t, delivery.Retry, (<-settled).Verdict)
	}
	before := bot.counts(t)
	require.Equal(t, calls, before["accepted"])
	require.Equal(t, calls/5, before["kept"])
	require.Equal(t, 0, before["pending"])
	require.Equal(t, true, bot.object(t, exitDone, "stats")["counts"].(map[string]any)["running"])
	stats := d.Stats()
	require.EqualValues(t, stats.Delivered, before["delivered"])

	// The file is the bot's, and says where to ask.
	got := testQueue{name: file}.run(t, "stats")
	require.Equal(t, exitNotSent, got.code)
	require.Contains(t, got.stderr, "/-/queue")

	mu.Lock()
	refusing = false
	mu.Unlock()
	got = bot.run(t, "resubmit", "--reason", "refused", "--all", "--yes")
	require.Zero(t, got.code, got.stderr)
	require.Equal(t, "60 calls resubmitted\n", got.stdout)
	for range calls / 5 {
		require.Equal(t, delivery.Done, (<-settled).Verdict)
	}
	after := bot.counts(t)
	require.Equal(t, 0, after["kept"])
	require.Equal(t, calls, after["delivered"])
	require.Equal(t, calls+calls/5, after["accepted"])
	require.Equal(t, before["buried"], after["buried"])
	require.Len(t, seen.taken, calls)
	require.Empty(t, seen.twice())
	stats = d.Stats()
	require.Equal(t, stats.Accepted, stats.Delivered+stats.Buried+stats.Pending+stats.Duplicates)
}

func TestQueue_TokenOfABot(t *testing.T) {
	t.Parallel()
	q := queueKinds["bot"](t, filled(t))
	file := filepath.Join(t.TempDir(), "token")
	require.NoError(t, os.WriteFile(file, []byte(inspectToken+"\n"), 0o600))
	wrong := filepath.Join(t.TempDir(), "wrong")
	require.NoError(t, os.WriteFile(wrong, []byte("canary-of-another-bot"), 0o600))
	for _, tt := range []struct {
		env  []string
		args []string
		code int
	}{
		{nil, nil, exitCredentials},
		{[]string{"INSPECT_TOKEN=canary-of-another-bot"}, nil, exitCredentials},
		{nil, []string{"--inspect-token-file", wrong}, exitCredentials},
		{nil, []string{"--inspect-token-file", wrong + "-missing"}, exitCredentials},
		{[]string{"INSPECT_TOKEN=" + inspectToken}, nil, exitDone},
		{[]string{"INSPECT_TOKEN=canary-of-another-bot", "APPEVENTS_INSPECT_TOKEN=" + inspectToken}, nil, exitDone},
		{[]string{"INSPECT_TOKEN_FILE=" + file}, nil, exitDone},
		{nil, []string{"--inspect-token-file", file}, exitDone},
	} {
		bot := testQueue{name: q.name, env: tt.env}
		for _, command := range [][]string{
			{"resubmit", "--all", "--reason", "panicked"}, {"discard", "--all", "--reason", "panicked", "--yes"},
			{"pause", "activities/7"}, {"resume", "activities/7"}, {"export", "--reason", "panicked"},
		} {
			got := bot.run(t, append(command, append(tt.args, "--debug")...)...)
			require.Equal(t, tt.code, got.code, "%v %v: %s", tt, command, got.stderr)
			if tt.code != exitDone {
				require.Empty(t, got.stdout)
				require.Contains(t, got.stderr, "token")
			}
		}
		for _, command := range []string{"stats", "buried"} { // anybody may
			require.Zero(t, bot.run(t, append([]string{command}, tt.args...)...).code)
		}
	}

	// Without the token all but the call itself is shown.
	id := q.ids(t)[0]
	got := testQueue{name: q.name}.run(t, "show", id, "--json")
	require.Equal(t, exitCredentials, got.code)
	require.NotContains(t, jsonLines(t, got.stdout)[0], "call")
	require.Contains(t, got.stderr, "INSPECT_TOKEN")
}

// A bad day of a bot, or something else at its address.
func TestQueue_InjectedErrorsOfABot(t *testing.T) {
	t.Parallel()
	answer := func(status int, kind, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", kind)
			w.WriteHeader(status)
			fmt.Fprint(w, body)
		}
	}
	const asJSON = "application/json"
	const line = `{"id":"1","lane":"activities/901","reason":"refused","attempts":1,"kind":"activity",` +
		`"call":{"kind":"activity","call":{}}}` + "\n"
	leaked := make(chan string, 10)
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		leaked <- r.Header.Get("Authorization")
	}))
	t.Cleanup(func() { require.Empty(t, leaked) })
	t.Cleanup(elsewhere.Close)
	for name, test := range map[string]struct {
		handler      http.HandlerFunc
		read, change int
		said         string
	}{
		"401": {
			answer(401, asJSON, `{"error":{"message":"no"}}`), exitCredentials, exitCredentials, "did not accept the token",
		},
		"403": {answer(403, asJSON, `{"error":{"message":"read only"}}`), exitCredentials, exitCredentials, "read only"},
		"404": {answer(404, "text/plain", "404 page not found"), exitNotSent, exitNotSent, "no queue of a bot"},
		"429": {answer(429, "text/plain", "slow down"), exitThrottled, exitThrottled, "429"},
		"500": {answer(500, "text/html", "<h1>canary-page</h1>"), exitNotSent, exitUnknown, "500 Internal Server Error"},
		"502": {answer(502, "text/html", ""), exitNotSent, exitUnknown, "502 Bad Gateway"},
		"503": {
			answer(503, asJSON, `{"error":{"message":"the queue does not answer"}}`), exitNotSent, exitNotSent,
			"the queue does not answer",
		},
		"a page":  {answer(200, "text/html", "<h1>hello</h1>"), exitNotSent, exitUnknown, "no queue of a bot"},
		"no JSON": {answer(200, asJSON, "canary"), exitNotSent, exitUnknown, ""},
		"escapes": {
			answer(503, asJSON, `{"error":{"message":"\u001b[31mred\r\u202e"}}`), exitNotSent, exitNotSent, "[31mred",
		},
		"cut off": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", asJSON)
			w.Header().Set("Content-Length", "1000")
			fmt.Fprint(w, line)
		}, exitNotSent, exitUnknown, ""},
		"hung up": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, exitNotSent, exitUnknown, ""},
		"elsewhere": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
		}, exitNotSent, exitNotSent, "no queue of a bot"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			// Whatever the change asks first is answered well.
			well := func(w http.ResponseWriter, r *http.Request) bool {
				switch {
				case r.Method == http.MethodPost:
					return false
				case strings.HasSuffix(r.URL.Path, "/summary"):
					answer(200, asJSON, `{"reasons":[{"name":"refused","count":1}]}`)(w, r)
				default:
					answer(200, asJSON, strings.TrimSuffix(line, "\n"))(w, r)
				}
				return true
			}
			broken := httptest.NewServer(test.handler)
			defer broken.Close()
			brokenChange := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if !well(w, r) {
					test.handler(w, r)
				}
			}))
			defer brokenChange.Close()
			env := []string{"INSPECT_TOKEN=" + inspectToken}
			check := func(q testQueue, code int, args ...string) {
				got := q.run(t, append(args, "--json")...)
				require.Equal(t, code, got.code, "%s: %s", args, got.stderr)
				require.Contains(t, got.stderr, test.said, args)
				if args[0] != "export" && args[0] != "buried" {
					require.Empty(t, got.stdout, args)
				}
				jsonLines(t, got.stdout)
				var e struct{ Error errorJSON }
				lines := strings.Split(strings.TrimSpace(got.stderr), "\n")
				require.NoError(t, json.Unmarshal([]byte(lines[len(lines)-1]), &e), got.stderr)
				require.Equal(t, code, e.Error.Exit)
			}
			for _, args := range [][]string{{"stats"}, {"buried"}, {"show", "1"}, {"export"}} {
				check(testQueue{name: broken.URL, env: env}, test.read, args...)
			}
			for _, args := range [][]string{
				{"resubmit", "--all", "--yes"}, {"resubmit", "1"}, {"discard", "1", "--yes"}, {"pause", "activities/901"},
			} {
				check(testQueue{name: brokenChange.URL, env: env}, test.change, args...)
			}
		})
	}
}

// An export that breaks off gives what came before, and says that it is not whole.
func TestQueue_BrokenExports(t *testing.T) {
	t.Parallel()
	line := func(n int) string {
		return fmt.Sprintf(`{"id":"%d","lane":"activities/901","reason":"refused","attempts":1,"kind":"activity",`+
			`"call":%s}`+"\n", n, numbered(t, n))
	}
	for name, tail := range map[string]string{
		"half a line":    line(3)[:100],
		"no JSON":        "canary\n",
		"an error":       `{"error":{"message":"the queue does not answer: the list is not complete"}}` + "\n",
		"something else": "{}\n",
		"too long":       `{"id":"` + strings.Repeat("9", maxBotLine) + `"}` + "\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/x-ndjson")
				fmt.Fprint(w, line(1), line(2), tail)
			}))
			defer server.Close()
			got := testQueue{name: server.URL, env: []string{"INSPECT_TOKEN=" + inspectToken}}.run(t, "export")
			require.Equal(t, exitNotSent, got.code, got.stderr)
			require.Contains(t, got.stderr, "it is not complete")
			require.Len(t, jsonLines(t, got.stdout), 2)
		})
	}
}

// A change that ended half way says how many calls it did.
func TestQueue_ChangeOfABotThatEndsHalfWay(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if r.Method == http.MethodPost {
			w.WriteHeader(http.StatusServiceUnavailable)
			fmt.Fprint(w, `{"error":{"message":"the queue does not answer: the others stay","done":7}}`)
			return
		}
		fmt.Fprint(w, `{"reasons":[{"name":"refused","count":9}]}`)
	}))
	defer server.Close()
	q := testQueue{name: server.URL, env: []string{"INSPECT_TOKEN=" + inspectToken}}
	o := q.object(t, exitNotSent, "resubmit", "--all")
	require.EqualValues(t, 7, o["resubmitted"])
	require.Contains(t, q.run(t, "resubmit", "--all").stderr, "ended half way")
}

func TestQueue_FiguresOfABotWhoseQueueIsAway(t *testing.T) {
	t.Parallel()
	asOf := ""
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if strings.HasSuffix(r.URL.Path, "/lanes") {
			fmt.Fprint(w, `{"lanes":[]}`)
			return
		}
		fmt.Fprint(w, `{"running":true,"kept":0`+asOf+`}`)
	}))
	defer server.Close()
	got := testQueue{name: server.URL}.run(t, "stats")
	require.Equal(t, exitNotSent, got.code)
	require.Contains(t, got.stderr, "its queue does not answer it")
	asOf = `,"as_of":"2026-01-02T03:04:05Z"`
	got = testQueue{name: server.URL}.run(t, "stats")
	require.Zero(t, got.code)
	require.Contains(t, got.stderr, "these figures are of 2026-01-02T03:04:05Z")
}

// Thousands at a time, through every page.
func TestQueue_Thousands(t *testing.T) {
	t.Parallel()
	const calls = 2*buriedPage + 345
	fill := func(q delivery.Queue) {
		now := time.Now()
		body := []byte(numbered(t, 1))
		var puts sync.WaitGroup
		for worker := range 64 {
			puts.Go(func() {
				for n := worker; n < calls; n += 64 {
					_, err := q.Put(t.Context(), delivery.Item{
						Key: delivery.KeyOf(fmt.Sprint(n)), Lane: fmt.Sprint("activities/", 901+n%3), Body: body,
						Submitted: now, Expires: now.Add(time.Hour),
					})
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
		puts.Wait()
		for left := calls; left > 0; {
			leases, err := q.Lease(t.Context(), 1000, nil)
			require.NoError(t, err)
			list := make([]delivery.Settlement, 0, len(leases))
			for _, l := range leases {
				list = append(list, delivery.Settlement{
					Lease: l, Verdict: delivery.Bury, Reason: delivery.ReasonRefused, Error: "no",
				})
			}
			require.NoError(t, q.Settle(t.Context(), list...))
			left -= len(leases)
		}
	}
	for _, kind := range []string{"file", "bot"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			q := queueKinds[kind](t, fill)
			got := q.run(t, "buried")
			require.Equal(t, calls+1, bytes.Count([]byte(got.stdout), []byte("\n")))
			require.Equal(t, 1, strings.Count(got.stdout, "buried_at"))
			ids := q.ids(t)
			require.Len(t, ids, calls)
			got = q.run(t, "export", "--lane", "activities/902")
			require.Len(t, jsonLines(t, got.stdout), (calls+1)/3)

			o := q.object(t, exitDone, append([]string{"resubmit"}, ids[:buriedPage+5]...)...)
			require.EqualValues(t, buriedPage+5, o["resubmitted"])
			o = q.object(t, exitDone, "discard", "--all", "--yes", "--reason", "refused")
			require.EqualValues(t, calls-buriedPage-5, o["discarded"])
			counts := q.counts(t)
			require.Equal(t, buriedPage+5, counts["pending"])
			require.Equal(t, 0, counts["kept"])
		})
	}
}

func TestQueue_ManyLanesForAPerson(t *testing.T) {
	t.Parallel()
	lanes := make([]queueLane, 100)
	for i := range lanes {
		lanes[i] = queueLane{Lane: fmt.Sprint("activities/", i), State: delivery.LaneOpen, Pending: int64(i)}
	}
	lanes[3].State = delivery.LaneToken
	shown := worthSeeing(lanes)
	require.Len(t, shown, maxLanes)
	require.Equal(t, "activities/3", shown[0].Lane)
	require.Equal(t, "activities/99", shown[1].Lane)
	require.Equal(t, "activities/0", lanes[0].Lane, "the list itself is left alone")
	require.Len(t, worthSeeing(lanes[:maxLanes]), maxLanes)
}
