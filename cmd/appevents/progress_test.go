package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestProgress_Lines(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.Local)
	g := &progress{w: &out, width: func() int { return 80 }, now: func() time.Time { return now }}
	step := func(d time.Duration, s snapshot) string {
		t.Helper()
		now = now.Add(d)
		out.Reset()
		g.show(s)
		return out.String()
	}
	notes := []string{"1,000 accepted"}
	require.Empty(t, step(0, snapshot{total: 20_000}))
	require.Empty(t, step(time.Second, snapshot{done: 1999, total: 20_000}))
	require.Equal(t, "10 %  2,000/20,000  1,000/s  18s left  1,000 accepted\n",
		step(time.Second, snapshot{done: 2000, total: 20_000, notes: notes}))
	require.Empty(t, step(time.Second, snapshot{done: 2001, total: 20_000}))
	require.Equal(t, "10 %  2,001/20,000  153/s  throttled until 12:04\n",
		step(10*time.Second, snapshot{done: 2001, total: 20_000, until: now.Add(4 * time.Minute)}))
	require.Equal(t, "100 %  20,000/20,000  1,333/s\n", step(2*time.Second, snapshot{done: 20_000, total: 20_000}))

	// Without an end in sight, by time alone.
	g = &progress{w: &out, width: g.width, now: g.now}
	require.Empty(t, step(0, snapshot{}))
	require.Empty(t, step(9*time.Second, snapshot{done: 9}))
	require.Equal(t, "20 lines  2/s\n", step(time.Second, snapshot{done: 20}))
}

func TestProgress_Bar(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	now := time.Now()
	g := &progress{w: &out, bar: true, width: func() int { return 60 }, now: func() time.Time { return now }}
	g.show(snapshot{done: 5, total: 10, notes: []string{strings.Repeat("x", 80)}})
	drawn := out.String()
	require.True(t, strings.HasPrefix(drawn, "\r[##########..........]  50 %  5/10"), drawn)
	require.Len(t, drawn, len("\r")+59+len("\x1b[K")) // one line, whatever the width
	out.Reset()
	g.aside(func() { out.WriteString("line 7: refused\n") })
	require.Equal(t, "\r\x1b[Kline 7: refused\n", out.String())
	out.Reset()
	g.end()
	require.Empty(t, out.String())
	g.show(snapshot{})
	out.Reset()
	g.end()
	require.Equal(t, "\r\x1b[K", out.String())
}

func TestProgress_Modes(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	p := &program{stderr: &out}
	require.False(t, p.newProgress("auto").bar) // no terminal
	require.True(t, p.newProgress("bar").bar)
	require.False(t, p.newProgress("lines").bar)
	require.Nil(t, p.newProgress("none"))
	p.quiet = true
	require.Nil(t, p.newProgress("auto"))
	var none *progress
	none.show(snapshot{})
	none.end()
	require.Positive(t, none.each())
	require.Equal(t, "-1,234", grouped(-1234))
	require.Equal(t, "999", grouped(999))
	require.Equal(t, "1 line, 1,000 lines", counted(1, "line")+", "+counted(1000, "line"))
}
