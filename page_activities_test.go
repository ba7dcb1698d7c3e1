package appevents_test

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/jarcoal/httpmock"
	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go"
	"github.com/appevents/appevents-go/graphtest"
)

// Targets and sources in any case leave in the guide's lower case; a zero target is not sent, a zero source is the bot.
func TestPageActivity_TargetsAndSources(t *testing.T) {
	t.Parallel()
	tap := newWireTap(t, appevents.WithAccessToken("token"))
	for _, test := range []struct {
		target     appevents.LoggingTarget
		source     appevents.LoggingSource
		wireTarget any
		wireSource any
	}{
		{"", "", nil, "messenger_bot"},
		{appevents.TargetApp, appevents.SourceMessengerBot, "app", "messenger_bot"},
		{appevents.TargetPage, appevents.SourceDetection, "page", "detection"},
		{appevents.TargetAppAndPage, "", "app_and_page", "messenger_bot"},
		{"APP", "MESSENGER_BOT", "app", "messenger_bot"},
		{"PAGE", "DETECTION", "page", "detection"},
		{"App_and_Page", "Messenger_Bot", "app_and_page", "messenger_bot"},
	} {
		_, err := tap.client.LogPageActivity(t.Context(), pageCall(func(p *appevents.PageActivity) {
			p.Target, p.Source = test.target, test.source
		}))
		require.NoError(t, err)
		params := tap.sent[len(tap.sent)-1].Params
		require.Equal(t, test.wireTarget, params["logging_target"])
		require.Equal(t, test.wireSource, params["logging_source"])
		require.Len(t, params, 6+map[bool]int{true: 1}[test.wireTarget != nil])
	}
	tap.requireAccepted(t)
}

// The call asks for the last version with the edge, or an older one the client was given; a client given a newer one
// hears so before anything is sent.
func TestClient_LogPageActivity_Version(t *testing.T) {
	t.Parallel()
	call := pageCall(func(*appevents.PageActivity) {})
	for version, path := range map[string]string{
		"": "/v20.0/771/page_activities", "v20.0": "/v20.0/771/page_activities", "v3.3": "/v3.3/771/page_activities",
		"v19.9": "/v19.9/771/page_activities",
	} {
		opts := []appevents.Option{appevents.WithAccessToken("token")}
		if version != "" {
			opts = append(opts, appevents.WithVersion(version))
		}
		tap := newWireTap(t, opts...)
		_, err := tap.client.LogPageActivity(t.Context(), call)
		require.NoError(t, err)
		require.Equal(t, path, tap.sent[0].Path)
	}
	for _, version := range []string{"v20.1", "v21.0", "v26.0", "v100.0"} {
		tap := newWireTap(t, appevents.WithAccessToken("token"), appevents.WithVersion(version))
		result, err := tap.client.LogPageActivity(t.Context(), call)
		require.Nil(t, result)
		require.ErrorIs(t, err, appevents.ErrRetired)
		require.Equal(t, appevents.OutcomeNotSent, appevents.OutcomeOf(err))
		require.ErrorContains(t, err, "log page activity: not sent")
		require.ErrorContains(t, err, version)
		require.ErrorContains(t, err, "LogActivity")
		require.ErrorContains(t, err, "SendConversions")
		require.Empty(t, tap.sent)
	}
}

// The edge has no anonymous calls, and never falls back on the app token.
func TestClient_LogPageActivity_NeedsAToken(t *testing.T) {
	t.Parallel()
	tap := newWireTap(t, appevents.WithAppSecret("app-secret"))
	_, err := tap.client.LogPageActivity(t.Context(), pageCall(func(*appevents.PageActivity) {}))
	require.ErrorIs(t, err, appevents.ErrNoToken)
	require.Empty(t, tap.sent)
}

// What counts as "the edge is gone", and what does not.
func TestClient_LogPageActivity_Retired(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name    string
		status  int
		body    string
		version string // that answered
		retired bool
	}{
		{"unknown path", 400, `{"error":{"message":"Unknown path components: /page_activities","code":2500}}`, "", true},
		{"method not supported", 400, `{"error":{"message":"(#3)","code":3}}`, "", true},
		{"deprecated", 400, `{"error":{"message":"(#12)","code":12}}`, "", true},
		{"version no longer served", 400, `{"error":{"message":"(#2635)","code":2635}}`, "", true},
		{"unsupported request", 400, `{"error":{"message":"Unsupported post request","code":100,"error_subcode":33}}`, "", true},
		{"gone, without an envelope", 410, `{}`, "", true},
		{"not found, without an envelope", 404, `Not Found`, "", true},
		{"a parameter, on a newer version", 400, `{"error":{"message":"(#100)","code":100}}`, "v21.0", true},
		{"a parameter, on the last version", 400, `{"error":{"message":"(#100)","code":100}}`, "v20.0", false},
		{"a parameter, on an unknown version", 400, `{"error":{"message":"(#100)","code":100}}`, "", false},
		{"a permission, with the subcode of an unknown object", 403, `{"error":{"message":"(#200)","code":200,"error_subcode":33}}`, "v26.0", false},
		{"a permission", 403, `{"error":{"message":"(#200)","code":200}}`, "v26.0", false},
		{"throttled", 400, `{"error":{"message":"(#4)","code":4}}`, "v26.0", false},
		{"a bad request, without an envelope", 400, `{}`, "v26.0", false},
		{"a gateway", 502, `<html>`, "v26.0", false},
		{"an answer cut short", 200, `{"succ`, "v26.0", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			tap := newWireTap(t, appevents.WithAccessToken("token"))
			tap.answer = func(int, *http.Request) (*http.Response, error) {
				resp := httpmock.NewStringResponse(test.status, test.body)
				if test.version != "" {
					resp.Header.Set("Facebook-Api-Version", test.version)
				}
				return resp, nil
			}
			_, err := tap.client.LogPageActivity(t.Context(), pageCall(func(*appevents.PageActivity) {}))
			require.Error(t, err)
			if test.retired {
				require.ErrorIs(t, err, appevents.ErrRetired)
				require.ErrorContains(t, err, "LogActivity")
			} else {
				require.NotErrorIs(t, err, appevents.ErrRetired)
			}

			// The same refusal of another edge is no retirement.
			_, err = tap.client.LogActivity(t.Context(), botCall(func(*appevents.Activity) {}))
			require.NotErrorIs(t, err, appevents.ErrRetired)
		})
	}
}

// The stand-in without the edge answers as Graph is expected to.
func TestClient_LogPageActivity_AgainstAGraphWithoutIt(t *testing.T) {
	t.Parallel()
	tap := newWireTap(t, appevents.WithAccessToken("token"))
	tap.graph = graphtest.New(graphtest.WithoutPageActivities())
	_, err := tap.client.LogPageActivity(t.Context(), pageCall(func(*appevents.PageActivity) {}))
	require.ErrorIs(t, err, appevents.ErrRetired)
}

func TestPageActivity_Warnings(t *testing.T) {
	t.Parallel()
	require.Nil(t, (*appevents.PageActivity)(nil).Warnings())
	require.Nil(t, pageCall(func(*appevents.PageActivity) {}).Warnings())
	call := pageCall(func(p *appevents.PageActivity) {
		p.Events = []appevents.Event{appevents.Contact(), appevents.Purchase(-1, "USD")}
	})
	require.NoError(t, call.Validate())
	require.Equal(t, []string{"events[1].value range"}, pathsAndRules(call.Warnings()))
}

// IDs leave as texts with every digit, as webhooks deliver them.
func TestPageActivity_IDs(t *testing.T) {
	t.Parallel()
	tap := newWireTap(t, appevents.WithAccessToken("token"))
	_, err := tap.client.LogPageActivity(t.Context(), pageCall(func(*appevents.PageActivity) {}))
	require.NoError(t, err)
	var body map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(tap.sent[0].body, &body))
	require.Equal(t, `"18139494541428833"`, string(body["page_id"]))
	require.Equal(t, `"18139494541428835"`, string(body["page_scoped_user_id"]))
}
