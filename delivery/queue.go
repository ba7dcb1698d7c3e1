package delivery

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"
	"time"
)

// Queue keeps calls until they are delivered. Package memqueue, boltqueue, natsqueue and pgqueue have one each; an
// engine of your own passes the suite in package queuetest.
//
// Times are of this machine, or of the server where the queue has one, and clocks are set: what is due after a while,
// the retries, pauses and leases, is due after no more than that when the clock was set back meanwhile, also if the
// queue was closed then.
//
// Buried items are kept for 30 days, and take a quarter of the room at most, unless the engine is told otherwise; the
// oldest are dropped first.
//
// A queue is safe for concurrent use. Its methods return [ErrClosed] once it is closed, and a blocked [Queue.Lease]
// returns with it.
type Queue interface {
	// Put stores item and returns when it is durable. It returns false, and stores nothing, when an item whose Key is
	// this one's Key or OldKey was stored within the queue's de-duplication window. An error that wraps [ErrFull] says
	// that there is no room. After any other error, and when ctx ended, the item may be stored: putting it again with
	// the same Key is safe. Put keeps no reference to item.Body.
	Put(ctx context.Context, item Item) (added bool, err error)

	// Lease hands out at least one and at most limit items that nobody else holds, or waits until one is due, ctx
	// ends or the queue is closed. Items of paused lanes stay behind. Within a lane older items come first, retried ones
	// perhaps later. A queue that can takes turns between lanes, so that a long lane does not hold up the others.
	//
	// A lease that is not settled by its end is void, and its item is handed out again.
	//
	// Items of the lanes in skip stay behind for this call; others that share the queue get them. A lane that leaves skip
	// while Lease waits is looked at again at once. A nil skip skips nothing.
	Lease(ctx context.Context, limit int, skip *LaneSet) ([]*Lease, error)

	// Settle ends leases, durably when it returns nil. Each lease stands for itself: when one is void by now, the
	// others are settled all the same and the error wraps [ErrLeaseLost]; only [Done] counts even then, as long as
	// the item is still there.
	Settle(ctx context.Context, settlements ...Settlement) error

	// Pause keeps the items of a lane from being leased until p.Until, and of all lanes below it: a lane is below
	// another when its name goes on with a slash. A time that has passed ends the pause. Everyone who shares the queue
	// observes it; a longer pause that another process began may stay. Leases given out before go on.
	//
	// A lane has two pauses, which do not end each other: the dispatchers', and with p.Manual that of a person. Both
	// outlive the process if the queue does.
	Pause(ctx context.Context, p Pause) error

	// Lanes returns the lanes that have pending items or a pause, in the order of their names.
	Lanes(ctx context.Context) ([]LaneCounts, error)

	// Buried returns up to limit buried items in the order of their burial, from the one with the given ID on, or from
	// the first when the ID is empty. When there is no such item it starts with the next one.
	Buried(ctx context.Context, from string, limit int) ([]Buried, error)

	// Unbury removes buried items, and stores those with Again in their place, whatever their Key, as if put for the
	// first time. Each stands for itself. It returns how many were there; when some were not, the error wraps
	// [ErrNotFound], and the others are done all the same.
	Unbury(ctx context.Context, list ...Unburial) (done int, err error)

	// Counts returns figures that fit together: Stored is Delivered plus Buried plus Pending.
	Counts(ctx context.Context) (Counts, error)

	// Close releases what the queue holds. It does not wait for leases; what was not settled is pending. Closing again
	// does nothing.
	Close() error
}

// Item is a call as a queue stores it. It holds no credential, and personal data only as hashes and Page-scoped IDs.
type Item struct {
	// Key de-duplicates.
	Key Key

	// OldKey is what the version before this one stored in the place of Key; zero for none. Put takes an item for a
	// duplicate also when this key is known, but does not remember it; a queue that holds nothing of that version need
	// not. Nothing else looks at it: it need not be stored.
	OldKey Key

	// Lane is what the call's limits belong to: "activities/901" for a conversation with the Page 901, "activities/app"
	// for a call without a Page, "page_activities/901", or "events/5501" for the dataset 5501.
	Lane string

	// Group is equal for calls that may travel in one request. The zero Group travels alone.
	Group Group

	// Body is the call in the form of [appevents.MarshalCall].
	Body []byte

	// Submitted is when the call was accepted.
	Submitted time.Time

	// Expires is when it stops being of use.
	Expires time.Time
}

// Key is the de-duplication key of an item: a digest, since the text it stands for can be personal.
type Key [16]byte

// KeyOf returns the Key of a text.
func KeyOf(text string) Key {
	sum := sha256.Sum256([]byte(text))
	return Key(sum[:16])
}

// IsZero reports whether the key is not set.
func (k Key) IsZero() bool { return k == Key{} }

// String returns the key in hexadecimal.
func (k Key) String() string { return hex.EncodeToString(k[:]) }

// Group tells which items may be merged. It is a digest too.
type Group [16]byte

// IsZero reports whether items of this group travel alone.
func (g Group) IsZero() bool { return g == Group{} }

// Lease is an item handed out for delivery.
type Lease struct {
	Item

	// ID names the item within the queue as long as it waits.
	ID string

	// Attempts is how often delivery was tried before and failed, FirstError and LastError how.
	Attempts   int
	FirstError string
	LastError  string

	// Begun says that an earlier holder settled the lease with [Begin] and with nothing else after that: it went away
	// while a request may have been under way.
	Begun bool

	// Until is the end of the lease.
	Until time.Time

	// Receipt is the queue's own.
	Receipt any
}

// Verdict says what becomes of a leased item.
type Verdict uint8

// The verdicts.
const (
	// Done removes the item: it was delivered.
	Done Verdict = iota + 1

	// Retry makes it due at Settlement.At. With an Error it counts as an attempt.
	Retry

	// Bury puts it aside for good, with Settlement.Reason.
	Bury

	// Release gives it back as if it had not been leased.
	Release

	// Begin notes durably that a request with the item is about to be made, and keeps the lease.
	Begin
)

// String returns "delivered", "retry", "buried", "released" or "begun".
func (v Verdict) String() string {
	switch v {
	case Done:
		return "delivered"
	case Retry:
		return "retry"
	case Bury:
		return "buried"
	case Release:
		return "released"
	case Begin:
		return "begun"
	default:
		return "none"
	}
}

// Settlement ends a lease.
type Settlement struct {
	Lease   *Lease
	Verdict Verdict

	// At is when an item to retry is due. The zero time means at once.
	At time.Time

	// Reason is why an item is buried.
	Reason Reason

	// Error is what happened, for Retry and Bury. It holds no credential and no personal data.
	Error string

	// Body replaces the item's body when it is not nil, for Retry and Bury: part of the call was delivered, and this
	// is the rest.
	Body []byte
}

// Buried is an item that was put aside.
type Buried struct {
	Item

	ID         string
	Reason     Reason
	Attempts   int // failed deliveries, the last included
	FirstError string
	LastError  string
	BuriedAt   time.Time
}

// Unburial removes a buried item, or stores another in its place.
type Unburial struct {
	ID    string
	Again *Item // what to store in its place; nil for nothing
}

// Pause keeps a lane from being leased for a while.
type Pause struct {
	Lane   string
	Until  time.Time // a time that has passed ends the pause
	Note   string    // why; kept with the pause. It holds no credential and no personal data.
	Manual bool      // a person's, not a dispatcher's
}

// LaneCounts is what a queue knows about a lane.
type LaneCounts struct {
	Lane    string
	Pending int64     // items waiting or leased, of this lane alone
	Oldest  time.Time // when the oldest of them was submitted; zero when none is pending, may be approximate

	// PausedUntil and Note describe the pause of this very lane that lasts longest, Manual says that it is a person's.
	// Zero when there is none.
	PausedUntil time.Time
	Note        string
	Manual      bool
}

// Reason is why a call was buried.
type Reason string

// The reasons for burying a call: there are no others.
const (
	// ReasonRefused: Graph refused it for good, for what it holds.
	ReasonRefused Reason = "refused"

	// ReasonExpired: it could not be delivered in time. Buried.Attempts says whether it was tried at all.
	ReasonExpired Reason = "expired"

	// ReasonUnknown: it was sent, no usable answer came, and the policy is [AtMostOnce].
	ReasonUnknown Reason = "outcome unknown"

	// ReasonPanicked: code it needs panicked three times while it was tried: a token source, an HTTP transport, an
	// observer or a log handler.
	ReasonPanicked Reason = "panicked"

	// ReasonUnreadable: the stored call cannot be read, for instance because a newer version wrote it.
	ReasonUnreadable Reason = "unreadable"
)

// Counts are the figures of a queue. All but the gauges Pending, Kept, PausedLanes and Oldest only grow.
type Counts struct {
	Stored     int64 // items stored, also those unburied and stored again
	Duplicates int64 // items not stored for their Key
	Delivered  int64 // items that ended with Done
	Buried     int64 // items that ended with Bury, whatever became of them since

	Pending     int64     // waiting or leased
	Kept        int64     // buried and still there
	Dropped     int64     // buried and dropped since to make room, or for their age; only grows
	PausedLanes int       // lanes with a pause that has not ended
	Oldest      time.Time // when the oldest pending item was submitted, zero when none is; may be approximate
}

// The errors of queues and of a Dispatcher, besides those of package appevents.
var (
	ErrClosed    = errors.New("delivery: the queue is closed")
	ErrFull      = errors.New("delivery: the queue has no room")
	ErrLeaseLost = errors.New("delivery: a lease was settled after its end")
	ErrNotFound  = errors.New("delivery: no such buried call")
	ErrRunning   = errors.New("delivery: the dispatcher was started before")
	ErrTooLarge  = errors.New("delivery: the call is too large")
)

// ParentLane returns the lane above lane, or "" when there is none.
func ParentLane(lane string) string {
	if i := strings.LastIndexByte(lane, '/'); i >= 0 {
		return lane[:i]
	}
	return ""
}

// MaxBody is the most bytes a call may take in stored form. Larger ones are refused with [ErrTooLarge]: split them.
const MaxBody = 512 << 10
