package graphtest_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/appevents/appevents-go/graphtest"
)

// BenchmarkResponder shows what checking a full batch of conversions costs the stand-in, beside an answer that checks
// nothing.
func BenchmarkResponder(b *testing.B) {
	var body bytes.Buffer
	body.WriteString(`{"data":[`)
	for i := range 1000 {
		if i > 0 {
			body.WriteByte(',')
		}
		fmt.Fprintf(&body, `{"event_name":"LeadSubmitted","event_time":%d,"event_id":"lead-%d","action_source":`+
			`"business_messaging","messaging_channel":"messenger","user_data":{"page_id":"901","page_scoped_user_id":"7702"},`+
			`"custom_data":{"value":12.5,"currency":"EUR"}}`, time.Now().Unix(), i)
	}
	body.WriteString(`]}`)
	none := func(r *http.Request) (*http.Response, error) {
		_, err := io.Copy(io.Discard, r.Body)
		return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}, err
	}
	for name, respond := range map[string]func(*http.Request) (*http.Response, error){
		"graphtest": graphtest.Responder(graphtest.WithMaxCalls(0)),
		"floor":     none,
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				req, err := http.NewRequestWithContext(b.Context(), http.MethodPost, "http://graph.invalid/v26.0/5501/events",
					bytes.NewReader(body.Bytes()))
				if err != nil {
					b.Fatal(err)
				}
				req.Header.Set("Content-Type", "application/json")
				req.Header.Set("Authorization", "Bearer token")
				resp, err := respond(req)
				if err != nil || resp.StatusCode != http.StatusOK {
					b.Fatal(resp, err)
				}
			}
			b.ReportMetric(1000*float64(b.N)/b.Elapsed().Seconds(), "events/s")
		})
	}
}
