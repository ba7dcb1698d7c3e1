package emulator

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"log/slog"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/appevents/appevents-go/graphtest"
)

// A Config says what an Emulator knows and insists on. Its zero value is a good default: one app, one Page, two people,
// made-up credentials, and no bot until SetBot.
type Config struct {
	BotURL      string // where webhooks go; "" = nowhere yet
	ExpectBot   bool   // the bot's URL will come through SetBot: not ready until then
	AppID       string // defaults to an app that exists in the emulator only
	AppSecret   string // defaults to a random one, as do the tokens
	VerifyToken string
	PageID      string
	PageToken   string
	PageName    string // defaults to "Mug Shop"

	AcceptPageActivities bool // serve /page_activities on v20.0 and older
	RequireProof         bool // refuse calls without appsecret_proof
	Strict               bool // refuse what Graph is only expected to dislike
	NoSHA1               bool // leave out the old X-Hub-Signature header

	Max         int                            // exchanges that are kept; defaults to 5,000
	Seed        int64                          // makes credentials repeatable; 0 = random
	SessionFile string                         // state is restored from it and saved to it, by one at a time; "" = nowhere
	Hosts       []string                       // further names by which the port may be called
	Now         func() time.Time               // defaults to time.Now
	Logger      *slog.Logger                   // defaults to none
	Page        func(e *Emulator) http.Handler // page.New; nil = no page
	Transport   http.RoundTripper              // to the bot; defaults to one without a proxy
}

// The bounds of what is kept in memory.
const (
	defaultMax  = 5000
	maxPeople   = 200
	maxMessages = 5000
	maxBytes    = 64 << 20 // of recorded bodies
	maxShown    = 64 << 10 // of one body of a call
	maxBody     = 8 << 20  // of a request
	maxFaults   = 1000
	maxFindings = 1000
)

// An Emulator stands in for Meta. It is safe for concurrent use.
type Emulator struct {
	cfg    Config
	creds  Credentials
	graph  *graphtest.Server
	api    *http.ServeMux
	page   http.Handler
	client *http.Client
	log    *slog.Logger
	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	work   sync.WaitGroup
	auto   chan webhook // echoes and receipts, in order
	closed sync.Once

	release func() // gives the session file to others

	mu      sync.Mutex
	s       store
	bot     string
	shake   handshake
	queue   *QueueReport // what the bot's queue last said
	notice  string       // what is wrong with the last form of a browser without JavaScript
	faults  []fault
	pending map[string]*call
	changed chan struct{} // closed and replaced at each change
}

type handshake struct {
	state string
	why   string
	doubt string // what is odd about one that is ok
	took  time.Duration
}

// New returns an Emulator. It has no socket; mount it in an http.Server. Close it after that server. The error is
// [ErrSessionInUse] while another Emulator has the session file.
func New(cfg Config) (*Emulator, error) {
	defaults(&cfg)
	e := &Emulator{
		cfg: cfg,
		creds: Credentials{
			AppID: cfg.AppID, AppSecret: cfg.AppSecret, VerifyToken: cfg.VerifyToken,
			PageID: cfg.PageID, PageAccessToken: cfg.PageToken,
		},
		log:     cfg.Logger,
		auto:    make(chan webhook, 1000),
		pending: map[string]*call{},
		changed: make(chan struct{}),
		shake:   handshake{state: "none"},
		client: &http.Client{
			Transport:     cfg.Transport,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
	if cfg.BotURL != "" {
		if err := checkBot(cfg.BotURL); err != nil {
			return nil, err
		}
		e.bot = cfg.BotURL
	}
	if err := e.claim(); err != nil {
		return nil, err
	}
	e.s = e.newStore()
	err := e.restore()
	if err == nil {
		err = e.save() // better now than when there is something to lose
	}
	if err != nil {
		e.release()
		return nil, err
	}
	e.graph = graphtest.New(e.graphOptions()...)
	e.ctx, e.cancel = context.WithCancel(context.Background())
	e.api = e.routes()
	if cfg.Page != nil {
		e.page = cfg.Page(e)
	}
	e.work.Go(e.sendAuto)
	if cfg.SessionFile != "" {
		e.work.Go(e.saveEvery)
	}
	return e, nil
}

func defaults(cfg *Config) {
	text := func(p *string, value string) {
		if *p == "" {
			*p = value
		}
	}
	random := func(n int) string {
		b := make([]byte, n)
		_, _ = rand.Read(b) // never fails
		return hex.EncodeToString(b)
	}
	if cfg.Seed != 0 {
		source := mathrand.New(mathrand.NewPCG(uint64(cfg.Seed), 1)) //nolint:gosec // asked to be repeatable
		random = func(n int) string {
			b := make([]byte, n)
			for i := range b {
				b[i] = byte(source.UintN(256)) //nolint:gosec // below 256
			}
			return hex.EncodeToString(b)
		}
	}
	text(&cfg.AppID, fmt.Sprint(int64(graphtest.DefaultEchoAppID)))
	text(&cfg.PageID, graphtest.DefaultPageID)
	text(&cfg.PageName, "Mug Shop")
	text(&cfg.AppSecret, random(16))
	text(&cfg.VerifyToken, "verify-"+random(8))
	text(&cfg.PageToken, "EAAemulated"+random(24))
	if cfg.Max <= 0 {
		cfg.Max = defaultMax
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Transport == nil {
		cfg.Transport = &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 4, IdleConnTimeout: time.Minute}
	}
}

// graphHosts are the names under which bots ask for Graph through the interceptor.
func graphHost(host string) bool {
	return host == "graph.facebook.com" || host == "graph.instagram.com"
}

// ServeHTTP answers the page, its API and Graph.
func (e *Emulator) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	host := hostOnly(r.Host)
	if !e.knownHost(host) {
		http.Error(w, "this port is not called by that name", http.StatusMisdirectedRequest)
		return
	}
	if !sameOrigin(r) {
		http.Error(w, "requests from other origins are refused", http.StatusForbidden)
		return
	}
	own := r.URL.Path == "/-" || strings.HasPrefix(r.URL.Path, "/-/") ||
		r.URL.Path == "/" && (r.Method == http.MethodGet || r.Method == http.MethodHead)
	if graphHost(host) || !own {
		e.serveGraph(w, r)
		return
	}
	secure(w.Header())
	switch {
	case strings.HasPrefix(r.URL.Path, "/-/api/"):
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		e.api.ServeHTTP(w, r)
	case r.URL.Path == "/-/events" && (e.page == nil || r.URL.Query().Get("as") != "html"):
		e.serveEvents(w, r)
	case e.page != nil:
		e.page.ServeHTTP(w, r)
	default:
		http.NotFound(w, r)
	}
}

// secure sets the headers under which nothing foreign is loaded and nobody frames the page.
func secure(h http.Header) {
	h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "+
		"img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "same-origin") // no-referrer makes the Origin of a plain form "null"
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
}

func hostOnly(hostport string) string {
	host := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		host = h
	}
	return strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
}

// knownHost reports whether a request may come by this name. A name that somebody else's DNS points here is not one.
func (e *Emulator) knownHost(host string) bool {
	if host == "localhost" || graphHost(host) || net.ParseIP(host) != nil {
		return true
	}
	for _, name := range e.cfg.Hosts {
		if hostOnly(name) == host {
			return true
		}
	}
	return false
}

// sameOrigin refuses what other sites' pages send, whatever the method; http.CrossOriginProtection lets their GET pass.
func sameOrigin(r *http.Request) bool {
	if origin := r.Header.Get("Origin"); origin != "" {
		u, err := url.Parse(origin)
		return err == nil && u.Host != "" && strings.EqualFold(u.Host, r.Host)
	}
	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "none", "same-origin":
		return true
	}
	// Somebody followed a link to the page.
	return r.Method == http.MethodGet && r.URL.Path == "/" && r.Header.Get("Sec-Fetch-Mode") == "navigate"
}

func checkBot(bot string) error {
	u, err := url.Parse(bot)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return fmt.Errorf("emulator: the bot's URL must be that of its webhook, such as http://127.0.0.1:3000/webhook")
	}
	return nil
}

// SetBot says where webhooks go: the whole URL of the bot's webhook. A URL that cannot be one means nowhere.
func (e *Emulator) SetBot(bot string) {
	if checkBot(bot) != nil {
		bot = ""
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.bot != bot {
		e.bot, e.shake = bot, handshake{state: "none"}
		e.touch()
	}
}

// Credentials returns what a bot under the emulator is to be given.
func (e *Emulator) Credentials() Credentials { return e.creds }

// Close ends calls that are held open, stops deliveries and saves the session. Closing again does nothing.
func (e *Emulator) Close() error {
	var err error
	e.closed.Do(func() {
		e.cancel()
		e.graph.Close()
		e.work.Wait()
		e.client.CloseIdleConnections()
		err = e.save()
		e.release()
	})
	return err
}

// now is the time on the wire.
func (e *Emulator) now() time.Time { return e.cfg.Now().UTC() }

// later is the time in the conversation: now, and what "+25 h" added. Only the 24-hour window goes by it, so that the
// times of events and webhooks stay true.
func (e *Emulator) later() time.Time { return e.now().Add(e.s.Offset) }

// Clock returns the time in the conversation.
func (e *Emulator) Clock() time.Time {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.later()
}
