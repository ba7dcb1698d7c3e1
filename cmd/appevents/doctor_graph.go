package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/appevents/appevents-go"
	"github.com/appevents/appevents-go/cmd/appevents/internal/emulator"
)

// A doctor is one look at an app, its token and its Page.
type doctor struct {
	p       *program
	c       *doctorCommand
	host    string
	page    string
	token   credential
	secret  credential
	verify  credential
	version string

	signed *appevents.Client // with the app secret, when there is one
	plain  *appevents.Client // with the token alone
	seen   answers

	// What examine found out.
	info     *appevents.TokenInfo
	infoErr  error // of asking with the app token, nil without a secret
	meErr    error // of asking who the token is, with a proof
	plainErr error // the same without one
	gone     error // Graph was not reached, or did not answer
	told     bool  // a finding says so

	current  string // the check that runs
	findings []finding
	failed   error // standard output
}

// answers remembers what the headers of all answers said.
type answers struct {
	base http.RoundTripper

	mu       sync.Mutex
	emulator bool
	served   string
	behind   time.Duration // Graph's clock less ours
	dated    bool
	usage    appevents.Usage
}

// RoundTrip reads the headers of an answer on its way.
func (a *answers) RoundTrip(r *http.Request) (*http.Response, error) {
	begin := time.Now()
	resp, err := a.base.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	took := time.Since(begin)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.emulator = a.emulator || resp.Header.Get(emulator.EmulatorHeader) != ""
	a.served = cmp.Or(resp.Header.Get("Facebook-Api-Version"), a.served)
	if date, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
		// The header has whole seconds; the answer was written somewhere in the middle.
		a.behind, a.dated = date.Add(time.Second/2).Sub(begin.Add(took/2)), true
	}
	return resp, nil
}

// observe keeps the usage headers that say most.
func (a *answers) observe(_ context.Context, info appevents.CallInfo) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if info.Usage.Max() > a.usage.Max() {
		a.usage = info.Usage
	}
}

// now is the time by Graph's clock.
func (d *doctor) now() time.Time { return time.Now().Add(d.seen.behind) }

// doctor gets everything ready. Missing credentials are findings, except the app.
func (c *doctorCommand) doctor(ctx context.Context, p *program) (*doctor, error) {
	d := &doctor{p: p, c: c, page: c.Page, version: cmp.Or(c.GraphVersion, appevents.DefaultGraphVersion)}
	app, err := c.appID(p)
	if err != nil {
		return nil, err
	}
	if d.secret, err = p.appSecret(c.secretFlags, noBody); err != nil && !errors.Is(err, errNoSecret) {
		return nil, err
	}
	if d.token, err = p.accessToken(ctx, c.tokenFlags); err != nil && !errors.Is(err, errNoToken) {
		return nil, err
	}
	if d.verify, err = p.credential("VERIFY_TOKEN"); err != nil {
		return nil, err
	}
	if u, err := url.Parse(c.base()); err == nil {
		d.host = u.Scheme + "://" + u.Host
	}
	d.seen.base = p.toGraph()
	options := []appevents.Option{
		appevents.WithHTTPClient(&http.Client{Transport: &d.seen}), appevents.WithObserver(d.seen.observe),
	}
	if d.plain, err = c.connect(app, append(options, d.tokenOption(false)...)...); err != nil {
		return nil, err
	}
	d.signed = d.plain
	if d.secret.value != "" {
		options = append(options, appevents.WithAppSecret(d.secret.value))
		d.signed, err = c.connect(app, append(options, d.tokenOption(true)...)...)
	}
	return d, err
}

// tokenOption makes calls in the app's own name use the app token, where there is a secret.
func (d *doctor) tokenOption(withSecret bool) []appevents.Option {
	if d.token.value == "" {
		return nil
	}
	return []appevents.Option{appevents.WithTokenSource(appevents.TokenFunc(
		func(_ context.Context, scope appevents.Scope) (string, error) {
			if withSecret && scope.Kind == appevents.ScopeApp {
				return "", nil
			}
			return d.token.value, nil
		}))}
}

// examine asks what most checks need: what Graph knows about the token, and whether it takes its proof.
func (d *doctor) examine(ctx context.Context) {
	if d.token.value == "" {
		// The clock, the version and the secret can be told without one.
		d.infoErr = d.lost(d.signed.Get(ctx, string(d.signed.AppID()), nil, nil))
		return
	}
	if d.secret.value != "" {
		d.info, d.infoErr = d.signed.InspectToken(ctx, d.token.value)
		if d.lost(d.infoErr) != nil && d.gone != nil {
			return
		}
	}
	d.meErr = d.lost(d.signed.Get(ctx, "me", url.Values{"fields": {"id"}}, nil))
	if d.gone != nil {
		return
	}
	if d.meErr != nil && d.secret.value != "" {
		d.plainErr = d.lost(d.plain.Get(ctx, "me", url.Values{"fields": {"id"}}, nil))
	}
	if d.info == nil && d.gone == nil { // the token's own app can be asked with the token itself
		d.info, _ = d.plain.InspectToken(ctx, d.token.value)
	}
	if d.page == "" && d.info != nil {
		d.page = string(d.info.ProfileID)
	}
}

// lost keeps the first error that says that Graph is out of reach.
func (d *doctor) lost(err error) error {
	outcome := appevents.OutcomeOf(err)
	if d.gone == nil && (outcome == appevents.OutcomeUnknown ||
		outcome == appevents.OutcomeNotSent && !errors.Is(err, appevents.ErrNoToken)) {
		d.gone = err
	}
	return err
}

// outOfReach reports it where Graph is. The first check says why.
func (d *doctor) outOfReach() bool {
	switch {
	case d.gone == nil:
		return false
	case !d.told:
		d.told = true
		d.trouble("Graph was not reached", d.gone)
	default:
		d.warn("not checked: Graph was not reached")
	}
	return true
}

// trouble is a FAIL for an error that a call ended with.
func (d *doctor) trouble(what string, err error) {
	f := finding{State: stateFail, Message: what + ": " + d.p.withoutSecrets(err.Error()), code: codeOf(err)}
	if f.code == exitThrottled {
		f.Fixes = []string{"stop calling, and try again later"}
	}
	d.add(f)
}

// graphCode is code and subcode of Graph's refusal, as people look them up.
func graphCode(err error) (code, subcode int, text string) {
	graph, ok := errors.AsType[*appevents.GraphError](err)
	if !ok {
		return 0, 0, ""
	}
	return graph.Code, graph.Subcode, codeText(graph.Code, graph.Subcode)
}

// onEmulator is the call that mends something in the emulator, in front of what people do at Meta.
func (d *doctor) onEmulator(call string, otherwise ...string) []string {
	if d.seen.emulator {
		return append([]string{call}, otherwise...)
	}
	return otherwise
}

// whyDead words the subcodes of 190: https://developers.facebook.com/docs/graph-api/guides/error-handling.
var whyDead = map[int]string{
	458: "the person removed the app", 459: "the person must pass a checkpoint on facebook.com",
	460: "the password was changed", 463: "it has expired", 464: "the person's account is not confirmed",
	467: "it is invalid", 492: "its owner lost the role on the Page",
}

// checkToken says what the token is, and what it lacks.
func (d *doctor) checkToken(ctx context.Context) {
	again := "have %s log in to the app again, and store the new Page token (GET /me/accounts)"
	if d.token.value == "" {
		d.add(finding{State: stateFail, Message: "no access token", code: exitCredentials, Fixes: []string{
			"set APPEVENTS_ACCESS_TOKEN or PAGE_ACCESS_TOKEN, or give --access-token-file"}})
		return
	}
	info := d.info
	if dead := d.deadBy(); dead != "" {
		person := "the person who connected the Page"
		if info != nil && info.UserID != "" {
			person = "person " + string(info.UserID)
		}
		d.add(finding{State: stateFail, Message: "the token is not valid: " + dead, code: exitCredentials,
			Fixes: d.onEmulator("POST /-/api/grants?token=valid&expires=never", fmt.Sprintf(again, person))})
		return
	}
	switch {
	case d.infoErr != nil && !errors.Is(d.infoErr, appevents.ErrAuth):
		d.trouble("nothing is known about the token", d.infoErr)
		return
	case info == nil && d.meErr != nil && d.secret.value == "":
		d.trouble("nothing is known about the token", d.meErr)
		return
	case info == nil && d.secret.value == "":
		d.warn("accepted; what it may do is known only with the app secret")
		return
	case info == nil:
		d.warn("what it may do is not known: see proof")
		return
	}
	if strings.EqualFold(info.Type, "PAGE") && d.page != "" && info.ProfileID != "" && string(info.ProfileID) != d.page {
		d.add(finding{State: stateFail, code: exitCredentials,
			Message: fmt.Sprintf("it is the token of Page %s, not of Page %s", info.ProfileID, d.page),
			Fixes:   []string{"give --page " + string(info.ProfileID) + ", or the token of Page " + d.page}})
		return
	}
	state, ends := stateOK, "never expires"
	if !info.ExpiresAt.IsZero() {
		ends = "expires on " + day(info.ExpiresAt)
		if info.ExpiresAt.Sub(d.now()) < 7*24*time.Hour {
			state = stateWarn
		}
	}
	f := finding{State: state}
	switch until := info.DataAccessExpiresAt; {
	case until.IsZero():
	case !d.now().Before(until):
		f.State, f.code, ends = stateFail, exitCredentials, ends+", data access ended on "+day(until)
		f.Fixes = d.onEmulator("POST /-/api/grants?data_access=2160h", fmt.Sprintf(again, "person "+string(info.UserID)))
	default:
		ends += ", data access until " + day(until)
		if until.Sub(d.now()) < 14*24*time.Hour {
			f.State = stateWarn
		}
	}
	if f.State == stateWarn {
		f.Fixes = d.onEmulator("POST /-/api/grants?expires=never&data_access=2160h",
			fmt.Sprintf(again, "person "+string(info.UserID)))
	}
	f.Message = d.tokenName(ctx) + ", " + ends
	d.add(f)
	d.checkGrants()
}

// deadBy is why the token is not accepted, "" when it is.
func (d *doctor) deadBy() string {
	if d.info != nil && !d.info.Valid {
		return d.deadText(d.info.ErrorCode, d.info.ErrorSubcode)
	}
	err := d.plainErr
	if d.secret.value == "" {
		err = d.meErr
	}
	if !errors.Is(err, appevents.ErrAuth) {
		return ""
	}
	code, subcode, _ := graphCode(err)
	return d.deadText(code, subcode)
}

func (d *doctor) deadText(code, subcode int) string {
	text := whyDead[subcode]
	if text == "" {
		text = "Graph does not accept it"
	}
	if code != 0 {
		text += " (" + codeText(code, subcode) + ")"
	}
	if d.info != nil && !d.info.ExpiresAt.IsZero() && subcode == 463 {
		text += ", on " + day(d.info.ExpiresAt)
	}
	return text
}

// tokenName is what kind of token it is, with the name of the Page but of no person.
func (d *doctor) tokenName(ctx context.Context) string {
	kind := map[string]string{
		"PAGE": "Page token", "USER": "token of a person", "SYSTEM_USER": "system user's token", "APP": "app token",
	}[strings.ToUpper(d.info.Type)]
	if kind == "" {
		kind = "token of type " + d.info.Type
	}
	if d.info.ProfileID == "" {
		return kind
	}
	var page struct{ Name string }
	if d.signed.Get(ctx, string(d.info.ProfileID), url.Values{"fields": {"name"}}, &page) != nil || page.Name == "" {
		return kind + " of " + string(d.info.ProfileID)
	}
	return kind + " of " + page.Name
}

// checkGrants names the permissions that are missing.
func (d *doctor) checkGrants() {
	if strings.EqualFold(d.info.Type, "APP") {
		return
	}
	for _, want := range []struct {
		state   string
		names   []string
		without string
	}{
		{stateFail, []string{"pages_messaging", "page_events"}, "messages and events"},
		{stateWarn, []string{"pages_manage_metadata"}, "the subscriptions of the Page"},
	} {
		var missing []string
		for _, name := range want.names {
			if !d.granted(name) {
				missing = append(missing, name)
			}
		}
		if len(missing) == 0 {
			continue
		}
		list := strings.Join(missing, ",")
		d.add(finding{State: want.state, code: exitCredentials,
			Message: "not granted: " + strings.Join(missing, ", ") + ". Calls for " + want.without + " are refused (200)",
			Fixes: d.onEmulator("POST /-/api/grants?allow="+list,
				"ask person "+string(d.info.UserID)+" for "+list+" at the next login")})
	}
}

// granted reports whether the token has a permission for the Page.
func (d *doctor) granted(name string) bool {
	if !slices.Contains(d.info.Scopes, name) {
		return false
	}
	limited := false
	for _, g := range d.info.GranularScopes {
		if g.Scope != name || d.page == "" {
			continue
		}
		if len(g.TargetIDs) == 0 || slices.Contains(g.TargetIDs, appevents.ID(d.page)) {
			return true
		}
		limited = true
	}
	return !limited
}

// checkProof says whether the secret and the token belong to the same app.
func (d *doctor) checkProof(context.Context) {
	app := string(d.signed.AppID())
	settings := func(app string) string { return "https://developers.facebook.com/apps/" + app + "/settings/basic/" }
	ofTheApp := []string{"set APPEVENTS_APP_SECRET to the secret of app " + app + ": " + settings(app)}
	_, _, code := graphCode(d.infoErr)
	switch {
	case d.secret.value == "":
		d.add(finding{State: stateWarn, Message: "no app secret: calls carry no proof, and no webhook can be verified",
			Fixes: ofTheApp})
	case errors.Is(d.infoErr, appevents.ErrAuth):
		d.add(finding{State: stateFail, code: exitCredentials,
			Message: "the secret is not that of app " + app + " (" + code + ")",
			Fixes:   append(ofTheApp, d.onEmulator("POST /-/api/grants?secret=own")...)})
	case d.info != nil && d.info.AppID != "" && string(d.info.AppID) != app:
		other := string(d.info.AppID)
		d.add(finding{State: stateFail, code: exitCredentials,
			Message: "the token belongs to app " + other + ", the secret to app " + app,
			Fixes: []string{"set APPEVENTS_APP_ID and APPEVENTS_APP_SECRET to those of app " + other + ": " +
				settings(other)}})
	case d.token.value == "" && d.infoErr == nil:
		d.warn("the secret belongs to app %s; there is no token to compare", app)
	case errors.Is(d.meErr, appevents.ErrInvalidParameter) && !errors.Is(d.plainErr, appevents.ErrInvalidParameter):
		_, _, code := graphCode(d.meErr)
		d.add(finding{State: stateFail, code: exitCredentials,
			Message: "Graph refuses what the secret signs (" + code + "): it is the secret of another app than the token",
			Fixes:   append(ofTheApp, d.onEmulator("POST /-/api/grants?secret=own")...)})
	case d.infoErr != nil:
		d.trouble("the secret could not be checked", d.infoErr)
	case d.deadBy() != "":
		d.warn("the secret belongs to app %s; the token is not valid, so its proof cannot be tried", app)
	case d.meErr != nil:
		d.trouble("the proof could not be tried", d.meErr)
	case d.info == nil || d.info.AppID == "":
		d.ok("the secret belongs to app %s, and Graph takes its proof", app)
	default:
		d.ok("the secret belongs to app %s, as the token does", app)
	}
}
