package redact_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go/internal/redact"
)

const (
	token  = "EAAcanary|token"
	secret = "canary-secret"
)

func TestText(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ in, want string }{
		"nothing to do": {"all is well", "all is well"},
		"plain":         {"token EAAcanary|token!", "token [redacted]!"},
		"escaped":       {"?access_token=EAAcanary%7Ctoken&x", "?access_token=[redacted]&x"},
		"escaped small": {"?access_token=EAAcanary%7ctoken&x", "?access_token=[redacted]&x"},
		"as JSON":       {`{"message":"EAAcanary\u007Ctoken."}`, `{"message":"[redacted]."}`},
		"not quite":     {`EAAcanary\u007Dtoken EAAcanary\u00 EAAcanary%7 EAAcanary\`, `EAAcanary\u007Dtoken EAAcanary\u00 EAAcanary%7 EAAcanary\`},
		"once again":    {`EAAEAAcanary%7CtokenEAAcanary\u007ctoken`, `EAA[redacted][redacted]`},
		"several":       {"EAAcanary|token canary-secret EAAcanary|token", "[redacted] [redacted] [redacted]"},
		"touching":      {"canary-secretcanary-secret", "[redacted][redacted]"},
		"only a part":   {"EAAcanary", "EAAcanary"},
		"empty":         {"", ""},
	} {
		require.Equal(t, test.want, redact.Text(test.in, token, secret), name)
		require.Equal(t, test.want, string(redact.Bytes([]byte(test.in), token, secret)), name)
	}
	require.Equal(t, "banana", redact.Text("banana", "", "a", "an", "ban"), "too short to be secrets")
	require.Equal(t, "[redacted]na", redact.Text("banana", "bana"))
	require.Equal(t, "banana", redact.Text("banana"))
}

func TestText_FindsEscapedSecrets(t *testing.T) {
	t.Parallel()
	hidden := `a/b"c\d e+ü😀é<&>` + "\n"
	marshalled, err := json.Marshal(hidden)
	require.NoError(t, err)
	slashes := strings.ReplaceAll(string(marshalled), "/", `\/`)
	for _, text := range []string{
		hidden, url.QueryEscape(hidden), url.PathEscape(hidden), strings.ToLower(url.QueryEscape(hidden)),
		string(marshalled[1 : len(marshalled)-1]), slashes[1 : len(slashes)-1],
		`a\/b\"c\\d e+\u00fc\ud83d\ude00\u00E9<&>\n`,
	} {
		require.Equal(t, "<[redacted]>", redact.Text("<"+text+">", hidden), text)
	}
	require.Equal(t, "[redacted]", redact.Text(`\b\f\n\r\t`, "\b\f\n\r\t"))
	require.Equal(t, `ab\tcd`, redact.Text(`ab\tcd`, "ab\ncd"))
	require.Equal(t, `a\ud83d\u0041`, redact.Text(`a\ud83d\u0041`, "a😀bc"))
	require.Equal(t, `abc\ud83d`, redact.Text(`abc\ud83d`, "abc😀"))
}

func FuzzText(f *testing.F) {
	f.Add("sent to ", token, "%")
	f.Add(`{"message":"`, secret, `\u0`)
	f.Fuzz(func(t *testing.T, before, secret, after string) {
		if len(secret) < 4 || strings.Contains(redact.Placeholder, secret) {
			return
		}
		marshalled, err := json.Marshal(secret)
		require.NoError(t, err)
		for _, text := range []string{secret, url.QueryEscape(secret), string(marshalled[1 : len(marshalled)-1])} {
			if !utf8.ValidString(secret) && text != secret {
				continue // JSON has no way to write it
			}
			require.Contains(t, redact.Text(before+text+after, secret), redact.Placeholder)
		}
	})
}

func TestBytes_LeavesWhatIsCleanInPlace(t *testing.T) {
	t.Parallel()
	short := []byte(`{"success":true}`)
	require.Same(t, &short[0], &redact.Bytes(short, strings.Repeat("s", 17), "", "abc")[0])
	held := []byte("x" + secret)
	require.Equal(t, "x[redacted]", string(redact.Bytes(held, secret)))
	require.Equal(t, "x"+secret, string(held), "the bytes given are not changed")
	require.Nil(t, redact.Bytes(nil, secret))
}

func TestURL(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"https://graph.facebook.com/v26.0/771/activities":   "https://graph.facebook.com/v26.0/771/activities",
		"https://graph.facebook.com/debug_token?a=b&c=d#e":  "https://graph.facebook.com/debug_token",
		"https://graph.facebook.com/x#access_token=1":       "https://graph.facebook.com/x",
		"https://me:" + secret + "@host/path":               "https://host/path",
		"https://me:pa@ss@host:8080/a/b":                    "https://host:8080/a/b",
		"https://" + secret + "@host":                       "https://host",
		"https://host/mail@example":                         "https://host/mail@example",
		"/relative?access_token=1":                          "/relative",
		"":                                                  "",
		"https://host?redirect=https://me:" + secret + "@x": "https://host",
	} {
		require.Equal(t, want, redact.URL(in))
	}
}

// leaky is an error that shows what it should not.
func leaky(inner error) error { return fmt.Errorf("sent %s: %w", token, inner) }

func TestError(t *testing.T) {
	t.Parallel()
	query := "https://host/x?access_token=" + url.QueryEscape(token)
	clean := errors.New("connection refused")
	for name, test := range map[string]struct {
		in   error
		want string
		is   error
	}{
		"clean":           {clean, "connection refused", clean},
		"clean chain":     {fmt.Errorf("dial: %w", clean), "dial: connection refused", clean},
		"text":            {leaky(io.EOF), "sent [redacted]: EOF", io.EOF},
		"deep in a chain": {fmt.Errorf("a: %w", fmt.Errorf("b: %w", leaky(io.EOF))), "a: b: sent [redacted]: EOF", io.EOF},
		"URL":             {&url.Error{Op: "Post", URL: query, Err: clean}, `Post "https://host/x": connection refused`, clean},
		"URL over text":   {&url.Error{Op: "Post", URL: query, Err: leaky(io.EOF)}, `Post "https://host/x": sent [redacted]: EOF`, io.EOF},
		"URL over URL": {
			&url.Error{Op: "Post", URL: query, Err: &url.Error{Op: "Get", URL: query, Err: io.EOF}},
			`Post "https://host/x": Get "https://host/x": EOF`, io.EOF,
		},
		"wrapped URL": {
			fmt.Errorf("grant: %w", &url.Error{Op: "Get", URL: "https://host/x?unknown_secret=1", Err: io.EOF}),
			`grant: Get "https://host/x": EOF`, io.EOF,
		},
		"joined": {
			errors.Join(clean, &url.Error{Op: "Get", URL: "https://host/x?unknown_secret=1", Err: io.EOF}),
			"connection refused\n" + `Get "https://host/x": EOF`, io.EOF,
		},
		"secret in the path": {
			&url.Error{Op: "Get", URL: "https://host/" + secret, Err: io.EOF}, `Get "https://host/[redacted]": EOF`, io.EOF,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			before := test.in.Error()
			got := redact.Error(test.in, token, secret)
			require.Equal(t, test.want, got.Error())
			require.ErrorIs(t, got, test.is)
			require.NotErrorIs(t, got, io.ErrShortWrite)
			require.Equal(t, before, test.in.Error(), "the error given is not changed")
			encoded, err := json.Marshal(got)
			require.NoError(t, err)
			for _, text := range []string{
				fmt.Sprintf("%v", got), fmt.Sprintf("%+v", got), fmt.Sprintf("%#v", got), fmt.Sprintf("%q", got), string(encoded),
			} {
				require.NotContains(t, text, "canary")
				require.NotContains(t, text, "unknown_secret")
			}
		})
	}
	require.NoError(t, redact.Error(nil, token))
	require.Same(t, clean, redact.Error(clean, token), "nothing to do")
}

func TestError_KeepsTheWayToTheCause(t *testing.T) {
	t.Parallel()
	reset := &net.OpError{Op: "read", Net: "tcp", Err: errors.New("reset")}
	got := redact.Error(&url.Error{Op: "Post", URL: "https://host/x?access_token=1", Err: reset}, token)
	var op *net.OpError
	require.ErrorAs(t, got, &op)
	require.Same(t, reset, op)
}

func TestError_KeepsTimeouts(t *testing.T) {
	t.Parallel()
	for _, inner := range []error{context.DeadlineExceeded, fmt.Errorf("sent %s: i/o timeout", token), leaky(context.DeadlineExceeded)} {
		var timeout net.Error
		require.ErrorAs(t, redact.Error(&url.Error{Op: "Post", URL: "https://host/x", Err: inner}, token), &timeout)
		require.True(t, timeout.Timeout(), "%v", inner)
	}
	var plain net.Error
	require.ErrorAs(t, redact.Error(leaky(io.EOF), token), &plain)
	require.False(t, plain.Timeout())
	require.False(t, plain.Temporary()) //nolint:staticcheck // part of the interface
}
