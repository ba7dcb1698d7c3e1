package main

import (
	"cmp"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	barEach  = 200 * time.Millisecond // how often the bar is drawn
	lineEach = 10 * time.Second       // a line is due after this long,
	lineStep = 10                     // or after so many more per cent
	barCells = 20
)

// A snapshot is how far a command got.
type snapshot struct {
	done  int64
	total int64  // 0 when it is not known
	unit  string // what is counted; "" = lines
	notes []string
	until time.Time // throttled until; zero when not
	rate  float64   // a second; set by progress
	left  time.Duration
}

// progress shows on standard error how far a command got: as a bar that is drawn again and again, or as lines. A nil
// progress shows nothing.
type progress struct {
	w     io.Writer
	bar   bool
	width func() int
	now   func() time.Time

	mu      sync.Mutex
	began   time.Time
	first   int64 // done when it began
	last    time.Time
	percent int
	drawn   bool
}

// newProgress returns what --progress asks for.
func (p *program) newProgress(mode string) *progress {
	if mode == "auto" {
		switch {
		case p.quiet:
			mode = "none"
		case isTerminal(p.stderr) && p.getenv("TERM") != "dumb":
			mode = "bar"
		default:
			mode = "lines"
		}
	}
	if mode == "none" {
		return nil
	}
	return &progress{w: p.stderr, bar: mode == "bar", width: func() int { return widthOf(p.stderr, 80) }, now: time.Now}
}

// each is how often show is to be called.
func (g *progress) each() time.Duration {
	if g == nil || !g.bar {
		return time.Second
	}
	return barEach
}

// show draws the bar, or writes a line when one is due.
func (g *progress) show(s snapshot) {
	if g == nil {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.now()
	if g.began.IsZero() {
		g.began, g.first, g.last = now, s.done, now
		if !g.bar {
			return
		}
	}
	if passed := now.Sub(g.began); passed > 0 {
		s.rate = float64(s.done-g.first) / passed.Seconds()
	}
	if s.rate > 0 && s.total > s.done && s.until.IsZero() {
		s.left = time.Duration(float64(s.total-s.done) / s.rate * float64(time.Second))
	}
	if g.bar {
		fmt.Fprint(g.w, "\r"+fit(s.text(true, now), g.width()-1)+"\x1b[K")
		g.drawn = true
		return
	}
	percent := 0
	if s.total > 0 {
		percent = int(s.done * 100 / s.total)
	}
	if percent/lineStep > g.percent/lineStep || now.Sub(g.last) >= lineEach {
		fmt.Fprintln(g.w, s.text(false, now))
		g.last, g.percent = now, percent
	}
}

// aside calls write, which writes lines to standard error, where the bar does not get in the way.
func (g *progress) aside(write func()) {
	if g == nil {
		write()
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.clear()
	write()
}

// end takes the bar away.
func (g *progress) end() { g.aside(func() {}) }

func (g *progress) clear() {
	if g.drawn {
		fmt.Fprint(g.w, "\r\x1b[K")
		g.drawn = false
	}
}

// text is a snapshot on one line.
func (s *snapshot) text(bar bool, now time.Time) string {
	var parts []string
	if s.total > 0 {
		share := min(1, float64(s.done)/float64(s.total))
		if bar {
			full := int(share * barCells)
			parts = append(parts, "["+strings.Repeat("#", full)+strings.Repeat(".", barCells-full)+"]")
		}
		parts = append(parts, strconv.Itoa(int(share*100))+" %", grouped(s.done)+"/"+grouped(s.total))
	} else {
		parts = append(parts, grouped(s.done)+" "+cmp.Or(s.unit, "lines"))
	}
	parts = append(parts, grouped(int64(s.rate))+"/s")
	if s.left > 0 {
		parts = append(parts, s.left.Round(time.Second).String()+" left")
	}
	parts = append(parts, s.notes...)
	if s.until.After(now) {
		layout := "15:04"
		if s.until.Sub(now) < time.Minute {
			layout = time.TimeOnly
		}
		parts = append(parts, "throttled until "+s.until.Local().Format(layout))
	}
	return strings.Join(parts, "  ")
}

// grouped is a number with its thousands apart.
func grouped(n int64) string {
	text := strconv.FormatInt(n, 10)
	for i := len(text) - 3; i > 0 && text[i-1] != '-'; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// counted is a number of things.
func counted(n int64, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return grouped(n) + " " + thing + "s"
}

// fit cuts ASCII text to a width.
func fit(text string, width int) string {
	if width > 0 && len(text) > width {
		return text[:width]
	}
	return text
}
