package graphtest

import (
	"bufio"
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

const (
	attempts     = 3               // Meta repeats a failed delivery "a few more times"
	deadline     = 5 * time.Second // what Meta grants for the answer
	maxAnswer    = 1 << 20         // bytes of a bot's answer that are kept
	webhookPath  = "/webhook"      // where a handler or test server is asked
	webhookAgent = "facebookexternalua"
)

// Sign returns the X-Hub-Signature-256 value for a body: "sha256=" and the HMAC-SHA256 under the app secret.
func Sign(appSecret string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(appSecret))
	mac.Write(body)
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}

// A Delivery is what came of sending a payload.
type Delivery struct {
	Attempts     int  // requests sent
	Acknowledged bool // the last one was answered the way Meta wants
	Status       int  // of the last answer; 0 when there was none
	Header       http.Header
	Body         []byte // at most 1 MiB
	Duration     time.Duration
}

// Deliver posts the payload to a bot as Meta does: signed, and repeated at once, up to three times in all, until the
// answer is 200. When none is, the test fails (and goes on).
//
// The bot is an http.Handler, called in this process with path /webhook; an *httptest.Server, asked at /webhook; or the
// whole URL of a webhook as a string. To send a forged or unwelcome payload use [Send].
func Deliver(tb testing.TB, bot any, appSecret string, p Payload) Delivery {
	tb.Helper()
	var d Delivery
	for n := 1; n <= attempts; n++ {
		next, err := Send(tb.Context(), bot, appSecret, p)
		d = next
		d.Attempts = n
		switch {
		case errors.Is(err, errBot):
			tb.Fatalf("%v", err)
		case err != nil:
			tb.Logf("graphtest: delivery %d of %d: %v", n, attempts, err)
		case d.Acknowledged:
			return d
		default:
			tb.Logf("graphtest: delivery %d of %d: the bot answered %d", n, attempts, d.Status)
		}
	}
	tb.Errorf("graphtest: the bot did not acknowledge the payload with 200 in %d deliveries", attempts)
	return d
}

// Send posts the payload to a bot (see [Deliver]) once, signed with appSecret, or unsigned when that is empty. An
// answer other than 200 is no error; the error says why there was none, including after five seconds.
func Send(ctx context.Context, bot any, appSecret string, p Payload) (Delivery, error) {
	header := http.Header{
		"Content-Type": {"application/json"},
		"Accept":       {"*/*"},
		"User-Agent":   {webhookAgent},
	}
	if appSecret != "" {
		header.Set("X-Hub-Signature-256", Sign(appSecret, p))
	}
	d, err := request(ctx, bot, http.MethodPost, nil, header, p)
	d.Acknowledged = err == nil && d.Status == http.StatusOK
	return d, err
}

// Handshake asks a bot (see [Deliver]) to confirm its webhook the way the App Dashboard does. The Delivery is
// Acknowledged when the answer was 200 with exactly the challenge as its body.
func Handshake(ctx context.Context, bot any, verifyToken string) (Delivery, error) {
	n, err := rand.Int(rand.Reader, big.NewInt(1<<31))
	if err != nil {
		return Delivery{}, fmt.Errorf("graphtest: handshake: %w", err)
	}
	challenge := n.String()
	query := url.Values{
		"hub.mode":         {"subscribe"},
		"hub.challenge":    {challenge},
		"hub.verify_token": {verifyToken},
	}
	header := http.Header{"Accept": {"*/*"}, "User-Agent": {webhookAgent}}
	d, err := request(ctx, bot, http.MethodGet, query, header, nil)
	d.Acknowledged = err == nil && d.Status == http.StatusOK && string(d.Body) == challenge
	return d, err
}

var errBot = errors.New("graphtest: the bot must be an http.Handler, an *httptest.Server or the URL of its webhook")

// request sends one request to a bot and reads the answer.
func request(ctx context.Context, bot any, method string, query url.Values, header http.Header, body []byte,
) (Delivery, error) {
	target, handler := "", http.Handler(nil)
	switch b := bot.(type) {
	case string:
		target = b
	case *httptest.Server:
		if b != nil {
			target = b.URL + webhookPath
		}
	case http.Handler:
		target, handler = "http://bot.invalid"+webhookPath, b
	}
	u, err := url.Parse(target)
	if err != nil || u.Host == "" {
		return Delivery{}, errBot
	}
	if query != nil {
		u.RawQuery = strings.TrimPrefix(u.RawQuery+"&"+query.Encode(), "&")
	}
	ctx, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, u.String(), bytes.NewReader(body))
	if err != nil {
		return Delivery{}, errBot
	}
	req.Header = header

	start := time.Now()
	var resp *http.Response
	if handler != nil {
		resp, err = call(handler, req)
	} else {
		transport := &http.Transport{DisableKeepAlives: true, DisableCompression: true}
		client := http.Client{
			Transport:     transport,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}
		resp, err = client.Do(req)
	}
	d := Delivery{Attempts: 1, Duration: time.Since(start)}
	if err != nil {
		return d, fmt.Errorf("graphtest: %s to the bot: %w", method, withoutQuery(err))
	}
	defer resp.Body.Close()
	d.Status, d.Header = resp.StatusCode, resp.Header
	if d.Body, err = io.ReadAll(io.LimitReader(resp.Body, maxAnswer)); err != nil {
		return d, fmt.Errorf("graphtest: %s to the bot: reading the answer: %w", method, withoutQuery(err))
	}
	d.Duration = time.Since(start)
	return d, nil
}

// withoutQuery drops the URL, which holds the verify token, from an error of net/http.
func withoutQuery(err error) error {
	if urlErr, ok := errors.AsType[*url.Error](err); ok {
		return urlErr.Err
	}
	return err
}

// call runs a handler on the request a net/http server would hand it. Like such a server it survives a handler that
// panics, and like a caller with a deadline it does not wait for ever.
func call(handler http.Handler, out *http.Request) (*http.Response, error) {
	ctx := out.Context()
	var wire bytes.Buffer
	if err := out.Write(&wire); err != nil {
		return nil, err
	}
	in, err := http.ReadRequest(bufio.NewReader(&wire))
	if err != nil {
		return nil, err
	}
	in = in.WithContext(ctx)
	in.RemoteAddr = "192.0.2.1:443"

	rec := httptest.NewRecorder()
	ended := make(chan error, 1)
	go func() {
		err := errors.New("the handler ended its goroutine instead of returning")
		defer func() {
			if v := recover(); v != nil {
				err = fmt.Errorf("the handler panicked: %v", v)
			}
			ended <- err
		}()
		handler.ServeHTTP(rec, in)
		err = nil
	}()
	select {
	case err := <-ended:
		if err != nil {
			return nil, err
		}
		return rec.Result(), nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}
