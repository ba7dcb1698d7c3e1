package appevents

import (
	"time"
)

// The methods in this file read one key of an event; object skips those they do not know.

func (p *webhookParser) referralEvent(e *ReferralEvent, key string) { p.referral(&e.Referral, key) }

func (p *webhookParser) postback(e *PostbackEvent, key string) {
	switch key {
	case "mid":
		e.MID = p.text()
	case "title":
		e.Title = p.text()
	case "payload":
		e.Payload = p.text()
	case "referral":
		e.Referral = newFrom(p, p.referral)
	}
}

func (p *webhookParser) optin(e *OptinEvent, key string) {
	switch key {
	case "type":
		e.Type = p.text()
	case "ref":
		e.Ref = p.text()
	case "user_ref":
		e.UserRef = p.text()
	case "payload":
		e.Payload = p.text()
	case "title":
		e.Title = p.text()
	case "notification_messages_token":
		e.NotificationToken = p.text()
	case "notification_messages_timezone":
		e.NotificationTimezone = p.text()
	case "notification_messages_frequency":
		e.NotificationFrequency = p.text()
	case "notification_messages_status":
		e.NotificationStatus = p.text()
	case "token_expiry_timestamp":
		e.TokenExpiry = p.time()
	case "user_token_status":
		e.TokenStatus = p.text()
	case "one_time_notif_token":
		e.OneTimeToken = p.text()
	}
}

func (p *webhookParser) delivery(e *DeliveryEvent, key string) {
	switch key {
	case "mids":
		e.MIDs = p.texts()
	case "watermark":
		e.Watermark = p.time()
	}
}

func (p *webhookParser) read(e *ReadEvent, key string) {
	switch key {
	case "mid":
		e.MID = p.text()
	case "watermark":
		e.Watermark = p.time()
	}
}

func (p *webhookParser) edit(e *EditEvent, key string) {
	switch key {
	case "mid":
		e.MID = p.text()
	case "text":
		e.Text = p.text()
	case "num_edit":
		e.NumEdit = int(p.integer())
	}
}

func (p *webhookParser) reaction(e *ReactionEvent, key string) {
	switch key {
	case "mid":
		e.MID = p.text()
	case "action":
		e.Action = p.text()
	case "reaction":
		e.Reaction = p.text()
	case "emoji":
		e.Emoji = p.text()
	}
}

func (p *webhookParser) accountLinking(e *AccountLinkingEvent, key string) {
	switch key {
	case "status":
		e.Status = p.text()
	case "authorization_code":
		e.AuthorizationCode = p.text()
	}
}

func (p *webhookParser) handover(e *HandoverEvent, key string) {
	switch key {
	case "new_owner_app_id":
		e.NewOwnerAppID = p.id()
	case "previous_owner_app_id":
		e.PreviousOwnerAppID = p.id()
	case "requested_owner_app_id":
		e.RequestedOwnerAppID = p.id()
	case "metadata":
		e.Metadata = p.text()
	}
}

// role reads the roles of one app; the keys are app IDs.
func (p *webhookParser) role(e *HandoverEvent, appID string) {
	p.path[p.level-1] = "*"
	if !p.spend() {
		return
	}
	if e.Roles == nil {
		e.Roles = make(map[ID][]string)
	}
	e.Roles[ID(appID)] = p.texts()
}

func (p *webhookParser) policy(e *PolicyEvent, key string) {
	switch key {
	case "action":
		e.Action = p.text()
	case "reason":
		e.Reason = p.text()
	}
}

func (p *webhookParser) gamePlay(e *GamePlayEvent, key string) {
	switch key {
	case "game_id":
		e.GameID = p.id()
	case "player_id":
		e.PlayerID = p.id()
	case "locale":
		e.Locale = p.text()
	case "context_type":
		e.ContextType = p.text()
	case "context_id":
		e.ContextID = p.id()
	case "score":
		e.Score = p.integer()
	case "payload":
		e.Payload = p.text()
	}
}

func (p *webhookParser) order(e *OrderEvent, key string) {
	switch key {
	case "products":
		e.Products = listFrom(p, p.orderProduct)
	case "note":
		e.Note = p.text()
	}
}

func (p *webhookParser) orderProduct(v *OrderProduct, key string) {
	switch key {
	case "id":
		v.ID = p.id()
	case "retailer_id":
		v.RetailerID = p.text()
	case "name":
		v.Name = p.text()
	case "unit_price":
		v.UnitPrice = p.number()
	case "currency":
		v.Currency = p.text()
	case "quantity":
		v.Quantity = int(p.integer())
	}
}

func (p *webhookParser) responseFeedback(e *ResponseFeedbackEvent, key string) {
	switch key {
	case "feedback":
		e.Feedback = p.text()
	case "mid":
		e.MID = p.text()
	}
}

func (p *webhookParser) feedback(e *FeedbackEvent, key string) {
	if key == "feedback_screens" {
		e.Screens = listFrom(p, p.feedbackScreen)
	}
}

func (p *webhookParser) feedbackScreen(v *FeedbackScreen, key string) {
	switch key {
	case "screen_id":
		v.ID = p.text()
	case "questions":
		p.dictionary(func(question string) {
			if v.Questions == nil {
				v.Questions = make(map[string]FeedbackAnswer)
			}
			var answer FeedbackAnswer
			p.object(func(key string) {
				if key == "follow_up" {
					answer.FollowUp = newFrom(p, p.feedbackAnswer)
				} else {
					p.feedbackAnswer(&answer, key)
				}
			})
			v.Questions[question] = answer
		})
	}
}

func (p *webhookParser) feedbackAnswer(v *FeedbackAnswer, key string) {
	switch key {
	case "type":
		v.Type = p.text()
	case "payload":
		v.Payload = p.text()
	}
}

func (p *webhookParser) callField(e *CallEvent, key string) {
	switch key {
	case "id":
		e.CallID = p.text()
	case "from":
		e.CallFrom = p.id()
		e.sender.ID = e.CallFrom
	case "to":
		e.CallTo = p.id()
		e.recipient.ID = e.CallTo
	case "event":
		e.Event = p.text()
	case "timestamp":
		e.millis = p.millis()
	case "call_direction":
		e.Direction = p.text()
	case "status", "call_status":
		e.Status = p.text()
	case "start_time":
		e.Start = p.time()
	case "end_time":
		e.End = p.time()
	case "duration":
		e.Duration = p.seconds()
	}
}

// seconds reads a duration in whole seconds.
func (p *webhookParser) seconds() time.Duration {
	const most = int64(1<<63-1) / int64(time.Second)
	v := p.integer()
	if v < 0 || v > most {
		p.trouble("must be a number of seconds")
		return 0
	}
	return time.Duration(v) * time.Second
}

func (p *webhookParser) callPermission(e *CallEvent, key string) {
	switch key {
	case "response":
		e.Response = p.text()
	case "expiration_timestamp":
		e.Expires = p.time()
	}
}

func (p *webhookParser) templateStatus(e *TemplateStatusEvent, key string) {
	switch key {
	case "event":
		e.Event = p.text()
	case "message_template_id":
		e.TemplateID = p.id()
	case "message_template_name":
		e.TemplateName = p.text()
	case "message_template_language":
		e.Language = p.text()
	case "reason":
		e.Reason = p.text()
	case "timestamp":
		e.millis = p.millis()
	}
}

// changeValue finds in a change's value who it is about and when it happened. The sender of a change is the business.
func (p *webhookParser) changeValue(e *ChangeEvent, key string) {
	switch key {
	case "page_id":
		e.sender.ID = p.id()
	case "recipient_id":
		e.recipient.ID = p.id()
	case "timestamp", "created_time":
		if ms := p.millis(); ms != 0 {
			e.millis = ms
		}
	}
}
