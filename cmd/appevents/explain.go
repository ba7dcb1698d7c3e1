package main

import (
	"encoding/json"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/appevents/appevents-go"
	"github.com/appevents/appevents-go/cmd/appevents/internal/codes"
	"github.com/appevents/appevents-go/graphtest"
)

var codesTable = codes.Table

type codeEntry = codes.Entry

func codeEntries() []codeEntry { return codes.Entries() }

type explainCommand struct {
	What string `arg:"" help:"2804066, 190/460, fb_mobile_purchase, messaging_optins."`
}

var codePattern = regexp.MustCompile(`^#?(-?[0-9]{1,9})(?:/([0-9]{1,9}))?$`)

// Run explains a code, an event or a webhook field, without a network.
func (c *explainCommand) Run(p *program) error {
	if code := codePattern.FindStringSubmatch(strings.Trim(c.What, "()")); code != nil {
		return p.explainCode(code[1], code[2])
	}
	if spec, ok := findEvent(appevents.StandardEvents(), c.What); ok {
		return p.showEvent(spec)
	}
	if variants := fieldVariants(c.What); len(variants) > 0 {
		return p.explainField(c.What, variants)
	}
	return fail(exitNo, "nothing is known by that name%s", nearestEvent(appevents.StandardEvents(), c.What))
}

// explainCode prints the best entries: for code and subcode; else for the code; else for the number as a subcode.
func (p *program) explainCode(code, subcode string) error {
	var found []codeEntry
	for _, e := range codeEntries() {
		if e.Code == code && e.Subcode == subcode || subcode == "" && e.Subcode == code {
			found = append(found, e)
		}
	}
	if len(found) == 0 && subcode != "" {
		for _, e := range codeEntries() {
			if e.Code == code && e.Subcode == "" {
				p.note("the subcode %s is not in the table; this is what its code means", subcode)
				found = append(found, e)
			}
		}
	}
	if len(found) == 0 {
		return fail(exitNo, "the code %s is not in the table; Meta documents error codes at "+
			"https://developers.facebook.com/docs/graph-api/guides/error-handling", code)
	}
	if p.json {
		for _, e := range found {
			if err := p.printLine(struct {
				Schema int `json:"schema"`
				codeEntry
			}{schema, e}); err != nil {
				return err
			}
		}
		return nil
	}
	table := rows{header: []string{"CODE", "CLASS", "MEANING", "WHAT TO DO", "REPEAT"}}
	for _, e := range found {
		name := e.Code
		if e.Subcode != "" {
			name += "/" + e.Subcode
		}
		table.add(name, e.Class, e.Meaning, e.Do, e.Repeat)
	}
	return p.printRows(table)
}

// whatToDo is the advice for an error of Graph, "" when there is none.
func whatToDo(code, subcode int) string {
	advice := ""
	for _, e := range codeEntries() {
		switch {
		case e.Code != strconv.Itoa(code):
		case e.Subcode == strconv.Itoa(subcode):
			return e.Do
		case e.Subcode == "":
			advice = e.Do
		}
	}
	return advice
}

// fieldVariants are the samples of a webhook field.
func fieldVariants(field string) []string {
	var list []string
	for name := range graphtest.Samples() {
		if name == field || strings.HasPrefix(name, field+"/") {
			list = append(list, name)
		}
	}
	slices.Sort(list)
	return list
}

func (p *program) explainField(field string, variants []string) error {
	sample := graphtest.Samples()[variants[0]]
	if p.json {
		return p.printJSON(object{"field": field, "variants": variants, "sample": json.RawMessage(sample)})
	}
	table := rows{header: []string{"FIELD", "TRIGGER IT WITH", "SAMPLE"}}
	for _, name := range variants {
		table.add(field, "appevents trigger "+name, string(graphtest.Samples()[name]))
	}
	return p.printRows(table)
}
