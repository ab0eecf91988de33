// SPDX-License-Identifier: MIT OR Apache-2.0

package native

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"sampan/internal/cargo"
)

// pcVersion is the pkg-config whose ways we have, for those who ask.
const pcVersion = "0.29.2"

// pkgConfig is the driver "pkg-config": it answers from the sysroot of the compile, and knows nothing of this machine's
// libraries. Where to look comes in variables that name the triple; those that name none speak of the host.
func pkgConfig(_ context.Context, t cargo.Triple, _ machine, c Call) (int, error) {
	q := &pcQuery{dirs: pcDirs(t, c.Env), triple: t, known: map[string]*pcFile{}}
	if err := q.arguments(c.Args); err != nil {
		fmt.Fprintln(c.Stderr, err)
		return 1, nil
	}
	out, err := q.answer()
	if err != nil {
		to := c.Stderr
		if q.errorsToStdout {
			to = c.Stdout
		}
		if q.says() {
			fmt.Fprintln(to, err)
		}
		return 1, nil
	}
	_, err = io.WriteString(c.Stdout, out)
	return 0, err
}

// pcDirs are the folders with .pc files for a triple.
func pcDirs(t cargo.Triple, env []string) (out []string) {
	for _, key := range []string{"PKG_CONFIG_PATH", "PKG_CONFIG_LIBDIR"} {
		for _, name := range targetNames(key, t) {
			if v := lookupEnv(env, name); v != "" {
				out = append(out, filepath.SplitList(v)...)
				break
			}
		}
	}
	return out
}

// targetNames are the names of a variable for a triple, in the order in which crates ask for them.
func targetNames(key string, t cargo.Triple) []string {
	return []string{key + "_" + string(t), key + "_" + strings.ReplaceAll(string(t), "-", "_")}
}

// pcError is an error in pkg-config's own words, which scripts and people know.
type pcError string

func (e pcError) Error() string { return string(e) }

func pcSays(format string, args ...any) error { return pcError(fmt.Sprintf(format, args...)) }

// pcQuery is a command line of pkg-config.
type pcQuery struct {
	triple                                cargo.Triple
	dirs                                  []string
	known                                 map[string]*pcFile
	modules                               []pcNeed
	asked                                 []string // --cflags, --libs and the like, without dashes
	variable                              string
	version, list                         bool
	print, silence, short, errorsToStdout bool
	define                                [][2]string
	compare                               pcNeed // --atleast-version and its kin: no name
	tool                                  string // --atleast-pkgconfig-version
}

var pcAnswers = []string{"cflags", "cflags-only-I", "cflags-only-other", "libs", "libs-only-l", "libs-only-L", "libs-only-other",
	"modversion", "exists", "print-requires", "print-requires-private", "print-provides", "print-variables", "validate"}

// pcIgnored change nothing: everything here is static already, and no folder is a system's.
var pcIgnored = []string{"static", "shared", "pure", "keep-system-libs", "keep-system-cflags", "env-only", "define-prefix", "dont-define-prefix",
	"prefix-variable", "maximum-traverse-depth", "dont-relocate-paths", "debug", "log-file", "with-path", "msvc-syntax", "no-uninstalled", "no-cache", "personality"}

// pcValued take a value, after "=" or as the next word.
var pcValued = []string{"variable", "define-variable", "atleast-version", "exact-version", "max-version", "atleast-pkgconfig-version",
	"prefix-variable", "maximum-traverse-depth", "log-file", "with-path", "personality"}

func (q *pcQuery) arguments(args []string) error {
	var words []string
	for i := 0; i < len(args); i++ {
		name, isOption := strings.CutPrefix(args[i], "--")
		if !isOption || name == "" {
			words = append(words, strings.FieldsFunc(args[i], func(r rune) bool { return r == ' ' || r == ',' || r == '\t' || r == '\n' })...)
			continue
		}
		name, value, has := strings.Cut(name, "=")
		if !has && slices.Contains(pcValued, name) && i+1 < len(args) {
			i++
			value = args[i]
		}
		if err := q.option(name, value); err != nil {
			return err
		}
	}
	words = slices.DeleteFunc(words, func(w string) bool { return w == "--" })
	var err error
	q.modules, err = parseNeeds(words)
	return err
}

func (q *pcQuery) option(name, value string) error {
	switch name {
	case "version":
		q.version = true
	case "list-all":
		q.list = true
	case "print-errors":
		q.print = true
	case "silence-errors":
		q.silence = true
	case "short-errors":
		q.short = true
	case "errors-to-stdout":
		q.errorsToStdout = true
	case "variable":
		q.variable = value
	case "define-variable":
		k, v, _ := strings.Cut(value, "=")
		q.define = append(q.define, [2]string{k, v})
	case "atleast-version":
		q.compare = pcNeed{op: ">=", version: value}
	case "exact-version":
		q.compare = pcNeed{op: "=", version: value}
	case "max-version":
		q.compare = pcNeed{op: "<=", version: value}
	case "atleast-pkgconfig-version":
		q.tool = value
	default:
		switch {
		case slices.Contains(pcAnswers, name):
			q.asked = append(q.asked, name)
		case !slices.Contains(pcIgnored, name):
			return pcSays("Unknown option --%s", name)
		}
	}
	return nil
}

// says reports whether an error is told. A mere question whether something is there is answered by the exit code.
func (q *pcQuery) says() bool {
	silent := (slices.Contains(q.asked, "exists") || q.compare.op != "") && len(q.asked) <= 1
	return !q.silence && (q.print || q.short || !silent)
}

func (q *pcQuery) answer() (string, error) {
	switch {
	case q.version:
		return pcVersion + "\n", nil
	case q.tool != "":
		if compareVersions(pcVersion, q.tool) < 0 {
			return "", fmt.Errorf("this is pkg-config %s", pcVersion)
		}
		return "", nil
	case q.list:
		return q.all(), nil
	case len(q.modules) == 0:
		return "", pcSays("Must specify package names on the command line")
	}
	var order []*pcFile
	for _, m := range q.modules {
		if q.compare.op != "" {
			m.op, m.version = q.compare.op, q.compare.version
		}
		if err := q.collect(m, "", &order); err != nil {
			return "", err
		}
	}
	var out strings.Builder
	for _, m := range q.modules {
		q.single(q.known[m.name], &out)
	}
	if words := q.flags(order); len(words) > 0 {
		out.WriteString(strings.Join(words, " ") + "\n")
	} else if slices.ContainsFunc(q.asked, isFlags) {
		out.WriteString("\n")
	}
	return out.String(), nil
}

func isFlags(s string) bool { return strings.HasPrefix(s, "cflags") || strings.HasPrefix(s, "libs") }

// single answers what is asked of one module.
func (q *pcQuery) single(p *pcFile, out *strings.Builder) {
	if q.variable != "" {
		v := p.vars[q.variable]
		for _, d := range q.define {
			if d[0] == q.variable {
				v = d[1]
			}
		}
		fmt.Fprintln(out, v)
	}
	for _, a := range q.asked {
		switch a {
		case "modversion":
			fmt.Fprintln(out, p.version)
		case "print-provides":
			fmt.Fprintf(out, "%s = %s\n", p.id, p.version)
		case "print-requires":
			for _, n := range p.requires {
				fmt.Fprintln(out, n)
			}
		case "print-variables":
			for _, k := range sortedKeys(p.vars) {
				fmt.Fprintln(out, k)
			}
		}
	}
}

// collect puts a module and, behind it, what it requires into order; one that is required twice stands where it was
// last required, so that the linker sees it after all that call it.
func (q *pcQuery) collect(n pcNeed, by string, order *[]*pcFile) error {
	p, err := q.load(n.name, by)
	if err != nil {
		return err
	}
	if !n.holds(p.version) {
		return pcSays("Requested '%s' but version of %s is %s", n, p.name, p.version)
	}
	if len(*order) > 1000 {
		return fmt.Errorf("%s requires itself", n.name)
	}
	*order = append(*order, p)
	for _, r := range p.requires {
		if err := q.collect(r, n.name, order); err != nil {
			return err
		}
	}
	return nil
}

func (q *pcQuery) load(name, by string) (*pcFile, error) {
	if p := q.known[name]; p != nil {
		return p, nil
	}
	for _, dir := range q.dirs {
		abs, err := filepath.Abs(dir)
		if err != nil || strings.ContainsAny(name, `/\`) {
			continue
		}
		text, err := os.ReadFile(filepath.Join(abs, name+".pc"))
		if err != nil {
			continue
		}
		p := parsePC(name, abs, string(text))
		q.known[name] = p
		return p, nil
	}
	return nil, q.unknown(name, by)
}

// unknown says it as pkg-config does, since build scripts and people know those words, and adds where it was looked for.
func (q *pcQuery) unknown(name, by string) error {
	tail := fmt.Sprintf("No package '%s' found", name)
	if by != "" {
		tail = fmt.Sprintf("Package '%s', required by '%s', not found", name, by)
	}
	if q.short {
		return fmt.Errorf("%s", tail)
	}
	return pcSays("Package %s was not found in the pkg-config search path.\n"+
		"Perhaps you should add the directory containing `%s.pc'\nto the PKG_CONFIG_PATH environment variable\n%s\n"+
		"sampan: this is the pkg-config for %s; it knows the libraries that sampan supplies, none of this machine", name, name, tail, q.triple)
}

func (q *pcQuery) all() string {
	lines := map[string]string{}
	for _, dir := range slices.Backward(q.dirs) {
		files, err := filepath.Glob(filepath.Join(globEscape(dir), "*.pc"))
		if err != nil {
			continue
		}
		for _, f := range files {
			id := strings.TrimSuffix(filepath.Base(f), ".pc")
			if p, err := q.load(id, ""); err == nil {
				lines[id] = fmt.Sprintf("%-30s %s - %s\n", id, p.name, p.about)
			}
		}
	}
	var out strings.Builder
	for _, k := range sortedKeys(lines) {
		out.WriteString(lines[k])
	}
	return out.String()
}

func sortedKeys(m map[string]string) []string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

// flags are the words for compiler and linker. Of folders that come twice the first counts, of libraries the last.
func (q *pcQuery) flags(order []*pcFile) []string {
	var cflags, paths, libs []string
	for _, p := range order {
		for _, w := range p.cflags {
			if !slices.Contains(cflags, w) {
				cflags = append(cflags, w)
			}
		}
		for _, w := range p.libs {
			if strings.HasPrefix(w, "-L") {
				if !slices.Contains(paths, w) {
					paths = append(paths, w)
				}
				continue
			}
			libs = append(slices.DeleteFunc(libs, func(l string) bool { return l == w && strings.HasPrefix(w, "-l") }), w)
		}
	}
	var out []string
	for _, a := range q.asked {
		switch a {
		case "cflags":
			out = append(out, cflags...)
		case "cflags-only-I":
			out = append(out, only(cflags, "-I", true)...)
		case "cflags-only-other":
			out = append(out, only(cflags, "-I", false)...)
		case "libs":
			out = append(append(out, paths...), libs...)
		case "libs-only-L":
			out = append(out, paths...)
		case "libs-only-l":
			out = append(out, only(libs, "-l", true)...)
		case "libs-only-other":
			out = append(out, only(libs, "-l", false)...)
		}
	}
	for i, w := range out {
		out[i] = escapeWord(w)
	}
	return out
}

func only(words []string, prefix string, with bool) (out []string) {
	for _, w := range words {
		if strings.HasPrefix(w, prefix) == with {
			out = append(out, w)
		}
	}
	return out
}

// escapeWord puts a backslash before what a shell would take for its own.
func escapeWord(w string) string {
	var b strings.Builder
	for _, r := range w {
		if strings.ContainsRune(" \t\n'\"\\$`()&;|<>*?[]#", r) {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}
