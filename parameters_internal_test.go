package appevents

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"math"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go/internal/wire"
)

// A declared type is a plan, with a way into a call for a value of its type.
type declared struct {
	members []wire.Member
	err     error
	path    string                     // of the value in the issues of the call
	call    func(v reflect.Value) Call // a call with this value in it, valid otherwise
	listed  bool                       // the fields have places on the wire, not names
	part    bool                       // an object has only some of the fields
}

func declareType[T any](plan *wire.Plan[T], path string, call func(v T) Call) declared {
	return declared{plan.Members(), plan.Err(), path, func(v reflect.Value) Call { return call(v.Interface().(T)) }, false, false}
}

// allDeclared lists every plan, and the objects on the wire that each is part of.
func allDeclared() (types map[string]declared, objects map[string][]string) {
	install := func(change func(in *Install)) Call {
		in := &Install{Device: Device{AdvertiserID: "1"}, Consent: ConsentAllowed}
		change(in)
		return in
	}
	activity := func(e Event) Call {
		if e.Name == "" {
			e.Name = "visit"
		}
		return &Activity{Thread: Thread{PageID: "1", PSID: "2"}, Consent: ConsentAllowed, Events: []Event{e}}
	}
	conversion := func(change func(c *Conversion)) Call {
		c := Conversion{Name: ConversionLeadSubmitted}
		change(&c)
		if c.WhatsApp.IsZero() && c.App == nil && c.Thread.Channel == 0 {
			c.Thread = Thread{PageID: "1", PSID: "2"}
		}
		return &ConversionCall{DatasetID: "5501", Conversions: []Conversion{c}}
	}
	app := func(d Device) Call {
		return conversion(func(c *Conversion) {
			c.App = &AppConversion{Device: d, ExtInfo: ExtInfo{Platform: IOS, OSVersion: "17"}, Consent: ConsentAllowed}
		})
	}
	types = map[string]declared{
		"event":  declareType(eventPlan, "events[0]", activity),
		"params": declareType(paramsPlan, "events[0].params", func(q Params) Call { return activity(Event{Params: q}) }),
		"content": declareType(contentPlan, "events[0].params.fb_content[0]", func(c Content) Call {
			return activity(Event{Params: Params{Contents: []Content{c}}})
		}),
		"operational": declareType(operationalPlan, "events[0].operational", func(o OperationalParams) Call {
			return activity(Event{Operational: o})
		}),
		"device": declareType(devicePlan, "device", func(d Device) Call { return install(func(in *Install) { in.Device = d }) }),
		"bundle": declareType(bundlePlan, "bundle", func(b Bundle) Call { return install(func(in *Install) { in.Bundle = b }) }),
		"measurement": declareType(measurementPlan, "measurement", func(m Measurement) Call {
			return install(func(in *Install) { in.Measurement = m })
		}),
		"source": declareType(sourcePlan, "measurement.sources[0]", func(s AttributionSource) Call {
			return install(func(in *Install) { in.Measurement.Sources = []AttributionSource{s} })
		}),
		"views": declareType(viewsPlan, "", func(v views) Call {
			return install(func(in *Install) {
				in.ConsiderViews, in.IncludeDwellData, in.IncludeVideoData = v.ConsiderViews, v.IncludeDwellData, v.IncludeVideoData
			})
		}),
		"consent": declareType(consentPlan, "consent", func(c Consent) Call {
			return install(func(in *Install) { in.Consent = c })
		}),
		"processing": declareType(processingPlan, "data_processing", func(d DataProcessing) Call {
			return install(func(in *Install) { d.Declared = true; in.DataProcessing = d })
		}),
		"thread": declareType(threadPlan, "thread", func(t Thread) Call {
			return &Activity{Thread: t, Consent: ConsentAllowed, Events: []Event{Contact()}}
		}),
		"instagram": declareType(instagramPlan, "conversions[0].thread", func(t Thread) Call {
			t.Channel = ChannelInstagram
			return conversion(func(c *Conversion) { c.Thread = t })
		}),
		"whatsapp": declareType(whatsAppPlan, "conversions[0].whatsapp", func(w WhatsAppThread) Call {
			return conversion(func(c *Conversion) { c.WhatsApp = w })
		}),
		"data": declareType(dataPlan, "conversions[0].data", func(d ConversionData) Call {
			return conversion(func(c *Conversion) { c.Data = d })
		}),
		"conversion content": declareType(conversionContentPlan, "conversions[0].data.contents[0]", func(p ConversionContent) Call {
			return conversion(func(c *Conversion) { c.Data.Contents = []ConversionContent{p} })
		}),
		"device in user_data": declareType(deviceUserData, "conversions[0].app.device", app),
		"device in app_data":  declareType(deviceAppData, "conversions[0].app.device", app),
	}
	for _, name := range []string{"instagram", "device in user_data", "device in app_data"} {
		part := types[name]
		part.part = true
		types[name] = part
	}
	info := declareType(extInfoPlan, "ext_info", func(x ExtInfo) Call { return install(func(in *Install) { in.ExtInfo = x }) })
	info.listed = true
	types["extinfo"] = info
	return types, map[string][]string{
		"/activities":        {"consent", "thread", "device", "processing", "views", "bundle", "measurement"},
		"/page_activities":   {"consent", "thread"},
		"event":              {"event", "params"},
		"content":            {"content"},
		"operational":        {"operational"},
		"source":             {"source"},
		"conversion":         {"processing"},
		"Messenger user":     {"thread"},
		"Instagram user":     {"instagram"},
		"WhatsApp user":      {"whatsapp"},
		"app user":           {"device in user_data"},
		"app_data":           {"consent", "device in app_data", "views"},
		"custom_data":        {"data"},
		"conversion content": {"conversion content"},
		"extinfo":            {"extinfo"},
	}
}

// A name belongs to one field of its object on the wire, and nothing but its declaration writes it out. Every plan of
// the package is among those that the tests below look at.
func TestParameters_DeclaredOnce(t *testing.T) {
	t.Parallel()
	types, objects := allDeclared()
	constants := map[string][]string{
		"/activities": {
			nameEvent, nameCustomEvents, nameOperational, nameExtInfo, nameUserData, nameUserIDType, nameInstalledAt,
		},
		"/page_activities": {nameCustomEvents, nameLoggingSource, nameLoggingTarget},
		"conversion": {
			nameConversion, nameTime, nameID, nameSource, nameChannel, nameUser, nameData, nameApp,
		},
		"custom_data": {nameValue},
		"app user":    {nameIP},
		"app_data":    {nameExtInfo},
	}
	for _, key := range userDataKeys {
		for _, user := range []string{"Messenger user", "Instagram user", "WhatsApp user", "app user"} {
			constants[user] = append(constants[user], string(key))
		}
	}
	names := make(map[string]bool)
	placed := make(map[string]bool)
	for object, parts := range objects {
		seen := make(map[string]bool)
		add := func(name string) {
			require.NotEmpty(t, name)
			require.False(t, seen[name], "%s is declared twice for %s", name, object)
			seen[name], names[name] = true, true
		}
		for _, name := range constants[object] {
			add(name)
		}
		for _, part := range parts {
			placed[part] = true
			for _, m := range types[part].members {
				add(m.Name)
				for _, alias := range m.Aliases {
					add(alias)
				}
			}
		}
	}
	require.Len(t, placed, len(types))

	constant := make(map[string]string) // by the name on the wire
	plans := 0
	// Paths of issues, and the parts of stable IDs, which never change, look like names on the wire and are none.
	notOnTheWire := regexp.MustCompile(`^(user_data|app_data)$`) // tags and paths
	forEachLiteral(t, func(file string, lit *ast.BasicLit, parent ast.Node) {
		text, err := strconv.Unquote(lit.Value)
		require.NoError(t, err)
		spec, isConst := parent.(*ast.ValueSpec)
		if isConst && names[text] {
			require.Empty(t, constant[text], "two constants for %s", text)
			constant[text] = spec.Names[0].Name
			return
		}
		if call, ok := parent.(*ast.CallExpr); ok {
			switch fun := call.Fun.(type) {
			case *ast.Ident:
				if fun.Name == "field" {
					return
				}
			case *ast.SelectorExpr:
				if fun.Sel.Name == "field" || fun.Sel.Name == "Add" && file == "conversions_map.go" {
					return
				}
			}
		}
		for _, word := range regexp.MustCompile(`[A-Za-z0-9_]+`).FindAllString(text, -1) {
			if strings.Contains(word, "_") && names[word] && !notOnTheWire.MatchString(text) {
				t.Errorf("%s writes %s out: %s", file, word, lit.Value)
			}
		}
	}, func(call *ast.CallExpr) {
		fun := call.Fun
		if index, ok := fun.(*ast.IndexExpr); ok {
			fun = index.X
		}
		if sel, ok := fun.(*ast.SelectorExpr); ok {
			if x, ok := sel.X.(*ast.Ident); ok && x.Name == "wire" && (sel.Sel.Name == "For" || sel.Sel.Name == "ForTag") {
				plans++
			}
		}
	})
	require.Equal(t, len(types), plans, "every plan is listed in allDeclared")
	// Fields with an exported constant agree with it.
	for _, m := range types["params"].members {
		require.Regexp(t, "^Param", constant[m.Name])
	}
	for i, key := range userDataKeys {
		f := reflect.TypeFor[UserData]().Field(i)
		require.Equal(t, string(key), f.Tag.Get("json"))
		require.Equal(t, "Key"+f.Name, constant[string(key)])
	}
}

// forEachLiteral calls visit for each text outside comments and struct tags of the package's code, and onCall for each
// call of a function.
func forEachLiteral(t *testing.T, visit func(file string, lit *ast.BasicLit, parent ast.Node), onCall func(*ast.CallExpr)) {
	t.Helper()
	parsed, err := parser.ParseDir(token.NewFileSet(), ".", func(info fs.FileInfo) bool { //nolint:staticcheck // files are enough
		return !strings.HasSuffix(info.Name(), "_test.go")
	}, 0)
	require.NoError(t, err)
	outbound := regexp.MustCompile(`^(activities|app_link|call|catalog|consent|conversions(_encode|_map|_validate)?|custom|device|events.*|` +
		`extinfo|forms|page_activities|parameters|thread|userdata)\.go$`)
	for name, file := range parsed["appevents"].Files {
		if !outbound.MatchString(name) {
			continue
		}
		var parents []ast.Node
		ast.Inspect(file, func(n ast.Node) bool {
			if n == nil {
				parents = parents[:len(parents)-1]
				return true
			}
			switch v := n.(type) {
			case *ast.BasicLit:
				parent := parents[len(parents)-1]
				if _, isTag := parent.(*ast.Field); v.Kind == token.STRING && !isTag {
					if _, isImport := parent.(*ast.ImportSpec); !isImport {
						visit(name, v, parent)
					}
				}
			case *ast.CallExpr:
				onCall(v)
			}
			parents = append(parents, n)
			return true
		})
	}
}

// Each declared field, set alone, reaches the request, survives storage, and is refused when it is wrong.
func TestParameters_ReachEverything(t *testing.T) {
	t.Parallel()
	types, _ := allDeclared()
	apart := []string{ // what the code of the types writes
		"Event.Params", "Event.Operational", "Params.Custom", "ConversionData.Custom", "DataProcessing.Declared",
		"Thread.Channel",
	}
	for name, d := range types {
		require.NoError(t, d.err, name)
		for f := range newOf(t, d).Type().Fields() {
			named := slices.ContainsFunc(d.members, func(m wire.Member) bool { return m.Field == f.Name })
			full := newOf(t, d).Type().Name() + "." + f.Name
			require.True(t, named || d.part || slices.Contains(apart, full), "%s is not declared", full)
		}
		for _, m := range d.members {
			value := newOf(t, d)
			set := value.FieldByName(m.Field)
			good, bad := samples(t, m, set.Type())
			set.Set(reflect.ValueOf(good).Convert(set.Type()))
			call := d.call(value)
			require.NotContains(t, issuePaths(call.Validate()), join(d.path, m.Stored), "%s.%s", name, m.Field)

			request := requestOf(t, call)
			if d.listed {
				require.Contains(t, request, sampleText(good), "%s.%s is not sent", name, m.Field)
			} else {
				require.Regexp(t, `(^|[&"])`+regexp.QuoteMeta(m.Name)+`(=|\\?":)`, request, "%s.%s is not sent", name, m.Field)
			}
			stored, err := MarshalCall(call)
			require.NoError(t, err)
			back, err := UnmarshalCall(stored)
			require.NoError(t, err)
			require.Equal(t, request, requestOf(t, back), "%s.%s is not stored", name, m.Field)

			if bad != nil {
				set.Set(reflect.ValueOf(bad).Convert(set.Type()))
				found := strings.Join(issuePaths(d.call(value).Validate()), " ")
				require.Contains(t, found, join(d.path, m.Stored), "%s.%s is not checked", name, m.Field)
			}
		}
	}
}

// newOf is a value of the type of d, with what is always required.
func newOf(t *testing.T, d declared) reflect.Value {
	t.Helper()
	for _, v := range []any{
		Event{}, Params{}, Content{ID: "1", Quantity: 1}, OperationalParams{}, Device{}, Bundle{}, Measurement{},
		AttributionSource{}, views{ConsiderViews: true}, ConsentAllowed, DataProcessing{Country: 1}, Thread{PageID: "1", PSID: "2"},
		WhatsAppThread{AccountID: "1", ClickID: "c"}, ConversionData{}, ConversionContent{ID: "1"},
		ExtInfo{Platform: IOS, OSVersion: "17"},
	} {
		typ := reflect.TypeOf(v)
		f, ok := typ.FieldByName(d.members[0].Field)
		if ok && f.Tag == d.members[0].Tag && typ.NumField() >= len(d.members) {
			value := reflect.New(typ).Elem()
			value.Set(reflect.ValueOf(v))
			return value
		}
	}
	t.Fatalf("no type has %s", d.members[0].Field)
	return reflect.Value{}
}

// samples returns a good value of a field, and a wrong one where there is any.
func samples(t *testing.T, m wire.Member, typ reflect.Type) (good, bad any) {
	t.Helper()
	switch m.Kind {
	case wire.Text:
		switch {
		case m.ID:
			return "18139494541428835", "x"
		case m.Currency:
			return "EUR", "euro"
		case typ == reflect.TypeFor[Platform]():
			return "a2", "mb1"
		case m.Field == "Attribution":
			return "abcDEF0123456789ghiJKL", "short"
		}
		return "sample", "\xff"
	case wire.Texts:
		return []string{"sample"}, []string{"\xff"}
	case wire.Int:
		return 4711, -4711
	case wire.Bool:
		return true, nil
	case wire.Flag:
		return new(true), nil
	case wire.Float:
		return 4711.25, math.NaN()
	case wire.Amount:
		return new(4711.25), new(math.NaN())
	case wire.Time:
		return time.Unix(1700000000, 0), time.Unix(1700000000000, 0)
	case wire.Millis:
		return 2 * time.Second, -time.Second
	}
	for _, sample := range [][2]any{
		{[]Content{{ID: "1", Quantity: 1}}, []Content{{ID: "1"}}},
		{[]ConversionContent{{ID: "1"}}, []ConversionContent{{}}},
		{[]AttributionSource{{AdID: "1"}}, []AttributionSource{{AdID: "x"}}},
		{map[string]any{"a": 1}, map[string]any{"a": nil}},
		{Denied, Tracking(7)},
		{true, nil},
	} {
		if reflect.TypeOf(sample[0]) == typ {
			return sample[0], sample[1]
		}
	}
	t.Fatalf("no sample of %s", typ)
	return nil, nil
}

func sampleText(good any) string {
	if f, ok := good.(float64); ok {
		return strconv.FormatFloat(f, 'f', 2, 64)
	}
	text, _ := json.Marshal(good)
	return string(text)
}

// requestOf is what is sent of a call, with nothing escaped for a form.
func requestOf(t *testing.T, call Call) string {
	t.Helper()
	switch c := call.(type) {
	case *Install:
		request := c.call()
		return unescaped(t, request.body())
	case *Activity:
		request := c.call()
		return unescaped(t, request.body()) + string(appendOperational(appendEvents(nil, c.Events), c.Events))
	case *ConversionCall:
		return string(c.Conversions[0].append(nil, nil, 1800000000))
	}
	t.Fatalf("unexpected %T", call)
	return ""
}

func unescaped(t *testing.T, body []byte) string {
	t.Helper()
	text, err := url.QueryUnescape(string(body))
	require.NoError(t, err)
	return text
}

func issuePaths(err error) []string {
	invalid, _ := err.(*ValidationError) //nolint:errorlint // Validate returns no other
	if invalid == nil {
		return nil
	}
	var paths []string
	for _, issue := range invalid.Issues {
		paths = append(paths, issue.Path)
	}
	return paths
}

func join(path, field string) string { return strings.TrimPrefix(path+"."+field, ".") }
