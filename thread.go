package appevents

import (
	"fmt"
	"time"

	"github.com/appevents/appevents-go/internal/wire"
)

// Channel is the messaging product a conversation takes place on. The zero value is [ChannelMessenger].
type Channel uint8

// The channels a [Thread] can be on.
const (
	ChannelMessenger Channel = iota
	ChannelInstagram
)

// String returns "messenger" or "instagram", the words Graph uses.
func (c Channel) String() string {
	switch c {
	case ChannelMessenger:
		return "messenger"
	case ChannelInstagram:
		return "instagram"
	default:
		return fmt.Sprintf("Channel(%d)", uint8(c))
	}
}

// MarshalText writes the word Graph uses for the channel.
func (c Channel) MarshalText() ([]byte, error) {
	if c > ChannelInstagram {
		return nil, fmt.Errorf("appevents: unknown channel %d", uint8(c))
	}
	return []byte(c.String()), nil
}

// UnmarshalText reads the word Graph uses for the channel; empty text is [ChannelMessenger].
func (c *Channel) UnmarshalText(text []byte) error {
	switch string(text) {
	case "", "messenger":
		*c = ChannelMessenger
	case "instagram":
		*c = ChannelInstagram
	default:
		return fmt.Errorf("appevents: unknown channel (want messenger or instagram)")
	}
	return nil
}

// Thread names a conversation: one person and one business.
//
// On Messenger PageID is the Facebook Page and PSID the page-scoped user ID; on Instagram they hold the professional
// account's ID and the Instagram-scoped ID. [WebhookEvent.Thread] fills it from what Meta sends, also for echoes,
// where Meta swaps sender and recipient. A Thread is comparable, so it can be a map key.
type Thread struct {
	Channel Channel `json:"channel,omitzero" wire:"-"`
	PageID  ID      `json:"page_id,omitzero" wire:",id,required" instagram:"ig_account_id"`
	PSID    ID      `json:"psid,omitzero" wire:"page_scoped_user_id,id,required" instagram:"ig_sid"`
}

// The two channels have names of their own for the IDs.
var (
	threadPlan    = wire.For[Thread]()
	instagramPlan = wire.ForTag[Thread]("instagram")
)

// IsZero reports whether neither the business nor the person is known. Channel does not count.
func (t Thread) IsZero() bool { return t.PageID == "" && t.PSID == "" }

// validateMessenger checks a thread for the edges that only know Messenger.
func (t *Thread) validateMessenger(at *place, p *problems) {
	if t.Channel != ChannelMessenger {
		p.add(at.field("channel"), RuleConflict, "only Messenger threads are logged here; use SendConversions for others")
		return
	}
	check(threadPlan, t, at, p, time.Time{})
}

// validateConversation checks a thread of either channel.
func (t *Thread) validateConversation(at *place, p *problems) {
	if t.Channel > ChannelInstagram {
		p.add(at.field("channel"), RuleUnknown, "must be Messenger or Instagram")
	}
	check(threadPlan, t, at, p, time.Time{})
}

func (t *Thread) warn(at *place, p *problems) {
	if t.PageID != "" && t.PageID == t.PSID {
		p.add(at.field("psid"), RuleConflict, "is the ID of the Page: was the sender of an echo taken for the person?")
	}
}
