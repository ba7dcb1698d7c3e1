package appevents_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	appevents "github.com/appevents/appevents-go"
)

func TestInsightsRow_UnmarshalJSON_NamesTheColumn(t *testing.T) {
	t.Parallel()
	var row appevents.InsightsRow
	require.EqualError(t, json.Unmarshal([]byte(`{"spend":"x"}`), &row), "cannot read column spend")
	require.NoError(t, json.Unmarshal([]byte(`{"spend":"1","campaign_name":["x"],"ad_id":{}}`), &row))
	require.Empty(t, row.CampaignName)
}

func TestDecimal(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]struct {
		float float64
		whole bool
	}{
		"": {0, true}, "0": {0, true}, "14": {14, true}, "-3": {-3, true}, "88.10": {88.1, false}, "2.00": {2, true},
		"9223372036854775807": {9223372036854775807, true}, "9223372036854775808": {9223372036854775808, false},
		"0.1": {0.1, false}, "nonsense": {0, true}, "1/3": {0, true}, "1e9": {0, true}, "0x10": {0, true},
	} {
		d := appevents.Decimal(text)
		require.InDelta(t, want.float, d.Float64(), 0, text)
		_, whole := d.Int64()
		require.Equal(t, want.whole, whole, text)
		require.Equal(t, want.float == 0, d.IsZero(), text)
	}
	n, ok := appevents.Decimal("9223372036854775807").Int64()
	require.True(t, ok)
	require.EqualValues(t, 9223372036854775807, n)
	require.Equal(t, "0", appevents.Decimal("").String())
	require.Equal(t, "0.30", appevents.Decimal("0.1").Add("0.20").String())
	require.Equal(t, "9007199254740993.01", appevents.Decimal("9007199254740992").Add("1.01").String())
	require.Equal(t, "-1", appevents.Decimal("").Add("-1").String())
}

func TestDecimal_UnmarshalJSON(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`"88.10"`: "88.10", `14`: "14", `-0.5`: "-0.5", `null`: "0", `""`: "0", `"007"`: "007",
	} {
		var d appevents.Decimal
		require.NoError(t, json.Unmarshal([]byte(text), &d), text)
		require.Equal(t, want, d.String())
	}
	for _, text := range []string{
		`"1e3"`, `1e3`, `"x"`, `true`, `[]`, `{}`, `"1."`, `".5"`, `"1.2.3"`, `"--1"`, `"+1"`, `" 1"`, `"1_0"`, `"NaN"`,
		`"` + strings.Repeat("1", 65) + `"`, strings.Repeat("1", 65),
	} {
		var d appevents.Decimal
		require.Error(t, json.Unmarshal([]byte(text), &d), text)
	}
}

func TestInsightsRow_CostPerLead(t *testing.T) {
	t.Parallel()
	row := func(spend, leads string) (r appevents.InsightsRow) {
		require.NoError(t, json.Unmarshal(fmt.Appendf(nil,
			`{"spend":%q,"actions":[{"action_type":"onsite_conversion.lead_grouped","value":%q}]}`, spend, leads), &r))
		return r
	}
	for _, test := range []struct {
		spend, leads string
		decimals     int
		want         string
	}{
		{"88.10", "14", 2, "6.29"}, {"88.10", "14", 6, "6.292857"}, {"1", "3", 4, "0.3333"}, {"2", "3", 4, "0.6667"},
		{"0.005", "1", 2, "0.01"}, {"1", "8", 2, "0.13"}, {"7", "2", 0, "4"}, {"7", "2", -1, "4"}, {"0", "2", 2, "0.00"},
		{"1", "3", 99, "0.333333333333333333"},
	} {
		cost, ok := row(test.spend, test.leads).CostPerLead(test.decimals)
		require.True(t, ok)
		require.Equal(t, test.want, cost.String(), test)
	}
	_, ok := row("1", "0.0").CostPerLead(2)
	require.False(t, ok)
}
