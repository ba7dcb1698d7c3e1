package record_test

import (
	"encoding/binary"
	"encoding/hex"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go/delivery"
	"github.com/appevents/appevents-go/delivery/internal/record"
)

func sample() record.Record {
	return record.Record{
		Item: delivery.Item{
			Key: delivery.KeyOf("key"), Lane: "activities/901", Group: delivery.Group(delivery.KeyOf("group")),
			Body: []byte(`{"kind":"activity"}`), Submitted: time.Unix(1_795_000_000, 999_999_999).UTC(),
			Expires: time.Unix(1_795_600_000, 0).UTC(),
		},
		Attempts: 300, FirstError: "first", LastError: "last", Begun: true, Due: time.Unix(-1, 1).UTC(),
		Reason: delivery.ReasonRefused, BuriedAt: time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC),
	}
}

func TestRecord_ComesBackAsItWas(t *testing.T) {
	t.Parallel()
	for _, want := range []record.Record{sample(), {Item: delivery.Item{Body: []byte{}}}} {
		got, err := record.Parse(record.Append(nil, &want))
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
}

func TestRecord_HasAFixedForm(t *testing.T) {
	t.Parallel()
	r := sample()
	data := record.Append(nil, &r)
	require.Equal(t, "01012c70e12b7a0646f92279f427c7b38e73ad936fcbed631fa67e05c3ea03953905"+
		"ac028094ebdc03809becaf0d0180bab5b00d02010180b898e1df0e0e", hex.EncodeToString(data[:62]), "a new form needs a new number")
	require.Equal(t, "activities/901\x05first\x04last\x07refused"+string(r.Body), string(data[62:]))
	data[0] = 2
	_, err := record.Parse(data)
	require.ErrorIs(t, err, record.ErrFormat)
}

func TestRecord_RefusesWhatIsCutShort(t *testing.T) {
	t.Parallel()
	r := sample()
	r.Body = nil
	data := record.Append(nil, &r)
	for n := range data {
		_, err := record.Parse(data[:n])
		require.ErrorIs(t, err, record.ErrFormat, "after %d bytes", n)
	}
}

// edited is the sample without texts, with the byte at a place replaced by others.
func edited(at int, with ...byte) []byte {
	r := record.Record{Item: delivery.Item{Body: []byte("{}")}}
	data := record.Append(nil, &r)
	return slices.Concat(data[:at], with, data[at+1:])
}

func TestRecord_RefusesWhatAppendDoesNotWrite(t *testing.T) {
	t.Parallel()
	const attempts, submitted, lane = 34, 35, 39
	long := []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01} // the largest number
	_, err := record.Parse(edited(0, 1))
	require.NoError(t, err)
	for name, data := range map[string][]byte{
		"nothing":                           nil,
		"an older version":                  edited(0, 0),
		"a newer version":                   edited(0, 2),
		"a number that does not end":        edited(attempts, append(slices.Clone(long[:9]), 0xff, 0xff)...),
		"more nanoseconds than a second":    edited(submitted, append(binary.AppendUvarint(nil, 1e9+1), 0)...),
		"nanoseconds without seconds":       edited(submitted, 1)[:submitted+1],
		"a text that is longer than all":    edited(lane, 100),
		"a text that is longer than memory": edited(lane, long...),
	} {
		_, err := record.Parse(data)
		require.ErrorIs(t, err, record.ErrFormat, name)
	}
	r, err := record.Parse(edited(attempts, long...))
	require.NoError(t, err)
	require.Equal(t, 1<<31-1, r.Attempts, "a number that fits everywhere")
}

func TestFailed_KeepsTheFirstErrorAndTheLast(t *testing.T) {
	t.Parallel()
	var r record.Record
	for _, text := range []string{"", "first", "second", "", "last"} {
		r.Failed(text)
	}
	require.Equal(t, 3, r.Attempts)
	require.Equal(t, "first", r.FirstError)
	require.Equal(t, "last", r.LastError)
}

func FuzzParse(f *testing.F) {
	r := sample()
	f.Add(record.Append(nil, &r))
	f.Add([]byte{1, 0})
	f.Add(edited(39, 0xff, 0xff, 0xff, 0xff, 0x0f))
	f.Add(edited(35, 0x80, 0x94, 0xeb, 0xdc, 0x03, 0x01))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := record.Parse(data)
		if err != nil {
			return
		}
		again, err := record.Parse(record.Append(nil, &r))
		require.NoError(t, err)
		require.Equal(t, r, again)
	})
}
