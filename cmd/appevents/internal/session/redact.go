package session

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
)

// A Redactor replaces what people wrote and who they are. The same text or ID is always replaced by the same other one,
// in every session recorded under the same secret, and nobody without it can tell which it was.
type Redactor struct{ key []byte }

// NewRedactor returns a Redactor whose replacements depend on the secret.
func NewRedactor(secret string) *Redactor {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte("appevents session redaction"))
	return &Redactor{mac.Sum(nil)}
}

// Body returns a body without personal data: of all values only those are kept that Meta or the bot's developer wrote,
// and that are on a list. It fails when the body is not JSON.
func (r *Redactor) Body(body []byte) ([]byte, error) {
	about := Describe(body)
	pages := []string{about.Page}
	if _, err := edit(body, func(path []string, raw []byte) []byte {
		if slices.Equal(path, []string{"entry", "*", "id"}) {
			id, ok := unquote(raw)
			if !ok {
				id = string(raw)
			}
			pages = append(pages, id)
		}
		return nil
	}); err != nil {
		return nil, err
	}
	return edit(body, func(path []string, raw []byte) []byte {
		text, isText := unquote(raw)
		if !isText {
			text = string(raw)
		}
		switch {
		case len(path) == 0:
			return []byte(`""`)
		case text == "", text == "true", text == "false", text == "null", kept(path, isText), slices.Contains(pages, text):
			return nil
		case !isText && (isID(path[len(path)-1]) || text == about.Person):
			return []byte(r.digits(text))
		case !isText:
			return []byte("0")
		case anyMID(path) && strings.HasPrefix(text, "m_"):
			return quoteJSON("m_" + r.hash(text))
		case isID(path[len(path)-1]) || text == about.Person:
			return quoteJSON(r.ID(text))
		}
		return quoteJSON("redacted-" + r.hash(text)[:10])
	})
}

// ID returns what stands for the ID of a person.
func (r *Redactor) ID(id string) string {
	if decimal(id) {
		return r.digits(id)
	}
	return "redacted-" + r.hash(id)[:10]
}

func (r *Redactor) sum(text string) []byte {
	mac := hmac.New(sha256.New, r.key)
	mac.Write([]byte(text))
	return mac.Sum(nil)
}

func (r *Redactor) hash(text string) string { return hex.EncodeToString(r.sum(text)[:16]) }

// digits is a number of sixteen digits, as PSIDs are.
func (r *Redactor) digits(id string) string {
	return strconv.FormatUint(1e15+binary.BigEndian.Uint64(r.sum(id))%9e15, 10)
}

func decimal(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

func isID(name string) bool { return name == "id" || strings.HasSuffix(name, "_id") }

// keptTexts are the members of an event with words of Meta's or the bot's developer. A step "*" is any element.
var keptTexts = map[string]bool{
	"postback.payload": true, "postback.title": true, "message.quick_reply.payload": true,
	"message.attachments.*.type": true, "message.commands.*.name": true, "message.tags.*.source": true,
	"optin.type": true, "optin.ref": true, "optin.payload": true, "optin.title": true,
	"optin.notification_messages_frequency": true, "optin.notification_messages_status": true,
	"referral.ref": true, "referral.source": true, "referral.type": true, "referral.ad_id": true,
	"reaction.action": true, "reaction.reaction": true, "reaction.emoji": true, "account_linking.status": true,
	"policy_enforcement.action": true, "response_feedback.feedback": true, "order.products.*.id": true,
	"order.products.*.retailer_id": true, "order.products.*.name": true, "order.products.*.currency": true,
}

// keptNumbers are members with numbers that say nothing about a person.
var keptNumbers = map[string]bool{
	"timestamp": true, "time": true, "watermark": true, "seq": true, "num_edit": true, "quantity": true,
	"unit_price": true,
}

// kept reports whether a value may stay.
func kept(path []string, isText bool) bool {
	last := path[len(path)-1]
	if strings.HasSuffix(last, "app_id") || !isText && keptNumbers[last] {
		return true
	}
	switch {
	case len(path) == 1:
		return last == "object"
	case len(path) == 5 && path[2] == "changes" && last == "field":
		return true
	case len(path) < 5 || path[2] != "messaging" && path[2] != "standby":
		return false
	}
	name := strings.Join(path[4:], ".")
	if i := strings.Index(name, "referral."); i > 0 {
		name = name[i:] // of a message or a postback
	}
	return keptTexts[name]
}
