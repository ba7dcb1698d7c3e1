package normalize_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go/internal/normalize"
)

func TestAppend_PhoneNumbersByCountry(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		country, s, want string
		doubt            bool
	}{
		// With + or 00 there is nothing to tell.
		{"", "+1 650 555 1212", "16505551212", false},
		{"de", "+1 650 555 1212", "16505551212", false},
		{"us", "0044 20 7946 0958", "442079460958", false},
		{"us", "tel:+44-20-7946-0958", "442079460958", false},
		{"it", "+39 06 12345678", "390612345678", false},

		// As dialled at home.
		{"us", "(650) 555-1212", "16505551212", false},
		{"us", "6505551212", "16505551212", false},
		{"us", "1-650-555-1212", "16505551212", false},
		{"us", "011 44 20 7946 0958", "442079460958", false},
		{"ca", "416.555.0199", "14165550199", false},
		{"pr", "787 555 0199", "17875550199", false},
		{"de", "030 901820", "4930901820", false},
		{"de", "(030) 90 18 20", "4930901820", false},
		{"gb", "020 7946 0958", "442079460958", false},
		{"fr", "06 12 34 56 78", "33612345678", false},
		{"it", "06 1234 5678", "390612345678", false},
		{"it", "333 123 4567", "393331234567", false},
		{"es", "612 34 56 78", "34612345678", false},
		{"br", "(11) 98765-4321", "5511987654321", false},
		{"br", "011 98765-4321", "5511987654321", false},
		{"in", "98765 43210", "919876543210", false},
		{"cn", "138 1234 5678", "8613812345678", false},
		{"ru", "8 (916) 123-45-67", "79161234567", false},
		{"jp", "090-1234-5678", "819012345678", false},
		{"no", "22 12 34 56", "4722123456", false},
		{"dk", "45 12 34 56", "4545123456", false},
		{"ae", "٠٥٠ ١٢٣ ٤٥٦٧", "971501234567", false},

		// The code is there already.
		{"", "16505551212", "16505551212", false},
		{"", "4930901820123", "4930901820123", false},
		{"us", "16505551212", "16505551212", false},
		{"de", "4930901820", "4930901820", false},
		{"es", "34612345678", "34612345678", false},
		{"br", "5511987654321", "5511987654321", false},
		{"it", "3902123456", "3902123456", false},

		// It cannot be told.
		{"", "030 901820", "30901820", true},
		{"", "(650) 555-1212", "6505551212", true},
		{"", "4930901820", "4930901820", true},
		{"", "5551212", "5551212", true},
		{"us", "555-1212", "5551212", true},
		{"us", "049 30 901820", "4930901820", true},
		{"us", "1234567890", "1234567890", true},
		{"de", "30 901820", "30901820", true},
		{"de", "16505551212", "16505551212", true},
		{"br", "02345-6789", "23456789", true},
		{"in", "01234 5678", "12345678", true},
		{"hu", "06 1 234 5678", "612345678", true}, // the 6 is dialled at home only
		{"tv", "020 1234", "201234", true},
	} {
		got, _, p := normalize.Append(nil, normalize.Phone, tc.s, &normalize.Context{Country: tc.country})
		if tc.s == "020 1234" {
			require.Equal(t, normalize.PhoneLength, p)
			continue
		}
		require.Equal(t, tc.want, string(got), "%s in %q", tc.s, tc.country)
		require.Equal(t, tc.doubt, p == normalize.PhoneNational, "%s in %q: %d", tc.s, tc.country, p)
		require.True(t, p == normalize.None || p.Doubt(), "%s in %q: %d", tc.s, tc.country, p)
	}
}

// Whatever the country, a number with its code stays what it is.
func TestAppend_PhoneNumbersWithCodeStay(t *testing.T) {
	t.Parallel()
	for _, region := range regions(t) {
		country := strings.ToLower(region.String())
		for _, number := range []string{"+16505551212", "+4930901820", "+390612345678", "004747123456", "+85221234567"} {
			got, _, p := normalize.Append(nil, normalize.Phone, number, &normalize.Context{Country: country})
			require.Equal(t, normalize.None, p)
			require.Equal(t, strings.TrimLeft(number, "+0"), string(got))
		}
	}
}

func TestAppend_PostalCodesThatASpreadsheetKept(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ country, s, want string }{
		{"us", "2139.0", "02139"},
		{"us", "2139.00", "02139"},
		{"us", "2139,0", "02139"},
		{"us", "501.0", "00501"},
		{"us", "94025.0", "94025"},
		{"us", "40916433.0", "04091"},
		{"us", "5011234.0", "00501"},
		{"us", "940251234.0", "94025"},
		{"us", "4091-6433", "04091"},
		{"us", "501-1234", "00501"},
		{"us", "4091 6433", "04091"},
		{"us", "40916433", "04091"},
		{"us", "04091-6433", "04091"},
		{"us", "94025-12", "94025"},
		{"pr", "901.0", "00901"},
		{"", "4091-6433", "04091"},
		{"", "94025.0", "94025"},
		{"", "2139.0", "2139"}, // who knows of which country
		{"", "1000-205", "1000205"},
		{"pt", "1000-205", "1000205"},
		{"pt", "1000.0", "1000"},
		{"de", "1067.0", "01067"},
		{"de", "80331.0", "80331"},
		{"fr", "1000,0", "01000"},
		{"au", "800.0", "0800"},
		{"at", "1010.0", "1010"},
		{"ro", "10011.0", "010011"},
		{"gb", "M1 1AE", "m11ae"},
		{"jp", "100-0001", "1000001"},
		{"us", "2139", ""},
		{"us", "940251", ""},
		{"us", "9402512", ""},
		{"us", "40-916433", ""},
		{"us", "940251-1234", ""},
		{"us", "94-1234", ""},
		{"us", "-1234", ""},
		{"us", "1234-", ""},
		{"us", "-940251234", "94025"},
		{"us", "12.0", ""},
		{"us", "940251.0", ""},
		{"us", "9402512345", ""},
	} {
		got, _, p := appendForm(t, normalize.Zip, tc.s, tc.country)
		require.Equal(t, tc.want, got, "%s in %q", tc.s, tc.country)
		if tc.want == "" {
			require.Equal(t, normalize.ZipForm, p, tc.s)
		}
	}
}
