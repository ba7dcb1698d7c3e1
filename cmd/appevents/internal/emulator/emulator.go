package emulator

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"
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

	Max         int    // exchanges that are kept; defaults to 5,000
	Seed        int64  // makes credentials and IDs repeatable; 0 = random
	SessionFile string // state is restored from and saved to it; "" = nowhere
	Hosts       []string
	Now         func() time.Time               // defaults to time.Now
	Logger      *slog.Logger                   // defaults to none
	Page        func(e *Emulator) http.Handler // page.New; nil = no page
	Transport   http.RoundTripper              // to the bot; defaults to one without a proxy
}

// An Emulator stands in for Meta. It is safe for concurrent use.
type Emulator struct{ cfg Config }

// New returns an Emulator.
func New(cfg Config) (*Emulator, error) { return &Emulator{cfg: cfg}, nil }

func (e *Emulator) ServeHTTP(w http.ResponseWriter, r *http.Request) { http.NotFound(w, r) }

// SetBot says where webhooks go: the whole URL of the bot's webhook.
func (e *Emulator) SetBot(url string) {}

// Credentials returns what a bot under the emulator is to be given.
func (e *Emulator) Credentials() Credentials { return Credentials{} }

// Handshake asks the bot to confirm its webhook.
func (e *Emulator) Handshake(ctx context.Context) error { return errors.New("emulator: no bot") }

// Close ends calls that are held open, stops deliveries and saves the session.
func (e *Emulator) Close() error { return nil }
