package boltqueue_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go"
	"github.com/appevents/appevents-go/delivery"
	"github.com/appevents/appevents-go/delivery/boltqueue"
	"github.com/appevents/appevents-go/graphtest"
)

const submitters = 4 // goroutines that submit in the child

// deliverChild submits and delivers until it is killed, or, when it has nothing to submit, until nothing is pending.
// It writes to its standard output which events Submit returned nil for and which were settled, and its figures at the
// end.
func deliverChild() int {
	fail := func(err error) int {
		fmt.Fprintln(os.Stderr, "child:", err)
		return 1
	}
	q, err := boltqueue.Open(*childPath)
	if err != nil {
		return fail(err)
	}
	client, err := appevents.New("771", appevents.WithBaseURL(*childGraph),
		appevents.WithAccessToken(*childToken))
	if err != nil {
		return fail(err)
	}
	d, err := delivery.New(client, telling{q})
	if err != nil {
		return fail(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	if starts := *childStarts; starts != "" {
		var wg sync.WaitGroup
		for w, text := range strings.Fields(starts) {
			n, _ := strconv.Atoi(text)
			wg.Go(func() {
				for ; ; n++ {
					id := eventID(w, n)
					if err := d.Submit(ctx, id, crashCall(w, n, id)); err != nil {
						fmt.Fprintln(os.Stderr, "child:", err)
						os.Exit(1)
					}
					fmt.Fprintln(os.Stdout, w, n)
				}
			})
		}
		wg.Wait()
	}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for d.Stats().Pending > 0 {
		<-tick.C
	}
	cancel()
	if err := <-ended; err != nil {
		return fail(err)
	}
	if err := json.NewEncoder(os.Stdout).Encode(d.Stats()); err != nil {
		return fail(err)
	}
	if err := q.Close(); err != nil {
		return fail(err)
	}
	return 0
}

// telling is a queue that tells of each item that was delivered, once that is on the disk.
type telling struct{ delivery.Queue }

func (q telling) Settle(ctx context.Context, settlements ...delivery.Settlement) error {
	err := q.Queue.Settle(ctx, settlements...)
	if err == nil {
		for _, s := range settlements {
			if s.Verdict == delivery.Done {
				fmt.Fprintln(os.Stdout, "settled", s.Lease.Key)
			}
		}
	}
	return err
}

func crashCall(worker, n int, id string) appevents.Call {
	e := appevents.Purchase(55.22, "USD")
	e.ID = id
	thread := appevents.Thread{
		PageID: appevents.ID(fmt.Sprint(901 + worker)), PSID: appevents.ID(fmt.Sprint(1 + n%50)),
	}
	if n%2 == 0 {
		c, err := e.Conversion(thread)
		if err == nil {
			return &appevents.ConversionCall{DatasetID: "5501", Conversions: []appevents.Conversion{c}}
		}
	}
	return &appevents.Activity{Thread: thread, Consent: appevents.ConsentAllowed, Events: []appevents.Event{e}}
}

func TestCrash_KillingTheProcessLosesNothing(t *testing.T) {
	t.Parallel()
	kills := size(10, 100)
	seed := uint64(1)
	rng := rand.New(rand.NewPCG(seed, seed))
	graph := graphtest.NewServer(t, graphtest.WithMaxCalls(1_000_000))
	args := []string{"-child-path=" + filepath.Join(t.TempDir(), "queue.db"), "-child-graph=" + graph.URL}

	told := told{settled: map[string]int{}}
	for kill := range kills {
		// The event whose Submit was under way when the process died is submitted again, as a webhook comes again.
		cmd := child(t, "deliver", append(args, "-child-token="+tokenOf(kill),
			"-child-starts="+strings.Trim(fmt.Sprint(told.next), "[]"))...)
		out, err := cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		lines := bufio.NewScanner(out)
		for enough := told.acknowledged + 20 + rng.IntN(200); told.acknowledged < enough; {
			require.True(t, lines.Scan(), "the child went away by itself")
			told.note(t, kill, lines.Text())
		}
		require.NoError(t, cmd.Process.Kill()) // SIGKILL
		for lines.Scan() {                     // what it wrote before it died
			told.note(t, kill, lines.Text())
		}
		require.Error(t, cmd.Wait())
	}

	out, err := child(t, "deliver", append(args, "-child-token="+tokenOf(kills))...).Output()
	require.NoError(t, err)
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	for _, line := range lines[:len(lines)-1] {
		told.note(t, kills, line)
	}
	var stats delivery.Stats
	require.NoError(t, json.Unmarshal([]byte(lines[len(lines)-1]), &stats))
	require.Zero(t, stats.Pending)
	require.Zero(t, stats.Buried)
	require.Equal(t, stats.Accepted, stats.Delivered+stats.Duplicates)

	senders := map[string][]int{} // the processes that sent each event
	for _, call := range graph.Calls() {
		process := 0
		for !call.HasToken(tokenOf(process)) {
			process++
			require.LessOrEqual(t, process, kills)
		}
		for _, e := range call.Events {
			senders[e.ID] = append(senders[e.ID], process)
		}
	}
	graph.Check(t)
	require.EqualValues(t, len(senders), stats.Delivered, "each stored call is delivered once for the queue")
	for w := range submitters {
		for n := range told.next[w] {
			require.NotEmpty(t, senders[eventID(w, n)], "an acknowledged event was lost")
		}
	}
	twice := 0
	for id, list := range senders {
		twice += len(list) - 1
		slices.Sort(list) // what a process sent can arrive after its death
		for i, again := range list[1:] {
			// Only a kill explains it: of a process that had sent the event and not yet written down the answer.
			require.Less(t, list[i], again, "%s was sent twice by one process", id)
		}
		if last, ok := told.settled[delivery.KeyOf(id).String()]; ok {
			require.LessOrEqual(t, list[len(list)-1], last, "%s was sent again after it was settled", id)
		}
	}
	t.Logf("%d kills, %d events acknowledged, %d sent twice because a kill came between the answer and its writing down",
		kills, told.acknowledged, twice)
}

// told is what the children wrote.
type told struct {
	next         [submitters]int // the first event of each submitter whose Submit has not returned
	acknowledged int
	settled      map[string]int // the process that settled an event, by key
}

// note reads a line of a child.
func (o *told) note(t *testing.T, process int, line string) {
	t.Helper()
	if key, ok := strings.CutPrefix(line, "settled "); ok {
		o.settled[key] = process
		return
	}
	var w, n int
	_, err := fmt.Sscan(line, &w, &n)
	require.NoError(t, err)
	require.Equal(t, o.next[w], n, "events are acknowledged in order")
	o.next[w]++
	o.acknowledged++
}

func eventID(worker, n int) string { return fmt.Sprintf("event-%d-%d", worker, n) }

// tokenOf tells the calls of processes apart.
func tokenOf(process int) string { return fmt.Sprint("token-", process) }
