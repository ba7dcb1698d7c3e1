package natsqueue

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	// maxRequests bounds the requests to JetStream's API that one queue has under way. A server that has ten thousand
	// before it, from everybody, drops them all.
	maxRequests = 256

	// maxFetch is about the most bytes to ask for at a time, and maxGets bounds how many single messages. A server drops
	// a connection that has more than 64 MiB before it.
	maxFetch = 24 << 20
	maxGets  = 24

	// maxReads bounds how many reads of several messages are under way: each may bring one that is larger than asked for.
	maxReads = 32

	// flushTime bounds how long to wait for a server when something is given up.
	flushTime = time.Second
)

// message is a message as a stream has it.
type message struct {
	subject string
	seq     uint64
	time    time.Time // when the server stored it
	header  nats.Header
	data    []byte
}

// getRequest is what a stream is asked for messages with.
type getRequest struct {
	Batch    int    `json:"batch,omitempty"`
	MaxBytes int    `json:"max_bytes,omitempty"`
	Seq      uint64 `json:"seq,omitempty"`
	Next     string `json:"next_by_subj,omitempty"`
	Last     string `json:"last_by_subj,omitempty"`
}

// read reads messages of a subject from a place in the stream on. Any server that has the stream may answer: what was
// stored or deleted a moment ago may be missing, or still there, but nothing is missing between two messages. It
// reports whether there are more.
func (q *Queue) read(
	ctx context.Context, stream jetstream.Stream, subject string, seq uint64, limit, maxBytes int,
) (msgs []message, more bool, err error) {
	err = q.persist(ctx, func(ctx context.Context) error {
		msgs, more, err = q.readOnce(ctx, stream, subject, seq, limit, maxBytes)
		return err
	})
	return msgs, more, err
}

// readOnce tries once. It gives up when nothing comes for a while, however long the whole takes: large calls come
// slowly on a busy machine.
func (q *Queue) readOnce(
	ctx context.Context, stream jetstream.Stream, subject string, seq uint64, limit, maxBytes int,
) (msgs []message, more bool, err error) {
	q.reads <- struct{}{}
	defer func() { <-q.reads }()
	q.slots <- struct{}{}
	defer func() { <-q.slots }()
	nc := q.js.Conn()
	body, err := json.Marshal(getRequest{Batch: limit, MaxBytes: maxBytes, Seq: max(seq, 1), Next: subject})
	if err != nil {
		return nil, false, err
	}
	inbox := nc.NewInbox()
	arrived := make(chan *nats.Msg, limit+1)
	sub, err := nc.ChanSubscribe(inbox, arrived)
	if err != nil {
		return nil, false, err
	}
	defer func() { _ = sub.Unsubscribe() }()
	name := stream.CachedInfo().Config.Name
	if err := nc.PublishRequest(q.apiPrefix()+"DIRECT.GET."+name, inbox, body); err != nil {
		return nil, false, err
	}
	timer := time.NewTimer(tryTime)
	defer timer.Stop()
	before := uint64(0)
	for {
		select {
		case msg := <-arrived:
			m, ok := stored(msg, name)
			if (ok || before > 0) && lastValue(msg, jetstream.LastSequenceHeader) != strconv.FormatUint(before, 10) {
				return nil, false, nats.ErrTimeout // some in between were lost with a connection
			}
			if !ok {
				left, _ := strconv.Atoi(msg.Header.Get("Nats-Num-Pending")) // none in an error
				return msgs, left > 0, status(msg)
			}
			msgs, before = append(msgs, m), m.seq
			timer.Reset(tryTime)
		case <-timer.C:
			return nil, false, nats.ErrTimeout
		case <-ctx.Done():
			return nil, false, ctx.Err()
		}
	}
}

// stored reads a message of a stream. It reports false for what the server says itself, which comes without a place in
// the stream. The server appends the place to whatever headers the message has, so that only the last one counts.
func stored(msg *nats.Msg, stream string) (m message, ok bool) {
	last := func(key string) string { return lastValue(msg, key) }
	seq, err := strconv.ParseUint(last(jetstream.SequenceHeader), 10, 64)
	if err != nil || last(jetstream.StreamHeader) != stream {
		return message{}, false
	}
	at, err := time.Parse(time.RFC3339Nano, last(jetstream.TimeStampHeaer))
	if err != nil {
		at = time.Time{}
	}
	return message{subject: last(jetstream.SubjectHeader), seq: seq, time: at, header: msg.Header, data: msg.Data}, true
}

// lastValue returns the last value of a header.
func lastValue(msg *nats.Msg, key string) string {
	if values := msg.Header[key]; len(values) > 0 {
		return values[len(values)-1]
	}
	return ""
}

// status reads what the server says itself at the end of an answer.
func status(msg *nats.Msg) error {
	switch code := msg.Header.Get("Status"); code {
	case "204", "404": // that was all, or none there
		return nil
	case "503":
		return nats.ErrNoResponders
	default:
		return fmt.Errorf("%s %s", code, msg.Header.Get("Description"))
	}
}

// apiError is the part that all answers of JetStream's API have in common.
type apiError struct {
	Error *jetstream.APIError `json:"error"`
}

func (e *apiError) failure() error {
	if e.Error == nil {
		return nil
	}
	return e.Error
}

// ask makes one request to JetStream's API.
func (q *Queue) ask(ctx context.Context, subject string, request any, answer interface{ failure() error }) error {
	body, err := json.Marshal(request)
	if err != nil {
		return err
	}
	q.slots <- struct{}{}
	msg, err := q.js.Conn().RequestWithContext(ctx, q.apiPrefix()+subject, body)
	<-q.slots
	if err != nil {
		return err
	}
	if err := json.Unmarshal(msg.Data, answer); err != nil {
		return err
	}
	return answer.failure()
}

// get asks the leader of a stream for one message, and returns nil when there is none. Only the leader knows what was
// stored and deleted last.
func (q *Queue) get(ctx context.Context, stream jetstream.Stream, request getRequest) (m *message, err error) {
	var answer struct {
		apiError

		Message struct {
			Subject string    `json:"subject"`
			Seq     uint64    `json:"seq"`
			Header  []byte    `json:"hdrs"`
			Data    []byte    `json:"data"`
			Time    time.Time `json:"time"`
		} `json:"message"`
	}
	q.gets <- struct{}{} // waiting for its turn is no part of a try
	defer func() { <-q.gets }()
	limit := tryTime
	err = q.persist(ctx, func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, limit)
		defer cancel()
		limit = slowTime
		answer.apiError = apiError{}
		return q.ask(ctx, "STREAM.MSG.GET."+stream.CachedInfo().Config.Name, request, &answer)
	})
	if isGone(err) {
		return nil, nil //nolint:nilnil // there is none, which is no error
	}
	if err != nil {
		return nil, err
	}
	got := &answer.Message
	m = &message{subject: got.Subject, seq: got.Seq, time: got.Time, data: got.Data}
	if len(got.Header) > 0 {
		m.header, _ = nats.DecodeHeadersMsg(got.Header) // those of strangers may be broken
	}
	return m, nil
}

// next asks the leader for the first message of a subject from a place in the stream on.
func (q *Queue) next(ctx context.Context, s jetstream.Stream, subject string, seq uint64) (*message, error) {
	return q.get(ctx, s, getRequest{Seq: max(seq, 1), Next: subject})
}

// remove deletes a message and reports whether it was there.
func (q *Queue) remove(ctx context.Context, s jetstream.Stream, seq uint64) (was bool, err error) {
	request := struct {
		Seq     uint64 `json:"seq"`
		NoErase bool   `json:"no_erase"`
	}{Seq: seq, NoErase: true}
	unanswered := false
	err = q.insist(ctx, func(ctx context.Context) error {
		err := q.ask(ctx, "STREAM.MSG.DELETE."+s.CachedInfo().Config.Name, request, new(apiError))
		unanswered = unanswered || err != nil && !isAnswer(err)
		return err
	})
	if isGone(err) {
		return unanswered, nil // by an earlier try
	}
	return err == nil, err
}

// info asks for the state of a stream, and learns the server's time with it.
func (q *Queue) info(
	ctx context.Context, s jetstream.Stream, opts ...jetstream.StreamInfoOpt,
) (info *jetstream.StreamInfo, err error) {
	err = q.insist(ctx, func(ctx context.Context) error {
		sent := time.Now()
		info, err = s.Info(ctx, opts...)
		if err == nil {
			q.clock.learn(info.TimeStamp, sent, time.Now())
		}
		return err
	})
	return info, err
}

// outgoing is a message to publish under an ID.
type outgoing struct {
	subject, id string
	data        []byte
}

// publishAll publishes messages in their order, without waiting for one before the next is sent. Each is stored once,
// however often it is tried. The queues that lease are told of the calls among them.
func (q *Queue) publishAll(ctx context.Context, list []outgoing) error {
	futures := make([]jetstream.PubAckFuture, len(list))
	for i, o := range list {
		msg := &nats.Msg{Subject: o.subject, Data: o.data}
		f, err := q.js.PublishMsgAsync(msg, jetstream.WithMsgID(o.id), jetstream.WithRetryAttempts(0))
		if err == nil { // the others are tried one by one
			futures[i] = f
		}
	}
	timer := time.NewTimer(tryTime)
	defer timer.Stop()
	for i, f := range futures {
		seq := uint64(0)
		if f != nil {
			select {
			case ack := <-f.Ok():
				seq = ack.Sequence
				timer.Reset(tryTime) // the servers are slow, but at it
			case <-f.Err(): //nolint:errcheck // it is tried again
			case <-timer.C:
				timer.Reset(0) // the others have had their time
			case <-ctx.Done():
			}
		}
		o := list[i]
		if seq == 0 {
			var err error
			if seq, err = q.publish(ctx, o.subject, o.id, o.data); err != nil {
				return err
			}
		}
		if part, ok := strings.CutPrefix(o.subject, q.name+".calls."); ok {
			q.tell(part, seq)
		}
	}
	return nil
}

// apiPrefix is where requests to JetStream go.
func (q *Queue) apiPrefix() string {
	if prefix := q.ownPrefix(); prefix != "" {
		return prefix
	}
	return "$JS.API."
}

// ownPrefix is the same when it is not the usual one.
func (q *Queue) ownPrefix() string {
	opts := q.js.Options()
	switch {
	case opts.APIPrefix != "":
		return strings.TrimSuffix(opts.APIPrefix, ".") + "."
	case opts.Domain != "":
		return "$JS." + opts.Domain + ".API."
	default:
		return ""
	}
}

// errConflict says that somebody else has changed what was to be changed.
var errConflict = errors.New("changed by somebody else")
