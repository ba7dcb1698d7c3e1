package graphtest

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode/utf16"
	"unicode/utf8"
)

// The identities in payloads unless [From] and [To] say otherwise.
const (
	DefaultPageID    = "107001112223334"   // the Page
	DefaultPSID      = "6543210987654321"  // the person writing to the Page
	DefaultIGID      = "17841400000000001" // the Instagram professional account
	DefaultIGSID     = "1122334455667788"  // the person writing to that account
	DefaultEchoAppID = 1517776481860111    // the app that sent an echoed message
)

// A Payload is the body of one webhook POST, written the way Meta writes it: letters outside ASCII as \uXXXX and
// slashes as \/, so that what verifies its signature has to work on the bytes as they came.
//
// Each constructor call makes a new event with its own message ID; delivering one Payload twice is a redelivery.
type Payload []byte

// A PayloadOption changes who, when or where a payload's event is about.
type PayloadOption func(*event)

// event is a payload under construction.
type event struct {
	from, to  string
	at        time.Time
	mid       string
	instagram bool
	standby   bool
}

// From sets the person: the PSID, or the Instagram-scoped ID.
func From(psid string) PayloadOption { return func(e *event) { e.from = psid } }

// To sets the Page, or the Instagram professional account.
func To(pageID string) PayloadOption { return func(e *event) { e.to = pageID } }

// At sets the time of the event, by default now.
func At(t time.Time) PayloadOption { return func(e *event) { e.at = t } }

// MID sets the message ID, by default a fresh one.
func MID(mid string) PayloadOption { return func(e *event) { e.mid = mid } }

// OnInstagram makes it an event of an Instagram account.
func OnInstagram() PayloadOption { return func(e *event) { e.instagram = true } }

// InStandby puts the event into the standby channel, as for an app that does not own the thread. Postbacks lose their
// payload there.
func InStandby() PayloadOption { return func(e *event) { e.standby = true } }

func newEvent(opts []PayloadOption) *event {
	e := &event{at: time.Now()}
	for _, opt := range opts {
		if opt != nil {
			opt(e)
		}
	}
	page, psid := DefaultPageID, DefaultPSID
	if e.instagram {
		page, psid = DefaultIGID, DefaultIGSID
	}
	if e.to == "" {
		e.to = page
	}
	if e.from == "" {
		e.from = psid
	}
	if e.mid == "" {
		var random [24]byte
		_, _ = rand.Read(random[:]) // never fails
		e.mid = "m_" + base64.RawURLEncoding.EncodeToString(random[:])
		if e.instagram {
			e.mid = base64.RawStdEncoding.EncodeToString(append([]byte("ig_"), random[:]...))
		}
	}
	return e
}

// object is a JSON object with its members in the order given: key, value, key, value.
type object []any

// MarshalJSON writes the members in order and leaves out those whose value is the untyped absent.
func (o object) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for n := 0; n+1 < len(o); n += 2 {
		if _, skip := o[n+1].(absent); skip {
			continue
		}
		if b.Len() > 1 {
			b.WriteByte(',')
		}
		value, err := marshal(o[n+1])
		if err != nil {
			return nil, err
		}
		name, err := marshal(o[n])
		if err != nil {
			return nil, err
		}
		b.Write(name)
		b.WriteByte(':')
		b.Write(value)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// absent is the value of a member that is left out.
type absent struct{}

// optional returns s, or absent when it is empty.
func optional(s string) any {
	if s == "" {
		return absent{}
	}
	return s
}

func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, fmt.Errorf("graphtest: payload: %w", err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// ids returns the sender or recipient object.
func ids(id string) object { return object{"id", id} }

// item wraps the members of one event in sender, recipient and timestamp.
func (e *event) item(members ...any) object {
	return append(object{"sender", ids(e.from), "recipient", ids(e.to), "timestamp", e.at.UnixMilli()}, members...)
}

// outgoing is item for what the business sent.
func (e *event) outgoing(members ...any) object {
	return append(object{"sender", ids(e.to), "recipient", ids(e.from), "timestamp", e.at.UnixMilli()}, members...)
}

// anonymous is item without a sender.
func (e *event) anonymous(members ...any) object {
	return append(object{"recipient", ids(e.to), "timestamp", e.at.UnixMilli()}, members...)
}

// payload wraps one item in the envelope.
func (e *event) payload(item object) Payload {
	channel := "messaging"
	if e.standby {
		channel = "standby"
	}
	return e.entry(e.at.UnixMilli(), channel, []object{item})
}

// entry wraps the array called key in the envelope.
func (e *event) entry(time int64, key string, value any) Payload {
	return e.envelope(object{"id", e.to, "time", time, key, value})
}

func (e *event) envelope(entry object) Payload {
	kind := "page"
	if e.instagram {
		kind = "instagram"
	}
	data, err := marshal(object{"object", kind, "entry", []object{entry}})
	if err != nil {
		// Only a caller's own value in Item or Changes can fail; Meta has no way to say so either.
		data, _ = marshal(object{"object", kind, "entry", []object{{"id", e.to, "error", err.Error()}}})
	}
	return escape(data)
}

// escape rewrites valid JSON into Meta's form. Slashes and other than ASCII letters occur only inside strings.
func escape(data []byte) []byte {
	out := make([]byte, 0, len(data)+len(data)/8)
	for n := 0; n < len(data); {
		switch c := data[n]; {
		case c == '\\':
			out = append(out, c, data[n+1]) // an escape already there, such as \" or \/
			n += 2
		case c == '/':
			out = append(out, '\\', '/')
			n++
		case c < utf8.RuneSelf:
			out = append(out, c)
			n++
		default:
			r, size := utf8.DecodeRune(data[n:])
			for _, unit := range utf16.Encode([]rune{r}) {
				out = fmt.Appendf(out, `\u%04x`, unit)
			}
			n += size
		}
	}
	return out
}

// Batch puts the entries of several payloads of one object (Page or Instagram) into one POST, as Meta may.
func Batch(payloads ...Payload) Payload {
	kind := `"page"`
	var entries []string
	for _, p := range payloads {
		n, err := parseJSON(string(p))
		if err != nil {
			continue
		}
		if o, ok := n.get("object"); ok {
			kind = o.raw
		}
		if list, ok := n.get("entry"); ok {
			for _, entry := range list.items {
				entries = append(entries, entry.raw)
			}
		}
	}
	return Payload(`{"object":` + kind + `,"entry":[` + strings.Join(entries, ",") + `]}`)
}

// String returns the JSON text.
func (p Payload) String() string { return string(p) }
