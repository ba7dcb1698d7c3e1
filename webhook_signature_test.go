// Tests of webhook_verify.go.

package appevents_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	texttemplate "text/template"

	"github.com/stretchr/testify/require"

	appevents "github.com/appevents/appevents-go"
)

func TestNewVerifier_RefusesUnusableSecrets(t *testing.T) {
	t.Parallel()
	for _, secrets := range [][]string{
		nil, {}, {""}, {"good", ""}, {" "}, {"canary\n"}, {" canary"},
	} {
		verifier, err := appevents.NewVerifier(secrets...)
		var config *appevents.ConfigError
		require.ErrorAs(t, err, &config, "%q", secrets)
		require.Nil(t, verifier)
		require.NotContains(t, err.Error(), "canary")
	}
}

func TestVerifier_Verify(t *testing.T) {
	t.Parallel()
	verifier, err := appevents.NewVerifier("new", "old")
	require.NoError(t, err)
	body := []byte(`{"object":"page","entry":[]}`)
	sign := func(secret string, body string) string {
		v, err := appevents.NewVerifier(secret)
		require.NoError(t, err)
		return v.Sign([]byte(body))
	}
	valid := sign("new", string(body))
	for _, test := range []struct {
		name   string
		header http.Header
		want   error
	}{
		{"first secret", http.Header{"X-Hub-Signature-256": {valid}}, nil},
		{"second secret", http.Header{"X-Hub-Signature-256": {sign("old", string(body))}}, nil},
		{"upper case", http.Header{"X-Hub-Signature-256": {"sha256=" + strings.ToUpper(valid[7:])}}, nil},
		{"white space around", http.Header{"X-Hub-Signature-256": {"  " + valid + "\t"}}, nil},
		{"other secret", http.Header{"X-Hub-Signature-256": {sign("other", string(body))}}, appevents.ErrSignatureMismatch},
		{"other body", http.Header{"X-Hub-Signature-256": {sign("new", "{}")}}, appevents.ErrSignatureMismatch},
		{"one digit off", http.Header{"X-Hub-Signature-256": {valid[:70] + flip(valid[70:71])}}, appevents.ErrSignatureMismatch},
		{"no headers", nil, appevents.ErrNotSigned},
		{"no header", http.Header{}, appevents.ErrNotSigned},
		{"empty", http.Header{"X-Hub-Signature-256": {""}}, appevents.ErrNotSigned},
		{"blank", http.Header{"X-Hub-Signature-256": {"  "}}, appevents.ErrBadSignatureHeader},
		{"no prefix", http.Header{"X-Hub-Signature-256": {valid[7:]}}, appevents.ErrBadSignatureHeader},
		{"prefix only", http.Header{"X-Hub-Signature-256": {"sha256="}}, appevents.ErrBadSignatureHeader},
		{"other prefix", http.Header{"X-Hub-Signature-256": {"sha1=" + valid[7:]}}, appevents.ErrBadSignatureHeader},
		{"short", http.Header{"X-Hub-Signature-256": {valid[:len(valid)-2]}}, appevents.ErrBadSignatureHeader},
		{"long", http.Header{"X-Hub-Signature-256": {valid + "00"}}, appevents.ErrBadSignatureHeader},
		{"not hexadecimal", http.Header{"X-Hub-Signature-256": {valid[:70] + "g"}}, appevents.ErrBadSignatureHeader},
		{"sha1 not asked for", http.Header{"X-Hub-Signature": {"sha1=" + strings.Repeat("0", 40)}}, appevents.ErrNotSigned},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			err := verifier.Verify(body, test.header)
			require.ErrorIs(t, err, test.want)
			if err != nil {
				require.NotContains(t, err.Error(), valid[7:])
			}
		})
	}
	require.NoError(t, verifier.Verify(nil, http.Header{"X-Hub-Signature-256": {sign("new", "")}}))
}

func flip(digit string) string {
	if digit == "0" {
		return "1"
	}
	return "0"
}

func TestVerifier_AcceptSHA1(t *testing.T) {
	t.Parallel()
	strict, err := appevents.NewVerifier("test-app-secret")
	require.NoError(t, err)
	lenient := strict.AcceptSHA1()
	body := []byte(`{"object":"page","entry":[]}`)
	const sha1 = "sha1=8140dad690593c0a964005080d6c445e7921d6f3"

	require.NoError(t, lenient.Verify(body, http.Header{"X-Hub-Signature": {sha1}}))
	require.NoError(t, lenient.Verify(body, http.Header{"X-Hub-Signature-256": {strict.Sign(body)}}))
	require.ErrorIs(t, strict.Verify(body, http.Header{"X-Hub-Signature": {sha1}}), appevents.ErrNotSigned)
	require.ErrorIs(t, lenient.Verify(body[1:], http.Header{"X-Hub-Signature": {sha1}}), appevents.ErrSignatureMismatch)
	require.ErrorIs(t, lenient.Verify(body, nil), appevents.ErrNotSigned)
	require.ErrorIs(t, lenient.Verify(body, http.Header{"X-Hub-Signature": {strict.Sign(body)}}),
		appevents.ErrBadSignatureHeader)
	require.ErrorIs(t, lenient.Verify(body, http.Header{"X-Hub-Signature": {sha1 + "00"}}), appevents.ErrBadSignatureHeader)

	// A wrong SHA-256 signature is not made good by a right SHA-1 one.
	require.ErrorIs(t, lenient.Verify(body, http.Header{
		"X-Hub-Signature":     {sha1},
		"X-Hub-Signature-256": {"sha256=" + strings.Repeat("0", 64)},
	}), appevents.ErrSignatureMismatch)
}

// A SHA-256 header that is there, whatever is in it, decides.
func TestVerifier_AcceptSHA1IsNoWayAroundSHA256(t *testing.T) {
	t.Parallel()
	strict, err := appevents.NewVerifier("test-app-secret")
	require.NoError(t, err)
	body := []byte(`{"object":"page","entry":[]}`)
	for name, values := range map[string][]string{
		"empty": {""}, "no value": {}, "nil": nil, "empty and right": {"", strict.Sign(body)}, "blank": {" "},
		"prefix": {"sha256="}, "SHA-1": {"sha1=8140dad690593c0a964005080d6c445e7921d6f3"},
	} {
		for _, key := range []string{"X-Hub-Signature-256", "x-hub-signature-256", "X-HUB-SIGNATURE-256"} {
			err := strict.AcceptSHA1().Verify(body, http.Header{
				"X-Hub-Signature": {"sha1=8140dad690593c0a964005080d6c445e7921d6f3"},
				key:               values,
			})
			require.Error(t, err, "%s %s", key, name)
		}
	}
}

func TestVerifier_ZeroValueAcceptsNothing(t *testing.T) {
	t.Parallel()
	var none *appevents.Verifier
	require.Empty(t, none.Sign(nil))
	require.Nil(t, none.AcceptSHA1())
	require.ErrorIs(t, none.Verify(nil, nil), appevents.ErrSignatureMismatch)
	var zero appevents.Verifier
	require.Empty(t, zero.Sign(nil))
	require.ErrorIs(t, zero.Verify(nil, http.Header{"X-Hub-Signature-256": {"sha256=" + strings.Repeat("0", 64)}}),
		appevents.ErrSignatureMismatch)
}

func TestVerifier_IsSafeForConcurrentUse(t *testing.T) {
	t.Parallel()
	verifier, err := appevents.NewVerifier("one", "two")
	require.NoError(t, err)
	var wait sync.WaitGroup
	for i := range 8 {
		wait.Go(func() {
			for j := range 100 {
				body := fmt.Appendf(nil, "%d/%d", i, j)
				signature := verifier.Sign(body)
				if err := verifier.Verify(body, http.Header{"X-Hub-Signature-256": {signature}}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wait.Wait()
}

func TestVerifier_ShowsNoSecret(t *testing.T) {
	t.Parallel()
	verifier, err := appevents.NewVerifier("canary-secret")
	require.NoError(t, err)
	requireHidden(t, verifier)
	requireHidden(t, *verifier)
	requireHidden(t, struct{ V appevents.Verifier }{*verifier})
	requireHidden(t, struct{ v appevents.Verifier }{*verifier})
	requireHidden(t, struct{ V *appevents.Verifier }{verifier})
	requireHidden(t, struct{ v *appevents.Verifier }{verifier})
	require.Equal(t, "appevents.Verifier(1 secrets)", verifier.String())
}

func TestWebhookConfig_ShowsNoSecret(t *testing.T) {
	t.Parallel()
	cfg := appevents.WebhookConfig{AppSecrets: []string{"canary-one", "canary-two"}, VerifyToken: "canary-token"}
	hook, err := appevents.NewWebhook(cfg)
	require.NoError(t, err)
	type settings struct {
		Name    string
		Webhook appevents.WebhookConfig
	}
	for _, v := range []any{
		cfg, &cfg, hook, settings{"x", cfg}, &settings{"x", cfg}, []appevents.WebhookConfig{cfg}, []settings{{"x", cfg}},
		map[string]appevents.WebhookConfig{"x": cfg}, map[string]any{"x": cfg}, [1]any{&cfg},
		struct{ settings }{settings{"x", cfg}}, struct{ W *appevents.WebhookConfig }{&cfg}, struct{ hook *appevents.Webhook }{hook},
		fmt.Errorf("%v: %w", cfg, io.EOF), any(settings{"x", cfg}),
	} {
		requireHidden(t, v)
	}
}

// requireHidden prints, logs, encodes and renders v and looks for canaries.
func requireHidden(t *testing.T, v any) {
	t.Helper()
	requireNone := func(text string) {
		t.Helper()
		require.NotContains(t, text, "canary", "%T", v)
		require.NotContains(t, text, fmt.Sprintf("%x", "canary"), "%T", v)
		require.NotContains(t, text, fmt.Sprintf("%X", "canary"), "%T", v)
	}
	for _, verb := range "vTtbcdoOqxXUeEfFgGs" {
		for _, flags := range []string{"", "+", "#", " ", "-20.3", "#+0"} {
			requireNone(fmt.Sprintf("%"+flags+string(verb), v))
		}
	}
	var out bytes.Buffer
	for _, handler := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
		slog.New(handler).Info("x", "v", v, slog.Group("g", "v", v))
	}
	data, _ := json.Marshal(v) // a function cannot be encoded, which is fine too
	out.Write(data)
	_ = texttemplate.Must(texttemplate.New("").Parse(`{{.}} {{printf "%s" .}} {{printf "%#v" .}}`)).Execute(&out, v)
	_ = template.Must(template.New("").Parse(`{{.}} <script>{{.}}</script> <a href="{{.}}">`)).Execute(&out, v)
	requireNone(out.String())
}
