package pgqueue_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go/delivery"
	"github.com/appevents/appevents-go/delivery/pgqueue"
	"github.com/appevents/appevents-go/graphtest"
	"github.com/appevents/appevents-go/internal/pgtest"
)

// disk is a small file system in a server's folder.
type disk struct {
	t    *testing.T
	path string
}

// smallDisk mounts one of a size such as "8m", which the server is stopped for before it goes.
func smallDisk(t *testing.T, server *pgtest.Server, size string) disk {
	t.Helper()
	d := disk{t, filepath.Join(server.Dir(), "small")}
	require.NoError(t, os.Mkdir(d.path, 0o700))
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size="+size, "tmpfs", d.path).CombinedOutput(); err != nil {
		t.Skipf("NOT RUN: a small file system cannot be mounted: %s", out)
	}
	t.Cleanup(func() {
		server.Stop()
		if out, err := exec.Command("umount", d.path).CombinedOutput(); err != nil {
			t.Errorf("umount: %s", out)
		}
	})
	require.NoError(t, os.Chmod(d.path, 0o700))
	pgtest.Own(t, d.path)
	return d
}

func (d disk) grow() {
	d.t.Helper()
	if out, err := exec.Command("mount", "-o", "remount,size=256m", d.path).CombinedOutput(); err != nil {
		d.t.Fatalf("remount: %s", out)
	}
}

// onSmallDisk returns connections to a server whose tables will be on a small file system.
func onSmallDisk(t *testing.T, size string, settings ...string) (*pgxpool.Pool, disk) {
	t.Helper()
	server := pgtest.New(t, settings...)
	d := smallDisk(t, server, size)
	server.Start()
	conn, err := pgx.Connect(t.Context(), server.URL())
	require.NoError(t, err)
	_, err = conn.Exec(t.Context(), "CREATE TABLESPACE small LOCATION '"+d.path+"'")
	require.NoError(t, err)
	require.NoError(t, conn.Close(t.Context()))
	return pool(t, server.URL(), func(c *pgxpool.Config) {
		c.ConnConfig.RuntimeParams["default_tablespace"] = "small"
	}), d
}

// The tables are in a tablespace on a small file system, which fills up and then grows.
func TestFault_AFullDiskLosesNothingAccepted(t *testing.T) {
	t.Parallel()
	p, disk := onSmallDisk(t, "8m", "autovacuum=off")
	q := open(t, p)
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

	disk.grow()
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

// logged is what a logger wrote.
type logged struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *logged) has(text string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Contains(l.buf.String(), text)
}

// pressure submits on several goroutines until it is stopped, whether there is room or not.
type pressure struct {
	refused atomic.Int64
	mu      sync.Mutex
	list    []string // accepted
	all     sync.WaitGroup
	ended   context.CancelFunc
}

func pressing(t *testing.T, name string, submit func(n int, id string) error) *pressure {
	t.Helper()
	const submitters = 4
	ctx, cancel := context.WithCancel(t.Context())
	p := &pressure{ended: cancel}
	for w := range submitters {
		p.all.Go(func() {
			for n := w; ctx.Err() == nil; n += submitters {
				id := fmt.Sprint(name, "-", n)
				switch err := submit(n, id); {
				case err == nil:
					p.mu.Lock()
					p.list = append(p.list, id)
					p.mu.Unlock()
				case errors.Is(err, delivery.ErrFull):
					p.refused.Add(1)
				default:
					t.Errorf("submit: %v", err)
					return
				}
			}
		})
	}
	t.Cleanup(func() { p.accepted() })
	return p
}

// accepted stops it and returns what was accepted.
func (p *pressure) accepted() []string {
	p.ended()
	p.all.Wait()
	return p.list
}

// A dispatcher delivers, and others submit, alone and with their orders, while the disk fills up, is full and grows.
func TestFault_RunGoesOnThroughAFullDisk(t *testing.T) {
	t.Parallel()
	p, disk := onSmallDisk(t, "1m")
	q := open(t, p, pgqueue.WithLeaseTime(shortLease))
	graph := graphtest.NewServer(t, graphtest.WithMaxCalls(1_000_000))
	log := new(logged)
	d := dispatcher(t, graph, q, delivery.WithLogger(slog.New(slog.NewTextHandler(log, nil))))
	_, err := p.Exec(t.Context(), "SET LOCAL default_tablespace = pg_default; CREATE TABLE orders (id text PRIMARY KEY)",
		pgx.QueryExecModeSimpleProtocol)
	require.NoError(t, err)

	// It is full before anything is delivered.
	alone := pressing(t, "alone", func(n int, id string) error { return d.Submit(t.Context(), id, activity(n, id)) })
	eventually(t, "the disk is full", func() bool { return alone.refused.Load() > 0 || t.Failed() })
	running(t, d)
	eventually(t, "the dispatcher says so", func() bool { return log.has("no room") })
	accepted := alone.accepted()
	require.Greater(t, len(accepted), 100)

	// An order whose event finds no room is not there either.
	together := pressing(t, "order", func(n int, id string) error {
		return pgx.BeginFunc(t.Context(), p, func(tx pgx.Tx) error {
			if _, err := tx.Exec(t.Context(), "INSERT INTO orders VALUES ($1)", id); err != nil {
				return err
			}
			return pgqueue.SubmitTx(t.Context(), d, tx, id, activity(n, id))
		})
	})
	eventually(t, "orders are refused", func() bool { return together.refused.Load() > 0 || t.Failed() })

	disk.grow()
	ordered := together.accepted()
	accepted = append(accepted, ordered...)
	require.NoError(t, d.Submit(t.Context(), "after", activity(1, "after")))
	accepted = append(accepted, "after")
	eventually(t, "all is delivered", func() bool { return d.Stats().Pending == 0 })
	balanced(t, d.Stats())
	got := arrived(graph)
	for _, id := range accepted {
		require.Contains(t, got, id)
	}
	require.Len(t, got, len(accepted), "nothing that was refused")
	var orders int
	require.NoError(t, p.QueryRow(t.Context(), "SELECT count(*) FROM orders").Scan(&orders))
	require.Len(t, ordered, orders)
	t.Logf("%d accepted, %d of them with an order; %d refused for want of room", len(accepted), orders,
		alone.refused.Load()+together.refused.Load())
}
