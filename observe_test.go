package appevents_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jarcoal/httpmock"
	"github.com/stretchr/testify/require"

	appevents "github.com/appevents/appevents-go"
)

// warning returns a client that succeeds and logs, and a function that returns the warnings logged since its last call.
func warning(t *testing.T, level slog.Level) (client *appevents.Client, logged func() []string) {
	t.Helper()
	out := new(bytes.Buffer)
	logger := slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{Level: level}))
	m := newMock(t)
	m.RegisterNoResponder(httpmock.NewStringResponder(200, `{"success":true,"events_received":1}`))
	return m.client(t, appevents.WithAccessToken(coreToken), appevents.WithLogger(logger)), func() []string {
		var lines []string
		for line := range strings.Lines(out.String()) {
			if _, rest, ok := strings.Cut(line, `level=WARN msg="appevents: doubtful call" `); ok {
				lines = append(lines, strings.TrimSpace(rest))
			}
		}
		out.Reset()
		return lines
	}
}

// doubtful is a purchase of which an email address has to be left out.
func doubtful() *appevents.Activity {
	call := purchase()
	call.UserData = appevents.UserData{Email: "not an address"}
	return call
}

func TestClient_LogsWarningsOncePerKindAndField(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client, logged := warning(t, slog.LevelDebug)
		log := func(call *appevents.Activity) {
			_, err := client.LogActivity(t.Context(), call)
			require.NoError(t, err)
		}
		log(purchase())
		require.Empty(t, logged())
		log(doubtful())
		first := logged()
		require.Len(t, first, 1)
		require.Contains(t, first[0], `op="log activity" field=user_data.em rule=`)
		require.NotContains(t, first[0], "not an address")
		<-time.After(59 * time.Second)
		log(doubtful())
		require.Empty(t, logged(), "said within the minute")

		other := doubtful()
		other.UserData.Phone = "x"
		log(other)
		second := logged()
		require.Len(t, second, 1)
		require.Contains(t, second[0], "field=user_data.ph")
		<-time.After(time.Second)
		log(doubtful())
		require.Equal(t, first, logged(), "the minute is over")

		sent := lead(1)
		sent.UserData.Email = "not an address"
		_, err := client.SendConversions(t.Context(), convDataset, sent)
		require.NoError(t, err)
		third := logged()
		require.Len(t, third, 1)
		require.Contains(t, third[0], `op="send conversions" field=conversions[0].user_data.em rule=`)
		bad := lead(2)
		bad.Name = ""
		_, err = client.SendConversions(t.Context(), convDataset, bad, sent)
		require.Error(t, err)
		require.Empty(t, logged(), "the same field of another element")
	})
}

func TestClient_LogsNoWarningsBelowTheLevelAndOfInvalidCalls(t *testing.T) {
	t.Parallel()
	client, logged := warning(t, slog.LevelError)
	_, err := client.LogActivity(t.Context(), doubtful())
	require.NoError(t, err)
	require.Empty(t, logged())
	client, logged = warning(t, slog.LevelDebug)
	call := doubtful()
	call.Consent = appevents.Consent{}
	_, err = client.LogActivity(t.Context(), call)
	require.Error(t, err)
	require.Empty(t, logged())
}

func TestClient_WithObserver_SeesEveryRequest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		usage := http.Header{"X-App-Usage": {`{"call_count":12,"total_cputime":3,"total_time":4}`}}
		served := http.Header{"Facebook-Api-Version": {"v26.0"}}
		m := newMock(t, transient().HeaderSet(usage).Delay(2*time.Second), success().HeaderSet(served), success())
		var infos []appevents.CallInfo
		client := m.client(t, appevents.WithAccessToken(coreToken), appevents.WithObserver(
			func(_ context.Context, info appevents.CallInfo) { infos = append(infos, info) }))
		result, err := client.LogActivity(t.Context(), purchase())
		require.NoError(t, err)
		require.Equal(t, 2, result.Attempts)
		_, err = client.LogPageActivity(t.Context(), pagePurchase())
		require.NoError(t, err)
		require.Len(t, infos, 3)

		require.ErrorIs(t, infos[0].Err, appevents.ErrTransient)
		infos[0].Err = nil
		require.Equal(t, appevents.CallInfo{
			Op: "log activity", Edge: "activities", Scope: appevents.Scope{Kind: appevents.ScopeApp, ID: coreApp},
			Attempt: 1, Duration: 2 * time.Second, Outcome: appevents.OutcomeRefused, StatusCode: 500, Version: "v26.0",
			Usage: appevents.Usage{App: appevents.CallUsage{Calls: 12, CPU: 3, Time: 4}},
		}, infos[0])
		require.Equal(t, appevents.CallInfo{
			Op: "log activity", Edge: "activities", Scope: appevents.Scope{Kind: appevents.ScopeApp, ID: coreApp},
			Attempt: 2, Outcome: appevents.OutcomeAccepted, StatusCode: 200, Version: "v26.0", ServedVersion: "v26.0",
		}, infos[1])
		require.Equal(t, appevents.CallInfo{
			Op: "log page activity", Edge: "page_activities",
			Scope:   appevents.Scope{Kind: appevents.ScopePage, ID: corePage},
			Attempt: 1, Outcome: appevents.OutcomeAccepted, StatusCode: 200, Version: "v20.0",
		}, infos[2])
	})
}

func TestClient_WithObserver_MayKeepTheErrorItWasGiven(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		last httpmock.Responder
		want appevents.Outcome
	}{
		"refused":  {graphAnswer(100, false), appevents.OutcomeRefused},
		"not sent": {unsent(), appevents.OutcomeNotSent},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var infos []appevents.CallInfo
				var readers sync.WaitGroup
				client := newMock(t, broken(), test.last).client(t,
					appevents.WithRetry(appevents.RetryPolicy{MaxAttempts: 2, RetryUnknown: true}),
					appevents.WithObserver(func(_ context.Context, info appevents.CallInfo) {
						infos = append(infos, info)
						readers.Go(func() { _ = info.Err.Error() })
					}))
				_, err := client.LogActivity(t.Context(), purchase())
				readers.Wait()
				require.Equal(t, appevents.OutcomeUnknown, appevents.OutcomeOf(err), "of the call")
				require.Equal(t, test.want, appevents.OutcomeOf(infos[1].Err), "of its last request")
				require.Equal(t, test.want, infos[1].Outcome)
			})
		})
	}
}

func TestClient_WithObserver_SurvivesItsPanic(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	observer := appevents.WithObserver(func(context.Context, appevents.CallInfo) { panic(coreToken) })
	loud := newMock(t, success()).client(t, observer, appevents.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
	silent := newMock(t, success()).client(t, observer)
	for _, client := range []*appevents.Client{loud, silent} {
		_, err := client.LogActivity(t.Context(), purchase())
		require.NoError(t, err)
	}
	require.Contains(t, log.String(), "the observer panicked")
	require.Contains(t, log.String(), "level=ERROR")
	require.NotContains(t, log.String(), coreToken)
}

func TestClient_WithLogger_UsesStableAttributes(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	logger := func(level slog.Level) appevents.Option {
		log.Reset()
		return appevents.WithLogger(slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: level})))
	}
	record := func() map[string]any {
		t.Helper()
		require.Equal(t, 1, strings.Count(log.String(), "\n"), "one line per request")
		var fields map[string]any
		require.NoError(t, json.Unmarshal(log.Bytes(), &fields))
		require.NotEmpty(t, fields["time"])
		require.Contains(t, fields, "duration")
		delete(fields, "time")
		delete(fields, "duration")
		return fields
	}

	_, err := newMock(t, success()).client(t, logger(slog.LevelDebug)).LogActivity(t.Context(), purchase())
	require.NoError(t, err)
	require.Equal(t, map[string]any{
		"level": "DEBUG", "msg": "appevents: graph request", "op": "log activity", "edge": "activities", "attempt": 1.0,
		"outcome": "accepted", "status": 200.0, "version": "v26.0",
	}, record())

	drift := http.Header{"Facebook-Api-Version": {"v27.0"}}
	refusal := answer(http.StatusBadRequest, `{"error":{"message":"no such parameter","code":100}}`).HeaderSet(drift)
	_, err = newMock(t, refusal).client(t, logger(slog.LevelInfo)).LogInstall(t.Context(), install())
	require.Error(t, err)
	require.Equal(t, map[string]any{
		"level": "WARN", "msg": "appevents: graph request", "op": "log install", "edge": "activities", "attempt": 1.0,
		"outcome": "refused", "status": 400.0, "version": "v26.0", "served_version": "v27.0", "error": err.Error(),
	}, record())

	_, err = newMock(t, success()).client(t, logger(slog.LevelInfo)).LogActivity(t.Context(), purchase())
	require.NoError(t, err)
	require.Empty(t, log.String(), "success is no news")
}
