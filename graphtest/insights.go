package graphtest

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

const (
	defaultLimit = 25   // rows of a page of insights
	maxLimit     = 500  // rows one may ask for
	maxReports   = 1000 // report runs that are kept
	reportPolls  = 3    // a run is complete when asked the third time
)

// report is one asynchronous insights run.
type report struct {
	object string
	params []param
	polls  int
}

func isInsightsObject(s string) bool { return isID(strings.TrimPrefix(s, "act_")) }

// checkInsights judges GET and POST /{object}/insights.
func checkInsights(i *inspection) {
	i.permission("ads_read")
	i.repeated()
	for k := range i.list {
		i.insightsParam(&i.list[k])
	}
	if i.given("date_preset") && i.given("time_range") {
		i.problem("date_preset", "unexpected", "time_range was sent too")
	}
}

func (i *inspection) insightsParam(p *param) {
	enum := func(values ...string) {
		if !slices.Contains(values, p.val.text) {
			i.refuse(100, 0, p.name, "enum", "must be one of {"+strings.Join(values, ", ")+"}")
		}
	}
	switch p.name {
	case "fields":
		if strings.Trim(p.val.text, "abcdefghijklmnopqrstuvwxyz0123456789_,") != "" || p.val.text == "" {
			i.refuse(100, 0, p.name, "form", "must be field names separated by commas")
		}
	case "level":
		enum("account", "campaign", "adset", "ad")
	case "date_preset":
		enum("today", "yesterday", "this_month", "last_month", "this_quarter", "last_quarter", "this_year", "last_year",
			"last_3d", "last_7d", "last_14d", "last_28d", "last_30d", "last_90d", "last_week_mon_sun", "last_week_sun_sat",
			"this_week_mon_today", "this_week_sun_today", "maximum", "data_maximum")
	case "action_report_time":
		enum("impression", "conversion", "mixed", "lifetime")
	case "time_range":
		if r, err := p.val.nested(); err != nil || !isTimeRange(&r) {
			i.refuse(100, 0, p.name, "time-range", `must be {"since":"YYYY-MM-DD","until":"YYYY-MM-DD"}`)
		}
	case "time_ranges":
		list, err := p.val.nested()
		wrong := func(r node) bool { return !isTimeRange(&r) }
		if err != nil || list.kind != kindArray || slices.ContainsFunc(list.items, wrong) {
			i.refuse(100, 0, p.name, "time-range", "must be an array of time ranges")
		}
	case "time_increment":
		days, ok := p.val.int64()
		if p.val.text != "monthly" && p.val.text != "all_days" && (!ok || days < 1 || days > 90) {
			i.refuse(100, 0, p.name, "enum", "must be 1 to 90, monthly or all_days")
		}
	case "action_attribution_windows":
		i.strings(p, func(s string) bool {
			return strings.HasPrefix(s, "skan_") || slices.Contains([]string{
				"1d_click", "7d_click", "28d_click", "1d_view", "7d_view", "28d_view", "1d_ev", "dda", "default",
			}, s)
		})
	case "action_breakdowns", "breakdowns", "sort":
		i.strings(p, func(string) bool { return true })
	case "filtering":
		if list, err := p.val.nested(); err != nil || list.kind != kindArray || !allOf(list.items, kindObject) {
			i.refuse(100, 0, p.name, "array", "must be a JSON array of objects")
		}
	case "limit":
		if n, ok := p.val.int64(); !ok || n < 1 || n > maxLimit {
			i.refuse(100, 0, p.name, "int64", "must be 1 to 500")
		}
	case "after", "before":
		if _, ok := cursorOffset(p.val.text); !ok {
			i.refuse(100, 0, p.name, "cursor", "must be a cursor of an earlier answer")
		}
	case "default_summary", "use_account_attribution_setting", "use_unified_attribution_setting":
		i.shape(p, shapeBool)
	default:
		if !isCommon(p.name) {
			i.problem(p.name, "unknown", "the edge has no such parameter")
		}
	}
}

// strings judges a parameter that is a JSON array of strings, or one name, or names separated by commas.
func (i *inspection) strings(p *param, allowed func(string) bool) {
	for _, s := range names(p) {
		if s == "" || !allowed(s) {
			i.refuse(100, 0, p.name, "enum", "holds a value that does not exist")
			return
		}
	}
}

// names returns the strings of such a parameter.
func names(p *param) []string {
	list, err := p.val.nested()
	if err != nil || list.kind != kindArray {
		return strings.Split(p.val.text, ",")
	}
	out := make([]string, len(list.items))
	for k := range list.items {
		if list.items[k].kind == kindString {
			out[k] = list.items[k].text
		}
	}
	return out
}

func isTimeRange(n *node) bool {
	since, until := n.str("since"), n.str("until")
	return n.kind == kindObject && len(n.keys) == 2 && isDate(since) && isDate(until) && since <= until
}

func isDate(s string) bool {
	return len(s) == 10 && s[4] == '-' && s[7] == '-' && isDigits(s[:4]) && isDigits(s[5:7]) && isDigits(s[8:])
}

// applyInsights answers a page of rows, or starts a report run.
func applyInsights(i *inspection) []byte {
	g, object := i.g, i.call.ObjectID
	if i.call.Method == "POST" {
		if len(g.reports) >= maxReports {
			i.refuse(100, 0, "path", "too-many", "the server keeps no more report runs")
			return nil
		}
		id := strconv.Itoa(7_700_000_001 + len(g.reports))
		g.reports[id] = &report{object: object, params: i.list}
		return fmt.Appendf(nil, `{"report_run_id":%q}`, id)
	}
	query := i.list
	if run := g.reports[object]; run != nil {
		if run.polls < reportPolls {
			i.refuse(100, 0, "path", "report", "the report run is not complete")
			return nil
		}
		object, query = run.object, append(slices.Clone(run.params), query...)
	}
	rows := g.cfg.rows[object]
	if len(g.cfg.rows) == 0 {
		rows = []string{`{"actions":[{"action_type":"onsite_conversion.lead_grouped","value":"14","7d_click":"12",` +
			`"1d_view":"2"}],"spend":"88.10","impressions":"4321","date_start":"2026-11-01","date_stop":"2026-11-07"}`}
	}
	return i.rowsPage(rows, query)
}

// rowsPage builds one page of rows.
func (i *inspection) rowsPage(rows []string, query []param) []byte {
	first, limit, keep := 0, defaultLimit, []string(nil)
	for _, p := range query {
		switch p.name {
		case "after":
			first, _ = cursorOffset(p.val.text)
		case "limit":
			n, _ := p.val.int64()
			limit = int(n)
		case "fields", "breakdowns", "action_breakdowns":
			keep = append(keep, names(&p)...)
		}
	}
	first = min(first, len(rows))
	last := min(first+limit, len(rows))
	type cursors struct {
		Before string `json:"before"`
		After  string `json:"after"`
	}
	page := struct {
		Data   []json.RawMessage `json:"data"`
		Paging struct {
			Cursors cursors `json:"cursors"`
			Next    string  `json:"next,omitempty"`
		} `json:"paging"`
	}{Data: []json.RawMessage{}}
	for _, row := range rows[first:last] {
		n, err := parseJSON(row)
		if err != nil || n.kind != kindObject {
			i.refuseWith(1, "path", "rows", "a row given to WithInsights is not a JSON object")
			return nil
		}
		page.Data = append(page.Data, n.pick(keep))
	}
	page.Paging.Cursors = cursors{Before: cursor(first), After: cursor(last)}
	if last < len(rows) {
		q := i.req.URL.Query()
		q.Set("after", cursor(last))
		if i.auth.token != "" {
			q.Set("access_token", i.auth.token) // as Graph does: following the link puts the token into a URL
		}
		page.Paging.Next = i.g.url + i.req.URL.EscapedPath() + "?" + q.Encode()
	}
	var out strings.Builder
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(page); err != nil {
		return nil
	}
	return []byte(strings.TrimSpace(out.String()))
}

// pick returns the row with only the fields asked for, and always its dates.
func (n *node) pick(fields []string) json.RawMessage {
	if len(fields) == 0 {
		return json.RawMessage(n.raw)
	}
	var members []string
	for k, key := range n.keys {
		if key == "date_start" || key == "date_stop" || slices.Contains(fields, key) {
			name, err := json.Marshal(key)
			if err == nil {
				members = append(members, string(name)+":"+n.items[k].raw)
			}
		}
	}
	return json.RawMessage("{" + strings.Join(members, ",") + "}")
}

func cursor(offset int) string {
	return base64.RawURLEncoding.EncodeToString([]byte("row:" + strconv.Itoa(offset)))
}

func cursorOffset(s string) (int, bool) {
	data, err := base64.RawURLEncoding.DecodeString(s)
	digits, ok := strings.CutPrefix(string(data), "row:")
	if err != nil || !ok || !isDigits(digits) {
		return 0, false
	}
	n, err := strconv.Atoi(digits)
	return n, err == nil
}

// checkReport judges GET /{report run}.
func checkReport(i *inspection) {
	i.permission("ads_read")
	i.onlyParams("fields")
}

// applyReport answers how far a report run has come.
func applyReport(i *inspection) []byte {
	run := i.g.reports[i.call.ObjectID]
	if run == nil {
		i.refuse(100, 33, "path", "object", "there is no such object")
		return nil
	}
	run.polls = min(run.polls+1, reportPolls)
	status, percent := "Job Not Started", 0
	switch run.polls {
	case reportPolls - 1:
		status, percent = "Job Running", 50
	case reportPolls:
		status, percent = "Job Completed", 100
	}
	members := []string{fmt.Sprintf(`"id":%q`, i.call.ObjectID)}
	for field := range strings.SplitSeq(i.text("fields"), ",") {
		switch field {
		case "async_status":
			members = append(members, fmt.Sprintf(`"async_status":%q`, status))
		case "async_percent_completion":
			members = append(members, fmt.Sprintf(`"async_percent_completion":%d`, percent))
		}
	}
	return []byte("{" + strings.Join(members, ",") + "}")
}
