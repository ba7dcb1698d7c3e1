package main

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go/delivery"
	"github.com/appevents/appevents-go/delivery/memqueue"
	"github.com/appevents/appevents-go/graphtest"
)

func TestDemo_NoPageHoldsUpAnother(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	require.NoError(t, demo(t.Context(), &out, world{pages: 200, events: 3}), &out)
	for _, want := range []string{
		"197 others        591       0        0",
		"107000000000000          0       0        3  token expired",
		"107000000000000          3       0        0  mended",
		"107000000000001          0       0        3  permission missing",
		"107000000000001          3       0        0  mended",
		"107000000000002          0       0        3  throttled",
		"Every event arrived once",
	} {
		require.Contains(t, out.String(), want)
	}
	require.NotContains(t, out.String(), "demo-")
}

func TestDemo_NoticesWhatArrivesTwice(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	var met atomic.Bool
	err := demo(t.Context(), &out, world{pages: 10, events: 1, fault: func(c graphtest.Call) graphtest.Fault {
		if c.ObjectID != string(datasetID(5)) || met.Swap(true) {
			return nil
		}
		return graphtest.Reset // taken, but the answer is lost: the policy is to send it again
	}})
	require.ErrorIs(t, err, errWrong)
	require.Contains(t, out.String(), "each once")
}

func TestDemo_SaysWhatItWaitedFor(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out := &stopAt{word: "acknowledged", stop: cancel}
	err := demo(ctx, out, world{pages: 10, events: 1, fault: func(graphtest.Call) graphtest.Fault {
		return graphtest.Transient
	}})
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorContains(t, err, "what must come of it")
	require.Contains(t, out.String(), "7 others          0       0        7")
}

// stopAt stops something once a word is written.
type stopAt struct {
	bytes.Buffer
	word string
	stop func()
}

func (w *stopAt) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte(w.word)) {
		w.stop()
	}
	return w.Buffer.Write(p)
}

func TestDemo_WantsEnoughPages(t *testing.T) {
	t.Parallel()
	require.Error(t, demo(t.Context(), &bytes.Buffer{}, world{pages: firstFine, events: 1}))
	require.Error(t, demo(t.Context(), &bytes.Buffer{}, world{pages: 10}))
}

func TestPlatform_KeepsNothingOfPagesThatAreNotItsOwn(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	queue := memqueue.New()
	c := config{
		appID: demoAppID, appSecret: demoAppSecret, verifyToken: demoVerifyToken, baseURL: "http://graph.invalid",
		pages: newDirectory(0), queue: queue, log: slog.New(slog.NewTextHandler(&log, nil)),
	}
	c.pages.add(pageID(1), datasetID(1), pageToken(1))
	p, err := newPlatform(c)
	require.NoError(t, err)
	hook, err := p.webhook(c)
	require.NoError(t, err)
	for name, webhook := range map[string]graphtest.Payload{
		"a Page that has left":    graphtest.Postback(payloadBuy, graphtest.To(string(pageID(2)))),
		"another button":          graphtest.Postback("SELL", graphtest.To(string(pageID(1)))),
		"a person without an ID":  graphtest.Postback(payloadBuy, graphtest.To(string(pageID(1))), graphtest.From("x")),
		"something else entirely": graphtest.Text("BUY", graphtest.To(string(pageID(1)))),
	} {
		d, err := graphtest.Send(t.Context(), hook, demoAppSecret, webhook)
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, d.Status, name)
	}
	require.Zero(t, p.dispatcher.Stats().Accepted)
	require.Equal(t, 1, strings.Count(log.String(), "\n"), "only the person without an ID is worth a line: %s", &log)
	p.tally.settled(t.Context(), delivery.Settled{Lane: "events/1", Verdict: delivery.Done})
	require.Empty(t, p.tally.counts)

	mine := graphtest.Postback(payloadBuy, graphtest.To(string(pageID(1))), graphtest.At(time.Now()))
	d, err := graphtest.Send(t.Context(), hook, demoAppSecret, mine)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, d.Status)
	require.Equal(t, int64(1), p.dispatcher.Stats().Pending)

	// What is not stored is Meta's to repeat.
	require.NoError(t, queue.Close())
	d, err = graphtest.Send(t.Context(), hook, demoAppSecret, mine)
	require.NoError(t, err)
	require.Equal(t, http.StatusInternalServerError, d.Status)
}
