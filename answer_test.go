package appevents_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	appevents "github.com/appevents/appevents-go"
)

func TestGraphError_KeepsTheStatusOfEveryAnswerThatIsNoSuccess(t *testing.T) {
	t.Parallel()
	const html = "<html><body>Bad Gateway</body></html>"
	for name, test := range map[string]struct {
		status  int
		body    string
		message string
		outcome appevents.Outcome
	}{
		"HTML from a gateway":      {502, html, "the answer is an HTML page", appevents.OutcomeUnknown},
		"HTML with 200":            {200, "\n" + html, "the answer is an HTML page", appevents.OutcomeUnknown},
		"HTML with 404":            {404, html, "the answer is an HTML page", appevents.OutcomeRefused},
		"HTML with 429":            {429, html, "the answer is an HTML page", appevents.OutcomeRefused},
		"empty":                    {200, "", "the answer is empty", appevents.OutcomeUnknown},
		"blank":                    {200, " \r\n", "the answer is empty", appevents.OutcomeUnknown},
		"no content":               {204, "", "the answer is empty", appevents.OutcomeUnknown},
		"empty refusal":            {400, "", "the answer is empty", appevents.OutcomeRefused},
		"empty with 500":           {500, "", "the answer is empty", appevents.OutcomeUnknown},
		"redirect":                 {302, "", "the answer is empty", appevents.OutcomeRefused},
		"false":                    {200, "false", "the answer is the bare word false", appevents.OutcomeRefused},
		"false and a line break":   {200, "false\n", "the answer is the bare word false", appevents.OutcomeRefused},
		"false with 500":           {500, "false", "the answer is the bare word false", appevents.OutcomeUnknown},
		"success false":            {200, `{"success":false}`, "the answer says success: false", appevents.OutcomeRefused},
		"success false as text":    {200, `{"success": "false"}`, "the answer says success: false", appevents.OutcomeRefused},
		"success 0":                {200, `{"success":0}`, "the answer says success: false", appevents.OutcomeRefused},
		"success false with 500":   {500, `{"success":false}`, "the answer says success: false", appevents.OutcomeRefused},
		"success true with 400":    {400, `{"success":true}`, "the answer is JSON of an unknown form", appevents.OutcomeRefused},
		"success true with 500":    {500, `{"success":true}`, "the answer is JSON of an unknown form", appevents.OutcomeUnknown},
		"empty object":             {200, "{}", "the answer is JSON of an unknown form", appevents.OutcomeUnknown},
		"array":                    {200, `[{"success":true}]`, "the answer is JSON of an unknown form", appevents.OutcomeUnknown},
		"null":                     {200, "null", "the answer is JSON of an unknown form", appevents.OutcomeUnknown},
		"true":                     {200, "true", "the answer is JSON of an unknown form", appevents.OutcomeUnknown},
		"text":                     {200, `"ok"`, "the answer is JSON of an unknown form", appevents.OutcomeUnknown},
		"object without error":     {400, `{"message":"no"}`, "the answer is JSON of an unknown form", appevents.OutcomeRefused},
		"gateway's own JSON":       {503, `{"message":"down"}`, "the answer is JSON of an unknown form", appevents.OutcomeUnknown},
		"null error":               {400, `{"error":null}`, "the answer is JSON of an unknown form", appevents.OutcomeRefused},
		"plain words":              {200, "Service Unavailable", "the answer is not JSON", appevents.OutcomeUnknown},
		"JSON cut short":           {200, `{"success":tr`, "the answer is not JSON", appevents.OutcomeUnknown},
		"envelope cut short":       {400, `{"error":{"code":190,`, "the answer is not JSON", appevents.OutcomeRefused},
		"two answers":              {200, coreSuccess + coreSuccess, "the answer is not JSON", appevents.OutcomeUnknown},
		"error as text":            {200, `{"error":"no"}`, "the answer holds an error of an unknown form", appevents.OutcomeRefused},
		"error as list":            {400, `{"error":[1]}`, "the answer holds an error of an unknown form", appevents.OutcomeRefused},
		"error beside a success":   {200, `{"success":true,"error":"no"}`, "the answer holds an error of an unknown form", appevents.OutcomeRefused},
		"error without any member": {400, `{"error":{}}`, "", appevents.OutcomeRefused},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := failWith(t, answer(test.status, test.body))
			require.Equal(t, test.status, err.StatusCode)
			require.Equal(t, test.message, err.Message)
			require.Equal(t, test.outcome, err.Outcome())
			require.Equal(t, test.outcome, appevents.OutcomeOf(err))
			require.Equal(t, test.body, string(err.Body))
			require.Zero(t, err.Code)
			require.Contains(t, err.Error(), fmt.Sprintf("(HTTP %d)", test.status))
			require.NotContains(t, err.Error(), "\n")
			if test.outcome == appevents.OutcomeUnknown {
				requireOnly(t, err, appevents.ErrUnknownOutcome)
				require.Contains(t, err.Error(), "outcome unknown")
			} else {
				requireOnly(t, err, nil)
			}
		})
	}
}

func TestClient_TakesEveryDocumentedFormOfSuccess(t *testing.T) {
	t.Parallel()
	for _, body := range []string{
		coreSuccess, ` { "success" : true } `, `{"success":true,"error":null}`, `{"success":"1"}`,
		`{"success":true,"drop_reason":"duplicate"}`, `{"is_fb":true,"ad_id":"77"}`, `{"id":"12"}`,
	} {
		result, err := newMock(t, answer(http.StatusOK, body)).client(t).LogActivity(t.Context(), purchase())
		require.NoError(t, err, body)
		require.JSONEq(t, body, string(result.Raw))
	}
}

func TestGraphError_ReadsEveryFormOfTheEnvelope(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		body string
		want appevents.GraphError
	}{
		"complete": {
			`{"error":{"message":"Invalid parameter","type":"OAuthException","code":100,"error_subcode":2804003,
			 "is_transient":false,"error_user_title":"Too old","error_user_msg":"Send within 7 days",
			 "error_data":{"blame_field_specs":[["data",0,"event_time"],["custom_events"]]},"fbtrace_id":"Axy"}}`,
			appevents.GraphError{
				Code: 100, Subcode: 2804003, Type: "OAuthException", Message: "Invalid parameter", UserTitle: "Too old",
				UserMessage: "Send within 7 days", TraceID: "Axy",
				Data:        json.RawMessage(`{"blame_field_specs":[["data",0,"event_time"],["custom_events"]]}`),
				BlameFields: []string{"data[0].event_time", "custom_events"},
			},
		},
		"only code": {`{"error":{"code":190}}`, appevents.GraphError{Code: 190}},
		"error data as text": {
			`{"error":{"code":100,"error_data":"{\"blame_field_specs\":[[\"ud\",\"em\"]]}"}}`,
			appevents.GraphError{
				Code: 100, Data: json.RawMessage(`{"blame_field_specs":[["ud","em"]]}`), BlameFields: []string{"ud.em"},
			},
		},
		"error data as plain text": {
			`{"error":{"code":100,"error_data":"look at em"}}`,
			appevents.GraphError{Code: 100, Data: json.RawMessage(`"look at em"`)},
		},
		"error data as list":  {`{"error":{"code":100,"error_data":[]}}`, appevents.GraphError{Code: 100, Data: json.RawMessage(`[]`)}},
		"error data null":     {`{"error":{"code":100,"error_data":null}}`, appevents.GraphError{Code: 100}},
		"error data as empty": {`{"error":{"code":100,"error_data":""}}`, appevents.GraphError{Code: 100, Data: json.RawMessage(`""`)}},
		"odd blame": {
			`{"error":{"code":100,"error_data":{"blame_field_specs":[[],[null,{"a":1}],["a",true,2]]}}}`,
			appevents.GraphError{
				Code: 100, Data: json.RawMessage(`{"blame_field_specs":[[],[null,{"a":1}],["a",true,2]]}`),
				BlameFields: []string{"a[2]"},
			},
		},
		"blame of another kind": {
			`{"error":{"code":100,"error_data":{"blame_field_specs":"em"}}}`,
			appevents.GraphError{Code: 100, Data: json.RawMessage(`{"blame_field_specs":"em"}`)},
		},
		"codes as text": {
			`{"error":{"code":"190","error_subcode":"463","message":"expired"}}`,
			appevents.GraphError{Code: 190, Subcode: 463, Message: "expired"},
		},
		"odd kinds": {
			`{"error":{"code":{},"error_subcode":[],"message":7,"type":null,"is_transient":"yes","fbtrace_id":"kept",
			 "error_user_msg":false,"error_user_title":1.5}}`,
			appevents.GraphError{TraceID: "kept"},
		},
		"fractional code": {`{"error":{"code":1.5,"message":"m"}}`, appevents.GraphError{Message: "m"}},
		"negative code":   {`{"error":{"code":-3,"error_subcode":1}}`, appevents.GraphError{Code: -3, Subcode: 1}},
		"transient":       {`{"error":{"code":2,"is_transient":true}}`, appevents.GraphError{Code: 2, Transient: true}},
		"bare number": {
			`{"error":190,"error_description":"Invalid token"}`,
			appevents.GraphError{Code: 190, Message: "Invalid token"},
		},
		"bare number alone":     {`{"error":4}`, appevents.GraphError{Code: 4}},
		"bare number, odd text": {`{"error":4,"error_description":{}}`, appevents.GraphError{Code: 4}},
		"unknown members":       {`{"error":{"code":10,"new":{"a":[1]}},"more":1}`, appevents.GraphError{Code: 10}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, status := range []int{200, 400, 500} {
				err := failWith(t, answer(status, test.body))
				want := test.want
				want.Op, want.Attempts, want.StatusCode, want.Body = "log activity", 1, status, []byte(test.body)
				require.Equal(t, &want, err)
				require.Equal(t, appevents.OutcomeRefused, err.Outcome())
			}
		})
	}
}

func TestGraphError_TakesTheTraceOfTheHeaderWhenTheBodyHasNone(t *testing.T) {
	t.Parallel()
	header := http.Header{"X-Fb-Trace-Id": {"FromHeader"}, "Facebook-Api-Version": {"v25.0"}}
	err := failWith(t, answer(http.StatusBadRequest, `{"error":{"code":100}}`).HeaderSet(header))
	require.Equal(t, "FromHeader", err.TraceID)
	require.Equal(t, "v25.0", err.Version)
	err = failWith(t, answer(http.StatusBadRequest, `{"error":{"code":100,"fbtrace_id":"FromBody"}}`).HeaderSet(header))
	require.Equal(t, "FromBody", err.TraceID)
}

func TestGraphError_BoundsWhatItKeepsOfTheBody(t *testing.T) {
	t.Parallel()
	err := failWith(t, answer(http.StatusBadGateway, "<html>"+strings.Repeat("x", 5000)))
	require.Len(t, err.Body, 2048)
	require.Less(t, len(err.Error()), 200)
}

func TestClient_StopsReadingAnAnswerThatDoesNotEnd(t *testing.T) {
	t.Parallel()
	body := new(endless)
	err := failWith(t, func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: body}, nil
	})
	require.Equal(t, appevents.OutcomeUnknown, err.Outcome())
	require.Equal(t, http.StatusOK, err.StatusCode)
	require.ErrorContains(t, errors.Unwrap(err), "longer than 1048576 bytes")
	require.True(t, body.closed)
	require.Equal(t, 1<<20+1, body.read)
}

func TestGraphError_OfATruncatedBodyKeepsTheCause(t *testing.T) {
	t.Parallel()
	// Even a text that would be an answer by itself is none when the connection broke before its announced end.
	for text, outcome := range map[string]appevents.Outcome{
		coreSuccess: appevents.OutcomeUnknown, `{"succ`: appevents.OutcomeUnknown, "": appevents.OutcomeUnknown,
	} {
		err := failWith(t, func(*http.Request) (*http.Response, error) {
			return &http.Response{
				StatusCode: http.StatusOK, Header: http.Header{},
				Body: &failing{Reader: strings.NewReader(text), err: io.ErrUnexpectedEOF},
			}, nil
		})
		require.ErrorIs(t, err, io.ErrUnexpectedEOF)
		require.Equal(t, outcome, err.Outcome())
		require.Equal(t, "the answer was cut short", err.Message)
	}
}
