package session_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go/cmd/appevents/internal/session"
	"github.com/appevents/appevents-go/graphtest"
)

// What can be read can be written and read again, and every form of it is whole.
func FuzzRead(f *testing.F) {
	var b bytes.Buffer
	if err := session.Write(&b, recording()); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Add([]byte("{\"schema\":1,\"body\":\"{}\"}\n{"))
	f.Add([]byte(`{"schema":1,"body_base64":"/w==","calls":[{"path":"","events":[{"name":"` + "`" + `","value":1e300}]}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		list, _, err := session.Read(bytes.NewReader(data))
		if err != nil {
			return
		}
		var b bytes.Buffer
		require.NoError(t, session.Write(&b, list))
		again, cutOff, err := session.Read(&b)
		require.NoError(t, err)
		require.Zero(t, cutOff)
		require.Equal(t, list, again)
		require.Empty(t, session.Compare(list, again))
		b.Reset()
		require.NoError(t, session.WriteGo(&b, list))
		requireGo(t, b.Bytes())
		require.NoError(t, session.WriteCurl(&b, list))
	})
}

// A body stays JSON through all that is done to it, keeps what is not to change, and becomes no code.
func FuzzBody(f *testing.F) {
	for _, sample := range graphtest.Samples() {
		f.Add([]byte(sample))
	}
	for _, w := range recording() {
		f.Add(w.Body)
	}
	f.Add([]byte(`{"entry":[[[{"mid":"a","timestamp":1793707200,"time":1e12}]]],"message":{"mid":""}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		fresh := (&session.Fresh{}).Body(body)
		redacted, err := session.NewRedactor("s").Body(body)
		if !json.Valid(body) {
			require.Error(t, err)
			require.Equal(t, string(body), string(fresh))
		} else {
			require.NoError(t, err)
			require.True(t, json.Valid(fresh), "%s", fresh)
			require.True(t, json.Valid(redacted), "%s", redacted)
			before, after := session.Describe(body), session.Describe(fresh)
			require.Equal(t, before.Fields, after.Fields)
			require.Equal(t, before.Text, after.Text)
			require.Equal(t, before.Person, after.Person)
		}
		var b bytes.Buffer
		require.NoError(t, session.WriteGo(&b, []session.Webhook{{Body: body, Calls: []session.Call{}}}))
		requireGo(t, b.Bytes())
	})
}

// What a person writes arrives at the bot as written, from each form.
func FuzzText(f *testing.F) {
	f.Add(hostile)
	f.Add("'")
	f.Add("\xff`\x00")
	f.Fuzz(func(t *testing.T, text string) {
		body := graphtest.Text(text)
		list := []session.Webhook{{Body: body, Calls: []session.Call{}}}
		var b bytes.Buffer
		require.NoError(t, session.WriteGo(&b, list))
		requireGo(t, b.Bytes())
		require.NotContains(t, b.String(), "recorded(", "a constructor makes it")
		b.Reset()
		require.NoError(t, session.WriteCurl(&b, list))
		require.Equal(t, 1, strings.Count(b.String(), "curl -sS"))
	})
}
