package redact_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
	"net"
	"net/url"
	"os"
	"regexp"
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
		"not quite":     {`EAAcana\u007Dtoken EAAcana\u00 EAAcana%7 EAAcana\`, `EAAcana\u007Dtoken EAAcana\u00 EAAcana%7 EAAcana\`},
		"once again":    {`EAAEAAcanary%7CtokenEAAcanary\u007ctoken`, `EAA[redacted][redacted]`},
		"several":       {"EAAcanary|token canary-secret EAAcanary|token", "[redacted] [redacted] [redacted]"},
		"touching":      {"canary-secretcanary-secret", "[redacted][redacted]"},
		"cut off":       {"seen: canary-secre", "seen: [redacted]"},
		"cut off early": {"seen: canary-s", "seen: [redacted]"},
		"hardly begun":  {"seen: canary-", "seen: canary-"},
		"cut off, then more": {
			`{"a":"canary-secr","b":"EAAcanary\u007cto"}`, `{"a":"[redacted]","b":"[redacted]"}`,
		},
		"cut in an escape": {`seen: EAAcanary\u007`, `seen: [redacted]\u007`},
		"in another case":  {"EAACANARY|TOKEN eaacanary%7ctoken CANARY-SECRET", "[redacted] [redacted] [redacted]"},
		"a half":           {"EAAcanary token", "[redacted] token"},
		"empty":            {"", ""},
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

// asJSON is a text as it stands within a JSON string.
func asJSON(t require.TestingT, s string) string {
	marshalled, err := json.Marshal(s)
	require.NoError(t, err)
	return string(marshalled[1 : len(marshalled)-1])
}

// written are the ways to write a secret that Text knows.
func written(t require.TestingT, s string) map[string]string {
	return map[string]string{
		"plain": s, "URL": url.QueryEscape(s), "URL path": url.PathEscape(s), "HTML": html.EscapeString(s),
		"URL twice": url.QueryEscape(url.QueryEscape(s)), "JSON": asJSON(t, s), "JSON twice": asJSON(t, asJSON(t, s)),
		"JSON three times": asJSON(t, asJSON(t, asJSON(t, s))), "upper case": strings.ToUpper(s), "lower case": strings.ToLower(s),
		"URL thrice": url.QueryEscape(url.QueryEscape(url.QueryEscape(s))),
		"all as URL": each(s, "%%%02x"), "all as JSON": each(s, `\u%04x`), "all as JSON twice": each(s, `\\u%04X`),
		"all as HTML": each(s, "&#%d;"), "all as HTML, hex": each(s, "&#x%x;"),
	}
}

// each writes every byte on its own.
func each(s, format string) string {
	var b strings.Builder
	for i := range len(s) {
		fmt.Fprintf(&b, format, s[i])
	}
	return b.String()
}

func TestText_FindsWhatWasWrittenOtherwise(t *testing.T) {
	t.Parallel()
	const appToken = "771|0123456789abcdef0123456789abcdef"
	for _, hidden := range []string{"EAAcanary+token/with=signs", "EAAcanary|token", "canary-secret", appToken} {
		for way, text := range written(t, hidden) {
			require.Equal(t, "<[redacted]>", redact.Text("<"+text+">", hidden), "%s as %s: %s", hidden, way, text)
		}
	}
	require.Equal(t, "app 771 [redacted]", redact.Text("app 771 0123456789ABCDEF0123456789abcdef", appToken), "a half of it")
	require.Equal(t, "app 771 [redacted]", redact.Text("app 771 0123456789", appToken), "the start of a half")
	require.Equal(t, "app 771|0123", redact.Text("app 771|0123", appToken), "an app's ID is no secret")
	require.Equal(t, "ab [redacted]", redact.Text("ab EAAcanary", "EAAcanary|ab|1"), "short parts stay")
}

func TestText_FindsBase64(t *testing.T) {
	t.Parallel()
	const hidden = "EAAcanary>token?with~signs0123456789"
	for _, encoding := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding, base64.RawURLEncoding} {
		for _, around := range []string{"", "B", "Be", "Bea", "Bear", "Bearer "} {
			text := encoding.EncodeToString([]byte(around + hidden + around))
			got := redact.Text("<"+text+">", hidden)
			require.Contains(t, got, redact.Placeholder, text)
			require.Less(t, len(got), len(redact.Placeholder)+2*(len(around)+8)+2, "%s leaves %s", text, got)
		}
	}
	cut := base64.StdEncoding.EncodeToString([]byte("Bearer " + hidden))[:28]
	require.Contains(t, redact.Text(cut, hidden), redact.Placeholder)
	require.Equal(t, "RUFBY2FuYXJ5", redact.Text("RUFBY2FuYXJ5", "EAAcanar"), "too short to tell from chance")
}

// What SECURITY.md names as not found.
func TestText_DoesNotFind(t *testing.T) {
	t.Parallel()
	const hidden = "canary-secret-of-some-length"
	for name, text := range map[string]string{
		"less than eight characters": hidden[:7],
		"its end alone":              hidden[4:],
		"hexadecimal":                fmt.Sprintf("%x", hidden),
		"reversed":                   "htgnel-emos-fo-terces-yranac",
		"apart":                      "canary-secret- of-some-length"[:7] + " " + hidden[7:],
	} {
		require.Equal(t, text, redact.Text(text, hidden), name)
	}
}

func FuzzText(f *testing.F) {
	f.Add("sent to ", token, "%")
	f.Add(`{"message":"`, secret, `\u0`)
	f.Add(`&amp;`, "771|0123456789abcdef", `&#`)
	f.Add(`%25`, "%41%25%7c", `%2`)
	f.Fuzz(func(t *testing.T, before, secret, after string) {
		if len(secret) < 4 || strings.Contains(redact.Placeholder, secret) {
			return
		}
		for way, text := range written(t, secret) {
			plain := regexp.MustCompile(`^[!-~]+$`).MatchString(secret) && !strings.ContainsAny(secret, `%\&`)
			if simple := way == "plain" || way == "URL" || way == "JSON" && utf8.ValidString(secret); !simple && !plain {
				continue // a text that looks escaped can be read in more ways than one
			}
			require.Contains(t, redact.Text(before+text+after, secret), redact.Placeholder, "%s: %s", way, text)
		}
		for n := 8; n < len(secret); n++ { // wherever it is cut off
			if _, rest, _ := strings.Cut(secret, "|"); rest == "" {
				require.Contains(t, redact.Text(before+secret[:n], secret), redact.Placeholder)
			}
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
	for _, inner := range []error{context.DeadlineExceeded, leaky(context.DeadlineExceeded), leaky(os.ErrDeadlineExceeded)} {
		var timeout net.Error
		require.ErrorAs(t, redact.Error(&url.Error{Op: "Post", URL: "https://host/x", Err: inner}, token), &timeout)
		require.True(t, timeout.Timeout(), "%v", inner)
	}
	for _, inner := range []error{io.EOF, errors.New("no deadline set"), errors.New("timeout must not be 0")} {
		var plain net.Error
		require.ErrorAs(t, redact.Error(leaky(inner), token), &plain)
		require.False(t, plain.Timeout(), "%v", inner)
		require.False(t, plain.Temporary()) //nolint:staticcheck // part of the interface
	}
}
