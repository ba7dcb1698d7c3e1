//go:build unix

package main

import (
	"errors"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// A processGroup is the child with everything it starts.
type processGroup struct {
	cmd  *exec.Cmd
	pgid int
}

// newGroup puts the child into a group of its own, so that what npm or a shell started ends with it. On a terminal the
// group gets the keyboard, and Ctrl-C with it.
func newGroup(cmd *exec.Cmd, terminal bool) *processGroup {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if terminal {
		if in, ok := cmd.Stdin.(*os.File); ok {
			cmd.SysProcAttr.Foreground, cmd.SysProcAttr.Ctty = true, int(in.Fd())
		}
	}
	dieWithParent(cmd.SysProcAttr)
	return &processGroup{cmd: cmd}
}

// start starts the child and reports its end. The thread that starts it has to live as long: the kernel takes its end
// for that of the parent.
func (g *processGroup) start(ended chan<- error) error {
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := g.cmd.Start()
		if err == nil {
			g.pgid = g.cmd.Process.Pid
		}
		started <- err
		if err == nil {
			ended <- g.cmd.Wait()
		}
	}()
	return <-started
}

func (g *processGroup) terminate() { _ = syscall.Kill(-g.pgid, syscall.SIGTERM) }

func (g *processGroup) kill() { _ = syscall.Kill(-g.pgid, syscall.SIGKILL) }

// sweep ends what the child has left behind.
func (g *processGroup) sweep(grace time.Duration) {
	if g.empty() {
		return
	}
	g.terminate()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	deadline := time.NewTimer(grace)
	defer deadline.Stop()
	for !g.empty() {
		select {
		case <-tick.C:
		case <-deadline.C:
			g.kill()
			return
		}
	}
}

// empty reports whether no process of the group is left. Its number stays taken until then.
func (g *processGroup) empty() bool {
	return errors.Is(syscall.Kill(-g.pgid, 0), syscall.ESRCH)
}

func signalStatus(state *os.ProcessState, _ error) int {
	if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal())
	}
	return exitNo
}
