package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/appevents/appevents-go/delivery"
)

// ask makes a request. With a token it is sent. A body makes it a POST. The caller closes what it returns.
func (q *botQueue) ask(
	ctx context.Context, path string, query url.Values, token string, body any,
) (io.ReadCloser, error) {
	method, address := http.MethodGet, q.base+path
	if len(query) > 0 {
		address += "?" + query.Encode()
	}
	var data []byte
	if body != nil {
		method = http.MethodPost
		var err error
		if data, err = json.Marshal(body); err != nil {
			return nil, err
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json")
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	sent := false
	trace := &httptrace.ClientTrace{WroteHeaders: func() { sent = true }}
	resp, err := q.http.Do(req.WithContext(httptrace.WithClientTrace(ctx, trace)))
	if err != nil {
		return nil, q.notAnswered(ctx, err, body != nil && sent)
	}
	if resp.StatusCode != http.StatusOK {
		defer resp.Body.Close()
		return nil, q.refusal(resp, body != nil)
	}
	if kind := resp.Header.Get("Content-Type"); !strings.Contains(kind, "json") {
		resp.Body.Close()
		return nil, q.stranger(body != nil)
	}
	return resp.Body, nil
}

// notAnswered is the error when no answer came. A change that was sent may have been made all the same.
func (q *botQueue) notAnswered(ctx context.Context, err error, sent bool) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		if sent {
			q.p.note("the bot had been told: it may have done a part of it")
		}
		return ctx.Err()
	}
	err = withoutURL(err)
	if sent {
		return &failure{
			code: exitUnknown, err: fmt.Errorf("no answer from the bot at %s: %w", printable(q.base), err),
			hint: `it may have done it, or a part: look with "appevents queue stats"`,
		}
	}
	return &failure{
		code: exitNotSent, err: fmt.Errorf("no bot answers at %s: %w", printable(q.base), err),
		hint: "is it running, and is this the address where it serves delivery/inspect?",
	}
}

func (q *botQueue) stranger(change bool) error {
	code := exitNotSent
	if change {
		code = exitUnknown
	}
	return &failure{
		code: code, err: fmt.Errorf("what answers at %s is no queue of a bot", printable(q.base)),
		hint: "the address ends in the path where the bot serves delivery/inspect, such as /-/queue",
	}
}

// A botError is an error as the handler writes it.
type botError struct {
	Path    string `json:"path"`
	Rule    string `json:"rule"`
	Message string `json:"message"`
	Done    int64  `json:"done"`
}

// partlyError carries what was done before an error.
type partlyError struct {
	error
	done int64
}

func (e *partlyError) Unwrap() error { return e.error }

// refusal is the error of an answer that is not 200.
func (q *botQueue) refusal(resp *http.Response, change bool) error {
	data, _ := io.ReadAll(io.LimitReader(resp.Body, maxBotError))
	var answer struct {
		Error botError `json:"error"`
	}
	ours := json.Unmarshal(data, &answer) == nil && answer.Error.Message != ""
	text := q.p.withoutSecrets(printable(cut(answer.Error.Message, maxBotText)))
	if !ours {
		text = strconv.Itoa(resp.StatusCode) + " " + http.StatusText(resp.StatusCode)
	}
	switch status := resp.StatusCode; {
	case status == http.StatusUnauthorized:
		return &failure{
			code: exitCredentials, err: fmt.Errorf("the bot at %s did not accept the token: %s", printable(q.base), text),
			hint: "INSPECT_TOKEN must be what the bot itself has",
		}
	case status == http.StatusForbidden:
		return fail(exitCredentials, "the bot at %s allows no changes: %s", printable(q.base), text)
	case status == http.StatusNotFound && ours:
		return delivery.ErrNotFound
	case status == http.StatusNotFound, status == http.StatusMethodNotAllowed, status/100 == 3:
		return q.stranger(false)
	case status == http.StatusTooManyRequests:
		return fail(exitThrottled, "the bot at %s answered %s", printable(q.base), text)
	case status == http.StatusBadRequest && ours:
		return usageError("the bot at %s refused it: %s: %s", printable(q.base), printable(answer.Error.Path), text)
	case ours && answer.Error.Done > 0:
		return &partlyError{fail(exitNotSent, "the bot at %s ended half way: %s", printable(q.base), text), answer.Error.Done}
	case change && !ours && status >= 500:
		return &failure{
			code: exitUnknown, err: fmt.Errorf("the bot at %s answered %s", printable(q.base), text),
			hint: `it may have done it, or a part: look with "appevents queue stats"`,
		}
	default:
		return fail(exitNotSent, "the bot at %s answered: %s", printable(q.base), text)
	}
}

// cut is a text of so many characters at most.
func cut(text string, most int) string {
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return text
}

// read reads an answer that is one JSON object.
func (q *botQueue) read(
	ctx context.Context, patience time.Duration, path string, query url.Values, token string, body, out any,
) error {
	within, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	answer, err := q.ask(within, path, query, token, body)
	if err != nil {
		return err
	}
	defer answer.Close()
	data, err := io.ReadAll(io.LimitReader(answer, maxAnswer))
	if err != nil {
		return q.notAnswered(ctx, err, body != nil)
	}
	if json.Unmarshal(data, out) != nil {
		return q.stranger(body != nil)
	}
	return nil
}
