package emulator

import "time"

// Credentials are what a bot under the emulator is given instead of real ones.
type Credentials struct {
	AppID           string
	AppSecret       string
	VerifyToken     string
	PageID          string
	PageAccessToken string
}

// The directions of an Exchange.
const (
	DirWebhook = "webhook" // from the emulator to the bot
	DirCall    = "call"    // from the bot to Graph
)

// An Exchange is one request and its answer: a webhook that was sent to the bot, or a call that the bot made.
// Credentials in it have been replaced.
type Exchange struct {
	ID         int64     `json:"id"`
	Rev        int64     `json:"rev"`            // grows with every change of any exchange
	Turn       int64     `json:"turn,omitempty"` // 0: belongs to no turn
	Time       time.Time `json:"time"`
	Done       bool      `json:"done"`
	Direction  string    `json:"direction"`         // DirWebhook or DirCall
	Kind       string    `json:"kind"`              // webhook field, "handshake", or Graph edge ("activities")
	Summary    string    `json:"summary"`           // in a few words: the text, the payload, the names of the events
	Page       string    `json:"page,omitempty"`    // Page ID
	PSID       string    `json:"psid,omitempty"`    // person
	Person     string    `json:"person,omitempty"`  // the person's name
	Again      int64     `json:"again,omitempty"`   // the exchange that this one delivers again
	Auto       bool      `json:"auto,omitempty"`    // an echo or receipt that followed from a send; part of its turn
	Skipped    string    `json:"skipped,omitempty"` // why the webhook was not sent
	Sign       string    `json:"sign,omitempty"`    // "" signed, "unsigned", "wrong", "sha1-only"
	Method     string    `json:"method"`
	Path       string    `json:"path"`
	Version    string    `json:"version,omitempty"`
	Served     string    `json:"served,omitempty"`
	Status     int       `json:"status"` // 0: no answer
	DurationMS float64   `json:"duration_ms"`
	Failure    string    `json:"failure,omitempty"` // why there was no answer
	Unsent     bool      `json:"unsent,omitempty"`  // the webhook never left: there was no connection to the bot
	Accepted   bool      `json:"accepted"`          // Graph took the call, or the bot the webhook
	Fault      string    `json:"fault,omitempty"`   // the injected fault that met the call
	Error      *Error    `json:"error,omitempty"`   // Graph's refusal
	Events     []Event   `json:"events,omitempty"`  // the app events and conversions in the call
	Problems   []Problem `json:"problems,omitempty"`
	Rules      []Finding `json:"rules,omitempty"` // what the rules across calls found
	Request    string    `json:"request,omitempty"`
	Response   string    `json:"response,omitempty"`

	answered time.Time
}

// An Error is Graph's refusal of a call.
type Error struct {
	Code    int    `json:"code"`
	Subcode int    `json:"subcode,omitempty"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
}

// An Event is one app event or conversion as received.
type Event struct {
	Name     string         `json:"name"`
	Edge     string         `json:"edge"`
	ID       string         `json:"event_id,omitempty"`
	Time     time.Time      `json:"event_time"`
	Page     string         `json:"page,omitempty"`
	PSID     string         `json:"psid,omitempty"`
	Channel  string         `json:"channel,omitempty"`
	Value    *float64       `json:"value,omitempty"`
	Currency string         `json:"currency,omitempty"`
	Params   map[string]any `json:"params,omitempty"`
	Accepted bool           `json:"accepted"`
	Twice    bool           `json:"twice,omitempty"`
	Ad       string         `json:"ad,omitempty"` // the ad through which the person came
}

// A Problem is one thing wrong with one call. Code is 0 when Graph lets it pass.
type Problem struct {
	Field     string `json:"field"`
	Rule      string `json:"rule"`
	Message   string `json:"message"`
	Code      int    `json:"code,omitempty"`
	Subcode   int    `json:"subcode,omitempty"`
	Tolerated bool   `json:"tolerated,omitempty"`
}

// A Finding is what a rule across calls (S1 to S12) found.
type Finding struct {
	Rule     string    `json:"rule"`  // "S1"
	Level    string    `json:"level"` // "problem" or "note"
	Message  string    `json:"message"`
	Exchange int64     `json:"exchange"`
	Turn     int64     `json:"turn,omitempty"`
	Time     time.Time `json:"time"`
}

// A Turn is a webhook and every call about its person until the next one.
type Turn struct {
	ID           int64     `json:"id"`
	Time         time.Time `json:"time"`
	Page         string    `json:"page"`
	PSID         string    `json:"psid"`
	Person       string    `json:"person"`
	Kind         string    `json:"kind"`
	Summary      string    `json:"summary"`
	Webhook      int64     `json:"webhook"` // exchange
	Again        int64     `json:"again,omitempty"`
	Status       int       `json:"status"`
	AnswerMS     float64   `json:"answer_ms"`
	FirstEventMS float64   `json:"first_event_ms,omitempty"`
	Replies      int       `json:"replies"`         // messages that the bot sent
	Events       []string  `json:"events"`          // names of the events it logged
	Exchanges    []int64   `json:"exchanges"`       // the webhook first
	Rules        []string  `json:"rules,omitempty"` // of all its exchanges
	Silent       bool      `json:"silent"`          // the bot replied but logged nothing
}

// Counted is what Meta would count of one event.
type Counted struct {
	Received        int                `json:"received"`
	Accepted        int                `json:"accepted"`
	Refused         int                `json:"refused"`
	RefusedBy       map[string]int     `json:"refused_by,omitempty"` // code/subcode -> events
	Twice           int                `json:"twice"`                // accepted again; both count
	Late            Late               `json:"late"`
	Value           map[string]float64 `json:"value,omitempty"` // currency -> sum over what was accepted
	People          int                `json:"people"`
	FromAd          int                `json:"from_ad"`
	ConsentWithheld int                `json:"consent_withheld"` // a tracking flag is 0
	TestOnly        int                `json:"test_only"`        // shown in Test Events only
	By              []CountedRow       `json:"by"`
}

// Late counts the events that came so long after they happened.
type Late struct {
	TwoHours  int `json:"2h"`
	Day       int `json:"24h"`
	SevenDays int `json:"7d"`
}

// A CountedRow is a part of Counted: one channel, Page and day.
type CountedRow struct {
	Channel  string             `json:"channel"`
	Page     string             `json:"page"`
	Day      string             `json:"day"`
	Received int                `json:"received"`
	Accepted int                `json:"accepted"`
	Refused  int                `json:"refused"`
	Twice    int                `json:"twice"`
	Value    map[string]float64 `json:"value,omitempty"`
}

// A Lead is one accepted lead event.
type Lead struct {
	Time   time.Time `json:"time"`
	Event  string    `json:"event"`
	Page   string    `json:"page"`
	PSID   string    `json:"psid"`
	Person string    `json:"person"`
	Ad     string    `json:"ad,omitempty"`
	Turn   int64     `json:"turn,omitempty"`
}

// A Step is one step of the funnel, counted in people.
type Step struct {
	Name   string `json:"name"`
	People int    `json:"people"`
}

// A Person is somebody who can write to a Page.
type Person struct {
	PSID      string    `json:"psid"`
	Page      string    `json:"page"`
	Name      string    `json:"name"`
	FirstName string    `json:"first_name"`
	LastName  string    `json:"last_name,omitempty"`
	Locale    string    `json:"locale"`
	Timezone  float64   `json:"timezone"`
	Ad        string    `json:"ad,omitempty"`  // the ad through which the person came
	Ref       string    `json:"ref,omitempty"` // the ref of the link or ad
	LastWrote time.Time `json:"last_wrote,omitzero"`
	Typing    bool      `json:"typing,omitempty"`       // the bot shows typing dots
	Owner     string    `json:"thread_owner,omitempty"` // the app that has the conversation; "" = the bot's
}

// A Message is one bubble of a conversation.
type Message struct {
	MID      string    `json:"mid"`
	Page     string    `json:"page"`
	PSID     string    `json:"psid"`
	FromBot  bool      `json:"from_bot"`
	Time     time.Time `json:"time"`
	Text     string    `json:"text,omitempty"`
	Kind     string    `json:"kind"` // "text", "image", "template", "postback", ...
	URL      string    `json:"url,omitempty"`
	Buttons  []Button  `json:"buttons,omitempty"`
	Cards    []Card    `json:"cards,omitempty"`
	Persona  string    `json:"persona,omitempty"`
	Exchange int64     `json:"exchange"`
	Turn     int64     `json:"turn,omitempty"`
}

// A Card is one element of a generic template.
type Card struct {
	Title    string   `json:"title"`
	Subtitle string   `json:"subtitle,omitempty"`
	ImageURL string   `json:"image_url,omitempty"`
	Buttons  []Button `json:"buttons,omitempty"`
}

// A Button is something in a message, or in the menu, that a person can press.
type Button struct {
	Type    string `json:"type"` // "quick_reply", "postback", "web_url", "phone_number", "user_email", ...
	Title   string `json:"title"`
	Payload string `json:"payload,omitempty"`
	URL     string `json:"url,omitempty"`
}

// A FaultState is one fault that waits for its call.
type FaultState struct {
	Fault string `json:"fault"`
	Edge  string `json:"edge,omitempty"`
	Page  string `json:"page,omitempty"`
}

// A PageState is one Page and what was set for it.
type PageState struct {
	ID          string   `json:"id"`
	Name        string   `json:"name"`
	Subscribed  []string `json:"subscribed_fields,omitempty"`
	GetStarted  string   `json:"get_started,omitempty"`
	Greeting    string   `json:"greeting,omitempty"`
	Menu        []Button `json:"menu,omitempty"`
	IceBreakers []Button `json:"ice_breakers,omitempty"`
	Personas    int      `json:"personas"`
	ProfileKeys []string `json:"profile,omitempty"`

	PageSubscribed bool         `json:"subscribed"`                      // whether the app is subscribed to the Page
	Dataset        string       `json:"dataset,omitempty"`               // attached to it
	Token          string       `json:"token"`                           // "valid", or how it died: one of TokenStates
	TokenExpires   time.Time    `json:"token_expires_at,omitzero"`       // zero: never
	DataAccess     time.Time    `json:"data_access_expires_at,omitzero"` // zero: in 90 days
	Granted        []string     `json:"granted"`                         // permissions of its token
	Denied         []string     `json:"denied"`                          // permissions its token lacks
	Labels         []LabelState `json:"labels,omitempty"`
}

// A LabelState is a label that the bot sticks to people.
type LabelState struct {
	ID     string   `json:"id"`
	Name   string   `json:"name"`
	People []string `json:"people"`
}

// A DatasetState is a dataset and the Pages attached to it.
type DatasetState struct {
	ID    string   `json:"id"`
	Name  string   `json:"name"`
	Pages []string `json:"pages"`
}

// A State is all but the record.
type State struct {
	Schema     int            `json:"schema"` // 1
	Rev        int64          `json:"rev"`
	AppID      string         `json:"app_id"`
	Bot        string         `json:"bot,omitempty"` // URL of the bot's webhook, without its query
	Handshake  string         `json:"handshake"`     // "none", "ok" or "failed"
	HandshakeE string         `json:"handshake_error,omitempty"`
	HandshakeW string         `json:"handshake_warning,omitempty"` // what is odd about one that is ok
	HandshakeM float64        `json:"handshake_ms,omitempty"`
	Pages      []PageState    `json:"pages"`
	People     []Person       `json:"people"`
	Faults     []FaultState   `json:"faults"`
	Subscribed []string       `json:"subscribed_fields,omitempty"` // of the app
	Callback   string         `json:"callback_url,omitempty"`      // recorded, not used
	Offset     string         `json:"clock_offset"`                // "25h0m0s"
	Skew       string         `json:"clock_skew"`                  // of Graph's Date header, "-10m0s"
	Usage      int            `json:"usage_percent"`               // what the usage headers say; 0: none are sent
	Secret     string         `json:"app_secret"`                  // "own", or "other": signatures of the bot are refused
	AppSet     bool           `json:"app_subscribed"`              // the bot subscribed the app
	Datasets   []DatasetState `json:"datasets"`
	NoOther    bool           `json:"datasets_closed"` // one was declared: others do not exist
	Exchanges  int            `json:"exchanges"`
	Forgotten  int64          `json:"forgotten"` // exchanges that made room for newer ones
	Turns      int            `json:"turns"`
	Findings   []Finding      `json:"rules"`
	Unknown    []string       `json:"unknown,omitempty"` // paths that were asked for and are not emulated
	Probe      *ProbeReport   `json:"probe,omitempty"`
}

// A ProbeReport says how the bot met forged webhooks.
type ProbeReport struct {
	Time    time.Time     `json:"time"`
	OK      bool          `json:"ok"`
	Results []ProbeResult `json:"results"`
}

// A ProbeResult is one forged webhook: whether the bot refused it, and should have.
type ProbeResult struct {
	Name    string `json:"name"` // "unsigned", "wrong", "sha1-only"
	Refused bool   `json:"refused"`
	Want    string `json:"want"` // "refused" or "either"
	Status  int    `json:"status"`
	Failure string `json:"failure,omitempty"`
}
