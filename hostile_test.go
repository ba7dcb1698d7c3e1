package appevents_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	appevents "github.com/appevents/appevents-go"
)

// maxShown is how long an error text or a log line may be.
const maxShown = 4 << 10

// hostileCalls are all operations a server can answer.
var hostileCalls = []struct {
	name string
	call func(context.Context, *appevents.Client) error
}{
	{"LogActivity", func(ctx context.Context, c *appevents.Client) error {
		_, err := c.LogActivity(ctx, purchase())
		return err
	}},
	{"Insights", func(ctx context.Context, c *appevents.Client) error {
		for _, err := range c.Insights(ctx, "15", appevents.InsightsQuery{}) {
			if err != nil {
				return err
			}
		}
		return nil
	}},
	{"SendConversions", func(ctx context.Context, c *appevents.Client) error {
		_, err := c.SendConversions(ctx, convDataset, leads(2)...)
		return err
	}},
	{"InspectToken", func(ctx context.Context, c *appevents.Client) error {
		_, err := c.InspectToken(ctx, canaryInput)
		return err
	}},
	{"EnsureDataset", func(ctx context.Context, c *appevents.Client) error {
		_, err := c.EnsureDataset(ctx, corePage)
		return err
	}},
	{"LogPageActivity", func(ctx context.Context, c *appevents.Client) error {
		_, err := c.LogPageActivity(ctx, pagePurchase())
		return err
	}},
	{"StartInsightsReport", func(ctx context.Context, c *appevents.Client) error {
		_, err := c.StartInsightsReport(ctx, "15", appevents.InsightsQuery{})
		return err
	}},
	{"InsightsReport.Status", func(ctx context.Context, c *appevents.Client) error {
		report, err := c.InsightsReport("15", "77")
		if err == nil {
			_, err = report.Status(ctx)
		}
		return err
	}},
	{"DeferredAppLink", func(ctx context.Context, c *appevents.Client) error {
		_, err := c.DeferredAppLink(ctx, appevents.AppLinkQuery{Device: install().Device, Consent: appevents.ConsentAllowed})
		return err
	}},
	{"LogInstall", func(ctx context.Context, c *appevents.Client) error {
		_, err := c.LogInstall(ctx, install())
		return err
	}},
}

// A hostile server does what it likes with a connection on which it has read a request. seen are the credentials in it.
type hostile func(conn io.Writer, seen string)

// says answers with a text as it is.
func says(text string) hostile {
	return func(conn io.Writer, _ string) { _, _ = io.WriteString(conn, text) }
}

// answers is a well-formed answer.
func answers(status int, header, body string) string {
	return fmt.Sprintf("HTTP/1.1 %d x\r\nContent-Length: %d\r\n%s\r\n%s", status, len(body), header, body)
}

// repeats says first, and then the same for ever.
func repeats(first, unit string) hostile {
	chunk := strings.Repeat(unit, max(1, 64<<10/len(unit)))
	return func(conn io.Writer, _ string) {
		_, err := io.WriteString(conn, first)
		for err == nil {
			_, err = io.WriteString(conn, chunk)
		}
	}
}

// zipped is a text, compressed.
func zipped(t *testing.T, text string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := io.WriteString(w, text)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return b.String()
}

// hostileAnswers are servers of which none may do harm. trap is an address where nobody must ever call.
func hostileAnswers(t *testing.T, trap string) map[string]hostile {
	t.Helper()
	const (
		ok      = "HTTP/1.1 200 OK\r\n"
		chunked = ok + "Transfer-Encoding: chunked\r\n\r\n"
		gz      = "Content-Encoding: gzip\r\n"
		long    = 96 << 10
	)
	zip := zipped(t, coreSuccess)
	// Of many members, each as long as the others, so that little has to be compressed here.
	bomb := strings.Repeat(zipped(t, strings.Repeat("\x00", 1<<20)), 64)
	rows := zipped(t, `{"data":[`) + strings.Repeat(zipped(t, strings.Repeat("{},", 64<<10)), 64) + zipped(t, "{}]}")
	text := zipped(t, `{"error":{"message":"`) + strings.Repeat(zipped(t, strings.Repeat("x", 1<<20)), 32) + zipped(t, `"}}`)
	x := strings.Repeat("x", long)
	all := map[string]hostile{
		// Bodies
		"endless body, chunked":               repeats(chunked, "10\r\n"+strings.Repeat("x", 16)+"\r\n"),
		"endless body, until the end":         repeats(ok+"\r\n", "x"),
		"endless body of an error":            repeats("HTTP/1.1 500 x\r\n\r\n", `{"error":{"message":"x`),
		"endless space":                       repeats(ok+"\r\n", " \n"),
		"endless chunk size":                  repeats(chunked, "0"),
		"endless chunk extension":             repeats(chunked+"1;", "x"),
		"endless trailers":                    repeats(chunked+"0\r\n", "X-Trailer: x\r\n"),
		"endless trailer":                     repeats(chunked+"0\r\nX: ", "x"),
		"chunk size without a number":         says(chunked + "zz\r\nx"),
		"chunk size that is negative":         says(chunked + "-1\r\nx"),
		"chunk size that is huge":             says(chunked + "ffffffffffffffff\r\nx"),
		"chunk size with 40 digits":           says(chunked + strings.Repeat("f", 40) + "\r\nx"),
		"chunks without an end":               says(chunked + "2\r\n{}\r\n"),
		"Content-Length too long":             says(ok + "Content-Length: 999\r\n\r\n" + coreSuccess),
		"Content-Length too short":            says(ok + "Content-Length: 3\r\n\r\n" + coreSuccess),
		"Content-Length negative":             says(ok + "Content-Length: -1\r\n\r\n" + coreSuccess),
		"Content-Length not a number":         says(ok + "Content-Length: NaN\r\n\r\n" + coreSuccess),
		"Content-Length of 40 digits":         says(ok + "Content-Length: " + strings.Repeat("9", 40) + "\r\n\r\n"),
		"Content-Length of exabytes":          says(ok + "Content-Length: 9223372036854775807\r\n\r\n{}"),
		"Content-Length twice":                says(ok + "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}"),
		"Content-Length and chunks":           says(ok + "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"),
		"Transfer-Encoding unknown":           says(ok + "Transfer-Encoding: gzip, x\r\n\r\n" + coreSuccess),
		"204 with a body":                     says("HTTP/1.1 204 No Content\r\nContent-Length: 16\r\n\r\n" + coreSuccess),
		"304":                                 says("HTTP/1.1 304 Not Modified\r\n\r\n"),
		"two answers":                         says(answers(200, "", "{}") + answers(200, "", coreSuccess)),
		"an answer before the question ended": says(answers(413, "Connection: close\r\n", "")),
		"nothing":                             says(""),
		// Compression
		"gzip, honest":           says(answers(200, gz, zip)),
		"gzip, cut short":        says(answers(200, gz, zip[:len(zip)-6])),
		"gzip, only begun":       says(answers(200, gz, zip[:5])),
		"gzip, garbage":          says(answers(200, gz, "no gzip at all")),
		"gzip, empty":            says(answers(200, gz, "")),
		"gzip, wrong sum":        says(answers(200, gz, zip[:len(zip)-8]+"12345678")),
		"gzip, then more":        says(answers(200, gz, zip+"more")),
		"gzip, twice":            says(answers(200, gz, zipped(t, zip))),
		"gzip, bomb":             says(answers(200, gz, bomb)),
		"gzip, bomb of an error": says(answers(400, gz, text)),
		"gzip, bomb of rows":     says(answers(200, gz, rows)),
		"gzip, bomb in chunks":   says(ok + gz + "Transfer-Encoding: chunked\r\n\r\n" + fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(bomb), bomb)),
		"br":                     says(answers(200, "Content-Encoding: br\r\n", "\x0b\x08\x80{}\x03")),
		// Heads
		"endless header":             repeats(ok+"X: ", "x"),
		"endless headers":            repeats(ok, "X-Header: x\r\n"),
		"endless status line":        repeats("HTTP/1.1 200 ", "x"),
		"endless garbage":            repeats("", "garbage"),
		"endless empty lines":        repeats("", "\r\n"),
		"endless 100":                repeats("", "HTTP/1.1 100 Continue\r\n\r\n"),
		"endless 103":                repeats("", "HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n"),
		"endless 199":                repeats("", "HTTP/1.1 199 x\r\n\r\n"),
		"101":                        says("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n" + coreSuccess),
		"a long status line":         says("HTTP/1.1 400 " + x + "\r\n\r\n"),
		"a long status":              says("HTTP/1.1 4" + strings.Repeat("0", long) + " x\r\n\r\n"),
		"a long protocol":            says("HTTP/" + x + " 200 OK\r\n\r\n"),
		"a long line without colon":  says(ok + x + "\r\n\r\n"),
		"a long header with garbage": says(ok + "X\x01: " + x + "\r\n\r\n"),
		"a status of 99999":          says("HTTP/1.1 99999 x\r\n\r\n"),
		"a status of 000":            says("HTTP/1.1 000 x\r\n\r\n"),
		"a status of -1":             says("HTTP/1.1 -1 x\r\n\r\n"),
		"a status of 999":            says(answers(999, "", "{}")),
		"HTTP/0.9":                   says("<html>hello</html>"),
		"HTTP/1.0":                   says("HTTP/1.0 200 OK\r\n\r\n" + coreSuccess),
		"HTTP/2 without TLS":         says("\x00\x00\x00\x04\x00\x00\x00\x00\x00\x00\x00\x08\x07\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01"),
		"HTTP/9.9":                   says("HTTP/9.9 200 OK\r\n\r\n{}"),
		"TLS alert":                  says("\x15\x03\x01\x00\x02\x02\x28"),
		"SSH":                        says("SSH-2.0-OpenSSH_9.9\r\n"),
		"only line feeds":            says("HTTP/1.1 200 OK\nContent-Length: 16\n\n" + coreSuccess),
		"a header over two lines":    says(ok + "X-A: a\r\n b\r\nContent-Length: 2\r\n\r\n{}"),
		"a NUL in a header":          says(ok + "X-A: a\x00b\r\n\r\n{}"),
		"invalid UTF-8 in headers":   says(answers(400, "Facebook-Api-Version: \xff\xfe\r\nX-Fb-Trace-Id: \xc3\x28\r\n", "{}")),
		"long headers we read": says(answers(400, "Facebook-Api-Version: "+x+"\r\nX-Fb-Trace-Id: "+x+
			"\r\nRetry-After: "+strings.Repeat("9", long)+"\r\nX-App-Usage: "+x+"\r\nX-Page-Usage: {"+x+
			"\r\nX-Ad-Account-Usage: {\"ads_api_access_tier\":\""+x+"\"}\r\n", `{"error":{"code":4}}`)),
		"odd numbers in headers": says(answers(400, "Retry-After: 1e308\r\nX-App-Usage: {\"call_count\":1e999}\r\n"+
			"X-Page-Usage: NaN\r\nX-Business-Use-Case-Usage: {\"1\":[{\"estimated_time_to_regain_access\":-1e99}]}\r\n", `{"error":{"code":4}}`)),
		"usage without end": says(answers(200, "X-Business-Use-Case-Usage: {\"1\":["+strings.Repeat("{},", 200<<10)+"\r\n", coreSuccess)),
		// Redirects
		"redirect, long":         says("HTTP/1.1 302 x\r\nLocation: http://" + trap + "/" + x + "\r\nContent-Length: 0\r\n\r\n"),
		"redirect, no target":    says(answers(302, "", "")),
		"redirect, unparsable":   says(answers(302, "Location: http://[::1/"+x+"\r\n", "")),
		"redirect, odd escapes":  says(answers(307, "Location: %zz%"+x+"\r\n", "")),
		"redirect, many targets": says(answers(302, strings.Repeat("Location: http://"+trap+"/\r\n", 99), "")),
		"refresh":                says(answers(200, "Refresh: 0; url=http://"+trap+"/\r\n", `<meta http-equiv="refresh" content="0;url=http://`+trap+`/">`)),
	}
	for _, status := range []int{300, 301, 302, 303, 305, 307, 308} {
		for name, target := range map[string]string{
			"elsewhere": "http://" + trap + "/", "with credentials": "http://u:p@" + trap + "/", "itself": "/",
			"a file": "file:///etc/passwd", "a script": "javascript:alert(1)", "other scheme": "ftp://" + trap + "/",
		} {
			all[fmt.Sprintf("redirect %d, %s", status, name)] = says(answers(status, "Location: "+target+"\r\n", coreSuccess))
		}
	}
	echo := func(status int, body string) hostile {
		return func(conn io.Writer, seen string) {
			quoted, _ := json.Marshal(seen)
			line := strings.Map(func(r rune) rune {
				if unicode.IsControl(r) {
					return -1
				}
				return r
			}, seen)
			header := "Location: http://" + trap + "/?" + line + "\r\nX-Fb-Trace-Id: " + line + "\r\nFacebook-Api-Version: " + line +
				"\r\nX-Ad-Account-Usage: {\"ads_api_access_tier\":" + string(quoted) + "}\r\nRetry-After: " + line + "\r\n"
			_, _ = io.WriteString(conn, answers(status, header, strings.ReplaceAll(body, `"ECHO"`, string(quoted))))
		}
	}
	for _, status := range []int{200, 302, 400, 503} {
		all[fmt.Sprintf("echo %d in every field", status)] = echo(status, strings.ReplaceAll(echoingEnvelope, "ECHO,", `ECHO",`))
		all[fmt.Sprintf("echo %d as data", status)] = echo(status, `{"data":["ECHO",{"spend":"ECHO"}],"id":"ECHO","messages":["ECHO"]}`)
		all[fmt.Sprintf("echo %d as text", status)] = echo(status, `"ECHO"`)
		all[fmt.Sprintf("echo %d as keys", status)] = echo(status, `{"ECHO":"ECHO","error":{"ECHO":1,"error_data":{"blame_field_specs":[["ECHO"]]}}}`)
	}
	all["echo in the status line"] = func(conn io.Writer, seen string) { _, _ = io.WriteString(conn, "HTTP/1.1 4xx "+seen+"\r\n\r\n") }
	all["echo in a broken header"] = func(conn io.Writer, seen string) { _, _ = io.WriteString(conn, ok+seen+"\r\n\r\n") }
	all["echo in a broken redirect"] = func(conn io.Writer, seen string) {
		_, _ = io.WriteString(conn, "HTTP/1.1 302 x\r\nLocation: http://[::1/"+seen+"\r\n\r\n")
	}
	all["echo without HTTP"] = func(conn io.Writer, seen string) { _, _ = io.WriteString(conn, seen) }
	return all
}

// oddBodies are bodies of odd values in every place that is read.
func oddBodies() []string {
	values := []string{
		`null`, `true`, `false`, `0`, `-0`, `-1`, `1.5`, `1e400`, `-1e-400`, strings.Repeat("9", 400), `""`, `"x"`, `"4"`, `"1e9"`,
		`[]`, `{}`, `[[]]`, `[{}]`, `[null]`, `{"":{}}`, `"\ud800"`, `"\u0000\u2028"`, "\"\xff\xfe\"", `NaN`, `Infinity`, `"\x"`,
		`'x'`, `01`, `+1`, `.5`, `1.`, `[1,]`, `{"a":1,}`, `{"a":1 "b":2}`, `//`, "\ufeff{}", "\x00", `{"a":1}{"a":2}`,
		strings.Repeat("[", 9_000) + strings.Repeat("]", 9_000), strings.Repeat("[", 200_000), strings.Repeat(`{"a":`, 100_000),
		`"` + strings.Repeat("x", 300<<10) + `"`, `"` + strings.Repeat(`\u2028`, 2<<10) + `"`, `"` + strings.Repeat("\\u00ad\xc2\xad", 1<<9) + `"`,
		"[" + strings.Repeat("[[\"x\",1]],", 20<<10) + "[]]", "{" + strings.Repeat(`"a":1,`, 50<<10) + `"a":1}`,
	}
	places := []string{
		`%s`, `{"error":%s}`, `{"error":%s,"error_description":%[1]s}`, `{"success":%s}`, `{"error":{"code":4,"error_data":%s}}`,
		`{"error":{"message":%s,"type":%[1]s,"code":%[1]s,"error_subcode":%[1]s,"error_user_title":%[1]s,"error_user_msg":%[1]s,` +
			`"fbtrace_id":%[1]s,"is_transient":%[1]s,"error_data":%[1]s}}`,
		`{"error":{"code":100,"message":%s,"error_data":{"blame_field_specs":[[%[1]s]]}}}`,
		`{"error":{"code":100,"error_data":{"blame_field_specs":%s}}}`, `{"error":{"code":1},"error":%s}`,
		`{"data":%s,"paging":%[1]s}`, `{"data":[%s],"paging":{"cursors":%[1]s,"next":%[1]s}}`,
		`{"data":[{"spend":%s,"actions":%[1]s,"account_id":%[1]s}],"paging":{"next":"x","cursors":{"after":%[1]s}}}`,
		`{"data":[{"actions":[%s],"cost_per_action_type":[{"value":%[1]s,"1d_view":%[1]s,"x":%[1]s}]}]}`,
		`{"data":{"is_valid":%s,"scopes":%[1]s,"granular_scopes":[%[1]s],"error":%[1]s,"expires_at":%[1]s,"app_id":%[1]s}}`,
		`{"id":%s,"report_run_id":%[1]s,"async_status":%[1]s,"async_percent_completion":%[1]s,"events_received":%[1]s,"messages":%[1]s}`,
		`{"async_status":"Job Failed","error_message":%s,"error_code":%[1]s,"error_user_msg":%[1]s}`,
		`{"success":true,"drop_reason":%s,"applink_url":%[1]s,"ids":%[1]s,"claim":%[1]s}`,
	}
	bodies := make([]string, 0, len(values)*len(places))
	for _, value := range values {
		for _, place := range places {
			bodies = append(bodies, strings.ReplaceAll(strings.ReplaceAll(place, "%[1]s", value), "%s", value))
		}
	}
	return bodies
}

// victim is a client with credentials that must not show up, and what it logs.
type victim struct {
	client *appevents.Client
	mu     sync.Mutex
	logged bytes.Buffer
}

func (v *victim) Write(p []byte) (int, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.logged.Write(p)
}

func newVictim(t *testing.T, address string, timeout time.Duration, opts ...appevents.Option) *victim {
	t.Helper()
	v := new(victim)
	debug := &slog.HandlerOptions{Level: slog.LevelDebug}
	v.client = mustClient(t, append([]appevents.Option{
		appevents.WithBaseURL("http://" + address), appevents.WithAccessToken(canaryToken),
		appevents.WithAppSecret(canarySecret), oneAttempt(), appevents.WithTimeout(timeout),
		appevents.WithLogger(slog.New(slog.NewMultiHandler(slog.NewTextHandler(v, debug), slog.NewJSONHandler(v, debug)))),
	}, opts...)...)
	return v
}

// hostileCounts are what came of the calls.
type hostileCounts struct {
	calls    atomic.Int64
	outcomes [8]atomic.Int64
	longest  atomic.Int64
}

func (c *hostileCounts) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d calls, longest text %d bytes", c.calls.Load(), c.longest.Load())
	for outcome := range c.outcomes {
		if n := c.outcomes[outcome].Load(); n > 0 {
			fmt.Fprintf(&b, ", %d %s", n, appevents.Outcome(outcome))
		}
	}
	return b.String()
}

// survive makes a call and checks all that may not happen whatever the server did.
func (v *victim) survive(ctx context.Context, t *testing.T, n int, where string, counts *hostileCounts) {
	t.Helper()
	op := hostileCalls[n%len(hostileCalls)]
	where = op.name + ", " + where
	err := op.call(ctx, v.client)
	counts.calls.Add(1)
	counts.outcomes[appevents.OutcomeOf(err)].Add(1)
	if err != nil {
		_, isGraph := errors.AsType[*appevents.GraphError](err)
		_, isCall := errors.AsType[*appevents.CallError](err)
		require.True(t, isGraph || isCall, "%s: %T %v", where, err, err)
		require.NotEqual(t, appevents.OutcomeAccepted, appevents.OutcomeOf(err), where)
		requireShort(t, where, err, counts)
	}
	v.mu.Lock()
	text := v.logged.String()
	v.logged.Reset()
	v.mu.Unlock()
	require.NotEmpty(t, text, where)
	requireClean(t, where+" in a log", text)
	for line := range strings.Lines(text) {
		require.LessOrEqual(t, len(line), maxShown, "%s: %s", where, line)
	}
}

// requireShort looks at the text of every link of an error.
func requireShort(t *testing.T, where string, err error, counts *hostileCounts) {
	t.Helper()
	text := err.Error()
	for old := counts.longest.Load(); int64(len(text)) > old && !counts.longest.CompareAndSwap(old, int64(len(text))); {
		old = counts.longest.Load()
	}
	require.LessOrEqual(t, len(text), maxShown, "%s: %T: %s", where, err, text)
	requireClean(t, where, text)
	switch x := err.(type) { //nolint:errorlint // each link on its own
	case *appevents.GraphError:
		requireClean(t, where, string(x.Body)+string(x.Data)+strings.Join(x.BlameFields, " ")+x.TraceID+x.Version)
		require.LessOrEqual(t, len(x.Body), 2<<10)
		require.LessOrEqual(t, len(x.TraceID)+len(x.Version), 3<<10)
		require.True(t, utf8.ValidString(text), "%s: %q", where, text)
		require.False(t, strings.ContainsFunc(text, unicode.IsControl), "%s: %q", where, text)
	case *appevents.CallError:
		require.True(t, utf8.ValidString(text), "%s: %q", where, text)
		require.False(t, strings.ContainsFunc(text, unicode.IsControl), "%s: %q", where, text)
	}
	switch x := err.(type) { //nolint:errorlint // each link on its own
	case interface{ Unwrap() error }:
		if inner := x.Unwrap(); inner != nil {
			requireShort(t, where, inner, counts)
		}
	case interface{ Unwrap() []error }:
		for _, inner := range x.Unwrap() {
			requireShort(t, where, inner, counts)
		}
	}
}

// hostileServer reads a request from each connection, lets behave answer it, and closes the connection.
func hostileServer(t *testing.T, behave func() hostile) (address string) {
	t.Helper()
	return listen(t, func(conn net.Conn) {
		defer func() { _ = conn.Close() }()
		r, err := http.ReadRequest(bufio.NewReader(conn))
		if err != nil {
			return
		}
		body, _ := io.ReadAll(r.Body)
		seen := strings.Join([]string{r.Header.Get("Authorization"), r.URL.String(), string(body), canaryToken, canarySecret}, " ")
		behave()(conn, seen)
		if tcp, ok := conn.(*net.TCPConn); ok {
			_ = tcp.CloseWrite()
		}
		_, _ = io.Copy(io.Discard, conn)
	})
}

// trap listens where nobody must call, and reports who did when the test ends.
func trap(t *testing.T) (address string) {
	t.Helper()
	var calls atomic.Int64
	t.Cleanup(func() { require.Zero(t, calls.Load(), "a redirect was followed") })
	return listen(t, func(conn net.Conn) {
		calls.Add(1)
		_ = conn.Close()
	})
}

func TestHostileServers(t *testing.T) {
	t.Parallel()
	all := hostileAnswers(t, trap(t))
	rounds := 1 // each with another call
	if *soak {
		rounds = len(hostileCalls)
	}
	var counts hostileCounts
	t.Cleanup(func() { t.Logf("%d servers: %s", len(all), &counts) })
	for i, name := range slices.Sorted(maps.Keys(all)) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			behave := all[name]
			v := newVictim(t, hostileServer(t, func() hostile { return behave }), time.Minute)
			for round := range rounds {
				v.survive(t.Context(), t, i+round, name, &counts)
			}
		})
	}
}

func TestHostileServers_OddBodies(t *testing.T) {
	t.Parallel()
	bodies := oddBodies()
	statuses := []int{200, 400, 500}
	var counts hostileCounts
	var next atomic.Int64 // the body and its status
	address := hostileServer(t, func() hostile {
		n := int(next.Load())
		return says(answers(statuses[n%len(statuses)], "", bodies[n/len(statuses)]))
	})
	v := newVictim(t, address, time.Minute)
	rounds := 1
	if *soak {
		rounds = len(hostileCalls)
	}
	const large = 64 << 10
	for round := range rounds {
		for i, body := range bodies {
			if !*soak && len(body) > large && i%8 != 0 {
				continue
			}
			for s := range statuses {
				if next.Store(int64(i*len(statuses) + s)); *soak || s == i%len(statuses) {
					v.survive(t.Context(), t, i/len(statuses)+round, body[:min(len(body), 200)], &counts)
				}
			}
		}
	}
	t.Logf("%d bodies: %s", len(bodies), &counts)
}

// Whatever is changed in an answer, it ends when the connection does.
func TestHostileServers_MutatedAnswers(t *testing.T) {
	t.Parallel()
	const usage = `X-Business-Use-Case-Usage: {"901":[{"type":"pages","call_count":28,"estimated_time_to_regain_access":9}]}` + "\r\n"
	originals := []string{
		answers(200, usage, coreSuccess), answers(400, usage, strings.ReplaceAll(echoingEnvelope, "ECHO", "x")),
		answers(200, "Content-Encoding: gzip\r\n", zipped(t, coreSuccess)),
		answers(200, usage, `{"data":[{"spend":"88.10","actions":[{"action_type":"lead","value":"1","7d_click":"1"}]}]}`),
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10\r\n" + coreSuccess + "\r\n0\r\n\r\n",
		answers(200, "", `{"data":{"app_id":"771","is_valid":true,"scopes":["page_events"],"expires_at":0}}`),
		answers(302, "Location: /elsewhere\r\n", ""), answers(200, "", `{"events_received":1,"messages":[],"fbtrace_id":"A1"}`),
	}
	mutations := 300
	if *soak {
		mutations = 30_000
	}
	random := rand.New(rand.NewPCG(11, 0))
	var next atomic.Value
	v := newVictim(t, hostileServer(t, func() hostile { return says(next.Load().(string)) }), time.Minute)
	var counts hostileCounts
	for n := range mutations {
		text := []byte(originals[n%len(originals)])
		for range 1 + random.IntN(4) {
			at, length := random.IntN(len(text)), random.IntN(12)
			switch random.IntN(4) {
			case 0:
				text[at] ^= 1 << random.IntN(8)
			case 1:
				text = slices.Delete(text, at, min(len(text), at+length))
			case 2:
				text = slices.Insert(text, at, text[at:min(len(text), at+length)]...)
			default:
				text = text[:at+1]
			}
			if len(text) == 0 {
				text = []byte("H")
			}
		}
		next.Store(string(text))
		v.survive(t.Context(), t, n/len(originals), fmt.Sprintf("%q", text), &counts)
	}
	t.Logf("%d answers: %s", mutations, &counts)
}

// Servers that never end are ended by the time-out of a request.
func TestHostileServers_ThatAreSlow(t *testing.T) {
	t.Parallel()
	drip := func(first, unit string) hostile {
		return func(conn io.Writer, _ string) {
			_, err := io.WriteString(conn, first)
			ticker := time.NewTicker(time.Millisecond)
			defer ticker.Stop()
			for ; err == nil; <-ticker.C {
				_, err = io.WriteString(conn, unit)
			}
		}
	}
	const ok = "HTTP/1.1 200 OK\r\n"
	all := map[string]hostile{
		"head":        drip("", "H"),
		"status line": drip("HTTP/1.1 200 ", "x"),
		"header":      drip(ok+"X-A: ", "x"),
		"headers":     drip(ok, "X: x\r\n"),
		"1xx":         drip("", "HTTP/1.1 103 Early Hints\r\n\r\n"),
		"body":        drip(ok+"Content-Length: 1000000\r\n\r\n", "x"),
		"chunks":      drip(ok+"Transfer-Encoding: chunked\r\n\r\n", "1\r\nx\r\n"),
		"gzip":        drip(ok+"Content-Encoding: gzip\r\n\r\n\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x00", "\x00\x01\x00\xfe\xffx"),
		"error":       drip("HTTP/1.1 500 x\r\n\r\n"+`{"error":{"message":"`, "x"),
	}
	var counts hostileCounts
	t.Cleanup(func() { t.Logf("%d servers: %s", len(all), &counts) })
	rounds := 1
	if *soak {
		rounds = 3 * len(hostileCalls)
	}
	for i, name := range slices.Sorted(maps.Keys(all)) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := newVictim(t, hostileServer(t, func() hostile { return all[name] }), 20*time.Millisecond)
			for round := range rounds {
				v.survive(t.Context(), t, i+round, name, &counts)
			}
		})
	}
}

// FuzzHostileAnswers makes answers of whatever comes, without a connection.
func FuzzHostileAnswers(f *testing.F) {
	for i, body := range oddBodies() {
		if len(body) < 1<<10 && i%7 == 0 {
			f.Add(byte(i), uint16(200+i%4*100), "A1", `{"901":[{"type":"pages","call_count":28}]}`, "1.5", body)
		}
	}
	f.Add(byte(0), uint16(302), "\xff", `{"`, "-1", strings.ReplaceAll(echoingEnvelope, "ECHO", canaryToken))
	f.Fuzz(func(t *testing.T, op byte, status uint16, trace, usage, after, body string) {
		if status < 100 {
			return // net/http lets none through
		}
		var counts hostileCounts
		v := newVictim(t, "graph.invalid", time.Minute, appevents.WithHTTPClient(&http.Client{
			Transport: roundTrip(func(*http.Request) (*http.Response, error) {
				header := http.Header{
					"X-Fb-Trace-Id": {trace}, "Facebook-Api-Version": {trace}, "Retry-After": {after},
					"X-Business-Use-Case-Usage": {usage}, "X-App-Usage": {usage}, "X-Ad-Account-Usage": {usage},
				}
				return &http.Response{StatusCode: int(status), Header: header, Body: io.NopCloser(strings.NewReader(body))}, nil
			}),
		}))
		v.survive(t.Context(), t, int(op), fmt.Sprintf("%q", body), &counts)
	})
}
