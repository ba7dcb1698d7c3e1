package appevents_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	appevents "github.com/appevents/appevents-go"
)

// allocated is how many bytes a function allocates, freed or not. Tests that use it run alone.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// filledTo repeats a unit between a beginning and an end until all is as long as wanted.
func filledTo(size int, first, unit, last string) string {
	return first + strings.Repeat(unit, (size-len(first)-len(last))/len(unit)) + last
}

// What an answer allocates in all, from the first byte to the last row: of the rows, each is freed with its turn.
// Decoded at once, without a bound on their number, empty ones took four hundred times their size.
func TestBounds_OfInsights(t *testing.T) { //nolint:paralleltest // it counts what the process allocates
	size, most := 64<<10, uint64(32<<20) // the race detector takes some of it
	if *soak {
		size, most = 8<<20-100, 512<<20
	}
	for name, body := range map[string]string{ //nolint:paralleltest // likewise
		"empty rows":            filledTo(size, `{"data":[`, `{},`, `{}]}`),
		"null rows":             filledTo(size, `{"data":[`, `null,`, `null]}`),
		"small rows":            filledTo(size, `{"data":[`, `{"spend":"1"},`, `{}]}`),
		"rows of a usual size":  filledTo(size, `{"data":[`, `{"spend":"1.10","campaign_id":"15","actions":[{"action_type":"lead","value":"4"}]},`, `{}]}`),
		"columns":               filledTo(size, `{"data":[{`, `"a":1,`, `"a":1}]}`),
		"actions":               filledTo(size, `{"data":[{"actions":[`, `{},`, `{}]}]}`),
		"parts of an action":    filledTo(size, `{"data":[{"actions":[{`, `"a":"",`, `"a":""}]}]}`),
		"members beside":        filledTo(size, `{`, `"a":1,`, `"data":[]}`),
		"lists beside":          filledTo(size, `{"data":[],"x":[`, `[],`, `[]]}`),
		"data again and again":  filledTo(size, `{`, `"data":[{}],`, `"data":[]}`),
		"paging of many parts":  filledTo(size, `{"data":[],"paging":{`, `"a":1,`, `"b":1}}`),
		"an error of many":      filledTo(size, `{"error":{`, `"a":1,`, `"code":4}}`),
		"errors":                filledTo(size, `{`, `"error":{"code":1},`, `"error":{"code":4}}`),
		"an error with lists":   filledTo(size, `{"error":{"code":4,"error_data":{"blame_field_specs":[`, `["a"],`, `[]]}}}`),
		"an error with a text":  filledTo(size, `{"error":{"code":4,"message":"`, `x`, `"}}`),
		"an error with escapes": filledTo(size, `{"error":{"code":4,"message":"`, `\u0041`, `"}}`),
		"a deep error":          filledTo(size, `{"error":`, `[`, ``),
		"entities":              filledTo(size, `{"data":[],"x":"`, `&#65;`, `"}`),
		"escapes":               filledTo(size, `{"data":[],"x":"`, `%41\\`, `"}`),
	} {
		t.Run(name, func(t *testing.T) {
			client := mustClient(t, oneAttempt(), appevents.WithAccessToken(canaryToken), appevents.WithAppSecret(canarySecret),
				appevents.WithHTTPClient(&http.Client{Transport: roundTrip(func(*http.Request) (*http.Response, error) {
					return &http.Response{
						StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)),
					}, nil
				})}))
			rows := 0
			used := allocated(func() {
				for _, err := range client.Insights(t.Context(), "15", appevents.InsightsQuery{}) {
					if err == nil {
						rows++
					}
				}
			})
			t.Logf("%d MiB for %d rows", used>>20, rows)
			require.Less(t, used, most)
			require.LessOrEqual(t, rows, 100_000)
		})
	}
}

// A program that leaves the loop pays for the rows it saw.
func TestBounds_OfTheFirstRow(t *testing.T) { //nolint:paralleltest // it counts what the process allocates
	body := []byte(filledTo(4<<20, `{"data":[`, `{"spend":"1"},`, `{}]}`))
	client := mustClient(t, oneAttempt(), appevents.WithAccessToken(coreToken),
		appevents.WithHTTPClient(&http.Client{Transport: roundTrip(func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(body))}, nil
		})}))
	used := allocated(func() {
		for row, err := range client.Insights(t.Context(), "15", appevents.InsightsQuery{}) {
			require.NoError(t, err)
			require.Equal(t, appevents.Decimal("1"), row.Spend)
			break
		}
	})
	require.Less(t, used, uint64(64<<20))
}

func TestBounds_OfTheNumberOfRows(t *testing.T) {
	t.Parallel()
	body := `{"data":[` + strings.Repeat(`{},`, 100_000) + `{}]}`
	rows, err := readInsights(t, newMock(t, answer(200, body)).client(t, appevents.WithAccessToken(coreToken)), "15", appevents.InsightsQuery{})
	require.Len(t, rows, 100_000)
	require.ErrorContains(t, err, "the answer holds more than 100000 rows")

	for name, test := range map[string]struct{ row, text string }{
		"columns":      {filledTo(9_000, `{`, `"a":1,`, `"a":1}`), "the answer holds no insights"},
		"actions":      {filledTo(40_000, `{"actions":[`, `{},`, `{}]}`), "the column actions cannot be read"},
		"action parts": {filledTo(1_000, `{"actions":[{`, `"a":1,`, `"a":1}]}`), "the column actions cannot be read"},
	} {
		rows, err := readInsights(t, newMock(t, answer(200, `{"data":[`+test.row+`]}`)).
			client(t, appevents.WithAccessToken(coreToken)), "15", appevents.InsightsQuery{})
		require.Empty(t, rows, name)
		require.ErrorContains(t, err, test.text, name)
	}
}

// Other answers have no rows, and end at 1 MiB.
func TestBounds_OfAnswers(t *testing.T) { //nolint:paralleltest // it counts what the process allocates
	size, most := 256<<10, uint64(32<<20)
	if *soak {
		size, most = 1<<20-100, 128<<20
	}
	for name, body := range map[string]string{
		"members":         filledTo(size, `{`, `"a":1,`, `"b":1}`),
		"messages":        filledTo(size, `{"events_received":1,"messages":[`, `1,`, `1]}`),
		"scopes":          filledTo(size, `{"data":{"is_valid":true,"scopes":[`, `"",`, `""]}}`),
		"granular scopes": filledTo(size, `{"data":{"is_valid":true,"granular_scopes":[`, `{},`, `{}]}}`),
		"an error":        filledTo(size, `{"error":{"code":4,"error_data":{"blame_field_specs":[`, `[1],`, `[]]}}}`),
		"too long":        filledTo(2<<20, `{"error":{"code":4,"message":"`, `x`, `"}}`),
	} {
		for i, op := range hostileCalls {
			if op.name == "Insights" || !*soak && i > 3 {
				continue
			}
			client := mustClient(t, oneAttempt(), appevents.WithAccessToken(canaryToken), appevents.WithAppSecret(canarySecret),
				appevents.WithHTTPClient(&http.Client{Transport: roundTrip(func(*http.Request) (*http.Response, error) {
					return &http.Response{
						StatusCode: 200 + i%2*200, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)),
					}, nil
				})}))
			require.Less(t, allocated(func() { _ = op.call(t.Context(), client) }), most, "%s to %s", name, op.name)
		}
	}
}

func TestBounds_OfAUsageHeader(t *testing.T) { //nolint:paralleltest // it counts what the process allocates
	size, most := 512<<10, uint64(8<<20)
	if *soak {
		size, most = 2<<20, 32<<20
	}
	for name, header := range map[string]string{
		"entries":         filledTo(size, `{"901":[`, `{"type":"pages"},`, `{}]}`),
		"empty entries":   filledTo(size, `{"901":[`, `{},`, `{}]}`),
		"no entries":      filledTo(size, `{"901":[`, `0,`, `0]}`),
		"objects":         filledTo(size, `{`, `"901":[{}],`, `"1":[]}`),
		"empty objects":   filledTo(size, `{`, `"901":[],`, `"1":[]}`),
		"a long ID":       filledTo(size, `{"`, `9`, `":[{"type":"pages"}]}`),
		"a long type":     filledTo(size, `{"901":[{"type":"`, `x`, `"}]}`),
		"a long number":   filledTo(size, `{"901":[{"call_count":`, `9`, `}]}`),
		"a deep entry":    filledTo(size, `{"901":[`, `[`, ``),
		"an entry of all": filledTo(size, `{"901":[{`, `"type":"x",`, `"type":"y"}]}`),
	} {
		for _, field := range []string{
			"X-Business-Use-Case-Usage", "X-App-Usage", "X-Page-Usage", "X-Ad-Account-Usage", "X-Fb-Ads-Insights-Throttle",
		} {
			if field != "X-Business-Use-Case-Usage" && !*soak && name != "a long type" {
				continue
			}
			var result *appevents.ActivityResult
			used := allocated(func() {
				m := newMock(t, func(*http.Request) (*http.Response, error) {
					return &http.Response{
						StatusCode: http.StatusOK, Header: http.Header{field: {header}}, Body: io.NopCloser(strings.NewReader(coreSuccess)),
					}, nil
				})
				var err error
				result, err = m.client(t, appevents.WithAccessToken(coreToken)).LogActivity(t.Context(), purchase())
				require.NoError(t, err)
			})
			require.Less(t, used, most, "%s in %s", name, field)
			require.LessOrEqual(t, len(result.Usage.Business), 256)
			require.Less(t, len(fmt.Sprint(result.Usage)), 256*100, "%s in %s", name, field)
		}
	}
}

func TestBounds_OfHeadersOnTheDefaultTransport(t *testing.T) {
	t.Parallel()
	for size, fits := range map[int]bool{900 << 10: true, 1100 << 10: false} {
		header := "X-A: " + strings.Repeat("x", size) + "\r\n"
		client := mustClient(t, appevents.WithBaseURL("http://"+hostileServer(t, func() hostile {
			return says(answers(200, header, coreSuccess))
		})), oneAttempt())
		_, err := client.LogActivity(t.Context(), purchase())
		if fits {
			require.NoError(t, err)
		} else {
			require.ErrorIs(t, err, appevents.ErrUnknownOutcome)
		}
	}
}

// The text of an error stays short, whatever its parts hold and wherever they came from.
func TestBounds_OfErrorTexts(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 1<<20)
	odd := strings.Repeat("\xff\u00ad\"\\\u2028\x01", 1<<16)
	for _, text := range []string{long, odd} {
		for name, err := range map[string]error{
			"GraphError": &appevents.GraphError{
				Op: "log activity", StatusCode: 400, Code: 190, Message: text, BlameFields: []string{text, text}, TraceID: text,
			},
			"CallError": &appevents.CallError{Op: "log activity", Err: fmt.Errorf("cause: %w", &url.Error{Op: text, Err: io.EOF})},
		} {
			require.Less(t, len(err.Error()), 4<<10, name)
			require.NotContains(t, err.Error(), "\n", name)
		}
	}
	all := &appevents.ConversionsError{Total: 20}
	for i := range 20 {
		all.Failed = append(all.Failed, appevents.ConversionFailure{Index: i, Err: &appevents.GraphError{Code: 100 + i, Message: long}})
	}
	require.Less(t, len(all.Error()), 4<<10)
	require.Contains(t, all.Error(), "; and 15 more")
	partial := &appevents.PartialError{Err: &appevents.GraphError{Code: 100, Message: long}}
	require.Less(t, len(partial.Error()), 4<<10)

	hints := &appevents.GraphError{Code: 190, Subcode: 463, Message: long}
	require.True(t, strings.HasSuffix(hints.Error(), "; the token has expired: get a new token"), "the way out is kept")

	var counts hostileCounts
	source := appevents.TokenFunc(func(context.Context, appevents.Scope) (string, error) { return "", fmt.Errorf("%s: %w", odd, io.EOF) })
	client := mustClient(t, appevents.WithTokenSource(source))
	_, err := client.LogActivity(t.Context(), purchase())
	require.ErrorIs(t, err, io.EOF)
	requireShort(t, "token source", err, &counts)
}

func TestBounds_OfErrorData(t *testing.T) {
	t.Parallel()
	fails := func(data string) *appevents.GraphError {
		return failWith(t, answer(http.StatusBadRequest, `{"error":{"code":100,"message":"m","error_data":`+data+`}}`))
	}
	long := strings.Repeat("x", 300)
	err := fails(filledTo(8<<10, `{"blame_field_specs":[["`+long+`"],`, `["a",1],`, `["b"]]}`))
	require.NotEmpty(t, err.Data)
	require.Len(t, err.BlameFields, 32)
	require.Equal(t, long[:256]+"…", err.BlameFields[0])
	require.Equal(t, "a[1]", err.BlameFields[31])

	err = fails(filledTo(17<<10, `{"blame_field_specs":[`, `["a",1],`, `["b"]]}`))
	require.Empty(t, err.Data)
	require.Empty(t, err.BlameFields)
	require.NotEmpty(t, err.Body, "the beginning of the answer is there")
}
