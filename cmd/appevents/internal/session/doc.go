// Package session is the file format of recorded webhooks, and what is made of it: a Go test, curl commands, and the
// comparison of the events that a bot logs now with those that it logged then.
//
// # Format
//
// A session is UTF-8 text with one JSON object a line (NDJSON): a webhook, with the calls that the bot made for it.
// There is no header, so that recordings can be appended to each other and cut apart.
//
//	{"schema":1,"after_ms":1500,"field":"messages","page":"107001112223334","person":"6543210987654321",
//	 "body":"{\"object\":\"page\",…}","status":200,"calls":[
//	  {"method":"POST","path":"/1517776481860111/activities","status":200,"events":[
//	   {"name":"fb_mobile_purchase","value":55.22,"currency":"USD","person":"6543210987654321","edge":"activities"}]},
//	  {"method":"POST","path":"/me/messages","status":200,"response":"{\"message_id\":\"m_1\"}"}]}
//
// (on one line). The members:
//
//	schema       1
//	after_ms     milliseconds since the webhook of the line before; 0 or absent on the first line of a recording
//	field        Meta's name of the subscription field, of the first event when there are several; informative
//	page         ID of the Page or Instagram account; as in the body when absent
//	person       PSID or Instagram-scoped ID; as in the body when absent
//	body         the webhook's body, byte for byte
//	body_base64  in the place of body, when that is not valid UTF-8
//	status       what the bot answered; absent when it is not known
//	calls        the calls that the bot made before the next webhook of that person, in order; an empty list when it
//	             made none, absent when that is not known
//
// and of a call:
//
//	method
//	path          without version and query
//	status        what Graph answered
//	fault         the fault that the emulator was told to meet the call with
//	events        the app events or conversions in the call: name, value, currency, person, edge, and refused when Graph
//	              did not take it; IDs and times are left out, they differ each time
//	response      Graph's answer, of calls without events
//
// Unknown members are passed over; a line of another schema, or of something else, is an error that names the line. A
// last line that has no end and cannot be read was cut off when the recorder was killed: it is left out, and said.
// Credentials are never part of a session. Texts and IDs of people are, unless they were redacted.
//
// Written by "appevents listen --record", by the emulator (GET /-/api/export?as=ndjson) and by "appevents replay
// --update"; read by "appevents replay".
package session
