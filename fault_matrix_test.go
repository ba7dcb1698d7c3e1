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
		fault   graphtest.Fault
		want    cell
		page    *cell // what differs on /page_activities
		endless bool  // the caller gives up when the call has arrived
	}
	var (
		trouble    = no(appevents.ErrTransient)
		permission = no(appevents.ErrPermission)
	)
	rows := map[string]row{
		"none":             {fault: graphtest.None, want: fine},
		"throttle":         {fault: graphtest.Throttle, want: throttled},
		"throttle for 90s": {fault: graphtest.ThrottleFor(90 * time.Second), want: cell{refused, appevents.ErrThrottled, 1, 2 * time.Minute}},
		"transient, once":  {fault: graphtest.Transient, want: cell{accepted, nil, 2, 0}},
		"transient, twice": {fault: graphtest.Times(2, graphtest.Transient), want: cell{accepted, nil, 3, 0}},
		"transient, three times": {
			fault: graphtest.Times(3, graphtest.Transient), want: cell{refused, appevents.ErrTransient, 3, 0},
		},
		"unavailable":        {fault: graphtest.Unavailable, want: doubt},
		"HTML":               {fault: graphtest.HTML, want: doubt},
		"no answer":          {fault: graphtest.Timeout, want: doubt, endless: true},
		"reset":              {fault: graphtest.Reset, want: doubt},
		"reset early":        {fault: graphtest.ResetEarly, want: doubt},
		"cut short":          {fault: graphtest.Truncate, want: doubt},
		"empty":              {fault: graphtest.Empty, want: doubt},
		"answered twice":     {fault: graphtest.Duplicate, want: doubt},
		"slow body":          {fault: graphtest.Drip(time.Minute), want: doubt, endless: true},
		"slow headers":       {fault: graphtest.Slow(time.Minute), want: doubt, endless: true},
		"a little slow":      {fault: graphtest.Slow(time.Millisecond), want: fine},
		"a little drip":      {fault: graphtest.Drip(5 * time.Millisecond), want: fine},
		"unsolicited answer": {fault: graphtest.Unsolicited, want: fine},
		"version drift":      {fault: graphtest.VersionDrift, want: fine},
		"false":              {fault: graphtest.False, want: plainNo},
		"success false":      {fault: graphtest.NotSuccess, want: plainNo},
		"redirect":           {fault: graphtest.Redirect("https://elsewhere.invalid/"), want: plainNo},
		"not found, no body": {fault: graphtest.Reply(http.StatusNotFound, ""), want: plainNo, page: &retired},
		"gone":               {fault: graphtest.Reply(http.StatusGone, "{}"), want: plainNo, page: &retired},
		"expired token":      {fault: graphtest.ExpiredToken, want: no(appevents.ErrAuth)},
		"missing permission": {fault: graphtest.MissingPermission, want: permission},
		"code 1":             {fault: graphtest.Error(1, 0), want: trouble},
		"code 1/99":          {fault: graphtest.Error(1, 99), want: trouble},
		"code 3":             {fault: graphtest.Error(3, 0), want: permission, page: &retired},
		"code 10":            {fault: graphtest.Error(10, 0), want: permission},
		"code 100":           {fault: graphtest.Error(100, 0), want: no(appevents.ErrInvalidParameter)},
		"code 100/33":        {fault: graphtest.Error(100, 33), want: no(appevents.ErrNotFound), page: &retired},
		"code 102":           {fault: graphtest.Error(102, 0), want: no(appevents.ErrAuth)},
		"code 104":           {fault: graphtest.Error(104, 0), want: no(appevents.ErrAuth)},
		"code 105":           {fault: graphtest.Error(105, 0), want: no(appevents.ErrInvalidParameter)},
		"code 368":           {fault: graphtest.Error(368, 0), want: no(appevents.ErrPolicy)},
		"code 803":           {fault: graphtest.Error(803, 0), want: no(appevents.ErrNotFound)},
		"code 2500":          {fault: graphtest.Error(2500, 0), want: no(appevents.ErrInvalidParameter), page: &retired},
		"code 5000":          {fault: graphtest.Error(5000, 0), want: trouble},
		"code 424242":        {fault: graphtest.Error(424242, 0), want: plainNo},
	}
	for _, subcode := range []int{458, 459, 460, 463, 464, 467, 492} {
		rows[fmt.Sprintf("code 190/%d", subcode)] = row{fault: graphtest.Error(190, subcode), want: no(appevents.ErrAuth)}
	}
	for _, code := range []int{4, 17, 32, 341, 613, 80000, 80001, 80002, 80003, 80004, 80005, 80006, 80008, 80009, 80014} {
		rows[fmt.Sprintf("code %d", code)] = row{fault: graphtest.Error(code, 0), want: throttled}
	}
	for _, code := range []int{200, 294, 299} {
		rows[fmt.Sprintf("code %d", code)] = row{fault: graphtest.Error(code, 0), want: permission}
	}

	for name, row := range rows {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, edge := range edges() {
				want := row.want
				if row.page != nil && edge.name == "LogPageActivity" {
					want = *row.page
				}
				server := graphtest.NewServer(t)
				server.Inject(row.fault)
				attempts := 0
				client := mustClient(t, appevents.WithBaseURL(server.URL), appevents.WithAccessToken(coreToken), quick(),
					appevents.WithTimeout(time.Minute),
					appevents.WithObserver(func(_ context.Context, info appevents.CallInfo) {
						attempts++
						require.Equal(t, attempts, info.Attempt)
					}))
				ctx, giveUp := context.WithCancel(t.Context())
				defer giveUp()
				if row.endless {
					go func() { // once the call has arrived
						_ = server.Wait(ctx, 1)
						giveUp()
					}()
				}
				result, err := edge.call(ctx, client)
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
