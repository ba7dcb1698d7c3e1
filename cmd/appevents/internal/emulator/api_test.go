package emulator_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go/cmd/appevents/internal/emulator"
	"github.com/appevents/appevents-go/graphtest"
)

func TestEveryPathOfTheAPI(t *testing.T) {
	t.Parallel()
	r := start(t, emulator.Config{})
	r.say("hi")
	for path, part := range map[string]string{
		"ready": `"ready":true`, "state": `"schema":1`, "exchanges": `"rev"`, "exchanges?after=99999": `"exchanges":[]`,
		"turns": `"silent"`, "counted": `{}`, "leads": `"funnel"`, "export": `"calls":[]`,
		"export?as=curl": "#!/bin/sh", "export?as=go": "package bot_test",
	} {
		status, body := r.do(httptest.NewRequestWithContext(t.Context(), http.MethodGet, r.url+"/-/api/"+path, nil))
		require.Equal(t, 200, status, path)
		require.Contains(t, body, part, path)
	}
	for _, tc := range []struct {
		path string
		in   any
		want int
	}{
		{"say", map[string]any{"text": "x"}, 200},
		{"say", map[string]any{"text": " "}, 400},
		{"say", map[string]any{"text": "x", "psid": "404"}, 404},
		{"say", map[string]any{"text": "x", "colour": "red"}, 400},
		{"say", "text", 400},
		{"trigger", map[string]any{"field": "messaging_optins"}, 200},
		{"trigger", map[string]any{"field": "nothing"}, 404},
		{"trigger", map[string]any{"field": "messages", "sign": "none"}, 400},
		{"trigger", map[string]any{"field": "messages", "times": 101}, 400},
		{"trigger", map[string]any{"body": map[string]any{"object": "page", "entry": []any{}}}, 200},
		{"person", map[string]any{"name": "Ada", "ad": "1"}, 200},
		{"person", map[string]any{"name": ""}, 400},
		{"person", map[string]any{"name": "x", "psid": "x"}, 400},
		{"person", map[string]any{"name": "x", "page": "1"}, 404},
		{"again/x", nil, 400},
		{"faults", map[string]any{"fault": "error 190/463"}, 200},
		{"clock", map[string]any{"reset": true}, 200},
		{"probe", nil, 200},
		{"reset", nil, 200},
		{"unknown", nil, 404},
	} {
		require.Equal(t, tc.want, r.post("/-/api/"+tc.path, tc.in, nil), "%s %v", tc.path, tc.in)
	}
	require.Empty(t, r.turns())
	require.Len(t, r.e.State().People, 2)
	status, _ := r.do(httptest.NewRequestWithContext(t.Context(), http.MethodGet, r.url+"/-/api/say", nil))
	require.Equal(t, http.StatusNotFound, status)
	status, _ = r.do(httptest.NewRequestWithContext(t.Context(), http.MethodGet, r.url+"/-/api/export?as=pdf", nil))
	require.Equal(t, http.StatusBadRequest, status)
}

func TestEveryFieldCanBeTriggered(t *testing.T) {
	t.Parallel()
	r := start(t, emulator.Config{})
	for field := range graphtest.Samples() {
		var out struct {
			OK        bool
			Exchanges []emulator.Exchange
		}
		require.Equal(t, 200, r.post("/-/api/trigger", map[string]any{"field": field, "psid": lee}, &out), field)
		require.True(t, out.OK, field)
		require.True(t, json.Valid([]byte(out.Exchanges[0].Request)), field)
		require.NotContains(t, out.Exchanges[0].Request, `"`+kim+`"`, field)
	}
}

func TestReadyWaitsForTheBot(t *testing.T) {
	t.Parallel()
	e, err := emulator.New(emulator.Config{ExpectBot: true})
	require.NoError(t, err)
	defer e.Close()
	require.Error(t, e.Ready(t.Context()))
	require.Error(t, e.Handshake(t.Context()))
	bot := httptest.NewServer(&bot{})
	defer bot.Close()
	e.SetBot(bot.URL + "/webhook?secret=canary1234")
	require.NoError(t, e.Ready(t.Context()))
	require.NoError(t, e.Handshake(t.Context()))
	data, err := json.Marshal(e.State())
	require.NoError(t, err)
	require.NotContains(t, string(data), "canary1234")
	bot.Close()
	require.NoError(t, e.Ready(t.Context()), "it was confirmed")
	e.SetBot("http://127.0.0.1:1/webhook")
	require.Error(t, e.Ready(t.Context()))
	err = e.Handshake(t.Context())
	require.Error(t, err)
	require.NotContains(t, err.Error(), e.Credentials().VerifyToken)
	_, err = emulator.New(emulator.Config{BotURL: "ftp://x"})
	require.Error(t, err)
}

func TestTheRecordIsBounded(t *testing.T) {
	t.Parallel()
	r := start(t, emulator.Config{Max: 20})
	for n := range 50 {
		r.say(fmt.Sprint(n))
	}
	list, rev, gap := r.e.Exchanges(0, 0)
	require.Len(t, list, 20)
	require.False(t, gap, "who starts has missed nothing")
	_, _, gap = r.e.Exchanges(5, 0)
	require.True(t, gap)
	_, _, gap = r.e.Exchanges(rev, 0)
	require.False(t, gap)
	require.Len(t, r.turns(), 20)
	require.EqualValues(t, 30, r.e.State().Forgotten)
	for n := 2; ; n++ {
		_, err := r.e.AddPerson(emulator.Person{Name: "p"})
		if err != nil {
			require.Equal(t, 200, n)
			break
		}
	}
	require.Equal(t, 400, r.post("/-/api/faults", map[string]any{"fault": "reset", "times": 1001}, nil))
}

func TestEventsStreamAndResume(t *testing.T) {
	t.Parallel()
	r := start(t, emulator.Config{})
	open := func(last string) (*bufio.Scanner, func()) {
		ctx, cancel := context.WithCancel(t.Context())
		req := httptest.NewRequestWithContext(ctx, http.MethodGet, r.url+"/-/events", nil)
		if last != "" {
			req.Header.Set("Last-Event-ID", last)
		}
		resp, err := http.DefaultTransport.RoundTrip(req)
		require.NoError(t, err)
		return bufio.NewScanner(resp.Body), func() { cancel(); _ = resp.Body.Close() }
	}
	next := func(s *bufio.Scanner) (id string, x emulator.Exchange) {
		for s.Scan() {
			if after, ok := strings.CutPrefix(s.Text(), "id: "); ok {
				id = after
			}
			if data, ok := strings.CutPrefix(s.Text(), "data: "); ok {
				require.NoError(t, json.Unmarshal([]byte(data), &x))
				if x.Done {
					return id, x
				}
			}
		}
		require.Fail(t, "the stream ended")
		return "", x
	}
	s, done := open("")
	r.say("one")
	id, x := next(s)
	require.Equal(t, "one", x.Summary)
	done()
	r.say("two")
	s, done = open(id)
	defer done()
	_, x = next(s)
	require.Equal(t, "two", x.Summary)
}

func TestASessionIsRestoredWithoutCredentials(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "session.json")
	b := httptest.NewServer(&bot{})
	defer b.Close()
	cfg := emulator.Config{SessionFile: file, BotURL: b.URL}
	e, err := emulator.New(cfg)
	require.NoError(t, err)
	x, err := e.Say(t.Context(), emulator.Say{Text: "remember me"})
	require.NoError(t, err)
	require.NoError(t, e.Close())
	info, err := os.Stat(file)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	for _, secret := range []string{e.Credentials().AppSecret, e.Credentials().PageAccessToken, e.Credentials().VerifyToken} {
		require.NotContains(t, string(data), secret)
	}
	e, err = emulator.New(cfg)
	require.NoError(t, err)
	defer e.Close()
	require.Equal(t, "remember me", e.Messages(page, kim, 1)[0].Text)
	again, err := e.Again(t.Context(), x.ID)
	require.NoError(t, err)
	require.Equal(t, x.Request, again.Request)
	for _, bad := range []string{
		"{", `{"Schema":2}`, `{"Schema":1,"Cells":null}`, `{"Schema":1,"Exchanges":[null]}`,
		`{"Schema":1,"NextID":9,"Exchanges":[{"id":1},{"id":3}]}`, `{"Schema":1,"Turns":[{"id":5}]}`, `{"Schema":1,"People":[null]}`,
		`{"Schema":1,"Cells":{"a":null}}`, `{"Schema":1,"Cells":{"a":{}}}`,
	} {
		require.NoError(t, os.WriteFile(file, []byte(bad), 0o600))
		_, err = emulator.New(cfg)
		require.Error(t, err, bad)
	}
}

func TestSessionsThatCannotBeGoneOnWith(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, content := range map[string]string{"cut": `{"Schema":1,"Rev":`, "later": `{"Schema":2}`, "text": "hello", "empty": ""} {
		file := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(file, []byte(content), 0o600))
		_, err := emulator.New(emulator.Config{SessionFile: file})
		require.ErrorContains(t, err, "is not a session of this version, and stays as it is")
		kept, err := os.ReadFile(file)
		require.NoError(t, err)
		require.Equal(t, content, string(kept))
	}
	// What cannot be written is refused at the start, not when there is something to lose.
	_, err := emulator.New(emulator.Config{SessionFile: filepath.Join(dir, "none", "session.json")})
	require.ErrorIs(t, err, fs.ErrNotExist)
}

// Two emulators with one session would each save over what the other has.
func TestASessionIsThatOfOneEmulator(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file, link := filepath.Join(dir, "session.json"), filepath.Join(t.TempDir(), "link")
	require.NoError(t, os.Symlink(file, link))
	first, err := emulator.New(emulator.Config{SessionFile: file})
	require.NoError(t, err)
	before, err := os.ReadFile(file)
	require.NoError(t, err, "it can be read")
	for _, name := range []string{file, link, filepath.Join(dir, "..", filepath.Base(dir), "session.json")} {
		_, err = emulator.New(emulator.Config{SessionFile: name})
		require.ErrorIs(t, err, emulator.ErrSessionInUse, name)
		require.ErrorContains(t, err, "session.json")
	}
	after, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(before), string(after))
	_, err = first.AddPerson(emulator.Person{Name: "Ada"})
	require.NoError(t, err)
	require.NoError(t, first.Close())

	second, err := emulator.New(emulator.Config{SessionFile: link})
	require.NoError(t, err, "the first has ended")
	require.NoError(t, first.Close(), "closing again")
	_, err = emulator.New(emulator.Config{SessionFile: file})
	require.ErrorIs(t, err, emulator.ErrSessionInUse, "changes nothing for the second")
	require.Equal(t, "Ada", second.State().People[2].Name)
	require.NoError(t, second.Close())
	target, err := os.Readlink(link)
	require.NoError(t, err, "a link stays one")
	require.Equal(t, file, target)
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, left, 1, "only the session is left")

	require.NoError(t, os.WriteFile(file, []byte("hello"), 0o600))
	_, err = emulator.New(emulator.Config{SessionFile: file})
	require.ErrorContains(t, err, "is not a session")
	require.NoError(t, os.Remove(file))
	third, err := emulator.New(emulator.Config{SessionFile: file})
	require.NoError(t, err, "who could not start has locked nothing")
	require.NoError(t, third.Close())
}

// Of many that start at once, one gets the session; a lock that was left behind is nobody's.
func TestManyWantOneSession(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "session.json")
	require.NoError(t, os.WriteFile(filepath.Join(dir, ".session.json.appevents-lock"), nil, 0o600))
	for range 5 {
		var work sync.WaitGroup
		var started [8]*emulator.Emulator
		var errs [8]error
		for n := range started {
			work.Go(func() { started[n], errs[n] = emulator.New(emulator.Config{SessionFile: file}) })
		}
		work.Wait()
		running := 0
		for n, e := range started {
			if e != nil {
				running++
				require.NoError(t, e.Close())
				continue
			}
			require.ErrorIs(t, errs[n], emulator.ErrSessionInUse)
		}
		require.Equal(t, 1, running)
	}
}

func TestLeadsKnowTheirAd(t *testing.T) {
	t.Parallel()
	r := start(t, emulator.Config{})
	r.post("/-/api/say", map[string]string{"text": "hi", "psid": lee}, nil)
	require.Contains(t, r.bot.bodies[0], `"ad_id":"6302572858686"`)
	r.log(map[string]any{"_eventName": "lead_submitted"}, "page_scoped_user_id", lee)
	r.log(map[string]any{"_eventName": "lead_submitted"})
	var out struct {
		Leads  []emulator.Lead
		ByAd   map[string]int `json:"by_ad"`
		Funnel []emulator.Step
	}
	require.Equal(t, 200, r.get("/-/api/leads", &out))
	require.Equal(t, map[string]int{"": 1, "6302572858686": 1}, out.ByAd)
	require.Equal(t, "lead", out.Funnel[3].Name)
	require.Equal(t, 2, out.Funnel[3].People)
	status, body := r.graph(http.MethodGet, "/v26.0/6302572858686/insights", nil)
	require.Equal(t, 200, status)
	require.Contains(t, body, `"value":"1"`)
}
