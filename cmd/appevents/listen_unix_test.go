//go:build unix

package main

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go/cmd/appevents/internal/session"
	"github.com/appevents/appevents-go/graphtest"
)

func TestListenEndsWhenTold(t *testing.T) {
	t.Parallel()
	for _, signal := range []os.Signal{syscall.SIGTERM, syscall.SIGINT} {
		file := filepath.Join(t.TempDir(), "session.ndjson")
		p := launch(t, []string{"APP_SECRET=" + listenSecret, "VERIFY_TOKEN=" + listenToken}, "listen", "--record", file)
		got, err := graphtest.Send(t.Context(), "http://"+p.address(t)+"/", listenSecret, graphtest.Text("hello"))
		require.NoError(t, err)
		require.Equal(t, 200, got.Status)
		require.NoError(t, p.cmd.Process.Signal(signal))
		require.Zero(t, p.wait(), &p.stderr)
		require.Contains(t, p.stderr.String(), "1 webhook received, 0 requests refused, 1 webhook recorded")
		data, err := os.Open(file)
		require.NoError(t, err)
		list, _, err := session.Read(data)
		require.NoError(t, err)
		require.NoError(t, data.Close())
		require.Len(t, list, 1)
	}
}

// Somebody who records all day and is killed keeps what came before.
func TestListenKilledKeepsWhatCame(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "session.ndjson")
	for n := range 2 {
		p := launch(t, []string{"APP_SECRET=" + listenSecret, "VERIFY_TOKEN=" + listenToken}, "listen", "--record", file)
		_, err := graphtest.Send(t.Context(), "http://"+p.address(t)+"/", listenSecret, graphtest.Text("hello"))
		require.NoError(t, err)
		require.NoError(t, p.cmd.Process.Kill())
		p.wait()
		data, err := os.Open(file)
		require.NoError(t, err)
		list, cutOff, err := session.Read(data)
		require.NoError(t, err)
		require.NoError(t, data.Close())
		require.Zero(t, cutOff)
		require.Len(t, list, n+1)
	}
}
