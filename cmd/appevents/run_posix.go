//go:build unix && !linux

package main

import "syscall"

// dieWithParent cannot be asked of this kernel.
func dieWithParent(*syscall.SysProcAttr) {}

// ports are not known here: $PORT says it, or --bot.
func (g *processGroup) ports() ([]string, bool) { return nil, false }
