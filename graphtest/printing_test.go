package graphtest_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go/graphtest"
	"github.com/appevents/appevents-go/internal/printwalk"
)

func TestPrinting(t *testing.T) {
	t.Parallel()
	secret := func(field string) string { return printwalk.Canary("secret", field) }
	server := graphtest.New(graphtest.WithAppSecret(secret("app")), graphtest.WithToken(secret("token"), graphtest.Grant{}))
	// A call that is refused, with credentials wherever one can be.
	form := url.Values{
		"access_token": {secret("body")}, "appsecret_proof": {secret("proof")}, "client_secret": {secret("app")},
		"input_token": {secret("input")}, "fb_exchange_token": {secret("exchange")},
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost,
		server.URL+"/v26.0/771/activities?access_token="+secret("query"), strings.NewReader(form.Encode()))
	require.NoError(t, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Authorization", "Bearer "+secret("token"))
	resp, err := server.RoundTrip(r)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Len(t, server.Calls(), 1)
	walk := printwalk.Walk{
		Dir: ".",
		Types: []any{
			new(graphtest.Call), new(graphtest.Delivery), new(graphtest.Event), new(graphtest.FaultKind),
			new(graphtest.Field), new(graphtest.Grant), new(graphtest.Option), new(graphtest.Payload),
			new(graphtest.PayloadOption), new(graphtest.Problem), new(graphtest.Product), new(graphtest.Server),
		},
		Made: []any{server, server.Calls()},
		Shown: map[string]string{
			"Call":     "a record is there to be looked at; every credential in it has been replaced",
			"Delivery": "what a bot answered",
			"Event":    "a record",
			"Field":    "a record, with credentials replaced",
			"Grant":    "what a token may do; the token itself is not part of it",
			"Payload":  "a webhook's body, which is made up by the test",
			"Problem":  "what was wrong with a call, without its values",
			"Product":  "a part of a made-up webhook",
			"Server":   "its URL",
		},
	}
	t.Logf("%d outputs", walk.Run(t))
}
