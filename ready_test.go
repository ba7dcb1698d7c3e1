package appevents_test

import (
	"context"
	"iter"
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"

	appevents "github.com/appevents/appevents-go"
)

// A value that its constructor did not make answers every method with an error that says so, and never panics.
func TestClient_NilAndZeroAnswerWithAnError(t *testing.T) {
	t.Parallel()
	mute := map[string]bool{"AppID": true, "Format": true, "GoString": true, "LogValue": true, "String": true}
	for name, client := range map[string]*appevents.Client{"nil": nil, "zero": new(appevents.Client)} {
		value := reflect.ValueOf(client)
		for i := range value.NumMethod() {
			method := value.Type().Method(i).Name
			t.Run(name+"/"+method, func(t *testing.T) {
				t.Parallel()
				if mute[method] {
					return // see TestClient_PrintsNothingButAppAndURL
				}
				err := lastError(t, value.Method(i))
				var config *appevents.ConfigError
				require.ErrorAs(t, err, &config)
				require.Equal(t, "Client", config.Field)
				require.ErrorContains(t, err, "Client: is nil or zero: make one with New")
				if method != "Clone" {
					require.Equal(t, appevents.OutcomeNotSent, appevents.OutcomeOf(err))
				}
			})
		}
		require.Empty(t, client.AppID())
		require.NotPanics(t, func() { renderings(client) })
	}
}

// lastError calls a method with arguments that are valid where it matters, and returns its error or the first of the
// sequence it returned.
func lastError(t *testing.T, method reflect.Value) error {
	t.Helper()
	args := make([]reflect.Value, 0, method.Type().NumIn())
	for i := range method.Type().NumIn() {
		in := method.Type().In(i)
		if method.Type().IsVariadic() && i == method.Type().NumIn()-1 {
			break
		}
		arg := reflect.New(in).Elem()
		switch {
		case in == reflect.TypeFor[context.Context]():
			arg = reflect.ValueOf(t.Context())
		case in == reflect.TypeFor[*appevents.Activity]():
			arg = reflect.ValueOf(purchase())
		case in == reflect.TypeFor[*appevents.PageActivity]():
			arg = reflect.ValueOf(pagePurchase())
		case in == reflect.TypeFor[*appevents.Install]():
			arg = reflect.ValueOf(install())
		case in.Kind() == reflect.String:
			arg.SetString("901")
		}
		args = append(args, arg)
	}
	results := method.Call(args)
	last := results[len(results)-1].Interface()
	if rows, ok := last.(iter.Seq2[appevents.InsightsRow, error]); ok {
		for _, err := range rows {
			return err
		}
	}
	err, _ := last.(error)
	return err
}

func TestZeroValues_AnswerWithAnError(t *testing.T) {
	t.Parallel()
	var config *appevents.ConfigError
	for _, tokens := range []*appevents.TokenCache{nil, {}} {
		_, err := tokens.Token(t.Context(), pageScope("901"))
		require.ErrorAs(t, err, &config)
		tokens.Invalidate(pageScope("901"), "x")
	}
	for _, datasets := range []*appevents.DatasetCache{nil, {}} {
		_, err := datasets.Ensure(t.Context(), "901")
		require.ErrorAs(t, err, &config)
		datasets.Forget("901")
	}
	for _, report := range []*appevents.InsightsReport{nil, {}} {
		_, err := report.Status(t.Context())
		require.ErrorAs(t, err, &config)
		require.ErrorAs(t, report.Wait(t.Context(), nil), &config)
		for _, err := range report.Rows(t.Context()) {
			require.ErrorAs(t, err, &config)
		}
		require.Empty(t, report.ID())
	}

	var pacer appevents.Pacer // a zero Pacer is ready
	pacer.Observe(t.Context(), appevents.CallInfo{Usage: appevents.Usage{App: appevents.CallUsage{Calls: 100}}})
	require.Positive(t, pacer.Delay("901"))
	require.NoError(t, (*appevents.Pacer)(nil).Wait(t.Context(), "901"))
	(*appevents.Pacer)(nil).Observe(t.Context(), appevents.CallInfo{})
}
