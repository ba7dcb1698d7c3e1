package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// openTerminal makes a pseudo-terminal. What is written to its far end appears in the buffer.
func openTerminal(t *testing.T) (near, far *os.File, shown *buffer) {
	t.Helper()
	near, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("NOT RUN: no pseudo-terminals here: %v", err)
	}
	t.Cleanup(func() { near.Close() })
	require.NoError(t, unix.IoctlSetPointerInt(int(near.Fd()), unix.TIOCSPTLCK, 0))
	number, err := unix.IoctlGetInt(int(near.Fd()), unix.TIOCGPTN)
	require.NoError(t, err)
	far, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	require.NoError(t, err)
	t.Cleanup(func() { far.Close() })
	require.NoError(t, unix.IoctlSetWinsize(int(far.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 80}))
	return near, far, new(buffer)
}

// A terminal is what a person sees and types.
type terminal struct {
	near   *os.File
	screen *buffer
	closed chan struct{}
}

// onTerminal starts the program with a terminal of its own for those of its streams that cmd leaves open.
func onTerminal(t *testing.T, cmd *exec.Cmd) *terminal {
	t.Helper()
	near, far, screen := openTerminal(t)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if cmd.Stdin == nil {
		cmd.Stdin = far
		cmd.SysProcAttr.Setctty = true
	}
	if cmd.Stdout == nil {
		cmd.Stdout = far
	}
	if cmd.Stderr == nil {
		cmd.Stderr = far
	}
	require.NoError(t, cmd.Start())
	require.NoError(t, far.Close())
	x := &terminal{near: near, screen: screen, closed: make(chan struct{})}
	go func() {
		defer close(x.closed)
		_, _ = io.Copy(screen, near) // ends with an error when the last that has the far end open is gone
	}()
	return x
}

// all is what was shown until the program ended.
func (x *terminal) all() string {
	<-x.closed
	return x.screen.String()
}

// echoes reports whether the terminal shows what is typed.
func (x *terminal) echoes(t *testing.T) bool {
	t.Helper()
	state, err := unix.IoctlGetTermios(int(x.near.Fd()), unix.TCGETS)
	require.NoError(t, err)
	return state.Lflag&unix.ECHO != 0
}

// A secret is asked for on a terminal, is not shown there, and Ctrl-C ends the question.
func TestPromptOnATerminal(t *testing.T) {
	t.Parallel()
	body, err := os.ReadFile("testdata/help/sign.txt")
	require.NoError(t, err)
	for typed, want := range map[string]result{
		testSecret + "\n": {0, sha256Of(string(body)) + "\n", "App secret: \n"},
		"\x03":            {exitInterrupted, "", "App secret: ^C\nappevents: interrupted\n"},
	} {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "sign", "--file", "testdata/help/sign.txt")
		cmd.Env = []string{asProgram + "=5s", "TERM=xterm"}
		var out buffer
		cmd.Stdout = &out
		x := onTerminal(t, cmd)
		require.Eventually(t, func() bool { return !x.echoes(t) }, time.Minute, time.Millisecond)
		_, err := io.WriteString(x.near, typed)
		require.NoError(t, err)
		_ = cmd.Wait()
		got := result{cmd.ProcessState.ExitCode(), out.String(), strings.ReplaceAll(x.all(), "\r\n", "\n")}
		got.stderr, want.stderr = strings.ReplaceAll(got.stderr, "^C", ""), strings.ReplaceAll(want.stderr, "^C", "")
		require.Equal(t, want, got)
		require.True(t, x.echoes(t), "as before")
	}
}
