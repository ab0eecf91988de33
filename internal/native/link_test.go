// SPDX-License-Identifier: MIT OR Apache-2.0

package native

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sampan/internal/cargo"
)

var update = flag.Bool("update", false, "renew the golden files")

// TestTranslate reads testdata/link/*.txt: a name, the triple and cc's arguments, then what the linker gets.
//
//	# comment
//	== name
//	triple
//	> cc's arguments, as in a response file; several lines are one command
//	ld: …
func TestTranslate(t *testing.T) {
	files, err := filepath.Glob("testdata/link/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		got := translateCases(t, string(text))
		if *update {
			if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		diff(t, file, got, string(text))
	}
}

func translateCases(t *testing.T, text string) string {
	var out strings.Builder
	head, rest, _ := strings.Cut(text, "\n== ")
	out.WriteString(head)
	for block := range strings.SplitSeq(rest, "\n== ") {
		lines := strings.Split(strings.TrimSpace(block), "\n")
		out.WriteString("\n== " + lines[0] + "\n" + lines[1] + "\n")
		m, ok := machineOf(cargo.Triple(lines[1]))
		if !ok {
			t.Fatalf("%s: triple %q", lines[0], lines[1])
		}
		var args []string
		for _, l := range lines[2:] {
			if in, ok := strings.CutPrefix(l, "> "); ok {
				out.WriteString(l + "\n")
				args = append(args, splitResponse(in)...)
			}
		}
		r := parse(args)
		words := r.build(m, "/self")
		switch {
		case r.refused != "":
			out.WriteString("refused: " + r.refused + "\n")
		case r.query != "" && !r.links():
			out.WriteString("query: " + r.query + "\n")
		default:
			out.WriteString("ld: " + line(texts(words)) + "\n")
		}
	}
	return out.String()
}

func line(args []string) string {
	return strings.TrimSpace(strings.ReplaceAll(joinResponse(args), "\n", " "))
}

func diff(t *testing.T, file, got, want string) {
	t.Helper()
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range max(len(g), len(w)) {
		var a, b string
		if i < len(g) {
			a = g[i]
		}
		if i < len(w) {
			b = w[i]
		}
		if a != b {
			t.Errorf("%s:%d\n got %s\nwant %s", file, i+1, a, b)
		}
	}
}
