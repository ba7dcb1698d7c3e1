// Package graphtest stands in for Meta on both sides of a bot: a strict Graph API to send events to, and the webhook
// deliveries that make a bot send them. It is for tests and laptops: nothing in it talks to Meta.
//
// # The Graph API
//
//	func TestBuyingAMugLogsAPurchase(t *testing.T) {
//		graph := graphtest.NewServer(t)
//		bot := newBot(t, graph.URL)
//		graphtest.Deliver(t, bot, appSecret, graphtest.Postback("BUY_MUG"))
//		require.Equal(t, "fb_mobile_purchase", graph.Calls()[0].Events[0].Name)
//	}
//
// [NewServer] listens on loopback for the length of a test, [Start] until Close. [New] has no socket: its
// [Server.RoundTrip] is the transport of an http.Client and works inside testing/synctest, and [Responder] goes into
// httpmock. The server answers
//
//	POST     /{version}/{app}/activities         also without a version
//	POST     /{version}/{app}/page_activities    up to v20.0
//	POST     /{version}/{dataset}/events         conversions
//	GET POST /{version}/{account}/dataset
//	GET POST /{version}/{object}/insights        pages of rows, report runs
//	GET      /{version}/{report run}
//	GET      /{version}/debug_token
//
// as Graph does: {"success":true} and its kin, or the error envelope with code, subcode and fbtrace_id.
//
// # What it checks
//
// Every call is taken apart at wire level, without any code of the client, and compared with what Meta documents: path
// and version, content type and encoding, placement and form of the token, appsecret_proof, each parameter's presence,
// type and values, down to the members of an event, the slots of extinfo and the hashes of user data. What is wrong
// becomes a [Problem] of the [Call]. What Graph is known to refuse is refused, with Graph's code; what Graph lets pass
// although it is wrong is only noted, so look at [Server.Problems], call [Server.Check], or give [WithStrict]. What
// Meta's own SDKs send is not wrong, or a problem that is marked as tolerated: extinfo as an object or with null in it,
// null parameters, booleans for the tracking flags, the token in the URL.
//
// Out of the box any app and any token will do, and /activities needs none, as in Meta's guide. [WithAppID],
// [WithAppSecret], [WithToken], [WithRequireProof] and [WithDataset] tell the server what to insist on.
//
// The record can be printed and logged: tokens, secrets and proofs in it have been replaced by [Redacted], and
// [Call.HasToken] tells which token a call carried.
//
// # Faults
//
// [Server.Inject] makes the next calls go wrong: throttling with its usage headers, gateway pages, time-outs, resets,
// answers that are truncated, empty, doubled or slow, dead tokens, and any code of Graph's:
//
//	graph.Inject(graphtest.Throttle, graphtest.Times(3, graphtest.Unavailable), graphtest.On("events", graphtest.Reset))
//
// [Call.Accepted] says whether the server took the data, which is not always what the caller was told.
//
// # Webhooks
//
// [Text], [Postback], [Echo] and their siblings make a payload for every webhook field, [Item] and [Changes] any other;
// [Samples] returns one of each. [Deliver] posts a payload to a bot as Meta does, signed and repeated until it is
// acknowledged; [Send] makes one attempt, for forged and unwelcome ones; [Handshake] confirms a webhook.
//
// # Limits
//
// Where Meta's documents are silent or contradict each other the server is lenient in what it refuses and strict in
// what it notes. It has no rate limits of its own, does not check that a Page and a person belong together, and accepts
// /page_activities on v20.0 and older although those versions have expired; [WithoutPageActivities] takes it away.
// Bodies are limited to 8 MiB, the record to [WithMaxCalls] calls, the problems of a call to 1,000.
package graphtest
