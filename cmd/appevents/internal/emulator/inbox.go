package emulator

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
)

// label is one that bots stick to people.
type label struct {
	ID     string
	Name   string
	People []string
}

func (l *label) shown() map[string]string {
	return map[string]string{"id": l.ID, "name": l.Name, "page_label_name": l.Name}
}

const maxLabels = 1000

// customLabels is /{page}/custom_labels.
func customLabels(e *Emulator, c *call) (any, *Error) {
	if c.page == nil {
		return getPage(e, c)
	}
	if c.x.Method == http.MethodGet {
		list := []any{}
		for _, l := range c.page.Labels {
			list = append(list, l.shown())
		}
		return map[string]any{"data": list}, nil
	}
	name := or(c.params.text("page_label_name"), c.params.text("name"))
	switch {
	case c.x.Method != http.MethodPost:
		return nil, errGone()
	case name == "":
		return nil, invalid("page_label_name", "is required")
	case len(name) > 80*4:
		return nil, invalid("page_label_name", "is too long")
	case len(c.page.Labels) >= maxLabels:
		return nil, invalid("page_label_name", "there are too many labels")
	}
	for _, l := range c.page.Labels {
		if l.Name == name {
			return nil, invalid("page_label_name", "is the name of another label")
		}
	}
	c.page.NextID++
	l := &label{ID: fmt.Sprint(990000000000000 + c.page.NextID), Name: name}
	c.page.Labels = append(c.page.Labels, l)
	return map[string]string{"id": l.ID}, nil
}

// labelOwner finds the Page that a label belongs to. The lock is held.
func (e *Emulator) labelOwner(id string) *pageData {
	for _, p := range e.s.Pages {
		if p.label(id) != nil {
			return p
		}
	}
	return nil
}

func (p *pageData) label(id string) *label {
	for _, l := range p.Labels {
		if l.ID == id {
			return l
		}
	}
	return nil
}

// oneLabel is GET and DELETE /{label}.
func oneLabel(_ *Emulator, c *call) (any, *Error) {
	l := c.page.label(c.parts[0])
	switch {
	case l == nil:
		return nil, errGone()
	case c.x.Method == http.MethodGet:
		return l.shown(), nil
	case c.x.Method != http.MethodDelete:
		return nil, errGone()
	}
	c.page.Labels = slices.DeleteFunc(c.page.Labels, func(other *label) bool { return other == l })
	return map[string]bool{"success": true}, nil
}

// stickLabel is POST and DELETE /{label}/label: a person gets or loses it.
func stickLabel(e *Emulator, c *call) (any, *Error) {
	l, psid := c.page.label(c.parts[0]), c.params.text("user")
	switch {
	case l == nil || c.x.Method == http.MethodGet:
		return nil, errGone()
	case psid == "":
		return nil, invalid("user", "is required")
	case e.person(c.page.ID, psid) == nil:
		return nil, invalid("user", "is nobody who writes to this Page")
	}
	l.People = slices.DeleteFunc(l.People, func(id string) bool { return id == psid })
	if c.x.Method != http.MethodDelete {
		l.People = append(l.People, psid)
	}
	return map[string]bool{"success": true}, nil
}

// labelsOf is GET /{psid}/custom_labels.
func labelsOf(_ *Emulator, c *call) (any, *Error) {
	list := []any{}
	if c.x.Method != http.MethodGet || c.page == nil {
		return nil, errGone()
	}
	for _, l := range c.page.Labels {
		if slices.Contains(l.People, c.parts[0]) {
			list = append(list, l.shown())
		}
	}
	return map[string]any{"data": list}, nil
}

const maxAttachments = 1000

// uploadAttachment is POST /{page}/message_attachments. What is uploaded can be sent by its ID.
func uploadAttachment(_ *Emulator, c *call) (any, *Error) {
	if c.page == nil {
		return nil, errGone()
	}
	var m struct {
		Attachment struct {
			Type    string
			Payload struct{ URL string }
		}
	}
	if !c.params.decode("message", &m) {
		return nil, invalid("message", "is required")
	}
	switch m.Attachment.Type {
	case "image", "audio", "video", "file":
	default:
		return nil, invalid("message[attachment][type]", "must be one of {image, audio, video, file}")
	}
	if _, file := c.params.values["filedata"]; m.Attachment.Payload.URL == "" && !file {
		return nil, invalid("message[attachment][payload][url]", "is required, or a file in filedata")
	}
	if len(c.page.Attachments) >= maxAttachments {
		c.page.Attachments = c.page.Attachments[1:]
	}
	id := fmt.Sprint(770000000000000 + c.x.ID)
	c.page.Attachments = append(c.page.Attachments, id)
	return map[string]string{"attachment_id": id}, nil
}

// pageInbox is the app ID of the inbox in which people of the Page answer.
const pageInbox = "26390203743090"

// control are the edges by which an app hands a conversation over: the person is in recipient.
func control(e *Emulator, c *call) (any, *Error) {
	var to struct{ ID text }
	c.params.decode("recipient", &to)
	p := e.person(c.pageID(), string(to.ID))
	switch {
	case c.x.Method != http.MethodPost:
		return nil, errGone()
	case to.ID == "":
		return nil, invalid("recipient", "must be non-empty")
	case p == nil:
		return nil, &Error{Code: 100, Subcode: 2018001, Message: "(#100) No matching user found"}
	}
	switch c.x.Kind {
	case "pass_thread_control":
		target := c.params.text("target_app_id")
		if target == "" {
			return nil, invalid("target_app_id", "is required")
		}
		if p.Owner = truncate(target, 20); target == e.creds.AppID {
			p.Owner = ""
		}
	case "take_thread_control":
		p.Owner = ""
	}
	return map[string]bool{"success": true}, nil
}

// threadOwner is GET /{page}/thread_owner?recipient={psid}.
func threadOwner(e *Emulator, c *call) (any, *Error) {
	psid := c.params.text("recipient")
	var to struct{ ID text }
	if json.Unmarshal([]byte(psid), &to) == nil && to.ID != "" {
		psid = string(to.ID)
	}
	p := e.person(c.pageID(), psid)
	if p == nil || c.x.Method != http.MethodGet {
		return nil, errGone()
	}
	return map[string]any{"data": []any{map[string]any{
		"thread_owner": map[string]string{"app_id": or(p.Owner, e.creds.AppID)},
	}}}, nil
}

func secondaryReceivers(*Emulator, *call) (any, *Error) {
	return map[string]any{"data": []any{map[string]string{"id": pageInbox, "name": "Page Inbox"}}}, nil
}
