package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// A bodyVariant is a body as it may have been before or after a careless program touched it.
type bodyVariant struct {
	body []byte
	mistake
}

// bodyVariants are the ways a body is usually changed between the wire and the check.
func bodyVariants(body []byte) []bodyVariant {
	lost := mistake{"newline", "signed with a newline at the end that the body has lost",
		"Read the body as it came, without trimming."}
	added := mistake{"newline", "signed without the newline at the end of the body",
		"Something added it: an editor, echo, or println."}
	crlf := mistake{"CRLF", "the ends of lines were changed between LF and CRLF",
		"Keep the bytes: no text mode, no autocrlf."}
	escaped := mistake{"escaped", `the JSON was parsed and written again: Meta's body is escaped (\uXXXX, \/) and compact`,
		"Verify the raw bytes before anything parses them."}

	list := []bodyVariant{
		{append(bytes.Clone(body), '\n'), lost},
		{append(bytes.Clone(body), '\r', '\n'), lost},
	}
	if trimmed := bytes.TrimRight(body, "\r\n"); len(trimmed) < len(body) {
		list = append(list, bodyVariant{trimmed, added}, bodyVariant{append(bytes.Clone(trimmed), '\n'), crlf})
		if cut := bytes.TrimSuffix(bytes.TrimSuffix(body, []byte("\n")), []byte("\r")); len(cut) > len(trimmed) {
			list = append(list, bodyVariant{cut, added})
		}
	}
	unix := bytes.ReplaceAll(body, []byte("\r\n"), []byte("\n"))
	list = append(list,
		bodyVariant{unix, crlf},
		bodyVariant{bytes.ReplaceAll(unix, []byte("\n"), []byte("\r\n")), crlf})

	if !json.Valid(body) {
		return list
	}
	for _, layout := range layouts {
		for bits := range 16 {
			style := jsonStyle{
				layout: layout, slashes: bits&1 != 0, ascii: bits&2 != 0, html: bits&4 != 0, upper: bits&8 != 0,
			}
			if style.upper && !style.ascii && !style.html {
				continue // no digits to write
			}
			list = append(list, bodyVariant{style.rewrite(body), escaped})
		}
	}
	return list
}

// A jsonStyle is how a library writes JSON.
type jsonStyle struct {
	layout  func(body []byte) []byte
	slashes bool // "\/", as PHP and Meta
	ascii   bool // "\u00e9", as Python, PHP and Meta
	html    bool // "\u003c" for <, > and &, as Go
	upper   bool // "\u00E9"
}

var layouts = []func([]byte) []byte{
	func(body []byte) []byte { return body }, // as it came
	compacted,
	func(body []byte) []byte { return spaced(compacted(body)) }, // Python
	func(body []byte) []byte { return indented(body, "  ") },
	func(body []byte) []byte { return indented(body, "    ") },
}

func compacted(body []byte) []byte {
	var b bytes.Buffer
	if json.Compact(&b, body) != nil {
		return body
	}
	return b.Bytes()
}

func indented(body []byte, indent string) []byte {
	var b bytes.Buffer
	if json.Indent(&b, bytes.TrimSpace(body), "", indent) != nil {
		return body
	}
	return b.Bytes()
}

// spaced puts a space behind every comma and colon between the values.
func spaced(compact []byte) []byte {
	var out []byte
	walkJSON(compact, func(outside byte) {
		out = append(out, outside)
		if outside == ',' || outside == ':' {
			out = append(out, ' ')
		}
	}, func(text []byte) { out = append(out, text...) })
	return out
}

// rewrite writes valid JSON in the style. Keys keep their order and numbers their digits.
func (s jsonStyle) rewrite(body []byte) []byte {
	var out []byte
	walkJSON(s.layout(body), func(outside byte) { out = append(out, outside) }, func(text []byte) {
		var decoded string
		if json.Unmarshal(text, &decoded) != nil {
			out = append(out, text...)
			return
		}
		out = s.appendString(out, decoded)
	})
	return out
}

func (s jsonStyle) appendString(out []byte, text string) []byte {
	out = append(out, '"')
	for _, r := range text {
		if short := strings.IndexRune("\"\\\b\f\n\r\t", r); short >= 0 {
			out = append(out, '\\', `"\bfnrt`[short])
			continue
		}
		switch {
		case r == '/' && s.slashes:
			out = append(out, '\\', '/')
		case r < ' ', r >= utf8.RuneSelf && s.ascii, s.html && strings.ContainsRune("<>&\u2028\u2029", r):
			for _, unit := range utf16.Encode([]rune{r}) {
				if s.upper {
					out = fmt.Appendf(out, `\u%04X`, unit)
				} else {
					out = fmt.Appendf(out, `\u%04x`, unit)
				}
			}
		default:
			out = utf8.AppendRune(out, r)
		}
	}
	return append(out, '"')
}

// walkJSON hands out valid JSON piece by piece: the bytes outside strings, and the strings with their quotes.
func walkJSON(body []byte, outside func(byte), text func([]byte)) {
	for i := 0; i < len(body); i++ {
		if body[i] != '"' {
			outside(body[i])
			continue
		}
		end := i + 1
		for end < len(body) && body[end] != '"' {
			if body[end] == '\\' {
				end++
			}
			end++
		}
		end = min(end, len(body)-1)
		text(body[i : end+1])
		i = end
	}
}
