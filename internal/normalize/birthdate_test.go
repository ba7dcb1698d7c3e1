package normalize_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go/internal/normalize"
)

// layouts are how programs and people write a day with a time, beside the named ones of package time.
var layouts = []string{
	time.ANSIC, time.UnixDate, time.RubyDate, time.RFC1123, time.RFC1123Z, time.RFC3339, time.RFC3339Nano, time.DateTime,
	time.DateOnly,
	"2006-01-02 15:04:05.999999999 -0700 MST", "2006-01-02 15:04:05.999999999 -0700 MST m=+0.000012345", // time.Time.String
	"1/2/2006 3:04:05 PM", "1/2/2006 3:04 PM", "1/2/2006 03:04:05PM", "1/2/2006, 3:04:05 PM", "1/2/2006 3 PM", "1/2/2006 3pm",
	"1/2/2006 3:04 p.m.", "1/2/2006 3:04:05\u202fPM", "1/2/2006 15:04", "1/2/2006 3:04:05 PM -07:00",
	"2006/01/02 15:04:05", "2006/01/02 15:04", "2006/1/2 3:04:05", "2006.01.02 15:04:05", "2006:01:02 15:04:05",
	"02.01.2006 15:04:05", "02.01.2006, 15:04 Uhr", "02.01.2006 15.04.05", "2.1.2006 15:04", "02-01-2006 15:04",
	"02-Jan-2006 15:04:05", "02-Jan-2006 03.04.05.000000000 PM -07:00", "02/Jan/2006:15:04:05 -0700", "2 Jan 2006 15:04 MST",
	"2006-01-02T15", "2006-01-02T15Z", "2006-01-02T15-07", "2006-01-02 15", "2006-01-02T15:04", "2006-01-02T15:04Z", "2006-01-02t15:04:05z",
	"2006-01-02T15:04:05,000", "2006-01-02T15:04:05.000000", "2006-01-02 15:04:05.000", "2006-01-02 15:04:05,000 -0700",
	"2006-01-02 15:04:05-07", "2006-01-02 15:04:05-07:00:00", "2006-01-02 15:04:05 UTC-07:00", "2006-01-02 15:04:05 GMT-0700",
	"2006-01-02T15:04:05-07:00[Europe/Berlin]", "2006-01-02T15:04-07:00[America/Argentina/Buenos_Aires]",
	"2006-01-02 15:04:05 Europe/Berlin", "2006-01-02 15:04:05 (Central European Summer Time)", "2006-01-02 15:04:05 [UTC]",
	"2006-01-02-15.04.05.000000", "2006-01-02Z", "2006-01-02-07:00",
	"20060102T150405", "20060102T150405Z", "20060102T1504", "20060102 150405", "20060102150405", "20060102150405.000"[:14],
	"Mon Jan 02 2006 15:04:05 GMT-0700 (Pacific Standard Time)", "Mon Jan _2 15:04:05 2006 MST", "Mon Jan  2 03:04:05 PM MST 2006",
	"Monday, January 2, 2006 at 3:04 PM", "Monday, January 2, 2006 3:04:05 PM", "Monday, 2 January 2006 15:04", "Mon, 2 Jan 2006",
	"January 2, 2006 15:04", "Jan 2, 2006, 3:04:05 PM", "Jan 2 2006 03:04:05:000PM", "2 January 2006, 15h04", "2nd of January 2006 15:04",
	"02/01/2006 à 15:04", "2.1.2006 klo 15.04", "2.1.2006 um 15:04 Uhr", "02-01-2006 om 15:04", "2. Jan 2006 kl. 15.04",
	"15:04:05 02.01.2006", "15:04 2006-01-02", "2006年1月2日 15時04分05秒", "2006年1月2日(火) 15:04", "2006/1/2 下午 3:04:05",
	"2006년 1월 2일 오후 3:04:05", "2006-01-02 15:04:05 Monday",
}

// The date is the written one, at every time of the day and in every zone.
func TestAppend_BirthDatesWithATime(t *testing.T) {
	t.Parallel()
	zones := []*time.Location{
		time.UTC, time.FixedZone("CEST", 2*60*60), time.FixedZone("", -(9*60+30)*60), time.FixedZone("+14", 14*60*60),
		time.FixedZone("NPT", (5*60+45)*60),
	}
	for _, layout := range layouts {
		for _, zone := range zones {
			for _, when := range []time.Time{
				time.Date(1991, time.May, 26, 0, 0, 0, 0, zone), time.Date(1991, time.May, 26, 23, 59, 59, 999_999_999, zone),
				time.Date(1991, time.May, 26, 12, 0, 0, 0, zone), time.Date(1900, time.December, 13, 1, 2, 3, 4, zone),
				time.Date(2000, time.February, 29, 11, 30, 30, 500_000_000, zone),
			} {
				s := when.Format(layout)
				got, _, p := appendForm(t, normalize.BirthDate, s, "")
				require.Equal(t, normalize.None, p, "%q, %s", s, layout)
				require.Equal(t, when.Format("20060102"), got, "%q, %s", s, layout)
			}
		}
	}
}

func TestAppend_BirthDatesThatAreNone(t *testing.T) {
	t.Parallel()
	for s := range strings.Lines(`1991-05-26 25:00
1991-05-26 12:60
1991-05-26 12:00:61
1991-05-26 13:00 PM
1991-05-26T
1991-05-26T00:00:00X
1991-05-26 100:00
1991-05-26 noon
1991-05-26 12:00 in the afternoon
1991-05-26-01
1991-05-26 12:00 (
1991-05-26 1991-05-27
1991-05-26/1991-05-27
5/26/1991 5/27/1991
5/26/1991/3
12:00 AM
12:00:00
5/26 12:00
26 May 91 12:00
05/26 03:04:05PM '91 -0700
26 May 91 15:04 MST
Sunday, 26-May-91 15:04:05 MST
19910526250000
199105260000
675216000
675216000000
33384
1991-W21-7
1991-146
26 Mai 1991 12:00
`) {
		out, _, p := appendForm(t, normalize.BirthDate, s, "")
		require.Equal(t, normalize.DateForm, p, "%q gives %s", s, out)
	}
}
