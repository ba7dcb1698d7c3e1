package pgqueue

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	// notifyEvery is how often a process notifies at most. All transactions of a database that notify commit one after the
	// other, so they are not the calls' own, and few.
	notifyEvery = 20 * time.Millisecond

	notifyTime  = 5 * time.Second
	listenAgain = time.Second
)

// notify tells other processes that there may be something to lease. It is a hint: they look by themselves too.
func (q *Queue) notify() {
	for {
		select {
		case <-q.tell:
		case <-q.ctx.Done():
			return
		}
		ctx, cancel := context.WithTimeout(q.end, notifyTime)
		_, _ = q.pool.Exec(ctx, `SELECT pg_notify($1::text, '')`, q.channel)
		cancel()
		if !q.wait(q.ctx, notifyEvery, nil) {
			return
		}
	}
}

// listenOn begins to listen, unless that would take the only connection there is. Who only stores calls need not.
func (q *Queue) listenOn() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.listening && q.ctx.Err() == nil && q.pool.Config().MaxConns > 1 {
		q.listening = true
		q.running.Go(func() {
			for q.listen() {
				q.wait(q.ctx, listenAgain, nil)
			}
		})
	}
}

// listen wakes those who wait in this process when another one notifies, until the connection fails. It returns false
// when the queue is closed, or must not listen.
func (q *Queue) listen() (again bool) {
	conn, err := q.pool.Acquire(q.ctx)
	if err != nil {
		return q.ctx.Err() == nil
	}
	defer conn.Release()
	direct, err := q.isDirect(conn.Conn())
	if err != nil {
		return q.ctx.Err() == nil
	}
	if !direct {
		return false
	}
	defer func() { // it listens: nobody else can use it
		ctx, cancel := context.WithTimeout(context.Background(), undoTime)
		defer cancel()
		_ = conn.Conn().Close(ctx)
	}()
	if _, err := conn.Exec(q.ctx, `LISTEN "`+q.channel+`"`); err != nil {
		return q.ctx.Err() == nil
	}
	for {
		q.wake()
		if _, err := conn.Conn().WaitForNotification(q.ctx); err != nil {
			return q.ctx.Err() == nil
		}
	}
}

// isDirect reports whether a connection leads to the server itself, not to a pooler, which makes up process numbers of
// its own. One in transaction mode would leave the server's connection listening, for other clients to be notified on;
// PgBouncer up to 1.20 can exit on that: https://github.com/pgbouncer/pgbouncer/issues/822.
func (q *Queue) isDirect(conn *pgx.Conn) (bool, error) {
	ctx, cancel := context.WithTimeout(q.end, notifyTime)
	defer cancel()
	var process uint32
	err := conn.QueryRow(ctx, `SELECT pg_backend_pid()`).Scan(&process)
	return process == conn.PgConn().PID(), err
}
