package printwalk

import (
	"bytes"
	"encoding/base64"
	"encoding/gob"
	"encoding/hex"
	"encoding/json"
	"fmt"
	htmltemplate "html/template"
	"io"
	"log/slog"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
	texttemplate "text/template"
)

// output is what a program shows of a value.
type output struct {
	of, way string
	text    string
	unasked bool // fmt called no method: for values in unexported fields, and for %w with what is no error
	encoded bool // a form that is for machines
}

// holder is what programs keep values in.
type holder struct {
	Public  any
	private any
}

// heldError is an error that holds a value.
type heldError struct {
	Public  any
	private any
}

func (f *heldError) Error() string { return fmt.Sprintf("failed with %v, %s", f.Public, f.Public) }

// verbs are all that fmt could be given, but for %p and %T, which show no value.
var verbs = sync.OnceValue(func() []string {
	all := []string{"%+v", "%#v", "%+q", "%#q", "% x", "%#x", "%+d", "%8.3s", "%-200.100s"}
	for c := 'A'; c <= 'z'; c++ {
		if ('A' <= c && c <= 'Z' || 'a' <= c) && c != 'p' && c != 'T' {
			all = append(all, "%"+string(c))
		}
	}
	return all
})

// fewVerbs take each way that fmt has through a value: suiting, not suiting, and Go syntax.
var fewVerbs = []string{"%v", "%#v", "%s", "%x", "%d", "%t"}

// outputsOf shows a value in every way.
func outputsOf(v reflect.Value) []output {
	if !v.CanAddr() {
		own := reflect.New(v.Type()).Elem()
		own.Set(v)
		v = own
	}
	value, pointer := v.Interface(), v.Addr().Interface()
	double := &pointer
	name := v.Type().String()
	var all []output
	show := func(of string, unasked bool, verbs []string, printed any) {
		for _, verb := range verbs {
			text := fmt.Sprintf(verb, printed)
			// Where a verb does not suit a pointer, fmt prints what it points to, as it does for %w and no error.
			all = append(all, output{
				of: name + " " + of, way: verb, text: text, unasked: unasked || strings.Contains(text, "%!"),
			})
		}
	}
	show("by pointer", false, verbs(), pointer)
	show("by value", false, verbs(), value)
	show("in a struct", false, fewVerbs, holder{Public: value})
	show("in a struct, by pointer", false, fewVerbs, &holder{Public: pointer})
	show("in a slice", false, fewVerbs, []any{pointer, value, double})
	show("in a map", false, fewVerbs, map[string]any{"pointer": pointer, "value": value})
	show("as an argument too many", false, []string{"%v %%"}, []any{pointer})
	show("in an error", false, fewVerbs, &heldError{Public: pointer})
	show("in a wrapped error", false, fewVerbs, fmt.Errorf("wrapped: %w", &heldError{Public: pointer}))
	show("in an unexported field", true, verbs(), holder{private: value})
	show("in an unexported field, by pointer", true, fewVerbs, &holder{private: pointer})
	show("in an unexported field of an error", true, fewVerbs, heldError{private: pointer})
	if err, ok := pointer.(error); ok {
		show("as a wrapped error", false, fewVerbs, fmt.Errorf("wrapped: %w", err))
		all = append(all, output{of: name, way: "Error()", text: err.Error()})
	}
	return append(append(all, logged(name, value, pointer)...), encoded(name, value, pointer)...)
}

func logged(name string, value, pointer any) []output {
	var text, structured bytes.Buffer
	for _, handler := range []slog.Handler{slog.NewTextHandler(&text, nil), slog.NewJSONHandler(&structured, nil)} {
		logger := slog.New(handler)
		logger.Info("m", "value", value, "pointer", pointer)
		logger.With("value", value).WithGroup("g").Info("m", "list", []any{pointer}, "held", holder{Public: pointer})
	}
	return []output{
		{of: name, way: "log/slog as text", text: text.String()},
		// It marshals what has no LogValue of its own.
		{of: name, way: "log/slog as JSON", text: structured.String(), encoded: true},
	}
}

func encoded(name string, value, pointer any) []output {
	var all []output
	add := func(way string, isEncoded bool, text string) {
		all = append(all, output{
			of: name, way: way, text: text, encoded: isEncoded, unasked: strings.Contains(text, "%!"),
		})
	}
	for of, v := range map[string]any{"value": value, "pointer": pointer, "holder": holder{Public: pointer}} {
		text, err := json.Marshal(v)
		add("JSON by "+of, true, fmt.Sprint(string(text), err))
		var binary bytes.Buffer
		err = gob.NewEncoder(&binary).Encode(v)
		add("gob by "+of, true, fmt.Sprint(binary.String(), err))
		var page bytes.Buffer
		for _, template := range templates() {
			err = template.execute(&page, v)
			add(template.way+" by "+of, template.encoded, fmt.Sprint(page.String(), err))
			page.Reset()
		}
	}
	return all
}

// template is a template of either kind.
type template struct {
	execute func(to io.Writer, v any) error
	way     string
	encoded bool
}

// templates show a value in a page. They are parsed once.
var templates = sync.OnceValue(func() []template {
	var all []template
	html := func(text string) func(io.Writer, any) error {
		return htmltemplate.Must(htmltemplate.New("t").Parse(text)).Execute
	}
	for _, source := range []string{"{{.}}", `{{printf "%s" .}}{{printf "%d" .}}{{println .}}`, `{{print .}}`} {
		all = append(all,
			template{texttemplate.Must(texttemplate.New("t").Parse(source)).Execute, "text/template", false},
			template{html(`<p title="` + source + `">` + source), "html/template", false})
	}
	return append(all, template{html(`<script>var x = {{.}}</script>`), "html/template in a script", true})
})

// otherForms are what the beginning of a canary looks like in outputs that are not plain text.
var otherForms = sync.OnceValue(func() []string {
	var forms []string
	for skip := range 3 { // in base64, from any of three positions
		text := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("x", skip) + marker))
		forms = append(forms, strings.TrimRight(text, "=")[skip+1:len(text)-3])
	}
	for _, verb := range []string{"%d", "%b", "%o", "%c", "%U", "%#v"} { // as a list of bytes
		text := fmt.Sprintf(verb, []byte(marker))
		text = text[strings.IndexAny(text, "[{")+1:]
		forms = append(forms, strings.TrimRight(text, "]}"))
	}
	return forms
})

// places are the fields whose canaries the output shows.
func (o output) places() []string {
	text := o.text
	if strings.ContainsAny(o.way, "xX") {
		text += unhex(text)
	}
	places := canaries(text)
	if len(places) == 0 {
		for _, form := range otherForms() {
			if strings.Contains(o.text, form) {
				places = append(places, o.hidden())
				break
			}
		}
	}
	if slices.ContainsFunc(addressForms, func(form string) bool { return strings.Contains(o.text, form) }) {
		places = append(places, "netip.Addr")
	}
	slices.Sort(places)
	return slices.Compact(places)
}

// unhex decodes what is hexadecimal in a text, also with a space between bytes.
func unhex(text string) string {
	var out strings.Builder
	for _, run := range hexRuns.FindAllString(strings.ReplaceAll(text, " ", ""), -1) {
		for len(run) > 1 {
			b, err := hex.DecodeString(run[:len(run)&^1])
			if err == nil {
				out.Write(b)
			}
			if strings.Contains(string(b), marker) {
				break
			}
			run = run[1:] // digits of something else may stand before it
			if len(run)%2 == 0 {
				break
			}
		}
		out.WriteByte(' ')
	}
	return out.String()
}

var hexRuns = regexp.MustCompile(`[0-9a-fA-F]{10,}`)

// hidden names the type that an output of another form belongs to.
func (o output) hidden() string {
	name, _, _ := strings.Cut(o.of, " ")
	return name[strings.LastIndexByte(name, '.')+1:] + ".bytes"
}
