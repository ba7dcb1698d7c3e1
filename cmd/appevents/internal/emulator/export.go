package emulator

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/appevents/appevents-go/cmd/appevents/internal/plain"
	"github.com/appevents/appevents-go/cmd/appevents/internal/session"
)

// exports are the formats of GET /-/api/export, with the name of the file.
var exports = map[string]struct {
	file  string
	write func(io.Writer, []session.Webhook) error
}{
	"ndjson": {"session.ndjson", session.Write},
	"curl":   {"session.sh", session.WriteCurl},
	"go":     {"session_test.go", session.WriteGo},
}

// serveExport is GET /-/api/export.
func (e *Emulator) serveExport(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	as, ok := exports[or(query.Get("as"), "ndjson")]
	if !ok {
		writeError(w, &InputError{Field: "as", Message: "must be go, ndjson or curl"})
		return
	}
	var turn int64
	if text := query.Get("turn"); text != "" {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || n < 1 {
			writeError(w, &InputError{Field: "turn", Message: "must be the number of a turn"})
			return
		}
		turn = n
	}
	var b bytes.Buffer
	if err := as.write(&b, e.Session(query.Get("psid"), turn)); err != nil {
		writeError(w, err)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Content-Disposition", `attachment; filename="`+as.file+`"`)
	_, _ = w.Write(b.Bytes())
}

// Session returns what people did, with the calls that the bot made in answer: of one person, unless psid is empty, and
// of one turn, unless that is 0. Echoes, receipts and forgeries are not part of it, nor is what the bot did before the
// first webhook.
func (e *Emulator) Session(psid string, turn int64) []session.Webhook {
	list, _, _ := e.Exchanges(0, 0)
	slices.SortFunc(list, func(a, b Exchange) int { return int(a.ID - b.ID) })
	webhooks := []session.Webhook{}
	turns := map[int64]int{} // turn -> its webhook
	last, before := -1, int64(0)
	for _, x := range list {
		switch {
		case x.Direction == DirWebhook && x.Kind != "handshake" && !x.Auto && x.Sign == "" && x.Skipped == "" &&
			x.Request != "" && (psid == "" || x.PSID == psid) && (turn == 0 || x.Turn == turn):
			w := session.Webhook{
				Page: x.Page, Person: x.PSID, Body: []byte(x.Request), Status: x.Status, Calls: []session.Call{},
			}
			w.Field = session.Describe(w.Body).Field
			if at := x.Time.UnixMilli(); len(webhooks) > 0 {
				w.AfterMS = max(at-before, 0)
			}
			before = x.Time.UnixMilli()
			last = len(webhooks)
			turns[x.Turn] = last
			webhooks = append(webhooks, w)
		case x.Direction == DirWebhook && !x.Auto && x.Kind != "handshake":
			last = -1 // what follows may be its doing
		case x.Direction == DirCall && x.Done:
			at, ok := turns[x.Turn]
			if !ok {
				at = last
			}
			if at >= 0 && (ok || x.Turn == 0) {
				webhooks[at].Calls = append(webhooks[at].Calls, x.SessionCall())
			}
		}
	}
	return webhooks
}

// Curl is a call of the bot as a command line. The token comes from the environment.
func (x *Exchange) Curl() string {
	var b strings.Builder
	fmt.Fprintf(&b, "curl -sS -X %s -H \"Authorization: Bearer $ACCESS_TOKEN\"", session.Quote(x.Method))
	if x.Request != "" && x.Method == http.MethodPost {
		fmt.Fprintf(&b, " -H 'Content-Type: application/json' --data %s", session.Quote(withoutCredentials(x.Request)))
	}
	fmt.Fprintf(&b, " \"$APPEVENTS_BASE_URL\"%s", session.Quote(x.Path))
	return b.String()
}

// withoutCredentials drops the members that were replaced, as curl sends the token in a header, and escapes what could
// show a terminal another command than the one that runs.
func withoutCredentials(object string) string {
	var m map[string]json.RawMessage
	if json.Unmarshal([]byte(object), &m) != nil {
		return object
	}
	delete(m, "access_token")
	delete(m, "appsecret_proof")
	out, err := json.Marshal(m)
	if err != nil {
		return object
	}
	return plain.JSON(string(out))
}

// SessionCall is a call as a session has it.
func (x *Exchange) SessionCall() session.Call {
	var events []session.Event
	for _, ev := range x.Events {
		events = append(events, session.Event{
			Name: ev.Name, Value: ev.Value, Currency: ev.Currency, Person: ev.PSID, Edge: ev.Edge, Refused: !ev.Accepted,
		})
	}
	c := session.Call{
		Method: x.Method, Path: x.Path, Status: x.Status, Fault: x.Fault, Events: events,
	}
	if x.Version != "" {
		c.Path = strings.TrimPrefix(x.Path, "/"+x.Version)
	}
	if len(c.Events) == 0 && json.Valid([]byte(x.Response)) {
		c.Response = x.Response
	}
	return c
}
