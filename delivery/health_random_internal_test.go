package delivery

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"runtime/debug"
	"slices"
	"testing"
	"time"
)

// chaos is a lab in which anything happens in any order.
type chaos struct {
	*lab

	rng    *rand.Rand
	names  []string
	moods  map[string]int       // of the lanes
	outage string               // an edge at which nothing gets through
	asked  map[string]time.Time // until when Graph wants to be left alone
	flying []flight
	early  string // what was sent though Graph said not to
}

// flight is a request under way, and what it counted as when it began.
type flight struct {
	*ticket
	probe bool
}

func newChaos(seed uint64) *chaos {
	c := &chaos{lab: newLab(), rng: rand.New(rand.NewPCG(seed, 5)), moods: map[string]int{}, asked: map[string]time.Time{}}
	c.health = newHealth([]int{1, 4, 64}[seed%3], c.rng.Float64)
	for _, edge := range []string{laneActivities, lanePageActivities, laneConversions} {
		for k := range 4 + 8*int(seed%2) { // from minLanes on it can be most of them
			c.names = append(c.names, fmt.Sprint(edge, "/", 900+k))
		}
	}
	return c
}

// longestWait is no shorter than any wait.
const longestWait = 24*time.Hour*11/10 + time.Hour

// answer draws how a request ends. Most end as those of their lane did before.
func (c *chaos) answer(t *ticket) *result {
	mood, ok := c.moods[t.node.name]
	if !ok || c.rng.IntN(8) == 0 {
		mood = c.rng.IntN(14)
		c.moods[t.node.name] = mood
	}
	r := &result{took: c.now.Sub(t.began), why: "no", token: tokenOf{fingerprint: fmt.Sprint(c.rng.IntN(2))}}
	if edgeOf(t.node.name) == c.outage {
		r.class = classUnknown
		return r
	}
	switch mood {
	case 0:
		return nil
	case 1:
		r.class, r.unsent = classTrouble, true
	case 2, 3:
		r.class, r.code = classThrottled, []int{4, 17, 32, 613, 80006}[c.rng.IntN(5)]
		if c.rng.IntN(4) == 0 {
			r.asked = time.Duration(c.rng.Int64N(int64(24 * time.Hour)))
		}
	case 4:
		r.class = classPolicy
	case 5:
		r.class = classToken
	case 6:
		r.class = classPermission
	case 7, 8, 9:
		r.class = []class{classTrouble, classUnknown, classUnclear, classPanic}[c.rng.IntN(4)]
	case 10: // refused for what it held
	default:
		r.accepted = true
	}
	return r
}

// step lets something happen, and says what.
func (c *chaos) step() string {
	n := c.node(c.names[c.rng.IntN(len(c.names))])
	switch op := c.rng.IntN(100); {
	case op < 45:
		if at, ok := c.may(n, c.now); !ok {
			if at.After(c.now) && c.rng.IntN(20) == 0 { // until it may
				c.now = at
				return "until " + n.name
			}
			return "waits " + n.name
		}
		if until := latest(c.asked[n.name], c.asked[edgeOf(n.name)]); until.After(c.now) {
			c.early = fmt.Sprint(n.name, " should be left alone until ", until)
		}
		t := c.start(n, c.now)
		c.flying = append(c.flying, flight{t, len(t.open)+len(t.held) > 0})
		return "start " + n.name
	case op < 75:
		if len(c.flying) == 0 {
			return "nothing"
		}
		return c.land(c.rng.IntN(len(c.flying)), c.answer)
	case op < 80 && n.hold.class == classToken: // there is another token, or a person says so
		n.hold.until, n.hold.level = c.now, 0
		return "another token " + n.name
	case op < 82:
		n.pace.suggest(time.Duration(c.rng.Int64N(int64(3*time.Second))), c.now)
		return "usage " + n.name
	case op < 83:
		c.forget(c.now)
		return "forget"
	case op < 84 && c.rng.IntN(4) == 0:
		c.outage = [...]string{laneActivities, laneConversions, ""}[c.rng.IntN(3)]
		return "outage of " + c.outage
	default:
		d := []time.Duration{time.Millisecond, 20 * time.Millisecond, time.Second, 10 * time.Second, time.Minute}[c.rng.IntN(5)]
		if c.rng.IntN(20) == 0 {
			d = 2 * time.Hour
		}
		c.now = c.now.Add(d)
		return "after " + d.String()
	}
}

// land ends a request.
func (c *chaos) land(i int, answer func(*ticket) *result) string {
	t := c.flying[i].ticket
	c.flying = slices.Delete(c.flying, i, i+1)
	r := answer(t)
	c.end(t, c.now, r)
	if r != nil && r.class == classThrottled {
		for _, name := range throttledLanes(t.node.name, r.code) {
			c.asked[name] = latest(c.asked[name], c.now.Add(r.asked))
		}
	}
	if r == nil {
		return "not made " + t.node.name
	}
	return fmt.Sprint("end ", t.node.name, " ", r.class, " code ", r.code, " after ", r.took)
}

// wrong says what is not as it must always be.
func (c *chaos) wrong() string {
	if c.early != "" {
		return c.early
	}
	probes, slow, unproven := 0, 0, 0
	under := map[*node]int{}
	for _, f := range c.flying {
		if c.nodes[f.node.name] != f.node {
			return f.node.name + " is forgotten"
		}
		under[f.node]++
		probes += one(f.probe)
		slow += one(f.slow)
		unproven += one(f.unproven)
	}
	if figures := []int{c.probing, c.slow, c.unproven}; !slices.Equal(figures, []int{probes, slow, unproven}) {
		return fmt.Sprint("there are ", probes, " probes, ", slow, " slow and ", unproven, " unproven, not ", figures)
	}
	if probes > max(1, c.workers/probeWorkers) {
		return "there are too many probes"
	}
	lanes := 0
	for name, n := range c.nodes {
		switch {
		case name != n.name || n.edge != nil && n.edge.lanes[name] != n:
			return name + " is not known by its name"
		case len(n.starts) != under[n] || !slices.IsSortedFunc(n.starts, time.Time.Compare):
			return fmt.Sprint(name, " has ", under[n], " requests under way, not ", n.starts)
		case n.limit < 1:
			return name + " may not send"
		case (n.hold.class == classNone) != n.hold.until.IsZero():
			return fmt.Sprintf("%s is held for no reason: %+v", name, n.hold)
		}
		if n.edge != nil {
			lanes++
			continue
		}
		lanes -= len(n.lanes)
		down, slows, open := 0, 0, 0
		for _, lane := range n.lanes {
			down += one(lane.counted)
			slows += one(lane.slow)
			_, known := n.openLanes[lane]
			open += one(lane.open && known)
		}
		if figures := []int{n.down, n.slows, len(n.openLanes)}; !slices.Equal(figures, []int{down, slows, open}) {
			return fmt.Sprint("of ", name, " ", down, " are down, ", slows, " slow and ", open, " open, not ", figures)
		}
	}
	if lanes != 0 {
		return "an edge does not know its lanes"
	}
	for _, name := range c.names {
		// Something ends what it waits for: a time to come, or the end of a request.
		if at, ok := c.may(c.node(name), c.now); !ok && !at.After(c.now) && len(c.flying) == 0 ||
			at.Sub(c.now) > longestWait {
			return fmt.Sprintf("%s waits for what does not come: %v, %+v", name, at, c.node(name))
		}
	}
	return ""
}

func one(is bool) int {
	if is {
		return 1
	}
	return 0
}

// Whatever happens, the figures are right, and no lane waits for what will not come.
func TestHealth_HoldsThroughAnything(t *testing.T) {
	t.Parallel()
	for seed := range uint64(60) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			c := newChaos(seed)
			var log []string
			defer func() {
				if v := recover(); v != nil {
					t.Fatalf("%v\n%s\n%q", v, debug.Stack(), log[max(0, len(log)-40):])
				}
			}()
			note := func(what string) {
				log = append(log, what)
				if wrong := c.wrong(); wrong != "" {
					t.Fatalf("%s\n%q", wrong, log[max(0, len(log)-40):])
				}
			}
			for range 2000 {
				note(c.step())
				if c.rng.IntN(400) > 0 {
					continue
				}
				for len(c.flying) > 0 {
					note(c.land(c.rng.IntN(len(c.flying)), c.answer))
				}
				c.now = c.now.Add(longestWait)
				for _, name := range c.names {
					if _, ok := c.may(c.node(name), c.now); !ok {
						t.Fatalf("%s waits for ever: %+v\n%q", name, c.node(name), log[max(0, len(log)-40):])
					}
				}
				if c.rng.IntN(2) == 0 {
					c.forget(c.now)
					if len(c.nodes) > 3 {
						t.Fatalf("lanes are not forgotten: %v", slices.Collect(maps.Keys(c.nodes)))
					}
				}
			}
		})
	}
}
