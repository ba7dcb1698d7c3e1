package delivery

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"time"

	"github.com/appevents/appevents-go"
)

// Submit stores call for delivery and returns nil once it is durable: from then on it is delivered, or buried with a
// reason. A call of the same kind with the same key within the queue's de-duplication window was accepted before, and
// Submit returns nil without storing it again: use [appevents.WebhookEvent.DedupeKey]. An [appevents.Activity], an
// [appevents.PageActivity], an [appevents.Install] and the conversions of each dataset are kinds of their own, so one
// webhook's key serves for one call of each; add a word of your own where it leads to several of a kind. The key is
// required; only a digest of it is stored.
//
// The call is validated first and refused with its [*appevents.ValidationError]. It is stored without credentials, with
// personal data as hashes, and events without a time get the present one, so that they keep it however late they are
// sent. The call may be changed or submitted again afterwards.
//
// An error that wraps [ErrTooLarge] or [ErrFull] says that the call was not stored. Any other error of the queue, and
// the context's, leave it open: submit the call again with the same key.
func (d *Dispatcher) Submit(ctx context.Context, key string, call appevents.Call) error {
	item, err := d.Item(key, call)
	if err != nil {
		return err
	}
	_, err = d.queue.Put(ctx, item)
	return err
}

// Item returns what [Dispatcher.Submit] stores for a call: validated, with the time of its events, personal data as
// hashes, and no credential. It is for those who put it into the queue themselves, in a transaction of their own for
// instance. It refuses what Submit refuses, but for what only the queue can know.
func (d *Dispatcher) Item(key string, call appevents.Call) (Item, error) {
	if key == "" {
		return Item{}, invalid("key", appevents.RuleRequired, "must be set: it makes a repeated call be accepted once")
	}
	item, err := d.item(call, time.Now())
	if err != nil {
		return Item{}, err
	}
	item.Key, item.OldKey = keyOf(key, call), KeyOf(key)
	return item, nil
}

// keyOf is the de-duplication key of a call: of its kind, and of the dataset where it has one. What comes first holds
// no zero byte, so no two pairs are the same text.
func keyOf(key string, call appevents.Call) Key {
	kind := "install"
	switch c := call.(type) {
	case *appevents.Activity:
		kind = "activity"
	case *appevents.PageActivity:
		kind = "page_activity"
	case *appevents.ConversionCall:
		kind = "conversions/" + string(c.DatasetID)
	}
	return KeyOf(kind + "\x00" + key)
}

func invalid(path, rule, message string) error {
	return &appevents.ValidationError{Issues: []appevents.Issue{{Path: path, Rule: rule, Message: message}}}
}

// item makes a call an item, but for its key.
func (d *Dispatcher) item(call appevents.Call, now time.Time) (Item, error) {
	if call == nil {
		return Item{}, invalid("", appevents.RuleRequired, "the call is nil")
	}
	if err := call.Validate(); err != nil {
		return Item{}, err
	}
	call, shell := stamp(call, now)
	item := Item{Lane: laneOf(call), Submitted: now, Expires: now.Add(d.maxAge)}
	if limit := expiry(call); !limit.IsZero() && limit.Before(item.Expires) {
		item.Expires = limit
	}
	var err error
	if item.Body, err = appevents.MarshalCall(call); err != nil {
		return Item{}, err
	}
	if len(item.Body) > MaxBody {
		return Item{}, fmt.Errorf("%w: %d bytes, at most %d fit", ErrTooLarge, len(item.Body), MaxBody)
	}
	switch call.(type) {
	case *appevents.ConversionCall: // all of a dataset
		item.Group = Group(KeyOf(item.Lane))
	case *appevents.Install: // one at a time
	default:
		if item.Group, err = groupOf(item.Lane, shell); err != nil {
			return Item{}, err
		}
	}
	return item, nil
}

// stamp returns a copy of a call whose events all have a time, and, of a call about one person, the call without its
// events: what calls have in common that may be merged.
func stamp(call appevents.Call, now time.Time) (stamped, shell appevents.Call) {
	now = now.UTC().Truncate(time.Second) // what is sent
	if now.Year() < 2004 {
		now = time.Time{} // the clock is not set, and Graph would refuse the time: better none
	}
	if events, ok := eventsOf(call); ok {
		return withEvents(call, stampEvents(events, now)), withEvents(call, nil)
	}
	switch c := call.(type) {
	case *appevents.Install:
		own := *c
		if own.InstalledAt.IsZero() {
			own.InstalledAt = now
		}
		return &own, nil
	case *appevents.ConversionCall:
		own := *c
		own.Conversions = slices.Clone(c.Conversions)
		for i := range own.Conversions {
			if own.Conversions[i].Time.IsZero() {
				own.Conversions[i].Time = now
			}
		}
		return &own, nil
	default:
		return call, nil
	}
}

func stampEvents(events []appevents.Event, now time.Time) []appevents.Event {
	events = slices.Clone(events)
	for i := range events {
		if events[i].Time.IsZero() {
			events[i].Time = now
		}
	}
	return events
}

// maxConversionAge is how old a conversion may be when it reaches Meta.
const maxConversionAge = 7 * 24 * time.Hour

// expiry is when Meta takes nothing of a call any more, or the zero time.
func expiry(call appevents.Call) (latest time.Time) {
	if c, ok := call.(*appevents.ConversionCall); ok {
		for i := range c.Conversions {
			if end := c.Conversions[i].Time.Add(maxConversionAge); end.After(latest) {
				latest = end
			}
		}
	}
	return latest
}

// groupOf is the digest of what calls that may be merged have in common.
func groupOf(lane string, shell appevents.Call) (Group, error) {
	data, err := appevents.MarshalCall(shell)
	if err != nil {
		return Group{}, err
	}
	sum := sha256.Sum256(append(append([]byte(lane), 0), data...))
	return Group(sum[:16]), nil
}
