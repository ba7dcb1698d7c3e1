// Package natsqueue is a [delivery.Queue] on NATS JetStream, for many machines: dispatchers everywhere share the work,
// and with three replicas the loss of a server loses nothing.
//
// # What it makes
//
// [Open] makes what is missing, named after [WithName]. Everything is kept in files:
//
//   - the stream APPEVENTS with the subjects APPEVENTS.calls.LANE, one for each lane, its name in base64: the calls to
//     deliver, a work queue without consumers that refuses what does not fit;
//   - the stream APPEVENTS_LATER: calls that are to be tried again at a later time. Any dispatcher that runs brings
//     them back when their time has come;
//   - the stream APPEVENTS_BURIED: what was put aside, for [WithBuriedAge] and up to [WithBuriedLimit];
//   - the key-value bucket APPEVENTS_STATE: which calls of each lane are leased, by whom and until when; the pauses,
//     which all dispatchers observe; marks of requests that were begun, for [delivery.AtMostOnce]. All of it is kept
//     for eight days, but for the number of buried calls that were taken away.
//
// Besides, queues tell each other on the subject APPEVENTS.ready which lanes have something new. Nothing is lost with
// such a message: every few seconds each dispatcher looks for itself.
//
// What exists is used as it is: replicas and limits are yours to change, with the nats command for instance. Open fails
// when a stream would lose calls, as one kept in memory or with a maximum age does, or does not do what an option asks
// for. Who uses a queue that exists needs no permission to make streams, but to publish to APPEVENTS.>, to subscribe to
// APPEVENTS.ready, to change the bucket, to read and delete messages, and to make the short-lived consumer that watches
// the pauses. Nobody else should be allowed to publish there: what is no call is buried as unreadable.
//
// # Turns
//
// Lanes take turns: one Lease takes from up to 128 lanes, and a share from each. A lane that is paused, or to be
// skipped, costs nothing and moves nothing. A lease claims a range of a lane with one small write; settling is one
// delete. The dispatchers share even a single lane. When one dies, what it had claimed is handed out when its leases
// end. When many lanes have something, a stretch of the stream is read for all of them at once, and up to about 16 MiB
// of calls are kept in memory for a few seconds; calls that are deleted by hand may still be handed out then. Lanes
// that are far apart in the stream are read one by one: a server searches for the next call of a lane within blocks of
// about 8 MiB, which takes up to a millisecond of CPU.
//
// # Time
//
// Leases, pauses and due times go by the servers' clock, and so do the times of a call that a machine submits whose own
// clock is off by more than five seconds. A machine's clock may be set at any time. The servers' own clocks must agree:
// let them keep time with NTP.
//
// # Upgrading
//
// A stream of the version that kept all calls on the subject APPEVENTS.calls is changed by the first Open, which needs
// the permission to update streams and consumers then. Calls on that subject are moved to their lanes as soon as the
// old dispatchers have settled theirs, or their leases are over, and the old consumer is deleted. Old processes may go
// on to submit, but deliver nothing from then on, and cannot open the queue again. Nothing of that takes a stop. Put
// asks for the key of the version before too, with a request of its own, but not in a stream that this version made:
// its metadata has appevents-form.
//
// # Starting a server
//
// Version 2.11 or newer is needed. One server, for development or where sync_interval is set as below:
//
//	nats-server -js -sd /var/lib/nats
//
// Three, each started like this with its own name and address; then use [WithReplicas] with 3:
//
//	nats-server -js -sd /var/lib/nats -n nats-1 --cluster_name events --cluster nats://nats-1:6222 \
//		--routes nats://nats-1:6222,nats://nats-2:6222,nats://nats-3:6222
//
// # What is durable
//
// Put and Settle return when JetStream has acknowledged. One server has then written the call to its file; with three
// replicas, two of them have. Written is not flushed: by default the server calls fsync every two minutes. So
//
//   - the death of a server process loses nothing, with one replica or three;
//   - the death of a machine loses nothing with three replicas. With one it can lose what was acknowledged in the last
//     two minutes, and a call settled then can come again;
//   - the same goes for three replicas when two machines lose their power at the same time.
//
// The server's option sync_interval, in the jetstream block of its configuration file, changes that: it takes a shorter
// time, or always, which flushes before each acknowledgement and makes every Put as slow as the disk. Use it where one
// server is all there is:
//
//	jetstream {
//		store_dir: /var/lib/nats
//		sync_interval: always
//	}
//
// # What is accepted once
//
// The servers remember the key of each call for the window of [WithWindow], in their memory: 48 hours unless set. What
// is remembered survives the loss of a server. A server that starts again remembers only the keys of calls that still
// wait to be delivered. When it is the only one, or leads the stream later on, the key of a call that was delivered
// before is accepted again.
//
// # What happens when the network is lost
//
// Put, Settle and the others try again for 15 seconds while no server answers or a new leader is elected, or until
// their context ends; then they return the error. What they store carries an ID, so that it is stored once however
// often they try, and Put learns from what is stored whether it was itself that stored it. A dispatcher keeps trying to
// settle what it has delivered, and sends nothing new meanwhile. Calls that a dispatcher was leasing when the
// connection broke are handed out again when their leases end, after a minute unless [WithLeaseTime] says otherwise; a
// call that was delivered and could not be settled by then is sent again. Let the connection reconnect for ever:
// nats.MaxReconnects(-1).
package natsqueue

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"

	"github.com/appevents/appevents-go/delivery"
	"github.com/appevents/appevents-go/delivery/internal/record"
	"github.com/appevents/appevents-go/delivery/internal/sched"
)

const (
	// patience bounds how long a write goes on while no server answers, as during an election, when the caller's
	// context does not end sooner; tryTime bounds one try, slowTime one after the first for what may be large.
	patience = 15 * time.Second
	tryTime  = 2 * time.Second
	slowTime = 4 * time.Second
	tryDelay = 50 * time.Millisecond
	maxDelay = time.Second
)

// Queue is a queue on JetStream. Make one with [Open]; it is safe for concurrent use.
type Queue struct {
	config

	js     jetstream.JetStream
	calls  jetstream.Stream
	later  jetstream.Stream
	buried jetstream.Stream
	state  jetstream.KeyValue
	marks  jetstream.Stream // what state is kept in
	limit  int64            // bytes the stream of calls may take; less than 1 when there is no limit

	ctx     context.Context // ends with the queue
	cancel  context.CancelFunc
	running sync.WaitGroup
	look    chan struct{} // look for later calls now
	slots   chan struct{} // of requests under way
	gets    chan struct{} // of single messages asked for
	reads   chan struct{} // of several messages asked for
	clock   clock
	begun   begun
	id      string        // names this queue among those that lease
	puts    atomic.Uint64 // numbers what is stored
	newest  atomic.Uint64 // the highest number of a message that a server told of

	mu         sync.Mutex
	closed     bool
	leasing    bool // this process leases, and brings calls back
	looked     bool // all lanes were looked through, or could not be: one that is heard of first must not go before all
	turns      sched.Turns
	signal     sched.Signal
	lanes      map[string]*lane
	told       map[string]told   // by the last part of a lane's subject
	own        map[string]uint64 // the revisions of the pauses we began, by key
	revisions  map[string]uint64 // of all pauses
	duplicates int64
	nextLook   time.Time // when the later calls are to be looked at, at the latest
	old        bool      // there may be calls that an older version stored
	room       room
	walk       *walk     // nil for none
	walkAgain  time.Time // when the next one may begin
	walkPause  time.Duration

	retireAt time.Time // of the goroutine that brings calls back: when leases of an older version are over
}

var _ delivery.Queue = (*Queue)(nil)

// Open opens the queue that js leads to and makes what does not exist yet. It returns an error when what exists does
// not suit, and within 15 seconds for each thing to make when no server answers, or sooner when ctx ends.
//
// The connection stays the caller's: it should reconnect for ever (nats.MaxReconnects(-1)), and be closed after the
// queue.
func Open(ctx context.Context, js jetstream.JetStream, opts ...Option) (*Queue, error) {
	if js == nil {
		return nil, optionError("Open", "js is nil")
	}
	q := &Queue{
		config: config{name: defaultName, leaseTime: defaultLeaseTime, wall: time.Now}, js: js, id: nuid.Next(),
		look: make(chan struct{}, 1), slots: make(chan struct{}, maxRequests), gets: make(chan struct{}, maxGets),
		reads: make(chan struct{}, maxReads),
		lanes: make(map[string]*lane), told: make(map[string]told), own: make(map[string]uint64),
		revisions: make(map[string]uint64),
	}
	for _, opt := range opts {
		if opt == nil {
			return nil, optionError("Open", "an option is nil")
		}
		if err := opt(&q.config); err != nil {
			return nil, err
		}
	}
	q.clock.wall = q.wall
	q.ctx, q.cancel = context.WithCancel(context.WithoutCancel(ctx))
	err := q.setUp(ctx)
	if err == nil {
		err = q.watch(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, q.Close())
	}
	return q, nil
}

// Put implements [delivery.Queue]. An error that wraps [delivery.ErrTooLarge] says that the servers take no message of
// this size.
func (q *Queue) Put(ctx context.Context, item delivery.Item) (bool, error) {
	if err := q.usable(); err != nil {
		return false, err
	}
	data := record.Append(nil, &record.Record{Item: q.clock.storedItem(item)})
	if most := q.js.Conn().MaxPayload(); most > 0 && int64(len(data)+maxPast) > most {
		return false, fmt.Errorf("natsqueue: %w: the server takes messages of %d bytes", delivery.ErrTooLarge, most)
	}
	if q.full(ctx) {
		return false, fmt.Errorf("natsqueue: %w: too many calls wait for later", delivery.ErrFull)
	}
	known, err := q.knows(ctx, item)
	if err != nil {
		return false, err
	}
	added, seq := false, uint64(0)
	if !known {
		if added, seq, err = q.store(ctx, item, data); err != nil {
			return false, err
		}
	}
	if !added {
		q.mu.Lock()
		q.duplicates++
		q.mu.Unlock()
		return false, nil
	}
	q.tell(token(item.Lane), seq)
	return true, nil
}

// knows reports whether an older version stored this call, which it cannot have in a stream of this form. It sends a
// message that can never be stored, and whose ID the server looks up before it finds that out: it expects a last
// message that there is not.
func (q *Queue) knows(ctx context.Context, item delivery.Item) (known bool, err error) {
	if item.OldKey.IsZero() || q.calls.CachedInfo().Config.Metadata[formKey] != "" {
		return false, nil
	}
	never := jetstream.WithExpectLastMsgID("never")
	if q.calls.CachedInfo().Config.Replicas > 1 { // a leader looks at this before it asks the others
		never = jetstream.WithExpectLastSequence(maxPlace)
	}
	err = q.insist(ctx, func(ctx context.Context) error {
		known = false
		ack, err := q.js.PublishMsg(ctx, &nats.Msg{Subject: q.callsSubject(item.Lane)}, never,
			jetstream.WithMsgID(item.OldKey.String()), jetstream.WithRetryAttempts(0))
		if api, ok := errors.AsType[*jetstream.APIError](err); ok &&
			(api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence || api.ErrorCode == errCodeWrongLastMsgID) {
			return nil
		}
		known = err == nil && ack.Duplicate
		return err
	})
	return known, err
}

// errCodeWrongLastMsgID is the server's for a last message of another ID than expected.
const errCodeWrongLastMsgID jetstream.ErrorCode = 10070

// putHeader names one Put, so that its message can be told from those of others with the same key.
const putHeader = "Appevents-Put"

// store stores a call that is put, and reports whether it is this very one that is stored.
func (q *Queue) store(ctx context.Context, item delivery.Item, data []byte) (added bool, seq uint64, err error) {
	put := q.id + "." + strconv.FormatUint(q.puts.Add(1), 36)
	msg := &nats.Msg{Subject: q.callsSubject(item.Lane), Data: data, Header: nats.Header{putHeader: {put}}}
	before := q.newest.Load()
	ack, unanswered, err := q.send(ctx, msg, item.Key.String())
	if err != nil {
		return false, 0, err
	}
	if ack.Duplicate && unanswered && ack.Sequence > before {
		// It may be our own message that an earlier try has stored.
		m, err := q.get(ctx, q.calls, getRequest{Seq: ack.Sequence})
		if err != nil {
			return false, 0, err
		}
		// What is delivered by now cannot be told; most likely it was ours.
		ack.Duplicate = m != nil && m.header.Get(putHeader) != put
	}
	return !ack.Duplicate, ack.Sequence, nil
}

// send publishes a message under an ID, and tries again while no server answers: the ID makes that safe. It reports
// whether a try before the last had no answer, and so may have stored the message.
func (q *Queue) send(
	ctx context.Context, msg *nats.Msg, id string,
) (ack *jetstream.PubAck, unanswered bool, err error) {
	err = q.insist(ctx, func(ctx context.Context) (err error) {
		ack, err = q.js.PublishMsg(ctx, msg, jetstream.WithMsgID(id), jetstream.WithRetryAttempts(0))
		unanswered = unanswered || err != nil && !isAnswer(err)
		return err
	})
	if err == nil && ack.Stream == q.name {
		for {
			newest := q.newest.Load()
			if ack.Sequence <= newest || q.newest.CompareAndSwap(newest, ack.Sequence) {
				break
			}
		}
	}
	return ack, unanswered, err
}

// publish stores a message under an ID.
func (q *Queue) publish(ctx context.Context, subject, id string, data []byte) (seq uint64, err error) {
	ack, _, err := q.send(ctx, &nats.Msg{Subject: subject, Data: data}, id)
	if err != nil {
		return 0, err
	}
	return ack.Sequence, nil
}

// maxPast is room in a message for its headers and for what a call's failures add to it.
const maxPast = 8 << 10

// room is what is known about the room that is left.
type room struct {
	asked time.Time
	full  bool
}

// roomEvery is how often it is found out how much the later calls take.
const roomEvery = time.Second

// full reports whether the later calls alone take what all calls may. The server sees to the limit of those to deliver
// now, but an outage moves them out of its sight.
func (q *Queue) full(ctx context.Context) bool {
	if q.limit < 1 {
		return false
	}
	now := time.Now()
	q.mu.Lock()
	full, ask := q.room.full, now.Sub(q.room.asked) >= roomEvery
	if ask {
		q.room.asked = now
	}
	q.mu.Unlock()
	if !ask {
		return full
	}
	ctx, cancel := context.WithTimeout(ctx, tryTime)
	defer cancel()
	info, err := q.later.Info(ctx)
	if err != nil {
		return full
	}
	full = info.State.Bytes >= uint64(q.limit)
	q.mu.Lock()
	q.room.full = full
	q.mu.Unlock()
	return full
}

// insist calls fn until it succeeds, the server refuses, ctx ends, patience runs out or, after a failure, the queue is
// closed. Each try has a limit.
func (q *Queue) insist(ctx context.Context, fn func(ctx context.Context) error) error {
	return q.persist(ctx, func(ctx context.Context) error { return tryOnce(ctx, fn) })
}

// persist is the same for tries that see to their limits themselves.
func (q *Queue) persist(ctx context.Context, fn func(ctx context.Context) error) error {
	end := time.Now().Add(patience)
	before := q.js.Conn().LastError()
	for try := 1; ; try++ {
		err := fn(ctx)
		if err == nil {
			return nil
		}
		// Servers do not answer requests that they do not allow; the connection learns of it otherwise.
		denied := q.js.Conn().LastError()
		if !errors.Is(denied, nats.ErrPermissionViolation) || denied == before { //nolint:errorlint // the very same one
			denied = nil
		}
		switch {
		case denied != nil:
			return fmt.Errorf("natsqueue: %w: %w", denied, cmp.Or(ctx.Err(), err))
		case ctx.Err() != nil:
			return ctx.Err()
		case q.ctx.Err() != nil:
			return delivery.ErrClosed
		case !passing(err) || time.Now().After(end):
			return described(err)
		}
		q.wait(ctx, min(tryDelay<<min(try-1, 10), maxDelay))
	}
}

func tryOnce(ctx context.Context, fn func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, tryTime)
	defer cancel()
	return fn(ctx)
}

// wait returns when d is over, ctx ends or the queue is closed.
func (q *Queue) wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	case <-q.ctx.Done():
	}
}

// usable returns why the queue cannot be used, or nil.
func (q *Queue) usable() error {
	switch {
	case q.ctx == nil:
		return fmt.Errorf("natsqueue: the queue is zero, make one with Open: %w", delivery.ErrClosed)
	case q.ctx.Err() != nil:
		return delivery.ErrClosed
	}
	return nil
}

// Close implements [delivery.Queue]. What was leased and not settled is handed out again when its lease ends.
func (q *Queue) Close() error {
	if q.ctx == nil {
		return nil
	}
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	q.cancel()
	q.running.Wait()
	return nil
}

// parse reads a record. One that cannot be read becomes an item whose body is the whole record, so that it can be
// buried and looked at.
func parse(data []byte) record.Record {
	r, err := record.Parse(data)
	if err != nil {
		return record.Record{Item: delivery.Item{Lane: unreadable, Body: data}}
	}
	return r
}

// unreadable is the lane of what has none, and of what is below it.
const unreadable = "unreadable"

// callsSubject is where the calls of a lane are stored.
func (q *Queue) callsSubject(lane string) string { return q.name + ".calls." + token(lane) }

// noLane is the token of the lane without a name.
const noLane = "_"

// token makes a lane a part of a subject or key.
func token(lane string) string {
	if lane == "" {
		return noLane
	}
	return base64.RawURLEncoding.EncodeToString([]byte(lane))
}

func fromToken(s string) (lane string, ok bool) {
	if s == noLane {
		return "", true
	}
	data, err := base64.RawURLEncoding.Strict().DecodeString(s)
	return string(data), err == nil && len(data) > 0
}

// Format prints a queue as its name, whatever the verb: what waits in it belongs to people.
func (q *Queue) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "natsqueue.Queue") }
