package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/appevents/appevents-go/cmd/appevents/internal/emulator"
)

// maxAnswer bounds what is read of one answer, and one line of the event stream.
const maxAnswer = 64 << 20

// A client asks a running emulator.
type client struct {
	base string
	http *http.Client
}

// client finds the emulator. Proxies of the environment are for other hosts.
func (e emulatorAt) client(p *program) (*client, error) {
	base := e.Emulator
	if !strings.Contains(base, "://") {
		base = "http://" + base // as --addr-file writes it
	}
	u, ok := webURL(base)
	if !ok {
		return nil, usageError("the address of the emulator must look like http://127.0.0.1:8226")
	}
	return &client{
		base: strings.TrimSuffix(u.Scheme+"://"+u.Host+u.Path, "/"), // without a user, who may have a password
		http: &http.Client{Transport: p.transport(&http.Transport{Proxy: nil, ResponseHeaderTimeout: time.Minute})},
	}, nil
}

// do makes a request for an answer of a type. The error says that nobody answers.
func (c *client) do(req *http.Request, accept string) (*http.Response, error) {
	req.Header.Set("Accept", accept)
	resp, err := c.http.Do(req)
	if err == nil {
		return resp, nil
	}
	if err := req.Context().Err(); err != nil {
		return nil, err
	}
	return nil, &failure{
		code: exitNotSent, err: fmt.Errorf("no emulator at %s: %w", c.base, withoutURL(err)),
		hint: `start one with "appevents emulate" or "appevents run"`,
	}
}

// A statusError is an answer of the emulator that is not 2xx.
type statusError struct {
	status  int
	message string
}

func (e *statusError) Error() string { return e.message }

// call sends one request, with a JSON body unless that is nil, and decodes the answer.
func (c *client) call(ctx context.Context, method, path string, body []byte, out any) error {
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := c.do(req, "application/json")
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return fail(exitUnknown, "the answer of the emulator broke off: %w", err)
	}
	if resp.StatusCode/100 != 2 {
		var refusal struct {
			Error struct{ Message, Field string }
			Why   string
		}
		_ = json.Unmarshal(data, &refusal)
		message := refusal.Error.Message + refusal.Why
		if message == "" {
			message = "the emulator answered " + strconv.Itoa(resp.StatusCode)
		}
		return &statusError{resp.StatusCode, message}
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(data, out); err != nil {
		return fail(exitUnknown, "the answer of %s is not the emulator's: %w", c.base, err)
	}
	return nil
}

// follow calls fn for every change of an exchange after a revision (-1: from now on) until the stream ends or fn says
// so.
func (c *client) follow(ctx context.Context, after int64, fn func(emulator.Exchange) (more bool, err error)) error {
	path := "/-/events"
	if after >= 0 {
		path += "?after=" + strconv.FormatInt(after, 10)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+path, nil)
	if err != nil {
		return err
	}
	resp, err := c.do(req, "text/event-stream")
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fail(exitNotSent, "%s is not an emulator: it answered %d", c.base, resp.StatusCode)
	}
	event, data := "", ""
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, maxAnswer)
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), ":")
		value = strings.TrimPrefix(value, " ")
		switch name {
		case "event":
			event = value
		case "data":
			data += value
		case "":
			if lines.Text() != "" {
				continue // a comment that keeps the connection alive
			}
			more, err := dispatch(event, data, fn)
			if err != nil || !more {
				return err
			}
			event, data = "", ""
		}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return nil // the emulator has ended
}

func dispatch(event, data string, fn func(emulator.Exchange) (bool, error)) (bool, error) {
	if event != "exchange" {
		return true, nil
	}
	var x emulator.Exchange
	if err := json.Unmarshal([]byte(data), &x); err != nil {
		return false, fail(exitUnknown, "the stream of the emulator cannot be read: %w", err)
	}
	return fn(x)
}

// describe is an exchange on one line, for a person.
func (p *program) describe(w io.Writer, x emulator.Exchange) string {
	var b strings.Builder
	if x.Direction == emulator.DirWebhook {
		fmt.Fprintf(&b, "--> %-28s ", printable(x.Kind))
		switch {
		case x.Skipped != "":
			fmt.Fprintf(&b, "not sent: %s", printable(x.Skipped))
		case x.Status == 0:
			fmt.Fprintf(&b, "%s %s", p.state(w, stateFail), printable(x.Failure))
		default:
			state := stateOK
			if !x.Accepted {
				state = stateFail
			}
			fmt.Fprintf(&b, "%s bot %d in %s", p.state(w, state), x.Status, millis(x.DurationMS))
		}
		if x.Summary != "" {
			fmt.Fprintf(&b, "  %s", printable(x.Summary))
		}
	} else {
		fmt.Fprintf(&b, "<-- %-28s ", printable(x.Method+" "+x.Path))
		switch {
		case x.Error != nil:
			fmt.Fprintf(&b, "%s %s: %s", p.state(w, stateFail), codeText(x.Error.Code, x.Error.Subcode),
				printable(x.Error.Message))
			if x.Error.Hint != "" {
				fmt.Fprintf(&b, " (%s)", printable(x.Error.Hint))
			}
		case x.Accepted:
			fmt.Fprintf(&b, "%s %s", p.state(w, stateOK), printable(x.Summary))
		default:
			fmt.Fprintf(&b, "%s %d %s", p.state(w, stateWarn), x.Status, printable(x.Failure))
		}
	}
	for _, problem := range x.Problems {
		if x.Error == nil && !problem.Tolerated {
			fmt.Fprintf(&b, "\n    %s %s: %s", p.state(w, stateWarn), printable(problem.Field), printable(problem.Message))
		}
	}
	for _, finding := range x.Rules {
		fmt.Fprintf(&b, "\n    %s %s: %s", p.state(w, stateWarn), printable(finding.Rule), printable(finding.Message))
	}
	return b.String()
}
