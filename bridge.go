package appevents

import (
	"context"
	"fmt"

	"github.com/appevents/appevents-go/internal/bridge"
)

// This runs before any code that imports this package.
var _ = func() bool {
	bridge.Of = func(client any) bridge.Client {
		c, _ := client.(*Client)
		return bridged{c}
	}
	return true
}()

// bridged is a client as module delivery sees it.
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
		return "", fmt.Errorf("appevents: %T is not a Call", call)
	}
	return b.client.signer.fingerprint(ctx, c.Scope())
}
