// Package delivery takes calls to Meta while a webhook handler waits, and delivers them in the background: through
// crashes, deploys, throttling, outages and expired tokens.
//
//	queue, err := boltqueue.Open("events.db")
//	dispatcher, err := delivery.New(client, queue)
//
//	appevents.On(hook, func(ctx context.Context, p *appevents.PostbackEvent) error {
//		return dispatcher.Submit(ctx, p.DedupeKey(), &appevents.Activity{
//			Thread:  p.Thread(),
//			Consent: appevents.ConsentAllowed,
//			Events:  []appevents.Event{appevents.Purchase(55.22, "USD")},
//		})
//	})
//	go dispatcher.Run(ctx)
//
// # What is promised
//
// [Dispatcher.Submit] returns nil once the call is durable. From then on it is delivered, or buried with a reason, and
// nothing else: the figures of [Dispatcher.Stats] always add up. A call with the same key is accepted once, so that a
// webhook that comes again logs nothing again.
//
// Whether a call can be delivered twice is a matter of [Policy]. When a request was sent and no usable answer came, or
// the process that sent it died or lost its queue before the answer was written down, nobody can know whether Meta
// counted it. [AtLeastOnce], the default, sends it again; [AtMostOnce] buries it for you to decide. What Meta is known
// to have accepted is not sent again.
//
// How much a durable call survives is the queue's part: a memqueue ends with the process, a boltqueue survives the
// process and the machine's power, and a natsqueue with three replicas survives the loss of a machine.
//
// # On the way
//
// [Dispatcher.Run] merges calls that may travel together: the events of one person with the same consent into one
// request, and the conversions of a dataset into batches of up to 1,000. When Graph refuses such a request for what it
// holds, the bad event is found and buried, and the others are delivered.
//
// Each Page and each dataset has a lane of its own on each edge. A lane that Graph throttles is left alone until the
// time Graph gave, one whose token was not accepted until the token source gives another, and one in other trouble for
// a growing time; then a single request finds out whether it goes again. Other lanes do not notice.
//
// Nothing that is stored holds a credential, and personal data is stored as the hashes that are sent: the client gives
// each request its token and signature when it is made.
//
// # Looking in
//
// [WithObserver] tells of every settled call, [WithLogger] of lanes and trouble, [Dispatcher.Stats] of the figures to
// watch: an old [Stats.Oldest] says that something is stuck. [Dispatcher.Buried] lists what was put aside, with what
// went wrong, for [Dispatcher.Resubmit] after a fix or [Dispatcher.Discard].
package delivery
