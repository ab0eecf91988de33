// SPDX-License-Identifier: MIT OR Apache-2.0

package kube

import (
	"bytes"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
)

var update = flag.Bool("update", false, "renew the golden files")

const digest = "registry.example/team/app@sha256:0123"

// TestWith: nothing changes but the references.
func TestWith(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		refs int
	}{
		"a deployment with odd spaces and comments": {"# top\napiVersion:   apps/v1   # kept\nspec:\n    containers:\n    -   name: a\n        image:    sampan://./api     # the api\n" +
			"    -   {name: b,   image: 'sampan://worker#main'  , args: [ \"--sidecar=sampan://side\",x ]}\n", 3},
		"documents":                         {"image: sampan://a\n---\n# second\nimage: \"sampan://b\"\n...\n%YAML 1.1\n---\nimage: sampan://a\n--- # third\n- sampan://c", 4},
		"crlf and a byte order mark":        {"\ufeffa: 1\r\nimage: sampan://a\r\nb:\r\n- sampan://b\r\n", 2},
		"wide characters":                   {"\"ключ\": {имя: 'я', image: sampan://a, 日本: sampan://b}\n", 2},
		"block scalars":                     {"a: | # sampan://not-this\n  sampan://a\nb: >-\n\n  sampan://b\n\nc: 1\n", 2},
		"anchors and aliases":               {"a: &image sampan://a\nb: *image\nc: &x !!str 'sampan://c'\nd: !!str sampan://d\n", 3},
		"json":                              {`{"kind":"List","items":[{"image":"sampan://a"},{"image":"sampan://a"}]}`, 2},
		"keys, comments and prose stay":     {"sampan://key: 1 # sampan://comment\ntext: see sampan://a for more\nother: xsampan://b\nempty:\n", 0},
		"line separators of YAML 1.1":       {"a: 'x'\u2028b: 1\n", -1},
		"a comment and nothing else":        {"# nothing\n", 0},
		"nothing":                           {"", 0},
		"a value on the line below its key": {"image:\n  sampan://a\nargs:\n  - >\n    sampan://b\n", 2},
	} {
		f, err := Parse("x.yaml", []byte(c.text))
		if c.refs < 0 {
			continue // whether it parses is the parser's business; that it does not end us is ours
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		n := 0
		for _, d := range f.Documents {
			n += len(d.Refs)
		}
		if n != c.refs {
			t.Errorf("%s: %d references, want %d", name, n, c.refs)
		}
		if got := f.With(func(r Ref) string { return r.Word }); string(got) != c.text {
			t.Errorf("%s: changed:\n%q\n%q", name, got, c.text)
		}
		got := string(f.With(func(Ref) string { return digest }))
		back := strings.ReplaceAll(got, digest, "\x00")
		want := c.text
		for _, d := range f.Documents {
			for _, r := range d.Refs {
				// Every reference of the text is replaced where it stands and nowhere else.
				before, after, _ := strings.Cut(back, "\x00")
				if !strings.HasPrefix(want, before) || !strings.HasPrefix(want[len(before):], r.Word) {
					t.Fatalf("%s: %s is not replaced in its place:\n%s", name, r.Word, got)
				}
				want, back = want[len(before)+len(r.Word):], after
			}
		}
		if back != want {
			t.Errorf("%s: the rest changed: %q, want %q", name, back, want)
		}
	}
}

// TestLines: references know their line; so do errors, in every document.
func TestLines(t *testing.T) {
	f, err := Parse("x.yaml", []byte("# one\na: 1\n---\nb: 2\nimage: sampan://a\nc: |\n\n  sampan://b\n"))
	if err != nil {
		t.Fatal(err)
	}
	var lines []int
	for _, d := range f.Documents {
		for _, r := range d.Refs {
			lines = append(lines, r.Line)
		}
	}
	if !reflect.DeepEqual(lines, []int{5, 8}) {
		t.Errorf("lines %v, want 5 and 8", lines)
	}
	for text, want := range map[string]string{
		"a: 1\n---\nb: 2\nc: [1, 2\nd: 3\n": "x.yaml:4: did not find expected ',' or ']'",
		"a: 1\n---\nb:\n\t- x\n":            "x.yaml:4: found character that cannot start any token",
		"a: x\nb: }\n":                      "x.yaml:2: did not find expected node content",
		"a: 1\n  b: 2\n":                    "x.yaml:2: mapping values are not allowed in this context",
		"image: \"sampan:\\x2f/a\"\n":       "x.yaml:1: the reference sampan://a is not written plainly",
		"a: 1\n---\nx: \xff\n":              "it is not UTF-8",
	} {
		_, err := Parse("x.yaml", []byte(text))
		var e *Error
		if !errors.As(err, &e) || !strings.Contains(err.Error(), want) || e.Hint() == "" {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
	_, err = Parse("x.yaml", []byte("a: {{ .x }}\nb: }\n"))
	if e, ok := errors.AsType[*Error](err); !ok || !strings.Contains(e.Hint(), "helm template") {
		t.Errorf("a template: %v", err)
	}
}

// TestTarget: the grammar of references.
func TestTarget(t *testing.T) {
	for word, want := range map[string]Target{
		"sampan://api":                {Source: "api"},
		"sampan://./services/api#bin": {Source: "./services/api", Bin: "bin"},
		"sampan://.":                  {Source: "."},
		"sampan://crate:just@1.2.3":   {Crate: "just@1.2.3"},
		"sampan://crate:just#just":    {Crate: "just", Bin: "just"},
	} {
		if got, err := (Ref{Word: word}).Target(); err != nil || got != want {
			t.Errorf("%s: %+v, %v", word, got, err)
		}
	}
	for _, word := range []string{"sampan://", "sampan://#a", "sampan://a#", "sampan://crate:", "sampan://a#b#c", `sampan://a\b`} {
		if got, err := (Ref{Word: word}).Target(); err == nil {
			t.Errorf("%s: %+v", word, got)
		}
	}
	for path, want := range map[string]bool{".": true, "../x": true, "a/b": true, "a": false} {
		if (Target{Source: path}).Path() != want {
			t.Errorf("Path of %s", path)
		}
	}
}

// TestSelect: kubectl's words for labels.
func TestSelect(t *testing.T) {
	const text = "metadata: {labels: {app: web, tier: front}}\n---\nmetadata:\n  labels:\n    app: db\n---\nkind: Namespace\n"
	for word, want := range map[string]string{
		"":                   "web db none",
		"app=web":            "web",
		"app==db":            "db",
		"app!=web":           "db none",
		"app":                "web db",
		"!app":               "none",
		"app=web,tier=back":  "",
		"app=web,tier=front": "web",
	} {
		s, err := ParseSelector(word)
		if err != nil {
			t.Fatal(err)
		}
		f, err := Parse("x.yaml", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		f.Select(s)
		var got []string
		for _, d := range f.Documents {
			name := d.Labels["app"]
			if name == "" {
				name = "none"
			}
			got = append(got, name)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%q: %v, want %s", word, got, want)
		}
	}
	for _, word := range []string{"app in (a,b)", "=x", "a=b,"} {
		if s, err := ParseSelector(word); err == nil {
			t.Errorf("%q: %+v", word, s)
		}
	}
}

// TestJoin: one stream of documents out of several files.
func TestJoin(t *testing.T) {
	got := string(Join([][]byte{[]byte("a: 1"), []byte("---\nb: 2\n"), []byte(" \n"), []byte("c: 3\n")}))
	if want := "a: 1\n---\nb: 2\n---\nc: 3\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestFirst: the golden files, which test/kube reads with Kubernetes' own types.
func TestFirst(t *testing.T) {
	for name, apps := range map[string][]App{
		"plain":  {{Name: "hello", Image: "sampan://hello"}},
		"server": {{Name: "team/Web_API", Image: "sampan://api#server", Ports: []string{"8080/tcp", "53/udp"}, Volumes: []string{"/data", "/var/a b"}, Root: true, Init: true}},
		"low-port": {{Name: "dns", Image: "sampan://dns", Ports: []string{"53/udp"}, Init: true, Capabilities: []string{"net_bind_service"},
			Health: &Probe{Command: []string{"/dns", "--check", "a \"b\"\n\u2028"}, Interval: 30, Timeout: 5, StartPeriod: 10, Retries: 3}}},
		"two": {{Name: "api", Image: "sampan://svc#api", Ports: []string{"80"}}, {Name: "7zip-" + strings.Repeat("x", 60), Image: "sampan://svc#worker"}},
	} {
		path := filepath.Join("testdata", name+".yaml")
		got := First(apps)
		if *update {
			if err := os.WriteFile(path, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(string(want), string(got)); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
		f, err := Parse(path, got)
		if err != nil || len(f.Documents) < len(apps) {
			t.Errorf("%s: %d documents, %v", name, len(f.Documents), err)
		}
	}
}

// TestFirstCapabilities: capabilities of files count only where new privileges may be had; the Deployment says so.
func TestFirstCapabilities(t *testing.T) {
	got := string(First([]App{{Name: "a", Image: "sampan://a", Capabilities: []string{"net_bind_service", "net_raw"}}}))
	for _, want := range []string{"allowPrivilegeEscalation: true # else", "              add:\n                - NET_BIND_SERVICE\n                - NET_RAW\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	if strings.Contains(got, "sysctls") {
		t.Errorf("low ports alone are not what it asks for:\n%s", got)
	}
}

// FuzzParse: whatever the text, what is replaced is a value that was a reference, and no other value changes.
func FuzzParse(f *testing.F) {
	f.Add([]byte("a: sampan://b\n---\n- 'sampan://c'\n"))
	f.Add([]byte("a: | #x\n  sampan://b\n? sampan://k\n: &a !t \"sampan://v\"\n"))
	f.Add([]byte("\ufeff%YAML 1.1\n---\r\n{a: sampan://я, b: [x=sampan://y]}\u2028"))
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := Parse("x", data)
		if err != nil {
			return
		}
		if same := file.With(func(r Ref) string { return r.Word }); !bytes.Equal(same, data) {
			t.Fatalf("changed without a change: %q, want %q", same, data)
		}
		for _, d := range file.Documents {
			one := File{Documents: []Document{d}}
			before, after := values(d.Text), values(one.With(func(Ref) string { return "new:image" }))
			if len(before) != len(after) {
				t.Fatalf("%d values, then %d: %q", len(before), len(after), d.Text)
			}
			for i, v := range before {
				if w := wordIn(v); w != "" {
					v = strings.Replace(v, w, "new:image", 1)
				}
				if v != after[i] {
					t.Fatalf("%q became %q, want %q, in %q", before[i], after[i], v, d.Text)
				}
			}
		}
	})
}

// values are all values of a text, keys left out.
func values(text []byte) (out []string) {
	var walk func(n *yaml.Node)
	walk = func(n *yaml.Node) {
		if n.Kind == yaml.ScalarNode {
			out = append(out, n.Value)
		}
		for i, c := range n.Content {
			if n.Kind != yaml.MappingNode || i%2 == 1 {
				walk(c)
			}
		}
	}
	r := yaml.NewDecoder(bytes.NewReader(text))
	for {
		var n yaml.Node
		if err := r.Decode(&n); err != nil {
			if !errors.Is(err, io.EOF) {
				out = append(out, err.Error())
			}
			return out
		}
		walk(&n)
	}
}
