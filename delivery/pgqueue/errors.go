package pgqueue

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/appevents/appevents-go/delivery"
)

// The errors of this engine, besides those of package delivery.
var (
	// ErrSchema says that the tables are missing or of another version.
	ErrSchema = errors.New("the tables are not of this version")

	// ErrReadOnly says that the server takes no writes: it is a standby, or was set so.
	ErrReadOnly = errors.New("the server is read-only")

	// ErrNotThisQueue says that a dispatcher does not keep its calls in a [Queue] of this package.
	ErrNotThisQueue = errors.New("the dispatcher's queue is not in Postgres")
)

// Codes of the server; see https://www.postgresql.org/docs/current/errcodes-appendix.html.
const (
	codeDiskFull       = "53100"
	codeConnections    = "53300" // too many
	codeReadOnly       = "25006"
	codeSerialization  = "40001"
	codeDeadlock       = "40P01"
	codeLockTimeout    = "55P03"
	codeUndefinedTable = "42P01"
	codeShutdown       = "57P01" // and 57P02, 57P03: the server stops, crashed, or starts
	classOperator      = "57P0"
	classConnection    = "08"
)

// described makes an error of the server or of a connection one of the queue.
func described(err error) error {
	switch {
	case err == nil, errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded),
		errors.Is(err, delivery.ErrClosed):
		return err
	}
	switch codeOf(err) {
	case codeDiskFull:
		return fmt.Errorf("pgqueue: %w: %w", delivery.ErrFull, err)
	case codeReadOnly:
		return fmt.Errorf("pgqueue: %w: %w", ErrReadOnly, err)
	case codeUndefinedTable:
		return fmt.Errorf("pgqueue: %w: %w", ErrSchema, err)
	default:
		return fmt.Errorf("pgqueue: %w", err)
	}
}

// codeOf is the server's code of an error, or "".
func codeOf(err error) string {
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return pg.Code
	}
	return ""
}

// conflict reports whether the server undid a transaction because of another one: the same again may succeed.
func conflict(err error) bool {
	code := codeOf(err)
	return code == codeSerialization || code == codeDeadlock
}

// passing reports whether an error is likely to pass by itself: a conflict, or a server that restarts.
func passing(err error) bool {
	if code := codeOf(err); code != "" {
		return conflict(err) || code == codeConnections || code == codeLockTimeout ||
			strings.HasPrefix(code, classOperator) || strings.HasPrefix(code, classConnection)
	}
	return true // the connection's
}

// clean makes a text one that every database takes.
func clean(text string) string {
	return strings.ToValidUTF8(strings.ReplaceAll(text, "\x00", "�"), "�")
}

// maxLane is the most bytes the name of a lane may have: it is in an index.
const maxLane = 1024

func checkLane(lane string) error {
	switch {
	case lane == "" || len(lane) > maxLane:
		return fmt.Errorf("pgqueue: a lane must have from 1 to %d bytes", maxLane)
	case clean(lane) != lane:
		return errors.New("pgqueue: a lane must be UTF-8 without a zero byte")
	default:
		return nil
	}
}
