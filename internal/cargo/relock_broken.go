// SPDX-License-Identifier: MIT OR Apache-2.0

package cargo

import (
	"context"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"sampan/internal/run"

	"github.com/pelletier/go-toml/v2"
)

// Why a dependency does not compile.
const (
	RefusesRust = "refuses this Rust"  // it is too old for the compiler
	NeedsRust   = "needs a newer Rust" // it is too new for the compiler
	NotCompiled = "does not compile"   // for another reason, or one that nobody knows
)

// BrokenError says which dependency from a registry keeps a package from being compiled.
type BrokenError struct {
	Name      string
	Version   string
	Chain     []string // who pulls it in, the package first; nil when there is no graph
	Why       string   // one of the constants above
	Rust      string   // the release at hand, "1.95.0"
	NeedsRust string   // the release that it needs, with NeedsRust, "" when not known
	Works     string   // the first version of it that is known to compile, "" when not known
	Newest    string   // the newest version that may take its place, "" when it is that already or nobody knows
	Published bool     // the package is a published crate: its lock file cannot be changed in place
}

func (e *BrokenError) Error() string {
	s := fmt.Sprintf("compile %s %s: it %s", e.Name, e.Version, e.Why)
	if e.Why != NotCompiled && e.Rust != "" {
		s += " (" + e.Rust + ")"
	}
	if e.NeedsRust != "" {
		s += ": " + e.NeedsRust + " or later"
	}
	if len(e.Chain) > 1 {
		s += "; pulled in by " + strings.Join(e.Chain, " → ")
	}
	switch newest := e.Newest != "" && e.Why != NeedsRust; {
	case e.Works != "" && newest && e.Newest != e.Works:
		s += fmt.Sprintf("; %s and later work, the newest is %s", e.Works, e.Newest)
	case e.Works != "":
		s += "; " + e.Works + " and later work"
	case newest:
		s += "; the newest is " + e.Newest
	}
	return s
}

// Hint is what to type.
func (e *BrokenError) Hint() string {
	all := "resolve everything afresh, in a copy: --ignore-lock"
	switch {
	case e.Why == NeedsRust:
		return "rustup update, or " + all
	case e.Published:
		return all
	case e.Newest == "" && e.Works == "":
		return "see what cargo says above; it may be that " + e.Name + " is not made for this target"
	}
	return fmt.Sprintf("cargo update -p %s@%s, or %s", e.Name, e.Version, all)
}

// repaired are the crates of which it is known which release first compiled again, after a new Rust refused those
// before: the crate, what rustc says of the old ones, the release.
var repaired = []struct{ name, said, works string }{
	{"time", "type annotations needed for `Box<", "0.3.35"},                          // Rust 1.80
	{"lexical-core", "multiple applicable items in scope", "0.7.5"},                  // Rust 1.53
	{"rustc-serialize", "the parameter type `T` may not live long enough", "0.3.25"}, // Rust 1.78
	{"socket2", "cannot transmute between types of different sizes", "0.3.16"},       // Rust 1.64
	{"net2", "cannot transmute between types of different sizes", "0.2.36"},          // Rust 1.64
}

// Broken finds in what cargo and rustc said of a failed compile the dependency that failed, nil when it was none from
// a registry: then the user's own code is at fault, or something else. g may be nil. Nothing is asked; see Renew.
func Broken(stderr string, ws *Workspace, g *Graph) *BrokenError {
	e := &BrokenError{Rust: ws.Toolchain.Release, Published: ws.Published(), Why: NotCompiled}
	if m := find("(?m)^\\s*([A-Za-z0-9_-]+)@(\\S+) requires rustc ([0-9.]+)", stderr); m != nil {
		// Cargo itself compares package.rust-version, and says so before anything is compiled.
		e.Name, e.Version, e.Why, e.NeedsRust = m[1], m[2], NeedsRust, m[3]
		e.place(g)
		return e
	}
	m := find("(?m)^error: could not compile `([^`]+)`", stderr)
	if m == nil {
		return nil
	}
	e.Name = m[1]
	if g == nil {
		if e.Version = compiledVersion(stderr, e.Name); e.Version == "" {
			return nil
		}
		e.reason(stderr, nil)
		return e
	}
	if e.Version = compiledVersion(stderr, e.Name); len(g.Find(e.Name)) > 1 && e.repaired(stderr) == "" {
		e.Version = e.worst(stderr, g)
	}
	node := e.place(g)
	if node == nil || !strings.HasPrefix(node.Source, "registry+") && !strings.HasPrefix(node.Source, "sparse+") {
		return nil
	}
	e.reason(stderr, node)
	return e
}

// worst is the version, of several in the graph, that is known to fail in this way; else the one there was.
func (e *BrokenError) worst(stderr string, g *Graph) string {
	for _, n := range g.Find(e.Name) {
		if other := (&BrokenError{Name: e.Name, Version: g.Nodes[n].Version}); other.repaired(stderr) != "" {
			return other.Version
		}
	}
	return e.Version
}

// place finds the crate in the graph. Of several versions the one that is known counts, else the oldest.
func (e *BrokenError) place(g *Graph) *Node {
	if g == nil {
		return nil
	}
	nodes := g.Find(e.Name) // oldest first
	if i := slices.IndexFunc(nodes, func(n int) bool { return g.Nodes[n].Version == e.Version }); i > 0 {
		nodes = nodes[i:]
	}
	if len(nodes) == 0 {
		return nil
	}
	e.Version, e.Chain = g.Nodes[nodes[0]].Version, g.Chain(nodes[0])
	return &g.Nodes[nodes[0]]
}

// compiledVersion reads a crate's version from cargo's line that says that it begins.
func compiledVersion(stderr, name string) string {
	m := find("(?m)^\\s*Compiling "+regexp.QuoteMeta(name)+" v(\\S+)(?: \\(.*\\))?$", stderr)
	if m == nil || strings.HasSuffix(strings.TrimSpace(m[0]), ")") {
		return "" // what stands in parentheses is a folder or a repository: it is not from a registry
	}
	return m[1]
}

// reason says why it failed, as far as that is known.
func (e *BrokenError) reason(stderr string, node *Node) {
	if m := find("older versions of the `[^`]+` crate are incompatible with current versions of Rust; please update to `[^`]+` v([0-9.]+)", stderr); m != nil {
		e.Why, e.Works = RefusesRust, m[1]
		return
	}
	if works := e.repaired(stderr); works != "" {
		e.Why, e.Works = RefusesRust, works
		return
	}
	if node == nil {
		return
	}
	if needs := rustVersion(node.Manifest); needs != "" && e.Rust != "" && compareVersions(needs, e.Rust) > 0 {
		e.Why, e.NeedsRust = NeedsRust, needs
	}
}

// repaired is the release that compiles again, when the crate is known to fail in this way; "" otherwise.
func (e *BrokenError) repaired(stderr string) string {
	for _, r := range repaired {
		if r.name == e.Name && e.Version != "" && strings.Contains(stderr, r.said) && compatible(e.Version, r.works) && compareVersions(e.Version, r.works) < 0 {
			return r.works
		}
	}
	return ""
}

// rustVersion is package.rust-version of a crate from a registry, "" when it says none.
func rustVersion(manifest string) string {
	data, err := readBounded(manifest, manifestLimit)
	if err != nil {
		return ""
	}
	var m struct {
		Package struct {
			Rust string `toml:"rust-version"`
		} `toml:"package"`
	}
	if toml.Unmarshal(data, &m) != nil || !crateVersion(m.Package.Rust) {
		return ""
	}
	return m.Package.Rust
}

// Renew asks cargo, which writes nothing, for the newest version that may take the broken one's place in the lock
// file, and notes it in e. Releases that need a newer Rust are left out where cargo can (since 1.84). Where cargo
// cannot say, without network or with a lock file that does not fit, e stays as it is; the error is ctx's.
func (e *BrokenError) Renew(ctx context.Context, r run.Runner, ws *Workspace) error {
	l := &loader{LoadOptions: ws.load.LoadOptions}
	words := []string{"update", "--dry-run", "--color", "never", "--manifest-path", filepath.Join(ws.Root, "Cargo.toml"),
		"-p", e.Name + "@" + e.Version}
	cmd := ws.CargoCmd(append(words, l.words()...)...)
	cmd.Env = plain(cmd.Env)
	if _, ok := environ(cmd.Env).get(honourRust); !ok {
		cmd.Env = append(cmd.Env, honourRust+"=fallback")
	}
	var said strings.Builder
	cmd.Stderr = &said
	if _, err := run.Output(ctx, r, cmd); err != nil {
		return ctx.Err()
	}
	e.Newest = updated(said.String(), e.Name, e.Version)
	return nil
}

// updated reads "Updating name v1.0.0 -> v1.1.0" from what cargo update says.
func updated(said, name, from string) string {
	m := find("(?m)^\\s*(?:Updating|Downgrading|Upgrading) "+regexp.QuoteMeta(name)+" v"+regexp.QuoteMeta(from)+" -> v(\\S+)", said)
	if m == nil || compareVersions(m[1], from) < 0 {
		return ""
	}
	return m[1]
}
