package normalize_test

import (
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"
	"golang.org/x/text/language"
	"golang.org/x/text/language/display"
	"golang.org/x/text/unicode/norm"

	"github.com/appevents/appevents-go/internal/normalize"
)

// regions are the countries of ISO 3166-1, and Kosovo.
func regions(t *testing.T) []language.Region {
	t.Helper()
	var list []language.Region
	for line := range strings.Lines(countries) {
		code, _, _ := strings.Cut(line, "\t")
		list = append(list, language.MustParseRegion(code))
	}
	require.Len(t, list, 249)
	return append(list, language.MustParseRegion("XK"))
}

// ownNames are the names CLDR has for the country in each language that it expects or has a variant for there.
func ownNames(region language.Region) []string {
	var names []string
	for _, tag := range display.Supported.Tags() {
		if spoken, _ := tag.Region(); spoken == region {
			if name := display.Regions(tag).Name(region); name != "" {
				names = append(names, name)
			}
		}
	}
	return names
}

// written are the ways in which people and programs write a name of a country with this code.
func written(name, code string) []string {
	return []string{
		name, " " + name + "\n", strings.ToLower(name), strings.ToUpper(name), norm.NFD.String(name),
		strings.ReplaceAll(name, " ", "\u00a0"), strings.ReplaceAll(name, " ", "-"), strings.ReplaceAll(name, " ", "  "),
		name + " (" + code + ")", name + " [" + code + "]", code + " - " + name, name + ", " + code, code + " " + name,
		name + " " + code, name + "/" + code, name + " | " + name, flag(code) + " " + name, name + flag(code),
		"\u200e" + name + "\u200f", name + ".",
	}
}

// flag is what shows as the flag of the country.
func flag(code string) string {
	return strings.Map(func(r rune) rune { return r - 'A' + '\U0001F1E6' }, code)
}

func TestCountry_KnowsEachInItsOwnLanguages(t *testing.T) {
	t.Parallel()
	total := 0
	for _, region := range regions(t) {
		code := region.String()
		for _, name := range ownNames(region) {
			total++
			for _, s := range written(name, code) {
				require.Equal(t, strings.ToLower(code), normalize.Country(s), "%q, %s", s, name)
			}
		}
	}
	require.Greater(t, total, 200)
}

// Each country in the languages that most forms are written in. Three plain letters are a code: Nga, which is
// Vietnamese for Russia, is Nigeria.
func TestCountry_KnowsAllInTheLanguagesOfForms(t *testing.T) {
	t.Parallel()
	total := 0
	for code := range strings.FieldsSeq(
		"en es pt fr de it nl pl cs sk hu ro hr da no sv fi is et lv lt tr id ms vi ru uk bg el ar fa he hi th ja ko zh zh-Hant",
	) {
		namer := display.Regions(language.MustParse(code))
		for _, region := range regions(t) {
			name := namer.Name(region)
			if len(name) <= 3 && name[0] < 0x80 {
				continue
			}
			total++
			require.Equal(t, strings.ToLower(region.String()), normalize.Country(name), "%s in %s", name, code)
		}
	}
	require.Greater(t, total, 9000)
}

// Names that people who have no accents on their keyboard write without.
func TestCountry_NeedsNoAccents(t *testing.T) {
	t.Parallel()
	for _, region := range regions(t) {
		for _, name := range ownNames(region) {
			bare := strings.Map(func(r rune) rune {
				if unicode.Is(unicode.Mn, r) {
					return -1
				}
				return r
			}, norm.NFD.String(name))
			if strings.ToLower(name)[0] < 0x80 && len(bare) > 3 {
				require.Equal(t, strings.ToLower(region.String()), normalize.Country(bare), "%s for %s", bare, name)
			}
		}
	}
}

func TestCountry_KnowsFormalAndInvertedNames(t *testing.T) {
	t.Parallel()
	for line := range strings.Lines(`es Kingdom of Spain
in Republic of India
in INDIA, REPUBLIC OF
es Spain, Kingdom of
il Israel (State of)
pl Poland, Republic of
lu Luxembourg, Grand Duchy of
eg Egypt, Arab Republic of
ae Emirates, United Arab
za Africa, South
kr Korea, Republic of
kr Korea (Republic of)
kr Korea, Rep.
kp Korea, Democratic People's Republic of
kp Korea, Dem. People’s Rep.
cd Congo, the Democratic Republic of the
cd Congo, Dem. Rep.
cg Congo, Rep.
ir Iran (Islamic Republic of)
ir Iran, Islamic Rep.
tz Tanzania, United Republic of
bo Bolivia, Plurinational State of
ve Venezuela (Bolivarian Republic of)
ve Venezuela, RB
md Moldova, Republic of
fm Micronesia, Federated States of
fm Micronesia, Fed. Sts.
mk Macedonia, the former Yugoslav Republic of
mk Macedonia (FYROM)
ps Palestine, State of
tw Taiwan, Province of China
cn China, People's Republic of
tw Republic of China
la Lao People's Democratic Republic
ye Yemen, Rep.
eg Egypt, Arab Rep.
gm Gambia, The
bs The Bahamas
vg Virgin Islands, British
vi Virgin Islands, U.S.
vi Virgin Islands (US)
um United States (US) Minor Outlying Islands
mf Saint Martin (French part)
sx Saint Martin (Dutch part)
sh Saint Helena, Ascension and Tristan da Cunha
gs South Georgia/Sandwich Islands
va Holy See (Vatican City State)
mm Myanmar (Burma)
sz Eswatini (Swaziland)
cz The Czech Republic
gb United Kingdom of Great Britain and Northern Ireland
us United States of America (the)
mx Estados Unidos Mexicanos
de Bundesrepublik Deutschland
br República Federativa do Brasil
ch Schweizerische Eidgenossenschaft
ch Confédération suisse
fr République française
it Repubblica Italiana
pl Rzeczpospolita Polska
ru Российская Федерация
cn 中华人民共和国
kr 대한민국
gr Ελληνική Δημοκρατία
sa المملكة العربية السعودية
hk Hong Kong SAR, China
hk Hong Kong (China)
pr Puerto Rico (US)
gu Guam, United States
gp Guadeloupe (France)
gl Greenland, Denmark
be Belgium (België / Belgique)
gb England, UK
ie Ireland, Republic of
nl Nederland - Netherlands
de Allemagne
de Alemania
fr La France
nl Die Niederlande
us Los Estados Unidos
ae U.A.E.
ci Côte d’Ivoire
ci COTE D'IVOIRE
at Oesterreich
dk Daenemark
tr TURKIYE
jo الاردن
ir ایران
ir ايران
`) {
		code, name, _ := strings.Cut(strings.TrimSpace(line), " ")
		require.Equal(t, code, normalize.Country(name), name)
	}
}

// Text that means two countries, or something beside a country, is an error.
func TestCountry_IsSureOfOne(t *testing.T) {
	t.Parallel()
	for _, s := range []string{
		"Georgia (US)", "Germany (FR)", "Germany / France", "US, CA", "US CA", "DE Frankreich", "Deutschland, Bayern",
		"Germany (Bavaria)", "LA Germany", "IL France", "Germany (EU)", "Guam (FR)", "🇩🇪 France", "🇩🇪🇫🇷", "Germany 49", "Atlantis (US)", "(", "()", "- / -",
		"United", "Republic", "Kingdom of", "State of", "às", "Dê", "Ùs", "İn", "Ñl", "Ｕ", "中", "en_US", "us-en", "америка",
	} {
		require.Empty(t, normalize.Country(s), s)
	}
}

// Two letters with accents are a name, whatever code they look like without.
func TestCountry_TakesAccentsOffNoCode(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]string{
		"Áo": "at", "ÁO": "at", "áo": "at", "A\u0301o": "at", "Ao": "ao", "AO": "ao", "Bỉ": "be", "BỈ": "be", "BI": "bi", "bi": "bi",
		"Mỹ": "us", "MY": "my", "Úc": "au", "Ý": "it", "Đức": "de", "DÚC": "", "Û.Ŝ.": "", "ÛŜÂ": "", "ÚŚA": "", "ＤＥ": "de",
	} {
		require.Equal(t, want, normalize.Country(s), s)
	}
	for a := 'a'; a <= 'z'; a++ {
		for b := 'a'; b <= 'z'; b++ {
			for _, accent := range []string{"\u0301", "\u0300", "\u0302", "\u0303", "\u0308"} {
				s := string(a) + accent + string(b)
				got := normalize.Country(s)
				require.NotEqual(t, string([]rune{a, b}), got, s)
			}
		}
	}
}
