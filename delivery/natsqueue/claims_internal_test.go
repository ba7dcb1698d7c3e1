package natsqueue

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestClaims_LoseAndDoubleNothing has several owners lease, settle, give back and die at random, and checks against a
// plain account of every call that each is either leased by one of them, free or gone.
func TestClaims_LoseAndDoubleNothing(t *testing.T) {
	t.Parallel()
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 1))
		var (
			c     claims
			now   = time.UnixMilli(1_000_000)
			last  uint64
			calls = map[uint64]struct{}{}             // those in the stream; others' take places between them
			open  = map[string]map[uint64]time.Time{} // leased, by owner
			tidy  = func(by string) {
				var seqs []uint64
				for seq := range open[by] {
					seqs = append(seqs, seq)
				}
				c.tidy(by, seqs, now)
				for owner := range open { // what is void is nobody's
					for seq, until := range open[owner] {
						if !until.After(now) {
							delete(open[owner], seq)
						}
					}
				}
			}
			lease = func(by string, seqs []uint64, until time.Time) {
				if len(seqs) == 0 {
					return
				}
				c.hold(span{From: seqs[0], To: seqs[len(seqs)-1], Until: until.UnixMilli(), By: by})
				for _, seq := range seqs {
					for owner, held := range open {
						require.NotContains(t, held, seq, "%s and %s have %d", owner, by, seq)
					}
					open[by][seq] = until
				}
			}
		)
		for _, by := range []string{"a", "b", "c"} {
			open[by] = map[uint64]time.Time{}
		}
		for range 200 {
			by := string(rune('a' + r.IntN(3)))
			now = now.Add(time.Duration(r.IntN(20)) * time.Millisecond)
			switch r.IntN(6) {
			case 0:
				last += uint64(1 + r.IntN(3))
				calls[last] = struct{}{}
			case 1, 2:
				tidy(by)
				until := now.Add(100 * time.Millisecond)
				var got []uint64
				limit := 1 + r.IntN(4)
				if len(c.Free) > 0 {
					free := c.Free[0]
					upTo := free.To
					for seq := free.From; seq <= free.To; seq++ {
						if _, ok := calls[seq]; ok {
							got = append(got, seq)
						}
						if len(got) == limit {
							upTo = seq
							break
						}
					}
					c.taken(upTo)
				} else {
					for seq := max(c.Next, 1); seq <= last && len(got) < limit; seq++ {
						if _, ok := calls[seq]; ok {
							got = append(got, seq)
							c.Next = seq + 1
						}
					}
				}
				lease(by, got, until)
			case 3:
				for seq, until := range open[by] {
					if until.After(now) {
						delete(open[by], seq)
						delete(calls, seq)
						break
					}
				}
			case 4:
				tidy(by)
				for seq := range open[by] {
					if c.release(by, seq) {
						delete(open[by], seq)
					}
					if r.IntN(2) == 0 {
						break
					}
				}
				c.merge()
			default:
				data, err := json.Marshal(c)
				require.NoError(t, err)
				again, err := json.Marshal(parseClaims(data))
				require.NoError(t, err)
				require.JSONEq(t, string(data), string(again))
			}
			for seq := range calls {
				require.True(t, seq >= c.Next || c.knows(seq), "seed %d: nobody knows %d: %+v", seed, seq, c)
			}
		}
		// Everybody dies: a lease time later all that is left is free.
		now = now.Add(time.Second)
		c.tidy("d", nil, now)
		require.Empty(t, c.Held)
		require.LessOrEqual(t, len(c.Free), 1, fmt.Sprint(c))
	}
}

func TestClaims_FindWhatNobodyKnows(t *testing.T) {
	t.Parallel()
	c := claims{Next: 100, Held: []span{{From: 50, To: 60, Until: 1, By: "a"}}, Free: []span{{From: 70, To: 70}}}
	require.False(t, c.knows(20))
	c.found(20)
	require.True(t, c.knows(20))
	require.True(t, c.knows(49))
	require.Equal(t, []span{{From: 50, To: 60, Until: 1, By: "a"}}, c.Held)
	c.found(65)
	require.True(t, c.knows(69))
	c.found(80)
	require.True(t, c.knows(99))
	require.False(t, c.knows(100))
}

func FuzzParseClaims(f *testing.F) {
	f.Add([]byte(`{"next":5,"held":[{"from":1,"to":2,"until":3,"by":"a"}],"free":[{"from":3,"to":4}]}`))
	f.Add([]byte(`{"next":18446744073709551615,"free":[{"from":1,"to":18446744073709551615}]}`))
	f.Add([]byte("garbage"))
	f.Fuzz(func(t *testing.T, data []byte) {
		c := parseClaims(data)
		c.tidy("a", []uint64{1}, time.UnixMilli(2))
		c.release("a", 1)
		c.merge()
		c.taken(2)
		for _, s := range append(c.Held, c.Free...) {
			require.LessOrEqual(t, s.From, s.To)
			require.Positive(t, s.From)
		}
	})
}
