package normalize_test

import (
	_ "embed"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go/internal/normalize"
)

// today is when these tests take place: late in the day, so that it is tomorrow already further east.
var today = time.Date(2026, time.February, 28, 12, 0, 0, 0, time.UTC)

func appendForm(t *testing.T, key normalize.Key, s, country string) (string, bool, normalize.Problem) {
	t.Helper()
	out, hashed, p := normalize.Append([]byte("kept"), key, s, &normalize.Context{Country: country, Now: today})
	require.Equal(t, "kept", string(out[:4]), "what dst held stays")
	if p != normalize.None {
		require.Len(t, out, 4, "with a problem nothing is appended")
	}
	return string(out[4:]), hashed, p
}

// Every country under its codes and its names in ISO 3166-1 and in CLDR.
//
//go:embed testdata/countries.txt
var countries string

func TestCountry_KnowsTheWholeTable(t *testing.T) {
	t.Parallel()
	lines := strings.Split(strings.TrimSpace(countries), "\n")
	require.Len(t, lines, 249)
	for _, line := range lines {
		names := strings.Split(line, "\t")
		want := strings.ToLower(names[0])
		for _, name := range names {
			require.Equal(t, want, normalize.Country(name), name)
			require.Equal(t, want, normalize.Country(strings.ToLower(name)), name)
			require.Equal(t, want, normalize.Country(strings.ToUpper(name)), name)
			require.Equal(t, want, normalize.Country(" "+strings.ReplaceAll(name, " ", "\u00a0")+"\u200e"), name)
		}
	}
}

func TestCountry_KnowsNoOthers(t *testing.T) {
	t.Parallel()
	known := 0
	for a := 'a'; a <= 'z'; a++ {
		for b := 'a'; b <= 'z'; b++ {
			if normalize.Country(string([]rune{a, b})) != "" {
				known++
			}
		}
	}
	require.Equal(t, 249+3, known, "ISO's codes, UK, EL and XK")
	for _, s := range []string{
		"", " ", "the", "840", "u\xffs", strings.Repeat("us", 1000), "u1s", "ус", "us\u0430", "us 中国", "us Ⅷ",
		"u" + strings.Repeat(".", normalize.MaxLen) + "s",
	} {
		require.Empty(t, normalize.Country(s), s)
	}
}

func TestAppend_BirthDatesEndToday(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]normalize.Problem{
		"1899-12-31": normalize.DateRange,
		"1900-01-01": normalize.None,
		"2026-02-27": normalize.None,
		"2026-02-28": normalize.None,
		"2026-03-01": normalize.None, // it has begun in the east
		"2026-03-02": normalize.DateRange,
		"2027-01-01": normalize.DateRange,
		"2026-02-29": normalize.Calendar,
		"2024-02-29": normalize.None,
		"1900-02-29": normalize.Calendar,
		"2000-02-29": normalize.None,
		"1990-04-30": normalize.None,
		"1990-04-31": normalize.Calendar,
		"1990-06-31": normalize.Calendar,
		"1990-09-31": normalize.Calendar,
		"1990-11-31": normalize.Calendar,
		"1990-01-31": normalize.None,
		"1990-03-32": normalize.Calendar,
	} {
		_, _, p := appendForm(t, normalize.BirthDate, s, "")
		require.Equal(t, want, p, s)
	}
}

func TestAppend_BirthDatesKnowEveryMonth(t *testing.T) {
	t.Parallel()
	for m := time.January; m <= time.December; m++ {
		want := time.Date(1990, m, 5, 0, 0, 0, 0, time.UTC)
		for _, layout := range []string{
			"20060102", "2006-01-02", "2006-1-2", "1/2/2006", "01/02/2006", "01022006", "January 2, 2006", "Jan 2 2006",
			"2 January 2006", "2-Jan-2006", "2006 Jan 2", "02Jan2006", time.RFC3339, time.RFC3339Nano,
		} {
			got, _, p := appendForm(t, normalize.BirthDate, want.Format(layout), "")
			require.Equal(t, normalize.None, p, want.Format(layout))
			require.Equal(t, want.Format("20060102"), got, want.Format(layout))
		}
	}
}

func TestAppend_Problems(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		key     normalize.Key
		s       string
		country string
		want    normalize.Problem
	}{
		{normalize.Email, " ", "", normalize.Empty},
		{normalize.Email, strings.Repeat("a", normalize.MaxLen+1), "", normalize.TooLong},
		{normalize.Email, " " + strings.Repeat("a", normalize.MaxLen) + " ", "", normalize.EmailForm}, // measured trimmed
		{normalize.City, strings.Repeat("Ⱥ", normalize.MaxLen/2), "", normalize.TooLong},              // Ⱥ is longer in lower case
		{normalize.Email, "\xff", "", normalize.Encoding},
		{normalize.ExternalID, "\xff", "", normalize.Encoding},
		{normalize.ExternalID, strings.Repeat("d", 32), "", normalize.None},
		{normalize.Email, strings.Repeat("d", 32), "", normalize.Digest},
		{normalize.City, strings.Repeat("dd ", 16), "", normalize.Digest},
		{normalize.LastName, strings.Repeat("d-d", 32), "", normalize.Digest},
		{normalize.Email, "a@b", "", normalize.EmailForm},
		{normalize.Phone, "123456", "", normalize.PhoneLength},
		{normalize.City, "1", "", normalize.NoLetter},
		{normalize.Gender, "x", "", normalize.GenderWord},
		{normalize.BirthDate, "x", "", normalize.DateForm},
		{normalize.BirthDate, "19900231", "", normalize.Calendar},
		{normalize.BirthDate, "18000101", "", normalize.DateRange},
		{normalize.State, "x", "us", normalize.StateName},
		{normalize.State, "x", "ca", normalize.StateName},
		{normalize.State, "x", "gu", normalize.None},
		{normalize.State, "x", "de", normalize.None},
		{normalize.State, "-", "us", normalize.Empty},
		{normalize.Zip, "x", "", normalize.ZipForm},
		{normalize.Zip, "1234", "us", normalize.ZipForm},
		{normalize.Zip, "1234", "pr", normalize.ZipForm},
		{normalize.Zip, "1234", "de", normalize.None},
		{normalize.CountryCode, "x", "", normalize.CountryName},
	} {
		_, hashed, p := appendForm(t, tc.key, tc.s, tc.country)
		require.Equal(t, tc.want, p, "%d %q", tc.key, tc.s)
		require.False(t, hashed)
	}
}

func TestAppend_LeavesADigestADigest(t *testing.T) {
	t.Parallel()
	digest := strings.Repeat("0F", 32)
	for key := range normalize.Key(normalize.NumKeys) {
		got, hashed, p := appendForm(t, key, "\t"+digest+".AQQCAQIB ", "us")
		require.Equal(t, normalize.None, p)
		require.True(t, hashed)
		require.Equal(t, strings.ToLower(digest)+".AQQCAQIB", got)
		require.Len(t, got, normalize.MaxHashedLen)
	}
}

// Unicode's full lower-casing, against what other implementations of it give.
func TestAppend_LowersInContext(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]string{
		"ΑΣ":        "ας",
		"ΑΣ Β":      "αςβ",
		"ΑΣΒ":       "ασβ",
		"ΣΑΣ":       "σας",
		"Σ":         "σ",
		"ΑΣΣ":       "ασς",
		"Α1Σ":       "α1σ", // a digit has no case and ends the word
		"ΑΣ'Β":      "ασβ", // an apostrophe does not
		"ΑΣ’Β":      "ασβ",
		"ΑΣ.Β":      "ασβ",
		"ΑΣ:Β":      "ασβ",
		"ΑΣ·Β":      "ασβ",
		"ΑΣ´Β":      "ασβ",
		"ΑΣ-Β":      "αςβ",
		"ΑΣ'":       "ας",
		"Α\u0301Σ":  "άς",
		"ΑΣ\u0301Β": "ασ\u0301β",
		"ΑΣʰ":       "αςʰ", // a modifier letter is passed over, cased or not
		"ªΣ":        "ªς",
		"ⅠΣ":        "ⅰς",
		"正Σ":        "正σ",
		"İ":         "i\u0307",
		"ẞ":         "ß",
		"Ω":         "ω", // ohm sign
		"K":         "k", // kelvin sign
		"ǅ":         "ǆ",
		"Ꙁ":         "ꙁ",
		"Ⴀ":         "ⴀ",
	} {
		got, _, p := appendForm(t, normalize.FirstName, s, "")
		require.Equal(t, normalize.None, p, s)
		require.Equal(t, want, got, s)
	}
}

func TestAppend_StopsAtMarksNoScriptStacks(t *testing.T) {
	t.Parallel()
	const mark = "\u0316" // composes with nothing
	eight := "a" + strings.Repeat(mark, 8)
	for s, want := range map[string]string{
		eight:                                   eight,
		eight + mark:                            eight,
		eight + strings.Repeat(mark, 60) + "b":  eight + "b",
		eight + " " + strings.Repeat(mark, 60):  eight,
		eight + "b" + strings.Repeat(mark, 2):   eight + "b" + mark + mark,
		"a" + strings.Repeat("\u0316\u0344", 9): "ä\u0316\u0316\u0316\u0316\u0301\u0308\u0301\u0308",
	} {
		got, _, p := appendForm(t, normalize.FirstName, s, "")
		require.Equal(t, normalize.None, p)
		require.Equal(t, want, got, "%+q", s)
	}
}

// Every decimal digit of Unicode means what it says, in the kinds that consist of digits.
func TestAppend_ReadsTheDigitsOfEveryScript(t *testing.T) {
	t.Parallel()
	for _, zero := range "٠۰߀०০੦૦୦௦౦೦൦෦๐໐༠၀႐០᠐᥆᧐᪀᪐᭐᮰᱀᱐꘠꣐꤀꧐꧰꩐꯰０𐒠𐴰𑁦𝟎𝟘𝟢𝟬𝟶𞥐" {
		digits := func(s string) string {
			return strings.Map(func(r rune) rune { return zero + r - '0' }, s)
		}
		for key, s := range map[normalize.Key]string{
			normalize.Phone: "16505551234", normalize.Zip: "9876543210", normalize.BirthDate: "19870216",
		} {
			got, _, p := appendForm(t, key, digits(s), "")
			require.Equal(t, normalize.None, p, digits(s))
			require.Equal(t, s, got)
		}
	}
}

//nolint:paralleltest // counts the allocations of the whole process
func TestAppend_AllocatesNothingForASCII(t *testing.T) {
	values := [normalize.NumKeys]string{
		normalize.Email: "John_Smith@Gmail.com", normalize.Phone: "+1 (650) 555-1212", normalize.FirstName: "Mary-Ann",
		normalize.LastName: "O'Brien", normalize.Gender: "Female", normalize.BirthDate: "May 26, 1991",
		normalize.City: "Menlo Park", normalize.State: "California", normalize.Zip: "94025-1234",
		normalize.CountryCode: "United States of America", normalize.ExternalID: "User-12345",
	}
	in := normalize.Context{Country: "us", Now: today}
	var buf [64]byte
	for key, s := range values {
		require.Zero(t, testing.AllocsPerRun(10, func() {
			if _, _, p := normalize.Append(buf[:0], normalize.Key(key), s, &in); p != normalize.None {
				t.Error(key, p)
			}
		}), s)
	}
}

func FuzzAppend(f *testing.F) {
	for i, s := range []string{
		"John_Smith@gmail.com", "+1 (650) 555-1212", "Mary-Ann", "O’Brien", "she/her", "2/16/1997", "São Paulo", "Québec",
		"94025-1234", "Trinidad & Tobago", "User-1", "ΑΝΤΩΝΙΟΣ", "İ\u0323x", "Vale-\u0301ry", "J\u030c", "１２３-٤٥٦٧",
		"\u200b\ufeff\u202e", "ΑΣ\u0345Β", "\u1100\u1161\u11a8", "Ⱥ", "\u037e\u1fef\u0387", "1997年2月16日", "st", "\u0344\u0301",
		strings.Repeat("0f", 32), strings.Repeat("0F", 32) + ".AQQCAQIB", strings.Repeat("0f", 16), "\xff", "\U000e0001a",
		"a" + strings.Repeat("\u0301", 40), "\u034fa\u0315\u0300", "940251-1234", "2139.0", "4091-6433", "New York (NY)",
		"Los Angeles CA", "Province de Québec", "N.-É.", "1991-05-26T00:00+02:00[Europe/Berlin]", "030 901820", "011 44 20",
		"🇩🇪 Germany", "Korea, Republic of", "Áo", "علی\u200cرضا",
	} {
		f.Add(uint8(i), s, "us")
		f.Add(uint8(normalize.State), s, "ca")
		f.Add(uint8(i+3), s, "")
	}
	f.Add(uint8(normalize.Email), "a"+strings.Repeat("\u0316\u0344", 9)+"@b.co", "")
	f.Fuzz(func(t *testing.T, kind uint8, s, country string) {
		key := normalize.Key(kind % normalize.NumKeys)
		in := normalize.Context{Country: normalize.Country(country), Now: today}
		once, hashed, p := normalize.Append(nil, key, s, &in)
		if p != normalize.None && !p.Doubt() {
			require.Empty(t, once)
			require.Less(t, p, normalize.Problem(normalize.NumProblems))
			return
		}
		require.NotEmpty(t, once)
		require.LessOrEqual(t, len(once), normalize.MaxLen)
		require.True(t, utf8.Valid(once))

		if key == normalize.Phone {
			in.Country = "" // without its + a number may look like one of that country
		}
		twice, hashedTwice, p := normalize.Append(nil, key, string(once), &in)
		require.True(t, p == normalize.None || p.Doubt(), "%q", once)
		require.Equal(t, string(once), string(twice), "the normal form of %q", s)
		require.Equal(t, hashed, hashedTwice)

		if hashed {
			require.Regexp(t, `^[0-9a-f]{64}(\.[0-9A-Za-z_-]{2}|\.[0-9A-Za-z_-]{8})?$`, string(once))
			return
		}
		switch key {
		case normalize.Phone:
			require.Regexp(t, `^[1-9][0-9]{6,14}$`, string(once))
		case normalize.Gender:
			require.Regexp(t, `^[fm]$`, string(once))
		case normalize.BirthDate:
			born, err := time.Parse("20060102", string(once))
			require.NoError(t, err)
			require.True(t, born.Year() >= 1900 && born.Before(today.Add(24*time.Hour)))
		case normalize.Zip:
			require.Regexp(t, `^[0-9a-z]{2,16}$`, string(once))
		case normalize.CountryCode:
			require.Regexp(t, `^[a-z]{2}$`, string(once))
		case normalize.Email:
			require.Regexp(t, `^[^@\s]+@[^@\s]+\.[^@\s]+$`, string(once))
		}
	})
}
