package appevents_test

import (
	"bytes"
	"log/slog"
	"strings"
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
