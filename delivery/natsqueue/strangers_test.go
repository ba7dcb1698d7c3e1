package natsqueue_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go/delivery"
	"github.com/appevents/appevents-go/graphtest"
)

// laneToken is the token of the lane activities/901.
const laneToken = "YWN0aXZpdGllcy85MDE"

func TestQueue_SetsAsideWhatStrangersStored(t *testing.T) {
	t.Parallel()
	js := connect(t, startServer(t, nil))
	q := open(t, js)
	strangers := 0
	publish := func(subject string, header nats.Header, data []byte) {
		t.Helper()
		_, err := js.PublishMsg(t.Context(), &nats.Msg{Subject: subject, Header: header, Data: data})
		require.NoError(t, err)
		strangers++
	}
	forged := nats.Header{
		"Nats-Sequence": {"7"}, "Nats-Stream": {"APPEVENTS"}, "Nats-Subject": {"x"}, "Nats-Time-Stamp": {"never"},
	}
	for _, subject := range []string{
		"APPEVENTS.calls", "APPEVENTS.calls." + laneToken, "APPEVENTS.calls.%%%", "APPEVENTS.calls.YR",
		"APPEVENTS.calls._", "APPEVENTS.calls.*", "APPEVENTS.calls.>",
		"APPEVENTS.later." + laneToken + ".0", "APPEVENTS.later.%%%.0",
		"APPEVENTS.later." + laneToken + ".soon", "APPEVENTS.later." + laneToken + ".9223372036854775807",
	} {
		for _, code := range []string{"100", "204", "404", "408", "409", "503", "x"} {
			publish(subject, nats.Header{"Status": {code}, "Description": {"stop"}}, nil)
		}
		publish(subject, nil, nil)
		publish(subject, forged, nil)
		publish(subject, nil, []byte("garbage"))
		publish(subject, nats.Header{"Status": {"503"}}, []byte("\x01\x00"))
	}
	publish("APPEVENTS.calls."+laneToken, nil, bytes.Repeat([]byte("x"), delivery.MaxBody+delivery.MaxBody/2))
	publish("APPEVENTS.later."+laneToken+".0", nil, bytes.Repeat([]byte("x"), delivery.MaxBody+delivery.MaxBody/2))
	for _, key := range []string{"lane." + laneToken, "pause." + laneToken, "manual.%%%", "lane.%", "pause", "begun.x"} {
		for _, data := range []string{
			"", "garbage", `{"next":18446744073709551615}`,
			`{"next":1152921504606846976}`, `{"next":9,"held":[{"from":9,"to":1}]}`,
			`{"next":1152921504606846976,"free":[{"from":1,"to":1152921504606846975}]}`,
		} {
			_, err := js.PublishMsg(t.Context(), &nats.Msg{
				Subject: "$KV.APPEVENTS_STATE." + key, Header: nats.Header{"Status": {"503"}}, Data: []byte(data),
			})
			require.NoError(t, err)
		}
	}
	for _, line := range []string{
		"", " ", "x", "x y", "% free", laneToken + " free", laneToken + " 18446744073709551615",
	} {
		require.NoError(t, js.Conn().Publish("APPEVENTS.ready", []byte(line)))
	}

	graph := graphtest.NewServer(t)
	d := dispatcher(t, graph, q)
	const events = 30
	for n := range events {
		id := fmt.Sprint("event-", n)
		require.NoError(t, d.Submit(t.Context(), id, activity(n, id)))
	}
	stopRunning := running(t, d)
	// What strangers put off for later was never put, so that the count of pending calls is off by that.
	eventually(t, "strangers are set aside", func() bool { return d.Stats().Buried == int64(strangers) })
	eventually(t, "the others arrive", func() bool { return len(arrived(graph)) == events })
	eventually(t, "all are settled", func() bool { return d.Stats().Pending == 0 })
	stopRunning()
	list, err := q.Buried(t.Context(), "", strangers+1)
	require.NoError(t, err)
	require.Len(t, list, strangers)
	for _, b := range list {
		require.Equal(t, delivery.ReasonUnreadable, b.Reason)
	}

	// Among the buried ones too.
	for range 3 {
		publish("APPEVENTS.buried", nats.Header{"Status": {"503"}}, nil)
		publish("APPEVENTS.buried", forged, []byte(strings.Repeat("garbage", 100)))
	}
	list, err = q.Buried(t.Context(), "", 2*strangers)
	require.NoError(t, err)
	require.Len(t, list, strangers)
	all := make([]delivery.Unburial, len(list))
	for i, b := range list {
		all[i].ID = b.ID
	}
	done, err := q.Unbury(t.Context(), all...)
	require.NoError(t, err)
	require.Equal(t, len(all), done)
}
