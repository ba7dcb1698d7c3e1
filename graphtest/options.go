package graphtest

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// An Option changes what the server knows or insists on.
type Option func(*config)

type config struct {
	appID          string
	appSecret      string
	requireProof   bool
	tokens         map[string]Grant
	versions       []string
	pageEdgeGone   bool
	datasets       map[string][]string
	closedDatasets bool // datasets not in the map do not exist
	rows           map[string][]string
	appLink        string
	header         http.Header
	now            func() time.Time
	decide         func(Call) Fault
	observe        func(Call)
	maxCalls       int
	strict         bool
}

func newConfig(opts []Option) config {
	cfg := config{
		tokens:   map[string]Grant{},
		versions: []string{"v21.0", "v22.0", "v23.0", "v24.0", "v25.0", "v26.0"},
		datasets: map[string][]string{},
		rows:     map[string][]string{},
		appLink:  `{"is_fb":false}`,
		header:   http.Header{},
		now:      time.Now,
		maxCalls: 100_000,
	}
	for _, opt := range opts {
		if opt != nil {
			opt(&cfg)
		}
	}
	return cfg
}

// The types of token a [Grant] may have, in the words of /debug_token.
const (
	TokenUser       = "USER"
	TokenPage       = "PAGE"
	TokenApp        = "APP"
	TokenSystemUser = "SYSTEM_USER"
)

// A Grant is what a declared token may do.
type Grant struct {
	Type        string    // one of the Token constants; defaults to TokenUser
	AppID       string    // app the token belongs to; defaults to the app of WithAppID
	Pages       []string  // Pages it is good for; none means every Page
	Permissions []string  // permissions granted, such as "page_events"; nil means all
	ExpiresAt   time.Time // end of life; zero means never
	Expired     bool      // refuse it with code 190, subcode 463
	Subcode     int       // refuse it with code 190 and this subcode, such as 460; 0 means do not
}

func (g *Grant) allows(permission string) bool {
	return g.Permissions == nil || slices.Contains(g.Permissions, permission)
}

func (g *Grant) covers(pageID string) bool {
	return len(g.Pages) == 0 || slices.Contains(g.Pages, pageID)
}

// WithAppID names the app. Calls to another app are refused with code 100, subcode 33. Defaults to any app.
func WithAppID(id string) Option { return func(c *config) { c.appID = id } }

// WithAppSecret lets the server check appsecret_proof and the app token "id|secret" the way Graph does: a wrong one is
// refused. Defaults to none: then both are checked for form only.
func WithAppSecret(secret string) Option { return func(c *config) { c.appSecret = secret } }

// WithRequireProof refuses calls that carry a token but no appsecret_proof, like an app with the setting "Require App
// Secret". Defaults to off.
func WithRequireProof() Option { return func(c *config) { c.requireProof = true } }

// WithToken declares an access token. Once one is declared, tokens that are not are refused with code 190, except the
// app token when [WithAppSecret] is given. Defaults to accepting every token for everything.
func WithToken(token string, grant Grant) Option {
	if grant.Type == "" {
		grant.Type = TokenUser
	}
	return func(c *config) { c.tokens[token] = grant }
}

// WithVersions declares the living Graph versions. A call for an older one is served by the oldest of these, as Graph
// does, and one for an unknown newer one is refused. Defaults to v21.0 to v26.0.
func WithVersions(versions ...string) Option {
	return func(c *config) {
		if len(versions) == 0 {
			return
		}
		c.versions = slices.Clone(versions)
		slices.SortFunc(c.versions, compareVersions)
	}
}

// WithoutPageActivities refuses /page_activities on every version. Defaults to serving it on v20.0 and older, as until
// its end, although those versions have expired: whether they still answer is not known.
func WithoutPageActivities() Option { return func(c *config) { c.pageEdgeGone = true } }

// WithDataset declares a dataset and the Pages (or Instagram or WhatsApp Business accounts) attached to it. Once one is
// declared, others do not exist, and messaging conversions must name an attached account, as they must for a dataset
// made through POST /{account}/dataset. Defaults to accepting every dataset for every account.
func WithDataset(id string, accounts ...string) Option {
	return func(c *config) { c.datasets[id], c.closedDatasets = slices.Clone(accounts), true }
}

// WithInsights sets the rows, each a JSON object, that GET /{object}/insights returns. Once rows are set for one
// object, others have none. Defaults to one row with fourteen leads for every object.
func WithInsights(objectID string, rows ...string) Option {
	return func(c *config) { c.rows[objectID] = slices.Clone(rows) }
}

// WithAppLink sets the JSON object that a look-up of a deferred app link is answered with, such as
// {"applink_url":"example://mug"}. Defaults to {"is_fb":false}: no link is waiting.
func WithAppLink(answer string) Option { return func(c *config) { c.appLink = answer } }

// WithHeader adds a header, such as X-App-Usage, to every answer.
func WithHeader(name, value string) Option {
	return func(c *config) { c.header.Set(name, value) }
}

// WithUsage adds an X-App-Usage header that says so many per cent of the app's limit are used up to every answer.
func WithUsage(percent int) Option {
	return WithHeader("X-App-Usage",
		`{"call_count":`+strconv.Itoa(percent)+`,"total_cputime":0,"total_time":0}`)
}

// WithClock sets the clock against which event times, expiry and appsecret_time are judged. It must be safe for
// concurrent use. Defaults to time.Now.
func WithClock(now func() time.Time) Option { return func(c *config) { c.now = now } }

// WithFaults sets a function that is asked for a fault (nil = none) when no injected fault is waiting for the call. It
// sees the call as recorded so far and must be safe for concurrent use. Only the first place of a sequence counts.
func WithFaults(decide func(Call) Fault) Option { return func(c *config) { c.decide = decide } }

// WithObserver sets a function that is told of every call just before it is answered, for programs that print or count
// calls. It must be safe for concurrent use.
func WithObserver(observe func(Call)) Option { return func(c *config) { c.observe = observe } }

// WithMaxCalls sets how many calls are kept; the oldest make room for new ones. Zero keeps none. Defaults to 100,000.
func WithMaxCalls(n int) Option { return func(c *config) { c.maxCalls = max(n, 0) } }

// WithStrict makes [NewServer] fail the test at its end when any call had a Problem, but for those that are Tolerated:
// what Meta's own SDKs send passes. Defaults to off, so that tests of wrong calls can look at the problems themselves.
func WithStrict() Option { return func(c *config) { c.strict = true } }

// serve returns the version that answers a call for version, and false when there is none.
func (c *config) serve(version string) (string, bool) {
	oldest, newest := c.versions[0], c.versions[len(c.versions)-1]
	switch {
	case version == "":
		return newest, true
	case compareVersions(version, oldest) < 0:
		return oldest, true
	}
	for _, v := range c.versions {
		if compareVersions(v, version) >= 0 {
			return v, true
		}
	}
	return newest, false
}

// otherVersion returns a version that is not v.
func (c *config) otherVersion(v string) string {
	for _, other := range c.versions {
		if other != v {
			return other
		}
	}
	return "v1.0"
}

// parseVersion reads "v26.0".
func parseVersion(v string) (major, minor int, ok bool) {
	a, b, found := strings.Cut(strings.TrimPrefix(v, "v"), ".")
	if !found || !strings.HasPrefix(v, "v") || !isDigits(a) || !isDigits(b) || len(a) > 4 || len(b) > 4 {
		return 0, 0, false
	}
	major, _ = strconv.Atoi(a)
	minor, _ = strconv.Atoi(b)
	return major, minor, true
}

func compareVersions(a, b string) int {
	a1, a2, _ := parseVersion(a)
	b1, b2, _ := parseVersion(b)
	if a1 != b1 {
		return a1 - b1
	}
	return a2 - b2
}

// isID reports whether s is a Graph identifier: a positive integer of 64 bits, written without leading zeros.
func isID(s string) bool {
	n, err := strconv.ParseInt(s, 10, 64)
	return err == nil && n > 0 && s[0] >= '1' && s[0] <= '9'
}

func isDigits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }
