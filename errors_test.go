package appevents_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/jarcoal/httpmock"
	"github.com/stretchr/testify/require"

	appevents "github.com/appevents/appevents-go"
)

// sentinels are all classes a failed call can match.
func sentinels() []error {
	return []error{
		appevents.ErrAuth, appevents.ErrInvalidParameter, appevents.ErrNoToken, appevents.ErrNotFound,
		appevents.ErrPermission, appevents.ErrPolicy, appevents.ErrRetired, appevents.ErrThrottled,
		appevents.ErrTransient, appevents.ErrUnknownOutcome,
	}
}

// requireOnly checks that err matches the wanted sentinel and no other; nil means none.
func requireOnly(t *testing.T, err, want error, about ...any) {
	t.Helper()
	for _, sentinel := range sentinels() {
		require.Equal(t, sentinel == want, errors.Is(err, sentinel), "%v: %v", sentinel, about) //nolint:errorlint // identity
	}
}

// failWith returns the error of a call that is answered once.
func failWith(t *testing.T, respond httpmock.Responder) *appevents.GraphError {
	t.Helper()
	m := newMock(t, respond)
	result, err := m.client(t, oneAttempt()).LogActivity(t.Context(), purchase())
	require.Nil(t, result)
	var graph *appevents.GraphError
	require.ErrorAs(t, err, &graph)
	require.Equal(t, "log activity", graph.Op)
	require.Equal(t, 1, graph.Attempts)
	require.Len(t, m.requests(), 1)
	return graph
}

// endless is a body without an end that counts what is taken from it.
type endless struct {
	read   int
	closed bool
}

func (e *endless) Read(p []byte) (int, error) {
	clear(p)
	e.read += len(p)
	return len(p), nil
}

func (e *endless) Close() error {
	e.closed = true
	return nil
}

// failing is a body that breaks after its text.
type failing struct {
	io.Reader
	err error
}

func (f *failing) Read(p []byte) (int, error) {
	n, err := f.Reader.Read(p)
	if err == io.EOF {
		err = f.err
	}
	return n, err
}

func (f *failing) Close() error { return nil }

func TestGraphError_MatchesOneSentinelByItsCodes(t *testing.T) {
	t.Parallel()
	type codes struct{ code, subcode int }
	classes := map[error][]codes{
		appevents.ErrAuth: {
			{102, 0}, {102, 463}, {104, 0}, {190, 0}, {190, 458}, {190, 459}, {190, 460}, {190, 463}, {190, 464}, {190, 467},
			{190, 492}, {190, 33}, {190, 9999},
		},
		appevents.ErrInvalidParameter: {
			{100, 0}, {100, 2804003}, {100, 34}, {105, 0}, {506, 0}, {2500, 0}, {1609005, 0},
		},
		appevents.ErrNotFound: {{100, 33}, {803, 0}, {803, 1}},
		appevents.ErrPermission: {
			{3, 0}, {10, 0}, {10, 33}, {200, 0}, {210, 0}, {230, 0}, {294, 0}, {299, 0},
		},
		appevents.ErrPolicy: {{368, 0}, {368, 1390008}},
		appevents.ErrThrottled: {
			{4, 0}, {4, 1504022}, {4, 1504039}, {4, 2108006}, {17, 0}, {17, 2446079}, {32, 0}, {341, 0}, {613, 0},
			{613, 1487742}, {613, 5044001}, {80000, 0}, {80001, 0}, {80002, 0}, {80003, 0}, {80004, 0}, {80005, 0},
			{80006, 0}, {80007, 0}, {80008, 0}, {80009, 0}, {80010, 0}, {80011, 0}, {80012, 0}, {80013, 0}, {80014, 0},
		},
		appevents.ErrTransient: {{1, 0}, {1, 99}, {2, 0}, {5000, 0}},
		nil: {
			{-1, 0}, {-1, 190}, {0, 0}, {0, 33}, {0, 463}, {5, 0}, {9, 0}, {11, 0}, {12, 0}, {33, 0}, {101, 0}, {103, 0},
			{191, 0}, {199, 0}, {300, 0}, {340, 0}, {369, 0}, {612, 0}, {79999, 0}, {80015, 0}, {2804003, 0},
		},
	}
	// What surrounds the codes varies with language, edge and time, and must not matter.
	surroundings := []struct {
		status    int
		kind      string
		message   string
		userTitle string
	}{
		{400, "OAuthException", "(#4) Application request limit reached", "Session expired"},
		{500, "GraphMethodException", "Error validating access token: Session has expired", "Réessayez"},
		{200, "", "", ""},
		{429, "IGApiException", "Unsupported post request. Object does not exist", "Permissions error"},
	}
	for class, all := range classes {
		for _, c := range all {
			requireOnly(t, &appevents.GraphError{Code: c.code, Subcode: c.subcode}, class, c)
			for _, s := range surroundings {
				body, err := json.Marshal(map[string]any{"error": map[string]any{
					"message": s.message, "type": s.kind, "code": c.code, "error_subcode": c.subcode,
					"error_user_title": s.userTitle,
				}})
				require.NoError(t, err)
				requireOnly(t, failWith(t, answer(s.status, string(body))), class, c, s)
			}
		}
	}
}

func TestGraphError_MatchesByCodeBeforeTheTransientFlag(t *testing.T) {
	t.Parallel()
	for code, want := range map[int]error{
		2: appevents.ErrTransient, 4: appevents.ErrThrottled, 10: appevents.ErrPermission, 100: appevents.ErrTransient,
		190: appevents.ErrAuth, 341: appevents.ErrThrottled, 368: appevents.ErrPolicy, 803: appevents.ErrNotFound,
		0: appevents.ErrTransient, 424242: appevents.ErrTransient,
	} {
		requireOnly(t, &appevents.GraphError{Code: code, Transient: true}, want, code)
	}
}

func TestGraphError_SaysTheWayOut(t *testing.T) {
	t.Parallel()
	for text, err := range map[string]*appevents.GraphError{
		"appevents: log activity: graph error 190/463 (HTTP 401): Session has expired; the token has expired: get a new token": {
			Op: "log activity", StatusCode: 401, Code: 190, Subcode: 463, Message: "Session has expired",
		},
		"appevents: graph error 190/458; the person removed the app: ask for a new login":         {Code: 190, Subcode: 458},
		"appevents: graph error 190/459; the person must pass a checkpoint on facebook.com first": {Code: 190, Subcode: 459},
		"appevents: graph error 190/460; the password was changed: get a new token":               {Code: 190, Subcode: 460},
		"appevents: graph error 190/464; the person's account is not confirmed":                   {Code: 190, Subcode: 464},
		"appevents: graph error 102/467; the token is invalid: get a new token":                   {Code: 102, Subcode: 467},
		"appevents: graph error 190/492; the token's owner lost the role on the Page: " +
			"have someone with the role connect it again": {Code: 190, Subcode: 492},
		"appevents: graph error 190; get a new token":                              {Code: 190},
		"appevents: graph error 104; check that the app secret belongs to the app": {Code: 104},
		"appevents: graph error 200; a permission is missing from the token":       {Code: 200},
		"appevents: log install: graph error 10; use the app token, or a user token of someone with a role on the app": {
			Op: "log install", Code: 10,
		},
		"appevents: log page activity: graph error 200; " +
			"needs the page_events permission and a Page token from someone with the ANALYZE task": {
			Op: "log page activity", Code: 200,
		},
		"appevents: graph error 4; stop calling for a while":                              {Code: 4},
		"appevents: graph error 80006; stay away for 5m0s":                                {Code: 80006, RetryAfter: 300e9},
		"appevents: graph error 803; the ID is wrong, or the token cannot see the object": {Code: 803},
		"appevents: graph error 100: no such parameter [custom_events[0]._logTime, data[1].id]": {
			Code: 100, Message: "no such parameter", BlameFields: []string{"custom_events[0]._logTime", "data[1].id"},
		},
		"appevents: graph error 100: (#100) App ID: 771, Can only have up to 1000 events per app, x doesn't fit; " +
			"the app has used up its 1,000 event names: deactivate some in Events Manager": {
			Code: 100, Message: "(#100) App ID: 771, Can only have up to 1000 events per app, x doesn't fit",
		},
		"appevents: graph error 2: a b c  d e f g": {Code: 2, Message: "a\nb\rc\u2028\x00d\te\x7ff\u2029g"},
		"appevents: graph error":                   {},
	} {
		require.Equal(t, text, err.Error())
	}
	require.Equal(t, "appevents: graph error", (*appevents.GraphError)(nil).Error())
}

func TestCallError_SaysWhatHappened(t *testing.T) {
	t.Parallel()
	cause := errors.New("no\nroute")
	for text, err := range map[string]*appevents.CallError{
		"appevents: log activity: not sent: no route":       {Op: "log activity", Outcome: appevents.OutcomeNotSent, Err: cause},
		"appevents: log install: outcome unknown: no route": {Op: "log install", Outcome: appevents.OutcomeUnknown, Err: cause},
		"appevents: outcome unknown: call failed":           {Outcome: appevents.OutcomeUnknown},
		"appevents: not sent: call failed":                  {},
	} {
		require.Equal(t, text, err.Error())
		require.Equal(t, err.Outcome == appevents.OutcomeUnknown, errors.Is(err, appevents.ErrUnknownOutcome))
		require.Equal(t, err.Err != nil, errors.Is(err, cause))
	}
}

func TestErrors_SurviveBeingNil(t *testing.T) {
	t.Parallel()
	graph, call := (*appevents.GraphError)(nil), (*appevents.CallError)(nil)
	require.Equal(t, "appevents: call failed", call.Error())
	require.NoError(t, graph.Unwrap())
	require.NoError(t, call.Unwrap())
	require.Equal(t, appevents.OutcomeRefused, graph.Outcome())
	for _, sentinel := range sentinels() {
		require.NotErrorIs(t, graph, sentinel)
		require.NotErrorIs(t, call, sentinel)
	}
}

func TestGraphError_LongTextsAreCut(t *testing.T) {
	t.Parallel()
	mock := httpmock.NewMockTransport()
	mock.RegisterNoResponder(httpmock.NewStringResponder(http.StatusBadRequest,
		`{"error":{"message":"`+strings.Repeat("å", 1<<18)+`","code":100}}`))
	client, err := appevents.New("771", appevents.WithHTTPClient(&http.Client{Transport: mock}))
	require.NoError(t, err)
	_, err = client.LogActivity(t.Context(), &appevents.Activity{
		Thread: appevents.Thread{PageID: "901", PSID: "7702"}, Consent: appevents.ConsentAllowed,
		Events: []appevents.Event{appevents.LeadSubmitted()},
	})
	require.ErrorIs(t, err, appevents.ErrInvalidParameter)
	require.Less(t, len(err.Error()), 4<<10)
	require.True(t, utf8.ValidString(err.Error()))
}

func TestOutcomeOf(t *testing.T) {
	t.Parallel()
	refused := &appevents.GraphError{Code: 100}
	unsent := &appevents.CallError{Outcome: appevents.OutcomeNotSent}
	for name, test := range map[string]struct {
		err  error
		want appevents.Outcome
		text string
	}{
		"no error":          {nil, appevents.OutcomeAccepted, "accepted"},
		"validation":        {(&appevents.Activity{}).Validate(), appevents.OutcomeNotSent, "not sent"},
		"refusal":           {refused, appevents.OutcomeRefused, "refused"},
		"wrapped refusal":   {fmt.Errorf("bot: %w", refused), appevents.OutcomeRefused, "refused"},
		"not sent":          {unsent, appevents.OutcomeNotSent, "not sent"},
		"unknown":           {&appevents.CallError{Outcome: appevents.OutcomeUnknown}, appevents.OutcomeUnknown, "unknown"},
		"part":              {&appevents.PartialError{Accepted: 1, Err: unsent}, appevents.OutcomeNotSent, "not sent"},
		"call over refusal": {&appevents.CallError{Outcome: appevents.OutcomeUnknown, Err: refused}, appevents.OutcomeUnknown, "unknown"},
		"another error":     {io.EOF, appevents.OutcomeNone, "none"},
		"configuration":     {&appevents.ConfigError{}, appevents.OutcomeNone, "none"},
	} {
		require.Equal(t, test.want, appevents.OutcomeOf(test.err), name)
		require.Equal(t, test.text, test.want.String(), name)
	}
	require.Equal(t, "none", appevents.Outcome(99).String())
}

// What the client knows of a call goes into the way out.
func TestGraphError_SaysWhoseTokenAndWhichOption(t *testing.T) {
	t.Parallel()
	refused := func(code, message string, call func(*appevents.Client) error) error {
		m := newMock(t, answer(http.StatusBadRequest, `{"error":{"code":`+code+`,"message":"`+message+`"}}`))
		return call(m.client(t, appevents.WithAccessToken(coreToken), oneAttempt()))
	}
	page := func(c *appevents.Client) error {
		_, err := c.EnsureDataset(t.Context(), corePage)
		return err
	}
	dataset := func(c *appevents.Client) error {
		_, err := c.SendConversions(t.Context(), convDataset, lead(1))
		return err
	}
	app := func(c *appevents.Client) error {
		_, err := c.LogActivity(t.Context(), purchase())
		return err
	}
	for _, test := range []struct {
		code, message, want string
		call                func(*appevents.Client) error
		scope               appevents.Scope
	}{
		{"190", "m", "m; get a new token (the token was for page 901)", page, pageScope(corePage)},
		{
			"190", "m", "m; get a new token (the token was for dataset 5501)", dataset,
			appevents.Scope{Kind: appevents.ScopeDataset, ID: convDataset},
		},
		{"190", "m", "m; get a new token", app, appevents.Scope{}},
		{"10", "m", "(WhatsApp)", dataset, appevents.Scope{Kind: appevents.ScopeDataset, ID: convDataset}},
		{"4", "m", "m; stop calling for a while", dataset, appevents.Scope{}},
		{"104", "m", "m; check that the app secret, set by WithAppSecret, belongs to the app", app, appevents.Scope{}},
		{
			"100", "API calls from the server require an appsecret_proof argument",
			"argument; give the client the app secret, with WithAppSecret", app, appevents.Scope{},
		},
		{
			"100", "Invalid appsecret_proof provided in the API argument",
			"argument; check that the secret of WithAppSecret belongs to the app that the token was made for", app,
			appevents.Scope{},
		},
	} {
		err := refused(test.code, test.message, test.call)
		var graph *appevents.GraphError
		require.ErrorAs(t, err, &graph)
		require.Equal(t, test.scope, graph.Scope)
		require.Truef(t, strings.HasSuffix(err.Error(), test.want), "%v", err)
	}
}

// A GraphError that was stored and read again says the same.
func TestGraphError_SaysTheSameWhenStored(t *testing.T) {
	t.Parallel()
	m := newMock(t, answer(http.StatusBadRequest, `{"error":{"code":100,"error_subcode":2804065,"message":"m"}}`))
	_, err := m.client(t, appevents.WithAccessToken(coreToken)).SendConversions(t.Context(), convDataset, lead(1))
	var sent, read *appevents.GraphError
	require.ErrorAs(t, err, &sent)
	stored, err := json.Marshal(sent)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(stored, &read))
	require.Equal(t, sent.Error(), read.Error())
	require.Contains(t, read.Error(), "page_id and the dataset do not belong together")
}

func TestSentinels_BeginAlike(t *testing.T) {
	t.Parallel()
	for _, sentinel := range append(sentinels(), appevents.ErrNoToken, appevents.ErrNotWebhook, appevents.ErrNotSigned,
		appevents.ErrBadSignatureHeader, appevents.ErrSignatureMismatch, appevents.ErrBadHandshake,
		appevents.ErrWebhookBody, appevents.ErrWebhookTimeout) {
		require.Regexp(t, "^appevents: [a-z]", sentinel.Error())
	}
	err := &appevents.CallError{Op: "log activity", Err: fmt.Errorf("%w (scope app)", appevents.ErrNoToken)}
	require.EqualError(t, err, "appevents: log activity: not sent: no access token for this call (scope app)")
}
