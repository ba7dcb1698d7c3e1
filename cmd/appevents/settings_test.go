package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go"
)

// A machine is a home directory and a project, with configuration files of these contents ("" for none).
type machine struct{ project, user string }

func (m machine) invocation(t *testing.T, env ...string) invocation {
	t.Helper()
	home, dir := t.TempDir(), t.TempDir()
	write := func(path, content string) {
		if content != "" {
			require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
			require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		}
	}
	write(filepath.Join(dir, projectFile), m.project)
	write(filepath.Join(home, ".config", "appevents", "config.json"), m.user)
	return invocation{env: append([]string{"HOME=" + home, "AppData=" + filepath.Join(home, ".config")}, env...), dir: dir}
}

// emulatorOf is the emulator that a command looks for, as its complaint names it.
func emulatorOf(t *testing.T, i invocation, args ...string) string {
	t.Helper()
	got := i.run(t, append([]string{"tail"}, args...)...)
	require.Equal(t, exitNotSent, got.code, got.stderr)
	_, after, ok := strings.Cut(got.stderr, "no emulator at http://127.0.0.1:")
	require.True(t, ok, got.stderr)
	port, _, _ := strings.Cut(after, ":")
	return port
}

func emulatorAtPort(port string) string { return `{"emulator": "http://127.0.0.1:` + port + `"}` }

func TestSettingsInTheirOrder(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		machine
		env  []string
		args []string
		want string
	}{
		{"flag", machine{emulatorAtPort("3"), emulatorAtPort("4")}, []string{"APPEVENTS_EMULATOR=127.0.0.1:2"},
			[]string{"--emulator", "127.0.0.1:1"}, "1"},
		{"environment", machine{emulatorAtPort("3"), emulatorAtPort("4")}, []string{"APPEVENTS_EMULATOR=127.0.0.1:2"}, nil, "2"},
		{"empty variable", machine{emulatorAtPort("3"), ""}, []string{"APPEVENTS_EMULATOR="}, nil, "3"},
		{"project", machine{emulatorAtPort("3"), emulatorAtPort("4")}, nil, nil, "3"},
		{"user", machine{"", emulatorAtPort("4")}, nil, nil, "4"},
		{"byte order mark", machine{"\ufeff" + emulatorAtPort("3"), ""}, nil, nil, "3"},
		{"profile by flag", machine{"", `{"emulator":"127.0.0.1:4","profiles":{"a":{"emulator":"127.0.0.1:5"},
			"b":{"emulator":"127.0.0.1:6"}}}`}, []string{"APPEVENTS_PROFILE=a"}, []string{"--profile=b"}, "6"},
		{"profile by environment", machine{"", `{"emulator":"127.0.0.1:4","profiles":{"a":{"emulator":"127.0.0.1:5"}}}`},
			[]string{"APPEVENTS_PROFILE=a"}, nil, "5"},
		{"profile by file", machine{`{"profile":"a"}`, `{"profiles":{"a":{"emulator":"127.0.0.1:5"}}}`}, nil, nil, "5"},
		{"profile without the key", machine{"", `{"emulator":"127.0.0.1:4","profiles":{"a":{"dataset":"1"}}}`},
			nil, []string{"--profile", "a"}, "4"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, tt.want, emulatorOf(t, tt.machine.invocation(t, tt.env...), tt.args...))
		})
	}
}

func TestUserConfigurationFollowsXDG(t *testing.T) {
	t.Parallel()
	i := machine{user: emulatorAtPort("4")}.invocation(t)
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "appevents"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "appevents", "config.json"), []byte(emulatorAtPort("7")), 0o600))
	i.env = append(i.env, "XDG_CONFIG_HOME=relative")
	require.Equal(t, "4", emulatorOf(t, i), "a relative one counts as not set")
	i.env = append(i.env, "XDG_CONFIG_HOME="+dir)
	require.Equal(t, "7", emulatorOf(t, i))
}

func TestWrongConfigurationFiles(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		machine
		want string
	}{
		{"unknown key", machine{`{"emulater": "x"}`, ""}, `unknown key "emulater": did you mean "emulator"?`},
		{"unknown key of the user", machine{"", `{"bas_url": "x"}`}, "config.json: unknown key \"bas_url\": did you mean \"base_url\"?"},
		{"unknown key in a profile", machine{"", `{"profiles":{"a":{"dat":"1"}}}`}, `did you mean "dataset"?`},
		{"secret", machine{`{"app_secret": "canary"}`, ""}, "app_secret is a secret"},
		{"secret of the user", machine{"", `{"access_token": "canary"}`}, "APPEVENTS_ACCESS_TOKEN"},
		{"secret in a profile", machine{"", `{"profiles":{"a":{"verify_token":"canary"}}}`}, "APPEVENTS_VERIFY_TOKEN"},
		{"secret as a value", machine{`{"page": "EAABcanary123"}`, ""}, "a value is a secret"},
		{"secret in a command", machine{"", `{"access_token_command": ["echo", "EAABcanary123"]}`}, "a value is a secret"},
		{"token as a key", machine{`{"EAABcanary123": 1}`, ""}, "not repeated"},
		{"program of a project", machine{`{"access_token_command": "touch canary"}`, ""}, "belongs into the user's configuration"},
		{"empty program", machine{"", `{"access_token_command": []}`}, "must be a command"},
		{"host of a project", machine{`{"base_url": "https://canary.example"}`, ""}, "leads to another host"},
		{"not JSON", machine{"{\n\"page\": 1,\n}", ""}, "line 3 is not JSON"},
		{"not an object", machine{"[]", ""}, "must be a JSON object"},
		{"null", machine{"null", ""}, "must be a JSON object"},
		{"two objects", machine{"{} {}", ""}, "something follows"},
		{"list", machine{`{"emulator": ["x"]}`, ""}, "must be a text"},
		{"wrong type", machine{`{"emulator": true}`, ""}, "emulator must be a text"},
		{"unknown profile", machine{"", `{"profile":"prd","profiles":{"prod":{}}}`}, `did you mean "prod"?`},
		{"profiles", machine{"", `{"profiles":[]}`}, "must be an object of profiles"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			i := tt.machine.invocation(t)
			got := i.run(t, "tail")
			require.Equal(t, exitUsage, got.code, got.stderr)
			require.Contains(t, got.stderr, tt.want)
			require.NotContains(t, got.stderr, "canary")
			require.Equal(t, 1, strings.Count(got.stderr, "\n"), got.stderr)
			require.Zero(t, i.run(t, "tail", "--help").code, "help is there all the same")
		})
	}
	require.Contains(t, invocation{}.run(t, "tail", "--profile", "prod").stderr, "no configuration file has this profile")
}

func TestFlagsWithAKeyAlone(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ config, want string }{
		{`{"max": 0}`, "--max must be at least 1"},
		{`{"max": "many"}`, "--max"},
		{`{"addr": "nonsense"}`, "--addr must be HOST:PORT"},
		{`{"offline": "yes"}`, "offline must be true or false"},
		{`{"color": "sometimes"}`, "--color must be one of"},
	} {
		got := machine{project: tt.config}.invocation(t).run(t, "emulate")
		require.Equal(t, exitUsage, got.code)
		require.Contains(t, got.stderr, tt.want)
	}
}

// accessToken asks for the token as a command does.
func (i invocation) accessToken(t *testing.T, flags tokenFlags, profile string) (credential, error) {
	t.Helper()
	p := &program{stdin: strings.NewReader(i.stdin), stdout: new(buffer), stderr: new(buffer), environ: i.env, dir: i.dir}
	parser, err := newParser(new(commands), p)
	require.NoError(t, err)
	require.NoError(t, p.config.load(parser.Model, profile))
	token, err := p.accessToken(t.Context(), flags)
	if err == nil {
		require.NotContains(t, p.withoutSecrets("a "+token.value+" b"), token.value)
	}
	return token, err
}

func TestAccessToken(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "token")
	require.NoError(t, os.WriteFile(file, []byte("from a file\n"), 0o600))
	command := machine{user: `{"access_token_command": ["printf", "from a program\n"],
		"profiles": {"shell": {"access_token_command": "echo from a shell"}, "bad": {"access_token_command": "exit 3"},
			"mute": {"access_token_command": "true"}}}`}
	for _, tt := range []struct {
		name    string
		i       invocation
		flags   tokenFlags
		profile string
		want    string
	}{
		{"file", invocation{env: []string{"ACCESS_TOKEN=x"}}, tokenFlags{file}, "", "from a file"},
		{"standard input", invocation{stdin: "from stdin\n"}, tokenFlags{"-"}, "", "from stdin"},
		{"ours first", invocation{env: []string{"ACCESS_TOKEN=x", "APPEVENTS_ACCESS_TOKEN=ours"}}, tokenFlags{}, "", "ours"},
		{"variable with a file", invocation{env: []string{"APPEVENTS_ACCESS_TOKEN_FILE=" + file}}, tokenFlags{}, "", "from a file"},
		{"of a Page", invocation{env: []string{"PAGE_ACCESS_TOKEN=page"}}, tokenFlags{}, "", "page"},
		{"variable before program", command.invocation(t, "ACCESS_TOKEN=variable"), tokenFlags{}, "", "variable"},
		{"program", command.invocation(t, "PATH="+os.Getenv("PATH")), tokenFlags{}, "", "from a program"},
		{"shell", command.invocation(t, "PATH="+os.Getenv("PATH")), tokenFlags{}, "shell", "from a shell"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := tt.i.accessToken(t, tt.flags, tt.profile)
			require.NoError(t, err)
			require.Equal(t, tt.want, got.value)
		})
	}
	for _, tt := range []struct {
		i       invocation
		flags   tokenFlags
		profile string
		want    string
	}{
		{invocation{}, tokenFlags{}, "", "no access token"},
		{invocation{}, tokenFlags{"/does/not/exist"}, "", "--access-token-file"},
		{command.invocation(t), tokenFlags{}, "bad", "exit status 3"},
		{command.invocation(t), tokenFlags{}, "mute", "it is empty"},
	} {
		_, err := tt.i.accessToken(t, tt.flags, tt.profile)
		require.ErrorContains(t, err, tt.want)
		require.Equal(t, exitCredentials, codeOf(err))
	}
}

func TestStandardInputIsReadOnce(t *testing.T) {
	t.Parallel()
	p := &program{stdin: strings.NewReader("secret\n"), stderr: new(buffer)}
	_, err := p.accessToken(t.Context(), tokenFlags{"-"})
	require.NoError(t, err)
	_, err = p.appSecret(secretFlags{"-"}, "made here")
	require.ErrorContains(t, err, "standard input cannot be a credential and a credential")
	require.Equal(t, exitUsage, codeOf(err))
	_, err = p.readBody("-")
	require.ErrorContains(t, err, "standard input cannot be a credential and the body")
}

func TestAppIDOfTheConfiguration(t *testing.T) {
	t.Parallel()
	i := machine{project: `{"app_id": 1517776481860111, "page": 107001112223334}`}.invocation(t)
	p := &program{environ: i.env, dir: i.dir}
	parser, err := newParser(new(commands), p)
	require.NoError(t, err)
	require.NoError(t, p.config.load(parser.Model, ""))
	id, err := p.credential("APP_ID")
	require.NoError(t, err)
	require.Equal(t, "1517776481860111", id.value, "numbers keep their digits")
}

func TestDebugPrintsRequestsWithoutCredentials(t *testing.T) {
	t.Parallel()
	bot := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer bot.Close()
	got := invocation{env: []string{"APP_SECRET=canary0123"}}.run(t, "trigger", "messages", "--text", "hello", "--debug",
		"--to", bot.URL+"/hook?verify_token=canary-one&page=1")
	require.Zero(t, got.code, got.stderr)
	require.Contains(t, got.stderr, "debug: POST "+bot.URL+"/hook?page=1&verify_token=redacted\n")
	require.Contains(t, got.stderr, "X-Hub-Signature-256: [redacted]")
	require.Contains(t, got.stderr, `"text":"hello"`)
	require.Contains(t, got.stderr, "debug: answered 200 after")
	require.NotContains(t, got.stderr, "canary")
	require.NotContains(t, got.stdout, "debug")

	var stderr buffer
	p := &program{stderr: &stderr, debug: true, secrets: []string{"canary-secret"}}
	sdk, err := appevents.New("1517776481860111", appevents.WithBaseURL(bot.URL), appevents.WithVersion("v26.0"),
		appevents.WithHTTPClient(&http.Client{Transport: p.transport(&http.Transport{})}),
		appevents.WithAccessToken("EAABcanary123"), appevents.WithAppSecret("canary-secret"))
	require.NoError(t, err)
	_, err = sdk.LogActivity(t.Context(), &appevents.Activity{
		Thread: appevents.Thread{PageID: "1", PSID: "2"}, Consent: appevents.ConsentAllowed,
		Events: []appevents.Event{{Name: "Contact"}},
	})
	require.Error(t, err, "an empty answer is none")
	require.Contains(t, stderr.String(), "debug: POST "+bot.URL+"/v26.0/1517776481860111/activities")
	require.NotContains(t, stderr.String(), "canary")
	require.NotRegexp(t, `proof=[0-9a-f]{64}`, stderr.String())
}

func TestErrorsAreJSONOnRequest(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		args []string
		want errorJSON
	}{
		{[]string{"--json", "emualte"}, errorJSON{Outcome: "usage", Exit: 2,
			Message: `unknown command "emualte": did you mean "emulate"?`, Hint: `see "appevents --help"`}},
		{[]string{"sign", "--json"}, errorJSON{Outcome: "credentials", Exit: 6, Message: "no app secret",
			Hint: "set APPEVENTS_APP_SECRET or APP_SECRET, or give --app-secret-file"}},
		{[]string{"explain", "--json=true", "999999"}, errorJSON{Outcome: "no", Exit: 1}},
		{[]string{"tail", "--json", "--emulator", "127.0.0.1:1"}, errorJSON{Outcome: "not sent", Exit: 3,
			Hint: `start one with "appevents emulate" or "appevents run"`}},
	} {
		got := invocation{}.run(t, tt.args...)
		require.Equal(t, tt.want.Exit, got.code)
		require.Empty(t, got.stdout)
		var answer struct {
			Schema int
			Error  errorJSON
		}
		require.NoError(t, json.Unmarshal([]byte(got.stderr), &answer), got.stderr)
		require.Equal(t, 1, answer.Schema)
		require.NotEmpty(t, answer.Error.Message)
		if tt.want.Message == "" {
			answer.Error.Message = ""
		}
		require.Equal(t, tt.want, answer.Error)
		for _, key := range []string{"outcome", "code", "subcode", "rule", "path", "message", "hint"} {
			require.Contains(t, got.stderr, `"`+key+`":`, "always there")
		}
	}
}

func TestExitCodesAndJSONOfTheSDKsErrors(t *testing.T) {
	t.Parallel()
	graph := func(code, subcode int) error {
		return &appevents.GraphError{StatusCode: 400, Code: code, Subcode: subcode, Message: "said Graph"}
	}
	for _, tt := range []struct {
		err  error
		want errorJSON
	}{
		{&appevents.ValidationError{Issues: []appevents.Issue{{Path: "events[0].name", Rule: "required", Message: "missing"}}},
			errorJSON{Outcome: "not sent", Exit: exitNotSent, Path: "events[0].name", Rule: "required"}},
		{graph(190, 460), errorJSON{Outcome: "refused", Exit: exitCredentials, Code: 190, Subcode: 460, Hint: whatToDo(190, 460)}},
		{graph(200, 0), errorJSON{Outcome: "refused", Exit: exitCredentials, Code: 200, Hint: whatToDo(200, 0)}},
		{graph(4, 0), errorJSON{Outcome: "refused", Exit: exitThrottled, Code: 4, Hint: whatToDo(4, 0)}},
		{graph(100, 2804066), errorJSON{Outcome: "refused", Exit: exitNo, Code: 100, Subcode: 2804066, Hint: whatToDo(100, 2804066)}},
		{&appevents.CallError{Op: "log", Outcome: appevents.OutcomeUnknown, Err: appevents.ErrUnknownOutcome},
			errorJSON{Outcome: "unknown", Exit: exitUnknown}},
		{&appevents.CallError{Op: "log", Outcome: appevents.OutcomeNotSent, Err: appevents.ErrNoToken},
			errorJSON{Outcome: "not sent", Exit: exitCredentials}},
		{&appevents.ConversionsError{Total: 2, Failed: []appevents.ConversionFailure{{Err: graph(190, 0)},
			{Index: 1, Err: &appevents.CallError{Outcome: appevents.OutcomeUnknown, Err: appevents.ErrUnknownOutcome}}}},
			errorJSON{Exit: exitUnknown, Outcome: "unknown", Code: 190, Hint: whatToDo(190, 0)}},
		{&appevents.ConfigError{Field: "WithBaseURL", Reason: "must be absolute"},
			errorJSON{Outcome: "usage", Exit: exitUsage, Path: "WithBaseURL"}},
	} {
		code := codeOf(tt.err)
		got := (&program{}).describeError(tt.err, code)
		require.NotEmpty(t, got.Message)
		got.Message = ""
		require.Equal(t, tt.want, got, tt.err)
	}
	require.NotEmpty(t, whatToDo(190, 460))
	require.NotEqual(t, whatToDo(100, 2804066), whatToDo(100, 0))
}
