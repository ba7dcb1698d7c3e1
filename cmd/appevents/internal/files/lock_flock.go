//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package files

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// Lock takes the lock that is a file of this name: ErrLocked says that somebody else has it, ErrNoLocks that there
// are none here. The kernel gives it up when this process ends, however it ends; release removes the file as well.
func Lock(name string) (release func(), err error) {
	for {
		file, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o600) //nolint:gosec // the caller names it
		if err != nil {
			return nil, err
		}
		err = flock(file)
		switch {
		case errors.Is(err, syscall.EWOULDBLOCK):
			_ = file.Close()
			return nil, ErrLocked
		case err != nil:
			_ = file.Close()
			_ = os.Remove(name)
			return nil, fmt.Errorf("%w: %w", ErrNoLocks, err)
		case isAt(file, name):
			return func() {
				if isAt(file, name) {
					_ = os.Remove(name)
				}
				_ = file.Close()
			}, nil
		}
		_ = file.Close() // whoever had it removed the file after we opened it
	}
}

func flock(file *os.File) error {
	for {
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}

// isAt reports whether a name is still that of an open file.
func isAt(file *os.File, name string) bool {
	open, err := file.Stat()
	if err != nil {
		return false
	}
	named, err := os.Stat(name)
	return err == nil && os.SameFile(open, named)
}
