package main

import (
	"encoding/csv"
	"encoding/json"
	"slices"
	"strings"

	"github.com/appevents/appevents-go"
)

// A leadsRow is a row as it is printed. Empty texts are what Meta did not say.
type leadsRow struct {
	Schema        int     `json:"schema"`
	AccountID     string  `json:"account_id"`
	Account       string  `json:"account_name"`
	CampaignID    string  `json:"campaign_id"`
	Campaign      string  `json:"campaign_name"`
	AdSetID       string  `json:"adset_id"`
	AdSet         string  `json:"adset_name"`
	AdID          string  `json:"ad_id"`
	Ad            string  `json:"ad_name"`
	Since         string  `json:"since"`
	Until         string  `json:"until"`
	Leads         number  `json:"leads"`
	CostPerLead   *string `json:"cost_per_lead"` // null where there was no lead, or no amount is known
	Conversations number  `json:"conversations"`
	Spend         *string `json:"spend"`
	Currency      string  `json:"currency"`
}

// number is a count, which is almost always whole.
type number = json.Number

const costDecimals = 2

func leadsOf(row appevents.InsightsRow) leadsRow {
	r := leadsRow{
		Schema: schema, AccountID: string(row.AccountID), Account: row.AccountName,
		CampaignID: string(row.CampaignID), Campaign: row.CampaignName, AdSetID: string(row.AdSetID), AdSet: row.AdSetName,
		AdID: string(row.AdID), Ad: row.AdName, Since: row.DateStart, Until: row.DateStop,
		Leads: number(row.Leads()), Conversations: number(row.ConversationsStarted()), Currency: row.AccountCurrency,
	}
	if row.Spend == "" { // not the same as nothing spent
		return r
	}
	r.Spend = new(row.Spend.Add("").String())
	if cost, ok := row.CostPerLead(costDecimals); ok {
		r.CostPerLead = new(cost.String())
	}
	return r
}

// A leadsPrinter prints rows: JSON, CSV and lines as they come, a table at the end.
type leadsPrinter struct {
	p      *program
	level  appevents.InsightsLevel
	byDay  bool
	csv    *csv.Writer
	header bool // has been printed
	table  rows
	n      int
	leads  appevents.Decimal
	totals []*leadsTotal
}

// A leadsTotal adds up the rows of one currency. People who were reached are not added up: one can be in several rows.
type leadsTotal struct {
	currency                    string
	leads, conversations, spend appevents.Decimal
	unknown                     bool // the spend of a row is not known
}

func (c *leadsCommand) printer(p *program, level appevents.InsightsLevel) *leadsPrinter {
	out := &leadsPrinter{p: p, level: level, byDay: c.By == "day"}
	if c.CSV {
		out.csv = csv.NewWriter(p.stdout)
		out.csv.UseCRLF = true
	}
	out.table.header = out.columns()
	return out
}

func (l *leadsPrinter) columns() []string {
	var list []string
	switch l.level {
	case appevents.LevelAccount:
		list = append(list, "ACCOUNT")
	case appevents.LevelCampaign:
		list = append(list, "CAMPAIGN")
	case appevents.LevelAdSet:
		list = append(list, "CAMPAIGN", "AD SET")
	default:
		list = append(list, "CAMPAIGN", "AD SET", "AD")
	}
	list = append(list, "ID")
	if l.byDay {
		list = append(list, "DAY")
	} else {
		list = append(list, "SINCE", "UNTIL")
	}
	return append(list, "LEADS", "COST PER LEAD", "CONVERSATIONS", "SPEND", "CURRENCY")
}

// cells are a row in the order of columns; the first are texts that people wrote.
func (l *leadsPrinter) cells(r *leadsRow) (texts, figures []string) {
	switch l.level {
	case appevents.LevelAccount:
		texts = []string{r.Account, r.AccountID}
	case appevents.LevelCampaign:
		texts = []string{r.Campaign, r.CampaignID}
	case appevents.LevelAdSet:
		texts = []string{r.Campaign, r.AdSet, r.AdSetID}
	default:
		texts = []string{r.Campaign, r.AdSet, r.Ad, r.AdID}
	}
	texts = append(texts, r.Since)
	if !l.byDay {
		texts = append(texts, r.Until)
	}
	texts = append(texts, r.Currency)
	figures = []string{r.Leads.String(), deref(r.CostPerLead), r.Conversations.String(), deref(r.Spend)}
	return texts, figures
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// inOrder puts the cells into their order: the currency comes last.
func inOrder(texts, figures []string) []string {
	last := len(texts) - 1
	return append(append(slices.Clone(texts[:last]), figures...), texts[last])
}

func (l *leadsPrinter) row(r leadsRow) error {
	p := l.p
	l.n++
	l.add(&r)
	if p.json {
		return p.printLine(r)
	}
	texts, figures := l.cells(&r)
	switch {
	case l.csv != nil:
		for i, cell := range texts {
			texts[i] = spreadsheetSafe(printable(cell))
		}
		if err := l.printHeader(); err != nil {
			return err
		}
		return l.writeCSV(inOrder(texts, figures))
	case isTerminal(p.stdout):
		l.table.add(inOrder(texts, figures)...)
		return nil
	default:
		if err := l.printHeader(); err != nil {
			return err
		}
		return writeTSV(p.stdout, [][]string{inOrder(texts, figures)})
	}
}

func (l *leadsPrinter) printHeader() error {
	if l.header {
		return nil
	}
	l.header = true
	if l.csv != nil {
		return l.writeCSV(l.table.header)
	}
	return writeTSV(l.p.stdout, [][]string{slices.Clone(l.table.header)})
}

func (l *leadsPrinter) writeCSV(cells []string) error {
	if err := l.csv.Write(cells); err != nil {
		return err
	}
	l.csv.Flush()
	return l.csv.Error()
}

// spreadsheetSafe keeps a spreadsheet from running a text: names of campaigns come from whoever may edit them. An
// apostrophe in front makes it text, in Excel as in LibreOffice and Google Sheets. Figures need none.
func spreadsheetSafe(cell string) string {
	if trimmed := strings.TrimLeft(cell, " \u00a0\u3000"); trimmed != "" {
		switch []rune(trimmed)[0] {
		case '=', '+', '-', '@', '＝', '＋', '－', '＠':
			return "'" + cell
		}
	}
	return cell
}

func (l *leadsPrinter) add(r *leadsRow) {
	i := slices.IndexFunc(l.totals, func(t *leadsTotal) bool { return t.currency == r.Currency })
	if i < 0 {
		i = len(l.totals)
		l.totals = append(l.totals, &leadsTotal{currency: r.Currency})
	}
	t := l.totals[i]
	l.leads = l.leads.Add(appevents.Decimal(r.Leads))
	t.leads = t.leads.Add(appevents.Decimal(r.Leads))
	t.conversations = t.conversations.Add(appevents.Decimal(r.Conversations))
	t.spend = t.spend.Add(appevents.Decimal(deref(r.Spend)))
	t.unknown = t.unknown || r.Spend == nil
}

// end prints what was kept back. Of an unfinished reading there are no totals.
func (l *leadsPrinter) end(unfinished bool) error {
	switch {
	case l.p.json:
		return nil
	case !isTerminal(l.p.stdout) || l.csv != nil:
		if unfinished {
			return nil
		}
		return l.printHeader()
	case l.n == 0:
		return nil
	}
	if l.n > 1 && !unfinished {
		for _, t := range l.totals {
			l.table.add(l.total(t)...)
		}
	}
	p := l.p
	if since, until, ok := l.sameDays(); ok {
		if err := p.print("%s to %s, in the time zone of the ad account", printable(since), printable(until)); err != nil {
			return err
		}
	}
	return p.printRows(l.table)
}

// sameDays takes the days out of a table whose rows are all about the same.
func (l *leadsPrinter) sameDays() (since, until string, ok bool) {
	at := slices.Index(l.table.header, "SINCE")
	if at < 0 {
		return "", "", false
	}
	first := l.table.lines[0]
	for _, cells := range l.table.lines[:l.n] {
		if cells[at] != first[at] || cells[at+1] != first[at+1] {
			return "", "", false
		}
	}
	since, until = first[at], first[at+1]
	l.table.header = slices.Delete(l.table.header, at, at+2)
	for i := range l.table.lines {
		l.table.lines[i] = slices.Delete(l.table.lines[i], at, at+2)
	}
	return since, until, true
}

// total is the line of the totals.
func (l *leadsPrinter) total(t *leadsTotal) []string {
	texts := make([]string, len(l.table.header)-len([]string{"leads", "cost", "conversations", "spend"}))
	texts[0], texts[len(texts)-1] = "total", t.currency
	spend, cost := "", ""
	if !t.unknown {
		all := appevents.InsightsRow{
			Spend: t.spend, Actions: []appevents.ActionStat{{Type: appevents.ActionLeadGrouped, Value: t.leads}},
		}
		if each, ok := all.CostPerLead(costDecimals); ok {
			cost = each.String()
		}
		spend = t.spend.String()
	}
	return inOrder(texts, []string{t.leads.String(), cost, t.conversations.String(), spend})
}
