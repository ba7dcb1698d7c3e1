package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"golang.org/x/term"
)

// schema is the version of everything printed with --json.
const schema = 1

// object is JSON that a command prints. It gets the schema on top.
type object map[string]any

// printJSON writes one line.
func (p *program) printJSON(o object) error {
	o["schema"] = schema
	return p.printLine(o)
}

func (p *program) printLine(v any) error {
	enc := json.NewEncoder(p.stdout)
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// print writes a line of data.
func (p *program) print(format string, args ...any) error {
	_, err := fmt.Fprintf(p.stdout, format+"\n", args...)
	return err
}

// note writes a line of diagnostics, unless --quiet.
func (p *program) note(format string, args ...any) {
	if !p.quiet {
		fmt.Fprintf(p.stderr, format+"\n", args...)
	}
}

// report writes the error that ends the program.
func (p *program) report(err error, code int) {
	var f *failure
	if errors.As(err, &f) && f.silent {
		return
	}
	if !p.json {
		fmt.Fprintln(p.stderr, "appevents: "+err.Error())
		return
	}
	enc := json.NewEncoder(p.stderr)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(object{"error": object{"outcome": outcomes[code], "code": code, "message": err.Error()}})
}

// asksForJSON looks for --json where the arguments have not been parsed yet.
func asksForJSON(args []string) bool {
	if end := slices.Index(args, "--"); end >= 0 {
		args = args[:end]
	}
	return slices.Contains(args, "--json")
}

// A rows is a table: for a person on a terminal, or as tab-separated lines under a header for programs.
type rows struct {
	header []string
	lines  [][]string
}

func (r *rows) add(cells ...string) { r.lines = append(r.lines, cells) }

// printRows writes a table.
func (p *program) printRows(r rows) error {
	if !isTerminal(p.stdout) {
		return writeTSV(p.stdout, r)
	}
	t := table.NewWriter()
	t.SetOutputMirror(p.stdout)
	t.SetStyle(table.StyleLight)
	t.Style().Options = table.OptionsNoBordersAndSeparators
	t.Style().Format.Header = text.FormatDefault
	if width := p.width(); width > 0 {
		t.Style().Size.WidthMax = width
	}
	t.AppendHeader(row(r.header))
	for _, line := range r.lines {
		t.AppendRow(row(line))
	}
	t.Render()
	return nil
}

func row(cells []string) table.Row {
	out := make(table.Row, len(cells))
	for i, cell := range cells {
		out[i] = printable(cell)
	}
	return out
}

func writeTSV(w io.Writer, r rows) error {
	for _, line := range append([][]string{r.header}, r.lines...) {
		for i, cell := range line {
			line[i] = printable(cell)
		}
		if _, err := io.WriteString(w, strings.Join(line, "\t")+"\n"); err != nil {
			return err
		}
	}
	return nil
}

// printable is text without what moves the cursor, rings or starts an escape sequence: people and bots write it.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t' || r == '\r':
			return ' '
		case r < ' ' || r >= 0x7f && r < 0xa0,
			r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069: // directions that make a line read differently
			return '�'
		default:
			return r
		}
	}, s)
}

// width is that of the terminal, 0 when there is none.
func (p *program) width() int {
	file, ok := p.stdout.(*os.File)
	if !ok {
		return 0
	}
	width, _, err := term.GetSize(int(file.Fd()))
	if err != nil {
		return 0
	}
	return width
}

// coloured reports whether a stream takes colour: --color, then NO_COLOR, TERM and FORCE_COLOR, then whether it is a
// terminal.
func (p *program) coloured(w io.Writer) bool {
	switch {
	case p.colour == "always":
		return true
	case p.colour == "never", p.getenv("NO_COLOR") != "", p.getenv("TERM") == "dumb":
		return false
	case p.getenv("FORCE_COLOR") != "":
		return true
	default:
		return isTerminal(w)
	}
}

// The states of a line. They are words first; colour only repeats them.
const (
	stateOK   = "ok"
	stateWarn = "warn"
	stateFail = "FAIL"
)

// state is the word for a state, coloured where that is wanted.
func (p *program) state(w io.Writer, s string) string {
	if !p.coloured(w) {
		return s
	}
	code := map[string]string{stateOK: "32", stateWarn: "33", stateFail: "31;1"}[s]
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}
