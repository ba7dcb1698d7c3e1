//go:build unix

package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go"
	"github.com/appevents/appevents-go/graphtest"
	"github.com/appevents/appevents-go/internal/pgtest"
)

// asProgram in the environment makes this binary the bot instead of its tests.
const asProgram = "BOT_TEST_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
		return
	}
	os.Exit(pgtest.Main(m))
}

// child is the bot in a process of its own.
type child struct {
	*process
	cmd *exec.Cmd
}

func startChild(t *testing.T, m *meta, args ...string) *child {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	args = append([]string{"-addr", "127.0.0.1:0", "-inspect", "", "-base-url", m.URL}, args...)
	cmd := exec.CommandContext(t.Context(), self, args...) // killed with the test at the latest
	cmd.Env = append(os.Environ(), asProgram+"=1")
	for name, value := range credentials {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	log := newLogLines()
	cmd.Stderr = log
	require.NoError(t, cmd.Start())
	return &child{process: &process{url: "http://" + await(t, log.addr, "the bot to start"), log: log}, cmd: cmd}
}

// terminate sends SIGTERM, as whoever runs the program does to stop it.
func (c *child) terminate(t *testing.T) {
	t.Helper()
	require.NoError(t, c.cmd.Process.Signal(syscall.SIGTERM))
}

// wait returns how the process ended.
func (c *child) wait(t *testing.T) error {
	t.Helper()
	ended := make(chan error, 1)
	go func() { ended <- c.cmd.Wait() }()
	return await(t, ended, "the bot to end")
}

// insist sends SIGTERM until the process ends: one that comes right after the first may still count as the same.
func (c *child) insist(t *testing.T) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	go func() {
		for ctx.Err() == nil && c.cmd.Process.Signal(syscall.SIGTERM) == nil {
			select {
			case <-time.After(100 * time.Millisecond):
			case <-ctx.Done():
			}
		}
	}()
	var exit *exec.ExitError
	require.ErrorAs(t, c.wait(t), &exit)
	status, ok := exit.Sys().(syscall.WaitStatus)
	require.True(t, ok)
	require.Equal(t, syscall.SIGTERM, status.Signal())
}

func TestProgram_LosesNothingItAcknowledgedWhenTerminated(t *testing.T) {
	t.Parallel()
	m := newMeta(t)
	m.meet(graphtest.Slow(50 * time.Millisecond)) // so that there is something under way, and something waiting
	path := file(t)
	bot := startChild(t, m, "-queue", path)

	const senders = 8
	var (
		mu           sync.Mutex
		acknowledged = map[string]bool{} // by the key of their event
		sending      sync.WaitGroup
		enough       = make(chan struct{}) // closed when many webhooks are acknowledged
	)
	for sender := range senders {
		sending.Go(func() {
			for i := 0; ; i++ {
				webhook := graphtest.Text("Hello", graphtest.MID(fmt.Sprintf("m_%d_%d", sender, i)))
				d, err := graphtest.Send(t.Context(), bot.url+"/webhook", appSecret, webhook)
				if err != nil {
					return // the door is closed
				}
				if d.Acknowledged {
					mu.Lock()
					acknowledged[key(t, webhook)] = true
					if len(acknowledged) == 10*senders {
						close(enough)
					}
					mu.Unlock()
				}
			}
		})
	}
	await(t, enough, "webhooks to be acknowledged")
	bot.terminate(t)
	sending.Wait()
	require.NoError(t, bot.wait(t), bot.log)
	m.meet(nil)

	// What the first process did not deliver the second one does. A webhook whose answer was lost may have led to an event
	// too, but no event is there twice.
	next := start(t, m, "-queue", path)
	seen := map[string]bool{}
	note := func(e arrival) {
		require.False(t, seen[e.id], "twice: %s", e.id)
		seen[e.id] = true
		delete(acknowledged, e.id)
	}
	for len(acknowledged) > 0 {
		note(m.wait(t, 1)[0])
	}
	next.stop()
	for range len(m.events) {
		note(<-m.events)
	}
}

// key is what the event of a webhook is known by.
func key(t *testing.T, webhook graphtest.Payload) string {
	t.Helper()
	payload, err := appevents.ParseWebhook(webhook)
	if err != nil {
		t.Error(err) // not on the goroutine of the test
		return ""
	}
	for event := range payload.Events() {
		return event.DedupeKey()
	}
	return ""
}

func TestProgram_ServesOnWhileItDrainsAndEndsAtOnceWhenToldAgain(t *testing.T) {
	t.Parallel()
	m := newMeta(t)
	m.meet(graphtest.Unavailable)
	path := file(t)
	bot := startChild(t, m, "-queue", path, "-drain", "1h")
	code, body := bot.get(t, "/readyz")
	require.Equal(t, http.StatusOK, code, body)

	bot.terminate(t)
	await(t, bot.log.stopping, "the signal to be noticed")
	code, body = bot.get(t, "/readyz")
	require.Equal(t, http.StatusServiceUnavailable, code)
	require.Contains(t, body, "shutting down")
	bot.deliver(t, graphtest.Text("Hello"))

	bot.insist(t)

	// What it had acknowledged arrives all the same, perhaps twice: a request was under way when it was killed.
	m.meet(nil)
	next := start(t, m, "-queue", path)
	require.Equal(t, "Contact", m.wait(t, 1)[0].name)
	next.stop()
}

func TestProgram_SaysWhatIsMissing(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Env = []string{asProgram + "=1", "APP_ID=1"}
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit)
	require.Equal(t, 1, exit.ExitCode())
	require.Contains(t, string(out), "APP_SECRET: the app's secret")
	require.NotContains(t, string(out), "APP_ID")
}
