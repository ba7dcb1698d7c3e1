package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"iter"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/appevents/appevents-go/delivery"
)

const (
	botTime     = 30 * time.Second // for an answer about a few things
	botLongTime = 12 * time.Minute // for a change of all that is buried: a bot gives it ten
	maxBotError = 64 << 10         // bytes read of an answer that is an error
	maxBotText  = 300              // characters shown of it
	maxBotLine  = 4 << 20          // bytes of a line of an export: a call has half a mebibyte at most
)

// A botQueue is the queue of a bot that runs, as its handler of package inspect serves it.
type botQueue struct {
	p     *program
	base  string // without a slash at the end
	http  *http.Client
	flags inspectFlags

	token     string
	tokenRead bool
}

// openBot makes no request yet.
func (p *program) openBot(name string, flags inspectFlags) (*botQueue, error) {
	u, err := url.Parse(name)
	switch {
	case err != nil || u.Host == "" || u.RawQuery != "" || u.Fragment != "":
		return nil, usageError("the address of a bot must look like http://127.0.0.1:8081/-/queue")
	case u.User != nil: // not repeated
		return nil, usageError("the address of a bot takes no user: its token comes from INSPECT_TOKEN or a file")
	}
	transport := &http.Transport{
		Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, TLSHandshakeTimeout: reachTime,
		DialContext: (&net.Dialer{Timeout: reachTime}).DialContext, ResponseHeaderTimeout: botLongTime,
	}
	return &botQueue{
		p: p, base: strings.TrimRight(u.Scheme+"://"+u.Host+u.EscapedPath(), "/"), flags: flags,
		http: &http.Client{
			Transport: p.transport(transport),
			// The token is for this address and no other.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}, nil
}

func (q *botQueue) label() string  { return q.base }
func (q *botQueue) kindOf() string { return engineBot }

// Close closes the connections.
func (q *botQueue) Close() error {
	q.http.CloseIdleConnections()
	return nil
}

// authorize reads the token of the bot, once.
func (q *botQueue) authorize() (string, error) {
	if q.tokenRead {
		return q.token, nil
	}
	var err error
	if q.flags.InspectTokenFile != "" {
		if q.token, err = q.p.readSecret(q.flags.InspectTokenFile); err != nil {
			return "", wrongSource("--inspect-token-file", err)
		}
	} else {
		found, err := q.p.credential("INSPECT_TOKEN")
		if err != nil {
			return "", err
		}
		q.token = found.value
	}
	q.tokenRead = true
	if strings.ContainsAny(q.token, "\r\n\x00") {
		return "", fail(exitCredentials, "the token of the bot has a line break in it")
	}
	if u, err := url.Parse(q.base); err == nil && q.token != "" && u.Scheme == "http" && !isLoopback(u.Hostname()) {
		q.p.note("warning: the token goes to %s unencrypted", printable(u.Host))
	}
	return q.token, nil
}

// needToken is the token, or an error without one.
func (q *botQueue) needToken() (string, error) {
	token, err := q.authorize()
	if err == nil && token == "" {
		err = &failure{
			code: exitCredentials, err: errors.New("the bot takes changes, and shows calls, for its token alone"),
			hint: "set APPEVENTS_INSPECT_TOKEN or INSPECT_TOKEN, or give --inspect-token-file",
		}
	}
	return token, err
}

func (q *botQueue) figures(ctx context.Context) (queueFigures, error) {
	f := queueFigures{botFigures: new(botFigures)}
	if err := q.read(ctx, botTime, "/stats", nil, "", nil, &f); err != nil {
		return f, err
	}
	switch old := time.Since(f.AsOf); {
	case f.AsOf.IsZero():
		return f, fail(exitNotSent, "the bot at %s runs, but its queue does not answer it", printable(q.base))
	case old > time.Minute:
		q.p.note("warning: the queue of the bot does not answer it: these figures are of %s", stamp(f.AsOf))
	}
	return f, nil
}

func (q *botQueue) lanes(ctx context.Context) ([]queueLane, error) {
	var answer struct{ Lanes []queueLane }
	err := q.read(ctx, botTime, "/lanes", nil, "", nil, &answer)
	return answer.Lanes, err
}

// query is a choice as parameters.
func (c choice) query() url.Values {
	query := url.Values{}
	if c.reason != "" {
		query.Set("reason", string(c.reason))
	}
	if c.lane != "" {
		query.Set("lane", c.lane)
	}
	return query
}

func (q *botQueue) reasons(ctx context.Context, c choice) (map[delivery.Reason]int64, error) {
	var answer struct {
		Reasons []struct {
			Name  delivery.Reason
			Count int64
		}
	}
	if err := q.read(ctx, botLongTime, "/buried/summary", c.query(), "", nil, &answer); err != nil {
		return nil, err
	}
	counts := make(map[delivery.Reason]int64)
	for _, r := range answer.Reasons {
		counts[r.Name] += r.Count
	}
	return counts, nil
}

func (q *botQueue) buried(ctx context.Context, c choice, calls bool) iter.Seq2[*buriedEntry, error] {
	return q.export(ctx, c.query(), calls)
}

// export streams buried calls. Whole they are for the token alone.
func (q *botQueue) export(ctx context.Context, query url.Values, calls bool) iter.Seq2[*buriedEntry, error] {
	return func(yield func(*buriedEntry, error) bool) {
		token := ""
		if calls {
			var err error
			if token, err = q.needToken(); err != nil {
				yield(nil, err)
				return
			}
			query.Set("calls", "true")
		}
		answer, err := q.ask(ctx, "/export", query, token, nil)
		if err != nil {
			yield(nil, err)
			return
		}
		defer answer.Close()
		broken := func(why string) error {
			return fail(exitNotSent, "the list of the bot at %s broke off: %s: it is not complete", printable(q.base), why)
		}
		lines := bufio.NewScanner(answer)
		lines.Buffer(nil, maxBotLine)
		for lines.Scan() {
			var line struct {
				buriedEntry
				Error *botError `json:"error"`
			}
			switch err := json.Unmarshal(lines.Bytes(), &line); {
			case err != nil:
				yield(nil, broken("a line is not JSON"))
				return
			case line.Error != nil:
				yield(nil, broken(q.p.withoutSecrets(printable(cut(line.Error.Message, maxBotText)))))
				return
			case line.ID == "":
				yield(nil, broken("a line is no call"))
				return
			}
			e := &line.buriedEntry
			if len(e.Call) > 0 { // as MarshalCall wrote it
				body, source := sourceOf(e.Call)
				parts := storedOf(body)
				e.Kind, e.Call, e.Source = parts.Kind, parts.Call, source
			}
			if !yield(e, nil) {
				return
			}
		}
		if err := lines.Err(); err != nil {
			if ctx.Err() != nil {
				err = ctx.Err()
			} else {
				err = broken(err.Error())
			}
			yield(nil, err)
		}
	}
}

func (q *botQueue) one(ctx context.Context, id string) (*buriedEntry, error) {
	e := new(buriedEntry)
	if err := q.read(ctx, botTime, "/buried/"+url.PathEscape(id), nil, "", nil, e); err != nil {
		return nil, err
	}
	if e.ID != id {
		return nil, q.stranger(false)
	}
	if token, err := q.authorize(); err != nil || token == "" {
		return e, errors.Join(err, errCallWithheld)
	}
	// Calls are in the export alone: this one, and those that were buried in the same moment.
	query := choice{reason: e.Reason, lane: e.Lane}.query()
	if !e.BuriedAt.IsZero() {
		query.Set("since", e.BuriedAt.Format(time.RFC3339Nano))
		query.Set("until", e.BuriedAt.Add(time.Nanosecond).Format(time.RFC3339Nano))
	}
	for whole, err := range q.export(ctx, query, true) {
		if err != nil {
			return e, err
		}
		if whole.ID == id {
			return whole, nil
		}
	}
	return nil, delivery.ErrNotFound // gone meanwhile
}

func (q *botQueue) change(ctx context.Context, verb changeVerb, ids []string, c choice) (result changed, err error) {
	token, err := q.needToken()
	if err != nil {
		return result, err
	}
	path := "/buried/" + string(verb)
	var answer struct{ Done int64 }
	if len(ids) == 0 {
		chosen, err := q.total(ctx, c)
		if err != nil {
			return result, err
		}
		body := map[string]any{"all": true}
		if c != (choice{}) {
			body = map[string]any{"reason": c.reason, "lane": c.lane}
		}
		err = q.read(ctx, botLongTime, path, nil, token, body, &answer)
		if partly, ok := errors.AsType[*partlyError](err); ok {
			answer.Done = partly.done
		}
		result.done = answer.Done
		if err == nil {
			result.left = max(0, chosen-answer.Done)
		}
		return result, err
	}
	for start := 0; start < len(ids); start += buriedPage {
		part := ids[start:min(start+buriedPage, len(ids))]
		there, missing, err := q.tell(ctx, part)
		result.missing = append(result.missing, missing...)
		if err != nil {
			return result, err
		}
		if len(there) == 0 {
			continue
		}
		answer.Done = 0
		err = q.read(ctx, botLongTime, path, nil, token, map[string]any{"ids": there}, &answer)
		if partly, ok := errors.AsType[*partlyError](err); ok {
			answer.Done = partly.done
		}
		result.done += answer.Done
		if err != nil {
			return result, err
		}
		if answer.Done < int64(len(there)) {
			stayed, gone, err := q.tell(ctx, there)
			if err != nil {
				return result, err
			}
			result.gone += int64(len(gone)) - answer.Done
			for _, id := range stayed {
				result.stayed = append(result.stayed, id)
				result.why = append(result.why, "it cannot be read, or is not valid any more")
			}
		}
	}
	return result, nil
}

// total is how many calls a choice has.
func (q *botQueue) total(ctx context.Context, c choice) (n int64, err error) {
	counts, err := q.reasons(ctx, c)
	for _, count := range counts {
		n += count
	}
	return n, err
}

// tell tells the calls that are buried from those that are not.
func (q *botQueue) tell(ctx context.Context, ids []string) (there, missing []string, err error) {
	for _, id := range ids {
		var e buriedEntry
		switch err := q.read(ctx, botTime, "/buried/"+url.PathEscape(id), nil, "", nil, &e); {
		case errors.Is(err, delivery.ErrNotFound):
			missing = append(missing, id)
		case err != nil:
			return there, missing, err
		default:
			there = append(there, id)
		}
	}
	return there, missing, nil
}

func (q *botQueue) pause(ctx context.Context, lane string, until time.Time, note string) error {
	token, err := q.needToken()
	if err != nil {
		return err
	}
	body := map[string]any{"lane": lane, "note": note}
	if !until.IsZero() {
		body["until"] = until.UTC()
	}
	var answer struct{ Lane string }
	return q.read(ctx, botTime, "/lanes/pause", nil, token, body, &answer)
}

func (q *botQueue) resume(ctx context.Context, lane string) error {
	token, err := q.needToken()
	if err != nil {
		return err
	}
	var answer struct{ Lane string }
	return q.read(ctx, botTime, "/lanes/resume", nil, token, map[string]any{"lane": lane}, &answer)
}
