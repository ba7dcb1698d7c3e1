//go:build unix

package main

import (
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// endTick is how often a group is looked at while it ends.
const endTick = 20 * time.Millisecond

// A processGroup is the child with everything it starts.
type processGroup struct {
	cmd   *exec.Cmd
	pgid  int
	alone bool // this process has no other children
}

// newGroup puts the child into a group of its own, so that what npm or a shell started ends with it. Where this
// program has the terminal, the group gets the keyboard, and Ctrl-C with it.
func newGroup(cmd *exec.Cmd, alone bool) *processGroup {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if in, ok := cmd.Stdin.(*os.File); ok && isTerminal(in) {
		owner, err := unix.IoctlGetInt(int(in.Fd()), unix.TIOCGPGRP)
		if err == nil && owner == unix.Getpgrp() { // and not in the background, where the shell has it
			cmd.SysProcAttr.Foreground, cmd.SysProcAttr.Ctty = true, int(in.Fd())
		}
	}
	dieWithParent(cmd.SysProcAttr)
	return &processGroup{cmd: cmd, alone: alone}
}

// start starts the child and reports its end. The thread that starts it has to live as long: the kernel takes its end
// for that of the parent.
func (g *processGroup) start(ended chan<- error) error {
	g.adopt()
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

// end terminates what is left of the group, kills it when the grace is over or there is a hurry, and returns when
// nothing is left.
func (g *processGroup) end(grace time.Duration, hurry <-chan struct{}) {
	if g.empty() {
		return
	}
	g.signal(syscall.SIGTERM)
	tick := time.NewTicker(endTick)
	defer tick.Stop()
	deadline := time.NewTimer(grace)
	defer deadline.Stop()
	for killing := 0; !g.empty(); {
		select {
		case <-hurry:
			hurry, killing = nil, 1
		case <-deadline.C:
			killing = max(killing, 1)
		case <-tick.C:
		}
		if killing > 0 { // again and again: what forks may escape once
			g.signal(syscall.SIGKILL)
			if killing++; killing > 250 {
				return // the kernel holds it, in a call that does not return
			}
		}
	}
}

func signalStatus(state *os.ProcessState, _ error) int {
	if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal())
	}
	return exitNo
}
