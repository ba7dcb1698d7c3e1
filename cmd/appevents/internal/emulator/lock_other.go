//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd || windows)

package emulator

// lockFile knows no lock here that ends with the process: errNoLocks.
func lockFile(string) (release func(), err error) { return nil, errNoLocks }
