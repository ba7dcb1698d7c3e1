package emulator

import (
	"slices"
	"strings"
	"time"
)

// graphTime is how Graph writes times of messages.
const graphTime = "2006-01-02T15:04:05-0700"

// maxListed bounds the rows of one answer.
const maxListed = 100

// field is one name in a "fields" parameter, with those in braces behind it.
type field struct {
	name string
	sub  []field
}

// parseFields reads "id,participants{id,name},messages.limit(5){message}".
func parseFields(text string) []field {
	list, _ := fieldsIn(text, 0)
	return list
}

func fieldsIn(text string, depth int) (list []field, rest string) {
	for text != "" && len(list) < maxListed {
		n := strings.IndexAny(text, ",{}")
		name := text
		if n >= 0 {
			name = text[:n]
		}
		name, _, _ = strings.Cut(strings.TrimSpace(name), ".")
		f := field{name: name}
		switch {
		case n < 0:
			text = ""
		case text[n] == '{' && depth < 4:
			f.sub, text = fieldsIn(text[n+1:], depth+1)
			text = strings.TrimPrefix(text, ",")
		case text[n] == '}':
			if name != "" {
				list = append(list, f)
			}
			return list, text[n+1:]
		default:
			text = text[n+1:]
		}
		if f.name != "" {
			list = append(list, f)
		}
	}
	return list, text
}

// project keeps what was asked for; id always is.
func project(object map[string]any, fields []field) (map[string]any, *Error) {
	out := map[string]any{"id": object["id"]}
	for _, f := range fields {
		value, ok := object[f.name]
		if !ok {
			return nil, &Error{Code: 100, Message: "(#100) Tried accessing nonexisting field (" + truncate(f.name, 60) + ")"}
		}
		if len(f.sub) > 0 {
			var err *Error
			if value, err = projectAll(value, f.sub); err != nil {
				return nil, err
			}
		}
		out[f.name] = value
	}
	return out, nil
}

func projectAll(value any, fields []field) (any, *Error) {
	switch v := value.(type) {
	case map[string]any:
		if data, ok := v["data"].([]any); ok {
			list, err := projectAll(data, fields)
			return map[string]any{"data": list}, err
		}
		return project(v, fields)
	case []any:
		list := make([]any, len(v))
		for n := range v {
			var err *Error
			if list[n], err = projectAll(v[n], fields); err != nil {
				return nil, err
			}
		}
		return list, nil
	}
	return value, nil
}

func (c *call) fields(otherwise string) []field {
	if text := c.params.text("fields"); text != "" {
		return parseFields(text)
	}
	return parseFields(otherwise)
}

// conversations is GET /{page}/conversations: those in which something was said, the newest first.
func conversations(e *Emulator, c *call) (any, *Error) {
	if c.page == nil {
		return getPage(e, c)
	}
	list, psid := []any{}, c.params.text("user_id")
	for _, p := range e.peopleByLast(c.page.ID) {
		if psid != "" && p.PSID != psid || len(list) == maxListed {
			continue
		}
		row, err := project(e.conversation(c.page, p), c.fields("updated_time,link"))
		if err != nil {
			return nil, err
		}
		list = append(list, row)
	}
	return map[string]any{"data": list}, nil
}

// peopleByLast are the people of a Page with whom there are messages, the latest first.
func (e *Emulator) peopleByLast(page string) []*Person {
	var list []*Person
	for _, m := range slices.Backward(e.s.Messages) {
		if p := e.person(m.Page, m.PSID); p != nil && m.Page == page && !slices.Contains(list, p) {
			list = append(list, p)
		}
	}
	return list
}

// conversation is one as Graph describes it. The lock is held.
func (e *Emulator) conversation(page *pageData, p *Person) map[string]any {
	messages, count, last := []any{}, 0, time.Time{}
	for _, m := range slices.Backward(e.s.Messages) {
		if m.Page != page.ID || m.PSID != p.PSID {
			continue
		}
		if count++; count == 1 {
			last = m.Time
		}
		if m.MID != "" && len(messages) < maxListed {
			messages = append(messages, e.message(page, p, m))
		}
	}
	participants := []any{
		map[string]any{"id": p.PSID, "name": p.Name}, map[string]any{"id": page.ID, "name": page.Name},
	}
	id := conversationID(p.PSID)
	return map[string]any{
		"id": id, "updated_time": last.Format(graphTime), "link": "/" + page.ID + "/inbox/" + p.PSID,
		"participants": map[string]any{"data": participants}, "senders": map[string]any{"data": participants},
		"messages": map[string]any{"data": messages}, "message_count": count, "unread_count": 0,
		"can_reply": !p.LastWrote.IsZero() && e.later().Sub(p.LastWrote) <= window, "snippet": "", "name": p.Name,
	}
}

func conversationID(psid string) string { return "t_" + psid }

// message is one as Graph describes it. The lock is held.
func (e *Emulator) message(page *pageData, p *Person, m *Message) map[string]any {
	person, self := map[string]any{"id": p.PSID, "name": p.Name}, map[string]any{"id": page.ID, "name": page.Name}
	from, to := person, self
	if m.FromBot {
		from, to = self, person
	}
	attachments := []any{}
	if m.URL != "" {
		attachments = append(attachments, map[string]any{"id": m.MID, "mime_type": m.Kind, "file_url": m.URL})
	}
	return map[string]any{
		"id": m.MID, "created_time": m.Time.Format(graphTime), "message": m.Text, "from": from,
		"to": map[string]any{"data": []any{to}}, "attachments": map[string]any{"data": attachments},
	}
}

// messageByID finds a message and whom it was with. The lock is held.
func (e *Emulator) messageByID(mid string) (*Message, *Person, *pageData) {
	for _, m := range slices.Backward(e.s.Messages) {
		if m.MID == mid {
			return m, e.person(m.Page, m.PSID), e.pageByID(m.Page)
		}
	}
	return nil, nil, nil
}

// oneMessage is GET /{message}.
func oneMessage(e *Emulator, c *call) (any, *Error) {
	m, p, page := e.messageByID(c.parts[0])
	if m == nil || p == nil || page == nil || c.x.Method != "GET" {
		return nil, errGone()
	}
	out, err := project(e.message(page, p, m), c.fields("created_time"))
	return out, err
}

// oneConversation is GET /{conversation} and GET /{conversation}/messages.
func oneConversation(e *Emulator, c *call) (any, *Error) {
	p := e.person(c.pageID(), strings.TrimPrefix(c.parts[0], "t_"))
	if p == nil || c.page == nil || c.x.Method != "GET" {
		return nil, errGone()
	}
	whole := e.conversation(c.page, p)
	if len(c.parts) == 1 {
		return project(whole, c.fields("updated_time,link"))
	}
	return projectAll(whole["messages"], c.fields("id,created_time"))
}

func (c *call) pageID() string {
	if c.page == nil {
		return ""
	}
	return c.page.ID
}
