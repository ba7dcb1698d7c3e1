package appevents_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	appevents "github.com/appevents/appevents-go"
)

// memory answers every request with success, out of memory.
type memory struct{}

func (memory) RoundTrip(r *http.Request) (*http.Response, error) {
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		return nil, err
	}
	return &http.Response{
		Status: "200 OK", StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header:        http.Header{"Facebook-Api-Version": {appevents.DefaultGraphVersion}},
		Body:          io.NopCloser(strings.NewReader(coreSuccess)),
		ContentLength: int64(len(coreSuccess)),
		Request:       r,
	}, nil
}

// prebuilt is the floor: a finished request, sent without a deadline and answered.
type prebuilt struct {
	client   *http.Client
	template *http.Request
	body     string
}

// prebuild records what a client sends for a purchase, to be sent to the given address through the given transport.
func prebuild(tb testing.TB, baseURL string, transport http.RoundTripper, opts ...appevents.Option) prebuilt {
	tb.Helper()
	recorder := newMock(tb, success())
	_, err := recorder.client(tb, opts...).LogActivity(tb.Context(), purchase())
	require.NoError(tb, err)
	sent := recorder.requests()[0]
	target := baseURL + strings.TrimPrefix(sent.url, "https://graph.facebook.com")
	template, err := http.NewRequestWithContext(context.WithoutCancel(tb.Context()), sent.method, target, http.NoBody)
	require.NoError(tb, err)
	maps.Copy(template.Header, sent.header)
	template.ContentLength = int64(len(sent.body))
	return prebuilt{client: &http.Client{Transport: transport}, template: template, body: sent.body}
}

func (p prebuilt) send(context.Context) error {
	req := *p.template
	req.Body = io.NopCloser(strings.NewReader(p.body))
	resp, err := p.client.Do(&req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	var buf [64]byte
	n, err := io.ReadFull(resp.Body, buf[:])
	if err != io.ErrUnexpectedEOF { //nolint:errorlint // what io.ReadFull returns
		return err
	}
	if resp.StatusCode != http.StatusOK || !bytes.Equal(buf[:n], []byte(coreSuccess)) {
		return fmt.Errorf("HTTP %d: %s", resp.StatusCode, buf[:n])
	}
	return nil
}

// BenchmarkLogActivity measures a signed call beside its floor, a finished request that net/http sends without a
// deadline: over a transport in memory, and to a server on loopback by one goroutine and by 64. The quotient of the two
// is the price of this package.
func BenchmarkLogActivity(b *testing.B) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header()["Content-Type"] = []string{"application/json; charset=UTF-8"}
		w.Header()["Facebook-Api-Version"] = []string{appevents.DefaultGraphVersion}
		_, _ = io.WriteString(w, coreSuccess)
	}))
	b.Cleanup(server.Close)
	tcp := &http.Transport{MaxIdleConns: 256, MaxIdleConnsPerHost: 256}
	b.Cleanup(tcp.CloseIdleConnections)

	for _, way := range []struct {
		name       string
		url        string
		transport  http.RoundTripper
		goroutines []int
	}{
		{"memory", "https://graph.facebook.com", memory{}, []int{1}},
		{"loopback", server.URL, tcp, []int{1, 64}},
	} {
		credentials := []appevents.Option{appevents.WithAccessToken(coreToken), appevents.WithAppSecret(coreSecret)}
		client := mustClient(b, append(credentials, appevents.WithBaseURL(way.url),
			appevents.WithHTTPClient(&http.Client{Transport: way.transport}))...)
		call := purchase()
		ours := func(ctx context.Context) error {
			_, err := client.LogActivity(ctx, call)
			return err
		}
		for _, goroutines := range way.goroutines {
			name := fmt.Sprintf("%s/%d", way.name, goroutines)
			b.Run(name+"/ours", func(b *testing.B) { repeat(b, goroutines, ours) })
			b.Run(name+"/floor", func(b *testing.B) {
				repeat(b, goroutines, prebuild(b, way.url, way.transport, credentials...).send)
			})
		}
	}
}

// repeat runs call b.N times in all, on so many goroutines.
func repeat(b *testing.B, goroutines int, call func(context.Context) error) {
	b.Helper()
	b.ReportAllocs()
	if goroutines == 1 {
		for b.Loop() {
			if err := call(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
		return
	}
	b.SetParallelism(max(1, goroutines/runtime.GOMAXPROCS(0)))
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := call(b.Context()); err != nil {
				b.Error(err)
			}
		}
	})
}
