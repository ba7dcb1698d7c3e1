package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go"
	"github.com/appevents/appevents-go/graphtest"
)

func TestBuyingAMugLogsAPurchase(t *testing.T) {
	t.Parallel()
	graph := graphtest.NewServer(t) // stands in for Meta, and fails the test when a call is wrong
	client, err := appevents.New("1517776481860111",
		appevents.WithBaseURL(graph.URL), appevents.WithAppSecret("app-secret"))
	require.NoError(t, err)
	bot, err := newBot(client, "app-secret", "verify-token")
	require.NoError(t, err)

	graphtest.Deliver(t, bot, "app-secret", graphtest.Postback("BUY_MUG"))
	require.Equal(t, "fb_mobile_purchase", graph.Calls()[0].Events[0].Name)

	graphtest.Deliver(t, bot, "app-secret", graphtest.Postback("SELL_MUG"))
	require.Equal(t, 1, graph.Count())
}
