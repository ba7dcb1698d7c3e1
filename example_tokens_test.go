package appevents_test

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/appevents/appevents-go"
	"github.com/appevents/appevents-go/graphtest"
)

// A platform looks up the token of each Page in its database, once for as long as it is good.
func ExampleNewTokenCache() {
	database := map[appevents.ID]string{"901": "token-of-901", "902": "token-of-902"}
	tokens, err := appevents.NewTokenCache(func(_ context.Context, scope appevents.Scope) (string, time.Time, error) {
		if scope.Kind != appevents.ScopePage {
			return "", time.Time{}, nil // the app's own calls use the app token
		}
		fmt.Println("looked up Page", scope.ID)
		return database[scope.ID], time.Now().Add(24 * time.Hour), nil
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	graph := graphtest.New() // stands in for graph.facebook.com
	client, err := appevents.New("771",
		appevents.WithTokenSource(tokens),
		appevents.WithBaseURL(graph.URL),
		appevents.WithHTTPClient(&http.Client{Transport: graph}),
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, page := range []appevents.ID{"901", "901", "902"} {
		if _, err := client.EnsureDataset(context.Background(), page); err != nil {
			fmt.Println(err)
			return
		}
	}
	for _, call := range graph.Calls() {
		fmt.Println(call.ObjectID, call.HasToken("token-of-"+call.ObjectID))
	}
	// Output:
	// looked up Page 901
	// looked up Page 902
	// 901 true
	// 901 true
	// 902 true
}

// Whether a Page's token may log events for it, in one line.
func ExampleClient_InspectToken() {
	graph := graphtest.New(
		graphtest.WithAppID("771"),
		graphtest.WithAppSecret("app-secret"),
		graphtest.WithToken("page-token", graphtest.Grant{
			Type: graphtest.TokenPage, Pages: []string{"901"}, Permissions: []string{"pages_messaging"},
		}),
	)
	client, err := appevents.New("771",
		appevents.WithAppSecret("app-secret"),
		appevents.WithBaseURL(graph.URL),
		appevents.WithHTTPClient(&http.Client{Transport: graph}),
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	info, err := client.InspectToken(context.Background(), "page-token")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(info.MayLogFor("901"))
	// Output:
	// no: the permission page_events is missing: ask for it at login
}

// A caller that slows down before Graph makes it stop.
func ExamplePacer() {
	pacer := appevents.NewPacer()
	graph := graphtest.New(graphtest.WithUsage(90))
	client, err := appevents.New("771",
		appevents.WithObserver(pacer.Observe),
		appevents.WithBaseURL(graph.URL),
		appevents.WithHTTPClient(&http.Client{Transport: graph}),
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	thread := appevents.Thread{PageID: "901", PSID: "7702"}
	fmt.Println("wait", pacer.Delay(thread.PageID))
	_, err = client.LogActivity(context.Background(), &appevents.Activity{
		Thread: thread, Consent: appevents.ConsentAllowed, Events: []appevents.Event{appevents.LeadSubmitted()},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("wait", pacer.Delay(thread.PageID)) // pacer.Wait waits that long
	// Output:
	// wait 0s
	// wait 1.2s
}
