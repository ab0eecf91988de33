// SPDX-License-Identifier: MIT OR Apache-2.0

package native

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestDocumentedLibraries: the table in docs/c-libraries.md is that of the code.
func TestDocumentedLibraries(t *testing.T) {
	var want strings.Builder
	for _, l := range libraries {
		r := l.releases[0]
		var names []string
		for _, m := range l.modules {
			names = append(names, "`"+m.name+"`")
		}
		fmt.Fprintf(&want, "| %s | %s | `%s` %s | %s | %s |\n", l.title, r.version, r.crate.Name, r.crate.Version, l.license, strings.Join(names, ", "))
	}
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "c-libraries.md"))
	if err != nil {
		t.Fatal(err)
	}
	const head = "| library | version | source crate | licence | pkg-config |\n| --- | --- | --- | --- | --- |\n"
	_, rest, ok := strings.Cut(string(text), head)
	if got, _, _ := strings.Cut(rest, "\n\n"); !ok || got+"\n" != want.String() {
		t.Errorf("docs/c-libraries.md has\n%s\nthe table in the code says\n%s", got, &want)
	}
}
