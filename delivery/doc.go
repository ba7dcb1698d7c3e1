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
// How much a durable call survives depends on the queue: a memqueue ends with the process, a boltqueue survives the
// process and the machine's power, a natsqueue with three replicas survives the loss of a machine, and a pgqueue what
// the database survives. With pgqueue a call can also be accepted in the transaction of the order it belongs to.
//
// # On the way
//
// [Dispatcher.Run] merges calls that may travel together: the events of one person with the same consent into one
// request, and the conversions of a dataset into batches of up to 1,000. When Graph refuses such a request for what it
// holds, the bad event is found and buried, and the others are delivered.
//
// Each Page and each dataset has a lane of its own on each edge. A request that fails delays its own call; only when
// hardly anything gets through does the lane wait, and single requests find out when it goes again. A lane that Graph
// throttles is left alone until the time Graph gave, and then returns at a rate that Graph takes; one whose token was
// not accepted goes on with the next token the source gives; one that misses a permission waits for it, and says so.
// Other lanes do not notice, and slow ones leave them the workers. docs/delivery.md has the policy in figures.
//
// Nothing that is stored holds a credential, and personal data is stored as the hashes that are sent: the client gives
// each request its token and signature when it is made.
//
// # Looking in
//
// [WithObserver] tells of every settled call, [WithLogger] of lanes and trouble, [Dispatcher.Stats] of the figures to
// watch: an old [Stats.Oldest] says that something is stuck. [Dispatcher.Lanes] says what each lane waits for, and
// [Dispatcher.PauseLane] stops one. [Dispatcher.Buried] lists what was put aside, with what
// went wrong, for [Dispatcher.Resubmit] after a fix or [Dispatcher.Discard].
package delivery
