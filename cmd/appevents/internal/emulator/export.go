package emulator

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
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
	b.WriteString(`package bot_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go/graphtest"
)

// newBot has to return the bot's webhook handler, with its Graph client asking graphURL.
func TestSession(t *testing.T) {
	graph := graphtest.NewServer(t)
	bot := newBot(t, graph.URL)

`)
	var want []string
	for _, x := range list {
		if x.Direction == DirWebhook && !x.Auto && x.Sign == "" && x.Request != "" && x.Skipped == "" {
			fmt.Fprintf(b, "\tgraphtest.Deliver(t, bot, appSecret, graphtest.Payload(%q)) // %s\n", x.Request,
				comment(x.Summary))
		}
		for _, ev := range x.Events {
			if ev.Accepted {
				value := ""
				if ev.Value != nil {
					value = fmt.Sprint(*ev.Value)
				}
				want = append(want, fmt.Sprintf("{%q, %q, %q}", ev.Name, ev.PSID, value))
			}
		}
	}
	b.WriteString("\n\ttype event struct{ name, person, value string }\n\tvar got []event\n" +
		"\tfor _, call := range graph.Calls() {\n\t\tfor _, e := range call.Events {\n\t\t\tvalue := \"\"\n" +
		"\t\t\tif e.Value != nil {\n\t\t\t\tvalue = fmt.Sprint(*e.Value)\n\t\t\t}\n\t\t\tperson := e.PSID\n" +
		"\t\t\tif person == \"\" {\n\t\t\t\tperson = call.PSID\n\t\t\t}\n" +
		"\t\t\tgot = append(got, event{e.Name, person, value})\n\t\t}\n\t}\n\trequire.Equal(t, []event{\n")
	for _, line := range want {
		fmt.Fprintf(b, "\t\t%s,\n", line)
	}
	b.WriteString("\t}, got)\n}\n")
	text := bytes.Replace(b.Bytes(), []byte("import (\n\t\"testing\""), []byte("import (\n\t\"fmt\"\n\t\"testing\""), 1)
	text = bytes.Replace(text, []byte("\tgraph := "), []byte("\tconst appSecret = \"test-secret\" // the bot's, under test\n"+
		"\tgraph := "), 1)
	b.Reset()
	b.Write(text)
}

func comment(s string) string { return strings.Join(strings.Fields(s), " ") }

func sortByID(list []Exchange) {
	for n := 1; n < len(list); n++ { // nearly sorted already
		for k := n; k > 0 && list[k].ID < list[k-1].ID; k-- {
			list[k], list[k-1] = list[k-1], list[k]
		}
	}
}
