package printwalk_test

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go/internal/printwalk"
)

// complaints records what a walk reports.
type complaints []string

func (c *complaints) Helper() {}

func (c *complaints) Errorf(format string, args ...any) {
	*c = append(*c, fmt.Sprintf(format, args...))
}

// The types of the walk below.
type (
	// Open prints everything.
	Open struct {
		Name   string
		Raw    json.RawMessage
		Bytes  []byte
		IP     netip.Addr
		Nested *Open
		Safe   Closed
		Words  map[string][]string
	}

	// Closed hides its text from all who ask.
	Closed struct{ Text string }

	// Sealed hides it from everybody.
	Sealed struct{ text func() string }

	// Careless hides from %v and tells %s, which does not suit the pointers in its map.
	Careless struct{ entries map[int]*entry }

	// TextError is an error that tells.
	TextError struct{ Text string }
)

type entry struct{ token string }

func (c Closed) Format(f fmt.State, _ rune)   { _, _ = io.WriteString(f, "closed") }
func (c Closed) LogValue() slog.Value         { return slog.StringValue("closed") }
func (c Closed) MarshalText() ([]byte, error) { return []byte("closed"), nil }
func (f *TextError) Error() string            { return f.Text }

func (c *Careless) String() string {
	for _, e := range c.entries {
		if e.token == "" {
			return "empty"
		}
	}
	return "careless"
}

func types() []any {
	return []any{new(Open), new(Closed), new(Sealed), new(Careless), new(TextError)}
}

// source writes a package with the exported types named.
func source(t *testing.T, names ...string) string {
	t.Helper()
	dir := t.TempDir()
	text := "package p\n\ntype Reader interface{ Read() }\n\ntype hidden struct{}\n"
	for _, name := range names {
		text += "\ntype " + name + " struct{}\n"
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "p.go"), []byte(text), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "p_test.go"), []byte("package p\n\ntype T struct{}\n"), 0o600))
	return dir
}

func TestWalk_FindsWhatShows(t *testing.T) {
	t.Parallel()
	dir := source(t, "Open", "Closed", "Sealed", "Careless", "TextError")
	secret := printwalk.Canary("made", "secret")
	var got complaints
	outputs := printwalk.Walk{
		Dir: dir, Types: types(), Made: []any{Sealed{func() string { return secret }}, struct{ S string }{secret}},
	}.Run(&got)
	require.Greater(t, outputs, 500)
	require.Len(t, got, 9)
	for i, place := range []string{
		"Closed.Text", "Open.Bytes", "Open.Name", "Open.Raw", "Open.Words", "TextError.Text", "entry.token", "made.secret",
		"netip.Addr",
	} {
		require.Contains(t, got[i], place+" shows in ", "%q", got)
	}
}

func TestWalk_TakesReasons(t *testing.T) {
	t.Parallel()
	dir := source(t, "Open", "Closed", "Sealed", "Careless", "TextError", "Forgotten")
	var got complaints
	printwalk.Walk{
		Dir: dir, Types: types(),
		Shown:        map[string]string{"Open": "data", "TextError.Text": "data", "netip.Addr": "data", "entry": "", "Sealed": "?"},
		ShownUnasked: map[string]string{"Closed": "its fields are plain"},
		Encoded:      map[string]string{"Closed": "for gob"},
	}.Run(&got)
	require.Len(t, got, 3, "%q", got)
	require.Equal(t, "Forgotten is exported and not in the walk", got[0])
	require.ElementsMatch(t, []string{`Shown["entry"] gives no reason`, `Shown["Sealed"] is not needed: nothing of it shows there`}, got[1:])
}

func TestWalk_NeedsTheSource(t *testing.T) {
	t.Parallel()
	var got complaints
	printwalk.Walk{Dir: t.TempDir()}.Run(&got)
	require.Len(t, got, 1)
}
