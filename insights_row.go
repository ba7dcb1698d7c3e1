package appevents

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"strings"

	"github.com/appevents/appevents-go/internal/decimal"
	"github.com/appevents/appevents-go/internal/jsonscan"
	"github.com/appevents/appevents-go/internal/loose"
	"github.com/appevents/appevents-go/internal/names"
)

// The actions that people take in a conversation that began with an ad, as insights count them.
const (
	// ActionLeadGrouped counts leads on Meta's surfaces, including those reported with [LeadSubmitted].
	ActionLeadGrouped = "onsite_conversion.lead_grouped"

	ActionConversationStarted = "onsite_conversion.messaging_conversation_started_7d"
	ActionConversationReplied = "onsite_conversion.messaging_conversation_replied_7d"
	ActionFirstReply          = "onsite_conversion.messaging_first_reply"
	ActionConnection          = "onsite_conversion.total_messaging_connection"
	ActionWelcomeMessageView  = "onsite_conversion.messaging_welcome_message_view"

	// ActionLead is a total that overlaps the other actions: do not add it to them.
	ActionLead = "lead"
)

// InsightsRow is one row of insights. A column that was not asked for, or that Graph left out, is zero.
// [InsightsRow.Text] reads columns that have no field here.
type InsightsRow struct {
	AccountID                    ID
	CampaignID, AdSetID, AdID    ID
	CampaignName                 string
	AdSetName, AdName            string
	AccountName, AccountCurrency string

	// DateStart and DateStop are the first and the last day the row is about: "2026-11-01".
	DateStart, DateStop string

	// Spend is in the currency of the ad account.
	Spend, Impressions, Reach, Clicks Decimal

	Actions       []ActionStat // how often each action was taken
	ActionValues  []ActionStat // what the actions were worth, in the currency of the ad account
	CostPerAction []ActionStat // what one action cost, in the currency of the ad account

	// Raw is the row as Graph sent it.
	Raw json.RawMessage

	columns map[string]json.RawMessage
}

// The bounds of a row, far above what Meta has: what one byte of an answer can make us keep is limited by them.
const (
	maxColumns      = 1_000
	maxActions      = 10_000 // in one column
	maxActionFields = 100    // of one ActionStat
)

// errTooMany is a row or a part of one with too many members.
var errTooMany = errors.New("too many members")

// UnmarshalJSON reads a row. A column that should be a number and is not one is an error. A column that should be text
// and is not stays empty.
func (r *InsightsRow) UnmarshalJSON(data []byte) error {
	if loose.HasMore(data, jsonscan.Object, maxColumns) {
		return errTooMany
	}
	var columns map[string]json.RawMessage
	if err := json.Unmarshal(data, &columns); err != nil {
		return err
	}
	*r = InsightsRow{Raw: bytes.Clone(data), columns: columns}
	r.AccountID, r.CampaignID = ID(r.Text("account_id")), ID(r.Text("campaign_id"))
	r.AdSetID, r.AdID = ID(r.Text("adset_id")), ID(r.Text("ad_id"))
	r.AccountName, r.AccountCurrency = r.Text("account_name"), r.Text("account_currency")
	r.CampaignName, r.AdSetName, r.AdName = r.Text("campaign_name"), r.Text("adset_name"), r.Text("ad_name")
	r.DateStart, r.DateStop = r.Text("date_start"), r.Text("date_stop")
	for _, column := range [...]struct {
		name string
		to   any
	}{
		{"spend", &r.Spend}, {"impressions", &r.Impressions}, {"reach", &r.Reach}, {"clicks", &r.Clicks},
		{"actions", &r.Actions}, {"action_values", &r.ActionValues}, {"cost_per_action_type", &r.CostPerAction},
	} {
		if text, ok := columns[column.name]; ok {
			if loose.HasMore(text, jsonscan.Array, maxActions) || json.Unmarshal(text, column.to) != nil {
				return columnError(column.name)
			}
		}
	}
	return nil
}

// columnError names a column of an unexpected kind.
type columnError string

func (e columnError) Error() string { return "cannot read column " + string(e) }

// MarshalJSON writes Raw.
func (r InsightsRow) MarshalJSON() ([]byte, error) {
	if r.Raw == nil {
		return []byte("{}"), nil
	}
	return r.Raw, nil
}

// Text returns the text of a column, such as that of a breakdown, or the digits of a number. It returns "" when the row
// has no such column, or when its value is of another kind.
func (r InsightsRow) Text(column string) string {
	return loose.Scalar(r.columns[column])
}

// Action returns how often an action was taken, by the attribution that the query asked for. The parts that a breakdown
// made are added up. An action that is not in the row was never taken.
func (r InsightsRow) Action(actionType string) Decimal { return sum(r.Actions, actionType) }

// Leads returns the number of leads: [ActionLeadGrouped].
func (r InsightsRow) Leads() Decimal { return r.Action(ActionLeadGrouped) }

// ConversationsStarted returns the number of new conversations: [ActionConversationStarted].
func (r InsightsRow) ConversationsStarted() Decimal { return r.Action(ActionConversationStarted) }

// CostPerLead returns Spend divided by Leads, rounded half away from zero to the given number of decimals, 0 to 18. ok
// is false when there were no leads. Meta's own figure is in CostPerAction.
func (r InsightsRow) CostPerLead(decimals int) (cost Decimal, ok bool) {
	text, ok := decimal.Quotient(string(r.Spend), string(r.Leads()), decimals)
	return Decimal(text), ok
}

// ActionStat is one figure about a type of action.
type ActionStat struct {
	// Type names the action: [ActionLeadGrouped] and many others.
	Type string

	// Value is the figure: a count, or an amount in the currency of the ad account.
	Value Decimal

	// Windows are the figures for the attribution windows that the query asked for. Nil means none.
	Windows map[AttributionWindow]Decimal

	// Breakdowns say which part of the actions the figure is about. The keys are the query's ActionBreakdowns.
	Breakdowns map[string]string
}

// UnmarshalJSON reads Graph's form, which has windows and breakdowns beside the value.
func (s *ActionStat) UnmarshalJSON(data []byte) error {
	if loose.HasMore(data, jsonscan.Object, maxActionFields) {
		return errTooMany
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(data, &members); err != nil {
		return err
	}
	*s = ActionStat{}
	for name, raw := range members {
		switch {
		case name == "action_type":
			_ = json.Unmarshal(raw, &s.Type)
		case name == "value":
			if err := json.Unmarshal(raw, &s.Value); err != nil {
				return err
			}
		case isWindow(name):
			var value Decimal
			if err := json.Unmarshal(raw, &value); err != nil {
				return err
			}
			if s.Windows == nil {
				s.Windows = make(map[AttributionWindow]Decimal)
			}
			s.Windows[AttributionWindow(name)] = value
		default:
			var text string
			if json.Unmarshal(raw, &text) == nil {
				if s.Breakdowns == nil {
					s.Breakdowns = make(map[string]string)
				}
				s.Breakdowns[name] = text
			}
		}
	}
	return nil
}

// isWindow reports whether a member of an ActionStat is the figure of an attribution window: "7d_click", "dda".
func isWindow(name string) bool {
	switch AttributionWindow(name) {
	case WindowDataDriven, WindowDefault, WindowSKAdNetClick, WindowSKAdNetView:
		return true
	}
	days, kind, ok := strings.Cut(name, "d_")
	return ok && names.Digits(days) && kind != ""
}

// sum adds up the figures of one type of action.
func sum(stats []ActionStat, actionType string) Decimal {
	var total Decimal
	for _, s := range stats {
		if s.Type == actionType {
			total = total.Add(s.Value)
		}
	}
	return Decimal(total.String())
}

// Decimal is a number as Graph writes it: exact decimal text such as "88.10". The zero value, "", is 0.
type Decimal string

// UnmarshalJSON reads a JSON number without an exponent, or a string holding one. Null and "" are 0.
func (d *Decimal) UnmarshalJSON(data []byte) error {
	text := string(data)
	if text == "null" {
		*d = ""
		return nil
	}
	_ = json.Unmarshal(data, &text) // a number is no string and stays as it is
	if text != "" && !decimal.Valid(text) {
		return errNotDecimal
	}
	*d = Decimal(text)
	return nil
}

var errNotDecimal = errors.New("not a decimal number")

// String returns the text, "0" for the zero value.
func (d Decimal) String() string { return cmp.Or(string(d), "0") }

// IsZero reports whether the number is 0, however it is written: "", "0" or "-0.00".
func (d Decimal) IsZero() bool { return decimal.Rat(string(d)).Sign() == 0 }

// Int64 returns the number as an integer. ok is false when it has a fraction or is out of range.
func (d Decimal) Int64() (n int64, ok bool) {
	r := decimal.Rat(string(d))
	if !r.IsInt() || !r.Num().IsInt64() {
		return 0, false
	}
	return r.Num().Int64(), true
}

// Float64 returns the nearest float64, for charts. Use [Decimal.Add] to add up money.
func (d Decimal) Float64() float64 {
	f, _ := decimal.Rat(string(d)).Float64()
	return f
}

// Add returns the exact sum, with as many decimals as the longer of the two.
func (d Decimal) Add(o Decimal) Decimal { return Decimal(decimal.Add(string(d), string(o))) }
