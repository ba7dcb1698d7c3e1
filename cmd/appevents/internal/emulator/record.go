package emulator

import (
	"slices"
	"strings"
	"time"

	"github.com/appevents/appevents-go/graphtest"
)

// store is all that a session consists of.
type store struct {
	Schema    int
	Rev       int64
	NextID    int64
	NextTurn  int64
	Bytes     int64
	Forgotten int64
	Lost      int64 // the highest revision that is not kept: who has not read up to it missed something
	Exchanges []*Exchange
	Turns     []*Turn
	Messages  []*Message
	People    []*Person
	Pages     []*pageData
	App       subscription
	Cells     map[string]*cell
	Seen      map[string]seen // what would count twice -> when it was last accepted
	Leads     []Lead
	Currency  map[string]string // Page -> first currency
	Findings  []Finding
	Unknown   []string
	Offset    time.Duration
	Probe     *ProbeReport

	User           access        // what the token of the person who connected the Pages may do
	OtherSecret    bool          // what the bot signs with is another app's secret
	Datasets       []*dataset    // of the Pages
	DatasetsClosed bool          // no others exist
	Skew           time.Duration // of the Date header
	Usage          int           // per cent of the limits; 0 = no headers
}

func (e *Emulator) newStore() store {
	s := store{
		Schema: 1, Rev: 1, NextID: 1, NextTurn: 1,
		Cells: map[string]*cell{}, Seen: map[string]seen{}, Currency: map[string]string{},
		Pages: []*pageData{{ID: e.cfg.PageID, Name: e.cfg.PageName}},
	}
	s.People = []*Person{
		{PSID: graphtest.DefaultPSID, Page: e.cfg.PageID, Name: "Kim Berg", FirstName: "Kim", LastName: "Berg",
			Locale: "en_US"},
		{PSID: "6543210987654322", Page: e.cfg.PageID, Name: "Lee Park", FirstName: "Lee", LastName: "Park",
			Locale: "en_US", Ad: "6302572858686", Ref: "spring_1"},
	}
	return s
}

// touch says that something changed. The lock is held.
func (e *Emulator) touch() {
	e.s.Rev++
	close(e.changed)
	e.changed = make(chan struct{})
}

// Changed returns the present revision and a channel that is closed at the next change.
func (e *Emulator) Changed() (rev int64, changed <-chan struct{}) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.s.Rev, e.changed
}

// add records a new exchange. The lock is held.
func (e *Emulator) add(x *Exchange) {
	x.ID = e.s.NextID
	e.s.NextID++
	e.s.Exchanges = append(e.s.Exchanges, x)
	e.s.Bytes += size(x)
	e.update(x)
	for len(e.s.Exchanges) > e.cfg.Max || e.s.Bytes > maxBytes && len(e.s.Exchanges) > 1 {
		e.s.Bytes -= size(e.s.Exchanges[0])
		e.s.Lost = max(e.s.Lost, e.s.Exchanges[0].Rev)
		e.s.Exchanges = slices.Delete(e.s.Exchanges, 0, 1)
		e.s.Forgotten++
	}
	first := e.s.Exchanges[0].ID
	for len(e.s.Turns) > 0 && e.s.Turns[0].Webhook < first {
		e.s.Turns = slices.Delete(e.s.Turns, 0, 1)
	}
}

// update gives a changed exchange its revision. The lock is held.
func (e *Emulator) update(x *Exchange) {
	e.touch()
	x.Rev = e.s.Rev
	if e.find(x.ID) == nil { // it made room for newer ones while it was on its way
		e.s.Lost = x.Rev
	}
}

// resize replaces the bodies of a recorded exchange. The lock is held.
func (e *Emulator) resize(x *Exchange, request, response string) {
	kept := e.find(x.ID) != nil
	if kept {
		e.s.Bytes -= size(x)
	}
	x.Request, x.Response = request, response
	if kept {
		e.s.Bytes += size(x)
	}
}

func size(x *Exchange) int64 { return int64(len(x.Request) + len(x.Response) + 1024) }

// find returns a recorded exchange. The lock is held.
func (e *Emulator) find(id int64) *Exchange {
	if len(e.s.Exchanges) == 0 {
		return nil
	}
	n := id - e.s.Exchanges[0].ID
	if n < 0 || n >= int64(len(e.s.Exchanges)) {
		return nil
	}
	return e.s.Exchanges[n]
}

// turn returns a recorded turn. The lock is held.
func (e *Emulator) turn(id int64) *Turn {
	if id == 0 || len(e.s.Turns) == 0 {
		return nil
	}
	n := id - e.s.Turns[0].ID
	if n < 0 || n >= int64(len(e.s.Turns)) {
		return nil
	}
	return e.s.Turns[n]
}

// lastTurn returns the latest turn of a person. The lock is held.
func (e *Emulator) lastTurn(page, psid string) *Turn {
	if psid == "" {
		return nil
	}
	for _, t := range slices.Backward(e.s.Turns) {
		if t.PSID == psid && (page == "" || t.Page == page) {
			return t
		}
	}
	return nil
}

// person returns somebody known. An empty Page means any. The lock is held.
func (e *Emulator) person(page, psid string) *Person {
	for _, p := range e.s.People {
		if p.PSID == psid && (page == "" || p.Page == page) {
			return p
		}
	}
	return nil
}

func (e *Emulator) personName(page, psid string) string {
	if p := e.person(page, psid); p != nil {
		return p.Name
	}
	return ""
}

// bubble adds a message to a conversation. The lock is held.
func (e *Emulator) bubble(m *Message) {
	if len(e.s.Messages) >= maxMessages {
		e.s.Messages = slices.Delete(e.s.Messages, 0, 1)
	}
	e.s.Messages = append(e.s.Messages, m)
}

// clean removes every credential the emulator knows, and those given, from a text. The longest goes first: one secret
// may be part of another.
func (e *Emulator) clean(s string, more ...string) string {
	secrets := append([]string{
		e.creds.AppID + "|" + e.creds.AppSecret, e.creds.PageAccessToken, e.creds.AppSecret, e.creds.VerifyToken,
	}, more...)
	if strings.Contains(s, madeToken) {
		secrets = append(secrets, e.userToken())
		for _, p := range e.s.Pages {
			secrets = append(secrets, e.pageToken(p))
		}
	}
	slices.SortFunc(secrets, func(a, b string) int { return len(b) - len(a) })
	for _, secret := range secrets {
		if len(secret) >= 6 {
			s = strings.ReplaceAll(s, secret, graphtest.Redacted)
		}
	}
	return s
}

// Exchanges returns what changed after a revision, in the order of its changes, at most limit; gap says that some of it
// is no longer kept. rev is where to go on.
func (e *Emulator) Exchanges(after int64, limit int) (list []Exchange, rev int64, gap bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, x := range e.s.Exchanges {
		if x.Rev > after {
			list = append(list, x.clone())
		}
	}
	slices.SortFunc(list, func(a, b Exchange) int { return int(a.Rev - b.Rev) })
	rev = e.s.Rev
	if limit > 0 && len(list) > limit {
		list = list[:limit]
		rev = list[limit-1].Rev
	}
	return list, rev, after > 0 && after < e.s.Lost
}

// Exchange returns one exchange.
func (e *Emulator) Exchange(id int64) (Exchange, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if x := e.find(id); x != nil {
		return x.clone(), true
	}
	return Exchange{}, false
}

// Turns returns the latest turns, the newest last.
func (e *Emulator) Turns(limit int) []Turn {
	e.mu.Lock()
	defer e.mu.Unlock()
	from := 0
	if limit > 0 {
		from = max(0, len(e.s.Turns)-limit)
	}
	list := make([]Turn, 0, len(e.s.Turns)-from)
	for _, t := range e.s.Turns[from:] {
		c := *t
		c.Events, c.Exchanges, c.Rules = slices.Clone(t.Events), slices.Clone(t.Exchanges), slices.Clone(t.Rules)
		list = append(list, c)
	}
	return list
}

// Messages returns the latest bubbles of one conversation, the newest last.
func (e *Emulator) Messages(page, psid string, limit int) []Message {
	e.mu.Lock()
	defer e.mu.Unlock()
	var list []Message
	for _, m := range e.s.Messages {
		if m.PSID == psid && (page == "" || m.Page == page) {
			list = append(list, *m)
		}
	}
	return list[max(0, len(list)-limit):]
}

func (x *Exchange) clone() Exchange {
	c := *x
	c.Events, c.Problems, c.Rules = slices.Clone(x.Events), slices.Clone(x.Problems), slices.Clone(x.Rules)
	if x.Error != nil {
		copied := *x.Error
		c.Error = &copied
	}
	return c
}
