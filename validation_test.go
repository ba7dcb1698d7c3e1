package appevents_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go"
)

func TestValidationError_Error(t *testing.T) {
	t.Parallel()
	issue := func(i int) appevents.Issue {
		return appevents.Issue{Path: fmt.Sprintf("events[%d].name", i), Rule: appevents.RuleRequired, Message: "must be set"}
	}
	issues := make([]appevents.Issue, 1000)
	for i := range issues {
		issues[i] = issue(i)
	}
	for _, test := range []struct {
		err  *appevents.ValidationError
		want string
	}{
		{nil, "appevents: invalid call"},
		{&appevents.ValidationError{}, "appevents: invalid call"},
		{
			&appevents.ValidationError{Issues: []appevents.Issue{{Rule: appevents.RuleRequired, Message: "name the person"}}},
			"appevents: invalid call: name the person (required)",
		},
		{
			&appevents.ValidationError{Issues: issues[:2]},
			"appevents: invalid call: events[0].name: must be set (required); events[1].name: must be set (required)",
		},
		{
			&appevents.ValidationError{Issues: issues[:5]},
			"appevents: invalid call: events[0].name: must be set (required); events[1].name: must be set (required); " +
				"events[2].name: must be set (required); events[3].name: must be set (required); " +
				"events[4].name: must be set (required)",
		},
		{
			&appevents.ValidationError{Issues: issues},
			"appevents: invalid call: events[0].name: must be set (required); events[1].name: must be set (required); " +
				"events[2].name: must be set (required); events[3].name: must be set (required); " +
				"events[4].name: must be set (required); and 995 more",
		},
	} {
		require.Equal(t, test.want, test.err.Error())
	}
}

// A thousand bad events are a thousand issues, and still one line.
func TestValidationError_OfManyEvents(t *testing.T) {
	t.Parallel()
	err := botCall(func(a *appevents.Activity) { a.Events = make([]appevents.Event, 1000) }).Validate()
	issues := issuesOf(t, err)
	require.Len(t, issues, 1000)
	require.Equal(t, "events[999].name", issues[999].Path)
	require.Less(t, len(err.Error()), 400)
	require.NotContains(t, err.Error(), "\n")
}

func TestIssue_JSON(t *testing.T) {
	t.Parallel()
	err := botCall(func(a *appevents.Activity) { a.Events[0].Params.NumItems = -1 }).Validate()
	text, jsonErr := json.Marshal(err)
	require.NoError(t, jsonErr)
	require.JSONEq(t, `{"issues":[{"path":"events[0].params.fb_num_items","rule":"range","message":"must not be negative"}]}`,
		string(text))
}

// Programs compare rules, so their words stay.
func TestRuleWords(t *testing.T) {
	t.Parallel()
	require.Equal(t, "required format length range type reserved conflict unknown", strings.Join([]string{
		appevents.RuleRequired, appevents.RuleFormat, appevents.RuleLength, appevents.RuleRange, appevents.RuleType,
		appevents.RuleReserved, appevents.RuleConflict, appevents.RuleUnknown,
	}, " "))
}
