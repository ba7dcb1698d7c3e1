package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/appevents/appevents-go/graphtest"
)

// triggerFields are the webhooks that can be made.
func triggerFields() []string {
	list := []string{"messages/text", "messaging_postbacks/get_started"}
	for name := range graphtest.Samples() {
		list = append(list, name)
	}
	slices.Sort(list)
	return list
}

func knownField(name string) bool { return slices.Contains(triggerFields(), name) }

// fieldName is the field with the prefix of Instagram, where that is asked for.
func (c *triggerCommand) fieldName() string {
	if c.Instagram && c.Field != "" && !strings.HasPrefix(c.Field, "instagram/") && knownField("instagram/"+c.Field) {
		return "instagram/" + c.Field
	}
	return c.Field
}

// body is the webhook's: read from the file, or made of the sample and the flags.
func (c *triggerCommand) body(p *program) ([]byte, error) {
	var body []byte
	var err error
	if c.File != "" {
		if body, err = p.readBody(c.File); err != nil {
			return nil, err
		}
	} else if body, err = c.sample(); err != nil {
		return nil, err
	}
	for _, change := range c.Set {
		path, value, ok := strings.Cut(change, "=")
		if !ok || path == "" {
			return nil, usageError("--set takes PATH=JSON, such as message.text=\"hi\"")
		}
		if !json.Valid([]byte(value)) {
			quoted, _ := json.Marshal(value) // a bare word is meant as text
			value = string(quoted)
		}
		if body, err = setMember(body, strings.Split(path, "."), value); err != nil {
			return nil, usageError("--set %s: %w", printable(path), err)
		}
	}
	return body, nil
}

// sample makes the body of a field. Meta escapes it, so its bytes are changed in place.
func (c *triggerCommand) sample() ([]byte, error) {
	name := c.fieldName()
	var body []byte
	switch name {
	case "messages/text":
		body = graphtest.Text("hello")
	case "messaging_postbacks/get_started":
		body = graphtest.Postback("GET_STARTED")
	default:
		body = graphtest.Samples()[name]
	}
	for _, id := range [][2]string{
		{graphtest.DefaultPSID, c.From}, {graphtest.DefaultIGSID, c.From},
		{graphtest.DefaultPageID, c.Page}, {graphtest.DefaultIGID, c.Page},
	} {
		if id[1] != "" {
			body = bytes.ReplaceAll(body, []byte(`"`+id[0]+`"`), []byte(`"`+id[1]+`"`))
		}
	}
	if c.Instagram {
		body = bytes.Replace(body, []byte(`"object":"page"`), []byte(`"object":"instagram"`), 1)
	}
	if c.Standby {
		body = bytes.Replace(body, []byte(`"messaging":[`), []byte(`"standby":[`), 1)
	}
	return c.fill(body)
}

// fill writes text, payload and ad where the field has a place for them.
func (c *triggerCommand) fill(body []byte) ([]byte, error) {
	for _, f := range []struct {
		flag, value string
		places      []string
	}{
		{"--text", c.Text, []string{"message.text", "message_edit.text"}},
		{"--payload", c.Payload, []string{"postback.payload", "message.quick_reply.payload", "optin.payload"}},
		{"--ad", c.Ad, []string{"referral.ad_id", "message.referral.ad_id", "postback.referral.ad_id"}},
	} {
		if f.value == "" {
			continue
		}
		quoted, err := json.Marshal(f.value)
		if err != nil {
			return nil, err
		}
		place := -1
		for i, path := range f.places {
			if place < 0 && hasMember(body, strings.Split(path, ".")) {
				place = i
			}
		}
		if place < 0 {
			return nil, usageError("%s: a webhook of this field has no place for it", f.flag)
		}
		if body, err = setMember(body, strings.Split(f.places[place], "."), string(quoted)); err != nil {
			return nil, err
		}
	}
	return body, nil
}

// itemPath puts the way to the first event before a path that starts inside it.
func itemPath(body []byte, path []string) []string {
	if path[0] == "entry" || path[0] == "object" {
		return path
	}
	for _, list := range []string{"messaging", "standby", "changes"} {
		head := []string{"entry", "0", list, "0"}
		if _, _, found := findMember(body, head); found {
			return append(head, path...)
		}
	}
	return append([]string{"entry", "0"}, path...)
}

func hasMember(body []byte, path []string) bool {
	_, _, found := findMember(body, itemPath(body, path))
	return found
}

// setMember replaces the value at a path, or adds a member to the object that is to hold it. All other bytes stay.
func setMember(body []byte, path []string, value string) ([]byte, error) {
	path = itemPath(body, path)
	encoded := []byte(value)
	if rewritten := (jsonStyle{layout: compacted, slashes: true, ascii: true}); json.Valid(encoded) {
		encoded = rewritten.rewrite(encoded)
	}
	if start, end, found := findMember(body, path); found {
		return slices.Concat(body[:start], encoded, body[end:]), nil
	}
	start, end, found := findMember(body, path[:len(path)-1])
	if !found || end-start < 2 || body[start] != '{' {
		return nil, errNoMember
	}
	name, err := json.Marshal(path[len(path)-1])
	if err != nil {
		return nil, err
	}
	member := slices.Concat(name, []byte(":"), encoded)
	if len(bytes.TrimSpace(body[start+1:end-1])) > 0 {
		member = append([]byte(","), member...)
	}
	return slices.Concat(body[:end-1], member, body[end-1:]), nil
}

// findMember returns where the value at a path stands.
func findMember(body []byte, path []string) (start, end int, found bool) {
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	for _, step := range path {
		token, err := dec.Token()
		if err != nil {
			return 0, 0, false
		}
		switch token {
		case json.Delim('{'):
			found = skipToKey(dec, step)
		case json.Delim('['):
			found = skipToIndex(dec, step)
		default:
			found = false
		}
		if !found {
			return 0, 0, false
		}
	}
	var value json.RawMessage
	if err := dec.Decode(&value); err != nil {
		return 0, 0, false
	}
	end = int(dec.InputOffset())
	return end - len(value), end, true
}

func skipToKey(dec *json.Decoder, name string) bool {
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return false
		}
		if key == name {
			return true
		}
		var skipped json.RawMessage
		if dec.Decode(&skipped) != nil {
			return false
		}
	}
	return false
}

func skipToIndex(dec *json.Decoder, index string) bool {
	n, err := strconv.Atoi(index)
	if err != nil || n < 0 {
		return false
	}
	for ; dec.More(); n-- {
		if n == 0 {
			return true
		}
		var skipped json.RawMessage
		if dec.Decode(&skipped) != nil {
			return false
		}
	}
	return false
}

var errNoMember = errors.New("the body has no object to hold it")
