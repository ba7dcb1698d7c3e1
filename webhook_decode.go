package appevents

import (
	"strings"
	"time"

	"github.com/appevents/appevents-go/internal/jsonscan"
)

// The scalar readers note a problem where a value cannot be read as what it should be, and go on.

func (p *webhookParser) text() string {
	v, ok := p.scan.Text()
	if !ok {
		p.trouble("must be text")
	}
	return v
}

func (p *webhookParser) id() ID {
	v, ok := p.scan.ID()
	if !ok {
		p.trouble("must be a string or an integer")
	}
	return ID(v)
}

func (p *webhookParser) flag() bool {
	v, ok := p.scan.Bool()
	if !ok {
		p.trouble("must be true or false")
	}
	return v
}

func (p *webhookParser) integer() int64 {
	v, ok := p.scan.Int64()
	if !ok {
		p.trouble("must be an integer")
	}
	return v
}

func (p *webhookParser) number() float64 {
	v, ok := p.scan.Float64()
	if !ok {
		p.trouble("must be a number")
	}
	return v
}

const (
	firstMilli = 100_000_000_000     // smaller Unix times are in seconds
	lastMilli  = 253_402_300_799_999 // the end of the year 9999
)

// millis reads a Unix time in seconds or milliseconds as milliseconds, 0 for none.
func (p *webhookParser) millis() int64 {
	v, ok := p.scan.Int64()
	if !ok || v < 0 || v > lastMilli {
		p.trouble("must be a Unix time")
		return 0
	}
	if v < firstMilli {
		v *= 1000
	}
	return v
}

func (p *webhookParser) time() time.Time { return unixMillis(p.millis()) }

// trouble notes a problem with the value at the current path.
func (p *webhookParser) trouble(message string) {
	if len(p.issues) < maxItemIssues {
		path := strings.Join(p.path[:p.level], ".")
		p.issues = append(p.issues, Issue{Path: path, Rule: RuleType, Message: message})
	}
}

// object calls field for each key of the next value; field reads the key's value or leaves it alone. Null is an object
// without keys, and so, with a problem noted, is a value of another kind.
func (p *webhookParser) object(field func(key string)) {
	s := &p.scan
	if kind := s.Kind(); kind != jsonscan.Object {
		if kind != jsonscan.Null {
			p.trouble("must be an object")
		}
		s.Skip()
		return
	}
	s.Open(jsonscan.Object)
	p.level++
	for key, ok := s.NextKey(); ok; key, ok = s.NextKey() {
		p.path[p.level-1] = key
		value := s.Pos()
		if field(key); s.Pos() == value {
			s.Skip()
		}
	}
	p.level--
}

// dictionary is object for keys that are data, which stay out of error texts.
func (p *webhookParser) dictionary(entry func(key string)) {
	p.object(func(key string) {
		p.path[p.level-1] = "*"
		if p.spend() {
			entry(key)
		}
	})
}

// array calls element for each element of the next value; element consumes it. Null is an empty list, and so, with a
// problem noted, is a value of another kind.
func (p *webhookParser) array(element func()) {
	s := &p.scan
	if kind := s.Kind(); kind != jsonscan.Array {
		if kind != jsonscan.Null {
			p.trouble("must be a list")
		}
		s.Skip()
		return
	}
	s.Open(jsonscan.Array)
	for s.NextElem() {
		if p.spend() {
			element()
		} else {
			s.Skip() // the whole body will be refused
		}
	}
}

// newFrom reads the next value, an object, into a new T; nil when it is something else or has no keys.
func newFrom[T any](p *webhookParser, field func(v *T, key string)) *T {
	var v *T
	p.object(func(key string) {
		if v == nil {
			v = new(T)
		}
		field(v, key)
	})
	return v
}

// listFrom reads the next value, a list of objects. A null in it is an object without keys, to keep the places of the
// others.
func listFrom[T any](p *webhookParser, field func(v *T, key string)) (list []T) {
	p.array(func() {
		var v T
		p.object(func(key string) { field(&v, key) })
		list = append(list, v)
	})
	return list
}

// texts reads a list of strings.
func (p *webhookParser) texts() (list []string) {
	p.array(func() { list = append(list, p.text()) })
	return list
}

// textsUnder reads a list of objects for the sake of one key: [{"name": "x"}].
func (p *webhookParser) textsUnder(name string) (list []string) {
	p.array(func() {
		p.object(func(key string) {
			if key == name {
				list = append(list, p.text())
			}
		})
	})
	return list
}

// hopContext reads one context or a list of them.
func (p *webhookParser) hopContext() []HopContext {
	if p.scan.Kind() == jsonscan.Array {
		return listFrom(p, p.hop)
	}
	if hop := newFrom(p, p.hop); hop != nil {
		return []HopContext{*hop}
	}
	return nil
}

func (p *webhookParser) hop(v *HopContext, key string) {
	switch key {
	case "app_id":
		v.AppID = p.id()
	case "metadata":
		v.Metadata = p.text()
	}
}

func (p *webhookParser) party() (v Party) {
	p.object(func(key string) {
		switch key {
		case "id":
			v.ID = p.id()
		case "user_ref":
			v.UserRef = p.text()
		}
	})
	return v
}
