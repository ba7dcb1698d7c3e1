package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/appevents/appevents-go"
	"github.com/appevents/appevents-go/internal/names"
)

// graphVersions are the versions of Graph with their ends; "" is not announced.
// https://developers.facebook.com/docs/graph-api/changelog
var graphVersions = []struct{ version, ends string }{
	{"v17.0", "2025-09-12"}, {"v18.0", "2026-01-26"}, {"v19.0", "2026-05-21"}, {"v20.0", "2026-09-24"},
	{"v21.0", "2027-01-21"}, {"v22.0", "2027-05-20"}, {"v23.0", "2027-10-08"}, {"v24.0", "2028-02-18"},
	{"v25.0", "2028-07-29"}, {"v26.0", ""},
}

// checkVersion says when the version that the bot asks for ends.
func (d *doctor) checkVersion(context.Context) {
	newest := graphVersions[len(graphVersions)-1].version
	fix := []string{"export APPEVENTS_VERSION=" + newest, "appevents.WithVersion(\"" + newest + "\") in the bot"}
	asked, _ := names.ParseVersion(d.version)
	last, _ := names.ParseVersion(newest)
	ends, known := "", false
	for _, v := range graphVersions {
		if v.version == d.version {
			ends, known = v.ends, true
		}
	}
	end, _ := time.Parse(time.DateOnly, ends)
	served := ""
	if d.seen.served != "" && d.seen.served != d.version {
		served = ": Graph answers with " + d.seen.served
	}
	code, _, _ := graphCode(d.meErr)
	switch {
	case !known && asked.Major > last.Major && (code == 2500 || served != ""):
		d.add(finding{State: stateFail, Message: d.version + " asked, and Graph does not know it" + served, Fixes: fix})
	case !known && asked.Major > last.Major:
		d.ok("%s asked, newer than this program knows", d.version)
	case !known:
		d.add(finding{State: stateFail, Message: d.version + " asked, ended long ago" + served, Fixes: fix})
	case ends != "" && !d.now().Before(end):
		d.add(finding{State: stateFail, Message: d.version + " asked, ended " + ends + served, Fixes: fix})
	case served != "":
		d.add(finding{State: stateFail, Message: d.version + " asked" + served, Fixes: fix})
	case ends != "":
		d.add(finding{State: stateWarn, Fixes: fix,
			Message: d.version + " asked, ends " + ends + "; " + newest + " is newest"})
	default:
		d.ok("%s asked, the newest", d.version)
	}
}

// How far the clock may be off: Graph refuses events of the future (2804004), and proofs with a time five minutes old.
const (
	clockWarn = 10 * time.Second
	clockFast = 30 * time.Second
	clockSlow = 4 * time.Minute
)

// checkClock compares the clock with the Date header of Graph's answers.
func (d *doctor) checkClock(context.Context) {
	if !d.seen.dated {
		d.warn("Graph's answers have no date to compare with")
		return
	}
	ahead := -d.seen.behind.Round(time.Second)
	f := finding{State: stateFail, Fixes: d.onEmulator("POST /-/api/clock?skew=0s", "timedatectl set-ntp true")}
	switch {
	case ahead > clockFast:
		f.Message = fmt.Sprintf("%s ahead of Graph's: events of now lie in the future and are refused (2804004)", ahead)
	case ahead < -clockSlow:
		f.Message = fmt.Sprintf("%s behind Graph's: events get a wrong time, and proofs with a time are too old", -ahead)
	case ahead.Abs() > clockWarn:
		f.State, f.Message = stateWarn, fmt.Sprintf("%s off Graph's", ahead.Abs())
	default:
		f.State, f.Message, f.Fixes = stateOK, "agrees with Graph's", nil
	}
	d.add(f)
}

// How much of a limit may be used up.
const (
	usageWarn = 75
	usageFail = 90
	usageFull = 100
)

// checkUsage looks at the usage headers that came with all answers.
func (d *doctor) checkUsage(context.Context) {
	u := d.seen.usage
	most, which := u.App.Max(), "the app's limit"
	for _, other := range []struct {
		percent float64
		name    string
	}{
		{u.Page.Max(), "the Page's limit"}, {u.AdAccount.Max(), "the ad account's limit"},
		{u.Insights.Max(), "the limit of insights"},
	} {
		if other.percent > most {
			most, which = other.percent, other.name
		}
	}
	wait := time.Duration(0)
	for _, b := range u.Business {
		wait = max(wait, b.RegainAccess)
		if b.Max() > most {
			most, which = b.Max(), "the limit for "+b.Type+" of "+string(b.ID)
		}
	}
	f := finding{State: stateFail, Message: fmt.Sprintf("%.4g %% of %s used up", most, which),
		Fixes: d.onEmulator("POST /-/api/usage?percent=0",
			"call less: appevents.Pacer and package delivery keep to the limits")}
	switch {
	case most >= usageFull:
		f.code = exitThrottled
		f.Message += ": calls are refused"
		if wait > 0 {
			f.Message += " for " + wait.String()
		}
	case most >= usageFail:
		f.Message += ": calls will be refused soon"
	case most >= usageWarn:
		f.State = stateWarn
	case most == 0:
		f.State, f.Message, f.Fixes = stateOK, "no usage headers, as far from any limit", nil
	default:
		f.State, f.Fixes = stateOK, nil
	}
	d.add(f)
}

// checkDataset says whether the Page has a dataset, and the right one.
func (d *doctor) checkDataset(ctx context.Context) {
	if d.cannotAskAboutPage() {
		return
	}
	var found struct {
		ID   appevents.ID
		Name string
	}
	err := d.signed.Get(ctx, d.page+"/dataset", nil, &found)
	code, subcode, text := graphCode(err)
	switch {
	case errors.Is(err, appevents.ErrNotFound) || code == 100 && subcode == 33:
		d.add(finding{State: stateFail, Message: "none attached to the Page: conversions would get 2804131", Fixes: []string{
			"POST /" + d.page + "/dataset", "or `appevents send … --ensure-dataset` makes one"}})
	case errors.Is(err, appevents.ErrPermission):
		d.add(finding{State: stateFail, code: exitCredentials, Message: "cannot be looked up (" + text + "): page_events " +
			"is missing, or the token was made in Events Manager, which can send but not ask",
			Fixes: d.onEmulator("POST /-/api/grants?allow=page_events", "use a Page token with page_events")})
	case err != nil:
		d.trouble("could not be looked up", err)
	case d.c.Dataset != "" && string(found.ID) != d.c.Dataset:
		d.add(finding{State: stateFail, Message: "that of the Page is " + string(found.ID) + ", not " + d.c.Dataset +
			": conversions would get 2804065", Fixes: []string{"export APPEVENTS_DATASET=" + string(found.ID)}})
	default:
		d.ok("%s is attached to the Page", found.ID)
	}
}

// cannotAskAboutPage says so when there is no Page, or no token that is accepted.
func (d *doctor) cannotAskAboutPage() bool {
	switch {
	case d.token.value == "" || d.deadBy() != "":
		d.warn("not checked: the token is not valid")
	case d.page == "":
		d.add(finding{State: stateWarn, Message: "not checked: no Page is known", Fixes: []string{"give --page ID"}})
	case d.meErr != nil:
		d.warn("not checked: see proof")
	default:
		return false
	}
	return true
}

// lossOf says what is lost without a field.
var lossOf = map[string]string{
	"messages": "Messages", "messaging_postbacks": "Buttons", "messaging_referrals": "Clicks on ads and links",
	"messaging_optins": "Opt-ins",
}

// neededFields are those without which hardly any bot works.
var neededFields = []string{"messages", "messaging_postbacks"}

// subscriptionFields reads fields that are names, or objects with one.
type subscriptionFields []string

// UnmarshalJSON takes both forms.
func (s *subscriptionFields) UnmarshalJSON(data []byte) error {
	var list []json.RawMessage
	if err := json.Unmarshal(data, &list); err != nil {
		return err
	}
	for _, raw := range list {
		var name string
		if json.Unmarshal(raw, &name) != nil {
			var object struct{ Name string }
			if err := json.Unmarshal(raw, &object); err != nil {
				return err
			}
			name = object.Name
		}
		*s = append(*s, name)
	}
	return nil
}

// checkSubscriptions compares the fields of the app with those of the Page: only what is in both is delivered.
func (d *doctor) checkSubscriptions(ctx context.Context) {
	if d.secret.value == "" {
		d.add(finding{State: stateWarn, Message: "not checked: those of the app are read with the app secret",
			Fixes: []string{"set APPEVENTS_APP_SECRET"}})
		return
	}
	if errors.Is(d.infoErr, appevents.ErrAuth) {
		d.warn("not checked: see proof")
		return
	}
	if d.cannotAskAboutPage() {
		return
	}
	appID := string(d.signed.AppID())
	var app struct {
		Data []struct {
			Object   string
			Callback string `json:"callback_url"`
			Active   *bool
			Fields   subscriptionFields
		}
	}
	if err := d.signed.Get(ctx, appID+"/subscriptions", nil, &app); err != nil {
		d.trouble("those of the app could not be read", err)
		return
	}
	var page struct {
		Data []struct {
			ID     appevents.ID
			Fields subscriptionFields `json:"subscribed_fields"`
		}
	}
	query := url.Values{"fields": {"id,subscribed_fields"}}
	if err := d.signed.Get(ctx, d.page+"/subscribed_apps", query, &page); err != nil {
		d.trouble("those of the Page could not be read", err)
		return
	}
	var ofApp, ofPage []string
	callback, stopped := "", false
	for _, s := range app.Data {
		if s.Object == "page" {
			ofApp, callback, stopped = s.Fields, s.Callback, s.Active != nil && !*s.Active
		}
	}
	for _, s := range page.Data {
		if string(s.ID) == appID {
			ofPage = s.Fields
		}
	}
	d.compareSubscriptions(ofApp, ofPage, callback, stopped)
}

func (d *doctor) compareSubscriptions(ofApp, ofPage []string, callback string, stopped bool) {
	appID := string(d.signed.AppID())
	groups := map[[2]bool][]string{}
	both := []string{}
	for _, name := range slices.Compact(slices.Sorted(slices.Values(slices.Concat(ofApp, ofPage, neededFields)))) {
		at := [2]bool{slices.Contains(ofApp, name), slices.Contains(ofPage, name)}
		if groups[at] = append(groups[at], name); at == [2]bool{true, true} {
			both = append(both, name)
		}
	}
	fixes := func(at [2]bool, missing []string) []string {
		var list []string
		if !at[0] {
			list = append(list, "POST /"+appID+"/subscriptions?object=page&fields="+union(ofApp, missing)+"&callback_url="+
				shownURL(callback, d.c.Webhook)+"&verify_token=$VERIFY_TOKEN")
		}
		if !at[1] {
			list = append(list, "POST /"+d.page+"/subscribed_apps?subscribed_fields="+union(ofPage, missing))
		}
		return list
	}
	told := false
	for _, at := range [][2]bool{{false, false}, {true, false}, {false, true}} {
		var vital, others []string
		for _, name := range groups[at] {
			if lossOf[name] != "" {
				vital = append(vital, name)
			} else {
				others = append(others, name)
			}
		}
		for _, group := range []struct {
			state string
			list  []string
		}{{stateFail, vital}, {stateWarn, others}} {
			if len(group.list) == 0 {
				continue
			}
			told = true
			f := finding{State: group.state, Fields: group.list, Fixes: fixes(at, group.list)}
			f.Message = strings.Join(group.list, ", ") + ": app " + yes(at[0]) + ", Page " + yes(at[1]) + "."
			for _, name := range group.list {
				if lossOf[name] != "" {
					f.Message += " " + lossOf[name] + " will not arrive."
				}
			}
			d.add(f)
		}
	}
	if stopped {
		told = true
		d.add(finding{State: stateFail, Message: "Meta has stopped it: the webhook failed for too long",
			Fixes: fixes([2]bool{false, true}, ofApp)})
	}
	if d.c.Webhook != "" && callback != "" && shownURL(callback, "") != shownURL(d.c.Webhook, "") {
		told = true
		d.add(finding{State: stateWarn, Message: "webhooks go to " + shownURL(callback, "") + ", not to the one of --webhook",
			Fixes: fixes([2]bool{false, true}, ofApp)})
	}
	if !told {
		d.add(finding{State: stateOK, Message: "app and Page: " + strings.Join(both, ", "), Fields: both})
	}
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// union lists the fields of both, with commas: a subscription replaces the one before.
func union(have, more []string) string {
	list := slices.Clone(have)
	for _, name := range more {
		if !slices.Contains(list, name) {
			list = append(list, name)
		}
	}
	return strings.Join(list, ",")
}

// shownURL is the first address given, without what may be secret in it.
func shownURL(addresses ...string) string {
	for _, address := range addresses {
		if _, ok := webURL(address); ok {
			return withoutQuery(address)
		}
	}
	return "https://YOUR-BOT/webhook"
}
