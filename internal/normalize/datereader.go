package normalize

import (
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// dateReader reads a date as people and programs write it.
type dateReader struct {
	rest  string // what has not been read
	parts [3]datePart
	n     int  // how many parts there are
	timed bool // whether a time of day was read
}

// datePart is a number of so many digits, or a month given as a word, of no digits.
type datePart struct{ value, digits int }

// read reads all of the text and reports whether it is a date: eight digits, or three parts of which the first or the
// last is a year of four digits. A weekday and a time of day with its zone may stand before or behind it or, as Unix
// writes them, before the year.
func (d *dateReader) read() bool {
	for !d.complete() {
		if d.rest == "" || d.n == len(d.parts) {
			return false
		}
		r, width := utf8.DecodeRuneInString(d.rest)
		switch {
		case isDigit(r) && !d.timed && d.timeWithin():
		case isDigit(r):
			d.number()
		case d.timed && d.zone():
		case lowerAlnum(r) != 0:
			if !d.word() {
				return false
			}
		case isDateSeparator(r):
			d.rest = d.rest[width:]
		default:
			return false
		}
	}
	return d.tail()
}

// timeWithin reads a time that stands before the date or before its year, and reports whether there was one.
func (d *dateReader) timeWithin() bool {
	if i := digits(d.rest); d.n == 1 || !strings.HasPrefix(d.rest[i:], ":") {
		return false
	}
	before := *d
	if d.time(true) && strings.HasPrefix(d.rest, " ") {
		d.timed = d.n == 2 // only there a zone comes before the year, and not what looks like one: 12:00 26-05-1991
		return true
	}
	*d = before
	return false
}

// complete reports whether the parts make a date.
func (d *dateReader) complete() bool {
	return d.n == 1 && d.parts[0].digits == 8 ||
		d.n == 3 && (d.parts[0].digits == 4 || d.parts[2].digits == 4)
}

func (d *dateReader) add(p datePart) {
	d.parts[d.n] = p
	d.n++
}

// number reads a number as a part of the date.
func (d *dateReader) number() {
	const date, second = len("19910526"), len("19910526000000")
	size := digits(d.rest)
	if d.n == 0 && (size == second || size == second+len("000")) && isClock(d.rest[date:second]) {
		d.timed = true
		d.add(datePart{value: decimal(d.rest[:date]), digits: date})
	} else {
		d.add(datePart{value: decimal(d.rest[:min(size, date)]), digits: size})
	}
	d.rest = d.rest[size:]
	d.rest = d.rest[ordinalLen(d.rest):]
}

// word reads a month, or a word that says nothing more: a weekday, or "of".
func (d *dateReader) word() bool {
	word := letters(d.rest)
	if month := monthNumber(word); month != 0 {
		d.add(datePart{value: month})
	} else if !strings.EqualFold(word, "of") && !isWeekday(word) {
		return false
	}
	d.rest = d.rest[len(word):]
	return true
}

// tail reads what stands behind the date, and reports whether it can.
func (d *dateReader) tail() bool {
	if s := d.rest; s != "" && (s[0]|0x20 == 'z' || len(s) == len("+02:00") && s[3] == ':') && d.zone() {
		return d.rest == "" // a date of XML: 1991-05-26Z, 1991-05-26+02:00
	}
	before := d.gap()
	if before == noGap && len(d.rest) > 1 && d.rest[0]|0x20 == 't' { // ISO 8601
		d.rest, before = d.rest[1:], spaceGap
		d.basicTime()
	}
	for word := letters(d.rest); isWeekday(word) || isBeforeTime(word); {
		d.rest = d.rest[len(word):]
		before = max(d.gap(), spaceGap)
		word = letters(d.rest)
	}
	if !d.timed && (d.n != 1 || before != spaceGap || !d.basicTime()) {
		d.time(before != spaceGap)
	}
	for d.timed && d.rest != "" {
		if word := letters(d.rest); isWeekday(word) {
			d.rest = d.rest[len(word):]
		} else if !d.zone() && d.gap() == noGap {
			return false
		}
	}
	return d.rest == ""
}

// The gaps between date and time. An hour without minutes needs a space before it, or it were one number too many.
const (
	noGap = iota
	punctuationGap
	spaceGap
)

// gap skips separators and says which there were.
func (d *dateReader) gap() int {
	kind := noGap
	for d.rest != "" {
		r, width := utf8.DecodeRuneInString(d.rest)
		switch {
		case d.timed && strings.ContainsRune("+-([", r), !isDateSeparator(r):
			return kind
		case unicode.IsSpace(r):
			kind = spaceGap
		default:
			kind = max(kind, punctuationGap)
		}
		d.rest = d.rest[width:]
	}
	return kind
}

// basicTime reads a time without punctuation, 1200 or 120000, and reports whether there was one.
func (d *dateReader) basicTime() bool {
	size := digits(d.rest)
	if (size != len("1200") && size != len("120000")) || !isClock(d.rest[:size]) {
		return false
	}
	d.rest, d.timed = fraction(d.rest[size:]), true
	return true
}

// time reads a time of day and reports whether there was one. With minutes set an hour alone is none.
func (d *dateReader) time(minutes bool) bool {
	s, clock, n, last := d.rest, [3]int{}, 0, rune(0)
	for n < len(clock) {
		size := digits(s)
		if size == 0 || size > 2 || n > 0 && size == 1 && last < utf8.RuneSelf {
			break // only 0時5分 has minutes of one digit
		}
		clock[n] = decimal(s[:size])
		n++
		s = s[size:]
		r, width := utf8.DecodeRuneInString(s)
		next := digits(s[width:])
		if !isTimeSeparator(r) || r < utf8.RuneSelf && (n == len(clock) || next == 0 && r|0x20 != 'h') {
			break
		}
		last, s = r, s[width:]
	}
	if n == len(clock) {
		s = fraction(s)
	}
	rest, half := dayHalf(s)
	if n == 0 || n == 1 && minutes && !half || clock[0] > 24 || half && clock[0] > 12 || clock[1] > 59 || clock[2] > 60 {
		return false
	}
	d.rest, d.timed = rest, true
	return true
}

// zone reads a zone, or a part of how one is written, and reports whether there was one: Z, UTC, CEST, +02, +0200,
// +02:00, Europe/Berlin, [Europe/Berlin], (Central European Summer Time), and the m=+0.1 of Go's time.Time.String.
func (d *dateReader) zone() bool {
	s := d.rest
	word := letters(s)
	switch {
	case s == "":
		return false
	case s[0] == '+' || s[0] == '-':
		size := digits(s[1:])
		if size == 0 || size > len("020000") {
			return false
		}
		for s = s[1+size:]; len(s) > 2 && s[0] == ':' && digits(s[1:]) == 2; {
			s = s[len(":00"):]
		}
	case s[0] == '(' || s[0] == '[':
		end := strings.IndexAny(s, ")]")
		if end < 0 {
			return false
		}
		s = s[end+1:]
	case strings.HasPrefix(s, "m=+") || strings.HasPrefix(s, "m=-"):
		s = s[len("m=+"):]
		s = fraction(s[digits(s):])
	case word != "" && strings.HasPrefix(s[len(word):], "/"):
		s = strings.TrimLeftFunc(s, func(r rune) bool { return r == '/' || r == '_' || lowerAlnum(r) != 0 })
	case strings.EqualFold(word, "z") || len(word) >= 2 && len(word) <= 5:
		s = s[len(word):]
	default:
		return false
	}
	d.rest = s
	return true
}

// fraction takes a fraction of a second off the start of s.
func fraction(s string) string {
	if s != "" && strings.IndexByte(".,:", s[0]) >= 0 {
		if size := digits(s[1:]); size > 0 {
			return s[1+size:]
		}
	}
	return s
}

// dayHalf takes AM or PM off the start of s and reports whether it was there.
func dayHalf(s string) (rest string, ok bool) {
	t := strings.TrimLeftFunc(s, unicode.IsSpace)
	if t == "" || t[0]|0x20 != 'a' && t[0]|0x20 != 'p' {
		return s, false
	}
	t = strings.TrimLeft(t[1:], ". ")
	if t == "" || t[0]|0x20 != 'm' || letters(t[1:]) != "" {
		return s, false
	}
	return strings.TrimPrefix(t[1:], "."), true
}

// isClock reports whether the digits are those of a time of day.
func isClock(s string) bool {
	v := decimal(s)
	if len(s) == len("1200") {
		v *= 100
	}
	return v/1e4 <= 24 && v/100%100 <= 59 && v%100 <= 60
}

func isDigit(r rune) bool { return '0' <= r && r <= '9' }

// digits is how many digits s begins with.
func digits(s string) int {
	n := 0
	for n < len(s) && isDigit(rune(s[n])) {
		n++
	}
	return n
}

// decimal is the number that s, a few digits, means.
func decimal(s string) int {
	v := 0
	for i := range len(s) {
		v = v*10 + int(s[i]-'0')
	}
	return v
}

// letters is the word s begins with.
func letters(s string) string {
	for i, r := range s {
		if !unicode.IsLetter(r) || isDateSeparator(r) {
			return s[:i]
		}
	}
	return s
}

// ordinalLen is the length of the ending of 1st, 2nd, 3rd, 4th at the start of s, or 0.
func ordinalLen(s string) int {
	for _, ending := range [...]string{"st", "nd", "rd", "th"} {
		if n := len(ending); len(s) >= n && strings.EqualFold(s[:n], ending) {
			return n
		}
	}
	return 0
}

// monthNumber returns 1 to 12 for an English month, in full or cut to three letters (or Sept), and 0 for other words.
func monthNumber(word string) int {
	if strings.EqualFold(word, "sept") {
		return 9
	}
	for m := time.January; m <= time.December; m++ {
		if name := m.String(); strings.EqualFold(word, name) || strings.EqualFold(word, name[:3]) {
			return int(m)
		}
	}
	return 0
}

// isWeekday reports whether word is a weekday in English, in full or cut to three or more letters, or the sign for one
// in Chinese and Japanese.
func isWeekday(word string) bool {
	for d := time.Sunday; d <= time.Saturday; d++ {
		if name := d.String(); len(word) >= 3 && len(word) <= len(name) && strings.EqualFold(word, name[:len(word)]) {
			return true
		}
	}
	switch word {
	case "火", "水", "木", "金", "土": // Sunday and Monday are 日 and 月, which are separators already
		return true
	}
	return false
}

// isBeforeTime reports whether word is one that stands between date and time, in some language, or one for a half of
// the day.
func isBeforeTime(word string) bool {
	switch strings.ToLower(word) {
	case "at", "à", "às", "alle", "kl", "klo", "om", "ore", "um", "上午", "下午", "午前", "午後", "午后", "오전", "오후":
		return true
	}
	return false
}

// isDateSeparator reports whether r may stand around the parts of a date: spaces, punctuation, and the words for year,
// month and day that Chinese, Japanese and Korean put behind the number.
func isDateSeparator(r rune) bool {
	switch r {
	case '年', '月', '日', '년', '월', '일':
		return true
	}
	return unicode.IsPunct(r) || unicode.IsSpace(r)
}

// isTimeSeparator reports whether r may stand behind hour, minute or second.
func isTimeSeparator(r rune) bool {
	switch r {
	case ':', '.', 'h', 'H', '時', '时', '点', '시', '分', '분', '秒', '초':
		return true
	}
	return false
}
