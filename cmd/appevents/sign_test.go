package main

import (
	"crypto/sha1"
	"crypto/sha256"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go/graphtest"
)

const (
	testSecret = "0123456789abcdef0123456789abcdef"
	// Meta's form: escaped and compact.
	metaBody = `{"object":"page","entry":[{"id":"1","text":"Gr\u00fc\u00dfe \ud83d\ude0a http:\/\/x <b>"}]}`
)

func sha256Of(body string) string { return "sha256=" + digest(sha256.New, testSecret, []byte(body)) }

func TestSign(t *testing.T) {
	t.Parallel()
	secret := filepath.Join(t.TempDir(), "secret")
	require.NoError(t, os.WriteFile(secret, []byte(testSecret+"\n"), 0o600))
	body := filepath.Join(t.TempDir(), "body.json")
	require.NoError(t, os.WriteFile(body, []byte(metaBody), 0o600))
	want := graphtest.Sign(testSecret, []byte(metaBody)) + "\n"
	for name, got := range map[string]result{
		"environment": invocation{env: []string{"APP_SECRET=" + testSecret}, stdin: metaBody}.run(t, "sign"),
		"ours first": invocation{env: []string{"APP_SECRET=other", "APPEVENTS_APP_SECRET=" + testSecret}, stdin: metaBody}.
			run(t, "sign", "--file", "-"),
		"secret in a file": invocation{env: []string{"APP_SECRET_FILE=" + secret}, stdin: metaBody}.run(t, "sign"),
		"flag":             invocation{stdin: metaBody}.run(t, "sign", "--app-secret-file", secret),
		"secret on stdin":  invocation{stdin: testSecret + "\n"}.run(t, "sign", "--app-secret-file=-", "--file", body),
	} {
		require.Zero(t, got.code, name)
		require.Equal(t, want, got.stdout, name)
		require.Empty(t, got.stderr, name)
	}
	got := invocation{env: []string{"APP_SECRET=" + testSecret}, stdin: metaBody}.run(t, "sign", "--json")
	require.JSONEq(t, `{"schema":1,"x_hub_signature_256":"`+strings.TrimSpace(want)+`","x_hub_signature":"sha1=`+
		digest(sha1.New, testSecret, []byte(metaBody))+`"}`, got.stdout)
}

func TestSignNeedsASecret(t *testing.T) {
	t.Parallel()
	empty := filepath.Join(t.TempDir(), "empty")
	require.NoError(t, os.WriteFile(empty, nil, 0o600))
	for _, tt := range []struct {
		env  []string
		args []string
		code int
		want string
	}{
		{nil, nil, exitCredentials, "APP_SECRET"},
		{[]string{"APP_SECRET="}, nil, exitCredentials, "no app secret"},
		{[]string{"APP_SECRET_FILE=" + empty}, nil, exitCredentials, "it is empty"},
		{[]string{"APP_SECRET_FILE=/does/not/exist"}, nil, exitCredentials, "APP_SECRET_FILE"},
		{nil, []string{"--app-secret-file=-"}, exitUsage, "cannot both come from standard input"},
		{[]string{"APP_SECRET=x"}, []string{"--file=/does/not/exist"}, exitUsage, "--file"},
	} {
		got := invocation{env: tt.env, stdin: "body"}.run(t, append([]string{"sign"}, tt.args...)...)
		require.Equal(t, tt.code, got.code, tt)
		require.Contains(t, got.stderr, tt.want)
		require.Empty(t, got.stdout)
	}
}

// The mistakes that developers make, prepared as they make them. Deleting any of the attempts fails one of these.
func TestVerifyNamesTheMistake(t *testing.T) {
	t.Parallel()
	right := sha256Of(metaBody)
	decoded := `{"object":"page","entry":[{"id":"1","text":"Grüße 😊 http://x <b>"}]}`
	for _, tt := range []struct {
		name, body, signature, word string
	}{
		{"newline added", metaBody + "\n", right, "newline"},
		{"newline lost", metaBody, sha256Of(metaBody + "\n"), "newline"},
		{"Windows newline added", metaBody + "\r\n", right, "newline"},
		{"LF for CRLF", "{\n\"a\":1\n}", sha256Of("{\r\n\"a\":1\r\n}"), "CRLF"},
		{"CRLF for LF", "{\r\n\"a\":1\r\n}", sha256Of("{\n\"a\":1\n}"), "CRLF"},
		{"JSON.stringify", decoded, right, "escaped"},
		{"Python", `{"object": "page", "entry": [{"id": "1", "text": "Gr\u00fc\u00dfe \ud83d\ude0a http://x <b>"}]}`,
			right, "escaped"},
		{"Go", `{"object":"page","entry":[{"id":"1","text":"Grüße 😊 http://x \u003cb\u003e"}]}`, right, "escaped"},
		{"pretty", "{\n  \"object\": \"page\",\n  \"entry\": [\n    {\n      \"id\": \"1\",\n      \"text\": " +
			"\"Grüße 😊 http://x <b>\"\n    }\n  ]\n}", right, "escaped"},
		{"signed what was decoded", metaBody, sha256Of(decoded), "escaped"},
		{"upper-case escapes", strings.ReplaceAll(metaBody, `\u00fc\u00df`, `\u00FC\u00DF`),
			right, "escaped"},
		{"sha1", metaBody, "sha256=" + digest(sha1.New, testSecret, []byte(metaBody)), "sha1"},
		{"sha1 header", metaBody, "sha1=" + digest(sha1.New, testSecret, []byte(metaBody)), "sha1"},
		{"other app", metaBody, "sha256=" + digest(sha256.New, "other-secret", []byte(metaBody)), "another secret"},
		{"verify token", metaBody, "sha256=" + digest(sha256.New, "my-verify-token", []byte(metaBody)), "verify token"},
		{"upper case", metaBody, "sha256=" + strings.ToUpper(strings.TrimPrefix(right, "sha256=")), "upper case"},
		{"upper-case prefix", metaBody, strings.Replace(right, "sha", "SHA", 1), "upper case"},
		{"prefix lost", metaBody, strings.TrimPrefix(right, "sha256="), "prefix"},
		{"half a header", metaBody, right[:30], "64 hexadecimal digits"},
		{"not hexadecimal", metaBody, "sha256=" + strings.Repeat("x", 64), "64 hexadecimal digits"},
		{"tampered", strings.Replace(metaBody, `"1"`, `"2"`, 1), right, "none of the usual mistakes"},
		{"empty body", "", right, "none of the usual mistakes"},
		{"not JSON", "\xff{", right, "none of the usual mistakes"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			call := invocation{stdin: tt.body, env: []string{
				"APPEVENTS_APP_SECRET=" + testSecret, "APP_SECRET=other-secret", "VERIFY_TOKEN=my-verify-token",
			}}
			got := call.run(t, "verify", "--signature", tt.signature)
			require.Equal(t, exitNo, got.code)
			require.Contains(t, got.stdout, tt.word)
			require.True(t, strings.HasPrefix(got.stdout, "no: "), got.stdout)
			require.Empty(t, got.stderr)
			for _, secret := range []string{testSecret, "other-secret", "my-verify-token", strings.TrimPrefix(right, "sha256=")} {
				require.NotContains(t, got.stdout, secret)
			}
			got = call.run(t, "verify", "--signature", tt.signature, "--json")
			require.Equal(t, exitNo, got.code)
			var answer struct {
				Valid         bool
				Mistake, What string
			}
			require.NoError(t, json.Unmarshal([]byte(got.stdout), &answer))
			require.False(t, answer.Valid)
			require.NotEmpty(t, answer.Mistake)
		})
	}
}

func TestVerifyRightSignature(t *testing.T) {
	t.Parallel()
	for _, body := range []string{metaBody, "", "\x00\xff", "{}"} {
		call := invocation{env: []string{"APP_SECRET=" + testSecret}, stdin: body}
		got := call.run(t, "verify", "--signature", sha256Of(body))
		require.Equal(t, result{0, "yes\n", ""}, got)
		got = call.run(t, "verify", "--json", "--signature", " "+sha256Of(body)+" ")
		require.Zero(t, got.code)
		require.JSONEq(t, `{"schema":1,"valid":true}`, got.stdout)
	}
}

func TestVerifyTriesSecretsFromFiles(t *testing.T) {
	t.Parallel()
	other := filepath.Join(t.TempDir(), "staging")
	require.NoError(t, os.WriteFile(other, []byte("staging-secret"), 0o600))
	got := invocation{env: []string{"APP_SECRET=" + testSecret}, stdin: metaBody}.run(t, "verify",
		"--signature", "sha256="+digest(sha256.New, "staging-secret", []byte(metaBody)), "--other-secret-file", other)
	require.Equal(t, exitNo, got.code)
	require.Contains(t, got.stdout, "another secret")
	require.Contains(t, got.stdout, other)
}

// Every webhook of graphtest survives a careless bot's JSON round trip in a way that verify recognises.
func TestVerifyRecognisesReencodedSamples(t *testing.T) {
	t.Parallel()
	for name, body := range graphtest.Samples() {
		plain := jsonStyle{layout: compacted}.rewrite(body)
		require.True(t, json.Valid(plain), name)
		back := jsonStyle{layout: compacted, slashes: true, ascii: true}.rewrite(plain)
		require.Equal(t, string(body), string(back), name)
	}
}

func FuzzRewriteKeepsTheMeaning(f *testing.F) {
	f.Add([]byte(metaBody))
	f.Add([]byte(`{"a":"\\","b":"\"","c":["\u2028",1e9,null]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		if !json.Valid(body) {
			return
		}
		var want any
		require.NoError(t, json.Unmarshal(body, &want))
		for _, variant := range bodyVariants(body) {
			var got any
			require.NoError(t, json.Unmarshal(variant.body, &got))
			require.Equal(t, want, got)
		}
	})
}
