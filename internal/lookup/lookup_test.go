package lookup_test

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go/internal/lookup"
)

// counting returns a cache whose values count the look-ups, each of which takes a second.
func counting(stale func(int) bool) *lookup.Cache[string, int] {
	var mu sync.Mutex
	n := 0
	return &lookup.Cache[string, int]{
		Stale: stale, Max: 3,
		Look: func(context.Context, string) (int, error) {
			<-time.After(time.Second)
			mu.Lock()
			defer mu.Unlock()
			n++
			return n, nil
		},
	}
}

func get(t *testing.T, c *lookup.Cache[string, int], key string) int {
	t.Helper()
	value, err := c.Get(t.Context(), key)
	require.NoError(t, err)
	return value
}

func TestCache_OneLookUpHoweverManyWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cache := counting(nil)
		var all sync.WaitGroup
		for range 100 {
			all.Go(func() {
				if value, err := cache.Get(t.Context(), "a"); value != 1 || err != nil {
					t.Errorf("got %d, %v", value, err)
				}
			})
		}
		all.Wait()
		require.Equal(t, 2, get(t, cache, "b"))
		require.Equal(t, 1, get(t, cache, "a"))
	})
}

func TestCache_ForgetsAndRefuses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cache := counting(nil)
		cache.Refuse("a", func(int) bool { return true }) // nothing is known of it
		require.Equal(t, 1, get(t, cache, "a"))
		cache.Refuse("a", func(v int) bool { return v == 7 })
		require.Equal(t, 1, get(t, cache, "a"))
		cache.Refuse("a", func(v int) bool { return v == 1 })
		require.Equal(t, 2, get(t, cache, "a"))
		cache.Forget("a")
		require.Equal(t, 3, get(t, cache, "a"))

		// During a look-up: the waiting get the value, and it is not remembered.
		for _, drop := range []func(){
			func() { cache.Forget("b") },
			func() { cache.Refuse("b", func(int) bool { return true }) },
		} {
			var waiting sync.WaitGroup
			waiting.Go(func() { _, _ = cache.Get(t.Context(), "b") })
			synctest.Wait()
			drop()
			waiting.Wait()
			require.Equal(t, 1, cache.Len(), "only a is known")
		}
		var waiting sync.WaitGroup
		waiting.Go(func() { _, _ = cache.Get(t.Context(), "b") })
		synctest.Wait()
		cache.Refuse("b", func(v int) bool { return v == 7 })
		waiting.Wait()
		require.Equal(t, 6, get(t, cache, "b"))
	})
}

func TestCache_IsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cache := counting(func(v int) bool { return v == 2 })
		for _, key := range []string{"a", "b", "c"} {
			get(t, cache, key)
		}
		get(t, cache, "d") // takes the place of b, which is stale
		require.Equal(t, []int{1, 3, 4}, []int{get(t, cache, "a"), get(t, cache, "c"), get(t, cache, "d")})
		get(t, cache, "e")
		require.Equal(t, 3, cache.Len())
	})
}

func TestCache_AFailureReachesAllAndIsForgotten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		sealed := errors.New("sealed")
		calls := 0
		cache := &lookup.Cache[string, int]{Max: 3, Look: func(context.Context, string) (int, error) {
			<-time.After(time.Second)
			calls++
			if calls == 1 {
				return 0, sealed
			}
			return calls, nil
		}}
		var all sync.WaitGroup
		for range 10 {
			all.Go(func() {
				if _, err := cache.Get(t.Context(), "a"); !errors.Is(err, sealed) {
					t.Errorf("got %v", err)
				}
			})
		}
		all.Wait()
		require.Equal(t, 2, get(t, cache, "a"))
	})
}

func TestCache_APanicReachesTheCallerAndIsForgotten(t *testing.T) {
	t.Parallel()
	calls := 0
	cache := &lookup.Cache[string, int]{Max: 3, Look: func(context.Context, string) (int, error) {
		calls++
		if calls == 1 {
			panic("no")
		}
		return calls, nil
	}}
	require.PanicsWithValue(t, "no", func() { _, _ = cache.Get(t.Context(), "a") })
	require.Equal(t, 2, get(t, cache, "a"))
}

func TestCache_ALookUpWithoutAResultIsAnError(t *testing.T) {
	t.Parallel()
	cache := &lookup.Cache[string, int]{Look: func(context.Context, string) (int, error) {
		runtime.Goexit()
		return 1, nil
	}}
	_, err := cache.Get(t.Context(), "a")
	require.EqualError(t, err, "the look-up ended without a result")
	require.Zero(t, cache.Len())
}

func TestCache_LookUpsEndWithTheirOwnTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cache := &lookup.Cache[string, int]{Timeout: time.Minute, Look: func(ctx context.Context, _ string) (int, error) {
			<-ctx.Done()
			return 0, ctx.Err()
		}}
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		_, err := cache.Get(short, "a")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, time.Second, time.Since(start))
		_, err = cache.Get(t.Context(), "a") // joins the look-up, which goes on
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, time.Minute, time.Since(start))
	})
}
