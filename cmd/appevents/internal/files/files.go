// Package files replaces files in one step, and locks them.
package files

import (
	"errors"
	"os"
	"path/filepath"
)

// What Lock says.
var (
	ErrLocked  = errors.New("somebody has locked the file")
	ErrNoLocks = errors.New("files cannot be locked here")
)

// Replace writes a file in one step, for its owner alone, so that those who watch for it never see half of it. A
// symbolic link stays one.
func Replace(name string, data []byte) error {
	if target, err := filepath.EvalSymlinks(name); err == nil {
		name = target
	}
	temp, err := os.CreateTemp(filepath.Dir(name), ".appevents-*") // mode 0600
	if err != nil {
		return err
	}
	_, err = temp.Write(data)
	if err == nil {
		err = temp.Sync()
	}
	if err = errors.Join(err, temp.Close()); err == nil {
		err = os.Rename(temp.Name(), name)
	}
	if err != nil {
		_ = os.Remove(temp.Name())
	}
	return err
}
