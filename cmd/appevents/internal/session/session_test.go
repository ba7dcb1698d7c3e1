package session_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go"
	"github.com/appevents/appevents-go/cmd/appevents/internal/session"
	"github.com/appevents/appevents-go/graphtest"
)

var update = flag.Bool("update", false, "write the golden files")

// hostile is what people write to break the file it ends up in.
const hostile = "a \"quote\", 'ticks' and `more`, $(touch pwned) `touch pwned` ${HOME} \\ %s {{.}} {{`x`}} NOW_MS */ //" +
	" \n\r\t \u2028 \u202e é 😀 </script> ; touch pwned #"

// at is when recorded webhooks happened.
var at = time.Date(2026, 11, 3, 12, 0, 0, 0, time.UTC)

// recording is a session with something of everything.
func recording() []session.Webhook {
	mid := func(id string) []graphtest.PayloadOption {
		return []graphtest.PayloadOption{graphtest.At(at), graphtest.MID(id)}
	}
	with := func(id string, more ...graphtest.PayloadOption) []graphtest.PayloadOption {
		return append(mid(id), more...)
	}
	lee := graphtest.From("6543210987654322")
	bodies := [][]byte{
		graphtest.Text("hello", mid("m_1")...),
		graphtest.Text(hostile, mid("m_2")...),
		graphtest.QuickReply("Large", "SIZE_L", with("m_3", lee)...),
		graphtest.Postback("BUY_MUG", mid("m_4")...),
		graphtest.Postback("BUY_MUG", mid("m_4")...), // delivered again
		graphtest.Reaction("m_1", "love", "❤️", mid("m_6")...),
		graphtest.Referral("flyer", mid("m_7")...),
		graphtest.Referral("flyer", graphtest.At(at.Add(time.Second))),
		graphtest.Message(map[string]any{"text": "x", "nlp": map[string]any{"n": 0.5, "big": int64(1) << 40}}, mid("m_9")...),
		graphtest.Text("on Instagram", with("bWlk", graphtest.OnInstagram(), graphtest.To("999"))...),
		graphtest.Echo("from the bot", mid("m_11")...),
		graphtest.LeadReferral("77", "Which size?", "Large", mid("m_12")...),
		graphtest.Batch(graphtest.Text("one", mid("m_13")...), graphtest.Text("two", with("m_14", lee)...)),
		[]byte("{\"object\":\"page\",\"entry\":[{\"id\":\"1\",\"messaging\":[{\"message\":{\"text\":\"\xff'\"}}]}]}"),
		[]byte("@/etc/passwd '$(touch pwned)'\nno JSON"),
	}
	list := make([]session.Webhook, len(bodies))
	for n, body := range bodies {
		about := session.Describe(body)
		list[n] = session.Webhook{
			AfterMS: int64(n) * 10, Field: about.Field, Page: about.Page, Person: about.Person, Body: body, Status: 200,
			Calls: []session.Call{},
		}
	}
	event := func(name string, amount *float64, currency string) session.Event {
		return session.Event{Name: name, Value: amount, Currency: currency, Person: graphtest.DefaultPSID, Edge: "activities"}
	}
	list[0].Calls = []session.Call{
		{Method: "POST", Path: "/1/activities", Status: 200, Events: []session.Event{event("fb_mobile_content_view", nil, "")}},
		{Method: "POST", Path: "/me/messages", Status: 200, Response: "{\"message_id\":\"m_`1\"}"},
	}
	list[3].Calls = []session.Call{
		{Method: "POST", Path: "/1/activities", Status: 400, Events: []session.Event{
			{Name: "refused", Person: graphtest.DefaultPSID, Refused: true}}},
		{Method: "POST", Path: "/1/activities", Status: 0, Fault: "throttle", Events: []session.Event{
			{Name: "fb_mobile_purchase", Person: graphtest.DefaultPSID, Refused: true}}},
		{Method: "POST", Path: "/1/activities", Status: 200, Events: []session.Event{
			event("fb_mobile_purchase", new(55.22), "USD"), event(hostile, new(1e6), "")}},
	}
	list[4].Status = 500
	list[5].Calls, list[5].Status = nil, 0
	return list
}

// golden compares with a file of testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o700))
		require.NoError(t, os.WriteFile(file, []byte(got), 0o600))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(want), got)
}

func TestWhatIsWrittenCanBeRead(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	require.NoError(t, session.Write(&b, recording()))
	golden(t, "session.ndjson", b.String())
	require.Equal(t, len(recording()), strings.Count(b.String(), "\n"), "a webhook a line")
	require.NotContains(t, b.String(), "\u2028", "some programs take it for the end of a line")

	list, cutOff, err := session.Read(iotest.HalfReader(bytes.NewReader(b.Bytes())))
	require.NoError(t, err)
	require.Zero(t, cutOff)
	require.Equal(t, recording(), list)

	// A file that was cut off anywhere loses its last line at most.
	for n := 1; n < b.Len(); n += 7 {
		list, cutOff, err = session.Read(bytes.NewReader(b.Bytes()[:n]))
		whole := bytes.Count(b.Bytes()[:n], []byte("\n"))
		switch {
		case whole == 0:
			require.Error(t, err)
		case b.Bytes()[n-1] == '\n':
			require.Len(t, list, whole)
		case b.Bytes()[n] == '\n': // only its end is missing
			require.Len(t, list, whole+1)
		default:
			require.NoError(t, err)
			require.Len(t, list, whole)
			require.Equal(t, whole+1, cutOff)
		}
	}
}

func TestReadNamesEachBadLine(t *testing.T) {
	t.Parallel()
	good := `{"schema":1,"body":"{}"}`
	list, _, err := session.Read(strings.NewReader("\ufeff" + good + "\r\n\n  \n" + good))
	require.NoError(t, err)
	require.Len(t, list, 2)
	for bad, want := range map[string]string{
		`{"schema":1,`:             "is damaged: it is not JSON",
		"\x00\x00":                 "is damaged",
		`[]`:                       "is not a line of a session",
		`5`:                        "is not a line of a session",
		`{}`:                       `"schema" is missing`,
		`{"schema":2,"body":"{}"}`: "has schema 2; this program reads 1",
		`{"schema":1}`:             `"body" is missing`,
		`{"schema":1,"body":{"object":"canary"}}`:                `"body" is not as it should be`,
		`{"schema":1,"body":"{}","body_base64":"e30="}`:          "has both",
		`{"schema":1,"body_base64":"canary!"}`:                   "is not as it should be",
		`{"schema":1,"body":"{}","after_ms":-1}`:                 "negative",
		`{"schema":1,"body":"{}","after_ms":1.5}`:                `"after_ms" is not as it should be`,
		`{"schema":1,"body":"{}","calls":[{"status":"canary"}]}`: "is not as it should be",
		`{"schema":1,"direction":"webhook"}`:                     "an exchange of the emulator",
		`{"Schema":1,"NextID":3}`:                                "the state that --session keeps",
	} {
		_, _, err := session.Read(strings.NewReader(good + "\n" + bad + "\n" + good + "\n"))
		require.ErrorContains(t, err, "line 2 ", bad)
		require.ErrorContains(t, err, want, bad)
		require.NotContains(t, err.Error(), "canary", bad)
		line, ok := errors.AsType[*session.LineError](err)
		require.True(t, ok)
		require.Equal(t, 2, line.Line)
	}
	_, _, err = session.Read(strings.NewReader(strings.Repeat("x\n", 100)))
	require.ErrorContains(t, err, "line 10 ")
	require.NotContains(t, err.Error(), "line 11")
	_, _, err = session.Read(strings.NewReader(good + "\n" + strings.Repeat("x", 33<<20) + "\n" + good + "\n"))
	require.ErrorContains(t, err, "line 2 is longer than 32 MiB")
	_, _, err = session.Read(iotest.ErrReader(os.ErrPermission))
	require.ErrorIs(t, err, os.ErrPermission)
}

func TestDescribeSaysNothingThatPeopleWrote(t *testing.T) {
	t.Parallel()
	for name, body := range graphtest.Samples() {
		about := session.Describe(body)
		require.NotEmpty(t, about.Summary, name)
		require.Positive(t, about.Events, name)
	}
	about := session.Describe(graphtest.Text("canary"))
	require.Equal(t, "text of 6 characters", about.Summary)
	require.Equal(t, "canary", about.Text)
	require.Equal(t, graphtest.DefaultPageID, about.Page)
	require.Equal(t, graphtest.DefaultPSID, about.Person)
	for _, body := range [][]byte{
		graphtest.QuickReply("canary", "YES"), graphtest.Edit("m", "canary", 1), graphtest.TextReply("canary", "m"),
		graphtest.Attachment("image", "https://x.invalid/canary"),
	} {
		require.NotContains(t, session.Describe(body).Summary, "canary")
	}
	require.Equal(t, "a body that cannot be read", session.Describe([]byte("x")).Summary)
}

func TestFresh(t *testing.T) {
	t.Parallel()
	now := at.Add(30 * 24 * time.Hour)
	f := session.Fresh{Now: func() time.Time { return now }, Rename: map[string]string{graphtest.DefaultPageID: "109"}}
	list := recording()
	first := f.Body(list[0].Body)
	require.NotContains(t, string(first), `"m_1"`)
	require.NotContains(t, string(first), graphtest.DefaultPageID)
	payload, err := appevents.ParseWebhook(first)
	require.NoError(t, err)
	for event := range payload.Events() {
		require.Equal(t, now.UTC(), event.Time())
		require.EqualValues(t, "109", event.Thread().PageID)
		message, ok := event.(*appevents.MessageEvent)
		require.True(t, ok)
		require.Equal(t, "hello", message.Text)
		reaction := f.Body(list[5].Body)
		require.Contains(t, string(reaction), `"mid":"`+message.MID+`"`, "what refers to a message goes with it")
	}
	require.Equal(t, f.Body(list[3].Body), f.Body(list[4].Body), "a redelivery stays one")
	require.NotEqual(t, f.Body(list[6].Body), f.Body(list[7].Body), "without an ID the time tells them apart")
	require.Equal(t, list[14].Body, f.Body(list[14].Body), "what is no JSON stays as it is")
	seconds := f.Body(list[11].Body)
	require.Regexp(t, `"timestamp":\d{10},`, string(seconds), "Meta's unit stays")
	for _, w := range list[:13] {
		fresh := f.Body(w.Body)
		require.True(t, json.Valid(fresh))
		require.NotContains(t, string(fresh), "17937", "no time is left")
	}
}

func TestRedact(t *testing.T) {
	t.Parallel()
	r := session.NewRedactor("secret")
	for name, body := range graphtest.Samples() {
		out, err := r.Body(body)
		require.NoError(t, err, name)
		again, err := r.Body(body)
		require.NoError(t, err)
		require.Equal(t, string(out), string(again), name)
		require.NotContains(t, string(out), graphtest.DefaultPSID, name)
		require.NotContains(t, string(out), graphtest.DefaultIGSID, name)
		before, after := session.Describe(body), session.Describe(out)
		require.Equal(t, before.Fields, after.Fields, name)
		require.Equal(t, before.Page, after.Page, name)
		if before.Person != "" {
			require.Equal(t, r.ID(before.Person), after.Person, name)
			require.Regexp(t, `^[1-9][0-9]{15}$`, after.Person)
		}
	}
	body := []byte(`{"object":"page","entry":[{"id":"107","time":1793707200000,"messaging":[{"sender":{"id":"65","name":"canary"},` +
		`"recipient":{"id":"107"},"timestamp":1793707200000,"message":{"mid":"m_canary","text":"canary","nlp":{"e":"canary",` +
		`"confidence":0.75},"attachments":[{"type":"location","payload":{"title":"canary","coordinates":{"lat":52.5,` +
		`"long":13.25},"url":"https:\/\/canary"}}],"quick_reply":{"payload":"SIZE_L"},"x":["canary",{"y":"canary"},true,null],` +
		`"referral":{"ref":"spring","referer_uri":"canary"}}}]},{"id":"107","changes":[{"field":"feed","value":{"message":"canary",` +
		`"from":{"id":123456789012,"name":"canary"}}}]}]}`)
	out, err := r.Body(body)
	require.NoError(t, err)
	require.NotContains(t, string(out), "canary")
	for _, gone := range []string{"52.5", "13.25", "0.75", `"65"`, "123456789012"} {
		require.NotContains(t, string(out), gone)
	}
	for _, stays := range []string{`"type":"location"`, "1793707200000", `"payload":"SIZE_L"`, `"ref":"spring"`, `"field":"feed"`,
		`"recipient":{"id":"107"}`, `[`} {
		require.Contains(t, string(out), stays)
	}
	other, err := session.NewRedactor("another").Body(body)
	require.NoError(t, err)
	require.NotEqual(t, string(out), string(other), "nobody else can compute the replacements")
	_, err = r.Body([]byte("no JSON, canary"))
	require.Error(t, err)
	require.NotContains(t, err.Error(), "canary")
}

func TestCompare(t *testing.T) {
	t.Parallel()
	turn := func(events ...session.Event) session.Webhook {
		w := session.Webhook{Body: []byte("{}"), Calls: []session.Call{}}
		for _, e := range events {
			w.Calls = append(w.Calls, session.Call{Status: 200, Events: []session.Event{e}})
		}
		return w
	}
	event := func(name, person string) session.Event { return session.Event{Name: name, Person: person} }
	a, b, c := event("a", "1"), event("b", "1"), event("c", "1")
	other := event("a", "2")
	priced := func(f float64, currency string) session.Event {
		return session.Event{Name: "p", Person: "1", Value: &f, Currency: currency}
	}
	for name, tt := range map[string]struct {
		then, now []session.Webhook
		want      string // the signs, person by person
	}{
		"the same":                    {[]session.Webhook{turn(a, b)}, []session.Webhook{turn(a, b)}, ""},
		"nothing":                     {[]session.Webhook{turn()}, []session.Webhook{turn()}, ""},
		"later, but in order":         {[]session.Webhook{turn(a), turn(b)}, []session.Webhook{turn(), turn(a, b)}, ""},
		"people apart":                {[]session.Webhook{turn(a, other, b)}, []session.Webhook{turn(other, a, b)}, ""},
		"missing":                     {[]session.Webhook{turn(a, b, c)}, []session.Webhook{turn(a, c)}, " a-b c"},
		"new":                         {[]session.Webhook{turn(a, c)}, []session.Webhook{turn(a, b, c)}, " a+b c"},
		"twice":                       {[]session.Webhook{turn(a)}, []session.Webhook{turn(a, a)}, " a+a"},
		"all":                         {[]session.Webhook{turn(a, b)}, []session.Webhook{turn()}, "-a-b"},
		"order":                       {[]session.Webhook{turn(a, b)}, []session.Webhook{turn(b, a)}, "-a b+a"},
		"person":                      {[]session.Webhook{turn(a)}, []session.Webhook{turn(other)}, "-a|+a"},
		"value":                       {[]session.Webhook{turn(priced(1, "USD"))}, []session.Webhook{turn(priced(2, "USD"))}, "-p+p"},
		"currency":                    {[]session.Webhook{turn(priced(1, "USD"))}, []session.Webhook{turn(priced(1, "EUR"))}, "-p+p"},
		"no value":                    {[]session.Webhook{turn(priced(0, ""))}, []session.Webhook{turn(event("p", "1"))}, "-p+p"},
		"a turn that is not known":    {[]session.Webhook{{Body: []byte("{}")}, turn(a)}, []session.Webhook{turn(b), turn(a)}, ""},
		"refused":                     {[]session.Webhook{turn(a)}, []session.Webhook{turn(session.Event{Name: "a", Person: "1", Refused: true})}, "-a+a"},
		"nobody":                      {[]session.Webhook{turn(event("a", ""))}, []session.Webhook{turn(event("b", ""))}, "-a+b"},
		"several changes, one common": {[]session.Webhook{turn(a, b, a, c)}, []session.Webhook{turn(b, b, c, a)}, "-a b-a+b c+a"},
	} {
		var got []string
		for _, d := range session.Compare(tt.then, tt.now) {
			text := ""
			for _, line := range d.Lines {
				text += map[string]string{"same": " ", "missing": "-", "new": "+"}[line.Change] + line.Event.Name
			}
			got = append(got, text)
		}
		require.Equal(t, tt.want, strings.Join(got, "|"), name)
	}

	var b1 bytes.Buffer
	then := []session.Webhook{turn(a, a, a, a, a, priced(1.5, "USD"), c, c, c, c, c, c)}
	now := []session.Webhook{turn(a, a, a, a, a, priced(2, "USD"), c, c, c, c, c, c)}
	require.NoError(t, session.WriteDiff(&b1, "s.ndjson", then, session.Compare(then, now), strings.ToUpper))
	golden(t, "diff.txt", b1.String())
	many := session.Webhook{Calls: []session.Call{{Events: make([]session.Event, 5000)}}}
	none := session.Webhook{Calls: []session.Call{{Events: []session.Event{a}}}}
	require.Len(t, session.Compare([]session.Webhook{many}, []session.Webhook{none}), 2, "long ones too")
}
