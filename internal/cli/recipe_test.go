// SPDX-License-Identifier: MIT OR Apache-2.0

package cli

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"

	"sampan/test/recipes"
)

// ciPage is absolute, since scripts have folders of their own.
var ciPage, errCIPage = filepath.Abs(filepath.Join("..", "..", "docs", "ci.md"))

// recipeCommand writes the shell lines of a recipe into recipe.sh: recipe HEADING.
func recipeCommand(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(errCIPage)
	all, err := recipes.Read(ciPage)
	ts.Check(err)
	title := strings.Join(args, " ")
	if all[title] == "" {
		ts.Fatalf("docs/ci.md has no recipe %q", title)
	}
	lines, err := recipes.Shell(all[title])
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs("recipe.sh"), []byte(strings.Join(lines, "\n")+"\n"), 0o644))
}
