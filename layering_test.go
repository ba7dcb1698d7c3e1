package appevents_test

import (
	"cmp"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// knots are the circles of files that may stay for now, each with its reason. A file depends on another when it names
// something declared there.
var knots = []struct {
	files  []string
	reason string
}{}

// Files depend on each other in one direction, so that one can be read, and changed, without those that use it.
func TestFiles_DependInOneDirection(t *testing.T) {
	t.Parallel()
	uses := fileDependencies(t)
	allowed := make(map[string]int) // file to the number of its knot, from 1
	for i, knot := range knots {
		require.NotEmpty(t, knot.reason)
		for _, file := range knot.files {
			require.Contains(t, uses, file, "a knot names a file that is not there")
			require.Zero(t, allowed[file], "%s is in two knots", file)
			allowed[file] = i + 1
		}
	}
	needed := make(map[int]bool)
	for _, circle := range circles(uses) {
		knot := allowed[circle[0]]
		for _, file := range circle {
			if knot == 0 || allowed[file] != knot {
				t.Errorf("these files depend on each other in a circle: %s\n%s", strings.Join(circle, ", "),
					describe(uses, circle))
				knot = 0
				break
			}
		}
		needed[knot] = true
	}
	for i, knot := range knots {
		require.True(t, needed[i+1], "%v is no circle any more: take it off the list", knot.files)
	}
}

// fileDependencies returns, for each code file of this package, the files whose declarations it names, with one such
// name each.
func fileDependencies(t *testing.T) map[string]map[string]string {
	t.Helper()
	names, err := filepath.Glob("*.go")
	require.NoError(t, err)
	fset := token.NewFileSet()
	var files []*ast.File
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		source, err := os.ReadFile(name)
		require.NoError(t, err)
		file, err := parser.ParseFile(fset, name, source, parser.SkipObjectResolution)
		require.NoError(t, err)
		files = append(files, file)
	}
	info := &types.Info{Uses: make(map[*ast.Ident]types.Object)}
	// Other packages are left empty, because reading them takes seconds. Names behind an expression whose type comes
	// from one are missed: one dependency of three hundred when this was written.
	config := types.Config{Importer: nothing{}, Error: func(error) {}}
	pkg, _ := config.Check("appevents", fset, files, info)
	uses := make(map[string]map[string]string, len(files))
	for _, file := range files {
		uses[fset.File(file.Pos()).Name()] = make(map[string]string)
	}
	for ident, object := range info.Uses {
		if object.Pkg() != pkg || !object.Pos().IsValid() {
			continue
		}
		from, to := fset.File(ident.Pos()).Name(), fset.File(object.Pos()).Name()
		if from != to {
			uses[from][to] = min(cmp.Or(uses[from][to], ident.Name), ident.Name)
		}
	}
	require.Contains(t, uses["send.go"], "errors.go", "the types were not resolved")
	return uses
}

// nothing imports empty packages.
type nothing struct{}

func (nothing) Import(path string) (*types.Package, error) {
	pkg := types.NewPackage(path, path[strings.LastIndex(path, "/")+1:])
	pkg.MarkComplete()
	return pkg, nil
}

// circles returns the sets of files that reach each other, by Tarjan's algorithm.
func circles(uses map[string]map[string]string) [][]string {
	var (
		found   [][]string
		stack   []string
		index   = make(map[string]int)
		low     = make(map[string]int)
		onStack = make(map[string]bool)
		visit   func(string)
	)
	visit = func(file string) {
		index[file] = len(index) + 1
		low[file] = index[file]
		stack, onStack[file] = append(stack, file), true
		for _, next := range slices.Sorted(maps.Keys(uses[file])) {
			if index[next] == 0 {
				visit(next)
				low[file] = min(low[file], low[next])
			} else if onStack[next] {
				low[file] = min(low[file], index[next])
			}
		}
		if low[file] != index[file] {
			return
		}
		at := slices.Index(stack, file)
		circle := slices.Sorted(slices.Values(stack[at:]))
		for _, member := range circle {
			onStack[member] = false
		}
		stack = stack[:at]
		if len(circle) > 1 {
			found = append(found, circle)
		}
	}
	for _, file := range slices.Sorted(maps.Keys(uses)) {
		if index[file] == 0 {
			visit(file)
		}
	}
	return found
}

// describe lists the dependencies within a circle, each with one of its names.
func describe(uses map[string]map[string]string, circle []string) string {
	var b strings.Builder
	for _, from := range circle {
		for _, to := range circle {
			if name := uses[from][to]; name != "" {
				b.WriteString("\t" + from + " -> " + to + ": " + name + "\n")
			}
		}
	}
	return b.String()
}

func TestCircles(t *testing.T) {
	t.Parallel()
	graph := func(edges ...string) map[string]map[string]string {
		uses := make(map[string]map[string]string)
		for _, edge := range edges {
			for _, file := range edge {
				if uses[string(file)] == nil {
					uses[string(file)] = make(map[string]string)
				}
			}
			uses[edge[:1]][edge[1:]] = "x"
		}
		return uses
	}
	require.Empty(t, circles(graph("ab", "bc", "ac")))
	require.Equal(t, [][]string{{"a", "b", "c"}}, circles(graph("ab", "bc", "ca", "ad", "ea")))
	require.Equal(t, [][]string{{"c", "d"}, {"a", "b"}}, circles(graph("ab", "ba", "bc", "cd", "dc")))
}

// A file is read at one sitting, and the package in an afternoon.
func TestFiles_AreShort(t *testing.T) {
	t.Parallel()
	const longest, most = 500, 10_500
	files, err := filepath.Glob("*.go")
	require.NoError(t, err)
	total := 0
	for _, file := range files {
		if !strings.HasSuffix(file, "_test.go") {
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			lines := strings.Count(string(text), "\n")
			require.LessOrEqual(t, lines, longest, file)
			total += lines
		}
	}
	require.LessOrEqual(t, total, most)
}

// A reader finds what tests a file beside it, or by its name in another test file.
func TestFiles_AreTested(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("*.go")
	require.NoError(t, err)
	var code []string
	var tests strings.Builder
	for _, file := range files {
		if !strings.HasSuffix(file, "_test.go") {
			code = append(code, file)
			continue
		}
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		tests.Write(text)
	}
	for _, file := range code {
		name := strings.TrimSuffix(file, ".go")
		beside := slices.Contains(files, name+"_test.go") || slices.Contains(files, name+"_internal_test.go")
		if file != "doc.go" && !beside && !strings.Contains(tests.String(), " "+file) {
			t.Errorf("%s has no test file, and none names it", file)
		}
	}
}
