package main

import (
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/appevents/appevents-go/graphtest"
)

// printer shows the conversation, in colour on a terminal.
type printer struct {
	out    io.Writer
	colour bool
}

func newPrinter(out io.Writer, colour bool) *printer { return &printer{out: out, colour: colour} }

const (
	bold  = "1"
	red   = "31"
	green = "32"
	cyan  = "36"
	grey  = "90"
)

func (p *printer) paint(code, text string) string {
	if !p.colour {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func (p *printer) title(text string) { fmt.Fprintf(p.out, "%s\n", p.paint(bold, text)) }

func (p *printer) note(text string) { fmt.Fprintf(p.out, "%s\n", p.paint(grey, text)) }

// inbound shows a request to the bot and its answer.
func (p *printer) inbound(request, what string, d graphtest.Delivery) {
	colour := green
	if d.Status != http.StatusOK {
		colour = red
	}
	answer := fmt.Sprintf("%d %s", d.Status, strings.TrimSpace(string(d.Body)))
	fmt.Fprintf(p.out, "\n%s %s\n   %s\n   answer  %s\n",
		p.paint(cyan, "-->"), p.paint(bold, what), request, p.paint(colour, answer))
}

// outbound shows a call of the bot as the stand-in received it.
func (p *printer) outbound(c graphtest.Call) {
	fmt.Fprintf(p.out, "   %s %s %s  %s\n",
		p.paint(cyan, "<--"), p.paint(bold, c.Method+" "+c.Path), c.ContentType, p.paint(grey, "token: "+tokenText(c)))
	if c.Edge == "page_activities" {
		const text = "Meta has retired this edge. The stand-in still takes it; Graph refuses it."
		fmt.Fprintf(p.out, "         %s\n", p.paint(grey, text))
	}
	for _, f := range c.Fields {
		fmt.Fprintf(p.out, "         %-28s %s\n", f.Name, f.Value)
	}
	for _, problem := range c.Problems {
		fmt.Fprintf(p.out, "         %s\n", p.paint(red, problem.String()))
	}
	colour := green
	if c.Status != http.StatusOK {
		colour = red
	}
	fmt.Fprintf(p.out, "         answer  %s\n", p.paint(colour, fmt.Sprint(c.Status)))
}

func tokenText(c graphtest.Call) string {
	if c.TokenIn == "" {
		return "none"
	}
	return graphtest.Redacted + " in the " + c.TokenIn + ", proof " + c.Proof
}

func (p *printer) verdict(problems []string) {
	fmt.Fprintln(p.out)
	if len(problems) == 0 {
		const text = "The stand-in received exactly the right events, and found nothing wrong with them."
		fmt.Fprintln(p.out, p.paint(green, text))
		return
	}
	for _, problem := range problems {
		fmt.Fprintln(p.out, p.paint(red, "WRONG: "+problem))
	}
}
