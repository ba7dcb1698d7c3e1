package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go"
	"github.com/appevents/appevents-go/graphtest"
)

// send runs "appevents send" and checks what holds for every run of it.
func send(t testing.TB, url, stdin string, args ...string) result {
	t.Helper()
	i := invocation{env: sendEnv(url), stdin: stdin}
	got := i.runCtx(t.Context(), append([]string{"send"}, args...)...)
	requireClean(t, got)
	return got
}

// requireClean checks that nothing printed holds a credential or moves a cursor.
func requireClean(t testing.TB, got result) {
	t.Helper()
	for _, text := range []string{got.stdout, got.stderr} {
		require.NotContains(t, text, "canary")
		require.NotContains(t, text, "\r")
		require.NotContains(t, text, "\x1b")
	}
}

// mug are the flags of one event.
func mug(more ...string) []string {
	return append([]string{
		"Purchase", "--page", "901", "--psid", "3290", "--consent", "allowed", "--value", "55.22", "--currency", "USD",
	}, more...)
}

func TestSend_OneEvent(t *testing.T) {
	t.Parallel()
	graph := graphtest.NewServer(t)
	got := send(t, graph.URL, "", mug("--param", "content_type=product", "--param", "coupon=SPRING", "--param", "n=07",
		"--param", "size=42", "--param", "gift=true", "--param", `zip="1010"`, "--content", "mug:blue:2:27.61", "--content",
		"card", "--time", time.Now().Add(-time.Hour).Format(time.RFC3339), "--id", "order-17")...)
	require.Zero(t, got.code, got.stderr)
	require.Equal(t, "accepted: fb_mobile_purchase (Purchase as a conversion), 55.22 USD, on /activities\n", got.stdout)
	graph.Check(t)
	calls := graph.Calls()
	require.Len(t, calls, 1)
	require.Equal(t, "activities", calls[0].Edge)
	event := calls[0].Events[0]
	require.Equal(t, "fb_mobile_purchase", event.Name)
	require.Equal(t, "order-17", event.ID)
	require.InDelta(t, 55.22, *event.Value, 0)
	require.Equal(t, map[string]any{
		"fb_currency": "USD", "fb_content_type": "product", "coupon": "SPRING", "n": "07", "size": json.Number("42"),
		"gift": json.Number("1"), "zip": "1010",
		"fb_content": `[{"id":"mug:blue","quantity":2,"item_price":27.61},{"id":"card","quantity":1}]`,
	}, event.Params)
	require.Equal(t, "901", event.PageID)
	require.Equal(t, "3290", event.PSID)

	got = send(t, graph.URL, "", mug("--json")...)
	require.Zero(t, got.code)
	require.JSONEq(t, `{"schema":1,"outcome":"accepted","event":"fb_mobile_purchase","conversion":"Purchase",
		"edge":"activities","page":"901","psid":"3290","value":55.22,"currency":"USD"}`, got.stdout)
}

func TestSend_OneConversion(t *testing.T) {
	t.Parallel()
	graph := graphtest.NewServer(t, graphtest.WithDataset("5501", "901"))
	args := mug("--via", "conversions", "--test-event-code", "TEST1")
	got := send(t, graph.URL, "", append(args, "--dataset", "5501")...)
	require.Zero(t, got.code, got.stderr)
	require.Equal(t, "accepted: Purchase (fb_mobile_purchase on /activities), 55.22 USD, on /events\n", got.stdout)

	got = send(t, graph.URL, "", append(args, "--ensure-dataset", "--json")...)
	require.Zero(t, got.code, got.stderr)
	var answer struct{ Dataset, ID, Edge string }
	require.NoError(t, json.Unmarshal([]byte(got.stdout), &answer))
	require.Equal(t, "5501", answer.Dataset)
	require.Equal(t, "events", answer.Edge)
	require.True(t, strings.HasPrefix(answer.ID, "ae1-"))

	got = send(t, graph.URL, "", "lead_submitted", "--page", "901", "--psid", "3290", "--consent", "allowed",
		"--channel", "instagram", "--via", "conversions", "--dataset", "5501")
	require.Zero(t, got.code, got.stderr)
	calls := graph.Calls()
	require.Len(t, calls, 4)
	require.Equal(t, "dataset", calls[1].Edge)
	code, _ := calls[0].Field("test_event_code")
	require.JSONEq(t, `"TEST1"`, code)
	require.Equal(t, "Purchase", calls[2].Events[0].Name)
	require.Equal(t, "instagram", calls[3].Events[0].Channel)
}

func TestSend_DryRun(t *testing.T) {
	t.Parallel()
	graph := graphtest.NewServer(t)
	got := send(t, graph.URL, "", mug("--dry-run")...)
	require.Zero(t, got.code, got.stderr)
	require.Contains(t, got.stdout, "POST "+graph.URL+"/v")
	require.Contains(t, got.stdout, "/771/activities")
	require.Contains(t, got.stdout, "Authorization: Bearer [redacted]")
	require.Contains(t, got.stdout, "page_scoped_user_id=3290\n")
	require.Contains(t, got.stdout, `custom_events=[{"_eventName":"fb_mobile_purchase"`)
	require.Contains(t, got.stderr, "nothing was sent")

	got = send(t, graph.URL, "", mug("--dry-run", "--json", "--via", "conversions", "--ensure-dataset")...)
	require.Zero(t, got.code, got.stderr)
	var printed struct {
		DryRun   bool `json:"dry_run"`
		Requests []struct {
			Method, URL string
			Header      map[string]string
			Fields      map[string]string
			Body        struct{ Data []map[string]any }
		}
	}
	require.NoError(t, json.Unmarshal([]byte(got.stdout), &printed))
	require.True(t, printed.DryRun)
	require.Len(t, printed.Requests, 2)
	require.Contains(t, printed.Requests[0].URL, "/901/dataset")
	require.Contains(t, printed.Requests[1].URL, "/1/events")
	require.Equal(t, "[redacted]", printed.Requests[0].Fields["appsecret_proof"])

	// Neither Meta nor a token is needed.
	bare := invocation{env: []string{"APP_ID=771"}}.run(t, append([]string{"send"}, mug("--dry-run")...)...)
	require.Zero(t, bare.code, bare.stderr)
	require.Contains(t, bare.stdout, "POST https://graph.facebook.com/v")
	require.Zero(t, graph.Count())
}

func TestSend_ExitCodesAreTheOutcome(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		fault graphtest.Fault
		code  int
		want  string
	}{
		"refused":      {graphtest.Error(100, 0), exitNo, "graph error 100"},
		"throttled":    {graphtest.ThrottleFor(5 * time.Minute), exitThrottled, "not before "},
		"dead token":   {graphtest.ExpiredToken, exitCredentials, "190/463"},
		"a permission": {graphtest.MissingPermission, exitCredentials, "graph error 200"},
		"no answer":    {graphtest.Reset, exitUnknown, "outcome unknown"},
		"cut off":      {graphtest.Truncate, exitUnknown, "outcome unknown"},
		"a retry":      {graphtest.Transient, exitDone, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			graph := graphtest.NewServer(t)
			graph.Inject(test.fault)
			got := send(t, graph.URL, "", mug()...)
			require.Equal(t, test.code, got.code, got.stderr)
			require.Contains(t, got.stderr, test.want)
			graph.Inject(test.fault)
			got = send(t, graph.URL, "", mug("--json")...)
			require.Equal(t, test.code, got.code)
			if test.code == exitDone {
				return
			}
			require.Empty(t, got.stdout)
			var printed struct {
				Error struct{ Outcome, Message string }
			}
			require.NoError(t, json.Unmarshal([]byte(got.stderr), &printed), got.stderr)
			require.NotEmpty(t, printed.Error.Message)
			require.NotEmpty(t, printed.Error.Outcome)
		})
	}
	t.Run("nobody there", func(t *testing.T) {
		t.Parallel()
		require.Equal(t, exitNotSent, send(t, "http://127.0.0.1:1", "", mug()...).code)
	})
	t.Run("no app", func(t *testing.T) {
		t.Parallel()
		got := invocation{}.run(t, append([]string{"send"}, mug()...)...)
		require.Equal(t, exitCredentials, got.code)
		require.Contains(t, got.stderr, "APP_ID")
	})
	t.Run("no token", func(t *testing.T) {
		t.Parallel()
		got := invocation{env: []string{"APP_ID=771"}}.run(t,
			append([]string{"send"}, mug("--via", "conversions", "--dataset", "5501")...)...)
		require.Equal(t, exitCredentials, got.code)
		require.Contains(t, got.stderr, "ACCESS_TOKEN")
	})
}

func TestSend_WrongFlags(t *testing.T) {
	t.Parallel()
	graph := graphtest.NewServer(t)
	dir := t.TempDir()
	who := []string{"--page", "901", "--psid", "3290", "--consent", "allowed"}
	for _, test := range []struct {
		args []string
		code int
		want string
	}{
		{nil, exitUsage, "name an event, or a file"},
		{[]string{"Purchase"}, exitUsage, "missing: --page, --psid, --consent"},
		{[]string{"Purchase", "--page", "901", "--psid", "3290"}, exitUsage, "missing: --consent"},
		{append([]string{"Purchase", "--value", "1"}, who...), exitNotSent, "fb_currency: "},
		{mug("--page", "Ada"), exitNotSent, "thread.page_id: must be decimal digits only (format)"},
		{append([]string{"lead_submited"}, who...), exitNotSent, `did you mean "lead_submitted"?`},
		{append([]string{"Purchse", "--via", "conversions", "--dataset", "5501"}, who...), exitNotSent, "the nearest is Purchase"},
		{mug("--channel", "instagram"), exitNotSent, "only Messenger threads"},
		{mug("--via", "conversions"), exitUsage, "--dataset"},
		{[]string{
			"Purchase", "--page", "901", "--psid", "3290", "--consent", "denied", "--value", "1", "--currency", "USD",
			"--via", "conversions", "--dataset", "5501",
		}, exitNotSent, "consent: conversions of conversations carry no consent"},
		{mug("--ensure-dataset"), exitUsage, "--via conversions"},
		{mug("--time", "yesterday"), exitUsage, "--time must look like"},
		{mug("--time", "2999-01-01T00:00:00Z"), exitNotSent, "must not be in the future"},
		{mug("--param", "coupon"), exitUsage, "--param 1 must be KEY=VALUE"},
		{mug("--param", "a=1", "--param", "a=2"), exitUsage, "--param a is there twice"},
		{mug("--param", "fb_num_items=many"), exitUsage, "--param fb_num_items must be a whole number"},
		{mug("--param", "success=perhaps"), exitUsage, "--param fb_success must be true or false"},
		{mug("--param", "fb_content=x"), exitUsage, "--content"},
		{mug("--param", "currency=EUR"), exitUsage, "different currencies"},
		{mug("--content", ":1:2"), exitUsage, "--content 1 must be"},
		{mug("--content", "mug:two"), exitUsage, "--content 1 must be"},
		{mug("--queue", "q.db"), exitUsage, "--queue"},
		{mug("--file", "x"), exitUsage, "leave out EVENT"},
		{[]string{"--file", "x", "--via", "activities"}, exitUsage, "leave out --via"},
		{[]string{"--file", "no such file"}, exitUsage, "--file"},
		{[]string{"--file", dir}, exitUsage, "is not a file"},
		{[]string{"--file", "-", "--workers", "0"}, exitUsage, "--workers"},
		{[]string{"--file", "-", "--access-token-file", "-"}, exitUsage, "standard input"},
		{[]string{"--file", "-", "--queue", "ftp://x"}, exitUsage, "no queue is called ftp://"},
		{[]string{"--file", "-", "--queue", dir}, exitUsage, "is a directory"},
		{[]string{"--file", "-", "--queue", "postgres://u:canary@127.0.0.1:1/x"}, exitNotSent, "the queue postgres://127.0.0.1:1/x"},
		{[]string{"--file", "-", "--queue", "nats://u:canary@127.0.0.1:1"}, exitNotSent, "the queue nats://127.0.0.1:1"},
	} {
		got := send(t, graph.URL, "", test.args...)
		require.Equal(t, test.code, got.code, "%v %s", test.args, got.stderr)
		require.Contains(t, got.stderr, test.want, test.args)
		require.Empty(t, got.stdout, test.args)
	}
	require.Zero(t, graph.Count())

	got := send(t, graph.URL, "", append([]string{"lead_submited", "--custom"}, who...)...)
	require.Zero(t, got.code, got.stderr)
	require.Equal(t, "lead_submited", graph.Calls()[0].Events[0].Name)
}

func TestSend_ParamFieldsAreThoseOfTheSDK(t *testing.T) {
	t.Parallel()
	fields := paramFields()
	for _, spec := range appevents.StandardEvents() {
		for _, param := range spec.Params {
			require.Contains(t, fields, param.Name)
		}
	}
	params, err := paramsOfFlags([]string{
		"content_id=a", "fb_content_id=b", "num_items=3", "success=true", "level=7", "custom_level=8",
	})
	require.NoError(t, err)
	require.Equal(t, appevents.Params{
		ContentIDs: []string{"a", "b"}, NumItems: 3, Success: new(true), Level: "7",
		Custom: map[string]any{"custom_level": json.Number("8")},
	}, params)
}

func TestSend_CredentialsComeFromFilesToo(t *testing.T) {
	t.Parallel()
	graph := graphtest.NewServer(t, graphtest.WithAppSecret(sendSecret), graphtest.WithRequireProof())
	dir := t.TempDir()
	secret, token := filepath.Join(dir, "secret"), filepath.Join(dir, "token")
	require.NoError(t, os.WriteFile(secret, []byte(sendSecret+"\n"), 0o600))
	require.NoError(t, os.WriteFile(token, []byte(sendToken+"\n"), 0o600))
	i := invocation{env: []string{"APPEVENTS_BASE_URL=" + graph.URL}}
	got := i.run(t, append([]string{"send", "--app", sendApp, "--app-secret-file", secret, "--access-token-file", token},
		mug()...)...)
	require.Zero(t, got.code, got.stderr)
	require.True(t, graph.Calls()[0].HasToken(sendToken))
	requireClean(t, got)
}
