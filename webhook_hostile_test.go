package appevents_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	appevents "github.com/appevents/appevents-go"
)

// What senders on the open internet do to an endpoint, against a real server on a connection in memory and a clock that
// does not wait. Two servers are tried: one without any limit, and one with the limits of the README.
var hookServers = map[string]func(*http.Server){
	"bare": func(*http.Server) {},
	"readme": func(s *http.Server) {
		s.ReadTimeout, s.IdleTimeout, s.MaxHeaderBytes = 10*time.Second, 2*time.Minute, 64<<10
	},
}

// A hostileSender is what is written to a connection. A pause is a long wait, a hang-up is the end.
type hostileSender struct {
	name  string
	parts []string

	// Of the first answer; 0 for none. The default of a test is that the handler was not asked, with 4xx.
	status int
	events int  // given to a function
	keeps  bool // the connection, for another request
	header bool // only the server's limits see to it
}

const (
	pause  = "\x00pause"
	hangUp = "\x00hang up"
)

// hookWire is a delivery as bytes, with headers to add and others than its own body.
func hookWire(body string, headers ...string) string {
	verifier := hookMust(appevents.NewVerifier(hookSecret))
	var b strings.Builder
	fmt.Fprintf(&b, "POST /webhook HTTP/1.1\r\nHost: x\r\nX-Hub-Signature-256: %s\r\n", verifier.Sign([]byte(body)))
	if !slices.ContainsFunc(headers, func(h string) bool {
		return strings.HasPrefix(h, "Content-Length") || strings.HasPrefix(h, "Transfer-Encoding")
	}) {
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(body))
	}
	for _, header := range headers {
		b.WriteString(header + "\r\n")
	}
	return b.String() + "\r\n" + body
}

func chunked(body string) string {
	return fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(body), body)
}

func gzipped(body string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = io.WriteString(w, body)
	_ = w.Close()
	return b.String()
}

func hostileSenders() []hostileSender {
	const chunkedHeader = "Transfer-Encoding: chunked"
	valid := hookWire(hookMessage)
	senders := []hostileSender{
		{name: "honest", parts: []string{valid}, status: 200, events: 1, keeps: true},
		{name: "honest twice at once", parts: []string{valid + valid}, status: 200, events: 2, keeps: true},
		{name: "honest byte by byte", parts: strings.Split(valid, ""), status: 200, events: 1, keeps: true},
		{name: "honest in chunks", parts: []string{strings.TrimSuffix(hookWire(hookMessage, chunkedHeader), hookMessage),
			chunked(hookMessage)}, status: 200, events: 1, keeps: true},

		{name: "body never sent", parts: []string{strings.TrimSuffix(valid, hookMessage), pause}, status: 400},
		{name: "body half sent", parts: []string{valid[:len(valid)-5], pause}, status: 400},
		{name: "body half sent, hung up", parts: []string{valid[:len(valid)-5], hangUp}},
		{name: "body too slow", parts: slices.Concat([]string{valid[:len(valid)-5]}, slices.Repeat([]string{pause, "x"}, 4)),
			status: 400},
		{name: "body larger than announced", parts: []string{valid + "xxxx\r\n\r\n"}, status: 200, events: 1, keeps: true},
		{name: "100-continue without a body", parts: []string{"POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n" +
			"Content-Length: 10\r\n\r\n", pause}, status: 400},
		{name: "huge announcement", parts: []string{hookWire("{}", "Content-Length: 9223372036854775807")}, status: 413},
		{name: "more than the limit", parts: []string{hookWire(strings.Repeat(" ", 300<<10))}, status: 413},

		{name: "bad chunk size", parts: []string{hookWire("", chunkedHeader) + "zz\r\n{}\r\n0\r\n\r\n"}, status: 400},
		{name: "huge chunk", parts: []string{hookWire("", chunkedHeader) + "ffffffffffffffff\r\n{}"}, status: 400},
		{name: "chunk without an end", parts: []string{hookWire("", chunkedHeader) + "5\r\n{}", pause}, status: 400},
		{name: "endless chunk extension", parts: []string{hookWire("", chunkedHeader) + "1;" + strings.Repeat("x", 1<<20)},
			status: 400},
		{name: "tiny chunks for ever", parts: []string{hookWire("", chunkedHeader) +
			strings.Repeat("1;xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n \r\n", 1<<12)}, status: 400},
		{name: "no last chunk", parts: []string{hookWire("", chunkedHeader) + "2\r\n{}\r\n", pause}, status: 400},
		{name: "trailers", parts: []string{hookWire("", chunkedHeader, "Trailer: X-Hub-Signature-256") +
			"2\r\n{}\r\n0\r\nX-Hub-Signature-256: sha256=00\r\n\r\n"}, status: 403, keeps: true},
		{name: "endless trailer", parts: []string{hookWire("", chunkedHeader) + "0\r\nX: " + strings.Repeat("x", 1<<20)},
			status: 400},
		{name: "length and chunks", parts: []string{"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n" + chunkedHeader +
			"\r\n\r\n0\r\n\r\nGET /x HTTP/1.1\r\n\r\n"}, status: 403},
		{name: "two lengths", parts: []string{hookWire("{}", "Content-Length: 2", "Content-Length: 3")}, status: 400},
		{name: "negative length", parts: []string{hookWire("{}", "Content-Length: -1")}, status: 400},
		{name: "length in words", parts: []string{hookWire("{}", "Content-Length: 1e3")}, status: 400},
		{name: "encoding unknown to the server", parts: []string{hookWire("{}", "Transfer-Encoding: gzip, chunked")},
			status: 501},

		{name: "gzip", parts: []string{hookWire(gzipped(hookMessage), "Content-Encoding: gzip")}, status: 415},
		{name: "gzip not announced", parts: []string{hookWire(gzipped(hookMessage))}, status: 415},
		{name: "gzip bomb", parts: []string{hookWire(gzipped(strings.Repeat(" ", 1<<20)), "Content-Encoding: gzip")},
			status: 415},
		{name: "brotli", parts: []string{hookWire("{}", "Content-Encoding: br")}, status: 415},
		{name: "identity", parts: []string{hookWire(hookMessage, "Content-Encoding: identity")}, status: 200, events: 1,
			keeps: true},

		{name: "header too large", parts: []string{hookWire(hookMessage, "X: "+strings.Repeat("x", 3<<19))}, status: 431},
		{name: "too many headers", parts: []string{hookWire(hookMessage, slices.Repeat([]string{"X: x"}, 200_000)...)},
			status: 431},
		{name: "long signature", parts: []string{"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nX-Hub-Signature-256: sha256=" +
			strings.Repeat("0", 8<<10) + "\r\n\r\n{}"}, status: 403, keeps: true},
		{name: "two signatures, the good one last", parts: []string{strings.Replace(valid, "X-Hub-Signature-256:",
			"X-Hub-Signature-256: sha256="+strings.Repeat("0", 64)+"\r\nX-Hub-Signature-256:", 1)}, status: 403, keeps: true},
		{name: "header with NUL", parts: []string{hookWire("{}", "X: a\x00b")}, status: 400},
		{name: "header folded", parts: []string{strings.Replace(valid, "X-Hub", "X: a\r\n\tX-Hub", 1)}, status: 403, keeps: true},
		{name: "header never ends", parts: []string{"POST / HTTP/1.1\r\nHost: x\r\nX: ", pause}, header: true},
		{name: "header line by line", parts: slices.Concat([]string{"POST / HTTP/1.1\r\n"},
			slices.Repeat([]string{"X: x\r\n", pause}, 5)), header: true},
		{name: "silence", parts: []string{pause}, header: true},
		{name: "idle after an answer", parts: []string{valid, pause, pause, pause, pause, pause, pause, pause, pause},
			status: 200, events: 1, header: true},

		{name: "not HTTP", parts: []string{"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"}, status: 400},
		{name: "HTTP/2 preface", parts: []string{"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"}, status: 405},
		{name: "HTTP/1.0", parts: []string{strings.Replace(valid, "HTTP/1.1", "HTTP/1.0", 1)}, status: 200, events: 1},
		{name: "HTTP/9.9", parts: []string{strings.Replace(valid, "HTTP/1.1", "HTTP/9.9", 1)}, status: 505},
		{name: "no host", parts: []string{strings.Replace(valid, "Host: x\r\n", "", 1)}, status: 400},
		{name: "long path", parts: []string{strings.Replace(valid, "/webhook", "/"+strings.Repeat("x", 3<<19), 1)}, status: 431},
		{name: "empty", parts: []string{hookWire("")}, status: 200, keeps: true},
		{name: "form not sent", parts: []string{"POST / HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\n" +
			"Content-Length: 100\r\n\r\n", pause}, status: 415},
		{name: "gzip not sent", parts: []string{"POST / HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip\r\n" +
			"Transfer-Encoding: chunked\r\n\r\n", pause}, status: 415},
		{name: "large body not sent", parts: []string{"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 204801\r\n\r\n", pause},
			status: 413},
		{name: "form", parts: []string{hookWire("a=b", "Content-Type: application/x-www-form-urlencoded")}, status: 415},
		{name: "multipart", parts: []string{hookWire("--x", "Content-Type: multipart/form-data; boundary=x")}, status: 415},

		{name: "challenge of a stranger", parts: []string{"GET /?hub.mode=subscribe&hub.challenge=%3Cscript%3E HTTP/1.1\r\n" +
			"Host: x\r\n\r\n"}, status: 403, keeps: true},
		{name: "endless query", parts: []string{"GET /?" + strings.Repeat("hub.challenge=1&", 500) + " HTTP/1.1\r\nHost: x\r\n\r\n"},
			status: 403, keeps: true},
		{name: "broken query", parts: []string{"GET /?hub.mode=%zz;hub.verify_token=%00 HTTP/1.1\r\nHost: x\r\n\r\n"},
			status: 403, keeps: true},
	}
	for _, method := range []string{"GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "post", "BREW"} {
		status := 405
		if method == "GET" {
			status = 403
		}
		start := method + " / HTTP/1.1\r\nHost: x\r\n"
		senders = append(senders,
			hostileSender{name: method, parts: []string{start + "\r\n"}, status: status, keeps: true},
			hostileSender{name: method + " with a body", parts: []string{start + "Content-Length: 2\r\n\r\n{}"}, status: status,
				keeps: true},
			hostileSender{name: method + " with a body not sent", parts: []string{start + "Content-Length: 100\r\n\r\n{", pause},
				status: status},
			hostileSender{name: method + " with chunks not sent", parts: []string{start + chunkedHeader + "\r\n\r\n5\r\n", pause},
				status: status},
			hostileSender{name: method + " with a large body", parts: []string{start + "Content-Length: 10000000\r\n\r\n",
				strings.Repeat("x", 300<<10)}, status: status},
			hostileSender{name: method + " signed", parts: []string{strings.Replace(valid, "POST", method, 1)}, status: status,
				keeps: true},
		)
	}

	// With a good signature: what Meta itself could get wrong.
	deep := func(n int) string {
		return `{"object":"page","entry":[{"x":` + strings.Repeat("[", n) + strings.Repeat("]", n) + `}]}`
	}
	for name, body := range map[string]string{
		"not JSON": `<html>`, "half JSON": hookMessage[:50], "text": `"page"`, "number": `5`, "null": `null`,
		"spaces": strings.Repeat(" ", 1000), "NUL": hookMessage + "\x00", "byte order mark": "\ufeff" + hookMessage,
		"UTF-16": "\x00{\x00}", "too deep": deep(20_000), "as deep as can be": deep(9_000),
		"objects":       `{"object":"page","entry":[` + strings.Repeat(`{},`, 60_000) + `{}]}`,
		"long numbers":  `{"entry":[{"id":` + strings.Repeat("9", 10_000) + `,"time":1e999999}]}`,
		"negative time": `{"entry":[{"time":-9223372036854775808}]}`,
		"long string":   `{"entry":[{"id":"` + strings.Repeat(`\ud800`, 10_000) + `"}]}`,
		"not UTF-8":     "{\"entry\":[{\"" + strings.Repeat("\xff", 10_000) + "\":1}]}",
		"no comma":      `{"entry":[{} {}]}`, "comments": `{"entry":[/* */]}`, "trailing": hookMessage + "x",
	} {
		senders = append(senders, hostileSender{name: "signed: " + name, parts: []string{hookWire(body)}, status: 200, keeps: true,
			events: map[string]int{"as deep as can be": 1, "not UTF-8": 1}[name]})
	}
	twice := strings.Replace(hookMessage, `"object"`, `"entry":[],"object":"x","entry":[{"id":"1"}],"object"`, 1)
	return append(senders,
		hostileSender{name: "signed: keys twice", parts: []string{hookWire(twice)}, status: 200, events: 1, keeps: true})
}

// pipeListener gives a server connections in memory.
type pipeListener struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case conn := <-l.conns:
		return conn, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.done) })
	return nil
}

func (*pipeListener) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "unix"} }

// hostileResult is what became of a sender.
type hostileResult struct {
	statuses []int
	closes   bool // the last answer said that the connection ends
	held     bool // the server still waited when the sender gave up
	events   []string
	log      string // of the server
}

// send plays a sender inside a bubble of synctest.
func (s hostileSender) send(tb testing.TB, configure func(*http.Server), wrap func(http.Handler) http.Handler) hostileResult {
	tb.Helper()
	var (
		mu     sync.Mutex
		result hostileResult
		output bytes.Buffer
	)
	hook := newHook(tb, func(cfg *appevents.WebhookConfig) { cfg.MaxBody = 200 << 10 })
	appevents.On(hook.Webhook, func(_ context.Context, e appevents.WebhookEvent) error {
		mu.Lock()
		defer mu.Unlock()
		result.events = append(result.events, string(e.Raw()))
		return nil
	})
	server := &http.Server{Handler: wrap(hook), ErrorLog: log.New(&output, "", 0)}
	configure(server)
	listener := &pipeListener{conns: make(chan net.Conn), done: make(chan struct{})}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	client, remote := net.Pipe()
	listener.conns <- remote

	written := make(chan struct{})
	go func() {
		defer close(written)
		for _, part := range s.parts {
			switch part {
			case pause:
				<-time.After(30 * time.Second)
			case hangUp:
				_ = client.Close()
			default:
				if _, err := io.WriteString(client, part); err != nil {
					return // the server has hung up
				}
			}
		}
	}()
	result.statuses, result.closes, result.held = readAnswers(client, s.parts[0])
	_ = client.Close()
	<-written
	_ = server.Close()
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		tb.Errorf("served: %v", err)
	}
	synctest.Wait()
	result.log = output.String()
	return result
}

// readAnswers reads until the server hangs up, or says nothing for longer than every limit allows.
func readAnswers(conn net.Conn, request string) (statuses []int, closes, held bool) {
	method, _, _ := strings.Cut(request, " ")
	in := bufio.NewReader(conn)
	for {
		_ = conn.SetReadDeadline(time.Now().Add(3 * time.Minute))
		resp, err := http.ReadResponse(in, &http.Request{Method: method})
		if err != nil {
			return statuses, closes, errors.Is(err, context.DeadlineExceeded) || isTimeout(err)
		}
		if _, err = io.Copy(io.Discard, resp.Body); err != nil {
			return statuses, closes, isTimeout(err)
		}
		if resp.StatusCode != http.StatusContinue {
			statuses, closes = append(statuses, resp.StatusCode), resp.Close
		}
	}
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}

func asItIs(h http.Handler) http.Handler { return h }

// hidden is what a middleware does that counts bytes or statuses and forgets Unwrap.
func hidden(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.ServeHTTP(struct{ http.ResponseWriter }{w}, r) })
}

func TestWebhook_HostileSenders(t *testing.T) {
	t.Parallel()
	var (
		mu     sync.Mutex
		counts = map[int]int{}
		total  int
	)
	t.Cleanup(func() {
		var b strings.Builder
		for _, status := range slices.Sorted(maps.Keys(counts)) {
			fmt.Fprintf(&b, ", %d × %d", counts[status], status)
		}
		t.Logf("%d hostile senders%s", total, b.String())
	})
	for name, configure := range hookServers {
		for _, sender := range hostileSenders() {
			if sender.header && name == "bare" {
				continue // the handler has no part in it, as its documentation says
			}
			t.Run(name+"/"+sender.name, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					got := sender.send(t, configure, asItIs)
					first := 0
					if len(got.statuses) > 0 {
						first = got.statuses[0]
					}
					require.Equal(t, sender.status, first, "%v", got.statuses)
					require.Len(t, got.events, sender.events)
					require.NotContains(t, got.log, "panic")
					if !sender.keeps {
						require.False(t, got.held, "the connection is held")
					}
					mu.Lock()
					defer mu.Unlock()
					total++
					counts[first]++
				})
			})
		}
	}
}

// A middleware whose writer hides the connection takes the bound of bodies away. Everything else ends all the same.
func TestWebhook_HostileSendersBehindMiddleware(t *testing.T) {
	t.Parallel()
	for _, sender := range hostileSenders() {
		if sender.header || strings.HasPrefix(sender.name, "signed") {
			continue
		}
		t.Run(sender.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				got := sender.send(t, hookServers["bare"], hidden)
				require.NotContains(t, got.log, "panic")
				require.Len(t, got.events, min(sender.events, 1))
				for _, unbounded := range []string{"body", "100-continue", "huge chunk", "chunk without", "no last chunk"} {
					if strings.HasPrefix(sender.name, unbounded) {
						return // only the server's ReadTimeout can end it
					}
				}
				require.NotEmpty(t, got.statuses)
				require.Equal(t, sender.status, got.statuses[0])
				if strings.HasPrefix(sender.parts[0], "POST") && sender.name != "empty" {
					require.True(t, got.closes)
				}
			})
		})
	}
}

// Whatever is done to the bytes of a delivery, the server answers or hangs up, nothing panics, and only what was signed
// reaches a function.
func TestWebhook_MutatedDeliveries(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 2))
	seeds := []string{
		hookWire(hookMessage), hookWire(hookMessage, "Content-Type: application/json", "Transfer-Encoding: chunked"),
		"GET /?hub.mode=subscribe&hub.verify_token=x&hub.challenge=1 HTTP/1.1\r\nHost: x\r\n\r\n",
		strings.TrimSuffix(hookWire(hookMessage, "Transfer-Encoding: chunked"), hookMessage) + chunked(hookMessage),
	}
	counts, handled := map[int]int{}, 0
	n := hookSize(300, 30_000)
	for range n {
		wire := []byte(seeds[rng.IntN(len(seeds))])
		for range 1 + rng.IntN(4) {
			at := rng.IntN(len(wire))
			switch rng.IntN(6) {
			case 0:
				wire[at] ^= 1 << rng.IntN(8)
			case 1:
				wire[at] = "\r\n:;, \x00{}\"0129"[rng.IntN(14)]
			case 2:
				wire = slices.Delete(wire, at, min(len(wire), at+1+rng.IntN(20)))
			case 3:
				wire = slices.Insert(wire, at, wire[at:min(len(wire), at+1+rng.IntN(40))]...)
			case 4:
				wire = slices.Insert(wire, at, []byte("Content-Length: 5\r\n")...)
			case 5:
				wire = slices.Insert(wire, at, bytes.Repeat([]byte{"0 \r9"[rng.IntN(4)]}, 1+rng.IntN(3000))...)
			}
			if len(wire) == 0 {
				wire = []byte("x")
			}
		}
		synctest.Test(t, func(t *testing.T) {
			for name, configure := range hookServers {
				sender := hostileSender{parts: []string{string(wire)}}
				if name == "bare" {
					sender.parts = append(sender.parts, pause, hangUp) // it may be the headers that do not end
				}
				got := sender.send(t, configure, asItIs)
				require.False(t, name == "readme" && got.held, "%q", wire)
				require.NotContains(t, got.log, "panic", "%q", wire)
				for _, event := range got.events {
					require.Contains(t, hookMessage, event, "%q", wire)
					handled++
				}
				first := 0
				if len(got.statuses) > 0 {
					first = got.statuses[0]
				}
				counts[first]++
			}
		})
	}
	t.Logf("%d mutated deliveries to each server, first answers %v (0 is none), %d events", n, counts, handled)
}
