// Package pgqueue is a [delivery.Queue] in Postgres: for bots that have a database, where a call can be accepted in the
// transaction of the order it belongs to.
//
//	queue, err := pgqueue.Open(ctx, pool)
//	dispatcher, err := delivery.New(client, queue)
//
//	err = pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
//		if _, err := tx.Exec(ctx, `INSERT INTO orders …`); err != nil {
//			return err
//		}
//		return pgqueue.SubmitTx(ctx, dispatcher, tx, orderID, purchase)
//	})
//
// The order and its event are committed together, or neither is: there is no moment at which a crash leaves one
// without the other. [SubmitSQL] does the same for package database/sql, and Dispatcher.Submit accepts calls without a
// transaction, those of many callers at a time in one. Any number of dispatchers on any number of machines share the
// work.
//
// # What it makes
//
// [Open] makes the tables in a schema of their own, "appevents" unless [WithSchema] names another, and brings them up
// to date when a new version of this package needs that. For the first time its user needs the right to create a
// schema, or one that exists and the right to create tables in it; from then on the right to read and write the
// tables. With [WithoutMigration] it changes nothing, and [Migrations] are yours to run. Version 13 of Postgres or
// newer is needed, and a database in UTF-8. The tests were run with each from 13 to 18, those of a failover with 14, 15
// and 17.
//
// The tables are for this package to write. To look at them is fine: calls holds what waits, buried what was put aside,
// pauses the lanes that are left alone. They hold no credential, and personal data as hashes only.
//
// # What is durable
//
// Put, Settle and a transaction with SubmitTx are as durable as Postgres' commits are:
//
//   - With synchronous_commit on, as it is by default, the death of the program, of the server process or of the
//     machine loses nothing. The loss of the disk loses everything unless there is a standby.
//   - With a standby in synchronous_standby_names nothing accepted is lost when the server is lost with its disk and
//     the standby takes over. With one that follows asynchronously, the last moments are lost: calls accepted then are
//     gone together with the orders of the same transactions, and calls settled then are sent again.
//   - With synchronous_commit off, for the database, the user or a transaction, the death of the server process or the
//     machine can lose what was accepted in the last moments, up to three times wal_writer_delay; the death of the
//     program still loses nothing. Nothing is torn: what SubmitTx accepted is lost only together with its order.
//
// All transactions of the queue's own are read committed, whatever the database's default is. When others get in their
// way they are tried again.
//
// # What is accepted once
//
// The key of each call is kept for 48 hours (see [WithWindow]), in a table that is swept in small batches. A Put whose
// answer was lost with the connection recognises itself when it is tried again. When a transaction that has submitted a
// key goes on, others that submit the same key wait for its end, a Put for up to 15 seconds.
//
// # When the server is away
//
// Put tries again for 15 seconds or until its context ends; then it returns the error. A dispatcher keeps trying to
// lease and to settle, and goes on when the server is back. Calls that were leased when the connection broke are
// handed out again when their leases end, after a minute unless [WithLeaseTime] says otherwise.
//
// A server that takes no writes, a standby for instance, is reported as [ErrReadOnly], and the connection is given up:
// with several hosts and target_session_attrs=read-write in the pool's URL the next one leads to the server that does.
// A full disk is reported as [delivery.ErrFull]: nothing is lost, but nothing is delivered either until there is room,
// since a lease has to be written down. SubmitTx fails the transaction in all these cases, with the order: try that
// again.
//
// # Time
//
// Every time is the server's: leases, delays, pauses and windows are kept as a while by its clock, so that the clocks
// of the machines need not agree. When the server's clock is set back, or a standby with a slower one takes over, that
// is noticed within ten seconds, and what is due after a while is due so much earlier.
//
// # Connections
//
// The pool is the caller's, and may serve the rest of the program too. The queue uses up to four connections of it to
// store calls, one to lease, one for each worker that settles, for moments, and one all the time to listen for new
// calls, once Lease was called. Whatever the notifications do not reach is found by looking every 250 ms; with a pool
// of one connection that is everything.
//
// A transaction with SubmitTx notifies when it commits, at most once in 20 ms for each process; Postgres does not let
// such a one be prepared for a two-phase commit.
//
// # Behind PgBouncer
//
// In transaction mode everything works but the notifications, since a session is needed to listen. The queue tells a
// pooler by its process numbers, which are not the server's, and does not listen through one: a call that another
// process accepts is found within 250 ms. PgBouncer knows prepared statements from version 1.21 on, where its
// max_prepared_statements is not 0; else give the pool DefaultQueryExecMode = pgx.QueryExecModeExec. The tests do so,
// with version 1.18.
//
// PgBouncer 1.18 to 1.20 can exit while clients cancel statements (https://github.com/pgbouncer/pgbouncer/issues/822),
// which pgx does when a context ends early. It was seen to when its connections to the server were left listening too,
// and not without. Newer versions have it mended.
//
// # Size and care
//
// A call takes its body and about 250 bytes more while it waits, and its key 150 bytes until the window ends, indexes
// included; once it was leased, as much again until vacuum comes by. Every call is inserted, updated and deleted, so
// the tables carry their own settings for autovacuum, and stay about as large as what waits at most, and what was
// delivered since autovacuum last looked, which it does once a minute by default.
//
// A transaction that stays open for hours, anywhere in the database, keeps vacuum from its work: calls are still
// delivered, ever more slowly, and the tables grow until it ends. Watch pg_stat_activity for an old xact_start, and set
// idle_in_transaction_session_timeout. A table that has grown gives room back to new calls, not to the disk: VACUUM
// FULL does, while nothing runs.
//
// Only the disk bounds how many calls wait. Buried calls are kept for 30 days, and 250,000 of them (see
// [WithBuriedAge] and [WithBuriedLimit]).
package pgqueue
