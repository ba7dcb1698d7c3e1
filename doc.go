// Package appevents tells Meta what happened in a Messenger conversation or a mobile app, and reads what Meta tells a
// bot.
//
// # From a webhook to an event
//
// A bot receives webhooks, decides what they mean, and logs events:
//
//	client, err := appevents.New(appID, appevents.WithAppSecret(appSecret))
//	hook, err := appevents.NewWebhook(appevents.WebhookConfig{
//		AppSecrets:  []string{appSecret},
//		VerifyToken: verifyToken,
//	})
//
//	appevents.On(hook, func(ctx context.Context, p *appevents.PostbackEvent) error {
//		if p.Payload != "BUY_MUG" {
//			return nil
//		}
//		_, err := client.LogActivity(ctx, &appevents.Activity{
//			Thread:  p.Thread(),
//			Consent: appevents.ConsentAllowed,
//			Events:  []appevents.Event{appevents.Purchase(55.22, "USD")},
//		})
//		return err
//	})
//	http.Handle("/webhook", hook)
//
// # Events
//
// An [Event] is a name, a value, a time and [Params]. Each standard event has a constant and a constructor, such as
// [Purchase] and [LeadSubmitted]; [StandardEvents] describes them all for building forms. Names of your own work too,
// but only standard ones show in Ads Manager.
//
// Every call is validated before a byte is sent. A [ValidationError] lists all problems at once, each with the path
// of the field and the rule it breaks. What Meta's own sources disagree on is not refused: Warnings lists it.
//
// Consent is always yours to state. A call with an unstated [Consent] is refused; there is no default.
//
// # Where events go
//
//   - [Client.LogActivity] logs to /activities: events of a Messenger conversation, given its [Thread], or of an app,
//     given its [Device].
//   - [Client.LogInstall] reports the installation of an app there, and [Client.DeferredAppLink] asks where a freshly
//     installed one should open.
//   - [Client.LogPageActivity] logs to /page_activities, which Meta has retired.
//   - [Client.SendConversions] sends conversions to the Conversions API, its successor. [Event.Conversion] makes them
//     of the same events, and [Client.EnsureDataset] finds where they go.
//
// [Client.Insights] reads what came of it: the leads of ads.
//
// # Tokens
//
// One token for everything goes into [WithAccessToken]; a platform that serves many Pages gives a [TokenSource]
// ([NewTokenCache] makes a fast one from any look-up). /activities works with the app token, which [WithAppSecret]
// provides, and without a token. Tokens travel in the Authorization header, signed with
// appsecret_proof when the client has the app secret. A read has no body, so its URL holds the proof, and that of
// [Client.InspectToken] the inspected token. [Client.InspectToken] asks Graph what a token may do.
//
// # When a call fails
//
// The error of a call is a [*ValidationError] or a [*CallError] when it brought no answer, and a [*GraphError] when it
// was answered with a refusal or nonsense. Where a long list travels in several requests, a [*PartialError] or a
// [*ConversionsError] around them says which part of it arrived. [OutcomeOf] says what became of the call: not sent,
// refused, or unknown, when it was sent and no usable answer came back. Sentinels such as [ErrThrottled] and [ErrAuth]
// tell what to do; the table beside [ErrAuth] lists them. The client repeats only what was not sent and what Graph
// calls transient; see [RetryPolicy].
//
// No error and no log line of this package holds a token, a secret or personal data. A [Client], [TokenCache],
// [UserData], [Verifier] or [Webhook], printed with any verb, shows none either. Calls, events and answers are data:
// they print what they hold.
//
// # Webhooks
//
// [Webhook] is an [http.Handler] that answers Meta's handshake, verifies signatures over the raw bytes, and calls the
// functions registered with [On]. It answers 500 when one of them failed, so that Meta delivers the webhook again,
// unless the error would come back every time ([IsPermanent]); use DedupeKey to recognise what was delivered before.
// [NewVerifier] and [ParseWebhook] are the parts it is made of, for programs with a server of their own.
//
// # Personal data
//
// [UserData] is normalised as Meta documents and hashed with SHA-256 when it is encoded. [HashUserData] does the same
// for one value.
//
// # Durable delivery
//
// Module delivery takes calls inside a webhook handler, stores them in a file or on NATS, and delivers them in the
// background. A [Call] is what it stores; [MarshalCall] keeps credentials and raw [UserData] out.
//
// # Testing
//
// Package graphtest is a stand-in for the Graph API that checks calls on the wire, and delivers signed webhooks to a
// bot under test. Nothing of Meta's is needed to test a program that uses this package.
//
// A [Client], a [Webhook] and a [Verifier] are safe for concurrent use. Nothing here reads the environment
// (unless [WithProxyFromEnvironment] says so), writes output unless given a logger, or keeps global state.
package appevents
