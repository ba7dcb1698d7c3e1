package natsqueue

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	// fetchWait is how long one request for calls waits, and heartbeat how often the server says that it still does.
	fetchWait = 30 * time.Second
	heartbeat = time.Second
	silence   = 3 * heartbeat // after which the server is gone

	// maxFetch is about the most bytes to ask for at a time. A server drops a connection that has more than 64 MiB
	// before it.
	maxFetch = 32 << 20

	// flushTime bounds how long to wait for messages that were on their way when a request was given up.
	flushTime = time.Second
)

// pullRequest is what a consumer is asked for messages with. With NoWait it ends as soon as there is nothing more, but
// not before there was something.
type pullRequest struct {
	Batch     int           `json:"batch"`
	NoWait    bool          `json:"no_wait,omitempty"`
	Expires   time.Duration `json:"expires"`
	Heartbeat time.Duration `json:"idle_heartbeat"`
}

// pull asks the consumer for messages and also returns when the first one came. Unlike the requests of package
// jetstream, one that is given up leaves hardly ever a message behind that nobody would see until its lease ends.
func (q *Queue) pull(ctx context.Context, request pullRequest) (msgs []*nats.Msg, first time.Time, err error) {
	// The consumer could be told how many bytes to send, but one with replicas says that it has before it does.
	request.Batch = min(request.Batch, max(1, maxFetch/max(1, int(q.size.Load()))))
	request.Expires, request.Heartbeat = fetchWait, heartbeat
	msgs, first, err = q.receive(ctx, "CONSUMER.MSG.NEXT."+q.name+"."+consumerName, request, request.Batch)
	total := 0
	for _, msg := range msgs {
		total += len(msg.Data)
	}
	if len(msgs) > 0 {
		q.size.Store(int64(total / len(msgs)))
	}
	return msgs, first, err
}

// getRequest is what a stream is asked for messages with.
type getRequest struct {
	Batch    int    `json:"batch"`
	MaxBytes int    `json:"max_bytes"`
	Seq      uint64 `json:"seq"`
	Subject  string `json:"next_by_subj"`
}

// get reads messages of the stream of later calls. There are no more when it returns none.
func (q *Queue) get(ctx context.Context, request getRequest) ([]*nats.Msg, error) {
	msgs, _, err := q.receive(ctx, "DIRECT.GET."+q.name+"_LATER", request, request.Batch)
	if len(msgs) > 0 {
		err = nil // the rest comes with the next request
	}
	return msgs, err
}

// errNoHeartbeat says that nothing is heard of the server any more.
var errNoHeartbeat = errors.New("the server does not answer")

// receive asks JetStream's API for up to limit messages, and returns when they are there, the server says that there
// are no more, or nothing is heard of it. It also returns when the first message came.
func (q *Queue) receive(
	ctx context.Context, subject string, request any, limit int,
) (msgs []*nats.Msg, first time.Time, err error) {
	nc := q.js.Conn()
	inbox := nc.NewInbox()
	arrived := make(chan *nats.Msg, limit+16)
	sub, err := nc.ChanSubscribe(inbox, arrived)
	if err != nil {
		return nil, first, err
	}
	body, err := json.Marshal(request)
	if err == nil {
		err = nc.PublishRequest(q.apiPrefix()+subject, inbox, body)
	}
	if err != nil {
		_ = sub.Unsubscribe()
		return nil, first, err
	}
	timer := time.NewTimer(silence)
	defer timer.Stop()
	for {
		select {
		case msg := <-arrived:
			timer.Reset(silence)
			over, err := status(msg)
			if !isStatus(msg) {
				if msgs = append(msgs, msg); len(msgs) == 1 {
					first = time.Now()
				}
			}
			if err != nil || over || len(msgs) >= limit {
				_ = sub.Unsubscribe()
				return msgs, first, err
			}
			continue
		case <-timer.C:
			err = errNoHeartbeat
		case <-ctx.Done():
		}
		// Once the server has seen this, no more come.
		_ = sub.Unsubscribe()
		_ = nc.FlushTimeout(flushTime)
		for {
			select {
			case msg := <-arrived:
				if !isStatus(msg) {
					msgs = append(msgs, msg)
				}
				continue
			default:
			}
			if first.IsZero() {
				first = time.Now().Add(-flushTime)
			}
			return msgs, first, err
		}
	}
}

// ask makes a request to JetStream's API of which only the error matters.
func (q *Queue) ask(ctx context.Context, subject string, request any) error {
	body, err := json.Marshal(request)
	if err != nil {
		return err
	}
	msg, err := q.js.Conn().RequestWithContext(ctx, q.apiPrefix()+subject, body)
	if err != nil {
		return err
	}
	var answer struct {
		Error *jetstream.APIError `json:"error"`
	}
	if err := json.Unmarshal(msg.Data, &answer); err != nil {
		return err
	}
	if answer.Error != nil {
		return answer.Error
	}
	return nil
}

// isStatus reports whether a message is the server's and not a call.
func isStatus(msg *nats.Msg) bool { return len(msg.Data) == 0 && msg.Header.Get("Status") != "" }

// status reads a message of the server: whether the request is over, and whether it went wrong.
func status(msg *nats.Msg) (over bool, err error) {
	if !isStatus(msg) {
		return false, nil
	}
	switch code := msg.Header.Get("Status"); code {
	case "100": // heartbeat
		return false, nil
	case "204", "404", "408": // that was all, none there, or none came in time
		return true, nil
	case "503":
		return true, nats.ErrNoResponders
	default:
		return true, fmt.Errorf("%s %s", code, msg.Header.Get("Description"))
	}
}

// apiPrefix is where requests to JetStream go.
func (q *Queue) apiPrefix() string {
	opts := q.js.Options()
	switch {
	case opts.APIPrefix != "":
		return strings.TrimSuffix(opts.APIPrefix, ".") + "."
	case opts.Domain != "":
		return "$JS." + opts.Domain + ".API."
	default:
		return "$JS.API."
	}
}
