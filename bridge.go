package appevents

import (
	"context"
	"fmt"

	"github.com/appevents/appevents-go/internal/bridge"
)

// Set while variables are initialised, before any code of another package can ask.
var _ = func() bool {
	bridge.Of = func(client any) bridge.Client {
		c, _ := client.(*Client)
		return bridged{c}
	}
	return true
}()

// bridged shows module delivery what is nobody else's business.
type bridged struct{ client *Client }

func (b bridged) MaxEvents() int {
	if b.client.made() != nil {
		return defaultMaxEvents
	}
	return b.client.maxEvents
}

func (b bridged) TokenFingerprint(ctx context.Context, call any) (string, error) {
	if err := b.client.made(); err != nil {
		return "", err
	}
	c, ok := call.(Call)
	if !ok {
		return "", fmt.Errorf("appevents: %T is no Call", call)
	}
	return b.client.signer.fingerprint(ctx, c.Scope())
}
