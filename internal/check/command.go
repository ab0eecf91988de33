// SPDX-License-Identifier: MIT OR Apache-2.0

package check

import (
	"fmt"
	"io/fs"
	"path"
	"strings"
)

var commandCheck = Check{
	ID:    "command",
	Doc:   "The entrypoint's program is in the image.",
	Level: Warn,
	Run:   checkCommand,
}

// checkCommand looks for absolute paths only: a bare name is looked up in a PATH that the engine decides about. It is a
// warning, since a volume may bring the file when the image runs.
func checkCommand(s Subject) []Finding {
	if len(s.Entrypoint) == 0 || !path.IsAbs(s.Entrypoint[0]) || s.holds(s.Entrypoint[0]) {
		return nil
	}
	file := printable(s.Entrypoint[0])
	return []Finding{{
		Message: fmt.Sprintf("the entrypoint %s is not in the image", file),
		Hint:    "name the program's own path with --entrypoint, or add the file: --file SRC:" + file,
	}}
}

// holds tells whether a file is at a path, or may be: what a link leads to is not followed.
func (s Subject) holds(file string) bool {
	if s.Base != nil {
		if n, ok := s.Base.Files.At(file); ok && !n.Mode.IsDir() {
			return true
		}
	}
	name := strings.TrimPrefix(path.Clean(file), "/")
	for _, t := range s.Trees {
		for _, e := range t {
			if e.Path == name && !e.Mode.IsDir() {
				return true
			}
			if e.Mode&fs.ModeSymlink != 0 && strings.HasPrefix(name, e.Path+"/") {
				return true
			}
		}
	}
	return false
}
