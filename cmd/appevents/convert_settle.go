package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/appevents/appevents-go"
	"github.com/appevents/appevents-go/internal/names"
)

// A draft is a call that is being made fit for its edge. What the edge has no place for is taken out and noted.
type draft struct {
	list   string // the member that holds the events, "" for none
	shown  string // what the original calls it
	order  []int  // the place each event had in the original
	errs   []change
	priced bool // a purchase must have a value
	secret func(string) bool
}

// newDraft is a draft of a call with n events in the list of this name.
func newDraft(list string, n int, secret func(string) bool) *draft {
	d := &draft{list: list, shown: "custom_events", secret: secret}
	for i := range n {
		d.order = append(d.order, i)
	}
	return d
}

// maxRounds bounds settle: each round takes out all that a check finds, and few uncover something new.
const maxRounds = 100

// settle takes out of a call what check refuses, until it refuses nothing. It reports whether something worth sending
// is left.
func settle[T any](d *draft, call *T, check func(*T) error) bool {
	for range maxRounds {
		err := check(call)
		if err == nil {
			return true
		}
		invalid, ok := errors.AsType[*appevents.ValidationError](err)
		if !ok || !edit(d, call, func(tree map[string]any) bool { return d.dropAll(tree, invalid.Issues) }) {
			if !ok {
				d.note(effectCannot, "", errorText(err))
			}
			return false
		}
	}
	d.note(effectCannot, "", "it does not become valid, whatever is left out")
	return false
}

// edit changes a call in its stored form. The names in the paths of issues are those of that form.
func edit[T any](d *draft, call *T, change func(tree map[string]any) bool) bool {
	data, err := json.Marshal(call)
	var tree map[string]any
	if err != nil || !decodeNumbers(string(data), &tree) {
		d.note(effectCannot, "", "the call cannot be stored")
		return false
	}
	if !change(tree) {
		return false
	}
	tree, _ = d.sweep(tree).(map[string]any)
	if data, err = json.Marshal(tree); err != nil {
		return false
	}
	changed := new(T)
	if err := json.Unmarshal(data, changed); err != nil {
		d.note(effectCannot, "", "the call cannot be stored")
		return false
	}
	*call = *changed
	return d.list == "" || len(d.order) > 0
}

func (d *draft) note(effect, path, reason string) {
	c := change{effect, d.wireName(path), reason}
	if !slices.Contains(d.errs, c) {
		d.errs = append(d.errs, c)
	}
}

// withoutCredentials takes texts out of a call that look like a credential.
func withoutCredentials[T any](d *draft, call *T) bool {
	return edit(d, call, func(tree map[string]any) bool {
		d.hideIn("", tree)
		return true
	})
}

func (d *draft) hideIn(path string, v any) {
	isSecret := func(v any) bool {
		text, ok := v.(string)
		return ok && d.secret(text)
	}
	switch v := v.(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			at := strings.TrimPrefix(path+"."+key, ".")
			switch {
			case d.secret(key):
				delete(v, key)
				d.note(effectLost, path, "holds a name that looks like a credential")
			case isSecret(v[key]):
				delete(v, key)
				d.note(effectLost, at, "looks like a credential")
			default:
				d.hideIn(at, v[key])
			}
		}
	case []any:
		for i := range v {
			at := fmt.Sprintf("%s[%d]", path, i)
			if isSecret(v[i]) {
				v[i] = tombstone{}
				d.note(effectLost, at, "looks like a credential")
			} else {
				d.hideIn(at, v[i])
			}
		}
	}
}

// A tombstone stands where an element of a list was, until sweep.
type tombstone struct{}

// fatal are the members that a call cannot do without.
var fatal = map[string]bool{"": true, "thread": true, "consent": true, "dataset_id": true}

// dropAll takes out what issues are about. It reports whether the call can go on.
func (d *draft) dropAll(tree map[string]any, issues []appevents.Issue) bool {
	whole := true
	for _, issue := range issues {
		path := pathOf(issue.Path)
		if path.key(0) == "consent" && issue.Rule == appevents.RuleRequired {
			issue.Message = "is missing: the choice of the person, 0 or 1, has no default"
		}
		if fatal[path.key(0)] {
			d.note(effectCannot, issue.Path, issue.Message)
			whole = false
			continue
		}
		if len(path) > 1 && path[0] == d.list && path.isIndex(1) {
			d.dropInEvent(tree, path, issue)
			continue
		}
		if extra, ok := tree["extra"].(map[string]any); ok && issue.Path == "extra" {
			for _, name := range slices.Sorted(maps.Keys(extra)) {
				d.note(effectLost, name, issue.Message)
			}
			delete(tree, "extra")
			continue
		}
		if !remove(tree, path) {
			d.note(effectCannot, issue.Path, issue.Message)
			whole = false
			continue
		}
		d.note(effectLost, issue.Path, issue.Message)
	}
	return whole
}

// dropInEvent takes out a member of an event, or the event when it is nothing without it.
func (d *draft) dropInEvent(tree map[string]any, path place, issue appevents.Issue) {
	list, _ := tree[d.list].([]any)
	i, _ := strconv.Atoi(path[1])
	if i >= len(list) {
		return
	}
	event, ok := list[i].(map[string]any)
	if !ok {
		return // gone already
	}
	rest := path[2:]
	switch {
	case rest.key(0) == "name", rest.key(0) == "time", rest.key(0) == "thread", len(rest) == 0:
		ok = false
	case issue.Rule == appevents.RuleRequired && strings.HasSuffix(issue.Path, "currency"):
		purchase := event["name"] == string(appevents.ConversionPurchase) ||
			event["name"] == string(appevents.EventPurchase)
		if d.priced && purchase {
			ok = false // it needs its value too
		} else if ok = remove(event, place{"value"}); ok {
			issue.Path = strings.Join(path[:1], "") + "[" + path[1] + "].value"
			issue.Message = "has no currency, which it needs there"
		}
	case slices.Equal(rest, place{"params", "custom"}):
		ok = d.dropBadNames(event)
	default:
		ok = remove(event, rest)
	}
	if !ok {
		list[i] = tombstone{}
		d.note(effectCannot, issue.Path, issue.Message)
		return
	}
	d.note(effectLost, issue.Path, issue.Message)
}

// dropBadNames takes out parameters whose names the issue does not repeat.
func (d *draft) dropBadNames(event map[string]any) bool {
	params, _ := event["params"].(map[string]any)
	custom, _ := params["custom"].(map[string]any)
	before := len(custom)
	maps.DeleteFunc(custom, func(key string, _ any) bool { return !names.Identifier(key) })
	return len(custom) < before
}

// remove deletes the member at a path. Where there is none, what should have held it goes: a product without an ID.
func remove(tree map[string]any, path place) bool {
	var at any = tree
	var undo []func()
	for i, step := range path {
		last := i == len(path)-1
		switch v := at.(type) {
		case map[string]any:
			if _, ok := v[step]; !ok {
				custom, _ := v["custom"].(map[string]any)
				if _, ok := custom[step]; ok && last {
					delete(custom, step)
					return true
				}
				return climb(undo)
			}
			at = v[step]
			undo = append(undo, func() { delete(v, step) })
		case []any:
			n, err := strconv.Atoi(step)
			if err != nil || n >= len(v) {
				return climb(undo)
			}
			at = v[n]
			undo = append(undo, func() { v[n] = tombstone{} })
		case tombstone:
			return true
		default:
			return climb(undo)
		}
	}
	return climb(undo)
}

func climb(deletions []func()) bool {
	if len(deletions) == 0 {
		return false
	}
	deletions[len(deletions)-1]()
	return true
}

// sweep closes the gaps in lists.
func (d *draft) sweep(v any) any {
	tree, ok := v.(map[string]any)
	if ok && d.list != "" {
		if list, ok := tree[d.list].([]any); ok {
			kept := d.order[:0:0]
			for i, event := range list {
				if event != (tombstone{}) && i < len(d.order) {
					kept = append(kept, d.order[i])
				}
			}
			d.order = kept
		}
	}
	return swept(v)
}

func swept(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for key := range v {
			v[key] = swept(v[key])
		}
	case []any:
		kept := v[:0]
		for _, element := range v {
			if _, ok := element.(tombstone); !ok {
				kept = append(kept, swept(element))
			}
		}
		return kept
	}
	return v
}

// A place is a path taken apart: {"events", "0", "params", "fb_level"}.
type place []string

var pathStep = regexp.MustCompile(`[^.\[\]]+`)

func pathOf(path string) place { return pathStep.FindAllString(path, -1) }

func (p place) key(i int) string {
	if i < len(p) {
		return p[i]
	}
	return ""
}

func (p place) isIndex(i int) bool { return names.Digits(p.key(i)) }

// wireNames are the members of an event by their names in requests.
var wireNames = map[string]map[string]string{
	"events": {
		"name": "_eventName", "value": "_valueToSum", "time": "_logTime", "id": "event_id", "session_id": "_session_id",
		"user_id": "_app_user_id", "screen": "_ui", "implicit": "_implicitlyLogged", "timed": "_isTimedEvent",
		"background": "_inBackground",
	},
	"conversions": {
		"name": "event_name", "value": "custom_data.value", "time": "event_time", "id": "event_id", "data": "custom_data",
	},
}

// callNames are members of a call by their names in requests.
var callNames = strings.NewReplacer("user_data.", "ud.", "ext_info", "extinfo",
	"consent.advertiser", "advertiser_tracking_enabled", "consent.application", "application_tracking_enabled",
	"thread.page_id", "page_id", "thread.psid", "page_scoped_user_id")

// wireName is the path of an issue as it would be in a request, with the place that the event had in the original.
func (d *draft) wireName(path string) string {
	parts := pathOf(path)
	if len(parts) < 2 || parts[0] != d.list || !parts.isIndex(1) {
		return callNames.Replace(path)
	}
	i, _ := strconv.Atoi(parts[1])
	if i < len(d.order) {
		i = d.order[i]
	}
	known := wireNames[d.list]
	rest := strings.TrimPrefix(strings.TrimPrefix(path, parts[0]+"["+parts[1]+"]"), ".")
	rest = strings.TrimPrefix(strings.TrimPrefix(rest, "params."), "custom.")
	head, tail, found := strings.Cut(rest, ".")
	if name := known[head]; name != "" {
		head = name
	}
	if found {
		head += "." + tail
	}
	name := fmt.Sprintf("%s[%d]", d.shown, i)
	if head != "" {
		name += "." + head
	}
	return name
}
