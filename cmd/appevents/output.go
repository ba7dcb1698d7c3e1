package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"golang.org/x/term"

	"github.com/appevents/appevents-go/cmd/appevents/internal/plain"
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

func (p *program) printLine(v any) error { return writeJSON(p.stdout, v) }

// writeJSON writes one line, with that escaped which does something to a terminal.
func writeJSON(w io.Writer, v any) error {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return err
	}
	_, err := io.WriteString(w, plain.JSON(strings.TrimSuffix(b.String(), "\n"))+"\n")
	return err
}

// notNil is a list that is [] and not null in JSON.
func notNil[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
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

// asksForJSON looks for --json where the arguments have not been parsed yet.
func asksForJSON(args []string) bool {
	return slices.Contains(ours(args), "--json") || slices.Contains(ours(args), "--json=true")
}

// valueOf looks for the value of a flag where the arguments have not been parsed yet.
func valueOf(args []string, flag string) string {
	args, value := ours(args), ""
	for i, arg := range args {
		if rest, ok := strings.CutPrefix(arg, flag+"="); ok {
			value = rest
		} else if arg == flag && i+1 < len(args) {
			value = args[i+1]
		}
	}
	return value
}

// ours are the arguments in front of the command that run starts.
func ours(args []string) []string {
	if end := slices.Index(args, "--"); end >= 0 {
		return args[:end]
	}
	return args
}

// A rows is a table: for a person on a terminal, or as tab-separated lines under a header for programs.
type rows struct {
	header []string
	lines  [][]string
}

func (r *rows) add(cells ...string) { r.lines = append(r.lines, cells) }

// printRows writes a table. A cell that is a state gets its mark and colour.
func (p *program) printRows(r rows) error {
	if !isTerminal(p.stdout) {
		return writeTSV(p.stdout, append([][]string{r.header}, r.lines...))
	}
	t := table.NewWriter()
	t.SetOutputMirror(p.stdout)
	t.SetStyle(table.StyleLight)
	t.Style().Options = table.OptionsNoBordersAndSeparators
	t.Style().Format.Header = text.FormatDefault
	t.AppendHeader(p.row(r.header))
	widths, words := make([]int, len(r.header)), make([]int, len(r.header))
	for _, line := range append([][]string{r.header}, r.lines...) {
		for i, cell := range line[:min(len(line), len(widths))] {
			widths[i] = max(widths[i], text.StringWidthWithoutEscSequences(fmt.Sprint(p.row([]string{cell})[0])))
			for word := range strings.FieldsFuncSeq(cell, func(r rune) bool { return r == ' ' || r == ',' }) {
				words[i] = max(words[i], text.StringWidthWithoutEscSequences(word)+len(","))
			}
		}
	}
	var columns []table.ColumnConfig
	for i, width := range fitted(widths, words, widthOf(p.stdout, 0)) {
		columns = append(columns, table.ColumnConfig{Number: i + 1, WidthMax: width, WidthMaxEnforcer: wrap})
	}
	t.SetColumnConfigs(columns)
	for _, line := range r.lines {
		t.AppendRow(p.row(line))
	}
	t.Render()
	return nil
}

// fitted are the widths of columns that fit beside each other. The widest give way, first down to their longest word.
func fitted(widths, words []int, total int) []int {
	const padding, least = 2, 8 // around a cell; of a column
	widths = slices.Clone(widths)
	for _, floor := range []func(i int) int{
		func(i int) int { return max(least, words[i]) },
		func(int) int { return least },
	} {
		for total > 0 {
			sum, widest := 0, -1
			for i, width := range widths {
				sum += width + padding
				if width > floor(i) && (widest < 0 || width > widths[widest]) {
					widest = i
				}
			}
			if sum <= total || widest < 0 {
				break
			}
			widths[widest]--
		}
	}
	return widths
}

// wrap breaks a cell that is too wide between words, and lists behind commas.
func wrap(cell string, width int) string {
	if text.StringWidthWithoutEscSequences(cell) > width {
		cell = strings.ReplaceAll(strings.ReplaceAll(cell, ", ", ","), ",", ", ")
	}
	return text.WrapSoft(cell, width)
}

func (p *program) row(cells []string) table.Row {
	out := make(table.Row, len(cells))
	for i, cell := range cells {
		switch cell {
		case stateOK, stateWarn, stateFail:
			out[i] = p.state(p.stdout, cell)
		default:
			out[i] = printable(cell)
		}
	}
	return out
}

// writeTSV writes lines for programs.
func writeTSV(w io.Writer, lines [][]string) error {
	for _, line := range lines {
		for i, cell := range line {
			line[i] = printable(cell)
		}
		if _, err := io.WriteString(w, strings.Join(line, "\t")+"\n"); err != nil {
			return err
		}
	}
	return nil
}

// printable is text on one line that does nothing to a terminal or to what stands beside it: people and bots write it.
func printable(s string) string { return plain.Text(s) }

// widthOf is the width of a terminal, or otherwise where there is none.
func widthOf(w io.Writer, otherwise int) int {
	if file, ok := w.(*os.File); ok {
		if width, _, err := term.GetSize(int(file.Fd())); err == nil && width > 0 {
			return width
		}
	}
	return otherwise
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

// The states of a line. They are words first; a mark and colour only repeat them.
const (
	stateOK   = "ok"
	stateWarn = "warn"
	stateFail = "FAIL"
)

// state is the word for a state: behind its mark on a terminal that can show it, and coloured where that is wanted.
func (p *program) state(w io.Writer, s string) string {
	shown := s
	if isTerminal(w) && p.unicode() {
		shown = map[string]string{stateOK: "✓ ", stateWarn: "! ", stateFail: "✗ "}[s] + s
	}
	if !p.coloured(w) {
		return shown
	}
	code := map[string]string{stateOK: "32", stateWarn: "33", stateFail: "31;1"}[s]
	return "\x1b[" + code + "m" + shown + "\x1b[0m"
}

// unicode reports whether the locale is one of UTF-8. The consoles of Windows take it.
func (p *program) unicode() bool {
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if value := strings.ToLower(p.getenv(name)); value != "" {
			return strings.Contains(value, "utf-8") || strings.Contains(value, "utf8")
		}
	}
	return runtime.GOOS == "windows"
}

// millis is a number of milliseconds for a person.
func millis(ms float64) string {
	if ms < 10 {
		return strconv.FormatFloat(ms, 'f', 1, 64) + " ms"
	}
	return strconv.FormatFloat(ms, 'f', 0, 64) + " ms"
}

// inMillis is how many milliseconds a time is, to the microsecond.
func inMillis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
