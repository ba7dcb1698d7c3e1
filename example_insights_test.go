package appevents_test

import (
	"context"
	"encoding/csv"
	"fmt"
	"log"
	"os"
	"text/tabwriter"

	appevents "github.com/appevents/appevents-go"
	"github.com/appevents/appevents-go/graphtest"
)

// insightsGraph stands in for Meta, with two campaigns of last week.
func insightsGraph() *graphtest.Server {
	return graphtest.New(graphtest.WithInsights("act_15",
		`{"account_id":"15","campaign_id":"120210000000000001","campaign_name":"Spring offers","spend":"88.10",
		  "actions":[{"action_type":"onsite_conversion.messaging_conversation_started_7d","value":"31"},
		             {"action_type":"onsite_conversion.lead_grouped","value":"14"}]}`,
		`{"account_id":"15","campaign_id":"120210000000000002","campaign_name":"Test drives, \"free\"","spend":"41.00",
		  "actions":[{"action_type":"onsite_conversion.messaging_conversation_started_7d","value":"5"}]}`,
	))
}

// Leads per campaign for the last seven days, as a table.
func ExampleClient_Insights() {
	client := exampleClient(insightsGraph())

	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "Campaign\tConversations\tLeads\tSpend\tPer lead")
	var leads, spend appevents.Decimal
	for row, err := range client.Insights(context.Background(), "act_15", appevents.InsightsQuery{
		Level: appevents.LevelCampaign, Preset: appevents.Last7Days,
	}) {
		if err != nil {
			log.Fatal(err)
		}
		perLead := "-"
		if cost, ok := row.CostPerLead(2); ok {
			perLead = cost.String()
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n",
			row.CampaignName, row.ConversationsStarted(), row.Leads(), row.Spend, perLead)
		leads, spend = leads.Add(row.Leads()), spend.Add(row.Spend)
	}
	fmt.Fprintf(table, "All\t\t%s\t%s\t\n", leads, spend)
	if err := table.Flush(); err != nil {
		log.Fatal(err)
	}
	// Output:
	// Campaign             Conversations  Leads  Spend   Per lead
	// Spring offers        31             14     88.10   6.29
	// Test drives, "free"  5              0      41.00   -
	// All                                 14     129.10
}

// The same as CSV, for a spreadsheet.
func ExampleClient_Insights_csv() {
	client := exampleClient(insightsGraph())

	out := csv.NewWriter(os.Stdout)
	record := func(fields ...string) {
		if err := out.Write(fields); err != nil {
			log.Fatal(err)
		}
	}
	record("campaign_id", "campaign", "conversations", "leads", "spend")
	for row, err := range client.Insights(context.Background(), "act_15", appevents.InsightsQuery{
		Level: appevents.LevelCampaign, Preset: appevents.Last7Days,
	}) {
		if err != nil {
			log.Fatal(err)
		}
		record(string(row.CampaignID), row.CampaignName, row.ConversationsStarted().String(), row.Leads().String(),
			row.Spend.String())
	}
	out.Flush()
	if err := out.Error(); err != nil {
		log.Fatal(err)
	}
	// Output:
	// campaign_id,campaign,conversations,leads,spend
	// 120210000000000001,Spring offers,31,14,88.10
	// 120210000000000002,"Test drives, ""free""",5,0,41.00
}
