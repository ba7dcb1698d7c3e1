package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// sendGrace is how long requests under way may go on after an interruption.
const sendGrace = 5 * time.Second

// grace is how long requests may go on.
func (s *stream) grace() time.Duration {
	if s.p.grace > 0 {
		return s.p.grace
	}
	return sendGrace
}

// A tally counts lines. Lines are Taken, Rejected, Duplicates and Earlier; what was taken, and what waited in the queue
// before, is Accepted, Refused or Waiting.
type tally struct {
	Lines      int64 `json:"lines"`      // that are not blank
	Taken      int64 `json:"taken"`      // that were sent, or put into the queue
	Accepted   int64 `json:"accepted"`   // by Graph
	Refused    int64 `json:"refused"`    // by Graph, or too late: for good
	Failed     int64 `json:"failed"`     // not sent, and not kept
	Unknown    int64 `json:"unknown"`    // times that a request was sent and no answer came
	Rejected   int64 `json:"rejected"`   // lines that are no valid calls
	Duplicates int64 `json:"duplicates"` // lines with the ID of another
	Earlier    int64 `json:"earlier"`    // lines that an earlier run had taken
	Waiting    int64 `json:"waiting"`    // in the queue at the end
}

// A stream is the sending of a file of calls.
type stream struct {
	*sender
	p        *program
	command  *sendCommand
	name     string // of the file, without its directory
	size     int64  // of the file; 0 when it is not known
	read     atomic.Int64
	incoming chan []line
	readErr  error // why incoming ended early
	progress *progress
	rejects  *os.File

	drains bool  // there are no lines: what waits in a queue is delivered
	once   bool  // what has an unknown outcome is buried, and not sent again
	total  int64 // calls that wait when it begins, where it drains

	mu    sync.Mutex
	tally tally
	until time.Time // throttled until
	worst int       // exit code
	stop  error     // why the rest was not sent
}

// many sends a file of calls.
func (c *sendCommand) many(ctx context.Context, p *program) error {
	if c.Workers < 1 || c.Workers > 1024 {
		return usageError("--workers must be between 1 and 1024")
	}
	s := &stream{p: p, command: c, name: "-", incoming: make(chan []line, 4)}
	input := p.stdin
	if c.File != "-" {
		file, err := os.Open(c.File)
		if err != nil {
			return usageError("--file: %w", err)
		}
		defer file.Close()
		info, err := file.Stat()
		if err != nil || info.IsDir() {
			return usageError("--file: %s is not a file", printable(c.File))
		}
		if info.Mode().IsRegular() {
			s.size = info.Size()
		}
		input, s.name = file, filepath.Base(c.File)
	} else if err := p.takeInput("the calls"); err != nil {
		return err
	} else if isTerminal(p.stdin) {
		p.note("reading calls from the terminal; Ctrl-D ends them")
	}
	var err error
	if s.sender, err = c.client(ctx, p, c.DryRun, false, c.options()...); err != nil {
		return err
	}
	if err := s.openRejects(); err != nil {
		return err
	}
	if s.rejects != nil {
		defer s.rejects.Close()
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go s.readLines(ctx, input)
	first, err := s.announce()
	if err != nil {
		return err
	}
	s.progress = p.newProgress(c.Progress)
	switch {
	case c.DryRun:
		err = s.check(ctx, first)
	case c.Queue != "":
		err = s.queued(ctx, first)
	default:
		err = s.direct(ctx, first)
	}
	s.progress.end()
	if err != nil {
		return err
	}
	return s.finish(ctx)
}

// openRejects makes the file for lines that were not sent. It holds what the lines say of people.
func (s *stream) openRejects() error {
	if s.command.Rejects == "" {
		return nil
	}
	if in, err := os.Stat(s.command.File); err == nil && s.command.File != "-" {
		if out, err := os.Stat(s.command.Rejects); err == nil && os.SameFile(in, out) {
			return usageError("--rejects must be another file than --file")
		}
	}
	file, err := os.OpenFile(s.command.Rejects, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return usageError("--rejects: %w", err)
	}
	s.rejects = file
	return nil
}

// readLines feeds incoming. A read that does not return, as from a terminal, holds up nobody else.
func (s *stream) readLines(ctx context.Context, input io.Reader) {
	defer close(s.incoming)
	r := newLineReader(input)
	for {
		lines, err := r.some()
		s.read.Store(r.read)
		if len(lines) > 0 {
			select {
			case s.incoming <- lines:
			case <-ctx.Done():
				return
			}
		}
		if err != nil {
			if !errors.Is(err, io.EOF) {
				s.readErr = err
			}
			return
		}
	}
}

// announce says where the lines go, before the first one does, and refuses to send many to Meta by accident. It returns
// the lines it had to look at.
func (s *stream) announce() (first []line, err error) {
	if !s.real || s.command.DryRun {
		return nil, nil
	}
	if !s.command.Yes && !isTerminal(s.p.stderr) {
		for lines := range s.incoming {
			if first = append(first, lines...); len(first) > 1 {
				return nil, usageError("more than one line would go to %s: give --yes to send them without a terminal",
					printable(s.host))
			}
		}
	}
	s.p.note("to app %s, the edges that the lines name, host %s", printable(s.app), printable(s.host))
	return first, nil
}

// lines calls fn for each line until there are no more, ctx ends or fn says so. The last line that is at hand is
// marked.
func (s *stream) lines(ctx context.Context, first []line, fn func(l line, last bool) (more bool)) error {
	for lines := first; ; {
		for i := range lines {
			if ctx.Err() != nil || !fn(lines[i], i == len(lines)-1 && len(s.incoming) == 0) {
				return nil //nolint:nilerr // an interruption is told with the tally
			}
		}
		var ok bool
		select {
		case lines, ok = <-s.incoming:
			if !ok {
				if s.readErr != nil {
					return fail(exitNo, "--file: %w", s.readErr)
				}
				return nil
			}
		case <-ctx.Done():
			return nil
		}
	}
}

// check is a dry run.
func (s *stream) check(ctx context.Context, first []line) error {
	return s.lines(ctx, first, func(l line, _ bool) bool {
		s.count(func(t *tally) { t.Lines++ })
		if l.decode(true); l.err != nil {
			s.reject(&l, l.err)
		}
		return true
	})
}

func (s *stream) count(fn func(*tally)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fn(&s.tally)
}

// failed notes the exit code of a line.
func (s *stream) failed(code int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.worst == exitDone || rank(code) < rank(s.worst) {
		s.worst = code
	}
}

// halt ends the stream early.
func (s *stream) halt(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stop == nil {
		s.stop = err
	}
}

func (s *stream) halted() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stop != nil
}

// A happening is what became of a line that is worth a word.
type happening struct {
	outcome string // rejected, refused, not sent, unknown
	line    int    // 0 when it is not known
	source  string // the file and line it is from, where that is another file
	lane    string // of a call that is from no line
	err     error
	call    json.RawMessage // as stored, for the rejects
	text    string          // of a line that is no call, for the rejects
	resend  bool            // it goes into the rejects
	again   bool            // the request is made again
}

// reject reports a line that is no valid call.
func (s *stream) reject(l *line, err error) {
	s.count(func(t *tally) { t.Rejected++ })
	s.failed(exitNotSent)
	h := happening{outcome: "rejected", line: l.number, err: err, resend: true}
	if kept := storedOf(l.text); kept.Kind != "" && len(kept.Call) > 0 {
		h.call = l.text
	} else if h.text = strings.ToValidUTF8(string(l.text), "�"); kept.Text != nil { // it was rejected before
		h.text = *kept.Text
	}
	s.tell(h)
}

// A record is a happening as JSON: on standard output, and in the rejects, from where it can be sent again once kind
// and call are right.
type record struct {
	Schema  int             `json:"schema,omitempty"`
	Outcome string          `json:"outcome,omitempty"`
	Line    int             `json:"line,omitempty"`
	Source  string          `json:"source,omitempty"`
	Lane    string          `json:"lane,omitempty"`
	Again   bool            `json:"sent_again,omitempty"`
	Error   *errorJSON      `json:"error,omitempty"`
	Kind    string          `json:"kind,omitempty"`
	Call    json.RawMessage `json:"call,omitempty"`
	Text    string          `json:"text,omitempty"`
}

// tell reports a happening, at once.
func (s *stream) tell(h happening) {
	r := record{Line: h.line, Source: h.source, Lane: h.lane, Error: s.describe(h)}
	s.mu.Lock()
	defer s.mu.Unlock()
	if h.resend && s.rejects != nil {
		kept := r
		if parts := storedOf(h.call); parts.Kind != "" {
			kept.Kind, kept.Call = parts.Kind, parts.Call
		}
		kept.Text = h.text
		if err := writeLine(s.rejects, kept); err != nil && s.stop == nil {
			s.stop = fail(exitNotSent, "--rejects: %w", err)
		}
	}
	if s.p.json {
		r.Schema, r.Outcome, r.Again = schema, h.outcome, h.again
		_ = s.p.printLine(r)
		return
	}
	where := "a line"
	switch {
	case h.source != "":
		where = h.source
	case h.line > 0:
		where = "line " + strconv.Itoa(h.line)
	case h.lane != "":
		where = "a call of " + h.lane
	}
	text := h.outcome
	if h.outcome == "unknown" {
		text = "outcome unknown"
		if h.again {
			text += ", sent again"
		}
	}
	if h.err != nil {
		text += ": " + s.p.withoutSecrets(errorText(h.err))
	}
	s.progress.aside(func() { s.p.note("%s: %s", printable(where), text) })
}

func writeLine(w io.Writer, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = w.Write(append(data, '\n'))
	return err
}

// describe is the error of a happening as JSON.
func (s *stream) describe(h happening) *errorJSON {
	err := h.err
	if err == nil {
		err = errors.New(h.outcome)
	}
	e := s.p.describeError(bare{err}, codeOf(err))
	e.Outcome = h.outcome
	return &e
}

// show shows how far it got.
func (s *stream) show() {
	if s.progress == nil {
		return
	}
	s.mu.Lock()
	t, until := s.tally, s.until
	s.mu.Unlock()
	done := t.Accepted + t.Refused + t.Failed + t.Rejected + t.Duplicates + t.Earlier
	snap := snapshot{done: done, until: until, notes: []string{grouped(t.Accepted) + " accepted"}}
	if s.drains {
		snap.total = max(done, s.total)
	}
	if bytes := s.read.Load(); s.size > 0 && bytes > 0 && t.Lines > 0 {
		snap.total = max(done, int64(float64(t.Lines)*float64(s.size)/float64(bytes)))
		if bytes >= s.size {
			snap.total = max(done, t.Lines)
		}
	}
	for _, n := range []struct {
		n    int64
		word string
	}{{t.Refused, "refused"}, {t.Rejected, "rejected"}, {t.Unknown, "unknown"}} {
		if n.n > 0 {
			snap.notes = append(snap.notes, grouped(n.n)+" "+n.word)
		}
	}
	s.progress.show(snap)
}

// finish prints the tally and returns what the program ends with.
func (s *stream) finish(ctx context.Context) error {
	p, code := s.p, s.worst
	if s.stop != nil && (code == exitDone || rank(codeOf(s.stop)) < rank(code)) {
		code = codeOf(s.stop)
	}
	if ctx.Err() != nil {
		code = exitInterrupted
	} else if s.stop != nil {
		p.report(s.stop, codeOf(s.stop))
	}
	if p.json {
		o := object{"tally": s.tally}
		if s.command.DryRun {
			o["dry_run"] = true
		}
		if code == exitInterrupted {
			o["interrupted"] = true
		}
		if err := p.printJSON(o); err != nil {
			return err
		}
		return exitWith(code)
	}
	if code == exitInterrupted {
		p.note("interrupted")
	}
	text := s.tally.String()
	if s.drains {
		_, text, _ = strings.Cut(text, ": ")
	}
	if t := &s.tally; s.command.DryRun {
		text = fmt.Sprintf("%s of %s valid; nothing was sent", grouped(t.Lines-t.Rejected), counted(t.Lines, "line"))
	}
	if err := p.print("%s", text); err != nil {
		return err
	}
	return exitWith(code)
}

// String is the tally on one line. What is zero and no surprise is left out.
func (t tally) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s accepted, %s refused, %s rejected", counted(t.Lines, "line"), grouped(t.Accepted),
		grouped(t.Refused), grouped(t.Rejected))
	for _, n := range []struct {
		n    int64
		text string
	}{
		{t.Failed, "not sent"}, {t.Unknown, "with unknown outcome"}, {t.Duplicates, "duplicates"},
		{t.Earlier, "taken by an earlier run"}, {t.Waiting, "still in the queue"},
	} {
		if n.n > 0 {
			fmt.Fprintf(&b, ", %s %s", grouped(n.n), n.text)
		}
	}
	return b.String()
}
