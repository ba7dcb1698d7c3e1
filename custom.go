package appevents

import (
	"maps"
	"slices"

	"github.com/appevents/appevents-go/internal/jsonscan"
	"github.com/appevents/appevents-go/internal/names"
	"github.com/appevents/appevents-go/internal/wire"
)

// validateCustom checks parameters of the caller's own at the place at, beside those that have a field. What is wrong
// with a key is said of the place keys.
func validateCustom(params map[string]any, taken homes, at, keys *place, p *problems) {
	if len(params) == 0 {
		return
	}
	for _, key := range slices.Sorted(maps.Keys(params)) {
		if !names.Identifier(key) {
			// The key is not repeated: it may be anything, personal data included.
			p.add(keys, RuleFormat, "a parameter name "+identifierRule)
		} else if home := taken[key]; home != "" {
			p.add(at.field(key), RuleReserved, "use "+home)
		} else {
			validateParam(params[key], at.field(key), p)
		}
	}
}

// validateParam checks the value of a parameter of the caller's own.
func validateParam(value any, at *place, p *problems) {
	if text, ok := wire.AsText(value); ok {
		validateText(text, at, p)
		return
	}
	number, ok := wire.AppendNumber(nil, value)
	switch {
	case !ok:
		p.add(at, RuleType, "must be a string, a number or a bool")
	case number == nil:
		p.add(at, RuleRange, "must be a finite number")
	}
}

// appendCustom writes parameters of the caller's own as members of a JSON object, sorted by name, each with a comma
// before it.
func appendCustom(dst []byte, params map[string]any) []byte {
	if len(params) == 0 {
		return dst
	}
	for _, key := range slices.Sorted(maps.Keys(params)) {
		// Keys are validated identifiers: nothing in them needs an escape.
		dst = append(append(append(dst, `,"`...), key...), `":`...)
		dst = appendParam(dst, params[key])
	}
	return dst
}

// appendParam writes a value that validateParam accepts.
func appendParam(dst []byte, value any) []byte {
	if text, ok := wire.AsText(value); ok {
		return jsonscan.AppendString(dst, text)
	}
	if out, _ := wire.AppendNumber(dst, value); out != nil {
		return out
	}
	return append(dst, "null"...) // the caller changed it after it was checked
}

// validateExtra checks parameters outside the model.
func validateExtra(extra map[string]string, taken homes, at *place, p *problems) {
	for _, name := range slices.Sorted(maps.Keys(extra)) {
		switch name {
		case "access_token", "appsecret_proof", "appsecret_time":
			p.add(at.field(name), RuleReserved, "credentials are options of the client")
			continue
		case "format", "method", "suppress_http_code":
			p.add(at.field(name), RuleReserved, "changes what the call or its answer means")
			continue
		case "auto_publish":
			p.add(at.field(name), RuleReserved, "Meta no longer uses it: leave it out")
			continue
		}
		if len(name) > 100 || !names.Parameter(name) {
			// The name is not repeated: it may be anything.
			p.add(at, RuleFormat, "a parameter name must be 1 to 100 ASCII letters, digits and underscores")
			continue
		}
		if home := taken[name]; home != "" {
			p.add(at.field(name), RuleReserved, "use "+home)
		}
		validateText(extra[name], at.field(name), p)
	}
}
