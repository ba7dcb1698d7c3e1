package emulator_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go/cmd/appevents/internal/emulator"
)

func TestAskQueue(t *testing.T) {
	t.Parallel()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /-/queue/stats", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			w.WriteHeader(http.StatusTeapot)
		}
		_, _ = io.WriteString(w, `{"accepted":9,"delivered":5,"pending":3,"kept":1,"running":true}`)
	})
	mux.HandleFunc("GET /-/queue/lanes", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"lanes":[{"lane":"activities/901","state":"paused","why":"throttled","pending":3}]}`)
	})
	mux.HandleFunc("GET /html/stats", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>") })
	mux.Handle("GET /moved/stats", http.RedirectHandler("/-/queue/stats", http.StatusFound))
	queue := httptest.NewServer(mux)
	t.Cleanup(queue.Close)
	r := start(t, emulator.Config{})

	var report emulator.QueueReport
	require.Equal(t, 200, r.post("/-/api/queue", map[string]string{"url": queue.URL + "/-/queue/?a=b#c"}, &report))
	require.EqualValues(t, 3, report.Stats.Pending)
	require.True(t, report.Stats.Running)
	require.Equal(t, []emulator.QueueLane{{Lane: "activities/901", State: "paused", Why: "throttled", Pending: 3}},
		report.Lanes)
	require.Equal(t, &report, r.e.Queue())

	for name, address := range map[string]string{
		"empty":              "",
		"no URL":             "bolt.db",
		"another scheme":     "file:///etc/passwd",
		"with a password":    strings.Replace(queue.URL, "://", "://user:canary@", 1) + "/-/queue",
		"another machine":    "http://192.0.2.1/-/queue",
		"the metadata host":  "http://169.254.169.254/latest",
		"somebody's name":    "http://queue.example/-/queue",
		"nothing there":      queue.URL + "/nothing",
		"something else":     queue.URL + "/html",
		"a redirect":         queue.URL + "/moved",
		"a port that is not": "http://127.0.0.1:1/-/queue",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out struct {
				Error struct{ Field, Message string }
			}
			require.Equal(t, 400, r.post("/-/api/queue", map[string]string{"url": address}, &out))
			require.Equal(t, "url", out.Error.Field)
			require.NotContains(t, out.Error.Message, "canary")
			switch name {
			case "another machine", "the metadata host", "somebody's name":
				require.Equal(t, "url must be on this machine, or on the bot's host", out.Error.Message, "it was asked")
			}
		})
	}
}
