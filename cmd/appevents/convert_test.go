package main

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go"
	"github.com/appevents/appevents-go/graphtest"
)

// convertRun runs convert at noon of a day that the inputs know.
func convertRun(t *testing.T, input string, args ...string) (got result) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		<-time.After(time.Until(time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)))
		got = invocation{stdin: input}.run(t, append([]string{"convert"}, args...)...)
	})
	require.NotContains(t, got.stdout+got.stderr, "canary")
	require.NotContains(t, got.stdout+got.stderr, "\x1b")
	require.NotContains(t, got.stdout+got.stderr, "\r")
	return got
}

func TestConvert_Golden(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		code int
		args []string
	}{
		{"coast-clothing", exitDone, nil},
		{"guide", exitDone, []string{"--dataset", "5501"}},
		{"mistakes", exitNo, nil},
		{"products", exitDone, nil},
		{"denied", exitNo, nil},
		{"partly", exitNo, nil},
		{"stored", exitDone, []string{"--dataset", "5501"}},
		{"activities", exitDone, []string{"--dataset", "5501"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			input, err := os.ReadFile(filepath.Join("testdata", "convert", tt.name+".in"))
			require.NoError(t, err)
			got := convertRun(t, string(input), tt.args...)
			require.Equal(t, tt.code, got.code, got.stderr)
			require.Empty(t, got.stderr)
			golden := filepath.Join("testdata", "convert", tt.name+".txt")
			if *update {
				require.NoError(t, os.WriteFile(golden, []byte(got.stdout), 0o600))
			}
			want, err := os.ReadFile(golden)
			require.NoError(t, err)
			require.Equal(t, string(want), got.stdout)

			inJSON := convertRun(t, string(input), append(tt.args, "--json")...)
			require.Equal(t, tt.code, inJSON.code)
			calls := convertedCalls(t, inJSON.stdout)
			require.NotEmpty(t, calls)
			for _, c := range calls {
				for _, s := range []*successor{c.Activities, c.Conversions} {
					if s != nil && s.Stored != nil && string(s.Stored) != "null" {
						requireAccepted(t, s)
					}
				}
			}
		})
	}
}

// A convertedCall is a line of --json.
type convertedCall struct {
	Schema                  int
	Call                    int
	Kind                    string
	Problems                []flaw
	Activities, Conversions *successor
	Error                   *struct{ Message string }
}

func convertedCalls(t *testing.T, text string) []convertedCall {
	t.Helper()
	var list []convertedCall
	for line := range strings.Lines(text) {
		var c convertedCall
		require.NoError(t, json.Unmarshal([]byte(line), &c), line)
		require.Equal(t, 1, c.Schema)
		list = append(list, c)
	}
	return list
}

// requireAccepted sends a stored call, as "appevents send --file" would, to a Graph that objects to nothing in it.
func requireAccepted(t *testing.T, s *successor) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		<-time.After(time.Until(time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)))
		stored := strings.Replace(string(s.Stored), datasetWord, "5501", 1)
		call, err := appevents.UnmarshalCall([]byte(stored))
		require.NoError(t, err)
		require.NoError(t, call.Validate())
		graph := graphtest.New(graphtest.WithStrict())
		client, err := appevents.New("1517776481860111", appevents.WithBaseURL(graph.URL),
			appevents.WithAccessToken("1517776481860111|0123456789abcdef"), appevents.WithHTTPClient(&http.Client{Transport: graph}))
		require.NoError(t, err)
		_, err = (&sender{Client: client}).sendCall(t.Context(), call)
		require.NoError(t, err)
		require.Empty(t, graph.Problems())
		calls := graph.Calls()
		require.Len(t, calls, len(s.Requests))
		for i, seen := range calls {
			require.True(t, seen.Accepted)
			require.Equal(t, s.Edge, seen.Edge)
			for _, f := range seen.Fields {
				if f.In == "json" {
					var body map[string]json.RawMessage
					require.NoError(t, json.Unmarshal(s.Requests[i].Body, &body))
					require.JSONEq(t, f.Value, string(body[f.Name]))
				} else {
					require.Equal(t, f.Value, s.Requests[i].Fields[f.Name])
				}
			}
		}
	})
}

// coastClothing is the lead of Meta's sample bot in every form it can be written down in.
func TestConvert_FormsOfTheSameCall(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile(filepath.Join("testdata", "convert", "coast-clothing.in"))
	require.NoError(t, err)
	body := strings.TrimSpace(string(data))
	const address = "https://graph.facebook.com/v20.0/771/page_activities"
	form := "advertiser_tracking_enabled=1&application_tracking_enabled=1&page_id=107001112223334&" +
		"page_scoped_user_id=6543210987654321&logging_source=messenger_bot&logging_target=page&" +
		"custom_events=%5B%7B%22_eventName%22%3A%22lead_submitted%22%7D%5D"
	plain := `[{"_eventName":"lead_submitted"}]`
	want := convertedCalls(t, convertRun(t, body, "--json").stdout)[0]
	require.NotNil(t, want.Activities)
	double := strings.ReplaceAll(body, `"`, `\"`)
	fields := `-F advertiser_tracking_enabled=1 -F application_tracking_enabled=1 -F page_id=107001112223334 ` +
		`-F page_scoped_user_id=6543210987654321 -F logging_source=messenger_bot -F logging_target=page `
	for name, input := range map[string]string{
		"JSON with a mark":      "\ufeff" + body,
		"form":                  form,
		"form over lines":       strings.ReplaceAll(form, "&", "&\n"),
		"multipart":             "--X\r\nContent-Disposition: form-data; name=\"custom_events\"\r\n\r\n" + plain + multipartRest,
		"curl":                  `curl -H 'Content-Type: application/json' -d '` + body + `' ` + address,
		"curl, attached":        `curl -sSXPOST -H'Content-Type: application/json' -d'` + body + `' --url ` + address,
		"curl, double quotes":   `curl -H "Content-Type: application/json" -d "` + double + `" "` + address + `"`,
		"curl, no content type": `curl ` + address + ` --data-binary '` + body + `'`,
		"curl, --json":          `curl --json '` + body + `' graph.facebook.com/v20.0/771/page_activities`,
		"curl, ANSI":            `curl ` + address + ` -H $'Content-Type: application\x2fjson' --data-raw $'` + double + `'`,
		"curl, prompt":          `$ sudo /usr/bin/curl --json '` + body + `' ` + address,
		"curl, piped":           `TOKEN=x curl --json '` + body + `' ` + address + ` | jq .`,
		"curl, continued":       "curl \\\n  --json '" + body + "' \\\r\n  " + address + "  # a lead\n",
		"curl, cmd":             "curl.exe ^\r\n  --json '" + body + "' ^\r\n  " + address,
		"curl, form":            `curl -d '` + form + `' ` + address,
		"curl, many -d":         `curl -d '` + strings.ReplaceAll(form, "&", `' --data '`) + `' ` + address,
		"curl, query":           `curl -X POST '` + address + `?` + form + `'`,
		"curl, unquoted query":  `curl -X POST ` + address + `?` + form,
		"curl, -G":              `curl -G -X POST -d '` + form + `' ` + address,
		"curl, urlencode": `curl ` + address + ` --data-urlencode 'custom_events=` + plain + `' -d '` +
			form[:strings.Index(form, "&custom_events")] + `'`,
		"curl, -F":       `curl ` + fields + `-F 'custom_events=` + plain + `' ` + address,
		"curl, -F typed": `curl ` + fields + `--form 'custom_events=` + plain + `;type=application/json' ` + address,
		"curl, --form-string": `curl ` + strings.ReplaceAll(fields, "-F", "--form-string") +
			`--form-string 'custom_events=` + plain + `' ` + address,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := convertRun(t, input, "--json")
			require.Zero(t, got.code, got.stderr)
			calls := convertedCalls(t, got.stdout)
			require.Len(t, calls, 1)
			require.JSONEq(t, string(want.Activities.Stored), string(calls[0].Activities.Stored))
			require.JSONEq(t, string(want.Conversions.Stored), string(calls[0].Conversions.Stored))
			require.Equal(t, want.Activities.Changes, calls[0].Activities.Changes)
		})
	}
}

const multipartRest = "\r\n--X\r\nContent-Disposition: form-data; name=\"page_id\"\r\n\r\n107001112223334" +
	"\r\n--X\r\nContent-Disposition: form-data; name=\"page_scoped_user_id\"\r\n\r\n6543210987654321" +
	"\r\n--X\r\nContent-Disposition: form-data; name=\"advertiser_tracking_enabled\"\r\n\r\n1" +
	"\r\n--X\r\nContent-Disposition: form-data; name=\"application_tracking_enabled\"\r\n\r\n1" +
	"\r\n--X\r\nContent-Disposition: form-data; name=\"logging_source\"\r\n\r\nmessenger_bot" +
	"\r\n--X\r\nContent-Disposition: form-data; name=\"logging_target\"\r\n\r\npage" +
	"\r\n--X--\r\n"

func TestConvert_Unreadable(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ input, want string }{
		{"", "empty"},
		{" \n", "empty"},
		{"hello there", "neither a body"},
		{"{", "not valid JSON at line 1"},
		{"{\n\"page_id\": <PAGE_ID>\n}", "not valid JSON at line 2, column 12"},
		{"{}", "neither custom_events"},
		{"a=b", "neither custom_events"},
		{"<html>a=b</html>", "neither a body"},
		{"curl", "no address"},
		{"curl -d 'a=b", "single quote is not closed"},
		{`curl -d "a=b`, "double quote is not closed"},
		{"curl https://x/1/page_activities https://y", "more than one address"},
		{"curl https://x/1/page_activities -d @canary.json", "in a file, which is not read"},
		{"curl https://x/1/page_activities -F custom_events=@canary.json", "in a file, which is not read"},
		{"curl https://x/1/page_activities --data-urlencode a@canary", "in a file, which is not read"},
		{"curl https://x/1/page_activities -H @canary", "in a file, which is not read"},
		{"curl -K canary https://x/1/page_activities", "--config"},
		{"curl -T canary https://x/1/page_activities", "--upload-file"},
		{"curl https://x/1/page_activities --next https://x", "--next"},
		{"curl https://x/1/page_activities -d", "has no value"},
		{"curl https://x/1/page_activities -d a -F a=b", "both --data and --form"},
		{`{"kind":"page_activity","call":7}`, "a stored call that cannot be read"},
		{`{"kind":"pizza","call":{}}`, "unknown kind of call"},
		{`curl https://graph.facebook.com/v20.0/1/page_activities --json '{"page_id": <PAGE_ID>}'`, "not a JSON object"},
	} {
		got := convertRun(t, tt.input)
		require.Equal(t, exitUsage, got.code, tt.input)
		require.Empty(t, got.stdout, tt.input)
		require.Contains(t, got.stderr, tt.want, tt.input)
		got = convertRun(t, tt.input, "--json")
		require.Equal(t, exitUsage, got.code, tt.input)
		require.True(t, json.Valid([]byte(got.stderr)), got.stderr)
	}
	require.Equal(t, exitUsage, convertRun(t, "{}", "--dataset", "five").code)
	require.Equal(t, exitUsage, convertRun(t, "{}", "--file", filepath.Join(t.TempDir(), "absent")).code)
}

func TestConvert_ABadLineIsNamedAndTheRestGoesOn(t *testing.T) {
	t.Parallel()
	stored, err := os.ReadFile(filepath.Join("testdata", "convert", "stored.in"))
	require.NoError(t, err)
	lines := strings.Split(strings.TrimSpace(string(stored)), "\n")
	got := convertRun(t, lines[0]+"\n{broken\n"+lines[2]+"\n{}\n", "--json")
	require.Equal(t, exitUsage, got.code)
	require.Len(t, convertedCalls(t, got.stdout), 2)
	require.Contains(t, got.stderr, "line 2: is not valid JSON")
	require.Contains(t, got.stderr, "line 4: ")
}

func TestConvert_OtherCalls(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ input, want string }{
		{"curl https://graph.facebook.com/v26.0/me/messages --json '{}'", "no call that logs events"},
		{"curl https://graph.facebook.com/v26.0/5501/events --json '{\"data\":[]}'", "Conversions API already"},
		{"curl https://graph.facebook.com/v26.0/771/activities -d event=MOBILE_APP_INSTALL -d advertiser_id=1", "custom events"},
	} {
		got := convertRun(t, tt.input)
		require.Equal(t, exitNo, got.code, tt.input)
		require.Contains(t, got.stdout, tt.want)
		got = convertRun(t, tt.input, "--json")
		require.Equal(t, exitNo, got.code)
		require.Contains(t, convertedCalls(t, got.stdout)[0].Error.Message, tt.want)
	}
	conversions := `{"kind":"conversions","call":{"dataset_id":"5501","conversions":[{"name":"LeadSubmitted",` +
		`"thread":{"page_id":"1","psid":"2"}}]}}`
	got := convertRun(t, conversions, "--to", "activities")
	require.Equal(t, exitNo, got.code)
	require.Contains(t, got.stdout, "no way back")
	require.Zero(t, convertRun(t, conversions).code)
}

func TestConvert_To(t *testing.T) {
	t.Parallel()
	input, err := os.ReadFile(filepath.Join("testdata", "convert", "guide.in"))
	require.NoError(t, err)
	only := convertedCalls(t, convertRun(t, string(input), "--json", "--to", "activities").stdout)[0]
	require.Nil(t, only.Conversions)
	require.Equal(t, "/v26.0/1517776481860111/activities", only.Activities.Requests[0].Path)
	only = convertedCalls(t, convertRun(t, string(input), "--json", "--to", "conversions").stdout)[0]
	require.Nil(t, only.Activities)
	require.Equal(t, "/v26.0/DATASET_ID/events", only.Conversions.Requests[0].Path)
	require.Contains(t, string(only.Conversions.Stored), `"dataset_id":"DATASET_ID"`)
	only = convertedCalls(t, convertRun(t, string(input), "--json", "--to", "conversions", "--dataset", "5501").stdout)[0]
	require.Equal(t, "/v26.0/5501/events", only.Conversions.Requests[0].Path)
}

// Credentials can be anywhere in what people paste.
func TestConvert_CredentialsAreNotPrinted(t *testing.T) {
	t.Parallel()
	const strange = "strange.canary.of-no-known-form"
	body := `{"custom_events":[{"_eventName":"lead_submitted","note":"` + strange + `","EAABcanary0123":"1","ok":"yes"}],` +
		`"advertiser_tracking_enabled":1,"application_tracking_enabled":1,"page_id":"1","page_scoped_user_id":"2",` +
		`"logging_source":"messenger_bot","access_token":"` + strange + `"}`
	for _, input := range []string{
		body,
		"curl -u user:" + strange + " --json '" + body + "' https://graph.facebook.com/v20.0/1/page_activities",
		"curl -u user:" + strange + " --json '" + strings.Replace(body, `"access_token":"`+strange, `"x":"`, 1) +
			"' https://graph.facebook.com/v20.0/1/page_activities",
		"curl -H 'Cookie: " + strange + "' --json '" + body + "' https://graph.facebook.com/v20.0/1/page_activities",
		"curl --oauth2-bearer " + strange + " --json '" + body + "' https://graph.facebook.com/v20.0/1/page_activities",
		"curl --json '" + body + "' 'https://user:" + strange + "@graph.facebook.com/v20.0/1/page_activities?appsecret_proof=" +
			strange + "'",
		"curl --json '" + body + "' 'https://graph.facebook.com/v20.0/1%7Ccanary0123456789/page_activities'",
		"curl --json '" + body + "' 'https://graph.facebook.com/" + strange + "/page_activities?input_token=" + strange + "'",
		`{"kind":"activity","call":{"thread":{"page_id":"1","psid":"2"},"consent":{"advertiser":"allowed","application":` +
			`"allowed"},"events":[{"name":"lead_submitted","params":{"custom":{"note":"EAABcanary0123456"}},"id":"EAABcanary1234"}],` +
			`"extra":{"x":"123456|canary0123456789"}}}`,
	} {
		for _, args := range [][]string{{}, {"--json"}, {"--debug"}} {
			got := convertRun(t, input, args...) // looks for canaries
			require.Contains(t, got.stdout, "looks like a credential", input)
		}
	}
}

func TestConvert_SideBySideOnAWideTerminal(t *testing.T) {
	t.Parallel()
	long := "  lost     logging_target: " + strings.Repeat("word ", 30) + "end"
	blocks := [][]string{{"activities", "  POST /1/activities", long}, {"conversions", "  日本"}}
	for _, width := range []int{0, 80, 154} {
		require.Equal(t, "\n"+strings.Join(blocks[0], "\n")+"\n\n"+strings.Join(blocks[1], "\n")+"\n", arranged(blocks, width))
	}
	for _, width := range []int{155, 200, 300} {
		got := strings.Split(strings.Trim(arranged(blocks, width), "\n"), "\n")
		require.Regexp(t, "^activities +│ conversions$", got[0])
		require.Regexp(t, "^  POST /1/activities +│   日本$", got[1])
		require.True(t, strings.HasPrefix(got[2], "  lost     logging_target: word"), got[2])
		require.Equal(t, 30, strings.Count(strings.Join(got, " "), "word"))
		for _, line := range got {
			require.LessOrEqual(t, text.StringWidthWithoutEscSequences(line), width)
		}
	}
}

func TestConvert_UnknownParametersStay(t *testing.T) {
	t.Parallel()
	const line = "curl https://graph.facebook.com/v26.0/771/activities -d event=CUSTOM_APP_EVENTS -d brand_new=1 -d page_id=1 " +
		"-d page_scoped_user_id=2 -d advertiser_tracking_enabled=1 -d application_tracking_enabled=1 " +
		"-d 'extinfo=[\"mb1\"]' -d 'custom_events=[{\"_eventName\":\"lead_submitted\"}]'"
	got := convertRun(t, line, "--json")
	require.Zero(t, got.code)
	call := convertedCalls(t, got.stdout)[0]
	require.Equal(t, "1", call.Activities.Requests[0].Fields["brand_new"])
	require.Contains(t, call.Activities.Changes, change{effectWarning, "brand_new", "the edge has no such parameter"})
	require.Contains(t, call.Conversions.Changes, change{effectLost, "brand_new", "has no counterpart in the Conversions API"})
}

func TestConvert_ThousandEvents(t *testing.T) {
	t.Parallel()
	events := strings.TrimSuffix(strings.Repeat(`{"_eventName":"lead_submitted","fb_level":3},{"_eventName":"pizza"},`, 500), ",")
	body := `{"custom_events":[` + events + `],"page_id":1,"page_scoped_user_id":2,"advertiser_tracking_enabled":1,` +
		`"application_tracking_enabled":1,"logging_source":"messenger_bot"}`
	got := convertRun(t, body)
	require.Equal(t, exitNo, got.code)
	require.Contains(t, got.stdout, "cannot   custom_events[1]._eventName and 499 more: is not an event of conversations")
	require.Contains(t, got.stdout, "changed  custom_events[0].fb_level and 499 more: is sent as text")
}

func FuzzConvert(f *testing.F) {
	files, err := filepath.Glob(filepath.Join("testdata", "convert", "*.in"))
	require.NoError(f, err)
	for _, file := range files {
		input, err := os.ReadFile(file)
		require.NoError(f, err)
		f.Add(string(input), "note", "value")
	}
	f.Add(`curl $'\u00e4\x' -d "\\`, "custom_events", `[{"_eventName":"lead_submitted"}]`)
	f.Add("--X\r\n", "_logTime", "1e400")
	f.Fuzz(func(t *testing.T, input, name, value string) {
		const token = "EAABfuzzcanary0123456789"
		quote := func(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
		event, _ := json.Marshal([]map[string]any{{"_eventName": "lead_submitted", name: value, "again": token}})
		line := "curl -X POST 'https://graph.facebook.com/v20.0/1/page_activities?access_token=" + token + "' -d " +
			quote(name+"="+value) + " --data-urlencode " + quote("custom_events="+string(event)) + " -H " +
			quote(name+": "+value) + " -d page_id=1 -d page_scoped_user_id=2"
		run := func(in string, inJSON bool) result { // without the parsing of arguments, which takes the most time
			var stdout, stderr buffer
			p := &program{stdin: strings.NewReader(in), stdout: &stdout, stderr: &stderr, json: inJSON}
			err := (&convertCommand{To: "all"}).Run(t.Context(), p)
			if err != nil {
				p.report(err, codeOf(err))
			}
			return result{codeOf(err), stdout.String(), stderr.String()}
		}
		for _, in := range []string{input, line} {
			got := run(in, true)
			require.Contains(t, []int{exitDone, exitNo, exitUsage}, got.code)
			for _, text := range []string{got.stdout, got.stderr} {
				for line := range strings.Lines(text) {
					require.True(t, json.Valid([]byte(line)), line)
				}
			}
			plain := run(in, false)
			require.Equal(t, got.code, plain.code)
			require.NotContains(t, plain.stdout+plain.stderr, "\x1b")
			if in == line && !strings.Contains(name+value, "fuzzcanary") {
				require.NotContains(t, got.stdout+got.stderr+plain.stdout+plain.stderr, "fuzzcanary")
			}
		}
	})
}
