package normalize_test

import (
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"
	"golang.org/x/text/unicode/norm"

	"github.com/appevents/appevents-go/internal/normalize"
)

// statesWritten are the states of the United States (above the line) and Canada: the code, the name, then abbreviations
// and other names.
const statesWritten = `AL|Alabama|Ala.
AK|Alaska
AZ|Arizona|Ariz.
AR|Arkansas|Ark.
CA|California|Calif.|Cal.
CO|Colorado|Colo.
CT|Connecticut|Conn.
DE|Delaware|Del.
FL|Florida|Fla.
GA|Georgia|Ga.
HI|Hawaii|Hawai'i|Hawaiʻi
ID|Idaho|Ida.
IL|Illinois|Ill.
IN|Indiana|Ind.
IA|Iowa|Ia.
KS|Kansas|Kan.|Kans.
KY|Kentucky|Ky.
LA|Louisiana|La.
ME|Maine|Me.
MD|Maryland|Md.
MA|Massachusetts|Mass.
MI|Michigan|Mich.
MN|Minnesota|Minn.
MS|Mississippi|Miss.
MO|Missouri|Mo.
MT|Montana|Mont.
NE|Nebraska|Neb.|Nebr.
NV|Nevada|Nev.
NH|New Hampshire|N.H.|N. H.|N. Hampshire
NJ|New Jersey|N.J.|N. Jersey|Nueva Jersey
NM|New Mexico|N.M.|N. Mex.|N. Mexico|Nuevo México
NY|New York|N.Y.|N. York|Nueva York|New-York
NC|North Carolina|N.C.|N. Carolina|No. Carolina|N. Car.|Carolina del Norte
ND|North Dakota|N.D.|N. Dakota|No. Dakota|N. Dak.|Dakota del Norte
OH|Ohio
OK|Oklahoma|Okla.
OR|Oregon|Ore.|Oreg.|Oregón
PA|Pennsylvania|Pa.|Penn.|Penna.|Pensilvania
RI|Rhode Island|R.I.|Rhode Island and Providence Plantations
SC|South Carolina|S.C.|S. Carolina|So. Carolina|S. Car.|Carolina del Sur
SD|South Dakota|S.D.|S. Dakota|So. Dakota|S. Dak.|Dakota del Sur
TN|Tennessee|Tenn.
TX|Texas|Tex.
UT|Utah
VT|Vermont|Vt.
VA|Virginia|Va.
WA|Washington|Wash.
WV|West Virginia|W. Virginia|W.Va.|W. Va.|Virginia Occidental
WI|Wisconsin|Wis.|Wisc.
WY|Wyoming|Wyo.
DC|District of Columbia|D.C.|Washington, D.C.|Washington DC|Dist. of Columbia
AS|American Samoa
GU|Guam
MP|Northern Mariana Islands|CNMI|N. Mariana Islands
PR|Puerto Rico|P.R.
VI|U.S. Virgin Islands|US Virgin Islands|Virgin Islands, U.S.|Virgin Islands (U.S.)|USVI|Virgin Islands
AA|Armed Forces Americas
AE|Armed Forces Europe
AP|Armed Forces Pacific
--
AB|Alberta|Alta.
BC|British Columbia|B.C.|Colombie-Britannique|C.-B.
MB|Manitoba|Man.
NB|New Brunswick|N.B.|Nouveau-Brunswick|N.-B.
NL|Newfoundland and Labrador|Newfoundland & Labrador|Newfoundland|Nfld.|Terre-Neuve-et-Labrador|T.-N.-L.
NS|Nova Scotia|N.S.|Nouvelle-Écosse|Nouvelle Ecosse|N.-É.
NT|Northwest Territories|N.W.T.|NWT|T.N.-O.
NU|Nunavut|Nun.
ON|Ontario|Ont.
PE|Prince Edward Island|P.E.I.|PEI|Île-du-Prince-Édouard|Ile du Prince-Edouard|Î.-P.-É.
QC|Quebec|Québec|Que.|P.Q.|Qc
SK|Saskatchewan|Sask.
YT|Yukon|Yukon Territory|Y.T.|Yn`

// writtenState are the ways in which people write a name of a state.
func writtenState(name, code, land, country, zip string) []string {
	list := []string{
		name, " " + name + "\t", strings.ToUpper(name), strings.ToLower(name), norm.NFD.String(name), "\u200e" + name,
		strings.ReplaceAll(name, " ", "\u00a0"), strings.ReplaceAll(name, "'", "’"),
		name + " (" + code + ")", name + " [" + code + "]", code + " - " + name, code + ", " + name, name + "/" + code,
		name + " " + code, code + ": " + name, code + " " + name, country + "-" + code, country + " " + code,
		name + " " + zip, name + ", " + zip, zip + " " + name, name + " (" + zip + ")",
		name + ", " + land, name + " " + land, land + ", " + name, name + " (" + country + ")", land + " - " + name,
		name + " " + zip + ", " + land, name + ", " + zip + " " + country,
	}
	if strings.HasSuffix(name, "É.") {
		return list // nobody writes State of N.-É., which without accents would be Nebraska
	}
	for _, kind := range []string{"State of ", "the State of ", "Commonwealth of ", "Territory of ", "Province of ", "STATE OF ",
		"Province de ", "province de l'", "Estado de ",
	} {
		list = append(list, kind+name, kind+name+", "+land)
	}
	return append(list, name+" State", name+" (state)", name+" Territory", name+" Province")
}

func TestAppend_StatesAsPeopleWriteThem(t *testing.T) {
	t.Parallel()
	us, canada, _ := strings.Cut(statesWritten, "\n--\n")
	total := 0
	check := func(table, country, zip string, lands ...string) {
		for line := range strings.Lines(table) {
			names := strings.Split(strings.TrimSpace(line), "|")
			want := strings.ToLower(names[0])
			for _, name := range names[1:] {
				for _, land := range lands {
					for _, s := range writtenState(name, names[0], land, country, zip) {
						for _, in := range []string{strings.ToLower(country), ""} {
							got, _, p := appendForm(t, normalize.State, s, in)
							require.Equal(t, normalize.None, p, "%q in %q", s, in)
							require.Equal(t, want, got, "%q in %q", s, in)
							total++
						}
					}
				}
			}
		}
	}
	check(us, "US", "10001", "USA", "U.S.A.", "United States", "United States of America", "Estados Unidos")
	check(us, "US", "10001-1234", "US", "U.S.")
	check(canada, "CA", "K1A 0B1", "Canada", "CANADA", "Can")
	check(canada, "CA", "k1a0b1", "CA")
	require.Greater(t, total, 30_000)
}

// Where two states are named, or none, or the country is another one's, nothing is sent that could not match.
func TestAppend_StatesThatCannotBeTold(t *testing.T) {
	t.Parallel()
	for s, countries := range map[string][]string{
		"New York, NJ":              {"us", ""},
		"New York (NJ)":             {"us", ""},
		"NY/NJ":                     {"us", ""},
		"NY or NJ":                  {"us"},
		"Texas 123":                 {"us"},
		"Carolina":                  {"us", "ca"},
		"Dakota":                    {"us"},
		"N":                         {"us", "ca"},
		"State of N.-É.":            {"us"},
		"Elbonia":                   {"us", "ca"},
		"Ontario":                   {"us"},
		"Ontario, Canada":           {"us"},
		"New York":                  {"ca"},
		"New York, USA":             {"ca"},
		"NY 10001":                  {"ca"},
		"CA, Canada":                {"us", "ca", ""},
		"Virgin Islands, British":   {"us", ""},
		"Perth, WA":                 {"ca", ""},
		"Los Angeles":               {"us"},
		"Alberta K1A 0B1 T2P 1J9 X": {"ca"},
		"Greater London":            {"us"},
	} {
		for _, country := range countries {
			out, _, p := appendForm(t, normalize.State, s, country)
			require.Equal(t, normalize.StateName, p, "%q in %q gives %q", s, country, out)
		}
	}
}

// Outside the United States and Canada names and codes mean what they mean there.
func TestAppend_StatesOfOtherCountries(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ s, country, want string }{
		{"Florida", "uy", "florida"},
		{"WA", "au", "wa"},
		{"Georgia", "ge", "georgia"},
		{"State of Victoria", "au", "stateofvictoria"},
		{"Bayern, Deutschland", "de", "bayern"},
		{"Bayern (DE)", "de", "bayern"},
		{"Goa, India", "in", "goa"},
		{"Jalisco, MX", "mx", "jalisco"},
		{"Île-de-France", "fr", "îledefrance"},
		{"Île-de-France", "", "îledefrance"},
		{"Pays de la Loire", "", "paysdelaloire"},
		{"Coahuila de Zaragoza", "", "coahuiladezaragoza"},
		{"Baja California", "", "bajacalifornia"},
		{"Rio Grande do Sul (RS)", "", "riograndedosulrs"},
		{"Castilla y León", "", "castillayleón"},
		{"서울특별시", "", "서울특별시"},
		{"New South Wales", "", "newsouthwales"},
		{"Ciudad de México", "mx", "ciudaddeméxico"},
		{"13", "", "13"},
		{"Hagåtña", "gu", "hagåtña"},
	} {
		got, _, p := appendForm(t, normalize.State, tc.s, tc.country)
		require.Equal(t, normalize.None, p, tc.s)
		require.Equal(t, tc.want, got, tc.s)
	}
}

func TestAppend_StatesBehindACity(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ s, country, want string }{
		{"Los Angeles, CA", "us", "ca"},
		{"Los Angeles CA", "us", "ca"},
		{"Los Angeles, California", "", "ca"},
		{"Los Angeles, CA, USA", "", "ca"},
		{"Los Angeles, CA 90001", "us", "ca"},
		{"Kansas City, MO", "us", "mo"},
		{"Kansas City MO", "us", "mo"},
		{"New York City, New York", "", "ny"},
		{"Los Angeles, Los Angeles County, California", "", "ca"},
		{"Vancouver BC", "ca", "bc"},
		{"Montréal, Québec", "", "qc"},
		{"Toronto, ON, Canada", "", "on"},
		{"APO AE 09012", "us", "ae"},
		{"FPO, AP 96606", "us", "ap"},
		{"DC, Washington", "us", "dc"},
		{"Perth WA", "", "perthwa"},
	} {
		got, _, p := appendForm(t, normalize.State, tc.s, tc.country)
		require.Equal(t, normalize.None, p, tc.s)
		require.Equal(t, tc.want, got, tc.s)
	}
	for _, s := range []string{"New York NJ", "Kansas City", "Port Washington", "Washington, PA"} {
		_, _, p := appendForm(t, normalize.State, s, "us")
		require.Equal(t, normalize.StateName, p, s)
	}
}

// A name that needs its accents has only those who write it, and others are understood without.
func TestAppend_StatesNeedNoAccents(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]string{
		"Nouvelle-Écosse": "ns", "Île-du-Prince-Édouard": "pe", "Québec": "qc", "Terre-Neuve-et-Labrador": "nl",
		"Nuevo México": "nm", "Hawái": "hi", "Oregón": "or", "Misisipí": "ms", "Géorgie": "ga",
	} {
		bare := strings.Map(func(r rune) rune {
			if unicode.Is(unicode.Mn, r) {
				return -1
			}
			return r
		}, norm.NFD.String(s))
		for _, name := range []string{s, bare} {
			got, _, _ := appendForm(t, normalize.State, name, "")
			require.Equal(t, want, got, name)
		}
	}
}
