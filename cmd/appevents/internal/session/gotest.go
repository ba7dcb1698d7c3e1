package session

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"text/template"
	"time"
)

// WriteGo writes a Go test that delivers the webhooks to a bot and compares the events that it logs for each. It
// compiles as it is; what it needs to pass is the bot, in its function newBot.
func WriteGo(w io.Writer, list []Webhook) error {
	g := goTest{
		Marker: "NOW", people: map[string]string{}, bodies: map[string]int{}, referred: map[string]bool{},
		answers: map[string]string{}, vars: map[string]string{}, made: map[string]int{},
	}
	g.gather(list)
	for n := range list {
		g.turn(n+1, &list[n])
	}
	if n := len(g.People); n > 0 {
		longest := len(g.People[n-1][0])
		for i := range g.People {
			g.People[i][0] = fmt.Sprintf("%-*s", longest, g.People[i][0])
		}
	}
	var b bytes.Buffer
	if err := goFile.Execute(&b, &g); err != nil {
		return err
	}
	_, err := io.WriteString(w, tidy(b.String()))
	return err
}

// tidy takes away what the template leaves between its parts: white space at the end of a line, and empty lines in a
// row or in front of a brace. No literal holds a newline. Package go/format would do it too; it weighs half a megabyte.
func tidy(source string) string {
	var b strings.Builder
	empty := false
	for line := range strings.Lines(source) {
		line = strings.TrimRight(line, " \t\n")
		if line == "" {
			empty = true
			continue
		}
		if empty && !strings.HasPrefix(strings.TrimLeft(line, "\t"), "}") {
			b.WriteString("\n")
		}
		empty = false
		b.WriteString(line + "\n")
	}
	return b.String()
}

// A goTest is what the file is made of.
type goTest struct {
	Marker    string      // stands for the present time in bodies; occurs in none of them
	People    [][2]string // constant, ID
	Turns     []goTurn
	Answers   [][2]string // call, answer
	PageEdge  bool        // /page_activities was still accepted
	Raw, Sent bool        // helpers that are needed
	Start     bool        // the time at which the test starts is needed

	people   map[string]string // ID -> constant
	bodies   map[string]int    // body -> how often it is delivered
	vars     map[string]string // body -> variable that holds it
	referred map[string]bool   // message IDs that another webhook names
	made     map[string]int    // expressions without such an ID -> how often they were used
	answers  map[string]string
}

// A goTurn is one webhook and what has to come of it.
type goTurn struct {
	Number  int
	Comment string
	Assign  string // statement before
	Payload string // expression
	Status  int    // 0: 200
	Events  []string
	Unknown bool
}

// gather looks at what concerns all turns.
func (g *goTest) gather(list []Webhook) {
	for n := range list {
		body := list[n].Body
		g.bodies[string(body)]++
		for bytes.Contains(body, []byte(g.Marker)) {
			g.Marker += "W"
		}
		_, _ = edit(body, func(path []string, raw []byte) []byte {
			if mid, ok := unquote(raw); ok && anyMID(path) && !ownMID(path) {
				g.referred[mid] = true
			}
			return nil
		})
		for _, call := range list[n].Calls {
			name := call.Method + " " + call.Path
			if _, had := g.answers[name]; call.Response != "" && call.Status == http.StatusOK && !had && !logs(call.Path) {
				g.answers[name] = call.Response
				g.Answers = append(g.Answers, [2]string{quoteGo(name), quoteGo(call.Response)})
			}
			for _, event := range call.Events {
				g.PageEdge = g.PageEdge || event.Edge == "page_activities" && !event.Refused
			}
		}
	}
}

// logs reports whether events are logged at a path. graphtest judges them itself.
func logs(path string) bool {
	for _, edge := range []string{"/activities", "/page_activities", "/events"} {
		if strings.HasSuffix(path, edge) {
			return true
		}
	}
	return false
}

func (g *goTest) turn(number int, w *Webhook) {
	t := goTurn{Number: number, Comment: comment(Describe(w.Body).Summary), Unknown: w.Calls == nil}
	if t.Comment == "" {
		t.Comment = "webhook"
	}
	if w.Status != http.StatusOK {
		t.Status = w.Status
		g.Sent = g.Sent || w.Status != 0
	}
	body := string(w.Body)
	if name := g.vars[body]; name != "" {
		t.Payload, t.Comment = name, t.Comment+", delivered again"
	} else {
		t.Payload = g.payload(number, w.Body)
		if g.bodies[body] > 1 {
			name := "webhook" + strconv.Itoa(number)
			g.vars[body] = name
			t.Assign, t.Payload = name+" := "+t.Payload, name
		}
	}
	for _, event := range w.Events() {
		if event.Refused {
			continue
		}
		person := `""`
		if event.Person != "" {
			person = g.person(event.Person)
		}
		t.Events = append(t.Events, fmt.Sprintf("{%s, %s, %s}", quoteGo(event.Name), person, quoteGo(Amount(event))))
	}
	g.Turns = append(g.Turns, t)
}

// person is the constant for an ID, which is declared from here on.
func (g *goTest) person(id string) string {
	if g.people[id] == "" {
		g.people[id] = g.constant(id)
		g.People = append(g.People, [2]string{g.people[id], quoteGo(id)})
	}
	return g.people[id]
}

// constant is what person would call an ID.
func (g *goTest) constant(id string) string {
	if name := g.people[id]; name != "" {
		return name
	}
	return "person" + strconv.Itoa(len(g.people)+1)
}

// payload is an expression for a body: a constructor of graphtest that makes the same, with new IDs and times, or the
// body itself with the present time put in.
func (g *goTest) payload(number int, body []byte) string {
	if i, ok := parseItem(body); ok && i.sender != "" {
		want := canonical(body)
		for _, c := range g.candidates(number, i) {
			if canonical(c.payload) != want {
				continue
			}
			g.person(i.sender)
			if i.mid != "" {
				return c.expression
			}
			// Without an ID the time is what tells one from the other.
			if at := g.at(c.expression); at != "" {
				return strings.TrimSuffix(c.expression, ")") + ", graphtest.At(" + at + "))"
			}
			return c.expression
		}
	}
	g.Raw = true
	text, err := edit(body, func(path []string, raw []byte) []byte {
		if _, unit, ok := instant(path, raw); ok {
			if unit == time.Second {
				return []byte(g.Marker + "_S")
			}
			return []byte(g.Marker + "_MS")
		}
		return nil
	})
	if err != nil {
		text = body
	}
	literal := quoteGo(string(text))
	at := g.at(literal)
	if at == "" {
		at = "time.Now()"
	}
	return "recorded(" + at + ", " + literal + ")"
}

// at is a time of its own for an expression that was used before.
func (g *goTest) at(expression string) string {
	n := g.made[expression]
	g.made[expression]++
	if n == 0 {
		return ""
	}
	g.Start = true
	return fmt.Sprintf("start.Add(-%d*time.Second)", n)
}

// quoteGo is a Go string literal in ASCII: as readable as it can be, and nothing in it can end it or hide.
func quoteGo(s string) string {
	raw := strings.ContainsAny(s, `"\`)
	for i := 0; i < len(s) && raw; i++ {
		raw = s[i] >= ' ' && s[i] <= '~' && s[i] != '`'
	}
	if raw {
		return "`" + s + "`"
	}
	return strconv.QuoteToASCII(s)
}

// HasAnswers reports whether there are calls to answer as they were then.
func (g *goTest) HasAnswers() bool { return len(g.Answers) > 0 }

var goFile = template.Must(template.New("session_test.go").Parse(`package bot_test

import (
	"context"
	"net/http"
	"strconv"
	{{if or .Raw .HasAnswers}}"strings"
	{{end}}"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go/graphtest"
)

// newBot returns the webhook of your bot: fill it in, it is all that is missing. Its calls have to go to graphURL
// instead of https://graph.facebook.com, with any app ID and tokens; webhooks are signed with appSecret. With this SDK:
//
//	client, err := appevents.New("1517776481860111", appevents.WithBaseURL(graphURL), appevents.WithAppSecret(appSecret))
//	require.NoError(t, err)
//	return yourbot.NewHandler(client, appSecret)
func newBot(t *testing.T, graphURL, appSecret string) http.Handler {
	t.Helper()
	t.Fatal("newBot has to return the webhook of your bot")
	return nil
}

// TestSession holds a recorded conversation again: the same webhooks have to lead to the same events. IDs and times are
// new each time.
func TestSession(t *testing.T) {
	const appSecret = "app-secret-of-this-test"{{if .Start}}
	start := time.Now(){{end}}
	graph := graphtest.NewServer(t, graphtest.WithFaults(answer)
	{{- if not .PageEdge}}, graphtest.WithoutPageActivities(){{end}})
	bot := newBot(t, graph.URL, appSecret)
	logged := recorder{t: t, graph: graph}
	{{range .Turns}}
	// {{.Number}}. {{.Comment}}
	{{with .Assign}}{{.}}
	{{end}}{{if .Status}}require.Equal(t, {{.Status}}, send(t, bot, appSecret, {{.Payload}}))
	{{else}}graphtest.Deliver(t, bot, appSecret, {{.Payload}})
	{{end}}{{if .Unknown}}logged.next(0) // what the bot logged was not recorded
	{{else if .Events}}require.Equal(t, []event{
		{{range .Events}}{{.}},
		{{end}}
	}, logged.next({{len .Events}}))
	{{else}}require.Empty(t, logged.next(0))
	{{end}}{{else}}
	_ = bot // the session has no webhook
	require.Empty(t, logged.next(0))
	{{end}}
}

{{if .People}}const ({{range .People}}
	{{index . 0}} = {{index . 1}}{{end}}
)

{{end}}// An event is what has to be the same: value is the amount with its currency, or empty.
type event struct{ name, person, value string }

// A recorder reads the events that the bot logs.
type recorder struct {
	t     *testing.T
	graph *graphtest.Server
	read  int
}

// next returns the events since the last call. It waits for n of them, as a bot may answer first and log later.
func (r *recorder) next(n int) []event {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), 5*time.Second)
	defer cancel()
	for {
		count := r.graph.Count()
		var list []event
		for _, call := range r.graph.Calls() {
			for _, e := range call.Events {
				if call.Accepted {
					list = append(list, newEvent(call, e))
				}
			}
		}
		if len(list) >= r.read+n || r.graph.Wait(ctx, count+1) != nil {
			list, r.read = list[r.read:], len(list)
			return list
		}
	}
}

func newEvent(call graphtest.Call, e graphtest.Event) event {
	got := event{name: e.Name, person: e.PSID}
	if got.person == "" {
		got.person = call.PSID
	}
	if e.Value != nil {
		got.value = strconv.FormatFloat(*e.Value, 'f', -1, 64)
	}
	for _, name := range []string{"_currency", "fb_currency", "currency"} {
		if currency, ok := e.Params[name].(string); ok {
			if got.value != "" {
				got.value += " "
			}
			got.value += currency
			break
		}
	}
	return got
}

// answer answers the calls that graphtest does not know, such as messages that the bot sends
{{- if .HasAnswers}}, as they were then{{end}}.
func answer(call graphtest.Call) graphtest.Fault {
	{{if .HasAnswers}}switch call.Method + " " + strings.TrimPrefix(call.Path, "/"+call.Version) { {{range .Answers}}
	case {{index . 0}}:
		return graphtest.Reply(http.StatusOK, {{index . 1}}){{end}}
	}
	{{end}}if call.Edge != "" {
		return nil
	}
	return graphtest.Reply(http.StatusOK, ` + "`" + `{"success":true}` + "`" + `)
}
{{if .Raw}}
// recorded is a webhook as it came, with another time in it.
func recorded(at time.Time, body string) graphtest.Payload {
	return graphtest.Payload(strings.NewReplacer("{{.Marker}}_MS", strconv.FormatInt(at.UnixMilli(), 10),
		"{{.Marker}}_S", strconv.FormatInt(at.Unix(), 10)).Replace(body))
}
{{end}}{{if .Sent}}
// send delivers a webhook once and returns the status of the answer.
func send(t *testing.T, bot http.Handler, appSecret string, p graphtest.Payload) int {
	t.Helper()
	got, err := graphtest.Send(t.Context(), bot, appSecret, p)
	require.NoError(t, err)
	return got.Status
}
{{end}}`))
