package delivery

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestAges_ClampsWhatCannotBeTrue(t *testing.T) {
	t.Parallel()
	const day, week = 24 * time.Hour, 7 * 24 * time.Hour
	began := time.Now()
	for name, test := range map[string]struct {
		submitted time.Duration // after the beginning, as its clock said
		first     time.Duration // after which it is looked at
		set       time.Duration // by how much the clock was set since the beginning
		at        time.Duration // after which it is looked at again
		want      bool
	}{
		"young":                                 {0, 0, 0, week - 1, false},
		"old":                                   {0, 0, 0, week, true},
		"submitted a year ahead":                {365 * day, 0, 0, week - 1, false},
		"submitted a year ahead, and old":       {365 * day, 0, 0, week, true},
		"submitted a year ahead, and seen late": {365 * day, day, 0, week, false},
		"set back by a day since":               {0, 0, -day, week - 1, false},
		"set back by a day since, and old":      {0, 0, -day, week + day, true},
		"set forward by a year since":           {0, 0, 365 * day, day, false},
		"set forward by a year since, and old":  {0, 0, 365 * day, week, true},
		"a little ahead":                        {time.Second, 0, 0, week + time.Second, true},
	} {
		a := ages{began: began, early: make(map[Key]time.Time)}
		submitted := began.Round(0).Add(test.submitted)
		l := &Lease{Item: Item{Key: KeyOf(name), Submitted: submitted, Expires: submitted.Add(week)}}
		require.False(t, a.expired(l, began.Add(test.first), test.first), name)
		require.Equal(t, test.want, a.expired(l, began.Add(test.at+test.set), test.at), name)
	}
	a := ages{began: began}
	require.False(t, a.expired(&Lease{}, began.Add(1000*day), 1000*day), "without an end")
}
