// Package emulator is Meta on a laptop: Graph as package graphtest serves it and the Messenger edges that bots call
// beside it, the webhooks of people who write to the bot, and an account of what Meta would count. An [Emulator] is one
// http.Handler. It knows neither HTML nor flags; Config.Page mounts the page.
//
// # Paths
//
//	/                 the page (Config.Page)
//	/-/api/…          the API below
//	/-/events         the record as server-sent events
//	/-/…              what else the page serves
//	everything else   Graph, with and without a version
//
// Under a Host of graph.facebook.com or graph.instagram.com every path is Graph. A Host that is neither one of these,
// nor an IP address, nor localhost, nor one of Config.Hosts is answered 421. A request with a foreign Origin is
// answered 403.
//
// # API
//
// Bodies of POST are a JSON object or a form with the same names. Answers are JSON; an error is
// {"error":{"message":"…","field":"…"}} with status 400, 404 or 415. A form sent by a browser without JavaScript
// (Accept names text/html) is answered 303 to the page.
//
//	GET  /-/api/ready                    200 {"ready":true}, or 503 {"ready":false,"why":"…"}
//	GET  /-/api/state                    State
//	GET  /-/api/exchanges?after=0&limit=1000
//	                                     {"exchanges":[Exchange…],"rev":31,"gap":false}
//	GET  /-/api/exchanges/{id}           Exchange
//	GET  /-/api/turns?limit=1000         {"turns":[Turn…]}, the newest last
//	GET  /-/api/counted                  {"fb_mobile_purchase":Counted,…}
//	GET  /-/api/leads                    {"leads":[Lead…],"by_ad":{"6302572858686":2,"":1},"funnel":[Step…]}
//	GET  /-/api/export?as=ndjson|curl|go&psid=&turn=
//	                                     text, a download: what people did, as package session has it; all of it, of one
//	                                     person, or of one turn
//	POST /-/api/say      {"text":"hello","psid":"","page":"","quick_reply":"PAYLOAD"}            -> Exchange
//	POST /-/api/trigger  {"field":"messages/quick_reply","psid":"","page":"","text":"","payload":"","title":"",
//	                      "ref":"","ad":"","mid":"","body":{…},"sign":"","standby":false,"instagram":false,"times":1}
//	                                     -> {"exchanges":[Exchange…],"ok":true}
//	POST /-/api/again/{id}               -> Exchange: the same bytes once more
//	POST /-/api/faults   {"fault":"throttle","edge":"","page":"","times":1}; {"clear":true}      -> State
//	POST /-/api/person   {"psid":"","name":"Ada","locale":"en_US","ad":"","ref":"","page":""}    -> Person
//	POST /-/api/clock    {"advance":"25h"}; {"skew":"-10m"}; {"reset":true}                      -> State
//	POST /-/api/grants   {"page":"","allow":"page_events","deny":"ads_read","token":"expired","expires":"48h",
//	                      "data_access":"48h","secret":"other"}; {"reset":true}                  -> State
//	POST /-/api/pages    {"id":"108001112223335","name":"Tea House"}                             -> State
//	POST /-/api/datasets {"id":"77","name":"","pages":"108001112223335"}; {"id":"77","remove":true}
//	                                     -> State
//	POST /-/api/usage    {"percent":95}                                                          -> State
//	GET  /-/api/tokens                   {"user":"EAA…","pages":{"108001112223335":"EAA…"}}
//	POST /-/api/probe    {}              -> {"results":[{"name":"unsigned","refused":true,"status":403}…],"ok":true}
//	POST /-/api/queue    {"url":"http://127.0.0.1:8081/-/queue"} -> QueueReport: what delivery/inspect says there
//	POST /-/api/reset    {}              -> State
//
// psid and page default to the first person and Page. In trigger, body is a whole webhook body that is sent instead of
// one made from field; times beyond 1 deliver the same bytes again; sign is "" for both headers, or "unsigned",
// "wrong", or "sha1-only". ok says that every answer was 2xx. The field is a key of graphtest.Samples, and further
// "messages/text", "messaging_postbacks/get_started" and "messages/ad_referral"; text, payload, title, ref, ad and mid
// replace the sample's. The names of faults are those of graphtest.FaultKind.String ("throttle", "reset early", …) and
// "error CODE/SUBCODE".
//
// Grants are switches of the tokens, all of them or that of one Page: permissions (those of Permissions, or "all"),
// the state ("valid", or how the token died: TokenStates), the ends of the token and of its access to data, as a time
// from now. The secret "other" makes the bot's app secret that of another app: proofs and app tokens are refused, and
// webhooks are signed with a secret that the bot does not have. A skew moves Graph's Date header; usage makes answers
// carry usage headers, until it is 0. Once a dataset is declared, others do not exist; until then any ID is one, and
// POST /{page}/dataset makes one for a Page. State shows all of it. The tokens are those that the emulator made itself:
// of the person who connected the Pages, for /me/accounts, and of further Pages.
//
// A POST without a body takes its members from the query: POST /-/api/grants?allow=page_events.
//
// The shapes are the exported types: their json tags are the names. Times are RFC 3339 in UTC, IDs are strings but for
// the numbers of exchanges and turns, durations are in milliseconds.
//
// # Events
//
// GET /-/events streams
//
//	event: exchange          id: the exchange's rev; data: Exchange
//	event: gap               data: {"rev":31}: changes were missed, read /-/api/exchanges anew
//	event: state             data: {"rev":31}: something else changed (people, faults, clock, reset)
//
// and starts after Last-Event-ID, or ?after=, or with what happens from now on. An exchange comes each time that it
// changes and for the last time with done true.
package emulator
