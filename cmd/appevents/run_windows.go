package main

import (
	"os"
	"os/exec"
	"time"
)

// A processGroup is the child. Windows has no signals: it can only be killed.
type processGroup struct{ cmd *exec.Cmd }

func newGroup(cmd *exec.Cmd, _ bool) *processGroup { return &processGroup{cmd: cmd} }

func (g *processGroup) start(ended chan<- error) error {
	if err := g.cmd.Start(); err != nil {
		return err
	}
	go func() { ended <- g.cmd.Wait() }()
	return nil
}

func (g *processGroup) terminate() { _ = g.cmd.Process.Signal(os.Interrupt) }

func (g *processGroup) kill() { _ = g.cmd.Process.Kill() }

func (g *processGroup) sweep(time.Duration) {}

// ports are not known here: $PORT says it, or --bot.
func (g *processGroup) ports() ([]string, bool) { return nil, false }

func signalStatus(*os.ProcessState, error) int { return exitNo }
