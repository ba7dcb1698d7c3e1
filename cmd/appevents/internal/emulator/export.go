package emulator

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// serveExport is GET /-/api/export.
func (e *Emulator) serveExport(w http.ResponseWriter, r *http.Request) {
	var write func(b *bytes.Buffer, list []Exchange)
	name := "session.ndjson"
	switch r.URL.Query().Get("as") {
	case "", "ndjson":
		write = exportNDJSON
	case "curl":
		name, write = "session.sh", exportCurl
	case "go":
		name, write = "session_test.go", exportGo
	default:
		writeError(w, &InputError{Field: "as", Message: "must be go, ndjson or curl"})
		return
	}
	list, _, _ := e.Exchanges(0, 0)
	sortByID(list)
	list = chosen(list, r)
	var b bytes.Buffer
	write(&b, list)
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Content-Disposition", `attachment; filename="`+name+`"`)
	_, _ = w.Write(b.Bytes())
}

// exportNDJSON writes one exchange a line.
func exportNDJSON(b *bytes.Buffer, list []Exchange) {
	enc := json.NewEncoder(b)
	for _, x := range list {
		_ = enc.Encode(x) // into memory
	}
}

// exportCurl writes the calls as command lines; the token comes from the environment.
func exportCurl(b *bytes.Buffer, list []Exchange) {
	b.WriteString("#!/bin/sh\n# The calls of a session. ACCESS_TOKEN and APPEVENTS_BASE_URL come from the environment.\n")
	for _, x := range list {
		if x.Direction != DirCall {
			continue
		}
		fmt.Fprintf(b, "curl -sS -X %s -H \"Authorization: Bearer $ACCESS_TOKEN\"", shellQuote(x.Method))
		if x.Request != "" && x.Method == http.MethodPost {
			fmt.Fprintf(b, " -H 'Content-Type: application/json' --data %s", shellQuote(withoutCredentials(x.Request)))
		}
		fmt.Fprintf(b, " \"$APPEVENTS_BASE_URL\"%s\n", shellQuote(x.Path))
	}
}

// withoutCredentials drops the members that were replaced: curl sends the token in a header.
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
	return string(out)
}

func shellQuote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// exportGo writes a Go test that delivers the webhooks again and compares the events.
func exportGo(b *bytes.Buffer, list []Exchange) {
	b.WriteString(goHead)
	var want []string
	for _, x := range list {
		if x.Direction == DirWebhook && !x.Auto && x.Sign == "" && x.Request != "" && x.Skipped == "" {
			words := strings.Join(strings.Fields(x.Summary), " ")
			fmt.Fprintf(b, "\tgraphtest.Deliver(t, bot, appSecret, graphtest.Payload(%q)) // %s\n", x.Request, words)
		}
		for _, ev := range x.Events {
			if !ev.Accepted {
				continue
			}
			value := ""
			if ev.Value != nil {
				value = fmt.Sprint(*ev.Value)
			}
			want = append(want, fmt.Sprintf("\t\t{%q, %q, %q},\n", ev.Name, ev.PSID, value))
		}
	}
	b.WriteString(goMiddle)
	b.WriteString(strings.Join(want, ""))
	b.WriteString("\t}, got)\n}\n")
}

const goHead = `package bot_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go/graphtest"
)

// newBot has to return the bot's webhook handler: it sends to the Graph at the URL, and its app secret is appSecret.
func TestSession(t *testing.T) {
	const appSecret = "test-secret"
	graph := graphtest.NewServer(t)
	bot := newBot(t, graph.URL, appSecret)

`

const goMiddle = `
	type event struct{ name, person, value string }
	var got []event
	for _, call := range graph.Calls() {
		for _, e := range call.Events {
			person, value := e.PSID, ""
			if person == "" {
				person = call.PSID
			}
			if e.Value != nil {
				value = fmt.Sprint(*e.Value)
			}
			got = append(got, event{e.Name, person, value})
		}
	}
	require.Equal(t, []event{
`

func sortByID(list []Exchange) {
	slices.SortFunc(list, func(a, b Exchange) int { return cmp.Compare(a.ID, b.ID) })
}
