package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go/delivery"
	"github.com/appevents/appevents-go/delivery/memqueue"
	"github.com/appevents/appevents-go/graphtest"
)

// brokenQueue cannot be read while broken is set.
type brokenQueue struct {
	delivery.Queue
	broken atomic.Bool
}

func (q *brokenQueue) Counts(ctx context.Context) (delivery.Counts, error) {
	if q.broken.Load() {
		return delivery.Counts{}, errors.New("disk on fire")
	}
	return q.Queue.Counts(ctx)
}

func ask(t *testing.T, f *front, path string) (code int, s status) {
	t.Helper()
	answer := httptest.NewRecorder()
	f.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, path, http.NoBody))
	if path == "/readyz" {
		require.NoError(t, json.Unmarshal(answer.Body.Bytes(), &s))
	}
	return answer.Code, s
}

func TestFront_SaysWhetherItIsReadyAndWhyNot(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		pass(time.Until(time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC))) // the fake clock starts in 2000
		f := newFront(time.Hour)
		unready := func(why string) {
			t.Helper()
			code, s := ask(t, f, "/readyz")
			require.Equal(t, http.StatusServiceUnavailable, code)
			require.Equal(t, why, s.Reason)
			require.False(t, s.Ready)
		}
		ready := func(pending int64) {
			t.Helper()
			code, s := ask(t, f, "/readyz")
			require.Equal(t, http.StatusOK, code)
			require.Equal(t, pending, s.Pending)
			require.Empty(t, s.Reason)
			require.True(t, s.Ready)
			code, _ = ask(t, f, "/healthz")
			require.Equal(t, http.StatusOK, code)
		}
		send := func() int {
			d, err := graphtest.Send(t.Context(), http.Handler(f), appSecret,
				graphtest.Postback(payloadBuyMug, graphtest.At(time.Now())))
			require.NoError(t, err)
			return d.Status
		}

		unready("starting")
		require.Equal(t, http.StatusServiceUnavailable, send())

		queue := &brokenQueue{Queue: memqueue.New()}
		var lines bytes.Buffer
		log := slog.New(slog.NewTextHandler(&lines, nil))
		s := &settings{appID: appID, appSecret: appSecret, verifyToken: verifyToken}
		dispatcher, err := newDispatcher(s, queue, log)
		require.NoError(t, err)
		hook, err := newBot(s, dispatcher, log)
		require.NoError(t, err)
		f.open(&back{hook: hook, dispatcher: dispatcher})
		ready(0)
		require.Equal(t, http.StatusOK, send())
		ready(1)

		queue.broken.Store(true)
		pass(time.Second)
		unready("the queue cannot be read")
		code, _ := ask(t, f, "/healthz")
		require.Equal(t, http.StatusOK, code)
		queue.broken.Store(false)
		ready(1)

		pass(time.Hour + time.Second)
		unready("a call has waited for longer than 1h0m0s")
		require.Equal(t, http.StatusOK, send()) // safe in the queue all the same
		f.maxBacklog = 0
		ready(2)

		f.stop()
		unready("shutting down")
		require.Equal(t, http.StatusOK, send())
		require.Empty(t, lines.String())
	})
}

// Nothing must be answered with 200 that is not stored.
func TestFront_LetsMetaRepeatWhatCouldNotBeStored(t *testing.T) {
	t.Parallel()
	queue := memqueue.New()
	log := slog.New(slog.DiscardHandler)
	s := &settings{appID: appID, appSecret: appSecret, verifyToken: verifyToken}
	dispatcher, err := newDispatcher(s, queue, log)
	require.NoError(t, err)
	hook, err := newBot(s, dispatcher, log)
	require.NoError(t, err)
	require.NoError(t, queue.Close())
	d, err := graphtest.Send(t.Context(), hook, appSecret, graphtest.Postback(payloadBuyMug))
	require.NoError(t, err)
	require.Equal(t, http.StatusInternalServerError, d.Status)
}

// pass lets fake time pass.
func pass(d time.Duration) {
	timer := time.NewTimer(d)
	<-timer.C
}
