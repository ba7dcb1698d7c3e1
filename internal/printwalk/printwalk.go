// Package printwalk finds out what values show when programs print, log, encode or render them. It is for tests.
//
// A walk fills a value of every exported type of a package with canaries: each text names the type and the field it
// stands in, so that what shows up in an output says where it came from, however deep it was nested.
package printwalk

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
)

// Walk is what to print and what may show.
type Walk struct {
	// Dir holds the source of the package. Each of its exported types has to be among Types.
	Dir string

	// Types are values of the types, or pointers to them; what they hold does not matter.
	Types []any

	// Made are values made by the package's constructors, of strings made by [Canary].
	Made []any

	// Shown are the fields that print, with the reason, by "Type.Field", or "Type" for all fields of one: plain data
	// that is documented to print. What belongs to an unexported type goes by its own name.
	Shown map[string]string

	// ShownUnasked are types that print nothing wherever fmt calls their methods, with the reason. It calls none for
	// a value in an unexported field of another struct, nor below a pointer that does not suit the verb, and prints the
	// fields.
	ShownUnasked map[string]string

	// Encoded are types that encode (as JSON, gob, or in a script of a page) what they do not print.
	Encoded map[string]string
}

// T is what a walk needs of a [testing.T].
type T interface {
	Helper()
	Errorf(format string, args ...any)
}

// Run walks. It reports every field that shows without being documented, every reason that nothing needs, and every
// exported type that was left out. It returns how many outputs it looked at.
func (w Walk) Run(t T) (outputs int) {
	t.Helper()
	w.requireComplete(t)
	found := map[string]bool{} // reasons that were needed
	leaks := map[string]string{}
	look := func(value reflect.Value) {
		for _, out := range outputsOf(value) {
			outputs++
			for _, place := range out.places() {
				if reason := w.reason(place, out); reason != "" {
					found[reason] = true
				} else if _, known := leaks[place]; !known {
					leaks[place] = fmt.Sprintf("%s %s", out.of, out.way)
				}
			}
		}
	}
	for _, v := range w.Types {
		look(filled(reflect.TypeOf(v)))
	}
	for _, v := range w.Made {
		look(reflect.ValueOf(v))
	}
	for _, place := range slices.Sorted(maps.Keys(leaks)) {
		t.Errorf("%s shows in %s: hide it, or document that it prints", place, leaks[place])
	}
	for kind, reasons := range map[string]map[string]string{
		"Shown": w.Shown, "ShownUnasked": w.ShownUnasked, "Encoded": w.Encoded,
	} {
		for _, name := range slices.Sorted(maps.Keys(reasons)) {
			if !found[kind+" "+name] {
				t.Errorf("%s[%q] is not needed: nothing of it shows there", kind, name)
			}
			if reasons[name] == "" {
				t.Errorf("%s[%q] gives no reason", kind, name)
			}
		}
	}
	return outputs
}

// reason returns the entry that documents a place, or "".
func (w Walk) reason(place string, out output) string {
	owner, _, _ := strings.Cut(place, ".")
	for _, name := range []string{place, owner} {
		_, shown := w.Shown[name]
		_, unasked := w.ShownUnasked[name]
		_, encoded := w.Encoded[name]
		switch {
		case shown:
			return "Shown " + name
		case unasked && out.unasked:
			return "ShownUnasked " + name
		case encoded && out.encoded:
			return "Encoded " + name
		}
	}
	return ""
}

// requireComplete compares Types with the source.
func (w Walk) requireComplete(t T) {
	t.Helper()
	have := map[string]bool{}
	for _, v := range w.Types {
		typ := reflect.TypeOf(v)
		for typ.Kind() == reflect.Pointer {
			typ = typ.Elem()
		}
		have[typ.Name()] = true
	}
	names, err := exportedTypes(w.Dir)
	if err != nil {
		t.Errorf("read the source: %v", err)
	}
	if len(names) == 0 {
		t.Errorf("no type is declared in %s", w.Dir)
	}
	for _, name := range names {
		if !have[name] {
			t.Errorf("%s is exported and not in the walk", name)
		}
	}
}

// exportedTypes lists the exported types of a package, but for interfaces, which have no values of their own.
func exportedTypes(dir string) ([]string, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return nil, err
	}
	var names []string
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		for _, decl := range file.Decls {
			general, ok := decl.(*ast.GenDecl)
			if !ok {
				continue
			}
			for _, spec := range general.Specs {
				declared, ok := spec.(*ast.TypeSpec)
				if !ok || !declared.Name.IsExported() {
					continue
				}
				if _, ok := declared.Type.(*ast.InterfaceType); !ok {
					names = append(names, declared.Name.Name)
				}
			}
		}
	}
	return names, nil
}
