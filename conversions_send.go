package appevents

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/appevents/appevents-go/internal/carrier"
	"github.com/appevents/appevents-go/internal/secret"
)

const (
	maxConversionsPerRequest = 1000    // Meta's limit
	maxConversionsBody       = 1 << 20 // ours: what any gateway lets through

	// giveUpAfter is how many conversions of a request are tried alone and refused, with none accepted, before the
	// rest counts as refused for a common reason: a wrong dataset, say.
	giveUpAfter = 64

	maxConversionMessages = 100
)

// WithPartnerAgent names the platform that sends conversions for others (partner_agent): fewer than 23 characters, of
// which at least two are letters. Defaults to none.
func WithPartnerAgent(name string) Option {
	letters := 0
	for i := range len(name) {
		if l := name[i] | 0x20; 'a' <= l && l <= 'z' {
			letters++
		}
	}
	wrong := len(name) >= 23 || letters < 2 || !secret.Sendable(name)
	return option("WithPartnerAgent", when(wrong, "want fewer than 23 characters, no spaces, and at least two letters"),
		func(c *config) { c.partnerAgent = name })
}

// WithTestEventCode shows conversions in the Test Events view of Events Manager under the given code. They still
// count for measurement and targeting, so drop the option in production. Defaults to none.
func WithTestEventCode(code string) Option {
	wrong := code == "" || len(code) > 100 || !secret.Sendable(code)
	return option("WithTestEventCode", when(wrong, "want the code that Events Manager shows"),
		func(c *config) { c.testEventCode = code })
}

// ConversionsResult is what became of the conversions of a call: Received plus the length of Failed is their number.
type ConversionsResult struct {
	// Response describes the last answer that accepted something.
	Response

	// Received is how many conversions Graph accepted. It does not say whether it recognised the people.
	Received int `json:"received"`

	// Requests is how many requests were made, repeats not included.
	Requests int `json:"requests"`

	// Failed lists the others by index.
	Failed []ConversionFailure `json:"-"`

	// Messages are the warnings Meta sent with its answers, at most 100.
	Messages []string `json:"messages,omitzero"`
}

var opSendConversions = declare(operation{
	name: sendConversions,
	permission: "needs page_events (Messenger), instagram_manage_events (Instagram) or " +
		"whatsapp_business_manage_events (WhatsApp)",
	subcodes: conversionSubcodes,
})

// conversionSubcodes say what is wrong with a conversion. Meta publishes no table: these were seen.
var conversionSubcodes = map[int]string{
	2804003: "event_time is more than 7 days ago: too old for Meta",
	2804004: "event_time is in the future: is the clock right?",
	2804008: "an element of contents has no id",
	2804009: "a purchase needs custom_data.value",
	2804023: "custom_data.value needs a currency",
	2804030: "the data-processing options must be stated: set Conversion.DataProcessing",
	2804043: "extinfo is not right: is the OS version missing?",
	2804050: "user_data fits too many people: add more of it",
	2804063: "messaging_channel is missing",
	2804064: "a field is not allowed for conversations",
	2804065: "page_id and the dataset do not belong together: see EnsureDataset",
	2804066: "event_name is not allowed for this channel",
	2804069: "page_id is missing",
	2804073: "page_id and page_scoped_user_id do not belong together",
	2804075: "ig_sid is missing",
	2804079: "ig_account_id is missing",
	2804087: "ctwa_clid is not one that Meta gave out",
	2804116: "the WhatsApp Business account and the Page are both missing",
	2804118: "the dataset belongs to another WhatsApp Business account",
	2804131: "the dataset has no Page: see EnsureDataset",
	2804132: "the dataset has no WhatsApp Business account",
	2804133: "the dataset has no Instagram account: see EnsureDataset",
}

// SendConversions sends conversions to POST /{dataset}/events, in as many requests as it takes: each holds at most
// 1,000 conversions and a megabyte. It always returns a result, and an error unless every conversion was accepted: a
// [*ConversionsError], which holds the same failures as the result, or a [*ValidationError] for a call without
// conversions.
//
// One bad conversion does not spoil the others. Invalid ones fail here, with a [*ValidationError], and are not sent.
// Meta refuses a whole request for one bad conversion in it and does not say which it is, so a request that is refused
// for its content is halved until the bad ones stand alone. Finding one among 1,000 takes at most 20 further requests;
// however many there are, it takes fewer than two for each conversion. When 64 conversions of a request have been tried
// alone and nothing of it was accepted, the rest is not tried: the reason is then a common one, such as a wrong
// dataset.
//
// Any other failure, such as a time-out or throttling, ends the call. The conversions of that request fail with it;
// those that were not sent yet fail with a [*CallError] that says so. To repeat a call, repeat the conversions in
// Failed whose outcome allows it, and no others.
//
// Messenger needs the permission page_events, Instagram instagram_manage_events, and WhatsApp
// whatsapp_business_management and whatsapp_business_manage_events, on a token for the dataset ([ScopeDataset]).
// [Client.EnsureDataset] finds the dataset of a Page or account.
//
// https://developers.facebook.com/docs/marketing-api/conversions-api/business-messaging
func (c *Client) SendConversions(
	ctx context.Context, datasetID string, conversions ...Conversion,
) (*ConversionsResult, error) {
	s := conversionsSender{client: c, dataset: ID(datasetID), result: new(ConversionsResult)}
	if err := c.ready(opSendConversions); err != nil {
		return s.result, err
	}
	var p problems
	if len(conversions) == 0 {
		p.add(field("conversions"), RuleRequired, "must hold at least one conversion")
		return s.result, p.err()
	}
	s.dataset.validate(field("dataset_id"), &p)
	s.stopped = p.err()
	s.suffix = c.appendConversionOptions([]byte{']'})
	now := time.Now()
	user := make([]hashedField, 0, numUserDataKeys)
	p = problems{} // stopped keeps those of the call
	for i := range conversions {
		p.issues = p.issues[:0]
		user = conversions[i].check(user[:0], &p, now)
		switch {
		case len(p.issues) > 0:
			s.fail(i, true, &ValidationError{Issues: p.under(field("conversions").item(i))})
		case s.stopped != nil:
			s.fail(i, false, s.stopped)
		default:
			c.watcher.warn(ctx, opSendConversions, func() []Issue {
				own := problems{issues: conversions[i].Warnings()}
				return own.under(field("conversions").item(i))
			})
			s.left = len(conversions) - i
			s.add(ctx, i, &conversions[i], user, now.Unix())
		}
	}
	s.flush(ctx)
	if len(s.result.Failed) == 0 {
		return s.result, nil
	}
	slices.SortFunc(s.result.Failed, func(a, b ConversionFailure) int { return cmp.Compare(a.Index, b.Index) })
	return s.result, &ConversionsError{Total: len(conversions), Failed: s.result.Failed}
}

// appendConversionOptions ends the body of a request with what the client adds to it.
func (c *Client) appendConversionOptions(dst []byte) []byte {
	dst = appendText(dst, "partner_agent", c.partnerAgent)
	dst = appendText(dst, "test_event_code", c.testEventCode)
	return append(dst, '}')
}

// conversionsSender is one call of SendConversions.
type conversionsSender struct {
	client  *Client
	dataset ID
	result  *ConversionsResult
	stopped error  // what becomes of everything not yet sent, once the call has failed as a whole
	suffix  []byte // the end of every body
	left    int    // how many conversions may be yet to come

	// The request under construction.
	body    []byte // without its suffix
	pending []encodedConversion
}

// encodedConversion is a conversion in the body.
type encodedConversion struct{ index, start, end int }

const conversionsPrefix = `{"data":[`

func (s *conversionsSender) fail(index int, alone bool, err error) {
	s.result.Failed = append(s.result.Failed, ConversionFailure{Index: index, Alone: alone, Err: err})
}

// add encodes a conversion into the request, and sends what it no longer fits into.
func (s *conversionsSender) add(ctx context.Context, index int, c *Conversion, user []hashedField, now int64) {
	if len(s.pending) == maxConversionsPerRequest {
		s.flush(ctx)
	}
	mark := len(s.body)
	start := s.open(c.size(len(user)))
	s.body = c.append(s.body, user, now)
	if len(s.body)+len(s.suffix) > maxConversionsBody {
		own := slices.Clone(s.body[start:])
		s.body = s.body[:mark]
		if len(conversionsPrefix)+len(own)+len(s.suffix) > maxConversionsBody {
			s.fail(index, true, &ValidationError{Issues: []Issue{{
				Path: field("conversions").item(index).String(), Rule: RuleLength, Message: "must take less than a megabyte",
			}}})
			return
		}
		s.flush(ctx)
		start = s.open(len(own))
		s.body = append(s.body, own...)
	}
	if s.stopped != nil { // by a flush
		s.fail(index, false, s.stopped)
		return
	}
	s.pending = append(s.pending, encodedConversion{index: index, start: start, end: len(s.body)})
}

// open makes room in the body for a conversion of about the given size, and returns its place.
func (s *conversionsSender) open(size int) int {
	if len(s.pending) > 0 {
		s.body = append(s.body, ',')
		return len(s.body)
	}
	// Always new memory: a transport may go on reading a body after it was answered.
	size = min(size*min(s.left, maxConversionsPerRequest), maxConversionsBody) + len(conversionsPrefix) + len(s.suffix)
	s.body = append(make([]byte, 0, size+credentialRoom), conversionsPrefix...)
	return len(s.body)
}

// flush sends what is pending. What is refused for its content is halved until the bad ones stand alone.
func (s *conversionsSender) flush(ctx context.Context) {
	all := s.pending
	if len(all) == 0 {
		return
	}
	type refusal struct {
		part []encodedConversion // at least two
		err  error
	}
	var refusals []refusal
	accepted, alone := false, 0
	// try sends a part. It notes what was refused, so that nothing but an accepted part or the end of the call is left
	// to its caller.
	try := func(part []encodedConversion, body []byte) (ok bool) {
		err := s.send(ctx, body, len(part))
		switch {
		case err == nil:
			accepted = true
			return true
		case !refusesContent(err):
			s.end(part, err)
		case len(part) == 1:
			s.fail(part[0].index, true, err)
			alone++
		default:
			refusals = append(refusals, refusal{part, err})
		}
		return false
	}
	try(all, append(s.body, s.suffix...))
	for len(refusals) > 0 {
		last := len(refusals) - 1
		r := refusals[last]
		refusals = refusals[:last]
		if s.stopped != nil || !accepted && alone >= giveUpAfter {
			s.leave(r.part, r.err)
			continue
		}
		half := len(r.part) / 2
		left, right := r.part[:half], r.part[half:]
		switch ok := try(left, s.bodyOf(left)); {
		case s.stopped != nil:
			s.leave(right, r.err)
		case ok && len(right) > 1:
			refusals = append(refusals, refusal{right, r.err}) // no need to ask: the bad one is here
		default:
			try(right, s.bodyOf(right))
		}
	}
	s.pending, s.body = s.pending[:0], nil
}

// bodyOf returns the body of a request for a part of what is pending.
func (s *conversionsSender) bodyOf(part []encodedConversion) []byte {
	content := s.body[part[0].start:part[len(part)-1].end]
	body := make([]byte, 0, len(conversionsPrefix)+len(content)+len(s.suffix)+credentialRoom)
	body = append(append(body, conversionsPrefix...), content...)
	return append(body, s.suffix...)
}

// refusesContent reports whether Graph refused a request for what is in it, so that a part of it may pass.
func refusesContent(err error) bool {
	graph, ok := err.(*GraphError) //nolint:errorlint // send returns it unwrapped
	return ok && !graph.unknown && graph.Code == 100 && graph.class() == ErrInvalidParameter
}

// end fails a part with err, and with it the call: what has not been sent yet will not be.
func (s *conversionsSender) end(part []encodedConversion, err error) {
	for _, c := range part {
		s.fail(c.index, len(part) == 1, err)
	}
	s.stopped = err
	if OutcomeOf(err) != OutcomeNotSent {
		s.stopped = &CallError{
			Op: opSendConversions.name, Outcome: OutcomeNotSent, Err: errors.New("an earlier request of the call failed"),
		}
	}
}

// leave fails a part that was refused as a whole and is not looked into: Graph acted on none of it.
func (s *conversionsSender) leave(part []encodedConversion, refusal error) {
	err := &CallError{
		Op: opSendConversions.name, Outcome: OutcomeNotSent,
		Err: fmt.Errorf("refused together with others, and not tried alone: %w", refusal),
	}
	for _, c := range part {
		s.fail(c.index, false, err)
	}
}

// send makes a request of n conversions and checks that all of them arrived.
func (s *conversionsSender) send(ctx context.Context, body []byte, n int) error {
	resp, err := s.client.do(ctx, &request{
		op:       opSendConversions,
		method:   http.MethodPost,
		node:     s.dataset,
		edge:     string(EdgeConversions),
		scope:    Scope{Kind: ScopeDataset, ID: s.dataset},
		encoding: carrier.JSON,
		body:     body,
	})
	if call, ok := err.(*CallError); !ok || call.Attempts > 0 { //nolint:errorlint // do returns it unwrapped
		s.result.Requests++
	}
	if err != nil {
		return err
	}
	var answer struct {
		Received json.Number       `json:"events_received"`
		Messages []json.RawMessage `json:"messages"`
	}
	_ = json.Unmarshal(resp.Raw, &answer)
	if received, err := answer.Received.Int64(); err != nil || received != int64(n) {
		message := "the answer does not say how many events were received"
		if err == nil {
			message = fmt.Sprintf("%d events were sent, %d received", n, received)
		}
		e := resp.unusable(opSendConversions, message)
		e.unknown = true
		return e
	}
	s.result.Response = resp
	s.result.Received += n
	for _, message := range answer.Messages {
		if len(s.result.Messages) == maxConversionMessages {
			break
		}
		text := string(message)
		_ = json.Unmarshal(message, &text) // the text of a string, else the JSON
		s.result.Messages = append(s.result.Messages, text)
	}
	return nil
}
