package main

import (
	"context"
	"slices"

	"github.com/appevents/appevents-go/cmd/appevents/internal/emulator"
	"github.com/appevents/appevents-go/internal/names"
)

type tailCommand struct {
	emulatorAt

	Edge     string `placeholder:"EDGE" help:"Only calls to this edge, or webhooks of this field."`
	Event    string `placeholder:"NAME" help:"Only calls that log this event."`
	Page     string `placeholder:"ID" help:"Only this Page."`
	Problems bool   `help:"Only what was refused, or breaks a rule."`
}

// Run prints every finished exchange from now on, until it is interrupted or the emulator ends.
func (c *tailCommand) Run(ctx context.Context, p *program) error {
	client, err := c.client(p)
	if err != nil {
		return err
	}
	return client.follow(ctx, -1, func(x emulator.Exchange) (bool, error) {
		if !x.Done || !c.wants(x) {
			return true, nil
		}
		return true, p.printExchange(x)
	})
}

func (c *tailCommand) wants(x emulator.Exchange) bool {
	switch {
	case c.Edge != "" && x.Kind != c.Edge,
		c.Page != "" && x.Page != c.Page,
		c.Event != "" && !slices.ContainsFunc(x.Events, func(e emulator.Event) bool { return sameEvent(e.Name, c.Event) }),
		c.Problems && x.Accepted && len(x.Rules) == 0 && !hasProblem(x):
		return false
	}
	return true
}

func hasProblem(x emulator.Exchange) bool {
	return slices.ContainsFunc(x.Problems, func(p emulator.Problem) bool { return !p.Tolerated })
}

// sameEvent compares the names of events, in the words of any edge.
func sameEvent(a, b string) bool { return a == b || names.Letters(a) == names.Letters(b) }

func (p *program) printExchange(x emulator.Exchange) error {
	if p.json {
		return p.printLine(exchangeJSON{schema, x})
	}
	return p.print("%s", p.describe(p.stdout, x))
}

type exchangeJSON struct {
	Schema int `json:"schema"`
	emulator.Exchange
}
