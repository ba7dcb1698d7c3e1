package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go/cmd/appevents/internal/emulator"
)

// A bot that waits for Graph's answer has not finished, however long it is silent.
func TestWatchWaitsForACallThatIsOpen(t *testing.T) {
	t.Parallel()
	var stage, looks atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		looks.Add(1)
		x := emulator.Exchange{ID: 5, Rev: stage.Load(), Direction: emulator.DirCall, Done: stage.Load() > 1,
			PSID: "1", Events: []emulator.Event{{Name: "e", PSID: "1", Accepted: true}}}
		list := []emulator.Exchange{x}
		if stage.Load() == 0 {
			list = nil
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"exchanges": list, "rev": stage.Load()})
	}))
	defer server.Close()
	p := &program{}
	client, err := emulatorAt{Emulator: server.URL}.client(p)
	require.NoError(t, err)
	w, err := newWatch(t.Context(), client)
	require.NoError(t, err)
	stage.Store(1)
	before := looks.Load()
	ended := make(chan error, 1)
	go func() { ended <- w.finish(t.Context(), 10*time.Minute, 0) }()
	require.Eventually(t, func() bool { return looks.Load() >= before+3 || len(ended) > 0 }, time.Minute, time.Millisecond)
	require.Empty(t, ended, "it looks again")
	require.Zero(t, w.count("1"))
	stage.Store(2)
	require.NoError(t, <-ended)
	require.Len(t, w.finished(), 1)
	require.Equal(t, 1, w.count("1"), "counted once")
}

// Calls that the emulator forgot make the answer unsure, so there is none.
func TestWatchSaysThatCallsAreForgotten(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"exchanges":[],"rev":9,"gap":true}`))
	}))
	defer server.Close()
	client, err := emulatorAt{Emulator: server.URL}.client(&program{})
	require.NoError(t, err)
	w, err := newWatch(t.Context(), client)
	require.NoError(t, err, "what was before does not matter")
	require.ErrorContains(t, w.finish(t.Context(), time.Minute, 0), "larger --max")
}
