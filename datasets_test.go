package appevents_test

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jarcoal/httpmock"
	"github.com/stretchr/testify/require"

	appevents "github.com/appevents/appevents-go"
	"github.com/appevents/appevents-go/graphtest"
)

func TestEnsureDataset(t *testing.T) {
	t.Parallel()
	const made = `{"id":"5501"}`
	refusal := func(code int) httpmock.Responder {
		return answer(http.StatusBadRequest, fmt.Sprintf(`{"error":{"message":"first","code":%d}}`, code))
	}
	for name, test := range map[string]struct {
		answers []httpmock.Responder
		want    appevents.ID
		is      error
		text    string
	}{
		"made or found":              {[]httpmock.Responder{answer(200, made)}, "5501", nil, ""},
		"ID as a number":             {[]httpmock.Responder{answer(200, `{"id":9007199254740993}`)}, "9007199254740993", nil, ""},
		"may read, not make":         {[]httpmock.Responder{refusal(200), answer(200, `{"id":"5501","name":"n"}`)}, "5501", nil, ""},
		"refused parameter":          {[]httpmock.Responder{refusal(100), answer(200, made)}, "5501", nil, ""},
		"unknown, found":             {[]httpmock.Responder{answer(502, "<html>"), answer(200, made)}, "5501", nil, ""},
		"neither":                    {[]httpmock.Responder{refusal(200), refusal(190)}, "", appevents.ErrPermission, "a token made in Events Manager cannot look up datasets"},
		"unknown twice":              {[]httpmock.Responder{answer(502, "<html>"), answer(502, "<html>")}, "", appevents.ErrUnknownOutcome, ""},
		"nothing to read":            {[]httpmock.Responder{refusal(200), answer(200, `{"data":[]}`)}, "", appevents.ErrPermission, ""},
		"throttled: no more calls":   {[]httpmock.Responder{refusal(80006)}, "", appevents.ErrThrottled, ""},
		"token: no more calls":       {[]httpmock.Responder{refusal(190)}, "", appevents.ErrAuth, ""},
		"account: no more calls":     {[]httpmock.Responder{refusal(803)}, "", appevents.ErrNotFound, ""},
		"success without an ID":      {[]httpmock.Responder{answer(200, `{"success":true}`)}, "", nil, "the answer holds no dataset ID"},
		"success with a strange one": {[]httpmock.Responder{answer(200, `{"id":{"a":1}}`)}, "", nil, "the answer holds no dataset ID"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMock(t, test.answers...)
			id, err := m.client(t, appevents.WithAccessToken(coreToken), oneAttempt()).EnsureDataset(t.Context(), corePage)
			require.Equal(t, test.want, id)
			require.Equal(t, test.want == "", err != nil)
			if test.is != nil {
				require.ErrorIs(t, err, test.is)
			}
			if test.text != "" {
				require.ErrorContains(t, err, test.text)
			}
			sent := m.requests()
			require.Len(t, sent, len(test.answers))
			for i, method := range []string{http.MethodPost, http.MethodGet}[:len(sent)] {
				require.Equal(t, method, sent[i].method)
				require.Equal(t, "https://graph.facebook.com/v26.0/901/dataset", sent[i].url)
			}
		})
	}
	_, err := newMock(t).client(t).EnsureDataset(t.Context(), "me")
	require.Equal(t, []string{"account (format)"}, problemsOf(t, err))
}

func TestEnsureDataset_AgainstTheStandIn(t *testing.T) {
	t.Parallel()
	graph := graphtest.New()
	var scopes []appevents.Scope
	source := appevents.TokenFunc(func(_ context.Context, scope appevents.Scope) (string, error) {
		scopes = append(scopes, scope)
		return coreToken, nil
	})
	client := mustClient(t, appevents.WithTokenSource(source), appevents.WithHTTPClient(&http.Client{Transport: graph}))
	id, err := client.EnsureDataset(t.Context(), corePage)
	require.NoError(t, err)
	again, err := client.EnsureDataset(t.Context(), corePage)
	require.NoError(t, err)
	require.Equal(t, id, again)
	require.Empty(t, graph.Problems())
	require.Equal(t, appevents.Scope{Kind: appevents.ScopePage, ID: corePage}, scopes[0])
}

func TestDatasetCache_AsksOnceForEachAccount(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int64
		edge := roundTrip(func(r *http.Request) (*http.Response, error) {
			n := calls.Add(1)
			<-time.After(time.Second) // long enough for everybody to ask
			return httpmock.NewStringResponse(200, fmt.Sprintf(`{"id":"%d"}`, 5500+n)), nil
		})
		client := mustClient(t, appevents.WithAccessToken(coreToken), appevents.WithHTTPClient(&http.Client{Transport: edge}))
		cache, err := appevents.NewDatasetCache(client)
		require.NoError(t, err)
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() {
				id, err := cache.Ensure(t.Context(), corePage)
				if err != nil || id != "5501" {
					t.Errorf("got %q, %v", id, err)
				}
			})
		}
		all.Wait()
		require.EqualValues(t, 1, calls.Load())

		other, err := cache.Ensure(t.Context(), "902")
		require.NoError(t, err)
		require.Equal(t, appevents.ID("5502"), other)
		kept, err := cache.Ensure(t.Context(), corePage)
		require.NoError(t, err)
		require.Equal(t, appevents.ID("5501"), kept)
		cache.Forget(corePage)
		renewed, err := cache.Ensure(t.Context(), corePage)
		require.NoError(t, err)
		require.Equal(t, appevents.ID("5503"), renewed)
		require.EqualValues(t, 3, calls.Load())
	})
}

func TestDatasetCache_AFailureGoesToAllWhoWaitAndIsForgotten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int64
		edge := roundTrip(func(r *http.Request) (*http.Response, error) {
			<-time.After(time.Second)
			if calls.Add(1) == 1 {
				return httpmock.NewStringResponse(400, `{"error":{"code":190,"message":"m"}}`), nil
			}
			return httpmock.NewStringResponse(200, `{"id":"5501"}`), nil
		})
		client := mustClient(t, appevents.WithAccessToken(coreToken), appevents.WithHTTPClient(&http.Client{Transport: edge}))
		cache, err := appevents.NewDatasetCache(client)
		require.NoError(t, err)
		var failed atomic.Int64
		var all sync.WaitGroup
		for range 10 {
			all.Go(func() {
				if _, err := cache.Ensure(t.Context(), corePage); err != nil {
					failed.Add(1)
				}
			})
		}
		all.Wait()
		require.EqualValues(t, 10, failed.Load())
		require.EqualValues(t, 1, calls.Load())
		_, err = cache.Ensure(t.Context(), corePage)
		require.NoError(t, err)
	})
}

func TestDatasetCache_OneCallersEndIsNoAnswerToTheOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		edge := roundTrip(func(r *http.Request) (*http.Response, error) {
			select {
			case <-time.After(time.Minute):
				return httpmock.NewStringResponse(200, `{"id":"5501"}`), nil
			case <-r.Context().Done():
				return nil, r.Context().Err()
			}
		})
		client := mustClient(t, appevents.WithAccessToken(coreToken), appevents.WithTimeout(time.Hour),
			appevents.WithHTTPClient(&http.Client{Transport: edge}))
		cache, err := appevents.NewDatasetCache(client)
		require.NoError(t, err)
		first, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		all.Go(func() {
			if _, err := cache.Ensure(first, corePage); err == nil {
				t.Error("the first caller gave up")
			}
		})
		synctest.Wait()
		all.Go(func() {
			short, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			_, err := cache.Ensure(short, corePage)
			if appevents.OutcomeOf(err) != appevents.OutcomeNotSent {
				t.Errorf("got %v", err)
			}
		})
		all.Go(func() {
			if id, err := cache.Ensure(t.Context(), corePage); err != nil || id != "5501" {
				t.Errorf("got %q, %v", id, err)
			}
		})
		<-time.After(2 * time.Second)
		cancel()
		all.Wait()
	})
}

func TestDatasetCache_AFailureForgetsOnlyItself(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int64
		edge := roundTrip(func(r *http.Request) (*http.Response, error) {
			if calls.Add(1) == 1 {
				<-time.After(2 * time.Second)
				return httpmock.NewStringResponse(400, `{"error":{"code":190,"message":"m"}}`), nil
			}
			<-time.After(5 * time.Second)
			return httpmock.NewStringResponse(200, `{"id":"5501"}`), nil
		})
		client := mustClient(t, appevents.WithAccessToken(coreToken), appevents.WithHTTPClient(&http.Client{Transport: edge}))
		cache, err := appevents.NewDatasetCache(client)
		require.NoError(t, err)
		var all sync.WaitGroup
		all.Go(func() { _, _ = cache.Ensure(t.Context(), corePage) })
		<-time.After(time.Second)
		cache.Forget(corePage) // while the first look-up is under way
		all.Go(func() { _, _ = cache.Ensure(t.Context(), corePage) })
		<-time.After(3 * time.Second) // the first has failed, the second has not ended
		id, err := cache.Ensure(t.Context(), corePage)
		require.NoError(t, err)
		require.Equal(t, appevents.ID("5501"), id)
		require.EqualValues(t, 2, calls.Load())
		all.Wait()
	})
}

func TestDatasetCache_SurvivesAPanicOfTheTokenSource(t *testing.T) {
	t.Parallel()
	var calls atomic.Int64
	source := appevents.TokenFunc(func(context.Context, appevents.Scope) (string, error) {
		if calls.Add(1) == 1 {
			panic("no token")
		}
		return coreToken, nil
	})
	m := newMock(t, answer(200, `{"id":"5501"}`))
	cache, err := appevents.NewDatasetCache(m.client(t, appevents.WithTokenSource(source)))
	require.NoError(t, err)
	require.Panics(t, func() { _, _ = cache.Ensure(t.Context(), corePage) })
	id, err := cache.Ensure(t.Context(), corePage)
	require.NoError(t, err)
	require.Equal(t, appevents.ID("5501"), id)
}

func TestNewDatasetCache_RefusesNoClient(t *testing.T) {
	t.Parallel()
	_, err := appevents.NewDatasetCache(nil)
	var wrong *appevents.ConfigError
	require.ErrorAs(t, err, &wrong)
}
