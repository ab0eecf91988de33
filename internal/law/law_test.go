// SPDX-License-Identifier: MIT OR Apache-2.0

// Package law holds the rules of the house as tests: who may import whom, what may be called where, how long things are.
package law

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// rooms is the import table of docs/architecture.md. A room imports those of ours that stand here and no others, and
// of the heavy ones outside only those that stand here.
var rooms = map[string]struct {
	ours   []string
	theirs []string
}{
	"cli":      {[]string{"base", "builder", "cargo", "check", "doctor", "durable", "image", "kube", "native", "output", "pipeline", "plan", "run", "sandbox", "source", "transport", "ui"}, []string{"cobra", "pflag", "go-toml"}},
	"ui":       {nil, []string{"mpb", "sys", "term"}},
	"pipeline": {[]string{"base", "binary", "builder", "cargo", "check", "durable", "image", "output", "plan", "rootfs"}, []string{"go-containerregistry", "sync"}},
	"builder":  {[]string{"cargo", "native", "plan", "run"}, nil},
	"doctor":   {[]string{"cargo", "native"}, nil},
	"plan":     {[]string{"cargo", "native", "rootfs"}, []string{"go-containerregistry", "levenshtein"}},
	"native":   {[]string{"cargo", "durable", "run"}, nil},
	"output":   {[]string{"durable", "run", "transport"}, []string{"go-containerregistry", "levenshtein", "sync", "sys"}},
	// faulty is for tests alone; TestFaultyIsForTests says so.
	"faulty":    {nil, nil},
	"base":      {[]string{"binary", "durable", "rootfs", "source", "transport"}, []string{"go-containerregistry", "compress", "sync"}},
	"source":    {[]string{"durable", "transport"}, []string{"go-containerregistry"}},
	"transport": {[]string{"durable", "run"}, []string{"backoff", "net"}},
	"cargo":     {[]string{"durable", "run"}, []string{"go-containerregistry", "go-toml", "levenshtein", "doublestar"}},
	"image":     {[]string{"durable", "rootfs"}, []string{"go-containerregistry", "compress"}},
	"check":     {[]string{"binary", "rootfs"}, []string{"go-containerregistry"}},
	"sandbox":   {[]string{"rootfs"}, []string{"sys"}},
	"run":       {nil, []string{"sys"}},
	"binary":    {nil, nil},
	"rootfs":    {nil, []string{"crypto", "compress", "doublestar"}},
	"kube":      {nil, []string{"yaml"}},
	"durable":   {nil, []string{"renameio", "flock", "sys"}},
}

// file is one parsed file of a room.
type file struct {
	room, name string
	ast        *ast.File
	fset       *token.FileSet
	test       bool
}

func house(t *testing.T) []file {
	t.Helper()
	var out []file
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "testdata" || d.Name() == "law" || d.Name() == "gen") {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, ".go") {
			return nil
		}
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, path, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel("..", path)
		if err != nil {
			return err
		}
		out = append(out, file{filepath.Dir(rel), filepath.ToSlash(rel), f, fset, strings.HasSuffix(path, "_test.go")})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(out) < 50 {
		t.Fatalf("only %d files found: the walk is broken", len(out))
	}
	return out
}

func TestImports(t *testing.T) {
	used := map[string]map[string]bool{}
	for _, f := range house(t) {
		table, ok := rooms[f.room]
		if !ok {
			t.Errorf("%s: room %q is not in the table", f.name, f.room)
			continue
		}
		if f.test {
			continue
		}
		if used[f.room] == nil {
			used[f.room] = map[string]bool{}
		}
		for _, im := range f.ast.Imports {
			path, _ := strconv.Unquote(im.Path.Value)
			if room, ok := strings.CutPrefix(path, "sampan/internal/"); ok {
				used[f.room][room] = true
				if !slices.Contains(table.ours, room) {
					t.Errorf("%s imports %s, which the table does not allow", f.name, room)
				}
				continue
			}
			if strings.Contains(strings.Split(path, "/")[0], ".") && !slices.ContainsFunc(table.theirs, func(m string) bool {
				return slices.Contains(strings.Split(path, "/"), m)
			}) {
				t.Errorf("%s imports %s, which the table does not allow", f.name, path)
			}
		}
	}
	for room, table := range rooms {
		for _, o := range table.ours {
			if !used[room][o] {
				t.Errorf("the table says that %s imports %s; it does not", room, o)
			}
		}
	}
}

// TestFaultyIsForTests keeps a registry that lies out of the program.
func TestFaultyIsForTests(t *testing.T) {
	for room, table := range rooms {
		if slices.Contains(table.ours, "faulty") {
			t.Errorf("%s may import faulty outside its tests", room)
		}
	}
}

// forbidden calls, and the rooms that may make them all the same.
var forbidden = map[string][]string{
	"os.Getenv": {"cli", "ui"}, "os.LookupEnv": {"cli", "ui"}, "os.Environ": {"cli", "ui"}, "os.Exit": {}, "time.Now": {"cli", "ui"},
	"fmt.Print": {}, "fmt.Println": {}, "fmt.Printf": {}, "os.Args": {},
}

func TestCalls(t *testing.T) {
	for _, f := range house(t) {
		if f.test {
			continue
		}
		for _, im := range f.ast.Imports {
			if im.Path.Value == `"os/exec"` && f.room != "run" {
				t.Errorf("%s imports os/exec: only run starts programs", f.name)
			}
			if im.Path.Value == `"log"` {
				t.Errorf("%s imports log", f.name)
			}
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.SelectorExpr:
				if x, ok := n.X.(*ast.Ident); ok {
					name := x.Name + "." + n.Sel.Name
					if may, bad := forbidden[name]; bad && !slices.Contains(may, f.room) {
						t.Errorf("%s: %s is not for %s", f.fset.Position(n.Pos()), name, f.room)
					}
				}
			case *ast.FuncDecl:
				if n.Recv == nil && n.Name.Name == "init" {
					t.Errorf("%s: no init()", f.fset.Position(n.Pos()))
				}
			case *ast.CallExpr:
				if id, ok := n.Fun.(*ast.Ident); ok && id.Name == "panic" {
					t.Errorf("%s: no panic", f.fset.Position(n.Pos()))
				}
			case *ast.StructType:
				for _, fl := range n.Fields.List {
					if s, ok := fl.Type.(*ast.SelectorExpr); ok && s.Sel.Name == "Context" {
						t.Errorf("%s: no context in a struct", f.fset.Position(fl.Pos()))
					}
				}
			}
			return true
		})
	}
}

// waivers from the limits of size, each with its reason.
var waivers = map[string]string{}

const (
	maxLines  = 400
	maxFunc   = 60
	maxParams = 5
)

func TestSizes(t *testing.T) {
	for _, f := range house(t) {
		if f.test {
			continue
		}
		if n := f.fset.File(f.ast.Pos()).LineCount(); n > maxLines && waivers[f.name] == "" {
			t.Errorf("%s has %d lines, more than %d", f.name, n, maxLines)
		}
		for _, d := range f.ast.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			name := f.name + " " + fn.Name.Name
			lines := f.fset.Position(fn.End()).Line - f.fset.Position(fn.Pos()).Line + 1
			if lines > maxFunc && waivers[name] == "" {
				t.Errorf("%s has %d lines, more than %d", name, lines, maxFunc)
			}
			if n := fn.Type.Params.NumFields(); n > maxParams && waivers[name] == "" {
				t.Errorf("%s has %d parameters, more than %d", name, n, maxParams)
			}
		}
	}
}

func TestComments(t *testing.T) {
	introduced := map[string]bool{}
	for _, f := range house(t) {
		if len(f.ast.Comments) == 0 || !strings.HasPrefix(f.ast.Comments[0].List[0].Text, "// SPDX-License-Identifier: MIT OR Apache-2.0") {
			t.Errorf("%s does not begin with its licence", f.name)
		}
		if f.test {
			continue
		}
		if f.ast.Doc != nil && strings.HasPrefix(f.ast.Doc.Text(), "Package "+filepath.Base(f.room)+" ") {
			introduced[f.room] = true
		}
		for _, d := range f.ast.Decls {
			undocumented(t, f, d)
		}
		for _, g := range f.ast.Comments {
			if regexp.MustCompile(`\b(TODO|FIXME|XXX|HACK)\b`).MatchString(g.Text()) {
				t.Errorf("%s: say what is so, not what is to be done", f.fset.Position(g.Pos()))
			}
		}
	}
	for room := range rooms {
		if !introduced[room] {
			t.Errorf("room %s has no package comment", room)
		}
	}
}

func undocumented(t *testing.T, f file, d ast.Decl) {
	switch d := d.(type) {
	case *ast.FuncDecl:
		if d.Name.IsExported() && d.Doc == nil && d.Recv == nil {
			t.Errorf("%s: %s is not documented", f.fset.Position(d.Pos()), d.Name.Name)
		}
	case *ast.GenDecl:
		for _, s := range d.Specs {
			if ts, ok := s.(*ast.TypeSpec); ok && ts.Name.IsExported() && d.Doc == nil && ts.Doc == nil {
				t.Errorf("%s: %s is not documented", f.fset.Position(ts.Pos()), ts.Name.Name)
			}
		}
	}
}

// TestLinks checks that every file that the docs link to is there.
func TestLinks(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#]+)(#[^)]*)?\)`)
	pages, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	more, _ := filepath.Glob("../../docs/*/*.md")
	pages = append(append(pages, more...), "../../README.md", "../../CHANGELOG.md", "../../CONTRIBUTING.md", "../../bench/README.md")
	for _, p := range pages {
		data, err := os.ReadFile(p)
		if err != nil {
			t.Error(err)
			continue
		}
		for _, m := range link.FindAllStringSubmatch(string(data), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			if _, err := os.Stat(filepath.Join(filepath.Dir(p), m[1])); err != nil {
				t.Errorf("%s links to %s, which is not there", p, m[1])
			}
		}
	}
}

// TestTable checks that docs/architecture.md names every room and none that is not there.
func TestTable(t *testing.T) {
	data, err := os.ReadFile("../../docs/architecture.md")
	if err != nil {
		t.Fatal(err)
	}
	row := regexp.MustCompile("(?m)^\\| `([a-z]+)` \\|")
	var named []string
	for _, m := range row.FindAllStringSubmatch(string(data), -1) {
		named = append(named, m[1])
		if _, ok := rooms[m[1]]; !ok {
			t.Errorf("docs/architecture.md has a room %s that is not there", m[1])
		}
	}
	for room := range rooms {
		if !slices.Contains(named, room) {
			t.Errorf("docs/architecture.md does not tell of room %s", room)
		}
	}
}
