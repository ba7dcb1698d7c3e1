package appevents

import (
	"slices"
	"strconv"
	"strings"
)

// The rules an [Issue] can name. They are stable: code may compare them.
const (
	RuleRequired = "required" // the value is missing
	RuleFormat   = "format"   // the text has the wrong form
	RuleLength   = "length"   // too long, or too many
	RuleRange    = "range"    // a number or time outside what is allowed
	RuleType     = "type"     // a Go type or JSON kind Graph does not take there
	RuleReserved = "reserved" // a name that belongs to Meta or to a typed field
	RuleConflict = "conflict" // two values that exclude each other
	RuleUnknown  = "unknown"  // not one of the allowed values
)

// Issue is one problem found before anything was sent.
type Issue struct {
	// Path names the offending field from the root of the call: "consent.advertiser",
	// "events[0].params.fb_currency". Parameters appear under their wire names.
	Path string `json:"path"`

	// Rule is one of the Rule constants.
	Rule string `json:"rule"`

	// Message says what would be right. It never repeats the value.
	Message string `json:"message"`
}

// String returns path, rule and message on one line.
func (i Issue) String() string {
	if i.Path == "" {
		return i.Message + " (" + i.Rule + ")"
	}
	return i.Path + ": " + i.Message + " (" + i.Rule + ")"
}

// ValidationError lists every problem of a call that was refused before a byte was sent. Nothing happened on Meta's
// side. Find it with [errors.As]:
//
//	var invalid *appevents.ValidationError
//	if errors.As(err, &invalid) { … invalid.Issues … }
type ValidationError struct {
	Issues []Issue `json:"issues"`
}

// maxIssuesInText bounds Error: a batch of a thousand bad events still reads as one line.
const maxIssuesInText = 5

// Error names the first problems, one line in all.
func (e *ValidationError) Error() string {
	if e == nil || len(e.Issues) == 0 {
		return "appevents: invalid call"
	}
	var b strings.Builder
	b.WriteString("appevents: invalid call: ")
	for i, issue := range e.Issues {
		if i == maxIssuesInText {
			b.WriteString("; and " + strconv.Itoa(len(e.Issues)-i) + " more")
			break
		}
		if i > 0 {
			b.WriteString("; ")
		}
		b.WriteString(issue.String())
	}
	return b.String()
}

// A place is where in a call a check looks. It becomes text only when a problem is found.
type place struct {
	parent *place
	name   string // a field name; empty for an element of parent
	index  int
}

// field is a place at the root of a call.
func field(name string) *place { return &place{name: name} }

func (p *place) field(name string) *place { return &place{parent: p, name: name} }

func (p *place) item(index int) *place { return &place{parent: p, index: index} }

func (p *place) String() string { return string(p.append(nil)) }

// append copies the path, keeping nothing of p: so the compiler leaves places on the stack.
func (p *place) append(dst []byte) []byte {
	if p == nil {
		return dst
	}
	dst = p.parent.append(dst)
	if p.name == "" {
		return append(strconv.AppendInt(append(dst, '['), int64(p.index), 10), ']')
	}
	if len(dst) > 0 {
		dst = append(dst, '.')
	}
	return append(dst, p.name...)
}

// problems collects issues; the zero value is ready.
type problems struct{ issues []Issue }

func (p *problems) add(at *place, rule, message string) {
	p.issues = append(p.issues, Issue{Path: at.String(), Rule: rule, Message: message})
}

func (p *problems) err() error {
	if len(p.issues) == 0 {
		return nil
	}
	return &ValidationError{Issues: p.issues}
}

// under returns the issues of one element of a call as issues of the call.
func (p *problems) under(at *place) []Issue {
	if len(p.issues) == 0 {
		return nil
	}
	prefix := at.String()
	issues := slices.Clone(p.issues)
	for i := range issues {
		if issues[i].Path == "" {
			issues[i].Path = prefix
		} else {
			issues[i].Path = prefix + "." + issues[i].Path
		}
	}
	return issues
}
