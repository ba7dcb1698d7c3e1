package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"strconv"

	"github.com/appevents/appevents-go"
)

// identity is what makes a line the same in another run, or twice in one: a digest.
type identity [sha256.Size]byte

// identify returns the identity of a call. Where each of its events has an ID it is made of those IDs, with the names,
// the person and where it goes: such a call is the same however often it stands in a file, also with a mended value.
// Otherwise it is made of all that the call says, and the n-th such line of a file is the n-th such event: repeats
// count, and it does not matter which lines were added or mended before it.
func identify(call appevents.Call) (id identity, named bool, err error) {
	if text, ok := namesOf(call); ok {
		return sha256.Sum256(text), true, nil
	}
	data, err := appevents.MarshalCall(call)
	if err != nil {
		return identity{}, false, err
	}
	return sha256.Sum256(data), false, nil
}

// again is the identity of the n-th repeat of a line.
func (id identity) again(n int) identity {
	if n == 0 {
		return id
	}
	return sha256.Sum256(binary.BigEndian.AppendUint64(id[:], uint64(n))) //nolint:gosec // not negative
}

// namesOf is a text of the IDs of all events of a call, if they all have one.
func namesOf(call appevents.Call) (text []byte, ok bool) {
	add := func(parts ...string) {
		for _, part := range parts {
			text = append(append(strconv.AppendInt(text, int64(len(part)), 10), ':'), part...)
		}
	}
	events := func(
		kind string, thread appevents.Thread, device appevents.Device, events []appevents.Event,
	) ([]byte, bool) {
		person, err := json.Marshal(device)
		if err != nil {
			return nil, false
		}
		add(kind, thread.Channel.String(), string(thread.PageID), string(thread.PSID), string(person))
		for i := range events {
			if events[i].ID == "" {
				return nil, false
			}
			add(events[i].ID, string(events[i].Name))
		}
		return text, len(events) > 0
	}
	switch c := call.(type) {
	case *appevents.Activity:
		return events("activity", c.Thread, c.Device, c.Events)
	case *appevents.PageActivity: //nolint:staticcheck // see edgeOf
		return events("page_activity", c.Thread, appevents.Device{}, c.Events)
	case *appevents.ConversionCall:
		add("conversions", string(c.DatasetID))
		for i := range c.Conversions {
			if c.Conversions[i].ID == "" {
				return nil, false
			}
			t := c.Conversions[i].Thread
			add(c.Conversions[i].ID, string(c.Conversions[i].Name), t.Channel.String(), string(t.PageID), string(t.PSID))
		}
		return text, len(c.Conversions) > 0
	default:
		return nil, false
	}
}

// seenBits is the size of a seen: 16 MiB, of which what is used is taken up as lines come. Of a million lines none is
// likely to be wrongly taken for a repeat, of ten million one in 4,000.
const seenBits = 1 << 27

// A seen knows identities in constant memory. It may wrongly know one, and never does not know one that it was told. A
// line that is wrongly taken for a repeat gets another identity, which no other line has.
type seen struct{ words []uint64 }

func newSeen() *seen { return &seen{make([]uint64, seenBits/64)} }

// add reports whether an identity is new.
func (s *seen) add(id identity) bool {
	fresh := false
	for i := range 8 {
		bit := binary.LittleEndian.Uint32(id[4*i:]) % uint32(64*len(s.words)) //nolint:gosec // not that many
		if mask := uint64(1) << (bit % 64); s.words[bit/64]&mask == 0 {
			s.words[bit/64] |= mask
			fresh = true
		}
	}
	return fresh
}

// sourceName is the member of a stored call that says which line of which file it is from. No call has a field of this
// name, and whoever reads the call passes over it.
const sourceName = `"send_line":`

// withSource notes in a stored call where it is from, unless that is "".
func withSource(body []byte, source string) []byte {
	const before = `,"call":{`
	at := bytes.Index(body, []byte(before))
	text, err := json.Marshal(source)
	if at < 0 || err != nil || source == "" {
		return body
	}
	at += len(before)
	out := make([]byte, 0, len(body)+len(sourceName)+len(text)+1)
	out = append(append(append(out, body[:at]...), sourceName...), text...)
	if body[at] != '}' {
		out = append(out, ',')
	}
	return append(out, body[at:]...)
}

// sourceOf takes the note out again. The source is "" when there is none.
func sourceOf(body []byte) (rest []byte, source string) {
	const before = `,"call":{` + sourceName
	at := bytes.Index(body, []byte(before))
	if at < 0 {
		return body, ""
	}
	dec := json.NewDecoder(bytes.NewReader(body[at+len(before):]))
	if dec.Decode(&source) != nil {
		return body, ""
	}
	end := at + len(before) + int(dec.InputOffset())
	if end < len(body) && body[end] == ',' {
		end++
	}
	return append(bytes.Clone(body[:at+len(before)-len(sourceName)]), body[end:]...), source
}
