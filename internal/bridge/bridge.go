// Package bridge is what the delivery module may ask of a client and programs may not. The root package fills it in; a
// method would be part of everybody's API.
package bridge

import "context"

// Client is what delivery needs to know of a client.
type Client interface {
	// MaxEvents is how many events of one person travel in one request.
	MaxEvents() int

	// TokenFingerprint is a digest of the token that a call would carry now, "" when there is none. It tells whether a
	// token that Graph did not accept has been replaced, without showing it. The call is an appevents.Call. It asks the
	// token source; an error of that is returned without the app secret.
	TokenFingerprint(ctx context.Context, call any) (string, error)
}

// Of returns the Client behind an *appevents.Client, which must come from appevents.New.
var Of func(client any) Client
