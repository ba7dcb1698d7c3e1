package appevents_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"

	"github.com/jarcoal/httpmock"

	"github.com/appevents/appevents-go"
)

// Which webhook fields a Page delivers: an edge that has no method of its own.
func ExampleClient_Get() {
	graph := httpmock.NewMockTransport() // stands in for graph.facebook.com
	graph.RegisterResponder(http.MethodGet, "https://graph.facebook.com/v26.0/901/subscribed_apps",
		httpmock.NewStringResponder(200, `{"data":[{"id":"771","subscribed_fields":["messages","messaging_postbacks"]}]}`))
	client, err := appevents.New("771",
		appevents.WithAccessToken("page-token"),
		appevents.WithHTTPClient(&http.Client{Transport: graph}),
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	var apps struct {
		Data []struct {
			ID     appevents.ID
			Fields []string `json:"subscribed_fields"`
		}
	}
	query := url.Values{"fields": {"id,subscribed_fields"}}
	if err := client.Get(context.Background(), "901/subscribed_apps", query, &apps); err != nil {
		fmt.Println(err)
		return
	}
	for _, app := range apps.Data {
		fmt.Println(app.ID, app.Fields)
	}
	// Output: 771 [messages messaging_postbacks]
}
