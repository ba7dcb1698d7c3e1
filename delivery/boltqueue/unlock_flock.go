//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package boltqueue

import (
	"os"
	"syscall"
)

// unlock lets go of the file for others. Closing it is not enough while it is mapped.
func unlock(file *os.File) error {
	return syscall.Flock(int(file.Fd()), syscall.LOCK_UN)
}
