//go:build !race

// The race detector makes pools forget, so that allocations can only be counted without it.

package appevents_test

import (
	"context"
	"errors"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	appevents "github.com/appevents/appevents-go"
)

func TestParseWebhook_Allocations(t *testing.T) { //nolint:paralleltest // it counts allocations
	for messages, most := range map[int]float64{1: 4, 100: 109} {
		body := benchBody(1, messages)
		verifier, header := hookSigned(t, body)
		require.LessOrEqual(t, testing.AllocsPerRun(100, func() {
			if verifier.Verify(body, header) != nil {
				panic("not verified")
			}
			payload, err := appevents.ParseWebhook(body)
			if err != nil {
				panic(err)
			}
			for e := range payload.Events() {
				if e.Thread().PSID == "" || e.Time().IsZero() {
					panic("not parsed")
				}
			}
		}), most, "%d messages", messages)
	}
}

// Besides verifying and parsing, a delivery costs its context.
func TestWebhook_Allocations(t *testing.T) { //nolint:paralleltest // it counts allocations
	hook := hookQuiet(t, func(ctx context.Context, e *appevents.MessageEvent) error {
		if _, ok := ctx.Deadline(); !ok || ctx.Err() != nil {
			return errors.New("no time")
		}
		return nil
	})
	serve := hookServe(t, hook)
	require.LessOrEqual(t, testing.AllocsPerRun(100, func() {
		if serve() != http.StatusOK {
			panic("not accepted")
		}
	}), 4.0)
}

func TestVerifier_VerifyDoesNotAllocate(t *testing.T) { //nolint:paralleltest // it counts allocations
	verifier, err := appevents.NewVerifier("one", "two")
	require.NoError(t, err)
	body := benchBody(1, 1)
	header := http.Header{"X-Hub-Signature-256": {verifier.Sign(body)}}
	// The pools may be emptied once by the garbage collector.
	require.Less(t, testing.AllocsPerRun(1000, func() {
		if verifier.Verify(body, header) != nil {
			panic("not verified")
		}
	}), 1.0)
}
