package appevents_test

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	appevents "github.com/appevents/appevents-go"
)

// BenchmarkLogActivity measures a call to a server on loopback beside net/http sending the same bytes over the same
// connections under the same time-out, by one goroutine and by 64. The quotient of the two is the price of this
// package.
func BenchmarkLogActivity(b *testing.B) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header()["Content-Type"] = []string{"application/json; charset=UTF-8"}
		w.Header()["Facebook-Api-Version"] = []string{appevents.DefaultGraphVersion}
		_, _ = io.WriteString(w, coreSuccess)
	}))
	b.Cleanup(server.Close)
	transport := &http.Transport{MaxIdleConns: 256, MaxIdleConnsPerHost: 256}
	b.Cleanup(transport.CloseIdleConnections)
	shared := &http.Client{Transport: transport}
	client := mustClient(b, appevents.WithBaseURL(server.URL), appevents.WithHTTPClient(shared),
		appevents.WithAccessToken(coreToken))
	call := purchase()

	recorder := newMock(b, success())
	_, err := recorder.client(b, appevents.WithAccessToken(coreToken)).LogActivity(b.Context(), call)
	require.NoError(b, err)
	prebuilt := recorder.requests()[0]
	prebuilt.url = server.URL + strings.TrimPrefix(prebuilt.url, "https://graph.facebook.com")

	for _, side := range []struct {
		name string
		call func(context.Context) error
	}{
		{"ours", func(ctx context.Context) error {
			_, err := client.LogActivity(ctx, call)
			return err
		}},
		{"nethttp", func(ctx context.Context) error { return post(ctx, shared, prebuilt) }},
	} {
		for _, goroutines := range []int{1, 64} {
			b.Run(fmt.Sprintf("%s/%d", side.name, goroutines), func(b *testing.B) {
				b.ReportAllocs()
				if goroutines == 1 {
					for b.Loop() {
						require.NoError(b, side.call(b.Context()))
					}
					return
				}
				b.SetParallelism(max(1, goroutines/runtime.GOMAXPROCS(0)))
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						if err := side.call(b.Context()); err != nil {
							b.Error(err)
						}
					}
				})
			})
		}
	}
}

// post is the floor: a finished request, sent and answered.
func post(ctx context.Context, client *http.Client, r sentRequest) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, r.method, r.url, strings.NewReader(r.body))
	if err != nil {
		return err
	}
	maps.Copy(req.Header, r.header)
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK || string(body) != coreSuccess {
		return fmt.Errorf("HTTP %d: %s", resp.StatusCode, body)
	}
	return nil
}
