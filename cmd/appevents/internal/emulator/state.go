package emulator

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/url"
	"slices"
	"time"
)

// State returns all but the record.
func (e *Emulator) State() State {
	e.mu.Lock()
	defer e.mu.Unlock()
	s := State{
		Schema: 1, Rev: e.s.Rev, AppID: e.creds.AppID, Bot: shownBot(e.bot),
		Handshake: e.shake.state, HandshakeE: e.shake.why, HandshakeW: e.shake.doubt, HandshakeM: millis(e.shake.took),
		Subscribed: slices.Clone(e.s.App.Fields), Callback: e.s.App.Callback, Offset: e.s.Offset.String(),
		Exchanges: len(e.s.Exchanges), Forgotten: e.s.Forgotten, Turns: len(e.s.Turns),
		Findings: slices.Clone(e.s.Findings), Unknown: slices.Clone(e.s.Unknown),
		Faults: []FaultState{}, People: []Person{},
		Skew: e.s.Skew.String(), Usage: e.s.Usage, Secret: "own", AppSet: e.s.App.Set, Datasets: []DatasetState{},
		NoOther: e.s.DatasetsClosed,
	}
	if e.s.OtherSecret {
		s.Secret = "other"
	}
	for _, d := range e.s.Datasets {
		s.Datasets = append(s.Datasets, DatasetState{d.ID, d.Name, append([]string{}, d.Pages...)})
	}
	if s.Findings == nil {
		s.Findings = []Finding{}
	}
	if e.s.Probe != nil {
		copied := *e.s.Probe
		s.Probe = &copied
	}
	for _, p := range e.s.Pages {
		state := p.state(e.now())
		if d := e.datasetOf(p.ID); d != nil {
			state.Dataset = d.ID
		}
		s.Pages = append(s.Pages, state)
	}
	for _, p := range e.s.People {
		s.People = append(s.People, *p)
	}
	for _, f := range e.faults {
		s.Faults = append(s.Faults, f.FaultState)
	}
	return s
}

func (p *pageData) state(now time.Time) PageState {
	s := PageState{
		ID: p.ID, Name: p.Name, Subscribed: slices.Clone(p.Subscribed.Fields), Personas: len(p.Personas),
		Menu: rawButtons(p.Profile["persistent_menu"]), IceBreakers: rawButtons(p.Profile["ice_breakers"]),
		ProfileKeys: slices.Sorted(maps.Keys(p.Profile)), PageSubscribed: p.Subscribed.Set,
		Token: "valid", TokenExpires: p.Access.Expires, DataAccess: p.Access.DataAccess,
		Granted: []string{}, Denied: append([]string{}, p.Access.Denied...),
	}
	if p.Access.dead(now) != nil {
		s.Token = or(p.Access.State, "expired")
	}
	for _, name := range Permissions {
		if p.Access.allows(name) {
			s.Granted = append(s.Granted, name)
		}
	}
	for _, l := range p.Labels {
		s.Labels = append(s.Labels, LabelState{l.ID, l.Name, append([]string{}, l.People...)})
	}
	var started struct{ Payload string }
	if json.Unmarshal(p.Profile["get_started"], &started) == nil {
		s.GetStarted = started.Payload
	}
	var greeting []struct{ Text string }
	if json.Unmarshal(p.Profile["greeting"], &greeting) == nil && len(greeting) > 0 {
		s.Greeting = greeting[0].Text
	}
	return s
}

// shownBot is the bot's URL without what may be secret in it.
func shownBot(bot string) string {
	u, err := url.Parse(bot)
	if err != nil || bot == "" {
		return ""
	}
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
}

// Ready returns nil once webhooks can be delivered: the bot has confirmed its webhook, or listens, or none is expected.
func (e *Emulator) Ready(ctx context.Context) error {
	e.mu.Lock()
	bot, ok := e.bot, e.shake.state == "ok"
	e.mu.Unlock()
	switch {
	case ok, bot == "" && !e.cfg.ExpectBot:
		return nil
	case bot == "":
		return fmt.Errorf("the bot does not listen yet")
	}
	u, err := url.Parse(bot)
	if err != nil {
		return fmt.Errorf("the bot's URL is none")
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", net.JoinHostPort(u.Hostname(), port))
	if err != nil {
		return fmt.Errorf("the bot does not listen at %s", shownBot(bot))
	}
	return conn.Close()
}

// Advance lets time pass in the conversation: the 24-hour window goes by it, and nothing on the wire does.
func (e *Emulator) Advance(d time.Duration) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if d < 0 || e.s.Offset+d > 10*365*24*time.Hour {
		return &InputError{Field: "advance", Message: "must be a duration such as 25h, below ten years"}
	}
	e.s.Offset += d
	e.touch()
	return nil
}

// ResetClock takes back what Advance did. Nobody has then written in the future.
func (e *Emulator) ResetClock() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.s.Offset, e.s.Skew = 0, 0
	for _, p := range e.s.People {
		if p.LastWrote.After(e.now()) {
			p.LastWrote = e.now()
		}
	}
	e.touch()
}

// SetSkew sets by how much the Date header of Graph's answers is off.
func (e *Emulator) SetSkew(text string) error {
	d, err := time.ParseDuration(text)
	if err != nil || d.Abs() > 10*365*24*time.Hour {
		return &InputError{Field: "skew", Message: "must be a duration such as 10m or -1h"}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.s.Skew = d
	e.touch()
	return nil
}

// SetUsage sets how much of the limits the usage headers of Graph's answers say is used up; 0 sends none.
func (e *Emulator) SetUsage(percent int) error {
	if percent < 0 || percent > 1000 {
		return &InputError{Field: "percent", Message: "must be 0 to 1000"}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.s.Usage = percent
	e.touch()
	return nil
}

// Reset forgets the record, what was counted, faults, people that were added and what was taken from the tokens; what
// bots set up (subscriptions, profile, personas, datasets), Pages and credentials stay.
func (e *Emulator) Reset() {
	e.mu.Lock()
	defer e.mu.Unlock()
	fresh := e.newStore()
	fresh.Rev, fresh.NextID, fresh.NextTurn = e.s.Rev, e.s.NextID, e.s.NextTurn
	fresh.Pages, fresh.App = e.s.Pages, e.s.App
	fresh.Datasets, fresh.DatasetsClosed = e.s.Datasets, e.s.DatasetsClosed
	for _, p := range fresh.Pages {
		p.Access = access{}
	}
	fresh.Lost = e.s.Rev + 1 // whoever follows the record has to begin anew
	e.s, e.faults, e.queue = fresh, nil, nil
	e.touch()
}
