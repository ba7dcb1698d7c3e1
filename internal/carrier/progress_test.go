package carrier_test

import (
	"errors"
	"net"
	"net/http"
	"net/http/httptrace"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go/internal/carrier"
)

type wrapper struct{ http.RoundTripper }

// Each test is what a transport reports, one letter each: a connection is looked for, headers were written, the request
// was written, or writing it failed.
func TestProgress(t *testing.T) {
	t.Parallel()
	reset := errors.New("reset")
	for steps, want := range map[string]struct{ plain, wrapped bool }{
		"c":      {true, true},
		"ch":     {false, false},
		"chw":    {false, false},
		"chf":    {true, true},
		"chwc":   {true, false}, // a wrapper may repeat what was sent
		"chwchf": {true, false},
		"chfc":   {true, true},
		"chfchw": {false, false},
	} {
		var w carrier.Progress
		trace := httptrace.ContextClientTrace(w.Context(t.Context()))
		for _, step := range steps {
			switch step {
			case 'c':
				trace.GetConn("graph.example:443")
			case 'h':
				trace.WroteHeaders()
			case 'w':
				trace.WroteRequest(httptrace.WroteRequestInfo{})
			case 'f':
				trace.WroteRequest(httptrace.WroteRequestInfo{Err: reset})
			}
		}
		require.Equal(t, want.plain, w.Nothing(new(http.Transport), reset), steps)
		require.Equal(t, want.wrapped, w.Nothing(wrapper{}, reset), steps)
	}
}

func TestProgress_OfATransportThatReportsNothing(t *testing.T) {
	t.Parallel()
	var w carrier.Progress
	w.Context(t.Context())
	require.False(t, w.Nothing(wrapper{}, errors.New("x")))
	require.False(t, w.Nothing(wrapper{}, &net.OpError{Op: "read"}))
	require.True(t, w.Nothing(wrapper{}, &net.OpError{Op: "dial", Err: errors.New("refused")}))
	require.True(t, w.Nothing(wrapper{}, &net.DNSError{}))
}
