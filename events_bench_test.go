package appevents

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// BenchmarkEncodePurchase writes the custom_events of one purchase, beside encoding/json doing so from structs.
func BenchmarkEncodePurchase(b *testing.B) {
	purchase := Purchase(55.22, "USD")
	purchase.Time = time.Unix(1700000000, 0)
	purchase.ID = "order-1234"
	purchase.Params.Contents = []Content{{ID: "1234", Quantity: 2, ItemPrice: 20.5}, {ID: "5678", Quantity: 1, ItemPrice: 14.22}}
	purchase.Params.ContentType = "product"
	purchase.Params.NumItems = 3
	events := []Event{purchase}

	b.Run("ours", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			appendEvents(nil, events)
		}
	})
	b.Run("encodingjson", func(b *testing.B) {
		type event struct {
			Name        string   `json:"_eventName"`
			Value       *float64 `json:"_valueToSum,omitempty"`
			Time        int64    `json:"_logTime,omitempty"`
			ID          string   `json:"event_id,omitempty"`
			Contents    string   `json:"fb_content,omitempty"`
			ContentType string   `json:"fb_content_type,omitempty"`
			Currency    string   `json:"fb_currency,omitempty"`
			NumItems    int      `json:"fb_num_items,omitempty"`
		}
		b.ReportAllocs()
		for b.Loop() {
			contents, err := json.Marshal(purchase.Params.Contents)
			if err != nil {
				b.Fatal(err)
			}
			_, err = json.Marshal([]event{{
				Name: string(purchase.Name), Value: purchase.Value, Time: purchase.Time.Unix(), ID: purchase.ID,
				Contents: string(contents), ContentType: purchase.Params.ContentType,
				Currency: purchase.Params.Currency, NumItems: purchase.Params.NumItems,
			}})
			if err != nil {
				b.Fatal(err)
			}
		}
	})
}

// One buffer, made large enough for an ordinary event.
func TestEncodePurchase_Allocations(t *testing.T) { //nolint:paralleltest // allocations of the whole process are counted
	purchase := Purchase(55.22, "USD")
	purchase.Time = time.Unix(1700000000, 0)
	purchase.Params.ContentType = "product"
	purchase.Params.Contents = []Content{{ID: "1234", Quantity: 2}, {ID: "5678", Quantity: 1}}
	for _, events := range [][]Event{{Purchase(55.22, "USD")}, {purchase}} {
		require.LessOrEqual(t, testing.AllocsPerRun(100, func() { appendEvents(nil, events) }), 2.0)
	}
}
