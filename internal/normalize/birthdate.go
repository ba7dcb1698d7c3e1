package normalize

import (
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// appendBirthDate: YYYYMMDD. It reads year, month and day in the orders people write them, with a month as number or
// English word, with or without punctuation. Where both readings are possible the month stands before the day. s is
// ASCII, or folded with its digits.
func appendBirthDate(dst []byte, s string, now time.Time) ([]byte, Problem) {
	var parts [3]datePart
	n, ok := splitDate(withoutTime(s), &parts)
	if !ok {
		return dst, DateForm
	}
	var year, month, day int
	switch {
	case n == 1 && parts[0].digits == 8:
		// The first four digits are the year, unless that leaves no date while the last four do.
		v := parts[0].value
		year, month, day = v/1e4, v/100%100, v%100
		if p := checkDate(year, month, day, now); p != None {
			year = v % 1e4
			month, day = monthFirst(v/1e6, v/1e4%100)
			if checkDate(year, month, day, now) != None {
				return dst, p
			}
		}
	case n == 3 && parts[0].digits == 4: // 1991-05-26, 1991 May 26
		year, month, day = parts[0].value, parts[1].value, parts[2].value
		if !orderDay(parts[1], parts[2], &month, &day) {
			return dst, DateForm
		}
	case n == 3 && parts[2].digits == 4: // 5/26/1991, 26.5.1991, May 26, 1991, 26 May 1991
		year = parts[2].value
		if !orderDay(parts[0], parts[1], &month, &day) {
			return dst, DateForm
		}
	default:
		return dst, DateForm
	}
	if p := checkDate(year, month, day, now); p != None {
		return dst, p
	}
	return strconv.AppendInt(dst, int64(number(year, month, day)), 10), None
}

// datePart is a number of so many digits, or a month given as a word, of no digits.
type datePart struct{ value, digits int }

// splitDate reads up to three parts of a date into parts and returns how many there are.
func splitDate(s string, parts *[3]datePart) (n int, ok bool) {
	for s != "" {
		size := 0
		switch r, width := utf8.DecodeRuneInString(s); {
		case '0' <= r && r <= '9':
			p := datePart{}
			for size < len(s) && '0' <= s[size] && s[size] <= '9' {
				p.value = p.value*10 + int(s[size]-'0') // more than eight digits are refused for their number
				size++
			}
			p.digits = size
			size += ordinalLen(s[size:])
			if n == len(parts) {
				return 0, false
			}
			parts[n] = p
			n++
		case lowerAlnum(r) != 0:
			for size < len(s) && lowerAlnum(rune(s[size])) >= 'a' {
				size++
			}
			month := monthNumber(s[:size])
			if strings.EqualFold(s[:size], "of") {
				break
			}
			if month == 0 || n == len(parts) {
				return 0, false
			}
			parts[n] = datePart{value: month}
			n++
		case isDateSeparator(r):
			size = width
		default:
			return 0, false
		}
		s = s[size:]
	}
	return n, true
}

// orderDay sets month and day from two neighbouring parts, and reports whether they can be that.
func orderDay(a, b datePart, month, day *int) bool {
	switch {
	case a.digits == 0 && (b.digits == 1 || b.digits == 2):
		*month, *day = a.value, b.value
	case b.digits == 0 && (a.digits == 1 || a.digits == 2):
		*month, *day = b.value, a.value
	case a.digits <= 2 && b.digits <= 2 && a.digits*b.digits != 0:
		*month, *day = monthFirst(a.value, b.value)
	default:
		return false
	}
	return true
}

// monthFirst reads two numbers as month and day, and as day and month only if the first cannot be a month.
func monthFirst(a, b int) (month, day int) {
	if a > 12 {
		return b, a
	}
	return a, b
}

// checkDate says what is wrong with a date. A date counts as past as soon as it has begun anywhere on earth.
func checkDate(year, month, day int, now time.Time) Problem {
	const furthestEast = 14 * time.Hour
	if month < 1 || month > 12 || day < 1 || day > daysIn(year, month) {
		return Calendar
	}
	y, m, d := now.UTC().Add(furthestEast).Date()
	if year < 1900 || number(year, month, day) > number(y, int(m), d) {
		return DateRange
	}
	return None
}

// number is the date as it reads in its normal form.
func number(year, month, day int) int { return (year*100+month)*100 + day }

func daysIn(year, month int) int {
	switch month {
	case 4, 6, 9, 11:
		return 30
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	default:
		return 31
	}
}

// withoutTime cuts the time of day off a time stamp such as 1991-05-26T00:00:00Z.
func withoutTime(s string) string {
	const date = len("1991-05-26")
	if len(s) < len("1991-05-26T00:00") || s[4] != '-' || s[7] != '-' || s[13] != ':' ||
		s[date] != 'T' && s[date] != 't' && s[date] != ' ' {
		return s
	}
	for i := date + 1; i < len(s); i++ {
		if c := s[i]; (c < '0' || c > '9') && strings.IndexByte(":.+-Zz ", c) < 0 {
			return s
		}
	}
	return s[:date]
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

// isDateSeparator reports whether r may stand around the parts of a date: spaces, punctuation, and the words for year,
// month and day that Chinese, Japanese and Korean put behind the number.
func isDateSeparator(r rune) bool {
	switch r {
	case '年', '月', '日', '년', '월', '일':
		return true
	}
	return unicode.IsPunct(r) || unicode.IsSpace(r)
}
