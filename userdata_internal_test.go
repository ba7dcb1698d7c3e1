package appevents

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go/internal/normalize"
)

func TestUserData_AppendHashed_ReportsBelowItsPlace(t *testing.T) {
	t.Parallel()
	at := (&place{name: "data"}).item(3).field("user_data")
	u := UserData{Email: strings.Repeat("a", 40), Phone: "12", City: "Paris", Country: "France"}
	var refused, dropped problems
	fields := u.appendHashed(make([]hashedField, 1), at, time.Now(), &refused, &dropped)

	require.Len(t, refused.issues, 1)
	require.Equal(t, "data[3].user_data.em", refused.issues[0].Path)
	require.Len(t, dropped.issues, 1)
	require.Equal(t, "data[3].user_data.ph", dropped.issues[0].Path)

	require.Len(t, fields, 3, "two behind the one that was there")
	require.Equal(t, KeyCity, fields[1].key())
	require.Equal(t, "ct", fields[1].conversionsKey())
	require.Equal(t, KeyCountry, fields[2].key())
	require.Equal(t, "country", fields[2].conversionsKey())
	sum := sha256.Sum256([]byte("fr"))
	require.Equal(t, hex.EncodeToString(sum[:]), string(fields[2].Digest()))

	require.Equal(t, fields[1:], u.appendHashed(nil, at, time.Now(), nil, nil), "reports are optional")
}

func TestUserData_AsCallsUseIt(t *testing.T) {
	t.Parallel()
	u := UserData{Email: "john@example.com", Phone: "none", Gender: strings.Repeat("0", 40), Country: "France"}
	at := (&place{name: "call"}).field("user_data")

	var p problems
	u.validate(at, &p)
	require.Equal(t, []Issue{{
		Path: "call.user_data.ge", Rule: RuleFormat,
		Message: "looks like a digest other than SHA-256: give the plain value or its SHA-256",
	}}, p.issues)

	p = problems{}
	u.warn(at, &p)
	require.Equal(t, []Issue{{
		Path: "call.user_data.ph", Rule: RuleRequired, Message: "nothing usable is left after normalisation",
	}}, p.issues)

	require.Equal(t, "x=1&ud%5Bem%5D=855f96e983f1f8e8be944692b6f719fd54329826cb62e98015efee8e2e071dd4"+
		"&ud%5Bcn%5D=67ad8f41a7bb0a18c45f3efd8f6a32bdcd832bcf8f3f2eb44006c03d53076e18",
		string(u.appendForm([]byte("x=1"), "ud")))
	require.True(t, u.identifies())

	for _, u := range []UserData{{}, {Phone: "none"}, {Email: strings.Repeat("0", 32)}} {
		require.False(t, u.identifies())
		require.Nil(t, u.appendForm(nil, "ud"))
	}
}

func TestUserData_AppendHashed_GoesByTheClockItIsGiven(t *testing.T) {
	t.Parallel()
	u := UserData{BirthDate: "2001-01-01"}
	require.Len(t, u.appendHashed(nil, nil, time.Date(2001, time.January, 1, 0, 0, 0, 0, time.UTC), nil, nil), 1)
	require.Empty(t, u.appendHashed(nil, nil, time.Date(2000, time.December, 30, 0, 0, 0, 0, time.UTC), nil, nil))
}

//nolint:paralleltest // counts the allocations of the whole process
func TestUserData_AppendHashed_AllocatesNothingForASCII(t *testing.T) {
	u, now := benchUserData, time.Now()
	u.Gender, u.BirthDate, u.ExternalID = "female", "5/26/1991", "User-1"
	require.Zero(t, testing.AllocsPerRun(10, func() {
		var buf [numUserDataKeys]hashedField
		if got := u.appendHashed(buf[:0], nil, now, nil, nil); len(got) != numUserDataKeys {
			t.Error(len(got))
		}
	}))
	require.LessOrEqual(t, testing.AllocsPerRun(10, func() {
		if _, err := HashUserData(KeyEmail, u.Email); err != nil {
			t.Error(err)
		}
	}), 1.0, "more than the digest itself")
}

func TestUserDataKeys_AreEachTheirOwn(t *testing.T) {
	t.Parallel()
	var u UserData
	for i, key := range userDataKeys {
		kind, ok := key.kind()
		require.True(t, ok, key)
		require.Equal(t, normalize.Key(i), kind, key)
		*u.fields()[kind] = string(key)
	}
	require.Equal(t, UserData{
		Email: "em", Phone: "ph", FirstName: "fn", LastName: "ln", Gender: "ge", BirthDate: "db", City: "ct", State: "st",
		Zip: "zp", Country: "cn", ExternalID: "external_id",
	}, u)
}

// FuzzHashUserData: whatever comes in, a digest comes out, and the same for what was hashed before; or an error in one
// of the fixed texts, which therefore cannot hold the value.
func FuzzHashUserData(f *testing.F) {
	texts := map[string]bool{}
	for _, key := range userDataKeys {
		for p := normalize.None + 1; p < normalize.NumProblems; p++ {
			err := &ValidationError{Issues: []Issue{userDataIssue(nil, key, p)}}
			texts[err.Error()] = true
		}
	}
	for i, value := range []string{
		"John_Smith@gmail.com", "+1 (650) 555-1212", "Valéry", "O'Brien", "she/her", "2/16/1997", "", "Québec", "94025-1234",
		"Trinidad & Tobago", "User-1", "ΑΝΤΩΝΙΟΣ", "İ", "\xff", "\u200b", strings.Repeat("0F", 32) + ".AQ",
		"d41d8cd98f00b204e9800998ecf8427e", strings.Repeat("x", 2000),
	} {
		f.Add(uint8(i), value)
	}
	f.Fuzz(func(t *testing.T, kind uint8, value string) {
		key := userDataKeys[kind%numUserDataKeys]
		digest, err := HashUserData(key, value)
		if err != nil {
			var invalid *ValidationError
			require.ErrorAs(t, err, &invalid)
			require.Empty(t, digest)
			require.True(t, texts[err.Error()], "%q", err.Error())
		} else {
			require.Regexp(t, `^[0-9a-f]{64}(\.[0-9A-Za-z_-]{2}|\.[0-9A-Za-z_-]{8})?$`, digest)
			again, err := HashUserData(key, digest)
			require.NoError(t, err)
			require.Equal(t, digest, again)
		}

		// The struct agrees with the function, and hashing it twice is hashing it once.
		var u UserData
		*u.fields()[kind%numUserDataKeys] = value
		h, err := u.Hashed()
		require.Equal(t, digest, *h.fields()[kind%numUserDataKeys])
		if err == nil {
			again, err := h.Hashed()
			require.NoError(t, err)
			require.Equal(t, h, again)
		}
	})
}
