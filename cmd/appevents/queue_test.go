package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go"
	"github.com/appevents/appevents-go/delivery"
	"github.com/appevents/appevents-go/delivery/memqueue"
	"github.com/appevents/appevents-go/graphtest"
)

// onEach runs a check on a filled queue of each kind.
func onEach(t *testing.T, check func(t *testing.T, q testQueue)) {
	t.Helper()
	for kind, make := range queueKinds {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			check(t, make(t, filled(t)))
		})
	}
}

func TestQueue_StatsAddUp(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, q testQueue) {
		o := q.object(t, exitDone, "stats")
		counts := q.counts(t)
		for name, want := range map[string]int{
			"accepted": filledAll + 1, "delivered": filledDelivered - filledUnknown, "buried": filledUnknown + 1,
			"pending": filledAll - filledDelivered, "kept": filledUnknown + 1, "duplicates": 0, "dropped": 0, "paused_lanes": 1,
		} {
			require.Equal(t, want, counts[name], name)
		}
		require.NotEmpty(t, o["counts"].(map[string]any)["oldest"])
		reasons := make(map[string]any)
		for _, r := range o["reasons"].([]any) {
			reasons[r.(map[string]any)["reason"].(string)] = r.(map[string]any)["count"]
		}
		require.Equal(t, map[string]any{"refused": 12.0, "expired": 3.0, "outcome unknown": 2.0, "unreadable": 1.0}, reasons)
		pending := 0
		for _, l := range o["lanes"].([]any) {
			lane := l.(map[string]any)
			pending += int(lane["pending"].(float64))
			if lane["lane"] == "activities/905" {
				require.Equal(t, "paused", lane["state"])
				require.Equal(t, "asked by the owner", lane["why"])
				require.NotEmpty(t, lane["until"])
			}
		}
		require.Equal(t, counts["pending"], pending)

		got := q.run(t, "stats")
		require.Zero(t, got.code, got.stderr)
		if q.env != nil {
			require.Equal(t, "warn the dispatcher of the bot does not run: nothing is delivered\n", got.stderr)
		} else {
			require.Empty(t, got.stderr)
		}
		lines := strings.Split(strings.TrimSuffix(got.stdout, "\n"), "\n")
		require.Equal(t, "what\tname\tcount\toldest\tstate\tuntil\twhy", lines[0])
		for _, line := range lines {
			require.Equal(t, 6, strings.Count(line, "\t"), line)
		}
		require.Contains(t, got.stdout, "buried\trefused\t12\t")
		require.Contains(t, got.stdout, "calls\tdelivered\t3\t")
	})
}

func TestQueue_BuriedAreListedByChoice(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, q testQueue) {
		for _, tt := range []struct {
			args []string
			want int
		}{
			{nil, filledUnknown + 1},
			{[]string{"--reason", "refused"}, 12},
			{[]string{"--reason", "unknown"}, 2},
			{[]string{"--reason", "outcome unknown"}, 2},
			{[]string{"--reason", "panicked"}, 0},
			{[]string{"--lane", "activities"}, filledUnknown + 1},
			{[]string{"--lane", "activities/902"}, 4},
			{[]string{"--lane", "activities/90"}, 0},
			{[]string{"--lane", "activities/902", "--reason", "refused"}, 3},
			{[]string{"--limit", "5"}, 5},
		} {
			got := q.run(t, append([]string{"buried", "--json"}, tt.args...)...)
			require.Zero(t, got.code, got.stderr)
			list := jsonLines(t, got.stdout)
			require.Len(t, list, tt.want, tt.args)
			for _, o := range list {
				require.NotContains(t, o, "call")
				require.NotContains(t, o, "body")
				for _, name := range []string{"id", "lane", "reason", "buried_at", "submitted", "kind", "last_error"} {
					require.NotEmpty(t, o[name], name)
				}
			}
			require.NotContains(t, got.stdout, "329000", "a person")
		}
		got := q.run(t, "buried")
		require.Zero(t, got.code)
		require.Empty(t, got.stderr)
		require.Equal(t, filledUnknown+2, strings.Count(got.stdout, "\n"))
		require.True(t, strings.HasPrefix(got.stdout, strings.Join(entryHeader, "\t")+"\n"))
		require.Contains(t, got.stdout, "\torder_placed\t")
		require.NotContains(t, got.stdout, "329000", "a person")
		got = q.run(t, "buried", "--reason", "panicked")
		require.Equal(t, strings.Join(entryHeader, "\t")+"\n", got.stdout)
	})
}

// ids are the IDs of buried calls.
func (q testQueue) ids(t *testing.T, args ...string) (list []string) {
	t.Helper()
	got := q.run(t, append([]string{"buried", "--json"}, args...)...)
	require.Zero(t, got.code, got.stderr)
	for _, o := range jsonLines(t, got.stdout) {
		list = append(list, o["id"].(string))
	}
	return list
}

func TestQueue_ShowIsWhole(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, q testQueue) {
		id := q.ids(t, "--reason", "refused")[3]
		o := q.object(t, exitDone, "show", id)
		require.Equal(t, id, o["id"])
		require.Equal(t, "activity", o["kind"])
		events := o["call"].(map[string]any)
		text, err := json.Marshal(events)
		require.NoError(t, err)
		require.Contains(t, string(text), `"32900`)
		got := q.run(t, "show", id)
		require.Zero(t, got.code, got.stderr)
		require.Contains(t, got.stdout, "\ncall\t{")
		require.Contains(t, got.stderr, "hashes")

		odd := q.ids(t, "--reason", "unreadable")[0]
		o = q.object(t, exitDone, "show", odd)
		require.Equal(t, "unreadable", o["kind"])
		require.NotContains(t, o, "call")

		got = q.run(t, "show", "999999", "--json")
		require.Equal(t, exitNo, got.code)
		require.Empty(t, got.stdout)
		require.Contains(t, got.stderr, "there is no buried call 999999")
	})
}

func TestQueue_ExportIsSentAgain(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, q testQueue) {
		got := q.run(t, "export", "--reason", "refused")
		require.Zero(t, got.code, got.stderr)
		require.Contains(t, got.stderr, "12 calls written")
		require.Len(t, jsonLines(t, got.stdout), filledRefused)
		seen := newArrivals()
		graph := graphtest.NewServer(t, graphtest.WithObserver(seen.observe))
		sent := send(t, graph.URL, got.stdout, "--file", "-", "--json")
		require.Zero(t, sent.code, sent.stderr)
		want := make(map[int]int)
		for n := range filledRefused {
			want[n] = 1
		}
		require.Equal(t, want, seen.taken)

		got = q.run(t, "export")
		require.Len(t, jsonLines(t, got.stdout), filledUnknown+1)
		require.Contains(t, got.stderr, "of which 1 cannot be read")
		require.Equal(t, filledUnknown+1, q.counts(t)["kept"], "they stay")
	})
}

func TestQueue_ChangesByID(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, q testQueue) {
		ids := q.ids(t)
		odd := q.ids(t, "--reason", "unreadable")[0]
		before := q.counts(t)
		i := slices.Index(ids, odd)
		ids = slices.Delete(ids, i, i+1)

		// One is there, one is named twice, one is not there, and one cannot be read.
		o := q.object(t, exitNo, "resubmit", ids[0], ids[1], ids[1], "999999", odd)
		require.EqualValues(t, 2, o["resubmitted"])
		require.Equal(t, []any{"999999"}, o["missing_ids"])
		require.Equal(t, []any{odd}, o["stayed_ids"])
		after := q.counts(t)
		require.Equal(t, before["kept"]-2, after["kept"])
		require.Equal(t, before["pending"]+2, after["pending"])
		require.Equal(t, before["accepted"]+2, after["accepted"])

		got := q.run(t, "resubmit", ids[0])
		require.Equal(t, exitNo, got.code)
		require.Equal(t, "0 calls resubmitted\n", got.stdout)
		require.Contains(t, got.stderr, ids[0]+": there is no such buried call")

		// What is lost needs a word.
		got = q.run(t, "discard", ids[2])
		require.Equal(t, exitUsage, got.code)
		require.Empty(t, got.stdout)
		require.Contains(t, got.stderr, "--yes")
		require.Equal(t, after["kept"], q.counts(t)["kept"])

		o = q.object(t, exitDone, "discard", "--yes", ids[2], odd)
		require.EqualValues(t, 2, o["discarded"])
		o = q.object(t, exitNo, "discard", "--yes", ids[2])
		require.EqualValues(t, 0, o["discarded"])
		require.EqualValues(t, 1, o["missing"])
		last := q.counts(t)
		require.Equal(t, after["kept"]-2, last["kept"])
		require.Equal(t, after["accepted"], last["accepted"])
		require.Equal(t, 0, last["dropped"])
	})
}

func TestQueue_ChangesByChoice(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, q testQueue) {
		before := q.counts(t)
		got := q.run(t, "resubmit", "--all") // two of them have an unknown outcome
		require.Equal(t, exitUsage, got.code)
		require.Contains(t, got.stderr, "--yes")
		require.Equal(t, before["kept"], q.counts(t)["kept"])

		o := q.object(t, exitDone, "resubmit", "--all", "--reason", "refused", "--lane", "activities/902")
		require.EqualValues(t, 3, o["resubmitted"])
		got = q.run(t, "resubmit", "--all", "--reason", "refused", "--yes")
		require.Zero(t, got.code, got.stderr)
		require.Equal(t, "9 calls resubmitted\n", got.stdout)
		after := q.counts(t)
		require.Equal(t, before["pending"]+12, after["pending"])

		got = q.run(t, "discard", "--all", "--reason", "expired")
		require.Equal(t, exitUsage, got.code)
		require.Contains(t, got.stderr, "remove 3 buried calls (expired) from the queue")
		o = q.object(t, exitDone, "discard", "--all", "--reason", "expired", "-y")
		require.EqualValues(t, 3, o["discarded"])

		o = q.object(t, exitNo, "resubmit", "--all", "--yes") // one cannot be read
		require.EqualValues(t, 2, o["resubmitted"])
		require.EqualValues(t, 1, o["stayed"])
		o = q.object(t, exitDone, "discard", "--all", "--yes")
		require.EqualValues(t, 1, o["discarded"])
		require.Equal(t, "0 calls discarded\n", q.run(t, "discard", "--all").stdout, "nothing to lose")
		last := q.counts(t)
		require.Equal(t, 0, last["kept"])
		require.Equal(t, before["accepted"]+14, last["accepted"])
	})
}

// A reburying is a queue whose bot buries again at once what is put back, for a while.
type reburying struct {
	delivery.Queue
	t     *testing.T
	again int // how many calls it still buries again
}

// bury leases calls and buries them.
func (r *reburying) bury(ctx context.Context, n int) {
	for n > 0 {
		leases, err := r.Lease(ctx, n, nil)
		require.NoError(r.t, err)
		list := make([]delivery.Settlement, len(leases))
		for i, l := range leases {
			list[i] = delivery.Settlement{Lease: l, Verdict: delivery.Bury, Reason: delivery.ReasonRefused}
		}
		require.NoError(r.t, r.Settle(ctx, list...))
		n -= len(leases)
	}
}

func (r *reburying) Unbury(ctx context.Context, list ...delivery.Unburial) (int, error) {
	n, err := r.Queue.Unbury(ctx, list...)
	r.bury(ctx, min(n, r.again))
	r.again -= min(n, r.again)
	return n, err
}

// All calls are put back once, though a bot that runs buries them again meanwhile.
func TestQueue_ResubmitsAllOnce(t *testing.T) {
	t.Parallel()
	const calls = buriedPage + 100
	q := &reburying{Queue: memqueue.New(), t: t, again: 3 * calls}
	d, err := delivery.New(sdkClient(t, ""), q)
	require.NoError(t, err)
	for n := range calls {
		call, err := appevents.UnmarshalCall([]byte(numbered(t, n)))
		require.NoError(t, err)
		require.NoError(t, d.Submit(t.Context(), fmt.Sprint("call-", n), call))
	}
	q.bury(t.Context(), calls)
	stored := &storedQueue{engine: &engine{Queue: q, kind: engineFile, name: "queue"}, dispatcher: d}
	got, err := stored.change(t.Context(), verbResubmit, nil, choice{})
	require.NoError(t, err)
	require.Equal(t, changed{done: calls}, got)
}

func TestQueue_PausesLanes(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, q testQueue) {
		state := func(name string) (string, string) {
			for _, l := range q.object(t, exitDone, "stats")["lanes"].([]any) {
				if lane := l.(map[string]any); lane["lane"] == name {
					return lane["state"].(string), fmt.Sprint(lane["why"])
				}
			}
			return "", ""
		}
		got := q.run(t, "pause", "activities/901", "activities/902", "--note", "stock-taking", "--for", "2h")
		require.Zero(t, got.code, got.stderr)
		require.Equal(t, 2, strings.Count(got.stdout, "paused until 20"))
		now, why := state("activities/902")
		require.Equal(t, "paused", now)
		require.Equal(t, "stock-taking", why)
		for _, lane := range []string{"activities/901", "activities/902", "activities/905"} {
			require.Equal(t, false, q.object(t, exitDone, "resume", lane)["paused"])
			now, _ = state(lane)
			require.Equal(t, "open", now)
		}
		o := q.object(t, exitDone, "pause", "activities/901")
		if strings.HasPrefix(q.name, "nats:") { // keeps pauses for some days
			require.NotEmpty(t, o["until"])
			return
		}
		require.NotContains(t, o, "until")
		require.Contains(t, q.run(t, "stats").stdout, "\tpaused\tresumed\t")
	})
}

func TestQueue_WrongUsage(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "queue.db")
	fillNamed(t, file, filled(t))
	empty, other := filepath.Join(t.TempDir(), "empty"), filepath.Join(t.TempDir(), "other")
	require.NoError(t, os.WriteFile(empty, nil, 0o600))
	require.NoError(t, os.WriteFile(other, []byte(strings.Repeat("no queue\n", 10_000)), 0o600))
	damaged := filepath.Join(t.TempDir(), "damaged.db")
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	for i := range 2 * 4096 { // both pages that say where the rest is
		data[i] ^= 0x55
	}
	require.NoError(t, os.WriteFile(damaged, data, 0o600))
	missing := filepath.Join(t.TempDir(), "missing.db")
	for _, tt := range []struct {
		args []string
		code int
		want string
	}{
		{nil, exitUsage, "expected one of"},
		{[]string{"statz", file}, exitUsage, `unknown command "statz": did you mean "stats"?`},
		{[]string{"stats"}, exitUsage, "which queue?"},
		{[]string{"stats", missing}, exitNotSent, "there is no queue"},
		{[]string{"stats", filepath.Dir(file)}, exitUsage, "is a directory"},
		{[]string{"stats", empty}, exitNotSent, "it is empty"},
		{[]string{"stats", other}, exitNotSent, "the queue"},
		{[]string{"stats", damaged}, exitNotSent, "the queue"},
		{[]string{"stats", "ftp://x"}, exitUsage, "no queue is called ftp://"},
		{[]string{"stats", "postgres://u:canary@/%zz"}, exitUsage, "must look like postgres://"},
		{[]string{"stats", "host=x password=canary"}, exitUsage, "must look like postgres://"},
		{[]string{"stats", "postgres://u:canary%2F1@127.0.0.1:1/x"}, exitNotSent, "the queue postgres://127.0.0.1:1/x"},
		{[]string{"stats", "nats://u:canary@127.0.0.1:1"}, exitNotSent, "the queue nats://127.0.0.1:1"},
		{[]string{"stats", "http://u:canary@127.0.0.1:1/x"}, exitUsage, "takes no user"},
		{[]string{"stats", "http://127.0.0.1:1/-/queue"}, exitNotSent, "no bot answers at http://127.0.0.1:1/-/queue"},
		{[]string{"stats", file, "--inspect-token-file", other}, exitUsage, "is for a bot"},
		{[]string{"buried", file, "--reason", "refusd"}, exitUsage, "--reason must be"},
		{[]string{"buried", file, "--lane", "leads/901"}, exitUsage, "--lane must look like"},
		{[]string{"buried", file, "--limit", "-1"}, exitUsage, "--limit"},
		{[]string{"show", file}, exitUsage, "name one ID"},
		{[]string{"show", "1", "2", file}, exitUsage, "name one ID"},
		{[]string{"show", "0", file}, exitUsage, "no call has the ID 0"},
		{[]string{"show", "1", file, other}, exitUsage, "name one queue"},
		{[]string{"resubmit", file}, exitUsage, "give --all"},
		{[]string{"resubmit", "1", "--all", file}, exitUsage, "not both"},
		{[]string{"resubmit", "1", "--reason", "refused", file}, exitUsage, "not with IDs"},
		{[]string{"resubmit", "--reason", "refused", file}, exitUsage, "give --all"},
		{[]string{"drain", "http://127.0.0.1:1/-/queue"}, exitUsage, "delivers its queue itself"},
		{[]string{"drain", "--workers", "0", file}, exitUsage, "--workers"},
		{[]string{"drain", file}, exitCredentials, "no app"},
		{[]string{"drain", "--app", "771", file}, exitUsage, "would go to graph.facebook.com: give --yes"},
		{[]string{"pause", file}, exitUsage, "name a lane"},
		{[]string{"pause", "activities/901", file, other}, exitUsage, "name one queue"},
		{[]string{"pause", "activities/901", "--for", "-1h", file}, exitUsage, "--for"},
		{[]string{"pause", "activities/901", "--note", strings.Repeat("x", 501), file}, exitUsage, "--note"},
	} {
		for _, format := range []string{"", "--json"} {
			args := append([]string{"queue"}, tt.args...)
			if format != "" {
				args = append(args, format)
			}
			got := invocation{}.run(t, args...)
			require.Equal(t, tt.code, got.code, "%s: %s", tt.args, got.stderr)
			require.Empty(t, got.stdout, tt.args)
			require.NotContains(t, got.stderr, "canary", tt.args)
			require.Contains(t, strings.ReplaceAll(got.stderr, `\"`, `"`), tt.want, tt.args)
			if format != "" {
				lines := strings.Split(strings.TrimSpace(got.stderr), "\n")
				var e struct{ Error errorJSON }
				require.NoError(t, json.Unmarshal([]byte(lines[len(lines)-1]), &e), got.stderr)
				require.Equal(t, tt.code, e.Error.Exit)
			}
		}
	}
	now, err := os.ReadFile(other)
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(string(now), "no queue\n"), "a file of somebody else's is left alone")
	_, err = os.Stat(missing)
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestQueue_OfTheEnvironment(t *testing.T) {
	t.Parallel()
	q := queueKinds["file"](t, filled(t))
	env := []string{"APPEVENTS_QUEUE=" + q.name}
	got := invocation{env: env}.run(t, "queue", "resubmit", "--reason", "refused", "--all", "--yes")
	require.Zero(t, got.code, got.stderr)
	require.Equal(t, "12 calls resubmitted\n", got.stdout)
}

func TestQueue_FileOfARunningProcess(t *testing.T) {
	t.Parallel()
	q := queueKinds["file"](t, filled(t))
	p := &program{stdout: new(buffer), stderr: new(buffer), quiet: true}
	e, err := p.openEngine(t.Context(), q.name, false)
	require.NoError(t, err)
	defer e.Close()
	for _, args := range [][]string{{"stats"}, {"resubmit", "--all"}} {
		got := q.run(t, args...)
		require.Equal(t, exitNotSent, got.code)
		require.Empty(t, got.stdout)
		require.Contains(t, got.stderr, "is open in another process")
		require.Contains(t, got.stderr, "delivery/inspect")
	}
}
