package jsonscan

import (
	"math/bits"
	"strconv"
)

// MaxDepth is how deeply objects and arrays may nest, the limit encoding/json has.
const MaxDepth = 10000

// Kind says what a JSON value is.
type Kind uint8

// The kinds. Invalid also stands for the end of the input and for a scanner that has failed.
const (
	Invalid Kind = iota
	Null
	Bool
	Number
	String
	Array
	Object
)

// kinds tells the kind of a value by its first byte.
var kinds = [256]Kind{
	'n': Null, 't': Bool, 'f': Bool, '"': String, '[': Array, '{': Object, '-': Number,
	'0': Number, '1': Number, '2': Number, '3': Number, '4': Number,
	'5': Number, '6': Number, '7': Number, '8': Number, '9': Number,
}

// SyntaxError says where a document stopped being JSON. It repeats nothing of the document.
type SyntaxError struct {
	Offset int  // bytes before the offending one
	Deep   bool // the document nests deeper than MaxDepth
}

// Error names the place.
func (e *SyntaxError) Error() string {
	if e.Deep {
		return "nested too deeply at byte " + strconv.Itoa(e.Offset)
	}
	return "invalid JSON at byte " + strconv.Itoa(e.Offset)
}

// Scanner is a cursor over one JSON document. Values are consumed in order, each exactly once: by a scalar method, by
// [Scanner.Skip], or by opening it and consuming what it holds.
//
// The first syntax error sticks: from then on every loop ends and every method returns its zero value. Read
// [Scanner.Err] when the walk is over. Strings are parts of the input where possible, so they live as long as it.
type Scanner struct {
	src   string
	pos   int
	depth int
	fresh bool // an object or array was opened and nothing in it was read
	bad   bool
	deep  bool

	decoded int // bytes of strings that are no part of the input
}

// New returns a scanner over src.
func New(src string) Scanner { return Scanner{src: src} }

// Err returns the *SyntaxError that stopped the scanner, or nil.
func (s *Scanner) Err() error {
	if !s.bad {
		return nil
	}
	return &SyntaxError{Offset: s.pos, Deep: s.deep}
}

// End checks that only white space follows, and returns the error of the whole walk.
func (s *Scanner) End() error {
	if !s.bad {
		s.space()
		if s.pos < len(s.src) {
			s.fail(s.pos)
		}
	}
	return s.Err()
}

// Stop ends the walk as a syntax error would.
func (s *Scanner) Stop() { s.bad = true }

// Decoded returns how many bytes were taken for strings that are not parts of the input: those with escapes, and those
// that are not UTF-8.
func (s *Scanner) Decoded() int { return s.decoded }

// Pos returns how many bytes are consumed. After [Scanner.Kind] it is where the next value starts.
func (s *Scanner) Pos() int { return s.pos }

// Span returns the input between two positions, the exact bytes.
func (s *Scanner) Span(from, to int) string { return s.src[from:to] }

// Kind tells what the next value is without consuming it.
func (s *Scanner) Kind() Kind {
	if s.bad {
		return Invalid
	}
	return kinds[s.space()]
}

// Skip consumes one value of any kind and returns its exact bytes.
func (s *Scanner) Skip() string {
	if s.bad {
		return ""
	}
	s.space()
	start := s.pos
	end := skipValue(s.src, start, s.depth)
	if end < 0 {
		s.failSkip(end)
		return ""
	}
	s.pos = end
	return s.src[start:end]
}

// Open enters the next value if it is of kind k, [Object] or [Array]. A value of another kind is consumed, and Open
// returns false.
func (s *Scanner) Open(k Kind) bool {
	if s.Kind() != k {
		s.Skip()
		return false
	}
	if s.depth == MaxDepth {
		s.deep = true
		s.fail(s.pos)
		return false
	}
	s.pos++
	s.depth++
	s.fresh = true
	return true
}

// NextKey reads the next key of the object that is open; its value is to be consumed before the next call. At the end
// of the object it closes it and returns false.
func (s *Scanner) NextKey() (string, bool) {
	if !s.next('}') {
		return "", false
	}
	if s.pos >= len(s.src) || s.src[s.pos] != '"' {
		s.fail(s.pos)
		return "", false
	}
	key := s.str()
	if s.bad {
		return "", false
	}
	if s.space() != ':' {
		s.fail(s.pos)
		return "", false
	}
	s.pos++
	return key, true
}

// NextElem moves to the next element of the array that is open, which is to be consumed before the next call. At the
// end of the array it closes it and returns false.
func (s *Scanner) NextElem() bool {
	return s.next(']')
}

// next moves past the comma before the next member, or past the closing byte.
func (s *Scanner) next(closing byte) bool {
	if s.bad {
		return false
	}
	c := s.space()
	if c == closing {
		s.pos++
		s.depth--
		s.fresh = false
		return false
	}
	if s.fresh {
		s.fresh = false
		return true
	}
	if c != ',' {
		s.fail(s.pos)
		return false
	}
	s.pos++
	s.space()
	return true
}

// str consumes the string at pos, which starts with a quote.
func (s *Scanner) str() string {
	start := s.pos + 1
	end, form := stringEnd(s.src, start)
	if end < 0 {
		s.fail(^end)
		return ""
	}
	s.pos = end + 1
	raw := s.src[start:end]
	if form == formPlain {
		return raw
	}
	text, taken := decode(raw, form)
	s.decoded += taken
	return text
}

// space moves past white space and returns the byte there, 0 at the end of the input.
func (s *Scanner) space() byte {
	for ; s.pos < len(s.src); s.pos++ {
		if c := s.src[s.pos]; c > ' ' || !isSpace(c) {
			return c
		}
	}
	return 0
}

func (s *Scanner) fail(pos int) {
	s.pos, s.bad = pos, true
}

// failSkip takes over what skipValue found wrong.
func (s *Scanner) failSkip(end int) {
	pos := ^end
	s.deep = pos&tooDeep != 0
	s.fail(pos &^ tooDeep)
}

func isSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\r' || c == '\t' }

// tooDeep marks a failure position of skipValue that is about depth, not syntax.
const tooDeep = 1 << (strconv.IntSize - 2)

// skipValue returns the position after the value at pos, or the complement of where it fails. depth counts the open
// containers around it.
func skipValue(src string, pos, depth int) int {
	if pos >= len(src) {
		return ^pos
	}
	switch kinds[src[pos]] {
	case String:
		end, _ := stringEnd(src, pos+1)
		if end < 0 {
			return end
		}
		return end + 1
	case Number:
		return numberEnd(src, pos)
	case Object:
		return skipMembers(src, pos, depth, '}')
	case Array:
		return skipMembers(src, pos, depth, ']')
	case Null:
		return literalEnd(src, pos, "null")
	case Bool:
		if src[pos] == 't' {
			return literalEnd(src, pos, "true")
		}
		return literalEnd(src, pos, "false")
	default:
		return ^pos
	}
}

// skipMembers skips an object or an array from its opening byte at pos.
func skipMembers(src string, pos, depth int, closing byte) int {
	if depth == MaxDepth {
		return ^(pos | tooDeep)
	}
	pos = skipSpace(src, pos+1)
	if pos < len(src) && src[pos] == closing {
		return pos + 1
	}
	for {
		if closing == '}' {
			if pos >= len(src) || src[pos] != '"' {
				return ^pos
			}
			end, _ := stringEnd(src, pos+1)
			if end < 0 {
				return end
			}
			pos = skipSpace(src, end+1)
			if pos >= len(src) || src[pos] != ':' {
				return ^pos
			}
			pos = skipSpace(src, pos+1)
		}
		if pos = skipValue(src, pos, depth+1); pos < 0 {
			return pos
		}
		pos = skipSpace(src, pos)
		if pos >= len(src) {
			return ^pos
		}
		switch src[pos] {
		case ',':
			pos = skipSpace(src, pos+1)
		case closing:
			return pos + 1
		default:
			return ^pos
		}
	}
}

func skipSpace(src string, pos int) int {
	for pos < len(src) && src[pos] <= ' ' && isSpace(src[pos]) {
		pos++
	}
	return pos
}

func literalEnd(src string, pos int, word string) int {
	for i := range len(word) {
		if pos+i >= len(src) || src[pos+i] != word[i] {
			return ^(pos + i)
		}
	}
	return pos + len(word)
}

// numberEnd returns the position after the number at pos, or the complement of where it stops being one.
func numberEnd(src string, pos int) int {
	if pos < len(src) && src[pos] == '-' {
		pos++
	}
	start := pos
	if pos = digits(src, pos); pos == start || src[start] == '0' && pos > start+1 {
		// No digit at all, or a zero in front of others: the number ended after that zero.
		if pos > start {
			pos = start + 1
		}
		return ^pos
	}
	if pos < len(src) && src[pos] == '.' {
		start = pos + 1
		if pos = digits(src, start); pos == start {
			return ^pos
		}
	}
	if pos < len(src) && (src[pos] == 'e' || src[pos] == 'E') {
		pos++
		if pos < len(src) && (src[pos] == '+' || src[pos] == '-') {
			pos++
		}
		start = pos
		if pos = digits(src, start); pos == start {
			return ^pos
		}
	}
	return pos
}

func digits(src string, pos int) int {
	for pos < len(src) && src[pos]-'0' <= 9 {
		pos++
	}
	return pos
}

// The forms a string's content can have.
type form uint8

const (
	formPlain   form = 0
	formUnicode form = 1 // has bytes outside ASCII, which may not be valid UTF-8
	formEscaped form = 2 // has escapes
)

const (
	everyByte = 0x0101010101010101
	highBits  = 0x8080808080808080
)

// stringEnd returns the position of the closing quote of the string whose content starts at pos, and what decoding
// the content needs. A negative position is the complement of the offending one.
func stringEnd(src string, pos int) (int, form) {
	var f form
	for {
		// Eight bytes at a time up to the first one that is not plain ASCII. Each test marks the high bit of the bytes
		// it finds; borrows can mark bytes above a find too, so only the lowest mark counts.
		for pos+8 <= len(src) {
			w := load64(src[pos : pos+8])
			quote := w ^ everyByte*'"'
			slash := w ^ everyByte*'\\'
			marks := ((quote-everyByte)&^quote | (slash-everyByte)&^slash | (w-everyByte*' ')&^w | w) & highBits
			if marks != 0 {
				pos += bits.TrailingZeros64(marks) / 8
				break
			}
			pos += 8
		}
		if pos >= len(src) {
			return ^pos, f
		}
		switch c := src[pos]; {
		case c == '"':
			return pos, f
		case c == '\\':
			f |= formEscaped
			next := escapeEnd(src, pos)
			if next < 0 {
				return next, f
			}
			pos = next
		case c < ' ':
			return ^pos, f
		default:
			if c >= 0x80 {
				f |= formUnicode
			}
			pos++
		}
	}
}

// load64 reads eight bytes as a little-endian number; the compiler makes one load of it.
func load64(b string) uint64 {
	_ = b[7]
	return uint64(b[0]) | uint64(b[1])<<8 | uint64(b[2])<<16 | uint64(b[3])<<24 |
		uint64(b[4])<<32 | uint64(b[5])<<40 | uint64(b[6])<<48 | uint64(b[7])<<56
}

// escapeEnd returns the position after the escape at pos, or the complement of where it is wrong.
func escapeEnd(src string, pos int) int {
	pos++
	if pos >= len(src) {
		return ^pos
	}
	switch src[pos] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return pos + 1
	case 'u':
		for i := pos + 1; i <= pos+4; i++ {
			if i >= len(src) || hexValue(src[i]) > 0xf {
				return ^i
			}
		}
		return pos + 5
	default:
		return ^pos
	}
}

// hexValue returns the value of a hexadecimal digit, or something above 15.
func hexValue(c byte) byte {
	switch {
	case c-'0' <= 9:
		return c - '0'
	case c|0x20 >= 'a' && c|0x20 <= 'f':
		return c | 0x20 - 'a' + 10
	default:
		return 0xff
	}
}
