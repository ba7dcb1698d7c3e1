package graphtest

import (
	"encoding/json"
	"errors"
	"strconv"
	"strings"
)

// kind is the kind of a JSON value.
type kind uint8

const (
	kindNull kind = iota
	kindBool
	kindNumber
	kindString
	kindArray
	kindObject
)

var kindNames = [...]string{"null", "a boolean", "a number", "a string", "an array", "an object"}

func (k kind) String() string { return kindNames[k] }

// node is one JSON value that keeps what a wire check needs and encoding/json drops: the text as received, the order of
// members, and repeated keys.
type node struct {
	kind  kind
	text  string   // decoded string, number literal, "true", "false"
	raw   string   // JSON text as received
	keys  []string // objects: member names, parallel to items
	items []node   // arrays: elements; objects: member values
	twice string   // objects: the first key that occurs more than once
}

var errNotJSON = errors.New("not valid JSON")

// parseJSON reads one JSON value. The nodes share text's memory.
func parseJSON(text string) (node, error) {
	if !json.Valid([]byte(text)) {
		return node{}, errNotJSON
	}
	p := jsonParser{text: text}
	return p.value(), nil
}

// jsonParser walks text that encoding/json has already found valid, so it has no error paths.
type jsonParser struct {
	text string
	pos  int
}

func (p *jsonParser) space() {
	for p.pos < len(p.text) {
		switch p.text[p.pos] {
		case ' ', '\t', '\n', '\r':
			p.pos++
		default:
			return
		}
	}
}

func (p *jsonParser) value() node {
	p.space()
	start := p.pos
	var n node
	switch p.text[p.pos] {
	case '{':
		n = p.object()
	case '[':
		n = p.array()
	case '"':
		n = node{kind: kindString, text: p.str()}
	default:
		for p.pos < len(p.text) && !strings.ContainsRune(",]} \t\n\r", rune(p.text[p.pos])) {
			p.pos++
		}
		n = node{kind: kindNumber, text: p.text[start:p.pos]}
		switch n.text {
		case "null":
			n = node{kind: kindNull}
		case "true", "false":
			n.kind = kindBool
		}
	}
	n.raw = p.text[start:p.pos]
	return n
}

func (p *jsonParser) array() node {
	n := node{kind: kindArray}
	p.pos++
	for p.space(); p.text[p.pos] != ']'; p.space() {
		if p.text[p.pos] == ',' {
			p.pos++
			continue
		}
		n.items = append(n.items, p.value())
	}
	p.pos++
	return n
}

func (p *jsonParser) object() node {
	n := node{kind: kindObject}
	var seen map[string]bool // once the object is too large for a linear search
	p.pos++
	for p.space(); p.text[p.pos] != '}'; p.space() {
		if p.text[p.pos] == ',' {
			p.pos++
			continue
		}
		key := p.str()
		p.space()
		p.pos++ // the colon
		if len(n.keys) == 32 {
			seen = make(map[string]bool)
			for _, k := range n.keys {
				seen[k] = true
			}
		}
		if n.twice == "" && (seen[key] || seen == nil && n.has(key)) {
			n.twice = key
		}
		if seen != nil {
			seen[key] = true
		}
		if n.keys == nil {
			n.keys, n.items = make([]string, 0, 8), make([]node, 0, 8) // most objects on this wire
		}
		n.keys = append(n.keys, key)
		n.items = append(n.items, p.value())
	}
	p.pos++
	return n
}

func (p *jsonParser) str() string {
	start, escaped := p.pos, false
	for p.pos++; p.text[p.pos] != '"'; p.pos++ {
		if p.text[p.pos] == '\\' {
			escaped = true
			p.pos++
		}
	}
	p.pos++
	if !escaped {
		return p.text[start+1 : p.pos-1]
	}
	var s string
	if err := json.Unmarshal([]byte(p.text[start:p.pos]), &s); err != nil {
		return p.text[start+1 : p.pos-1]
	}
	return s
}

// get returns the member named key, the first one when it is repeated.
func (n *node) get(key string) (*node, bool) {
	for i, k := range n.keys {
		if k == key {
			return &n.items[i], true
		}
	}
	return nil, false
}

// dropNulls removes the members of the object, and of objects in it, that are null: nothing was meant to be sent.
func (n *node) dropNulls() {
	if n.kind != kindObject {
		return
	}
	keys, items := n.keys[:0], n.items[:0]
	for k := range n.items {
		if n.items[k].kind == kindNull {
			continue
		}
		n.items[k].dropNulls()
		keys, items = append(keys, n.keys[k]), append(items, n.items[k])
	}
	n.keys, n.items = keys, items
}

func (n *node) has(key string) bool {
	_, ok := n.get(key)
	return ok
}

// str returns the member named key when it is a string, otherwise "".
func (n *node) str(key string) string {
	if v, ok := n.get(key); ok && v.kind == kindString {
		return v.text
	}
	return ""
}

// integer returns the decimal text of a whole number given as a JSON number or as a string.
func (n *node) integer() (string, bool) {
	if n.kind != kindNumber && n.kind != kindString {
		return "", false
	}
	digits := strings.TrimPrefix(n.text, "-")
	if digits == "" || strings.Trim(digits, "0123456789") != "" {
		return "", false
	}
	return n.text, true
}

// int64 returns a whole number given as a JSON number or as a string.
func (n *node) int64() (int64, bool) {
	text, ok := n.integer()
	if !ok {
		return 0, false
	}
	v, err := strconv.ParseInt(text, 10, 64)
	return v, err == nil
}

// float returns a finite number given as a JSON number or as a string in JSON's number form.
func (n *node) float() (float64, bool) {
	if n.kind != kindNumber && (n.kind != kindString || !isNumber(n.text)) {
		return 0, false
	}
	v, err := strconv.ParseFloat(n.text, 64)
	return v, err == nil
}

// isNumber reports whether s is written like a JSON number.
func isNumber(s string) bool {
	return s != "" && strings.Trim(s, "0123456789+-.eE") == "" && json.Valid([]byte(s))
}

// nested returns the JSON value inside a string, or the value itself when it is not a string. Form fields carry nested
// values as JSON text, and so do the mobile SDKs inside a JSON body.
func (n *node) nested() (node, error) {
	if n.kind == kindString {
		return parseJSON(n.text)
	}
	return *n, nil
}

// plain converts the value to Go: string, json.Number, bool, nil, []any, map[string]any.
func (n *node) plain() any {
	switch n.kind {
	case kindString:
		return n.text
	case kindNumber:
		return json.Number(n.text)
	case kindBool:
		return n.text == "true"
	case kindArray:
		list := make([]any, len(n.items))
		for i := range n.items {
			list[i] = n.items[i].plain()
		}
		return list
	case kindObject:
		m := make(map[string]any, len(n.items))
		for i, key := range n.keys {
			m[key] = n.items[i].plain()
		}
		return m
	}
	return nil
}
