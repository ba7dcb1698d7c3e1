//go:build unix

package pgtest

import (
	"errors"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"sync"
	"syscall"
)

// runAs is whom to run as: nil for oneself, since Postgres refuses to run as root only.
var runAs = sync.OnceValues(func() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, errUID := strconv.ParseUint(u.Uid, 10, 32)
		gid, errGID := strconv.ParseUint(u.Gid, 10, 32)
		if errUID == nil && errGID == nil {
			return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
		}
	}
	return nil, errors.New("root cannot run Postgres, and there is neither a user postgres nor nobody")
})

func canRun() error {
	_, err := runAs()
	return err
}

// unprivileged is a command that runs as somebody who may run Postgres.
func unprivileged(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...) //nolint:gosec,noctx // ends with what keeps it
	cmd.Dir = "/"
	if who, _ := runAs(); who != nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: who}
	}
	return cmd
}

// makeDir makes a temporary folder of whom Postgres runs as. Its name is short: the path of a socket must be.
func makeDir() (string, error) {
	dir, err := os.MkdirTemp("", "pg")
	if err != nil {
		return "", err
	}
	return dir, own(dir)
}

func own(path string) error {
	if who, _ := runAs(); who != nil {
		return os.Chown(path, int(who.Uid), int(who.Gid))
	}
	return nil
}
