//go:build unix && !linux

package main

import (
	"errors"
	"syscall"
)

// dieWithParent cannot be asked of this kernel.
func dieWithParent(*syscall.SysProcAttr) {}

// adopt cannot be asked of it either: a program that leaves the group of the child, as a daemon does, is not found.
func (g *processGroup) adopt() {}

func (g *processGroup) reap(<-chan struct{}) {}

func (g *processGroup) signal(signal syscall.Signal) { _ = syscall.Kill(-g.pgid, signal) }

// empty reports whether no process of the group is left. Its number stays taken until then.
func (g *processGroup) empty() bool { return errors.Is(syscall.Kill(-g.pgid, 0), syscall.ESRCH) }

// ports are not known here: $PORT says it, or --bot.
func (g *processGroup) ports() ([]string, bool) { return nil, false }
