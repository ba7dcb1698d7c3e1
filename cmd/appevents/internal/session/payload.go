package session

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/appevents/appevents-go/graphtest"
)

// An item is the only event of a webhook.
type item struct {
	instagram, standby bool
	page, sender       string
	key                string         // "message", "postback", …
	value              map[string]any // what stands there
	mid                string         // of the message that it brings
}

// parseItem reads a body with a single event of a conversation, which constructors can make.
func parseItem(body []byte) (item, bool) {
	var b struct {
		Object string
		Entry  []struct {
			ID                 string
			Messaging, Standby []map[string]json.RawMessage
		}
	}
	if json.Unmarshal(body, &b) != nil || len(b.Entry) != 1 || len(b.Entry[0].Messaging)+len(b.Entry[0].Standby) != 1 {
		return item{}, false
	}
	i := item{instagram: b.Object == "instagram", standby: len(b.Entry[0].Standby) == 1, page: b.Entry[0].ID}
	members := append(b.Entry[0].Messaging, b.Entry[0].Standby...)[0]
	var sender struct{ ID string }
	if json.Unmarshal(members["sender"], &sender) != nil {
		return item{}, false
	}
	i.sender = sender.ID
	for name, raw := range members {
		switch name {
		case "sender", "recipient", "timestamp":
			continue
		}
		dec := json.NewDecoder(bytes.NewReader(raw))
		dec.UseNumber()
		if i.key != "" || dec.Decode(&i.value) != nil || i.value == nil {
			return item{}, false
		}
		i.key = name
	}
	i.mid, _ = i.value["mid"].(string)
	return i, i.key != ""
}

// text returns a member that is text; ok is false for another kind or a missing one.
func (i *item) text(path ...string) (text string, ok bool) {
	value := any(i.value)
	for _, step := range path {
		object, _ := value.(map[string]any)
		value = object[step]
	}
	text, ok = value.(string)
	return text, ok
}

// A candidate is an expression that may make a body, and what it makes.
type candidate struct {
	expression string
	payload    graphtest.Payload
}

// candidates are the constructors that come into question, the plainest first.
func (g *goTest) candidates(number int, i item) []candidate {
	var opts []graphtest.PayloadOption
	var written string
	option := func(opt graphtest.PayloadOption, format string, args ...any) {
		opts = append(opts, opt)
		written += ", graphtest." + fmt.Sprintf(format, args...)
	}
	if i.instagram {
		option(graphtest.OnInstagram(), "OnInstagram()")
	}
	if i.standby {
		option(graphtest.InStandby(), "InStandby()")
	}
	// Always named, as the events name them too.
	option(graphtest.From(i.sender), "From(%s)", g.constant(i.sender))
	if i.page != graphtest.DefaultPageID && i.page != graphtest.DefaultIGID {
		option(graphtest.To(i.page), "To(%s)", quoteGo(i.page))
	}
	generic := written
	if g.referred[i.mid] && (i.key == "message" || i.key == "postback") {
		option(graphtest.MID(i.mid), "MID(%s)", quoteGo(i.mid))
	}
	call := func(name, options, args string, p graphtest.Payload) candidate {
		return candidate{"graphtest." + name + "(" + strings.TrimPrefix(args+options, ", ") + ")", p}
	}

	var list []candidate
	text, _ := i.text("text")
	payload, _ := i.text("payload")
	switch i.key {
	case "message":
		quick, _ := i.text("quick_reply", "payload")
		rest := maps.Clone(i.value)
		delete(rest, "mid")
		list = append(list,
			call("Text", written, quoteGo(text), graphtest.Text(text, opts...)),
			call("QuickReply", written, quoteGo(text)+", "+quoteGo(quick), graphtest.QuickReply(text, quick, opts...)))
		if to, ok := i.text("reply_to", "mid"); ok {
			list = append(list,
				call("TextReply", written, quoteGo(text)+", "+quoteGo(to), graphtest.TextReply(text, to, opts...)))
		}
		if literal, ok := goValue(rest); ok {
			list = append(list, call("Message", written, literal, graphtest.Message(rest, opts...)))
		}
	case "postback":
		list = append(list, call("Postback", written, quoteGo(payload), graphtest.Postback(payload, opts...)))
	case "referral":
		ref, _ := i.text("ref")
		list = append(list, call("Referral", written, quoteGo(ref), graphtest.Referral(ref, opts...)))
	case "optin":
		ref, _ := i.text("ref")
		list = append(list, call("Optin", written, quoteGo(ref), graphtest.Optin(ref, opts...)))
	case "read":
		list = append(list, call("Read", written, "", graphtest.Read(opts...)))
	case "reaction":
		reaction, _ := i.text("reaction")
		emoji, _ := i.text("emoji")
		list = append(list, call("Reaction", written, quoteGo(i.mid)+", "+quoteGo(reaction)+", "+quoteGo(emoji),
			graphtest.Reaction(i.mid, reaction, emoji, opts...)))
	}
	if holdsTime(i.value) {
		return list
	}
	value := maps.Clone(i.value)
	if i.key == "postback" && i.mid != "" && !g.referred[i.mid] {
		value["mid"] = "m_" + strconv.Itoa(number)
	}
	if literal, ok := goValue(value); ok {
		list = append(list, call("Item", generic, quoteGo(i.key)+", "+literal, graphtest.Item(i.key, value, opts...)))
	}
	return list
}

// holdsTime reports whether a value has times in it, which have to be the present ones.
func holdsTime(v any) bool {
	switch v := v.(type) {
	case map[string]any:
		for name, member := range v {
			if n, ok := member.(json.Number); ok {
				if _, _, found := instant([]string{name}, []byte(n)); found {
					return true
				}
			}
			if holdsTime(member) {
				return true
			}
		}
	case []any:
		return slices.ContainsFunc(v, holdsTime)
	}
	return false
}

// goValue writes a value of JSON as a Go expression, where that is plain.
func goValue(v any) (string, bool) {
	switch v := v.(type) {
	case nil:
		return "nil", true
	case bool:
		return strconv.FormatBool(v), true
	case string:
		return quoteGo(v), true
	case json.Number:
		return goNumber(v.String())
	case []any:
		parts := make([]string, len(v))
		for n, element := range v {
			part, ok := goValue(element)
			if !ok {
				return "", false
			}
			parts[n] = part
		}
		return "[]any{" + strings.Join(parts, ", ") + "}", true
	case map[string]any:
		var parts []string
		for _, name := range slices.Sorted(maps.Keys(v)) {
			part, ok := goValue(v[name])
			if !ok {
				return "", false
			}
			parts = append(parts, quoteGo(name)+": "+part)
		}
		return "map[string]any{" + strings.Join(parts, ", ") + "}", true
	}
	return "", false
}

// goNumber writes a number as a Go expression that encoding/json writes as it was.
func goNumber(text string) (string, bool) {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil && strconv.FormatInt(n, 10) == text {
		if int64(int32(n)) == n { //nolint:gosec // that is the question
			return text, true
		}
		return "int64(" + text + ")", true
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return "", false
	}
	written, err := json.Marshal(f)
	return text, err == nil && string(written) == text
}

// canonical is a body without what constructors make anew: times, and the ID of the message that it brings. It is ""
// when the body is not JSON.
func canonical(body []byte) string {
	text, err := edit(body, func(path []string, raw []byte) []byte {
		_, _, isTime := instant(path, raw)
		switch {
		case isTime:
			return []byte("0")
		case ownMID(path):
			return []byte(`""`)
		}
		return nil
	})
	if err != nil {
		return ""
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	var v any
	if dec.Decode(&v) != nil {
		return ""
	}
	out, err := json.Marshal(v) // keys in order
	if err != nil {
		return ""
	}
	return string(out)
}
