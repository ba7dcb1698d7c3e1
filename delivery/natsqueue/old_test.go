package natsqueue_test

import (
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go/delivery"
	"github.com/appevents/appevents-go/delivery/natsqueue"
)

// storedStream is a stream of testdata/one-subject.json, which the version before this one wrote: there, lanes have no
// subjects of their own.
type storedStream struct {
	Config    jetstream.StreamConfig     `json:"config"`
	Consumers []jetstream.ConsumerConfig `json:"consumers"`
	Messages  []struct {                 // by their place in the stream; those without a subject were deleted
		Subject string      `json:"subject"`
		Header  nats.Header `json:"header"`
		Data    []byte      `json:"data"`
	} `json:"messages"`
}

const pausedLane = "activities/903"

// restoreOld makes the streams. The pause of a lane lasts for an hour from now.
func restoreOld(t *testing.T, js jetstream.JetStream) {
	t.Helper()
	data, err := os.ReadFile("testdata/one-subject.json")
	require.NoError(t, err)
	streams := map[string]storedStream{}
	require.NoError(t, json.Unmarshal(data, &streams))
	require.Len(t, streams, 4)
	for _, old := range streams {
		s, err := js.CreateStream(t.Context(), old.Config)
		require.NoError(t, err)
		for _, c := range old.Consumers {
			_, err := s.CreateConsumer(t.Context(), c)
			require.NoError(t, err)
		}
		for _, m := range old.Messages {
			gone := m.Subject == ""
			if gone {
				m.Subject = strings.NewReplacer(".*.*", ".x.0", ">", "x").Replace(old.Config.Subjects[0])
			}
			if strings.HasPrefix(m.Subject, "$KV.APPEVENTS_STATE.pause.YWN0aXZpdGllcy85MDM") {
				m.Data = []byte(strconv.FormatInt(time.Now().Add(time.Hour).UnixNano(), 10))
			}
			ack, err := js.PublishMsg(t.Context(), &nats.Msg{Subject: m.Subject, Header: m.Header, Data: m.Data})
			require.NoError(t, err)
			if gone {
				require.NoError(t, s.DeleteMsg(t.Context(), ack.Sequence))
			}
		}
	}
}

func TestQueue_ReadsWhatTheVersionBeforeStored(t *testing.T) {
	t.Parallel()
	js := connect(t, startServer(t, nil))
	restoreOld(t, js)
	// A process of that version holds the first call, and has settled it in time.
	old, err := js.Consumer(t.Context(), "APPEVENTS", "dispatchers")
	require.NoError(t, err)
	held, err := old.Fetch(1)
	require.NoError(t, err)
	first := <-held.Messages()
	require.NotNil(t, first)

	q := open(t, js)
	want := counts(t, q)
	require.EqualValues(t, 9, want.Pending)
	require.Equal(t, 2, want.PausedLanes)
	require.Zero(t, want.Dropped, "what was taken away before there was a limit was not dropped")
	require.EqualValues(t, 1, want.Kept)

	// While that process holds it, nothing of its subject is touched; what is new is not held up.
	_, err = q.Put(t.Context(), item(1))
	require.NoError(t, err)
	require.Equal(t, "edge/1", lease(t, q, 1)[0].Lane)
	// For a moment, what is moved is in two streams.
	eventually(t, "one more is stored", func() bool { return counts(t, q).Stored == want.Stored+1 })
	require.NoError(t, first.DoubleAck(t.Context()))

	bodies := map[string]*delivery.Lease{}
	for _, l := range lease(t, q, 6) {
		bodies[string(l.Body)] = l
	}
	for _, body := range []string{
		"activities/901 1", "activities/901 2", "activities/901 3", "activities/901 4", "activities/902 2", "activities 1",
	} {
		l := bodies[body]
		require.NotNil(t, l, body)
		require.True(t, strings.HasPrefix(body, l.Lane+" "))
		require.Equal(t, delivery.KeyOf(body), l.Key)
		require.Equal(t, time.March, l.Submitted.Month())
		require.False(t, l.Begun)
	}
	again, err := js.Stream(t.Context(), "APPEVENTS")
	require.NoError(t, err)
	_, err = again.Consumer(t.Context(), "dispatchers")
	require.ErrorIs(t, err, jetstream.ErrConsumerNotFound)

	added, err := q.Put(t.Context(), delivery.Item{Key: delivery.KeyOf("activities/901 2"), Lane: "activities/901"})
	require.NoError(t, err)
	require.False(t, added, "its key is remembered")
	_, err = js.Publish(t.Context(), "APPEVENTS.calls", []byte("garbage"), jetstream.WithMsgID("x"))
	require.NoError(t, err, "processes of that version may go on to submit")
	unreadable := lease(t, q, 1)[0]
	require.Equal(t, "garbage", string(unreadable.Body))

	require.NoError(t, q.Pause(t.Context(), delivery.Pause{Lane: pausedLane, Manual: true}))
	lanes, err := q.Lanes(t.Context())
	require.NoError(t, err)
	for _, l := range lanes {
		switch l.Lane {
		case pausedLane:
			require.EqualValues(t, 2, l.Pending)
			require.WithinDuration(t, time.Now().Add(time.Hour), l.PausedUntil, time.Minute)
		case "activities/904":
			require.WithinDuration(t, time.Now().Add(8*24*time.Hour), l.PausedUntil, time.Minute,
				"no pause lasts for a hundred years")
		}
	}
	other := open(t, js) // a pause of that version can be ended by whoever likes to wait as long
	require.NoError(t, other.Pause(t.Context(), delivery.Pause{Lane: pausedLane, Until: time.Now().Add(2 * time.Hour)}))
	require.NoError(t, other.Pause(t.Context(), delivery.Pause{Lane: pausedLane}))
	for n, l := range lease(t, q, 2) {
		require.Equal(t, "activities/903 "+strconv.Itoa(n+1), string(l.Body))
	}
	list, err := q.Buried(t.Context(), "", 10)
	require.NoError(t, err)
	require.Len(t, list, 1)
	require.Equal(t, "events/5501 1", string(list[0].Body))
	require.Equal(t, delivery.ReasonRefused, list[0].Reason)
	require.Equal(t, "no", list[0].LastError)
}

func TestQueue_KnowsWhatTheVersionBeforeBegan(t *testing.T) {
	t.Parallel()
	js := connect(t, startServer(t, nil))
	restoreOld(t, js)
	q := open(t, js)
	for _, l := range lease(t, q, 7) {
		require.Equal(t, string(l.Body) == "activities/901 0", l.Begun, "%s", l.Body)
		settle(t, q, []*delivery.Lease{l}, delivery.Settlement{Verdict: delivery.Done})
	}
	eventually(t, "those of the paused lane are left", func() bool { return counts(t, q).Pending == 2 })
	c := counts(t, q)
	require.Equal(t, c.Stored, c.Delivered+c.Buried+c.Pending)
}

func TestOpen_LeavesStreamsOfOthersAlone(t *testing.T) {
	t.Parallel()
	js := connect(t, startServer(t, nil))
	config := jetstream.StreamConfig{Name: "APPEVENTS", Subjects: []string{"APPEVENTS.calls"}}
	_, err := js.CreateStream(t.Context(), config)
	require.NoError(t, err)
	_, err = natsqueue.Open(t.Context(), js)
	require.ErrorContains(t, err, "exists for something else")
	s, err := js.Stream(t.Context(), "APPEVENTS")
	require.NoError(t, err)
	require.Equal(t, config.Subjects, s.CachedInfo().Config.Subjects)
}

func TestPut_AsksForOldKeysOnlyWhereTheyCanBe(t *testing.T) {
	t.Parallel()
	const lanes = "APPEVENTS.calls.>"
	for name, old := range map[string]bool{"a stream of this version": false, "one of the version before": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startServer(t, nil)
			asked := count(t, connect(t, s), lanes)
			js := connect(t, s)
			requests := 1
			if old {
				restoreOld(t, js)
				requests = 2
			}
			for range 2 { // also when it was there before
				q := open(t, js)
				asked.take(t, js)
				it := laneItem("edge/1", requests)
				it.Key = delivery.KeyOf(fmt.Sprint("new ", time.Now().UnixNano()))
				it.OldKey = delivery.KeyOf(fmt.Sprint("old ", time.Now().UnixNano()))
				added, err := q.Put(t.Context(), it)
				require.NoError(t, err)
				require.True(t, added)
				require.Equal(t, requests, asked.take(t, js)[lanes])
				it.Key, it.OldKey = delivery.KeyOf(it.OldKey.String()), delivery.KeyOf("activities/901 2")
				added, err = q.Put(t.Context(), it)
				require.NoError(t, err)
				require.Equal(t, !old, added, "what the version before stored counts")
			}
		})
	}
}
