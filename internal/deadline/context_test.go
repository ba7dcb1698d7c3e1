package deadline_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go/internal/deadline"
)

func TestContext(t *testing.T) {
	t.Parallel()
	type key struct{}
	for _, asked := range []bool{false, true} { // for Done, before anything happens
		synctest.Test(t, func(t *testing.T) {
			parent, cancel := context.WithCancel(context.WithValue(t.Context(), key{}, "v"))
			defer cancel()
			begin := func(d time.Duration) *deadline.Context {
				ctx := &deadline.Context{Context: parent, At: time.Now().Add(d)}
				if asked {
					ctx.Done()
				}
				return ctx
			}
			late, ended, orphan := begin(time.Second), begin(time.Hour), begin(time.Hour)
			require.NoError(t, late.Err())
			require.Equal(t, "v", late.Value(key{}))
			at, ok := late.Deadline()
			require.True(t, ok)
			require.Equal(t, time.Now().Add(time.Second), at)

			ended.End()
			require.ErrorIs(t, ended.Err(), context.Canceled)
			<-ended.Done()

			<-time.After(time.Second)
			synctest.Wait()
			require.ErrorIs(t, late.Err(), context.DeadlineExceeded)
			<-late.Done()

			cancel()
			synctest.Wait()
			require.ErrorIs(t, orphan.Err(), context.Canceled)
			<-orphan.Done()
			late.End()
			orphan.End()
		})
	}
}

func TestContext_Deadline_OfTheParent(t *testing.T) {
	t.Parallel()
	parent, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	want, _ := parent.Deadline()
	got, _ := (&deadline.Context{Context: parent, At: want.Add(time.Hour)}).Deadline()
	require.Equal(t, want, got)
}
