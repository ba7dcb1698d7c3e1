package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/appevents/appevents-go/cmd/appevents/internal/emulator"
	"github.com/appevents/appevents-go/cmd/appevents/internal/session"
)

// A replay is one delivery of a session.
type replay struct {
	p       *program
	command *replayCommand
	list    []session.Webhook
	fresh   session.Fresh
	client  *client // of the emulator; nil: none is needed
	secret  string  // with --to
	record  *watch  // of the emulator; nil: nobody asks for the events

	printing sync.Mutex
	results  []delivered
	failure  error // the first that ends the replay
}

// delivered is what came of a webhook.
type delivered struct {
	done, ok bool
	skipped  bool // the emulator did not send it
	status   int
	mark     int64 // calls of the bot for this webhook have higher numbers
}

// prepare does all that can fail before anything is sent.
func (r *replay) prepare(ctx context.Context) error {
	c := r.command
	watched := c.Check || c.Update
	if c.To != "" {
		secret, err := r.p.appSecret(c.secretFlags, c.Session)
		if err != nil {
			return err
		}
		r.secret = secret.value
	}
	if c.To != "" && !watched {
		return nil
	}
	var err error
	if r.client, err = c.client(r.p); err != nil {
		return err
	}
	if c.To == "" {
		if err := r.settleIn(ctx); err != nil {
			return err
		}
	}
	if watched {
		r.record, err = newWatch(ctx, r.client)
	}
	return err
}

// settleIn makes the people of the session known to the emulator. A session of a single Page that the emulator does not
// have becomes one of its own Page.
func (r *replay) settleIn(ctx context.Context) error {
	var state emulator.State
	if err := r.client.call(ctx, http.MethodGet, "/-/api/state", nil, &state); err != nil {
		return err
	}
	if state.Bot == "" {
		return fail(exitNo, "the emulator at %s has no bot yet", r.client.base)
	}
	known := map[string]bool{}
	for _, page := range state.Pages {
		known[page.ID] = true
	}
	people := map[[2]string]bool{}
	for _, person := range state.People {
		people[[2]string{person.Page, person.PSID}] = true
	}
	strangers := map[string]bool{}
	for n := range r.list {
		if page := r.list[n].Page; page != "" && !known[page] {
			strangers[page] = true
		}
	}
	if len(strangers) > 1 || len(state.Pages) == 0 {
		return fail(exitNo, "the session has %d Pages that the emulator does not know; use --to", len(strangers))
	}
	if len(strangers) > 0 && r.command.AsRecorded {
		return fail(exitNo, "--as-recorded: the emulator does not know the Page of the session; use --to")
	}
	r.fresh.Rename = map[string]string{}
	for page := range strangers {
		r.fresh.Rename[page] = state.Pages[0].ID
		r.p.note("Page %s of the session is %s here", printable(page), state.Pages[0].ID)
	}
	for n := range r.list {
		w := &r.list[n]
		page := w.Page
		if to := r.fresh.Rename[page]; to != "" {
			page = to
		}
		if w.Person == "" || page == "" || people[[2]string{page, w.Person}] {
			continue
		}
		people[[2]string{page, w.Person}] = true
		order, err := json.Marshal(map[string]string{"psid": w.Person, "page": page, "name": "Person " + w.Person})
		if err != nil {
			return err
		}
		err = r.client.call(ctx, http.MethodPost, "/-/api/person", order, nil)
		if _, refused := errors.AsType[*statusError](err); refused {
			return fail(exitNo, "a person of webhook %d: %w", n+1, err)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// deliver sends all webhooks: those of one conversation in order, several conversations at the same time. At a speed
// each waits for its time.
func (r *replay) deliver(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var order []string
	lanes := map[string][]int{}
	due := make([]time.Duration, len(r.list))
	for n := range r.list {
		w := &r.list[n]
		if n > 0 {
			due[n] = due[n-1]
			if r.command.Speed > 0 {
				due[n] += time.Duration(float64(w.AfterMS) * float64(time.Millisecond) / r.command.Speed)
			}
		}
		lane := w.Page + "/" + w.Person
		if lanes[lane] == nil {
			order = append(order, lane)
		}
		lanes[lane] = append(lanes[lane], n)
	}
	workers := min(conversations, len(order))
	if r.command.Speed > 0 {
		workers = len(order) // each may have to send at its time
	}
	begin := time.Now()
	next := make(chan []int)
	var work sync.WaitGroup
	for range workers {
		work.Go(func() {
			for lane := range next {
				if err := r.conversation(ctx, lane, due, begin); err != nil {
					r.printing.Lock()
					if r.failure == nil {
						r.failure = err
					}
					r.printing.Unlock()
					cancel()
				}
			}
		})
	}
	for _, lane := range order {
		next <- lanes[lane]
	}
	close(next)
	work.Wait()
	return r.failure
}

// conversation sends the webhooks of one person.
func (r *replay) conversation(ctx context.Context, lane []int, due []time.Duration, begin time.Time) error {
	expected, patient := 0, true
	start := r.record.count(r.list[lane[0]].Person)
	for _, n := range lane {
		if !pause(ctx, time.Until(begin.Add(due[n]))) {
			return ctx.Err()
		}
		if err := r.one(ctx, n); err != nil {
			return err
		}
		if r.record == nil {
			continue
		}
		w := &r.list[n]
		wait := r.command.Wait
		if !patient {
			wait = 0
		}
		for _, event := range w.Events() {
			if event.Person == w.Person {
				expected++
			}
		}
		came, err := r.record.await(ctx, w.Person, start+expected, w.Calls == nil, wait, r.command.Settle)
		if err != nil {
			return err
		}
		patient = patient && came
	}
	return nil
}

// one delivers a webhook and prints what came of it.
func (r *replay) one(ctx context.Context, n int) error {
	w := &r.list[n]
	body := w.Body
	if !r.command.AsRecorded {
		body = r.fresh.Body(body)
	}
	result := delivered{done: true}
	var took time.Duration
	why := ""
	if r.command.To != "" {
		mark, err := r.record.mark(ctx)
		if err != nil {
			return err
		}
		result.mark = mark
		result.status, took, err = r.p.post(ctx, r.command.To, webhookHeader(r.secret, body), body)
		switch {
		case err != nil && codeOf(err) == exitUnknown:
			why = "no answer"
		case err != nil:
			return err
		}
	} else {
		x, err := r.throughEmulator(ctx, n, body)
		if err != nil {
			return err
		}
		result.status, result.mark = x.Status, x.ID
		took = time.Duration(x.DurationMS * float64(time.Millisecond))
		why = x.Failure + x.Skipped
		result.skipped, result.done = x.Skipped != "", !x.Unsent
	}
	result.ok = result.status/100 == 2 || w.Status != 0 && result.status == w.Status
	r.printing.Lock()
	defer r.printing.Unlock()
	r.results[n] = result
	if result.status == 0 && !result.skipped {
		failure := fail(exitUnknown, "the bot gave no answer to webhook %d", n+1)
		if !result.done {
			failure = fail(exitNotSent, "webhook %d was not sent: the bot does not listen", n+1)
		}
		if r.failure == nil || rank(codeOf(failure)) < rank(codeOf(r.failure)) {
			r.failure = failure
		}
	}
	return r.show(n, result, took, why)
}

func (r *replay) throughEmulator(ctx context.Context, n int, body []byte) (emulator.Exchange, error) {
	// As a string: the emulator then sends exactly these bytes. What is no text goes as it is.
	order, err := json.Marshal(map[string]any{"field": r.list[n].Field, "body": string(body)})
	if !utf8.Valid(body) && json.Valid(body) {
		order = slices.Concat([]byte(`{"field":"webhook","body":`), body, []byte("}"))
	}
	if err != nil {
		return emulator.Exchange{}, err
	}
	var result struct {
		Exchanges []emulator.Exchange `json:"exchanges"`
	}
	err = r.client.call(ctx, http.MethodPost, "/-/api/trigger", order, &result)
	if _, refused := errors.AsType[*statusError](err); refused {
		return emulator.Exchange{}, fail(exitNo, "webhook %d: the emulator does not deliver it: %w", n+1, err)
	}
	if err == nil && len(result.Exchanges) == 0 {
		err = fail(exitUnknown, "the answer of %s is not the emulator's", r.client.base)
	}
	if err != nil {
		return emulator.Exchange{}, err
	}
	return result.Exchanges[0], nil
}

// show prints one delivery: as data, but with --check the differences are that.
func (r *replay) show(n int, d delivered, took time.Duration, why string) error {
	ms := inMillis(took)
	about := session.Describe(r.list[n].Body)
	if r.p.json {
		o := object{"webhook": n + 1, "field": r.list[n].Field, "status": d.status, "ok": d.ok, "duration_ms": ms}
		if why != "" {
			o["failure"] = why
		}
		return r.p.printJSON(o)
	}
	stream := r.p.stdout
	if r.command.Check {
		stream = r.p.stderr
	}
	word, answer := stateOK, fmt.Sprintf("bot %d in %s", d.status, millis(ms))
	if !d.ok {
		word = stateFail
	}
	if why != "" {
		answer = printable(why)
	}
	line := fmt.Sprintf("%s webhook %d  %s  %s", r.p.state(stream, word), n+1, printable(about.Summary), answer)
	if r.command.Check {
		r.p.note("%s", line)
		return nil
	}
	_, err := io.WriteString(stream, line+"\n")
	return err
}

// tally says how many webhooks were delivered. It reports whether the bot took all of them.
func (r *replay) tally() bool {
	done, refused := 0, 0
	for _, d := range r.results {
		if d.done {
			done++
		}
		if d.done && !d.ok {
			refused++
		}
	}
	r.p.note("%d of %s delivered, %d not taken by the bot", done, counted(int64(len(r.list)), "webhook"), refused)
	return refused == 0
}

// outcome is the session with the calls of this replay.
func (r *replay) outcome() []session.Webhook {
	now := slices.Clone(r.list)
	back := strings.NewReplacer()
	for page, here := range r.fresh.Rename {
		back = strings.NewReplacer("/"+here+"/", "/"+page+"/")
	}
	for n := range now {
		now[n].Calls, now[n].Status = []session.Call{}, r.results[n].status
	}
	// The latest webhook before the call, of the same person where there is one.
	var order []int
	of := map[string][]int{}
	for n := range now {
		if r.results[n].done {
			order = append(order, n)
		}
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(r.results[a].mark, r.results[b].mark) })
	for _, n := range order {
		of[now[n].Person] = append(of[now[n].Person], n)
	}
	before := func(list []int, id int64) int {
		at, _ := slices.BinarySearchFunc(list, id, func(n int, id int64) int { return cmp.Compare(r.results[n].mark, id) })
		return at - 1
	}
	for _, seen := range r.record.finished() {
		list := of[seen.person]
		at := before(list, seen.id)
		if at < 0 {
			list = order
			at = before(list, seen.id)
		}
		if at >= 0 {
			call := seen.call
			call.Path = back.Replace(call.Path)
			now[list[at]].Calls = append(now[list[at]].Calls, call)
		}
	}
	return now
}
