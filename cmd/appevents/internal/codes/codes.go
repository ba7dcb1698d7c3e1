// Package codes says what Graph's error codes mean and what to do about them.
package codes

import (
	_ "embed" // the table
	"strconv"
	"strings"
)

// Table is codes.tsv: a line for each code, with a heading.
//
//go:embed codes.tsv
var Table string

// An Entry is one line of the table.
type Entry struct {
	Code    string `json:"code"`
	Subcode string `json:"subcode,omitempty"`
	Class   string `json:"class"`
	Meaning string `json:"meaning"`
	Do      string `json:"do"`
	Repeat  string `json:"repeat"`
}

// Entries returns the whole table.
func Entries() []Entry {
	var list []Entry
	for line := range strings.Lines(Table) {
		cells := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(cells) == 6 && cells[0] != "code" {
			list = append(list, Entry{cells[0], cells[1], cells[2], cells[3], cells[4], cells[5]})
		}
	}
	return list
}

// Explain returns what a refusal means: by code and subcode, else by the code alone.
func Explain(code, subcode int) (Entry, bool) {
	var general Entry
	for _, e := range Entries() {
		if e.Code != strconv.Itoa(code) {
			continue
		}
		if e.Subcode == strconv.Itoa(subcode) || e.Subcode == "" && subcode == 0 {
			return e, true
		}
		if e.Subcode == "" {
			general = e
		}
	}
	return general, general.Code != ""
}
