package appevents

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/google/go-querystring/query"

	"github.com/appevents/appevents-go/internal/formenc"
	"github.com/appevents/appevents-go/internal/names"
)

// InsightsLevel is what one row of insights is about.
type InsightsLevel string

// The levels of insights.
const (
	LevelAccount  InsightsLevel = "account"
	LevelCampaign InsightsLevel = "campaign"
	LevelAdSet    InsightsLevel = "adset"
	LevelAd       InsightsLevel = "ad"
)

// DatePreset is a named time range, in the time zone of the ad account. Presets that count days, such as [Last7Days],
// end with yesterday.
type DatePreset string

// The presets.
const (
	DataMaximum      DatePreset = "data_maximum"
	Last3Days        DatePreset = "last_3d"
	Last7Days        DatePreset = "last_7d"
	Last14Days       DatePreset = "last_14d"
	Last28Days       DatePreset = "last_28d"
	Last30Days       DatePreset = "last_30d"
	Last90Days       DatePreset = "last_90d"
	LastMonth        DatePreset = "last_month"
	LastQuarter      DatePreset = "last_quarter"
	LastWeekMonSun   DatePreset = "last_week_mon_sun"
	LastWeekSunSat   DatePreset = "last_week_sun_sat"
	LastYear         DatePreset = "last_year"
	Maximum          DatePreset = "maximum"
	ThisMonth        DatePreset = "this_month"
	ThisQuarter      DatePreset = "this_quarter"
	ThisWeekMonToday DatePreset = "this_week_mon_today"
	ThisWeekSunToday DatePreset = "this_week_sun_today"
	ThisYear         DatePreset = "this_year"
	Today            DatePreset = "today"
	Yesterday        DatePreset = "yesterday"
)

// TimeIncrement is how many days a row of insights covers: one of the constants, or what [IncrementDays] returns.
type TimeIncrement string

// The increments with a name.
const (
	IncrementAllDays TimeIncrement = "all_days" // one row for the whole range
	IncrementDaily   TimeIncrement = "1"
	IncrementMonthly TimeIncrement = "monthly"
)

// IncrementDays returns an increment of n days, 1 to 90.
func IncrementDays(n int) TimeIncrement { return TimeIncrement(strconv.Itoa(n)) }

// AttributionWindow is how long after a click on an ad, or a view of it, an action is credited to the ad.
type AttributionWindow string

// The attribution windows.
const (
	WindowClick1Day    AttributionWindow = "1d_click"
	WindowClick7Days   AttributionWindow = "7d_click"
	WindowClick28Days  AttributionWindow = "28d_click"
	WindowDataDriven   AttributionWindow = "dda"
	WindowDefault      AttributionWindow = "default" // what the ad account is set to
	WindowEngaged1Day  AttributionWindow = "1d_ev"   // an engaged view
	WindowSKAdNetClick AttributionWindow = "skan_click"
	WindowSKAdNetView  AttributionWindow = "skan_view"
	WindowView1Day     AttributionWindow = "1d_view"
	WindowView7Days    AttributionWindow = "7d_view"
	WindowView28Days   AttributionWindow = "28d_view"
)

// Breakdown splits rows by a property of the person, or by where the ad was shown. [InsightsRow.Text] tells which part
// a row is about. Breakdowns of Meta's that have no constant here work too.
type Breakdown string

// The common breakdowns.
const (
	BreakdownAge               Breakdown = "age"
	BreakdownCountry           Breakdown = "country"
	BreakdownDevicePlatform    Breakdown = "device_platform"
	BreakdownGender            Breakdown = "gender"
	BreakdownImpressionDevice  Breakdown = "impression_device"
	BreakdownPlatformPosition  Breakdown = "platform_position"
	BreakdownPublisherPlatform Breakdown = "publisher_platform" // facebook, instagram, messenger, ...
	BreakdownRegion            Breakdown = "region"
)

// ActionBreakdown splits the actions of a row. [ActionStat.Breakdowns] tells which part a figure is about. Breakdowns
// of Meta's that have no constant here work too.
type ActionBreakdown string

// The common breakdowns of actions.
const (
	ActionBreakdownDestination ActionBreakdown = "action_destination"
	ActionBreakdownDevice      ActionBreakdown = "action_device"
	ActionBreakdownTarget      ActionBreakdown = "action_target_id"
	ActionBreakdownType        ActionBreakdown = "action_type" // the default
)

// ActionReportTime says on which day an action counts.
type ActionReportTime string

// The report times.
const (
	ReportAtConversion ActionReportTime = "conversion" // the day the action was taken
	ReportAtImpression ActionReportTime = "impression" // the day the ad was seen
	ReportAtLifetime   ActionReportTime = "lifetime"
	ReportAtMixed      ActionReportTime = "mixed"
)

// InsightsQuery says what to read about an ad account, campaign, ad set or ad. The zero value asks for its leads, cost
// and reach in one row, over the time range that Meta chooses.
//
// https://developers.facebook.com/docs/marketing-api/reference/ad-account/insights/
type InsightsQuery struct {
	// Fields are the columns, by Meta's names. Nil means actions, cost_per_action_type, spend, impressions and reach,
	// with the IDs and names down to the Level.
	Fields []string

	// Level is what each row is about. Empty means the object itself.
	Level InsightsLevel

	// Preset is the time range by name. When it and Since are empty, Meta chooses the range.
	Preset DatePreset

	// Since and Until are the first and the last day of the time range. Their dates are taken as they are, in the time
	// zone of the ad account; the time of day is ignored. They exclude Preset.
	Since, Until time.Time

	// Increment is how many days each row covers. Empty means the whole range.
	Increment TimeIncrement

	// Windows adds a count for each of these attribution windows to every action; see [ActionStat.Windows]. Nil means
	// only ActionStat.Value, which follows the account's setting.
	Windows []AttributionWindow

	// AccountAttribution counts actions by the attribution setting of the ad account (use_account_attribution_setting),
	// UnifiedAttribution by the setting of each ad set (use_unified_attribution_setting).
	AccountAttribution bool
	UnifiedAttribution bool

	// Breakdowns split the rows, ActionBreakdowns the actions. Meta refuses some combinations.
	Breakdowns       []Breakdown
	ActionBreakdowns []ActionBreakdown

	// ReportTime says on which day an action counts. Empty means Meta's default.
	ReportTime ActionReportTime

	// Filters limit the rows to those that meet all conditions.
	Filters []InsightsFilter

	// Sort orders the rows: "spend_descending", "impressions_ascending".
	Sort []string

	// PageSize is how many rows one answer holds. 0 means Meta's default. All rows are read in any case.
	PageSize int
}

// InsightsFilter is a condition on rows: {"campaign.id", "IN", []string{"1", "2"}}.
type InsightsFilter struct {
	Field    string `json:"field"`
	Operator string `json:"operator"`
	Value    any    `json:"value"` // a text, a number or a list of them
}

func validateInsightsObject(objectID string, p *problems) {
	if rule, message := ID(strings.TrimPrefix(objectID, "act_")).issue(); rule != "" {
		p.add(field("object_id"), rule, message+" (after act_, for an ad account)")
	}
}

// params checks a query and encodes it.
func (q *InsightsQuery) params(objectID string) (url.Values, error) {
	var p problems
	validateInsightsObject(objectID, &p)
	q.validate(&p)
	if err := p.err(); err != nil {
		return nil, err
	}
	form := insightsForm{
		Fields: strings.Join(q.fields(), ","), Level: q.Level, Preset: q.Preset, Increment: q.Increment,
		ReportTime: q.ReportTime, Limit: q.PageSize, Account: q.AccountAttribution, Unified: q.UnifiedAttribution,
		Windows: jsonList(q.Windows), Breakdowns: jsonList(q.Breakdowns), ActionBreakdowns: jsonList(q.ActionBreakdowns),
		Sort: jsonList(q.Sort),
	}
	if !q.Since.IsZero() {
		form.Range = fmt.Appendf(nil, `{"since":%q,"until":%q}`, q.Since.Format(time.DateOnly), q.Until.Format(time.DateOnly))
	}
	if len(q.Filters) > 0 {
		filters, err := json.Marshal(q.Filters)
		if err != nil {
			p.add(field("filters"), RuleType, "a value must be a text, a number or a list of them")
			return nil, p.err()
		}
		form.Filters = filters
	}
	return query.Values(&form)
}

// insightsForm is a query as Graph takes it.
type insightsForm struct {
	Fields           string           `url:"fields"`
	Level            InsightsLevel    `url:"level,omitempty"`
	Preset           DatePreset       `url:"date_preset,omitempty"`
	Range            formenc.JSON     `url:"time_range,omitempty"`
	Increment        TimeIncrement    `url:"time_increment,omitempty"`
	Windows          formenc.JSON     `url:"action_attribution_windows,omitempty"`
	Account          bool             `url:"use_account_attribution_setting,omitempty"`
	Unified          bool             `url:"use_unified_attribution_setting,omitempty"`
	Breakdowns       formenc.JSON     `url:"breakdowns,omitempty"`
	ActionBreakdowns formenc.JSON     `url:"action_breakdowns,omitempty"`
	ReportTime       ActionReportTime `url:"action_report_time,omitempty"`
	Filters          formenc.JSON     `url:"filtering,omitempty"`
	Sort             formenc.JSON     `url:"sort,omitempty"`
	Limit            int              `url:"limit,omitempty"`
}

// jsonList writes texts as a JSON array, nil for none.
func jsonList[T ~string](list []T) formenc.JSON {
	if len(list) == 0 {
		return nil
	}
	out, _ := json.Marshal(list) // texts always marshal
	return out
}

// fields are the columns to ask for.
func (q *InsightsQuery) fields() []string {
	if len(q.Fields) > 0 {
		return q.Fields
	}
	columns := []string{"account_id"}
	switch q.Level {
	case LevelAd:
		columns = append(columns, "campaign_id", "campaign_name", "adset_id", "adset_name", "ad_id", "ad_name")
	case LevelAdSet:
		columns = append(columns, "campaign_id", "campaign_name", "adset_id", "adset_name")
	case LevelCampaign:
		columns = append(columns, "campaign_id", "campaign_name")
	}
	return append(columns, "actions", "cost_per_action_type", "spend", "impressions", "reach")
}

func (q *InsightsQuery) validate(p *problems) {
	switch q.Level {
	case "", LevelAccount, LevelAd, LevelAdSet, LevelCampaign:
	default:
		p.add(field("level"), RuleUnknown, "must be account, campaign, adset or ad")
	}
	switch {
	case q.Since.IsZero() && q.Until.IsZero():
	case q.Since.IsZero():
		p.add(field("since"), RuleRequired, "must be set when until is")
	case q.Until.IsZero():
		p.add(field("until"), RuleRequired, "must be set when since is")
	case q.Until.Format(time.DateOnly) < q.Since.Format(time.DateOnly):
		p.add(field("until"), RuleRange, "must not be before since")
	}
	if q.Preset != "" && (!q.Since.IsZero() || !q.Until.IsZero()) {
		p.add(field("preset"), RuleConflict, "excludes since and until")
	}
	switch q.Increment {
	case "", IncrementAllDays, IncrementMonthly:
	default:
		if days, err := strconv.Atoi(string(q.Increment)); err != nil || days < 1 || days > 90 {
			p.add(field("increment"), RuleRange, "must be 1 to 90 days, monthly or all_days")
		}
	}
	if q.PageSize < 0 {
		p.add(field("page_size"), RuleRange, "must not be negative")
	}
	word := func(at *place, text string) {
		if text == "" || len(text) > 100 || !names.Parameter(unpunctuate.Replace(text)) {
			p.add(at, RuleFormat, "must be one of Meta's words")
		}
	}
	for i, text := range q.Fields {
		word(field("fields").item(i), text)
	}
	for i, text := range q.Windows {
		word(field("windows").item(i), string(text))
	}
	for i, text := range q.Breakdowns {
		word(field("breakdowns").item(i), string(text))
	}
	for i, text := range q.ActionBreakdowns {
		word(field("action_breakdowns").item(i), string(text))
	}
	for i, text := range q.Sort {
		word(field("sort").item(i), text)
	}
	if q.Preset != "" {
		word(field("preset"), string(q.Preset))
	}
	if q.ReportTime != "" {
		word(field("report_time"), string(q.ReportTime))
	}
	for i, filter := range q.Filters {
		at := field("filters").item(i)
		word(at.field("field"), filter.Field)
		word(at.field("operator"), filter.Operator)
	}
}

// unpunctuate drops what Meta's words hold besides letters and digits.
var unpunctuate = strings.NewReplacer("_", "", ".", "", ":", "")
