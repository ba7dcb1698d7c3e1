package pgqueue_test

import (
	"context"
	"crypto/rand"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go/delivery"
	"github.com/appevents/appevents-go/internal/pgtest"
)

// The tables are in a tablespace on a small file system, which fills up and then grows.
func TestFault_AFullDiskLosesNothingAccepted(t *testing.T) {
	t.Parallel()
	server := pgtest.New(t, "autovacuum=off")
	small := filepath.Join(server.Dir(), "small")
	require.NoError(t, os.Mkdir(small, 0o700))
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", small).CombinedOutput(); err != nil {
		t.Skipf("NOT RUN: a small file system cannot be mounted: %s", out)
	}
	t.Cleanup(func() {
		server.Stop()
		if out, err := exec.Command("umount", small).CombinedOutput(); err != nil {
			t.Errorf("umount: %s", out)
		}
	})
	require.NoError(t, os.Chmod(small, 0o700))
	server.Own(small)
	server.Start()
	conn, err := pgx.Connect(t.Context(), server.URL())
	require.NoError(t, err)
	_, err = conn.Exec(t.Context(), "CREATE TABLESPACE small LOCATION '"+small+"'")
	require.NoError(t, err)
	require.NoError(t, conn.Close(t.Context()))
	q := open(t, pool(t, server.URL(), func(c *pgxpool.Config) {
		c.ConnConfig.RuntimeParams["default_tablespace"] = "small"
	}))

	stored := 0
	for ; ; stored++ {
		it := testItem("a", stored)
		it.Body = make([]byte, 20_000)
		_, _ = rand.Read(it.Body)
		_, err := q.Put(t.Context(), it)
		if err != nil {
			require.ErrorIs(t, err, delivery.ErrFull)
			require.ErrorContains(t, err, "53100")
			break
		}
	}
	require.Greater(t, stored, 50)
	counts, err := q.Counts(t.Context())
	require.NoError(t, err)
	require.Equal(t, int64(stored), counts.Stored)

	if out, err := exec.Command("mount", "-o", "remount,size=64m", small).CombinedOutput(); err != nil {
		t.Fatalf("remount: %s", out)
	}
	for done := 0; done < stored; {
		leases, err := q.Lease(t.Context(), 100, nil)
		if errors.Is(err, delivery.ErrFull) || errors.Is(err, context.DeadlineExceeded) {
			continue
		}
		require.NoError(t, err)
		list := make([]delivery.Settlement, len(leases))
		for i, l := range leases {
			require.Len(t, l.Body, 20_000)
			list[i] = delivery.Settlement{Lease: l, Verdict: delivery.Done}
		}
		require.NoError(t, q.Settle(t.Context(), list...))
		done += len(leases)
	}
	added, err := q.Put(t.Context(), testItem("b", 1))
	require.NoError(t, err)
	require.True(t, added)
}
