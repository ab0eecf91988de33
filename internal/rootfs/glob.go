// SPDX-License-Identifier: MIT OR Apache-2.0

package rootfs

import (
	"errors"
	"io/fs"
	"os"
	"sort"
	"strings"

	"github.com/bmatcuk/doublestar/v4"
)

// maxAlternatives bounds what braces may multiply to: `{a,b}{a,b}…` doubles with each pair.
const maxAlternatives = 256

// alternatives writes a glob with braces as several without, in order of appearance. Commas, braces and slashes in a
// character class stand for themselves. The glob is sound (doublestar.ValidatePattern).
func alternatives(glob string) ([]string, error) {
	done, todo := []string(nil), []string{glob}
	for len(todo) > 0 {
		g := todo[0]
		todo = todo[1:]
		open, parts, after := braces(g)
		if open < 0 {
			done = append(done, g)
		}
		var next []string
		for _, part := range parts {
			next = append(next, g[:open]+part+g[after:])
		}
		todo = append(next, todo...)
		if len(done)+len(todo) > maxAlternatives {
			return nil, errors.New("has braces for more than 256 paths")
		}
	}
	return done, nil
}

// braces finds the first {…} of a glob: where it opens (-1: nowhere), its parts, and what comes after.
func braces(g string) (open int, parts []string, after int) {
	open = -1
	depth, start := 0, 0
	for i := 0; i < len(g); i++ {
		switch c := g[i]; {
		case c == '\\':
			i++
		case c == '[':
			i = classEnd(g, i)
		case c == '{':
			if depth++; depth == 1 {
				open, start = i, i+1
			}
		case c == ',' && depth == 1:
			parts = append(parts, g[start:i])
			start = i + 1
		case c == '}' && depth > 0:
			if depth--; depth == 0 {
				return open, append(parts, g[start:i]), i + 1
			}
		}
	}
	return -1, nil, len(g)
}

// classEnd gives the index of the ] that ends the class opening at i, i itself when none does.
func classEnd(g string, i int) int {
	for j := i + 1; j < len(g); j++ {
		switch {
		case g[j] == '\\':
			j++
		case g[j] == ']':
			return j
		}
	}
	return i
}

// hasWildcard says whether a glob has a character with a meaning of its own.
func hasWildcard(g string) bool {
	for i := 0; i < len(g); i++ {
		switch g[i] {
		case '\\':
			i++
		case '*', '?', '[', '{':
			return true
		}
	}
	return false
}

// unescape takes out the backslashes of a glob without wildcards.
func unescape(g string) string {
	var b strings.Builder
	for i := 0; i < len(g); i++ {
		if g[i] == '\\' && i+1 < len(g) {
			i++
		}
		b.WriteByte(g[i])
	}
	return b.String()
}

// cleanGlob takes empty and "." names out of a glob without braces; "." for nothing left, "" when there is a "..".
func cleanGlob(g string) string {
	var names []string
	for name := range strings.SplitSeq(g, "/") {
		switch unescape(name) {
		case "", ".":
		case "..":
			return ""
		default:
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return "."
	}
	return strings.Join(names, "/")
}

// found is one match of a glob.
type found struct {
	path   string
	follow bool // a link here is to be followed
}

// match gives what a row's source finds below root, parents before what is in them, each once.
func (s *spec) match(root *os.Root) ([]found, error) {
	if s.globs == nil {
		return []found{{s.base, true}}, nil
	}
	var out []found
	for _, g := range s.globs {
		dirs := s.dirsOnly
		for { // a folder brings all that is in it, so `x/**` is the folder x
			short, cut := strings.CutSuffix(g, "/**")
			if g == "**" {
				short, cut = ".", true
			}
			if !cut {
				break
			}
			g, dirs = short, true
		}
		if !hasWildcard(g) {
			out = append(out, s.literal(root, unescape(g), dirs)...)
			continue
		}
		err := doublestar.GlobWalk(rootFS{root}, g, func(p string, d fs.DirEntry) error {
			if !dirs || d.IsDir() {
				out = append(out, found{p, false})
			}
			return nil
		}, doublestar.WithFailOnIOErrors(), doublestar.WithNoFollow())
		if err != nil {
			return nil, err
		}
	}
	return distinct(out), nil
}

// literal gives a path that a glob's braces or `/**` left without wildcards, when there is something.
func (s *spec) literal(root *os.Root, p string, dirs bool) []found {
	stat := root.Lstat
	if dirs {
		stat = root.Stat
	}
	if info, err := stat(p); err != nil || dirs && !info.IsDir() {
		return nil
	}
	return []found{{p, dirs}}
}

// distinct sorts matches and leaves out what lies in a folder that is itself a match or comes twice. What is no folder
// has nothing below it, so types need not be known.
func distinct(all []found) []found {
	sort.Slice(all, func(i, j int) bool { return all[i].path < all[j].path })
	seen := make(map[string]bool, len(all))
	out := all[:0]
next:
	for _, f := range all {
		if seen[f.path] || seen["."] {
			continue
		}
		for p := range parents(f.path) {
			if seen[p] {
				continue next
			}
		}
		seen[f.path] = true
		out = append(out, f)
	}
	return out
}

// rootFS is a root as doublestar wants it. Stat does not follow links, so that `*/x` and `**` stay out of them; and names
// that are not UTF-8, which os.Root.FS would hide, come through and can be refused.
type rootFS struct{ root *os.Root }

func (r rootFS) Open(name string) (fs.File, error) { return r.root.Open(name) }

func (r rootFS) Stat(name string) (fs.FileInfo, error) { return r.root.Lstat(name) }

func (r rootFS) ReadDir(name string) ([]fs.DirEntry, error) { return readDir(r.root, name) }

// readDir lists a folder in order of names.
func readDir(root *os.Root, name string) ([]fs.DirEntry, error) {
	d, err := root.OpenFile(name, os.O_RDONLY|openFlags, 0)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	list, err := d.ReadDir(-1)
	sort.Slice(list, func(i, j int) bool { return list[i].Name() < list[j].Name() })
	return list, err
}
