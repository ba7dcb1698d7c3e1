package normalize

import (
	"strconv"
	"time"
)

// appendBirthDate: YYYYMMDD. It reads year, month and day in the orders people write them, with a month as number or
// English word, with or without punctuation. Where both readings are possible the month stands before the day. A time
// of day is read and dropped, and so is its zone: the date is the written one, whatever the zone. s is ASCII, or folded
// with its digits.
func appendBirthDate(dst []byte, s string, now time.Time) ([]byte, Problem) {
	d := dateReader{rest: s}
	if !d.read() {
		return dst, DateForm
	}
	var year, month, day int
	switch parts := d.parts; {
	case d.n == 1: // eight digits
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
	case parts[0].digits == 4: // 1991-05-26, 1991 May 26
		year, month, day = parts[0].value, parts[1].value, parts[2].value
		if !orderDay(parts[1], parts[2], &month, &day) {
			return dst, DateForm
		}
	default: // 5/26/1991, 26.5.1991, May 26, 1991, 26 May 1991
		year = parts[2].value
		if !orderDay(parts[0], parts[1], &month, &day) {
			return dst, DateForm
		}
	}
	if p := checkDate(year, month, day, now); p != None {
		return dst, p
	}
	return strconv.AppendInt(dst, int64(number(year, month, day)), 10), None
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
