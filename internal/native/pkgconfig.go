// SPDX-License-Identifier: MIT OR Apache-2.0

package native

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// pcFile is what a .pc file says, with its variables put in.
type pcFile struct {
	id       string // by what name it is asked for
	name     string // for people
	about    string
	version  string
	libs     []string
	cflags   []string
	requires []pcNeed
	vars     map[string]string
}

// pcNeed is a module, and which versions of it will do.
type pcNeed struct{ name, op, version string }

func (n pcNeed) String() string {
	return strings.TrimSpace(n.name + " " + n.op + " " + n.version)
}

// pcFiles writes the .pc files of a library. Their prefix is wherever they lie.
func (e *entry) pkgConfigFiles(out string, cc CC) error {
	dir := filepath.Join(out, "lib", "pkgconfig")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, m := range e.library.modules {
		var b strings.Builder
		fmt.Fprintf(&b, "prefix=${pcfiledir}/../..\nincludedir=${prefix}/include\nlibdir=${prefix}/lib\n\n")
		fmt.Fprintf(&b, "Name: %s\nDescription: %s\nVersion: %s\n", m.name, m.about, e.release.version)
		if len(m.requires) > 0 {
			fmt.Fprintf(&b, "Requires: %s\n", strings.Join(m.requires, " "))
		}
		if len(m.libs) > 0 {
			fmt.Fprintf(&b, "Libs: -L${libdir} -l%s\n", strings.Join(m.libs, " -l"))
		}
		if m.cxx {
			if len(cc.Stdlib) == 0 {
				cc.Stdlib = []string{"c++"} // which the link driver knows
			}
			dir := ""
			if cc.StdlibDir != "" {
				dir = `-L"` + cc.StdlibDir + `" `
			}
			fmt.Fprintf(&b, "Libs.private: %s-l%s\n", dir, strings.Join(cc.Stdlib, " -l"))
		}
		if m.include != "" {
			fmt.Fprintf(&b, "Cflags: -I${includedir}/%s\n", m.include)
		}
		fmt.Fprintf(&b, "Cflags.private: -I${includedir}\n")
		if err := os.WriteFile(filepath.Join(dir, m.name+".pc"), []byte(b.String()), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// parsePC reads a .pc file that lies in dir. What it gives as its prefix does not count when the file lies in
// lib/pkgconfig or share/pkgconfig: the folder may have been moved, or be another system's root.
func parsePC(id, dir, text string) *pcFile {
	p := &pcFile{id: id, vars: map[string]string{"pcfiledir": dir, "pc_sysrootdir": "/"}}
	text = strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\\\n", " ")
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(cutComment(line))
		i := strings.IndexAny(line, "=:")
		if i < 0 {
			continue
		}
		key, value := strings.TrimSpace(line[:i]), strings.TrimSpace(line[i+1:])
		if line[i] == '=' {
			p.vars[key] = p.expand(value)
			if key == "prefix" && filepath.Base(dir) == "pkgconfig" {
				p.vars[key] = filepath.Dir(filepath.Dir(dir))
			}
			continue
		}
		p.field(strings.ToLower(key), value)
	}
	return p
}

// field takes a line "Key: value". A static program needs the private parts too, and there are no others here.
func (p *pcFile) field(key, value string) {
	switch key {
	case "name":
		p.name = p.expand(value)
	case "description":
		p.about = p.expand(value)
	case "version":
		p.version = p.expand(value)
	case "libs", "libs.private":
		p.libs = append(p.libs, p.words(value)...)
	case "cflags", "cflags.private":
		p.cflags = append(p.cflags, p.words(value)...)
	case "requires", "requires.private":
		needs, _ := parseNeeds(strings.FieldsFunc(p.expand(value), func(r rune) bool { return r == ' ' || r == '\t' || r == ',' }))
		p.requires = append(p.requires, needs...)
	}
}

func cutComment(line string) string {
	if i := strings.IndexByte(line, '#'); i == 0 || i > 0 && strings.ContainsRune(" \t", rune(line[i-1])) {
		return line[:i]
	}
	return line
}

// words splits a value before its variables are put in, so that a folder's name with a space stays one word.
func (p *pcFile) words(value string) []string {
	var out []string
	for _, w := range shellSplit(value) {
		out = append(out, p.expand(w))
	}
	return out
}

// shellSplit splits at spaces that are neither quoted nor escaped.
func shellSplit(s string) (out []string) {
	var word strings.Builder
	var quote rune
	open, escaped := false, false
	for _, r := range s {
		switch {
		case escaped:
			word.WriteRune(r)
			escaped = false
		case r == '\\' && quote != '\'':
			escaped, open = true, true
		case quote != 0:
			if r == quote {
				quote = 0
			} else {
				word.WriteRune(r)
			}
		case r == '"' || r == '\'':
			quote, open = r, true
		case r == ' ' || r == '\t':
			if open || word.Len() > 0 {
				out = append(out, word.String())
			}
			word.Reset()
			open = false
		default:
			word.WriteRune(r)
		}
	}
	if open || word.Len() > 0 {
		out = append(out, word.String())
	}
	return out
}

// expand puts in ${variables}; "$$" is a dollar.
func (p *pcFile) expand(s string) string {
	var b strings.Builder
	for s != "" {
		i := strings.IndexByte(s, '$')
		if i < 0 || i+1 == len(s) {
			b.WriteString(s)
			break
		}
		b.WriteString(s[:i])
		end := strings.IndexByte(s[i:], '}')
		switch {
		case s[i+1] == '$':
			b.WriteByte('$')
			s = s[i+2:]
		case s[i+1] == '{' && end > 0:
			b.WriteString(p.vars[s[i+2:i+end]])
			s = s[i+end+1:]
		default:
			b.WriteByte('$')
			s = s[i+1:]
		}
	}
	return b.String()
}

// parseNeeds reads "libfoo >= 1.2 bar", in words as they come: the operator may stand by itself or at either side.
func parseNeeds(words []string) ([]pcNeed, error) {
	const signs = "<>=!"
	var tokens []string
	for _, w := range words {
		for w != "" {
			i := strings.IndexAny(w, signs)
			if i < 0 {
				tokens = append(tokens, w)
				break
			}
			if i > 0 {
				tokens = append(tokens, w[:i])
			}
			j := i
			for j < len(w) && strings.IndexByte(signs, w[j]) >= 0 {
				j++
			}
			tokens, w = append(tokens, w[i:j]), w[j:]
		}
	}
	var out []pcNeed
	for i := 0; i < len(tokens); i++ {
		t := tokens[i]
		if strings.IndexByte(signs, t[0]) < 0 {
			out = append(out, pcNeed{name: t})
			continue
		}
		if len(out) == 0 || i+1 == len(tokens) || !slices.Contains([]string{"=", "!=", "<", "<=", ">", ">="}, t) {
			return nil, fmt.Errorf("comparison %q is not understood", t)
		}
		i++
		out[len(out)-1].op, out[len(out)-1].version = t, tokens[i]
	}
	return out, nil
}

// holds reports whether a version will do.
func (n pcNeed) holds(version string) bool {
	c := compareVersions(version, n.version)
	switch n.op {
	case "=":
		return c == 0
	case "!=":
		return c != 0
	case "<":
		return c < 0
	case "<=":
		return c <= 0
	case ">":
		return c > 0
	case ">=":
		return c >= 0
	}
	return true
}

// compareVersions compares as pkg-config does: runs of digits by value, runs of letters by their order, digits after
// letters; what parts them does not count.
func compareVersions(a, b string) int {
	x, y := versionRuns(a), versionRuns(b)
	for i := range min(len(x), len(y)) {
		digits := func(s string) bool { return s[0] >= '0' && s[0] <= '9' }
		p, q := x[i], y[i]
		switch {
		case digits(p) != digits(q):
			if digits(p) {
				return 1
			}
			return -1
		case digits(p):
			p, q = strings.TrimLeft(p, "0"), strings.TrimLeft(q, "0")
			if c := cmp.Compare(len(p), len(q)); c != 0 {
				return c
			}
		}
		if c := strings.Compare(p, q); c != 0 {
			return c
		}
	}
	return cmp.Compare(len(x), len(y))
}

func versionRuns(s string) (out []string) {
	kind := func(b byte) int {
		switch {
		case b >= '0' && b <= '9':
			return 1
		case b >= 'a' && b <= 'z', b >= 'A' && b <= 'Z':
			return 2
		}
		return 0
	}
	for i := 0; i < len(s); {
		j := i
		for j < len(s) && kind(s[j]) == kind(s[i]) {
			j++
		}
		if kind(s[i]) != 0 {
			out = append(out, s[i:j])
		}
		i = j
	}
	return out
}
