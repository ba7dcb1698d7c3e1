package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/appevents/appevents-go"
	"github.com/appevents/appevents-go/internal/names"
)

type leadsCommand struct {
	Object   string `arg:"" help:"The ad account, act_ and its ID; or the ID of a campaign, an ad set or an ad."`
	Since    string `group:"Range" placeholder:"DAY" help:"The first day, such as 2026-11-01."`
	Until    string `group:"Range" placeholder:"DAY" help:"The last day [today]."`
	Preset   string `group:"Range" placeholder:"RANGE" help:"A range by name, such as last_7d or this_month [Meta's choice]."`                                      //nolint:lll // a tag
	Level    string `enum:"account,campaign,adset,ad," default:"" placeholder:"LEVEL" help:"account, campaign, adset or ad [campaign for an ad account, else ad]."` //nolint:lll // a tag
	By       string `enum:"day,total" default:"total" placeholder:"WHAT" help:"A row a day, or one for the whole range: day or total [${default}]."`                //nolint:lll // a tag
	CSV      bool   `name:"csv" help:"Print CSV for spreadsheets."`
	Progress string `enum:"auto,bar,lines,none" default:"auto" placeholder:"HOW" help:"auto, bar, lines or none."`

	metaFlags
}

// Help is what the help text says beyond the flags.
func (*leadsCommand) Help() string {
	return `Days are those of the ad account's time zone. The token needs ads_read.

  appevents leads act_15 --since 2026-11-01 --until 2026-11-07 --by day

Amounts are in the currency of the ad account. A cell is empty where Meta gave
no figure, and the cost of a lead where there was none. Long ranges by day are
read with a report that Meta makes in the background.

In CSV a name that a spreadsheet would take for a formula, since it begins with
=, +, - or @, has an apostrophe in front. JSON and the plain lines have names as
they are. Rows that were read before an error are printed.`
}

// Run prints the leads of an object.
func (c *leadsCommand) Run(ctx context.Context, p *program) error {
	query, err := c.query(time.Now())
	if err != nil {
		return err
	}
	if c.CSV && p.json {
		return usageError("--csv and --json exclude each other")
	}
	s, err := c.client(ctx, p, false, true, appevents.WithRetry(appevents.RetryPolicy{RetryUnknown: true}))
	if err != nil {
		return err
	}
	out := c.printer(p, query.Level)
	r := leadsReader{sender: s, object: c.Object, query: query, progress: p.newProgress(c.Progress), note: p.note}
	n, shown := int64(0), time.Time{}
	for row, rowErr := range r.rows(ctx) {
		if err = rowErr; err != nil {
			break
		}
		if err = out.row(leadsOf(row)); err != nil {
			break
		}
		n++
		if now := time.Now(); now.Sub(shown) >= r.progress.each() {
			r.progress.show(snapshot{done: n, unit: "rows"})
			shown = now
		}
	}
	r.progress.end()
	if endErr := out.end(err != nil); endErr != nil {
		err = errors.Join(err, endErr)
	}
	switch {
	case err != nil && ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		return c.failure(err, n)
	case n == 0:
		p.note("no leads: Meta has no rows for these days")
	case out.leads.IsZero():
		p.note("no leads in these days")
	}
	return nil
}

// failure words the error of a reading, and says that rows are missing.
func (c *leadsCommand) failure(err error, n int64) error {
	if _, ok := errors.AsType[*failure](err); ok {
		return err
	}
	failed := callFailure(err)
	if n > 0 {
		failed = fail(codeOf(failed), "%w; only the first %s were read", failed, counted(n, "row"))
	}
	return failed
}

// dayPresets are the presets with the days they have at most.
var dayPresets = map[appevents.DatePreset]int{
	appevents.Today: 1, appevents.Yesterday: 1, appevents.Last3Days: 3, appevents.Last7Days: 7, appevents.Last14Days: 14,
	appevents.Last28Days: 28, appevents.Last30Days: 30, appevents.Last90Days: 90, appevents.ThisMonth: 31,
	appevents.LastMonth: 31, appevents.ThisQuarter: 92, appevents.LastQuarter: 92, appevents.ThisYear: 366,
	appevents.LastYear: 366, appevents.LastWeekMonSun: 7, appevents.LastWeekSunSat: 7, appevents.ThisWeekMonToday: 7,
	appevents.ThisWeekSunToday: 7, appevents.Maximum: everyDay, appevents.DataMaximum: everyDay,
}

const everyDay = 37 * 31

// query checks the flags.
func (c *leadsCommand) query(now time.Time) (appevents.InsightsQuery, error) {
	q := appevents.InsightsQuery{
		Level: appevents.InsightsLevel(c.Level), Preset: appevents.DatePreset(c.Preset), PageSize: leadsPage,
	}
	id, isAccount := strings.CutPrefix(c.Object, "act_")
	if !names.Digits(id) {
		return q, usageError("the object must be act_ and the ID of an ad account, or the ID of a campaign, " +
			"an ad set or an ad")
	}
	if q.Level == "" {
		q.Level = appevents.LevelAd
		if isAccount {
			q.Level = appevents.LevelCampaign
		}
	}
	if c.By == "day" {
		q.Increment = appevents.IncrementDaily
	}
	if c.Preset != "" {
		if c.Since != "" || c.Until != "" {
			return q, usageError("--preset and --since or --until exclude each other")
		}
		if dayPresets[q.Preset] == 0 {
			var known []string
			for preset := range dayPresets {
				known = append(known, string(preset))
			}
			slices.Sort(known)
			return q, usageError("--preset must be one of %s%s", strings.Join(known, ", "), nearest(c.Preset, known))
		}
	}
	var err error
	if q.Since, err = dayOf("--since", c.Since); err != nil {
		return q, err
	}
	if q.Until, err = dayOf("--until", c.Until); err != nil {
		return q, err
	}
	switch {
	case q.Since.IsZero() && !q.Until.IsZero():
		return q, usageError("--until needs --since")
	case q.Until.IsZero() && !q.Since.IsZero():
		if q.Until, _ = dayOf("", now.Format(time.DateOnly)); q.Until.Before(q.Since) {
			return q, usageError("--since is after today")
		}
	case q.Until.Before(q.Since):
		return q, usageError("--until is before --since")
	}
	q.Fields = leadsFields(q.Level)
	return q, nil
}

// leadsPage is how many rows one answer holds.
const leadsPage = 200

func dayOf(flag, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.DateOnly, text)
	if err != nil || t.Year() < 2004 {
		return t, usageError("%s must be a day such as 2026-11-01", flag)
	}
	return t, nil
}

// leadsFields are the columns to ask for.
func leadsFields(level appevents.InsightsLevel) []string {
	fields := []string{"account_id", "account_name", "account_currency"}
	for _, l := range []struct {
		level  appevents.InsightsLevel
		prefix string
	}{{appevents.LevelCampaign, "campaign"}, {appevents.LevelAdSet, "adset"}, {appevents.LevelAd, "ad"}} {
		if level == appevents.LevelAccount {
			break
		}
		fields = append(fields, l.prefix+"_id", l.prefix+"_name")
		if level == l.level {
			break
		}
	}
	return append(fields, "actions", "spend")
}

// A leadsReader reads the rows of a query, in one go or as a report.
type leadsReader struct {
	*sender
	object   string
	query    appevents.InsightsQuery
	progress *progress
	note     func(format string, args ...any)
}

// daysAtOnce is how many days by day are read without a report.
const daysAtOnce = 31

// long reports whether a report is the better way from the start: a row for each day and object of a long range.
func (r *leadsReader) long() bool {
	days := dayPresets[r.query.Preset]
	if !r.query.Since.IsZero() {
		days = int(r.query.Until.Sub(r.query.Since)/(24*time.Hour)) + 1
	}
	return r.query.Increment == appevents.IncrementDaily && days > daysAtOnce
}

func (r *leadsReader) rows(ctx context.Context) iter.Seq2[appevents.InsightsRow, error] {
	return func(yield func(appevents.InsightsRow, error) bool) {
		if r.long() {
			r.report(ctx, yield)
			return
		}
		first := true
		for row, err := range r.Insights(ctx, r.object, r.query) {
			if first && tooMuchData(err) {
				r.note("too much for one answer: Meta makes a report in the background")
				r.report(ctx, yield)
				return
			}
			first = false
			if !yield(row, err) {
				return
			}
		}
	}
}

// report has Meta make a report, and reads it.
func (r *leadsReader) report(ctx context.Context, yield func(appevents.InsightsRow, error) bool) {
	report, err := r.StartInsightsReport(ctx, r.object, r.query)
	if err == nil {
		err = report.Wait(ctx, func(status appevents.ReportStatus) {
			r.progress.show(snapshot{notes: []string{fmt.Sprintf("report: %d %%", status.Percent)}, unit: "rows"})
		})
	}
	if err != nil {
		yield(appevents.InsightsRow{}, err)
		return
	}
	for row, err := range report.Rows(ctx) {
		if !yield(row, err) {
			return
		}
	}
}

// tooMuchData reports whether Graph found a query too large. It says so with code 100 and a subcode, or with the code
// of any failure and these words.
func tooMuchData(err error) bool {
	const subcode = 1487534
	graph, ok := errors.AsType[*appevents.GraphError](err)
	return ok && (graph.Subcode == subcode ||
		strings.Contains(strings.ToLower(graph.Message), "reduce the amount of data"))
}
