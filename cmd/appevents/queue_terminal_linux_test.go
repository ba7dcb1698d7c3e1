package main

import (
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// onScreen runs the program on a terminal. An answer is typed when it asks.
func onScreen(t *testing.T, answer string, args ...string) (screen string, code int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
	cmd.Env = []string{asProgram + "=5s", "TERM=xterm", "NO_COLOR=1", "LANG=C.UTF-8", "HOME=" + t.TempDir()}
	x := onTerminal(t, cmd)
	if answer != "" {
		require.Eventually(t, func() bool {
			return strings.Contains(x.screen.String(), "[y/N]")
		}, time.Minute, time.Millisecond)
		_, err := io.WriteString(x.near, answer)
		require.NoError(t, err)
	}
	_ = cmd.Wait()
	return strings.ReplaceAll(x.all(), "\r\n", "\n"), cmd.ProcessState.ExitCode()
}

func TestQueue_AsksAPersonBeforeSomethingIsLost(t *testing.T) {
	t.Parallel()
	q := queueKinds["file"](t, filled(t))
	discard := []string{"queue", "discard", "--all", "--reason", "expired", q.name}
	for answer, code := range map[string]int{"n\n": exitNo, "\n": exitNo, "\x03": exitInterrupted} {
		screen, got := onScreen(t, answer, discard...)
		require.Equal(t, code, got, screen)
		require.Contains(t, screen, "This will remove 3 buried calls (expired) from the queue "+q.name+" for good.")
		require.Equal(t, filledUnknown+1, q.counts(t)["kept"])
	}
	screen, code := onScreen(t, "y\n", discard...)
	require.Zero(t, code, screen)
	require.Contains(t, screen, "3 calls discarded")
	require.Equal(t, filledUnknown-2, q.counts(t)["kept"])
}

func TestQueue_OnATerminal(t *testing.T) {
	t.Parallel()
	q := queueKinds["file"](t, filled(t))
	id := q.ids(t)[0]
	for _, args := range [][]string{{"stats"}, {"buried"}, {"show", id}} {
		screen, code := onScreen(t, "", append(append([]string{"queue"}, args...), q.name)...)
		require.Zero(t, code, screen)
		for _, odd := range []string{"\x1b", "\t", "\r"} {
			require.NotContains(t, screen, odd, args)
		}
		if args[0] == "show" {
			require.Contains(t, screen, "\n  \"thread\": {\n")
		}
	}
}
