package appevents

import "github.com/appevents/appevents-go/internal/jsonscan"

// message reads the next value into m and reports whether it is an echo.
func (p *webhookParser) message(m *Message) (echo bool) {
	p.object(func(key string) {
		switch key {
		case "mid":
			m.MID = p.text()
		case "text":
			m.Text = p.text()
		case "quick_reply":
			m.QuickReply = newFrom(p, p.quickReply)
		case "reply_to":
			m.ReplyTo = newFrom(p, p.replyTo)
		case "attachments":
			m.Attachments = listFrom(p, p.attachment)
		case "referral":
			m.Referral = newFrom(p, p.referral)
		case "commands":
			m.Commands = p.textsUnder("name")
		case "tags":
			m.Tags = p.textsUnder("source")
		case "sticker_id":
			m.StickerID = p.id()
		case "is_echo":
			echo = p.flag()
		case "is_deleted":
			m.IsDeleted = p.flag()
		case "is_unsupported":
			m.IsUnsupported = p.flag()
		case "is_self":
			m.IsSelf = p.flag()
		case "app_id":
			m.AppID = p.id()
		case "metadata":
			m.Metadata = p.text()
		case "nlp":
			m.nlp = p.scan.Skip()
		}
	})
	return echo
}

func (p *webhookParser) quickReply(v *QuickReply, key string) {
	switch key {
	case "payload":
		v.Payload = p.text()
	}
}

func (p *webhookParser) replyTo(v *ReplyTo, key string) {
	switch key {
	case "mid":
		v.MID = p.text()
	case "is_self_reply":
		v.IsSelfReply = p.flag()
	case "story":
		v.Story = newFrom(p, p.story)
	}
}

func (p *webhookParser) story(v *Story, key string) {
	switch key {
	case "id":
		v.ID = p.id()
	case "url":
		v.URL = p.text()
	}
}

func (p *webhookParser) priorMessage(v *PriorMessage, key string) {
	switch key {
	case "source":
		v.Source = p.text()
	case "identifier":
		v.Identifier = p.text()
	}
}

func (p *webhookParser) referral(v *Referral, key string) {
	switch key {
	case "source":
		v.Source = p.text()
	case "type":
		v.Type = p.text()
	case "ref":
		v.Ref = p.text()
	case "ad_id":
		v.AdID = p.id()
	case "referer_uri":
		v.RefererURI = p.text()
	case "is_guest_user":
		v.IsGuestUser = p.flag()
	case "product":
		p.object(func(key string) {
			if key == "id" {
				v.ProductID = p.id()
			}
		})
	case "ads_context_data":
		v.Ad = newFrom(p, p.adContext)
	}
}

func (p *webhookParser) adContext(v *AdContext, key string) {
	switch key {
	case "ad_title":
		v.Title = p.text()
	case "photo_url":
		v.PhotoURL = p.text()
	case "video_url":
		v.VideoURL = p.text()
	case "post_id":
		v.PostID = p.text()
	case "product_id":
		v.ProductID = p.id()
	case "flow_id":
		v.FlowID = p.id()
	}
}

func (p *webhookParser) leadAnswers() (answers []LeadAnswer) {
	p.object(func(key string) {
		if key == "data" {
			answers = listFrom(p, p.leadAnswer)
		}
	})
	return answers
}

func (p *webhookParser) leadAnswer(v *LeadAnswer, key string) {
	switch key {
	case "question":
		v.Question = p.text()
	case "answer":
		v.Answer = p.text()
	}
}

// attachment reads a key of an element of "attachments".
func (p *webhookParser) attachment(a *Attachment, key string) {
	switch key {
	case "type":
		a.Type = AttachmentType(p.text())
	case "title":
		if v := p.text(); a.Title == "" {
			a.Title = v
		}
	case "url", "URL":
		if v := p.text(); a.URL == "" {
			a.URL = v
		}
	case "payload":
		s := &p.scan
		null := s.Kind() == jsonscan.Null
		start := s.Pos()
		p.object(func(key string) { p.attachmentPayload(a, key) })
		if !null {
			a.payload = s.Span(start, s.Pos())
		}
	}
}

// attachmentPayload reads a key of an attachment's payload. The type may come later in the body and may be new, so the
// keys alone decide what is kept.
func (p *webhookParser) attachmentPayload(a *Attachment, key string) {
	switch key {
	case "url":
		if v := p.text(); v != "" {
			a.URL = v
		}
	case "title":
		if v := p.text(); v != "" {
			a.Title = v
		}
	case "sticker_id":
		a.StickerID = p.id()
	case "id":
		a.PostID = p.id()
	case "ig_post_media_id":
		a.MediaID = p.id()
	case "reel_video_id":
		a.ReelVideoID = p.id()
	case "coordinates":
		a.Location = newFrom(p, p.coordinates)
	case "product":
		p.object(func(key string) {
			if key == "elements" {
				a.Products = listFrom(p, p.product)
			}
		})
	case "booking_id", "status", "start_time", "end_time", "timezone":
		if a.Appointment == nil {
			a.Appointment = &Appointment{}
		}
		p.appointment(a.Appointment, key)
	case "template_type", "text", "elements", "buttons":
		if a.Template == nil {
			a.Template = &Template{}
		}
		p.template(a.Template, key)
	}
}

func (p *webhookParser) coordinates(v *Coordinates, key string) {
	switch key {
	case "lat":
		v.Lat = p.number()
	case "long":
		v.Long = p.number()
	}
}

func (p *webhookParser) product(v *Product, key string) {
	switch key {
	case "id":
		v.ID = p.id()
	case "retailer_id":
		v.RetailerID = p.text()
	case "image_url":
		v.ImageURL = p.text()
	case "title":
		v.Title = p.text()
	case "subtitle":
		v.Subtitle = p.text()
	}
}

func (p *webhookParser) appointment(v *Appointment, key string) {
	switch key {
	case "booking_id":
		v.BookingID = p.text()
	case "status":
		v.Status = p.text()
	case "start_time":
		v.Start = p.time()
	case "end_time":
		v.End = p.time()
	case "timezone":
		v.Timezone = p.text()
	}
}

func (p *webhookParser) template(v *Template, key string) {
	switch key {
	case "template_type":
		v.Type = p.text()
	case "text":
		v.Text = p.text()
	case "elements":
		v.Elements = listFrom(p, p.templateElement)
	case "buttons":
		v.Buttons = listFrom(p, p.templateButton)
	}
}

func (p *webhookParser) templateElement(v *TemplateElement, key string) {
	switch key {
	case "title":
		v.Title = p.text()
	case "subtitle":
		v.Subtitle = p.text()
	case "image_url":
		v.ImageURL = p.text()
	case "url":
		v.URL = p.text()
	case "media_type":
		v.MediaType = p.text()
	case "attachment_id":
		v.AttachmentID = p.id()
	case "buttons":
		v.Buttons = listFrom(p, p.templateButton)
	}
}

func (p *webhookParser) templateButton(v *TemplateButton, key string) {
	switch key {
	case "type":
		v.Type = p.text()
	case "title":
		v.Title = p.text()
	case "url":
		v.URL = p.text()
	case "payload":
		v.Payload = p.text()
	}
}
