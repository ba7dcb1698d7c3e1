package appevents_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"time"

	appevents "github.com/appevents/appevents-go"
	"github.com/appevents/appevents-go/graphtest"
)

// whatToDo is what a program does about each class of error.
func whatToDo(err error) string {
	var (
		graph   *appevents.GraphError
		invalid *appevents.ValidationError
	)
	switch {
	case err == nil:
		return "done"
	case errors.As(err, &invalid):
		return "fix the call: " + invalid.Issues[0].Path + " " + invalid.Issues[0].Message
	case errors.Is(err, appevents.ErrUnknownOutcome): // first, because it can accompany any of the others
		return "may have been counted: repeat only if twice is better than never"
	case errors.Is(err, appevents.ErrNoToken):
		return "connect the Page first"
	case errors.Is(err, appevents.ErrAuth):
		return "get a new token"
	case errors.Is(err, appevents.ErrPermission):
		return "ask the Page's owner for the permission"
	case errors.Is(err, appevents.ErrThrottled) && errors.As(err, &graph):
		return "leave this Page alone for " + graph.RetryAfter.String()
	case errors.Is(err, appevents.ErrTransient):
		return "try again later"
	case errors.Is(err, appevents.ErrInvalidParameter):
		return "tell the developers"
	case errors.Is(err, appevents.ErrNotFound):
		return "check the ID"
	case errors.Is(err, appevents.ErrPolicy):
		return "stop, and read Meta's message"
	case errors.Is(err, appevents.ErrRetired):
		return "use /activities instead"
	case appevents.OutcomeOf(err) == appevents.OutcomeNotSent:
		return "nothing was sent: try again later"
	default:
		return "give up: " + err.Error()
	}
}

func ExampleGraphError() {
	graph := graphtest.New() // stands in for Graph
	client, err := appevents.New("771",
		appevents.WithHTTPClient(&http.Client{Transport: graph}),
		appevents.WithAccessToken("EAAdemo"),
		appevents.WithRetry(appevents.RetryPolicy{MaxAttempts: 1}))
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, fault := range []graphtest.Fault{
		graphtest.None, graphtest.ExpiredToken, graphtest.MissingPermission, graphtest.Throttle, graphtest.Transient,
		graphtest.Error(100, 0), graphtest.Error(803, 0), graphtest.Error(368, 0), graphtest.HTML, graphtest.Reset,
	} {
		graph.Inject(fault)
		_, err := client.LogActivity(context.Background(), purchase())
		fmt.Println(whatToDo(err))
	}

	_, err = client.LogActivity(context.Background(), &appevents.Activity{
		Thread: appevents.Thread{PageID: "901", PSID: "3291192954316443"},
		Events: []appevents.Event{appevents.LeadSubmitted()},
	})
	fmt.Println(whatToDo(err))

	graph.Inject(graphtest.Error(2500, 0))
	_, err = client.LogPageActivity(context.Background(), pagePurchase())
	fmt.Println(whatToDo(err))
	// Output:
	// done
	// get a new token
	// ask the Page's owner for the permission
	// leave this Page alone for 5m0s
	// try again later
	// tell the developers
	// check the ID
	// stop, and read Meta's message
	// may have been counted: repeat only if twice is better than never
	// may have been counted: repeat only if twice is better than never
	// fix the call: consent.advertiser state Allowed or Denied; there is no default
	// use /activities instead
}

func ExampleGraphError_Error() {
	graph := graphtest.New()
	client, err := appevents.New("771",
		appevents.WithHTTPClient(&http.Client{Transport: graph}), appevents.WithAccessToken("EAAdemo"))
	if err != nil {
		fmt.Println(err)
		return
	}
	graph.Inject(graphtest.ExpiredToken, graphtest.Error(100, 33), graphtest.Empty)
	for range 3 {
		_, err := client.LogActivity(context.Background(), purchase())
		fmt.Println(err)
	}
	// Output:
	// appevents: log activity: graph error 190/463 (HTTP 401): Error validating access token: Session has expired.; the token has expired: get a new token
	// appevents: log activity: graph error 100/33 (HTTP 400): Unsupported request. Object does not exist, cannot be loaded due to missing permissions, or does not support this operation.; the ID is wrong, or the token cannot see the object
	// appevents: log activity: graph error (HTTP 200), outcome unknown: the answer is empty
}

func ExampleCallError() {
	client, err := appevents.New("771")
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = client.LogPageActivity(context.Background(), pagePurchase())
	if call, ok := errors.AsType[*appevents.CallError](err); ok {
		fmt.Println(call.Op, "-", call.Outcome, "-", call.Attempts, "requests")
	}
	fmt.Println(whatToDo(err))
	// Output:
	// log page activity - not sent - 0 requests
	// connect the Page first
}

func ExampleOutcomeOf() {
	graph := graphtest.New()
	client, err := appevents.New("771", appevents.WithHTTPClient(&http.Client{Transport: graph}))
	if err != nil {
		fmt.Println(err)
		return
	}
	graph.Inject(graphtest.None, graphtest.NotSuccess, graphtest.Truncate)
	for range 3 {
		_, err := client.LogActivity(context.Background(), purchase())
		fmt.Println(appevents.OutcomeOf(err))
	}
	_, err = client.LogActivity(context.Background(), new(appevents.Activity))
	fmt.Println(appevents.OutcomeOf(err))
	// Output:
	// accepted
	// refused
	// unknown
	// not sent
}

func ExampleWithRetry() {
	graph := graphtest.New()
	client, err := appevents.New("771",
		appevents.WithHTTPClient(&http.Client{Transport: graph}),
		appevents.WithRetry(appevents.RetryPolicy{
			MaxAttempts:  4,
			BaseDelay:    time.Millisecond,
			MaxDelay:     10 * time.Millisecond,
			RetryUnknown: true, // this program would rather count an event twice than lose it
		}))
	if err != nil {
		fmt.Println(err)
		return
	}
	graph.Inject(graphtest.Transient, graphtest.Reset, graphtest.HTML)
	result, err := client.LogActivity(context.Background(), purchase())
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("accepted after", result.Attempts, "requests")

	// Throttling is never repeated before the time Graph named, whatever the policy.
	graph.Inject(graphtest.Throttle)
	_, err = client.LogActivity(context.Background(), purchase())
	fmt.Println(whatToDo(err))
	// Output:
	// accepted after 4 requests
	// leave this Page alone for 5m0s
}

func ExampleWithObserver() {
	graph := graphtest.New(graphtest.WithUsage(40))
	count := map[appevents.Outcome]int{} // use metrics that are safe for concurrent use in a real program
	client, err := appevents.New("771",
		appevents.WithHTTPClient(&http.Client{Transport: graph}),
		appevents.WithRetry(appevents.RetryPolicy{BaseDelay: 1, MaxDelay: 1}),
		appevents.WithObserver(func(_ context.Context, info appevents.CallInfo) {
			count[info.Outcome]++
			if info.ServedVersion != "" && info.ServedVersion != info.Version {
				fmt.Printf("%s: asked for %s, served by %s\n", info.Edge, info.Version, info.ServedVersion)
			}
			if info.Usage.Max() >= 75 {
				fmt.Println("slow down:", info.Usage.Max(), "percent of the limit")
			}
		}))
	if err != nil {
		fmt.Println(err)
		return
	}
	graph.Inject(graphtest.Transient, graphtest.VersionDrift, graphtest.Throttle)
	for range 2 {
		if _, err := client.LogActivity(context.Background(), purchase()); err != nil {
			fmt.Println(whatToDo(err))
		}
	}
	fmt.Println(count[appevents.OutcomeAccepted], "accepted,", count[appevents.OutcomeRefused], "refused")
	// Output:
	// activities: asked for v26.0, served by v21.0
	// slow down: 100 percent of the limit
	// leave this Page alone for 5m0s
	// 1 accepted, 2 refused
}

func ExampleWithLogger() {
	graph := graphtest.New()
	logger := slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{
		Level: slog.LevelDebug, // LevelWarn shows failures only
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey || a.Key == "duration" {
				return slog.Attr{} // differ from run to run
			}
			return a
		},
	}))
	client, err := appevents.New("771",
		appevents.WithHTTPClient(&http.Client{Transport: graph}),
		appevents.WithAccessToken("EAAdemo"),
		appevents.WithLogger(logger))
	if err != nil {
		fmt.Println(err)
		return
	}
	graph.Inject(graphtest.None, graphtest.MissingPermission)
	for range 2 {
		_, _ = client.LogPageActivity(context.Background(), pagePurchase())
	}
	// Output:
	// level=DEBUG msg="appevents: graph request" op="log page activity" edge=page_activities attempt=1 outcome=accepted status=200 version=v20.0
	// level=WARN msg="appevents: graph request" op="log page activity" edge=page_activities attempt=1 outcome=refused status=403 version=v20.0 error="appevents: log page activity: graph error 200 (HTTP 403): (#200) App does not have page_events permission; needs the page_events permission and a Page token from someone with the ANALYZE task"
}
