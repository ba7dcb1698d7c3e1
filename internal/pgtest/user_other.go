//go:build !unix

package pgtest

import (
	"errors"
	"os/exec"
)

var errNotUnix = errors.New("Postgres is started on Unix only")

func canRun() error { return errNotUnix }

func unprivileged(name string, args ...string) *exec.Cmd { return exec.Command(name, args...) } //nolint:gosec,noctx // not run

func makeDir() (string, error) { return "", errNotUnix }

func own(string) error { return errNotUnix }
