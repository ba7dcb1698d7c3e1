package appevents_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	appevents "github.com/appevents/appevents-go"
)

const benchBatch = 1000

// benchConversions are a batch of events like the given one, of different people.
func benchConversions(like appevents.Conversion) []appevents.Conversion {
	all := make([]appevents.Conversion, benchBatch)
	for i := range all {
		all[i] = like
		all[i].ID = "event-" + strconv.Itoa(100_000+i)
		all[i].Thread = appevents.Thread{PageID: corePage, PSID: appevents.ID(strconv.Itoa(3_291_192_954_316_443 + i))}
	}
	return all
}

// sink is a loopback server that reads a request to its end and says that a batch was received.
func sink(b *testing.B) *httptest.Server {
	b.Helper()
	answer := fmt.Appendf(nil, `{"events_received":%d,"messages":[],"fbtrace_id":"A1"}`, benchBatch)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = w.Write(answer)
	}))
	b.Cleanup(server.Close)
	return server
}

// BenchmarkConversions sends batches of 1,000 to a loopback server: "sdk" validates, encodes and posts them, "prebuilt"
// posts the same bytes, made beforehand, with net/http alone.
func BenchmarkConversions(b *testing.B) {
	for _, bench := range []struct {
		name string
		like appevents.Conversion
	}{
		{"ids", appevents.Conversion{Name: appevents.ConversionLeadSubmitted}},
		{"purchase", appevents.Conversion{
			Name: appevents.ConversionPurchase, Value: new(55.22), Time: time.Now(),
			Data: appevents.ConversionData{
				Currency: "USD", OrderID: "8841", NumItems: 2, Contents: []appevents.ConversionContent{
					{ID: "MUG-1", Quantity: 1, ItemPrice: 12.5}, {ID: "MUG-2", Quantity: 1, ItemPrice: 42.72},
				},
			},
		}},
		{"user-data", appevents.Conversion{
			Name: appevents.ConversionLeadSubmitted,
			UserData: appevents.UserData{
				Email: "John_Smith@Gmail.com", Phone: "+1 (650) 555-1212", FirstName: "Mary-Ann", LastName: "O'Brien",
				City: "Menlo Park", State: "California", Zip: "94025-1234", Country: "United States",
			},
		}},
	} {
		conversions := benchConversions(bench.like)
		var body []byte // as the client sends it
		keep := roundTrip(func(r *http.Request) (*http.Response, error) {
			var err error
			body, err = io.ReadAll(r.Body)
			require.NoError(b, err)
			return &http.Response{
				StatusCode: http.StatusOK, Header: http.Header{},
				Body: io.NopCloser(bytes.NewReader(fmt.Appendf(nil, `{"events_received":%d}`, benchBatch))),
			}, nil
		})
		_, err := mustClient(b, appevents.WithAccessToken(coreToken), appevents.WithHTTPClient(&http.Client{Transport: keep})).
			SendConversions(b.Context(), "5501", conversions...)
		require.NoError(b, err)
		perSecond := func(b *testing.B) {
			b.Helper()
			b.ReportMetric(float64(b.N)*benchBatch/b.Elapsed().Seconds(), "events/s")
		}

		b.Run(bench.name+"/sdk", func(b *testing.B) {
			server := sink(b)
			client := mustClient(b, appevents.WithAccessToken(coreToken), appevents.WithBaseURL(server.URL))
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := client.SendConversions(b.Context(), "5501", conversions...); err != nil {
					b.Fatal(err)
				}
			}
			perSecond(b)
		})
		b.Run(bench.name+"/prebuilt", func(b *testing.B) {
			server := sink(b)
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				req, err := http.NewRequestWithContext(b.Context(), http.MethodPost, server.URL, bytes.NewReader(body))
				require.NoError(b, err)
				req.Header.Set("Content-Type", "application/json")
				resp, err := server.Client().Do(req)
				require.NoError(b, err)
				_, _ = io.Copy(io.Discard, resp.Body)
				_ = resp.Body.Close()
			}
			perSecond(b)
		})
	}
}
