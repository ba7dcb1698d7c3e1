package appevents_test

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go"
	"github.com/appevents/appevents-go/graphtest"
)

func pageScope(id appevents.ID) appevents.Scope {
	return appevents.Scope{Kind: appevents.ScopePage, ID: id}
}

// newTokenCache makes a cache whose look-ups return "token-1", "token-2", … and are counted.
func newTokenCache(t *testing.T, lifetime time.Duration) (*appevents.TokenCache, *atomic.Int64) {
	t.Helper()
	var count atomic.Int64
	cache, err := appevents.NewTokenCache(func(context.Context, appevents.Scope) (string, time.Time, error) {
		token := "token-" + strconv.FormatInt(count.Add(1), 10)
		if lifetime == 0 {
			return token, time.Time{}, nil
		}
		return token, time.Now().Add(lifetime), nil
	})
	require.NoError(t, err)
	return cache, &count
}

func TestNewTokenCache_RefusesNoFunction(t *testing.T) {
	t.Parallel()
	_, err := appevents.NewTokenCache(nil)
	var config *appevents.ConfigError
	require.ErrorAs(t, err, &config)
}

func TestTokenCache_RemembersEachScope(t *testing.T) {
	t.Parallel()
	cache, count := newTokenCache(t, 0)
	for range 3 {
		token, err := cache.Token(t.Context(), pageScope("1"))
		require.NoError(t, err)
		require.Equal(t, "token-1", token)
	}
	token, err := cache.Token(t.Context(), pageScope("2"))
	require.NoError(t, err)
	require.Equal(t, "token-2", token)
	require.EqualValues(t, 2, count.Load())
}

func TestTokenCache_LooksUpAgainAMinuteBeforeTheEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cache, count := newTokenCache(t, time.Hour)
		read := func() string {
			token, err := cache.Token(t.Context(), pageScope("1"))
			require.NoError(t, err)
			return token
		}
		require.Equal(t, "token-1", read())
		<-time.After(58 * time.Minute)
		require.Equal(t, "token-1", read())
		<-time.After(time.Minute)
		require.Equal(t, "token-2", read())
		require.EqualValues(t, 2, count.Load())
	})
}

func TestTokenCache_InvalidateForgetsOnlyTheTokenNamed(t *testing.T) {
	t.Parallel()
	cache, _ := newTokenCache(t, 0)
	read := func() string {
		token, err := cache.Token(t.Context(), pageScope("1"))
		require.NoError(t, err)
		return token
	}
	require.Equal(t, "token-1", read())
	cache.Invalidate(pageScope("1"), "an older token")
	cache.Invalidate(pageScope("2"), "token-1")
	require.Equal(t, "token-1", read())
	cache.Invalidate(pageScope("1"), "token-1")
	require.Equal(t, "token-2", read())
}

func TestTokenCache_DoesNotRememberWhatWasInvalidatedWhileItWasLookedUp(t *testing.T) {
	t.Parallel()
	for invalidated, want := range map[string]int64{"token": 2, "another": 1, "": 1} {
		t.Run("invalidated "+invalidated, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var count atomic.Int64
				cache, err := appevents.NewTokenCache(func(context.Context, appevents.Scope) (string, time.Time, error) {
					count.Add(1)
					<-time.After(time.Second)
					return "token", time.Time{}, nil
				})
				require.NoError(t, err)
				time.AfterFunc(time.Second/2, func() { cache.Invalidate(pageScope("1"), invalidated) })
				for range 2 {
					token, err := cache.Token(t.Context(), pageScope("1"))
					require.NoError(t, err)
					require.Equal(t, "token", token)
				}
				require.Equal(t, want, count.Load())
			})
		})
	}
}

func TestTokenCache_RemembersForAMinuteThatThereIsNoToken(t *testing.T) {
	t.Parallel()
	for name, expires := range map[string]time.Duration{"never": 0, "in an hour": time.Hour} {
		t.Run("expires "+name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				token, count := "", 0
				cache, err := appevents.NewTokenCache(func(context.Context, appevents.Scope) (string, time.Time, error) {
					count++
					if expires > 0 {
						return token, time.Now().Add(expires), nil
					}
					return token, time.Time{}, nil
				})
				require.NoError(t, err)
				for range 2 {
					got, err := cache.Token(t.Context(), pageScope("1"))
					require.NoError(t, err)
					require.Empty(t, got)
					<-time.After(59 * time.Second)
				}
				require.Equal(t, 1, count)
				token = "token"
				<-time.After(2 * time.Second)
				got, err := cache.Token(t.Context(), pageScope("1"))
				require.NoError(t, err)
				require.Equal(t, "token", got)
			})
		})
	}
}

func TestTokenCache_OneLookUpHoweverManyWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var count atomic.Int64
		cache, err := appevents.NewTokenCache(func(context.Context, appevents.Scope) (string, time.Time, error) {
			<-time.After(time.Second)
			count.Add(1)
			return "token", time.Time{}, nil
		})
		require.NoError(t, err)
		var wait sync.WaitGroup
		for range 100 {
			wait.Go(func() {
				token, err := cache.Token(t.Context(), pageScope("1"))
				if err != nil || token != "token" {
					t.Errorf("got %q, %v", token, err)
				}
			})
		}
		wait.Wait()
		require.EqualValues(t, 1, count.Load())
	})
}

func TestTokenCache_OneCallersEndDoesNotEndTheLookUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cache, err := appevents.NewTokenCache(func(ctx context.Context, _ appevents.Scope) (string, time.Time, error) {
			select {
			case <-ctx.Done():
				return "", time.Time{}, ctx.Err()
			case <-time.After(5 * time.Second):
				return "token", time.Time{}, nil
			}
		})
		require.NoError(t, err)
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = cache.Token(short, pageScope("1"))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		token, err := cache.Token(t.Context(), pageScope("1"))
		require.NoError(t, err)
		require.Equal(t, "token", token)
	})
}

func TestTokenCache_ALookUpThatHangsEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cache, err := appevents.NewTokenCache(func(ctx context.Context, _ appevents.Scope) (string, time.Time, error) {
			<-ctx.Done()
			return "", time.Time{}, ctx.Err()
		})
		require.NoError(t, err)
		_, err = cache.Token(t.Context(), pageScope("1"))
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
}

func TestTokenCache_ErrorsAndPanicsAreNotRemembered(t *testing.T) {
	t.Parallel()
	errVault := errors.New("vault sealed")
	var count atomic.Int64
	cache, err := appevents.NewTokenCache(func(context.Context, appevents.Scope) (string, time.Time, error) {
		switch count.Add(1) {
		case 1:
			return "half-read-token", time.Time{}, errVault
		case 2:
			panic("token-canary")
		default:
			return "token", time.Time{}, nil
		}
	})
	require.NoError(t, err)
	token, err := cache.Token(t.Context(), pageScope("1"))
	require.ErrorIs(t, err, errVault)
	require.Empty(t, token)
	_, err = cache.Token(t.Context(), pageScope("1"))
	require.ErrorContains(t, err, "panicked")
	require.NotContains(t, err.Error(), "canary")
	token, err = cache.Token(t.Context(), pageScope("1"))
	require.NoError(t, err)
	require.Equal(t, "token", token)
}

func TestClient_InvalidatesATokenGraphDoesNotAccept(t *testing.T) {
	t.Parallel()
	cache, count := newTokenCache(t, 0)
	graph := graphtest.New()
	client, err := appevents.New("771", appevents.WithBaseURL(graph.URL),
		appevents.WithHTTPClient(&http.Client{Transport: graph}), appevents.WithTokenSource(cache))
	require.NoError(t, err)
	page := &appevents.PageActivity{
		Thread: appevents.Thread{PageID: "901", PSID: "7702"}, Consent: appevents.ConsentAllowed,
		Events: []appevents.Event{appevents.LeadSubmitted()},
	}
	graph.Inject(graphtest.Times(1, graphtest.Throttle), graphtest.ExpiredToken)

	_, err = client.LogPageActivity(t.Context(), page)
	require.ErrorIs(t, err, appevents.ErrThrottled)
	graph.Reset()
	graph.Inject(graphtest.ExpiredToken)
	_, err = client.LogPageActivity(t.Context(), page)
	require.ErrorIs(t, err, appevents.ErrAuth)
	require.EqualValues(t, 1, count.Load(), "a throttle must not cost a look-up")
	_, err = client.LogPageActivity(t.Context(), page)
	require.NoError(t, err)
	calls := graph.Calls()
	require.True(t, calls[len(calls)-1].HasToken("token-2"))
}
