package appevents

import (
	"math"
	"slices"
	"strconv"
)

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

// issue reports why id cannot be sent as a Graph identifier, or "" when it can.
func (id ID) issue() (rule, message string) {
	if id == "" {
		return RuleRequired, "must be set"
	}
	for i := range len(id) {
		if id[i] < '0' || id[i] > '9' {
			return RuleFormat, "must be decimal digits only"
		}
	}
	if len(id) > 1 && id[0] == '0' {
		return RuleFormat, "must not start with a zero"
	}
	if n, _ := strconv.ParseUint(string(id), 10, 64); n == 0 || n > math.MaxInt64 { // the largest when out of range
		return RuleRange, "must be between 1 and 2^63-1"
	}
	return "", ""
}

func (id ID) validate(at *place, p *problems) {
	if rule, message := id.issue(); rule != "" {
		p.add(at, rule, message)
	}
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
