// Migrate shows a program that logs to the retired /page_activities, and the two ways on: /activities in its mb1 form,
// and conversions. The same events go out on all three, to a stand-in for the Graph API, and are printed side by side.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/appevents/appevents-go"
	"github.com/appevents/appevents-go/graphtest"
)

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// thread is the conversation the events happened in; a webhook's Thread method gives it.
var thread = appevents.Thread{PageID: "107001112223334", PSID: "6543210987654321"}

// before is the program as it was.
func before(ctx context.Context, client *appevents.Client, events []appevents.Event) error {
	_, err := client.LogPageActivity(ctx, &appevents.PageActivity{ //nolint:staticcheck // what is moved away from
		Thread:  thread,
		Target:  appevents.TargetPage,
		Consent: appevents.ConsentAllowed,
		Events:  events,
	})
	return err
}

// onActivities needs another method and no other value.
func onActivities(ctx context.Context, client *appevents.Client, events []appevents.Event) error {
	_, err := client.LogActivity(ctx, &appevents.Activity{
		Thread:  thread,
		Consent: appevents.ConsentAllowed,
		Events:  events,
	})
	return err
}

// asConversions needs the Page's dataset, which is looked up once, and each event as a conversion.
func asConversions(ctx context.Context, client *appevents.Client, events []appevents.Event) error {
	dataset, err := client.EnsureDataset(ctx, thread.PageID)
	if err != nil {
		return err
	}
	conversions := make([]appevents.Conversion, 0, len(events))
	for _, event := range events {
		conversion, err := event.Conversion(thread)
		if err != nil {
			return err
		}
		conversions = append(conversions, conversion)
	}
	_, err = client.SendConversions(ctx, string(dataset), conversions...)
	return err
}

func run(ctx context.Context, out io.Writer) error {
	graph, err := graphtest.Start()
	if err != nil {
		return err
	}
	defer graph.Close()
	client, err := appevents.New("1517776481860111",
		appevents.WithBaseURL(graph.URL), appevents.WithAccessToken("demo-token"))
	if err != nil {
		return err
	}
	events := []appevents.Event{appevents.Purchase(57.23, "USD"), appevents.LeadSubmitted()}

	ways := [...]struct {
		title string
		log   func(context.Context, *appevents.Client, []appevents.Event) error
	}{
		{"page_activities: retired", before},
		{"activities: mb1", onActivities},
		{"conversions", asConversions},
	}
	columns := make([][]string, len(ways))
	for i, way := range ways {
		if err := way.log(ctx, client, events); err != nil {
			return fmt.Errorf("%s: %w", way.title, err)
		}
		calls := graph.Calls()
		call := calls[len(calls)-1] // the one with the events
		if len(call.Problems) > 0 {
			return fmt.Errorf("%s: the stand-in found %v", way.title, call.Problems)
		}
		columns[i] = append([]string{way.title, "POST " + call.Path, ""}, lines(call)...)
	}
	if err := printTable(out, columns); err != nil {
		return err
	}

	// What becomes of the program once it asks for a version that lives.
	client, err = client.Clone(appevents.WithVersion("v26.0"))
	if err != nil {
		return err
	}
	err = before(ctx, client, events)
	if !errors.Is(err, appevents.ErrRetired) {
		return fmt.Errorf("page_activities on v26.0: want ErrRetired, got: %w", err)
	}
	_, err = fmt.Fprintf(out, "\nOn a Graph version that lives:\n  %v\n", err)
	return err
}
