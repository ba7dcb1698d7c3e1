package appevents

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/appevents/appevents-go/internal/jsonscan"
	"github.com/appevents/appevents-go/internal/loose"
)

const permissionInsights = "needs the ads_read permission"

var opInsights = declare(operation{name: "read insights", permission: permissionInsights})

// maxInsightsPages bounds a reading whose end Graph never announces.
const maxInsightsPages = 10_000

// Insights reads how an ad account (with the prefix act_), a campaign, an ad set or an ad performed, from
// GET /{object}/insights. Pages of rows are requested one at a time, when the loop needs them. Leave the loop to stop.
//
//	for row, err := range client.Insights(ctx, "act_15", appevents.InsightsQuery{
//		Level: appevents.LevelCampaign, Preset: appevents.Last7Days,
//	}) {
//		if err != nil { … }
//		fmt.Println(row.CampaignName, row.Leads())
//	}
//
// An error ends the iteration. It is a [*ValidationError], a [*GraphError] or a [*CallError], and the row beside it is
// empty. The token needs the permission ads_read ([ScopeAd]). Use [Client.StartInsightsReport] for ranges that are too
// large for one request.
//
// https://developers.facebook.com/docs/marketing-api/insights
func (c *Client) Insights(ctx context.Context, objectID string, q InsightsQuery) iter.Seq2[InsightsRow, error] {
	return func(yield func(InsightsRow, error) bool) {
		if err := c.ready(opInsights); err != nil {
			yield(InsightsRow{}, err)
			return
		}
		params, err := q.params(objectID)
		if err != nil {
			yield(InsightsRow{}, err)
			return
		}
		c.insightsRows(ctx, objectID, insightsScope(objectID), params)(yield)
	}
}

// insightsScope names the object the token must speak for; limits are counted by its bare number.
func insightsScope(objectID string) Scope {
	return Scope{Kind: ScopeAd, ID: ID(strings.TrimPrefix(objectID, "act_"))}
}

// insightsRows reads all pages of one insights edge. It follows the cursor: the link to the next page holds the token.
func (c *Client) insightsRows(
	ctx context.Context, node string, scope Scope, params url.Values,
) iter.Seq2[InsightsRow, error] {
	return func(yield func(InsightsRow, error) bool) {
		params := maps.Clone(params)
		for range maxInsightsPages {
			page, err := c.insightsPage(ctx, node, scope, params)
			if err != nil {
				yield(InsightsRow{}, err)
				return
			}
			for row, err := range page.rows {
				if !yield(row, err) || err != nil {
					return
				}
			}
			if page.after == "" {
				return
			}
			params.Set("after", page.after)
		}
		yield(InsightsRow{}, &GraphError{
			Op: opInsights.name, StatusCode: http.StatusOK,
			Message: "the rows do not end after " + strconv.Itoa(maxInsightsPages) + " pages; a larger PageSize needs fewer",
		})
	}
}

// maxInsightsRows bounds the rows of one answer; more are not Graph's.
const maxInsightsRows = 100_000

// insightsPage is one answer. Its rows are decoded as the loop asks for them.
type insightsPage struct {
	rows  iter.Seq2[InsightsRow, error]
	after string // "" on the last page
}

func (c *Client) insightsPage(
	ctx context.Context, node string, scope Scope, params url.Values,
) (*insightsPage, error) {
	resp, err := c.do(ctx, &request{
		op:      opInsights,
		method:  http.MethodGet,
		node:    ID(node),
		edge:    "insights",
		scope:   scope,
		query:   params,
		maxBody: maxInsightsBody,
	})
	if err != nil {
		return nil, err
	}
	fields, _, ok := loose.Members(resp.Raw, "data", "paging")
	data := jsonscan.New(string(fields["data"]))
	if !ok || !data.Open(jsonscan.Array) {
		return nil, resp.unusable(opInsights, "the answer holds no insights")
	}
	page := &insightsPage{rows: func(yield func(InsightsRow, error) bool) {
		for data, n := data, 1; data.NextElem(); n++ {
			row, err := resp.insightsRow(data.Skip(), n)
			if !yield(row, err) || err != nil {
				return
			}
		}
	}}
	var paging struct {
		Cursors struct {
			After string `json:"after"`
		} `json:"cursors"`
		Next loose.Text `json:"next"` // its presence says that there is more; nothing else is done with it
	}
	if raw := fields["paging"]; len(raw) > 0 && json.Unmarshal(raw, &paging) != nil {
		return nil, resp.unusable(opInsights, "the answer holds no insights")
	}
	if paging.Next != "" {
		page.after = paging.Cursors.After
		if page.after == "" || page.after == params.Get("after") {
			return nil, resp.unusable(opInsights, "the answer announces another page, but does not say where it begins")
		}
	}
	return page, nil
}

// insightsRow decodes the n-th row of an answer.
func (r Response) insightsRow(text string, n int) (row InsightsRow, err error) {
	if n > maxInsightsRows {
		return row, r.unusable(opInsights, "the answer holds more than "+strconv.Itoa(maxInsightsRows)+" rows")
	}
	if err := json.Unmarshal([]byte(text), &row); err != nil {
		if column, ok := errors.AsType[columnError](err); ok {
			return InsightsRow{}, r.unusable(opInsights, "the column "+string(column)+" cannot be read")
		}
		return InsightsRow{}, r.unusable(opInsights, "the answer holds no insights")
	}
	return row, nil
}
