package appevents

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/appevents/appevents-go/internal/backoff"
	"github.com/appevents/appevents-go/internal/deadline"
	"github.com/appevents/appevents-go/internal/redact"
)

// do runs a call to its end: requests, waits and repeats. On success the body is a JSON object without an error.
func (c *Client) do(ctx context.Context, r *request) (Response, error) {
	if r.version == "" {
		r.version = c.graphVersion()
	}
	r.body = r.encoding.Open(r.body)
	maybeReceived := false
	for attempt := 1; ; attempt++ {
		resp, err := c.attempt(ctx, r, attempt)
		if err == nil {
			return resp, nil
		}
		r.body = slices.Clip(r.body) // the transport may still be reading what the first attempt wrote behind it
		maybeReceived = maybeReceived || OutcomeOf(err) == OutcomeUnknown
		if ctx.Err() == nil && c.retry.again(err, attempt) {
			delay := backoff.Delay(c.retry.BaseDelay, c.retry.MaxDelay, attempt)
			if deadline, ok := ctx.Deadline(); !ok || time.Until(deadline) > delay {
				waitErr := backoff.Sleep(ctx, delay)
				if waitErr == nil {
					continue
				}
				err = &CallError{
					Op: r.op.name, Outcome: OutcomeNotSent, Attempts: attempt, Err: errors.Join(waitErr, err),
				}
			}
		}
		if maybeReceived {
			err = asUnknown(err)
		}
		return Response{}, err
	}
}

// asUnknown corrects the outcome of a call one of whose earlier requests may have been received. It changes a copy:
// the observer was given err.
func asUnknown(err error) error {
	switch e := err.(type) { //nolint:errorlint // attempt returns these types unwrapped
	case *CallError:
		own := *e
		own.Outcome = OutcomeUnknown
		return &own
	case *GraphError:
		own := *e
		own.unknown = true
		return &own
	}
	return err
}

// attempt makes one request and tells the observer and the logger.
func (c *Client) attempt(ctx context.Context, r *request, n int) (resp Response, err error) {
	var start time.Time
	if c.watcher.awake() {
		start = time.Now()
	}
	resp, err = c.send(ctx, r)
	resp.Attempts = n
	switch e := err.(type) { //nolint:errorlint // send returns these types unwrapped
	case *CallError:
		e.Op, e.Attempts = r.op.name, n
		if !e.retryable {
			e.Attempts-- // this request was not started
		}
	case *GraphError:
		e.Attempts = n
	}
	if c.watcher.awake() {
		edge := r.name
		if edge == "" {
			edge = r.edge
		}
		c.watcher.report(ctx, CallInfo{
			Op: r.op.name, Edge: edge, Scope: r.scope, Attempt: n, Duration: time.Since(start), Outcome: OutcomeOf(err),
			StatusCode: resp.StatusCode, Err: err, Version: r.version, ServedVersion: resp.Version, Usage: resp.Usage,
		})
	}
	return resp, err
}

// send makes one request. Its error is a *CallError or a *GraphError, free of credentials.
func (c *Client) send(ctx context.Context, r *request) (Response, error) {
	if err := ctx.Err(); err != nil {
		return Response{}, &CallError{Outcome: OutcomeNotSent, Err: err}
	}
	x := new(exchange)
	x.bound = deadline.Context{Context: ctx, At: time.Now().Add(c.http.Timeout(c.timeout))}
	defer x.bound.End()
	cred, err := c.signer.credentials(&x.bound, r.scope, r.noToken)
	if err != nil {
		return Response{}, &CallError{Outcome: OutcomeNotSent, Err: redact.Error(err, c.signer.secret.Reveal())}
	}
	secrets := append([]string{cred.token, cred.proof, c.signer.secret.Reveal()}, r.secrets...)
	transport := c.http.Transport()
	httpResp, err := c.http.RoundTrip(transport, x.request(c, r, cred))
	if err != nil {
		failed := &CallError{Outcome: OutcomeUnknown, Err: redact.Error(err, secrets...), retryable: true}
		if x.sent.Nothing(transport, err) {
			failed.Outcome = OutcomeNotSent
		}
		return Response{}, failed
	}
	defer httpResp.Body.Close()
	body, readErr := readAnswer(httpResp, cmp.Or(r.maxBody, maxBody))
	resp, graphErr := decode(r, httpResp, body, readErr, secrets)
	if graphErr == nil {
		return resp, nil
	}
	if graphErr.Is(ErrAuth) {
		c.signer.refused(r.scope, cred.token)
	}
	return resp, graphErr
}
