package appevents_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	appevents "github.com/appevents/appevents-go"
)

func TestConversionsError_ReadsAsOneLine(t *testing.T) {
	t.Parallel()
	var none *appevents.ConversionsError
	require.Equal(t, "appevents: some conversions were not accepted", none.Error())
	require.Equal(t, none.Error(), new(appevents.ConversionsError).Error())
	require.Empty(t, none.Unwrap())
	require.Equal(t, appevents.OutcomeNone, appevents.OutcomeOf(none))

	e := &appevents.ConversionsError{Total: 9}
	for i := range 8 {
		e.Failed = append(e.Failed, appevents.ConversionFailure{Index: i, Err: fmt.Errorf("reason %d", i)})
	}
	require.Equal(t, "appevents: send conversions: 8 of 9 not accepted: conversions[0]: reason 0; conversions[1]: reason 1; "+
		"conversions[2]: reason 2; conversions[3]: reason 3; conversions[4]: reason 4; and 3 more", e.Error())
	e = &appevents.ConversionsError{Failed: make([]appevents.ConversionFailure, 1), Total: 1}
	require.Equal(t, "appevents: send conversions: 1 of 1 not accepted: conversions[0]: not accepted", e.Error())

	same := errors.New("same")
	e = &appevents.ConversionsError{Total: 5, Failed: []appevents.ConversionFailure{
		{Index: 0, Err: same}, {Index: 1, Err: same}, {Index: 3, Err: same},
	}}
	require.Equal(t, "appevents: send conversions: 3 of 5 not accepted: conversions[0] to [1]: same; conversions[3]: same",
		e.Error())
	require.Equal(t, []error{same}, e.Unwrap())
}
