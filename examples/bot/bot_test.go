package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go/delivery"
	"github.com/appevents/appevents-go/delivery/boltqueue"
	"github.com/appevents/appevents-go/graphtest"
)

func TestBot_LogsWhatHappensInItsConversations(t *testing.T) {
	t.Parallel()
	m := newMeta(t)
	bot := start(t, m, "-queue", file(t))
	when := time.Now().Add(-time.Hour)
	at := graphtest.At(when)
	for _, test := range []struct {
		what    string
		webhook graphtest.Payload
		want    []string // edge and name
	}{
		{"a text", graphtest.Text("Is the blue mug in stock?", at), []string{"activities Contact"}},
		{"a quick reply", graphtest.QuickReply("Show me", payloadShowMugs, at),
			[]string{"activities fb_mobile_content_view", "events ViewContent"}},
		{"a purchase", graphtest.Postback(payloadBuyMug, at), []string{"activities fb_mobile_purchase", "events Purchase"}},
		{"a lead", graphtest.Postback(payloadWantOffer, at), []string{"activities lead_submitted", "events LeadSubmitted"}},
		{"a purchase on Instagram", graphtest.Postback(payloadBuyMug, at, graphtest.OnInstagram()), []string{"events Purchase"}},
		{"a new conversation", graphtest.ReferredPostback(payloadShowMugs, "spring", at),
			[]string{"activities conversation_opened", "activities fb_mobile_content_view", "events ViewContent"}},
		{"an ad", graphtest.AdReferral("autumn", "6045246247433", at), []string{"activities conversation_opened"}},
		// Each of these leads to nothing. Would it lead to something, that showed up with the text that follows.
		{"an echo", graphtest.Echo("Yes, it is."), nil},
		{"somebody else's button", graphtest.Postback("SELL_MUG"), nil},
		{"another app's conversation", graphtest.Text("Hello?", graphtest.InStandby()), nil},
		{"a person without an ID", graphtest.Text("Hello?", graphtest.From("nobody")), nil},
		{"a link without an end", graphtest.Referral(strings.Repeat("x", 600<<10)), nil},
		{"a last text", graphtest.Text("Thanks!", at), []string{"activities Contact"}},
	} {
		bot.deliver(t, test.webhook)
		var got []string
		for _, e := range m.wait(t, len(test.want)) {
			got = append(got, e.edge+" "+e.name)
			require.Equal(t, when.Unix(), e.at, test.what)
		}
		slices.Sort(got)
		require.Equal(t, test.want, got, test.what)
	}
	bot.stop()
	m.none(t)
	require.Equal(t, 2, strings.Count(bot.log.String(), "not logged: the call is wrong"))
	for _, secret := range []string{appSecret, verifyToken, accessToken, "Is the blue mug in stock?"} {
		require.NotContains(t, bot.log.String(), secret)
	}
}

func TestBot_LogsARedeliveryOnce(t *testing.T) {
	t.Parallel()
	m := newMeta(t)
	path := file(t)
	webhook := graphtest.Text("Hello")
	bot := start(t, m, "-queue", path)
	bot.deliver(t, webhook, webhook)
	m.wait(t, 1)
	bot.deliver(t, webhook)
	bot.stop()

	bot = start(t, m, "-queue", path)
	bot.deliver(t, webhook, graphtest.Postback(payloadBuyMug))
	for _, e := range m.wait(t, 2) { // calls of a conversation go out in order: nothing comes before these
		require.NotEqual(t, "Contact", e.name)
	}
	bot.stop()
	m.none(t)
}

func TestBot_CarriesOnAfterARestart(t *testing.T) {
	t.Parallel()
	m := newMeta(t)
	m.meet(graphtest.Unavailable)
	path := file(t)
	bot := start(t, m, "-queue", path)
	const n = 20
	for i := range n {
		bot.deliver(t, graphtest.Postback(payloadBuyMug, graphtest.MID(fmt.Sprintf("m_%d", i))))
	}
	await(t, m.failed, "a call")
	bot.stop()
	m.none(t)

	m.meet(nil)
	bot = start(t, m, "-queue", path)
	seen := map[arrival]int{}
	for _, e := range m.wait(t, 2*n) {
		seen[e]++
	}
	bot.stop()
	m.none(t)
	require.Len(t, seen, 2*n) // each once: a purchase and its conversion
}

func TestBot_KeepsWhatCannotBeDelivered(t *testing.T) {
	t.Parallel()
	m := newMeta(t)
	path := file(t)
	command := func(args ...string) string {
		t.Helper()
		var out bytes.Buffer
		args = append([]string{"-queue", path, "-base-url", m.URL}, args...)
		require.NoError(t, run(t.Context(), args, getenv, &out, io.Discard))
		return out.String()
	}

	m.meet(graphtest.Error(100, 0))
	bot := start(t, m, "-queue", path)
	bot.deliver(t, graphtest.Text("Hello"), graphtest.Text("Is anybody there?"))
	var lines []string
	for len(lines) < 2 { // a call that was under way when the bot stopped is the next one's
		await(t, m.failed, "a call")
		bot.stop()
		lines = strings.SplitAfter(strings.TrimSuffix(command("-buried"), "\n"), "\n")
		bot = start(t, m, "-queue", path)
	}
	bot.stop()

	var first, second buriedCall
	require.NoError(t, json.Unmarshal([]byte(lines[0]), &first))
	require.NoError(t, json.Unmarshal([]byte(lines[1]), &second))
	require.Equal(t, delivery.ReasonRefused, first.Reason)
	require.Equal(t, 1, first.Attempts)
	require.Contains(t, first.LastError, "100")
	require.Contains(t, string(first.Call), "Contact")

	m.meet(nil)
	require.Empty(t, command("-discard", first.ID))
	require.Empty(t, command("-resubmit", second.ID, "-buried"))
	err := run(t.Context(), []string{"-queue", path, "-resubmit", second.ID}, getenv, io.Discard, io.Discard)
	require.ErrorIs(t, err, delivery.ErrNotFound)
	bot = start(t, m, "-queue", path)
	m.wait(t, 1)

	// The file has one owner.
	err = run(t.Context(), []string{"-queue", path, "-buried"}, getenv, io.Discard, io.Discard)
	require.ErrorIs(t, err, boltqueue.ErrLocked)
	bot.stop()
	m.none(t)
}

func TestRun_SaysExactlyWhatIsMissing(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		set, want []string
	}{
		"everything":                {nil, []string{"APP_ID", "APP_SECRET", "VERIFY_TOKEN"}},
		"two":                       {[]string{"APP_ID"}, []string{"APP_SECRET", "VERIFY_TOKEN"}},
		"the token for the dataset": {[]string{"APP_ID", "APP_SECRET", "VERIFY_TOKEN", "DATASET_ID"}, []string{"ACCESS_TOKEN"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := run(t.Context(), nil, func(name string) string {
				if slices.Contains(test.set, name) {
					return "canary"
				}
				return ""
			}, io.Discard, io.Discard)
			require.Error(t, err)
			var got []string
			for line := range strings.Lines(err.Error()) {
				if variable, _, found := strings.Cut(line, ":"); found && strings.HasPrefix(line, "  ") {
					got = append(got, strings.TrimSpace(variable))
				}
			}
			require.Equal(t, test.want, got)
			require.NotContains(t, err.Error(), "canary")
		})
	}
}

func TestRun_NeedsTheCredentialsFileItIsGiven(t *testing.T) {
	t.Parallel()
	err := run(t.Context(), []string{"-queue", startNATS(t), "-addr", "127.0.0.1:0", "-inspect", ""}, func(name string) string {
		if name == "NATS_CREDENTIALS" {
			return "/no/such/file"
		}
		return getenv(name)
	}, io.Discard, io.Discard)
	require.ErrorContains(t, err, "/no/such/file")
}

func TestRun_RefusesWhatItDoesNotUnderstand(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{
		"a word":       {"start"},
		"a flag":       {"-fast"},
		"a directory":  {"-queue", "/no/such/directory/events.db", "-addr", "127.0.0.1:0", "-inspect", ""},
		"an address":   {"-addr", "nowhere"},
		"a second one": {"-addr", "127.0.0.1:0", "-inspect", "nowhere"},
		"a NATS URL":   {"-queue", "nats://user:password-canary@127.0.0.1:x", "-addr", "127.0.0.1:0", "-inspect", ""},
		"no such NATS": {"-queue", "nats://user:password-canary@127.0.0.1:1", "-addr", "127.0.0.1:0", "-inspect", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var log bytes.Buffer
			err := run(t.Context(), args, getenv, io.Discard, &log)
			require.Error(t, err)
			require.NotContains(t, err.Error()+log.String(), "canary")
		})
	}
}
