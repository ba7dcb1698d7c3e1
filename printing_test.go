package appevents_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	appevents "github.com/appevents/appevents-go"
	"github.com/appevents/appevents-go/internal/printwalk"
)

func TestPrinting(t *testing.T) {
	t.Parallel()
	secret := func(field string) string { return printwalk.Canary("secret", field) }
	cache, err := appevents.NewTokenCache(func(context.Context, appevents.Scope) (string, time.Time, error) {
		return secret("cached"), time.Time{}, nil
	})
	require.NoError(t, err)
	for _, page := range []appevents.ID{"1", "2"} {
		_, err = cache.Token(t.Context(), appevents.Scope{Kind: appevents.ScopePage, ID: page})
		require.NoError(t, err)
	}
	client := mustClient(t, appevents.WithTokenSource(cache), appevents.WithAppSecret(secret("app")),
		appevents.WithHTTPClient(&http.Client{Transport: leakyTransport{secret("transport")}}))
	static := mustClient(t, appevents.WithAccessToken(secret("static")))
	listed := mustClient(t, appevents.WithTokenSource(tokenList{"901": secret("listed")}))
	datasets, err := appevents.NewDatasetCache(client)
	require.NoError(t, err)
	report, err := client.InsightsReport("15", "77")
	require.NoError(t, err)
	hook, err := appevents.NewWebhook(appevents.WebhookConfig{
		AppSecrets: []string{secret("hook")}, VerifyToken: secret("verify"),
	})
	require.NoError(t, err)
	verifier, err := appevents.NewVerifier(secret("verifier"))
	require.NoError(t, err)
	walk := printwalk.Walk{
		Dir: ".",
		Types: []any{
			new(appevents.AccountLinkingEvent), new(appevents.ActionBreakdown),
			new(appevents.ActionReportTime), new(appevents.ActionStat), new(appevents.Activity),
			new(appevents.ActivityResult), new(appevents.AdsUsage), new(appevents.AdContext), new(appevents.AppConversion),
			new(appevents.AppLinkQuery), new(appevents.Appointment), new(appevents.Attachment),
			new(appevents.AttachmentType), new(appevents.AttributionSource), new(appevents.AttributionWindow),
			new(appevents.Breakdown), new(appevents.Bundle), new(appevents.BusinessUsage), new(appevents.CallError),
			new(appevents.CallEvent), new(appevents.CallInfo), new(appevents.CallUsage), new(appevents.ChangeEvent),
			new(appevents.Channel), new(appevents.Claim), new(appevents.Client), new(appevents.ConfigError),
			new(appevents.Consent), new(appevents.Content), new(appevents.Conversion), new(appevents.ConversionCall),
			new(appevents.ConversionContent), new(appevents.ConversionData), new(appevents.ConversionFailure),
			new(appevents.ConversionName), new(appevents.ConversionsError), new(appevents.ConversionsResult),
			new(appevents.Coordinates), new(appevents.DataProcessing), new(appevents.DatasetCache),
			new(appevents.DatePreset), new(appevents.Decimal), new(appevents.DeliveryEvent), new(appevents.Device),
			new(appevents.EchoEvent), new(appevents.Edge), new(appevents.EditEvent), new(appevents.Entry),
			new(appevents.Event), new(appevents.EventName), new(appevents.EventSpec), new(appevents.ExtInfo),
			new(appevents.FeedbackAnswer), new(appevents.FeedbackEvent), new(appevents.FeedbackScreen),
			new(appevents.GamePlayEvent), new(appevents.GranularScope), new(appevents.GraphError),
			new(appevents.GroupPost), new(appevents.HandoverEvent), new(appevents.HopContext), new(appevents.ID),
			new(appevents.InsightsFilter), new(appevents.InsightsLevel), new(appevents.InsightsQuery),
			new(appevents.InsightsReport), new(appevents.InsightsRow),
			new(appevents.Install), new(appevents.Issue), new(appevents.LeadAnswer), new(appevents.LoggingSource),
			new(appevents.LoggingTarget), new(appevents.MarketingMessage), new(appevents.Measurement),
			new(appevents.Message), new(appevents.MessageEvent), new(appevents.OperationalParams),
			new(appevents.OptinEvent), new(appevents.Option), new(appevents.OrderEvent), new(appevents.OrderProduct),
			new(appevents.Outcome), new(appevents.Pacer), new(appevents.PageActivity), new(appevents.PanicError),
			new(appevents.ParamSpec), new(appevents.ParamType), new(appevents.Params), new(appevents.PartialError),
			new(appevents.Party), new(appevents.Payload), new(appevents.Platform),
			new(appevents.PolicyEvent), new(appevents.PostbackEvent), new(appevents.PriorMessage),
			new(appevents.Product), new(appevents.QuickReply), new(appevents.ReactionEvent), new(appevents.ReadEvent),
			new(appevents.Referral), new(appevents.ReferralEvent), new(appevents.ReplyTo), new(appevents.ReportStatus),
			new(appevents.Response), new(appevents.ResponseFeedbackEvent), new(appevents.RetryPolicy),
			new(appevents.Scope), new(appevents.ScopeKind), new(appevents.Story),
			new(appevents.Template), new(appevents.TemplateButton), new(appevents.TemplateElement),
			new(appevents.TemplateStatusEvent), new(appevents.Thread), new(appevents.TimeIncrement),
			new(appevents.TokenCache), new(appevents.TokenFunc), new(appevents.TokenInfo), new(appevents.Tracking),
			new(appevents.UnknownEvent), new(appevents.Usage), new(appevents.UserData), new(appevents.UserDataKey),
			new(appevents.ValidationError), new(appevents.Verdict), new(appevents.Verifier), new(appevents.Webhook),
			new(appevents.WebhookConfig), new(appevents.WebhookItemError), new(appevents.WhatsAppThread)},
		Made: []any{client, *client, static, *static, listed, *listed, cache, datasets, report, hook, verifier},
		Shown: reasons(map[string][]string{
			"a word or a number of its own, which is what it is for": {
				"ActionBreakdown", "ActionReportTime", "AttachmentType", "AttributionWindow", "Breakdown",
				"ConversionName", "DatePreset", "Decimal", "Edge", "EventName", "EventSpec", "ID", "eventKind",
				"InsightsLevel", "LoggingSource", "LoggingTarget", "ParamSpec", "ParamType", "Platform",
				"TimeIncrement", "UserDataKey",
			},
			"a call is data and prints as such; the manual says so, and the names of a person are in UserData": {
				"Activity", "AppConversion", "AppLinkQuery", "Bundle", "Content", "Conversion",
				"ConversionCall", "ConversionContent", "ConversionData", "Device", "Event", "ExtInfo",
				"InsightsFilter", "InsightsQuery", "Install", "Measurement", "OperationalParams",
				"PageActivity", "Params", "Scope", "Thread", "WhatsAppThread",
			},
			"an event prints what Meta sent: texts, addresses, opt-in tokens and authorisation codes too, as the manual says": {
				"AccountLinkingEvent", "AdContext", "Appointment", "Attachment", "AttributionSource",
				"CallEvent", "ChangeEvent", "DeliveryEvent", "EditEvent", "Entry", "FeedbackAnswer",
				"FeedbackScreen", "GamePlayEvent", "GroupPost", "HandoverEvent", "HopContext", "LeadAnswer",
				"MarketingMessage", "Message", "OptinEvent", "OrderEvent", "OrderProduct", "Party", "Payload",
				"PolicyEvent", "PostbackEvent", "PriorMessage", "Product", "QuickReply",
				"ReactionEvent", "ReadEvent", "Referral", "ReplyTo", "ResponseFeedbackEvent",
				"Story", "Template", "TemplateButton", "TemplateElement",
				"TemplateStatusEvent", "UnknownEvent", "inbound",
			},
			"an answer of Graph, in which the secrets of the call were blanked": {
				"AdsUsage", "ActionStat", "ActivityResult", "BusinessUsage", "Claim", "ConversionsResult",
				"GranularScope", "InsightsReport", "InsightsRow",
				"ReportStatus", "Response", "TokenInfo", "Verdict",
			},
			"a text in which the secrets of the call were blanked": {
				"CallError", "CallInfo", "ConfigError", "ConversionFailure", "GraphError", "Issue",
				"PanicError", "PartialError",
			},
			"which app, address and version a client is for":                      {"config", "signer"},
			"IDs of Pages and of events, in caches that hold nothing else":        {"Pacer", "Window", "expiry"},
			"the client's address, in a call or in an answer to a look-up of one": {"netip.Addr"},
		}),
		ShownUnasked: map[string]string{
			"UserData":      "documented in SECURITY.md: its fields are the caller's own, plain texts",
			"WebhookConfig": "likewise; its methods cover everything else, JSON included",
		},
		Encoded: map[string]string{
			"UserData": "documented there: encoders that read exported fields, such as gob, see plain values",
		},
	}
	t.Logf("%d outputs", walk.Run(t))

	var logged bytes.Buffer
	slog.New(slog.NewTextHandler(&logged, nil)).Info("m", "cache", cache)
	for _, text := range []string{fmt.Sprintf("%v", cache), fmt.Sprintf("%#v", cache), fmt.Sprintf("%s", cache), fmt.Sprintf("%d", cache)} {
		require.Equal(t, "appevents.TokenCache[redacted]", text, "not even which Pages it is for")
	}
	require.Contains(t, logged.String(), "cache=appevents.TokenCache[redacted]")
}

// reasons are the fields and types that print, by reason, the other way round.
func reasons(byReason map[string][]string) map[string]string {
	all := map[string]string{}
	for reason, names := range byReason {
		for _, name := range names {
			all[name] = reason
		}
	}
	return all
}

// leakyTransport and tokenList are what programs give a client: values that print what they hold.
type leakyTransport struct{ token string }

func (l leakyTransport) RoundTrip(*http.Request) (*http.Response, error) {
	return nil, http.ErrNotSupported
}

type tokenList map[appevents.ID]string

func (l tokenList) Token(_ context.Context, scope appevents.Scope) (string, error) {
	return l[scope.ID], nil
}
