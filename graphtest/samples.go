package graphtest

// Samples returns one payload for every webhook field of the Messenger Platform and its Instagram counterpart, and for
// the variants that differ in shape. The key is Meta's name of the field, followed by a slash and the variant where
// there are several; "instagram/" stands before those of an Instagram account. Each call returns new events.
func Samples() map[string]Payload {
	cart := []Product{{
		ID: 123, RetailerID: "MUG-BLUE", Name: "Blue mug", UnitPrice: 11.5, Currency: "USD", Quantity: 2,
	}}
	image := "https://cdn.example.invalid/1.jpg"
	ad := object{"ref", "spring", "ad_id", "6302572858686", "source", "ADS", "type", "OPEN_THREAD"}
	commands := []object{{"name", "help"}}
	fallback := []object{{"type", "fallback", "payload", nil, "title", "Blue mug"}}
	story := object{"story", object{"url", image, "id", "1789"}}
	integrity := object{"timestamp", 1718000000, "status", "active"}
	payment := object{"payload", "CART_1", "amount", object{"currency", "USD", "amount", "29.62"}}
	return map[string]Payload{
		"messages":                  Text("Is the blue mug in stock? Grüße 😊"),
		"messages/quick_reply":      QuickReply("Yes", "CONFIRM_YES"),
		"messages/reply_to":         TextReply("this one", "m_previous"),
		"messages/attachment":       Attachment("image", image),
		"messages/sticker":          Sticker(369239263222822),
		"messages/commands":         Message(map[string]any{"text": "/help", "commands": commands}),
		"messages/ad_referral":      Message(map[string]any{"text": "Hi", "referral": ad}),
		"messages/fallback":         Message(map[string]any{"attachments": fallback}),
		"message_echoes":            Echo("Yes, 4 left"),
		"message_echoes/inbox":      InboxEcho("A human here"),
		"message_deliveries":        Delivered([]string{"m_a1", "m_a2"}),
		"message_deliveries/older":  Delivered(nil),
		"message_reads":             Read(),
		"message_edits":             Edit("m_a1", "the red mug", 2),
		"message_reactions":         Reaction("m_a1", "love", "❤️"),
		"message_reactions/unreact": Reaction("m_a1", "", ""),

		"messaging_account_linking":          AccountLinking("ac_991"),
		"messaging_account_linking/unlinked": AccountLinking(""),
		"messaging_postbacks":                Postback("GET_STARTED"),
		"messaging_postbacks/referral":       ReferredPostback("GET_STARTED", "flyer-7"),
		"messaging_referrals":                Referral("flyer-7"),
		"messaging_referrals/ad":             AdReferral("spring_1", "6302572858686"),
		"messaging_referrals/lead":           LeadReferral("6302572858686", "City?", "Oslo"),
		"messaging_optins":                   Optin("footer"),
		"messaging_optins/checkbox":          CheckboxOptin("checkout-99", "ref-77"),
		"messaging_optins/notification":      NotificationOptin("topic-mugs", "Mug news"),
		"messaging_handovers/pass":           HandoverPass("", "123456789", "to support"),
		"messaging_handovers/take":           HandoverTake("123456789", "987654321", "inbox"),
		"messaging_handovers/request":        HandoverRequest(123456789, ""),
		"messaging_handovers/app_roles":      AppRoles("123456789", []string{"primary_receiver"}),
		"messaging_policy_enforcement":       Policy("block", "Example reason"),
		"messaging_policy_enforcement/lift":  Policy("unblock", ""),
		"messaging_game_plays":               GamePlay("2233445566", "778899", 120),
		"send_cart":                          Order("gift wrap", cart),
		"response_feedback":                  ResponseFeedback("m_a1", true),
		"messaging_feedback":                 Feedback("q_csat", "5", "quick!"),
		"messaging_customer_information":     CustomerInformation("city", "Oslo"),
		"messenger_template_status_update":   Changes("messenger_template_status_update", object{"event", "APPROVED"}),
		"message_template_status_update":     TemplateStatus("order_shipped", "APPROVED"),

		"standby":           Text("anyone there?", InStandby()),
		"standby/postback":  Postback("TALK", InStandby()),
		"standby/echo":      Echo("Hello from the other app", InStandby()),
		"standby/read":      Read(InStandby()),
		"standby/delivered": Delivered([]string{"m_a1"}, InStandby()),

		"calls":                             Calling("c_Xy12", "connect"),
		"calls/terminate":                   Calling("c_Xy12", "terminate"),
		"call_permission_reply":             CallPermission("approve"),
		"group_feed":                        GroupFeed("55", "56"),
		"marketing_message_echoes":          MarketingMessage("echoes", 123123123123),
		"marketing_message_deliveries":      MarketingMessage("deliveries", 123123123123),
		"marketing_message_reads":           MarketingMessage("reads", 123123123123),
		"marketing_message_clicks":          MarketingMessage("clicks", 123123123123),
		"marketing_message_delivery_failed": MarketingMessage("delivery_failed", 123123123123),
		"business_integrity":                Changes("business_integrity", integrity),
		"messaging_integrity":               Changes("messaging_integrity", integrity),
		"feed":                              Changes("feed", object{"item", "comment", "verb", "add", "post_id", "1_2"}),

		"messaging_payments":         Item("payment", payment),
		"messaging_pre_checkouts":    Item("pre_checkout", object{"payload", "CART_1"}),
		"messaging_checkout_updates": Item("checkout_update", object{"payload", "CART_1"}),
		"message_request":            Item("message_request", "accept"),
		"unknown":                    Item("made_up_tomorrow", object{"id", 1}),
		"batch":                      Batch(Text("one"), Item("made_up_tomorrow", 1), Text("three")),

		"instagram/messages":             Text("hei", OnInstagram()),
		"instagram/messages/echo":        Echo("hei hei", OnInstagram()),
		"instagram/messages/unsend":      Unsend("aWdfZAG1"),
		"instagram/messages/ephemeral":   Attachment("ephemeral", "", OnInstagram()),
		"instagram/messages/share":       Attachment("share", image, OnInstagram()),
		"instagram/messages/story_reply": Message(map[string]any{"text": "nice", "reply_to": story}, OnInstagram()),
		"instagram/messaging_seen":       Read(OnInstagram()),
		"instagram/message_edit":         Edit("aWdfZAG1", "hallo", 1, OnInstagram()),
		"instagram/message_reactions":    Reaction("aWdfZAG1", "love", "❤️", OnInstagram()),
		"instagram/messaging_postbacks":  Postback("GET_STARTED", OnInstagram()),
		"instagram/messaging_referral":   Referral("flyer-7", OnInstagram()),
		"instagram/messaging_handover":   HandoverPass("", "123456789", "", OnInstagram()),
		"instagram/standby":              Text("anyone there?", OnInstagram(), InStandby()),
		"instagram/comments":             Changes("comments", object{"id", "1790", "text", "wow"}, OnInstagram()),
	}
}
