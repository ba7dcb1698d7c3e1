package appevents_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	appevents "github.com/appevents/appevents-go"
	"github.com/appevents/appevents-go/graphtest"
)

// edges are the calls of the matrix, in the order of its columns.
func edges() []struct {
	name string
	call func(context.Context, *appevents.Client) (*appevents.ActivityResult, error)
} {
	return []struct {
		name string
		call func(context.Context, *appevents.Client) (*appevents.ActivityResult, error)
	}{
		{"LogActivity", func(ctx context.Context, c *appevents.Client) (*appevents.ActivityResult, error) {
			return c.LogActivity(ctx, purchase())
		}},
		{"LogInstall", func(ctx context.Context, c *appevents.Client) (*appevents.ActivityResult, error) {
			return c.LogInstall(ctx, install())
		}},
		{"LogPageActivity", func(ctx context.Context, c *appevents.Client) (*appevents.ActivityResult, error) {
			return c.LogPageActivity(ctx, pagePurchase())
		}},
	}
}

// cell is what one fault must do to a call.
type cell struct {
	outcome    appevents.Outcome
	sentinel   error
	arrived    int // requests the stand-in saw, which is also what the client says it made
	retryAfter time.Duration
}

func TestFaultMatrix(t *testing.T) {
	t.Parallel()
	const (
		accepted = appevents.OutcomeAccepted
		refused  = appevents.OutcomeRefused
		unknown  = appevents.OutcomeUnknown
		minutes  = 5 * time.Minute // what the stand-in asks for when it throttles
	)
	var (
		fine      = cell{accepted, nil, 1, 0}
		doubt     = cell{unknown, appevents.ErrUnknownOutcome, 1, 0}
		plainNo   = cell{refused, nil, 1, 0}
		retired   = cell{refused, appevents.ErrRetired, 1, 0}
		throttled = cell{refused, appevents.ErrThrottled, 1, minutes}
	)
	no := func(sentinel error) cell { return cell{refused, sentinel, 1, 0} }
	type row struct {
		fault graphtest.Fault
		want  cell
		page  *cell // what differs on /page_activities
	}
	var (
		trouble    = no(appevents.ErrTransient)
		permission = no(appevents.ErrPermission)
	)
	rows := map[string]row{
		"none":             {graphtest.None, fine, nil},
		"throttle":         {graphtest.Throttle, throttled, nil},
		"throttle for 90s": {graphtest.ThrottleFor(90 * time.Second), cell{refused, appevents.ErrThrottled, 1, 2 * time.Minute}, nil},
		"transient, once":  {graphtest.Transient, cell{accepted, nil, 2, 0}, nil},
		"transient, twice": {graphtest.Times(2, graphtest.Transient), cell{accepted, nil, 3, 0}, nil},
		"transient, three times": {
			graphtest.Times(3, graphtest.Transient), cell{refused, appevents.ErrTransient, 3, 0}, nil,
		},
		"unavailable":        {graphtest.Unavailable, doubt, nil},
		"HTML":               {graphtest.HTML, doubt, nil},
		"no answer":          {graphtest.Timeout, doubt, nil},
		"reset":              {graphtest.Reset, doubt, nil},
		"reset early":        {graphtest.ResetEarly, doubt, nil},
		"cut short":          {graphtest.Truncate, doubt, nil},
		"empty":              {graphtest.Empty, doubt, nil},
		"answered twice":     {graphtest.Duplicate, doubt, nil},
		"slow body":          {graphtest.Drip(time.Minute), doubt, nil},
		"slow headers":       {graphtest.Slow(time.Minute), doubt, nil},
		"a little slow":      {graphtest.Slow(time.Millisecond), fine, nil},
		"a little drip":      {graphtest.Drip(5 * time.Millisecond), fine, nil},
		"unsolicited answer": {graphtest.Unsolicited, fine, nil},
		"version drift":      {graphtest.VersionDrift, fine, nil},
		"false":              {graphtest.False, plainNo, nil},
		"success false":      {graphtest.NotSuccess, plainNo, nil},
		"redirect":           {graphtest.Redirect("https://elsewhere.invalid/"), plainNo, nil},
		"not found, no body": {graphtest.Reply(http.StatusNotFound, ""), plainNo, &retired},
		"gone":               {graphtest.Reply(http.StatusGone, "{}"), plainNo, &retired},
		"expired token":      {graphtest.ExpiredToken, no(appevents.ErrAuth), nil},
		"missing permission": {graphtest.MissingPermission, permission, nil},
		"code 1":             {graphtest.Error(1, 0), trouble, nil},
		"code 1/99":          {graphtest.Error(1, 99), trouble, nil},
		"code 3":             {graphtest.Error(3, 0), permission, &retired},
		"code 10":            {graphtest.Error(10, 0), permission, nil},
		"code 100":           {graphtest.Error(100, 0), no(appevents.ErrInvalidParameter), nil},
		"code 100/33":        {graphtest.Error(100, 33), no(appevents.ErrNotFound), &retired},
		"code 102":           {graphtest.Error(102, 0), no(appevents.ErrAuth), nil},
		"code 104":           {graphtest.Error(104, 0), no(appevents.ErrAuth), nil},
		"code 105":           {graphtest.Error(105, 0), no(appevents.ErrInvalidParameter), nil},
		"code 368":           {graphtest.Error(368, 0), no(appevents.ErrPolicy), nil},
		"code 803":           {graphtest.Error(803, 0), no(appevents.ErrNotFound), nil},
		"code 2500":          {graphtest.Error(2500, 0), no(appevents.ErrInvalidParameter), &retired},
		"code 5000":          {graphtest.Error(5000, 0), trouble, nil},
		"code 424242":        {graphtest.Error(424242, 0), plainNo, nil},
	}
	for _, subcode := range []int{458, 459, 460, 463, 464, 467, 492} {
		rows[fmt.Sprintf("code 190/%d", subcode)] = row{graphtest.Error(190, subcode), no(appevents.ErrAuth), nil}
	}
	for _, code := range []int{4, 17, 32, 341, 613, 80000, 80001, 80002, 80003, 80004, 80005, 80006, 80008, 80009, 80014} {
		rows[fmt.Sprintf("code %d", code)] = row{graphtest.Error(code, 0), throttled, nil}
	}
	for _, code := range []int{200, 294, 299} {
		rows[fmt.Sprintf("code %d", code)] = row{graphtest.Error(code, 0), permission, nil}
	}

	for name, row := range rows {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for i, edge := range edges() {
				want := row.want
				if row.page != nil && edge.name == "LogPageActivity" {
					want = *row.page
				}
				server := graphtest.NewServer(t)
				server.Inject(row.fault)
				attempts := 0
				// The faults that never end are waited for briefly; the others get all the time a slow machine needs.
				timeout := time.Minute
				if row.want == doubt && (name == "no answer" || name == "slow body" || name == "slow headers") {
					timeout = 30 * time.Millisecond
				}
				client := mustClient(t, appevents.WithBaseURL(server.URL), appevents.WithAccessToken(coreToken), quick(),
					appevents.WithTimeout(timeout), appevents.WithObserver(func(_ context.Context, info appevents.CallInfo) {
						attempts++
						require.Equal(t, attempts, info.Attempt)
					}))
				result, err := edges()[i].call(t.Context(), client)
				requireCell(t, edge.name, want, result, err)
				require.Equal(t, want.arrived, attempts, edge.name)
				require.Equal(t, want.arrived, server.Count(), edge.name)
				require.LessOrEqual(t, taken(server), 1, "%s: never counted twice", edge.name)
				if want.outcome != unknown {
					require.Equal(t, want.outcome == accepted, taken(server) == 1, edge.name)
				}
			}
		})
	}
}

// requireCell compares what a call returned with what it had to.
func requireCell(t *testing.T, edge string, want cell, result *appevents.ActivityResult, err error) {
	t.Helper()
	require.Equal(t, want.outcome, appevents.OutcomeOf(err), "%s: %v", edge, err)
	requireOnly(t, err, want.sentinel, edge)
	if err == nil {
		require.Equal(t, want.arrived, result.Attempts, edge)
		return
	}
	require.Nil(t, result, edge)
	require.Equal(t, want.arrived, attempts(t, err), edge)
	if graph, ok := errors.AsType[*appevents.GraphError](err); ok {
		require.Equal(t, want.retryAfter, graph.RetryAfter, edge)
		require.NotZero(t, graph.StatusCode, edge)
	}
}

// taken is how many calls the stand-in let have their effect.
func taken(server *graphtest.Server) int {
	n := 0
	for _, call := range server.Calls() {
		if call.Accepted {
			n++
		}
	}
	return n
}

func TestFaultMatrix_WithoutAServer(t *testing.T) {
	t.Parallel()
	url := "http://" + refusing(t)
	for _, edge := range edges() {
		client := mustClient(t, appevents.WithBaseURL(url), appevents.WithAccessToken(coreToken), quick())
		result, err := edge.call(t.Context(), client)
		require.Equal(t, appevents.OutcomeNotSent, appevents.OutcomeOf(err), "%v", err)
		requireOnly(t, err, nil)
		require.Nil(t, result)
		require.Equal(t, 3, attempts(t, err))
	}
}

func TestFaultMatrix_WhenUnknownMayBeRepeated(t *testing.T) {
	t.Parallel()
	const unknown = appevents.OutcomeUnknown
	for name, test := range map[string]struct {
		faults []graphtest.Fault
		want   cell
		taken  int // repeating can count twice: that is what the caller allowed
	}{
		"reset, then fine":    {[]graphtest.Fault{graphtest.Reset}, cell{appevents.OutcomeAccepted, nil, 2, 0}, 2},
		"HTML, then fine":     {[]graphtest.Fault{graphtest.HTML}, cell{appevents.OutcomeAccepted, nil, 2, 0}, 1},
		"cut short, and fine": {[]graphtest.Fault{graphtest.Truncate}, cell{appevents.OutcomeAccepted, nil, 2, 0}, 2},
		"reset all along": {
			[]graphtest.Fault{graphtest.Times(3, graphtest.Reset)}, cell{unknown, appevents.ErrUnknownOutcome, 3, 0}, 3,
		},
		"reset, then transient": {
			[]graphtest.Fault{graphtest.Reset, graphtest.Transient}, cell{appevents.OutcomeAccepted, nil, 3, 0}, 2,
		},
		"throttled": {
			[]graphtest.Fault{graphtest.Throttle}, cell{appevents.OutcomeRefused, appevents.ErrThrottled, 1, 5 * time.Minute}, 0,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, edge := range edges() {
				server := graphtest.NewServer(t)
				server.Inject(test.faults...)
				client := mustClient(t, appevents.WithBaseURL(server.URL), appevents.WithAccessToken(coreToken),
					appevents.WithRetry(appevents.RetryPolicy{BaseDelay: 1, MaxDelay: 1, RetryUnknown: true}))
				result, err := edge.call(t.Context(), client)
				requireCell(t, edge.name, test.want, result, err)
				require.Equal(t, test.want.arrived, server.Count(), edge.name)
				require.Equal(t, test.taken, taken(server), edge.name)
			}
		})
	}

	t.Run("reset, then throttled", func(t *testing.T) {
		t.Parallel()
		server := graphtest.NewServer(t)
		server.Inject(graphtest.Reset, graphtest.Throttle)
		client := mustClient(t, appevents.WithBaseURL(server.URL),
			appevents.WithRetry(appevents.RetryPolicy{BaseDelay: 1, MaxDelay: 1, RetryUnknown: true}))
		_, err := client.LogActivity(t.Context(), purchase())
		require.Equal(t, unknown, appevents.OutcomeOf(err))
		require.ErrorIs(t, err, appevents.ErrThrottled)
		require.ErrorIs(t, err, appevents.ErrUnknownOutcome)
		require.Equal(t, 2, server.Count())
	})
}

func TestFaultMatrix_RandomSchedulesAreAccountedFor(t *testing.T) {
	t.Parallel()
	for seed := range uint64(3) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			t.Parallel()
			server := graphtest.NewServer(t)
			server.Inject(graphtest.Random(seed, 150))
			client := mustClient(t, appevents.WithBaseURL(server.URL), appevents.WithAccessToken(coreToken), quick())
			outcomes := map[appevents.Outcome]int{}
			for i := range 60 {
				before, seen := taken(server), server.Count()
				result, err := edges()[i%3].call(t.Context(), client)
				counted, made := taken(server)-before, server.Count()-seen
				outcome := appevents.OutcomeOf(err)
				outcomes[outcome]++
				switch outcome {
				case appevents.OutcomeAccepted:
					require.Equal(t, 1, counted)
					require.Equal(t, result.Attempts, made)
				case appevents.OutcomeUnknown:
					require.LessOrEqual(t, counted, 1)
				default:
					require.Zero(t, counted, "%v", err)
				}
				if err != nil {
					require.Equal(t, attempts(t, err), made)
				}
			}
			require.NotZero(t, outcomes[appevents.OutcomeAccepted])
			require.NotZero(t, outcomes[appevents.OutcomeUnknown])
		})
	}
}
