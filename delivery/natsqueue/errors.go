package natsqueue

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/appevents/appevents-go/delivery"
)

// Codes of the server that package jetstream has no names for; see errors.json of nats-server.
const (
	codeAccountLimit    jetstream.ErrorCode = 10002
	codeNoPeers         jetstream.ErrorCode = 10005 // servers that could take a replica: they may be starting
	codeNotAssigned     jetstream.ErrorCode = 10007 // the cluster is finding itself
	codeNotLeader       jetstream.ErrorCode = 10009
	codeResources       jetstream.ErrorCode = 10023
	codeMemory          jetstream.ErrorCode = 10028
	codeNoSequence      jetstream.ErrorCode = 10043
	codeStorage         jetstream.ErrorCode = 10047
	codeDeleteFailed    jetstream.ErrorCode = 10057
	codeStoreFailed     jetstream.ErrorCode = 10077 // among others: the stream has reached its limit
	codeIDInProcess     jetstream.ErrorCode = 10158 // somebody else is storing the same ID
	codeTooManyRequests jetstream.ErrorCode = 10167
)

// described makes an error of the servers one of the queue.
func described(err error) error {
	switch {
	case isFull(err):
		return fmt.Errorf("natsqueue: %w: %w", delivery.ErrFull, err)
	case errors.Is(err, nats.ErrMaxPayload), errors.Is(err, jetstream.ErrStreamMessageExceedsMaximum):
		return fmt.Errorf("natsqueue: %w: %w", delivery.ErrTooLarge, err)
	default:
		return fmt.Errorf("natsqueue: %w", err)
	}
}

func isFull(err error) bool {
	var api *jetstream.APIError
	if !errors.As(err, &api) {
		return false
	}
	switch api.ErrorCode {
	case codeAccountLimit, codeResources, codeMemory, codeStorage:
		return true
	case codeStoreFailed:
		return strings.HasPrefix(api.Description, "maximum ") // messages or bytes
	default:
		return false
	}
}

// passing reports whether an error is likely to pass: no server answers, or the one that does has no leader yet, or
// somebody else does the same right now.
func passing(err error) bool {
	if api, ok := errors.AsType[*jetstream.APIError](err); ok {
		switch api.ErrorCode {
		case codeNoPeers, codeNotAssigned, codeNotLeader, codeIDInProcess, codeTooManyRequests,
			jetstream.JSErrCodeStreamNameInUse, jetstream.JSErrCodeConsumerNameExists,
			jetstream.JSErrCodeStreamWrongLastSequence, jetstream.JSErrCodeStreamWrongLastSequenceConstant:
			return true
		default:
			return api.Code == 503 && !isFull(err)
		}
	}
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, nats.ErrTimeout) ||
		errors.Is(err, nats.ErrNoResponders) || errors.Is(err, jetstream.ErrNoStreamResponse) ||
		errors.Is(err, nats.ErrDisconnected) || errors.Is(err, nats.ErrConnectionReconnecting) ||
		errors.Is(err, nats.ErrReconnectBufExceeded)
}

// isAnswer reports whether a request that ended like this was answered, so that it is known what came of it.
func isAnswer(err error) bool {
	var api *jetstream.APIError
	return errors.As(err, &api) || errors.Is(err, nats.ErrNoResponders) || errors.Is(err, jetstream.ErrNoStreamResponse)
}

// isGone reports whether a message could not be found or deleted because it is not there.
func isGone(err error) bool {
	var api *jetstream.APIError
	if !errors.As(err, &api) {
		return false
	}
	switch api.ErrorCode {
	case codeNoSequence, jetstream.JSErrCodeMessageNotFound:
		return true
	case codeDeleteFailed:
		return strings.Contains(api.Description, "no message found") ||
			strings.Contains(api.Description, "deleted message") || strings.Contains(api.Description, "EOF")
	default:
		return false
	}
}
