package main

import (
	"bytes"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptrace"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go/graphtest"
)

func TestServe_AnswersAWebhookThatIsUnderWayWhenItStops(t *testing.T) {
	t.Parallel()
	m := newMeta(t)
	bot := start(t, m, "-queue", file(t))

	// The bot asks for the body when it has begun to handle the webhook.
	webhook := graphtest.Text("Hello")
	begun := make(chan struct{})
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{Got100Continue: func() { close(begun) }})
	body, rest := io.Pipe()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, bot.url+"/webhook", body)
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Hub-Signature-256", graphtest.Sign(appSecret, webhook))
	req.Header.Set("Expect", "100-continue")
	answered := make(chan int, 1)
	go func() {
		defer close(answered)
		client := &http.Client{Transport: &http.Transport{ExpectContinueTimeout: patience}}
		if resp, err := client.Do(req); err == nil {
			_ = resp.Body.Close()
			answered <- resp.StatusCode
		}
	}()
	await(t, begun, "the bot to ask for the body")

	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		bot.stop()
	}()
	for { // until the door is closed
		conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", req.URL.Host)
		if err != nil {
			break
		}
		_ = conn.Close()
	}
	_, err = io.Copy(rest, bytes.NewReader(webhook))
	require.NoError(t, err)
	require.NoError(t, rest.Close())
	require.Equal(t, http.StatusOK, await(t, answered, "the answer"))
	await(t, stopped, "the bot to stop")
	// The event is durable, whether or not it went out before the end.
}

func TestServe_EndsWithWhatItCannotDoWithout(t *testing.T) {
	t.Parallel()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, listener.Close())
	s := &settings{queue: file(t), appID: appID, appSecret: appSecret, verifyToken: verifyToken}
	require.ErrorIs(t, serve(t.Context(), s, listener, nil, slog.New(slog.DiscardHandler)), net.ErrClosed)
}
