package delivery_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go"
	"github.com/appevents/appevents-go/delivery"
	"github.com/appevents/appevents-go/delivery/memqueue"
	"github.com/appevents/appevents-go/internal/printwalk"
)

func TestPrinting(t *testing.T) {
	t.Parallel()
	client, err := appevents.New("771", appevents.WithAppSecret(printwalk.Canary("secret", "app")),
		appevents.WithAccessToken(printwalk.Canary("secret", "token")))
	require.NoError(t, err)
	queue := memqueue.New()
	dispatcher, err := delivery.New(client, queue)
	require.NoError(t, err)
	require.NoError(t, dispatcher.Submit(t.Context(), printwalk.Canary("personal", "key"), &appevents.Activity{
		Thread:   appevents.Thread{PageID: "901", PSID: "7001"},
		UserData: appevents.UserData{Email: printwalk.Canary("personal", "mail") + "@example.com"},
		Consent:  appevents.ConsentAllowed,
		Events:   []appevents.Event{appevents.Contact()},
	}))
	walk := printwalk.Walk{
		Dir: ".",
		Types: []any{
			new(delivery.Buried), new(delivery.BuriedCall), new(delivery.Counts), new(delivery.Dispatcher),
			new(delivery.Group), new(delivery.Item), new(delivery.Key), new(delivery.LaneCounts), new(delivery.LaneSet),
			new(delivery.LaneState), new(delivery.LaneStatus), new(delivery.Lease), new(delivery.Option),
			new(delivery.Pause), new(delivery.Policy), new(delivery.Reason), new(delivery.Settled),
			new(delivery.Settlement), new(delivery.Stats), new(delivery.Unburial), new(delivery.Verdict),
		},
		Made: []any{dispatcher, queue},
		Shown: map[string]string{
			"Buried":     "what an engine stores; the errors of calls are safe to log",
			"BuriedCall": "names, reasons and errors, which are safe to log; its call prints as that does",
			"Item":       "the stored call, for engines: IDs and hashes, which its comment says",
			"LaneCounts": "names of lanes, and notes of operators",
			"LaneState":  "a word of ours",
			"LaneStatus": "names of lanes, notes of operators, and errors, which are safe to log",
			"Lease":      "what an engine hands out; the errors of calls are safe to log",
			"Pause":      "names of lanes, and notes of operators",
			"Reason":     "a word of ours",
			"Settled":    "for observers, which are to log it",
			"Settlement": "what a dispatcher tells an engine; the rest of a call is stored as the call is",
			"Unburial":   "the ID of a buried call",

			// Of a dispatcher that is copied, which go vet refuses: its own methods print its name alone.
			"LaneSet": "names of lanes",
			"config":  "the app's ID and the version of Graph; credentials print nothing",
			"signer":  "the app's ID",
		},
	}
	t.Logf("%d outputs", walk.Run(t))
}
