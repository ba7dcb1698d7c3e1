//go:build unix

package files_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go/cmd/appevents/internal/files"
)

func TestReplace(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	name, link := filepath.Join(dir, "a"), filepath.Join(t.TempDir(), "link")
	require.NoError(t, os.WriteFile(name, []byte("old and longer"), 0o644))
	require.NoError(t, os.Symlink(name, link))
	require.NoError(t, files.Replace(link, []byte("new")))
	data, err := os.ReadFile(name)
	require.NoError(t, err)
	require.Equal(t, "new", string(data))
	info, err := os.Stat(name)
	require.NoError(t, err)
	require.Equal(t, fs.FileMode(0o600), info.Mode().Perm())
	target, err := os.Readlink(link)
	require.NoError(t, err)
	require.Equal(t, name, target)
	require.ErrorIs(t, files.Replace(filepath.Join(dir, "none", "a"), nil), fs.ErrNotExist)
	require.Error(t, files.Replace(dir, nil))
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, left, 1)
}

func TestLock(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "lock")
	release, err := files.Lock(name)
	require.NoError(t, err)
	_, err = files.Lock(name)
	require.ErrorIs(t, err, files.ErrLocked)
	release()
	require.NoFileExists(t, name)

	require.NoError(t, os.WriteFile(name, nil, 0o600)) // somebody was killed
	release, err = files.Lock(name)
	require.NoError(t, err)
	require.NoError(t, os.Remove(name)) // somebody tidies up, and
	next, err := files.Lock(name)
	require.NoError(t, err)
	release()
	_, err = files.Lock(name)
	require.ErrorIs(t, err, files.ErrLocked, "who lost the lock does not end that of the next")
	next()
	_, err = files.Lock(filepath.Join(t.TempDir(), "none", "lock"))
	require.ErrorIs(t, err, fs.ErrNotExist)
}
