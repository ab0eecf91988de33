// SPDX-License-Identifier: MIT OR Apache-2.0

package doctor

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"sampan/internal/cargo"
	"sampan/internal/native"
)

// Input is what was found out, by looking, about a build.
type Input struct {
	Toolchain cargo.Toolchain
	Name      string // rustup's name of it
	Next      string // the line that builds
	Troubles  []error
	Looks     []Look
}

// Look is what was found out about one compile.
type Look struct {
	Package, Version string
	Triple           cargo.Triple
	Std              native.State // Here, Fetch, Build (by cargo itself), Missing
	StdErr           error        // why it is missing
	Notice           string       // what differs from what the user may expect
	Linker           string       // path; "" where linking is not ours
	LinkerErr        error
	Graph            *cargo.Graph // nil when GraphErr says why, and where C is the host's affair
	GraphErr         error
	Survey           *native.Survey       // nil without a graph
	Unfit            []*cargo.BrokenError // dependencies that this Rust does not compile
	CA, Zoneinfo     bool                 // the images have them
}

// Examine makes the report. It is pure.
func Examine(in Input) Report {
	x := &examiner{}
	tc := in.Toolchain
	x.r = Report{Schema: Schema, Next: in.Next, Compiles: []Compile{}, Findings: []Finding{},
		Rust: Rust{Release: tc.Release, Name: in.Name, Host: tc.Host, Cargo: tc.Cargo, Rustc: tc.Rustc, Sysroot: tc.Sysroot}}
	for _, err := range in.Troubles {
		x.fails("workspace", Look{}, err)
	}
	for _, l := range in.Looks {
		x.compile(l, tc)
	}
	rank := []string{Error, Warning, Note}
	slices.SortStableFunc(x.r.Findings, func(a, b Finding) int { return slices.Index(rank, a.Level) - slices.Index(rank, b.Level) })
	x.r.Ready = x.r.Count(Error) == 0
	return x.r
}

// Count is the number of findings of a level.
func (r *Report) Count(level string) (n int) {
	for _, f := range r.Findings {
		if f.Level == level {
			n++
		}
	}
	return n
}

// examiner collects findings.
type examiner struct{ r Report }

// add adds a finding; the same one for another triple is one.
func (x *examiner) add(l Look, f Finding) {
	f.Package, f.Triples = l.Package, []cargo.Triple{}
	i := slices.IndexFunc(x.r.Findings, func(o Finding) bool {
		return o.ID == f.ID && o.Package == f.Package && o.Text == f.Text && slices.Equal(o.Chain, f.Chain)
	})
	if i < 0 {
		x.r.Findings = append(x.r.Findings, f)
		i = len(x.r.Findings) - 1
	}
	if l.Triple != "" {
		x.r.Findings[i].Triples = append(x.r.Findings[i].Triples, l.Triple)
	}
}

// fails adds an error of another room's, with its hint.
func (x *examiner) fails(id string, l Look, err error) {
	x.add(l, Finding{ID: id, Level: Error, Text: err.Error(), Ways: hint(err)})
}

func hint(err error) []string {
	var h interface{ Hint() string }
	if !errors.As(err, &h) {
		return nil
	}
	return strings.Split(h.Hint(), "\n")
}

// compile examines one compile.
func (x *examiner) compile(l Look, tc cargo.Toolchain) {
	c := Compile{Package: l.Package, Version: l.Version, Triple: l.Triple, Std: Part{State: l.Std}, Linker: Part{State: native.Here, Path: l.Linker},
		Libraries: []Library{}, Tools: []Tool{}, Refused: []native.Refusal{}, Loaders: []native.Cause{}, Env: []string{},
		TLS: TLS{TLS: native.TLS{Stacks: []native.Stack{}}, Added: l.CA}, Zones: Zones{By: []native.Cause{}, Added: l.Zoneinfo},
		Allocator: native.Allocator{Crates: []native.Cause{}, Threads: []native.Cause{}}}
	if p, ok := l.Triple.Platform(); ok {
		c.Platform = p.String()
	}
	if l.StdErr != nil {
		x.fails("std", l, l.StdErr)
	}
	if l.LinkerErr != nil {
		c.Linker.State = native.Missing
		x.fails("linker", l, l.LinkerErr)
	}
	if l.Notice != "" {
		x.add(l, Finding{ID: "triple", Level: Warning, Text: l.Notice})
	}
	for _, e := range l.Unfit {
		x.fails("rust", l, e)
	}
	if l.GraphErr != nil {
		x.fails("graph", l, l.GraphErr)
	}
	if l.Graph != nil {
		c.Crates = crates(l.Graph)
	}
	if l.Survey != nil {
		x.survey(l, &c, tc)
	}
	x.r.Compiles = append(x.r.Compiles, c)
}

// crates counts the crates of a graph: one that is compiled for the triple and for the host counts once.
func crates(g *cargo.Graph) int {
	seen := map[string]bool{}
	for i := range g.Nodes {
		seen[g.Nodes[i].Spec()+g.Nodes[i].Source] = true
	}
	return len(seen)
}

// survey takes over what is needed beside Rust.
func (x *examiner) survey(l Look, c *Compile, tc cargo.Toolchain) {
	s := l.Survey
	c.Refused, c.Loaders, c.Env = append(c.Refused, s.Refused...), append(c.Loaders, s.Needs.Loaders...), append(c.Env, s.Env...)
	c.TLS.TLS, c.Allocator = s.Needs.TLS, s.Needs.Allocator
	c.Zones.By = append(c.Zones.By, s.Needs.Zones...)
	if s.Needs.Aliases(tc) {
		c.OldLibc = s.Needs.OldLibc
	}
	x.refused(l)
	x.tools(l, c)
	if s.Compiler != nil {
		x.compiler(l, c)
	}
	for _, e := range s.Without {
		x.add(l, Finding{ID: "library", Level: Error, Text: fmt.Sprintf("supply %s: %s", e.Want.Library, e.Reason), Chain: e.Want.Chain, Ways: hint(e)})
	}
	for _, lib := range s.Supplies {
		c.Libraries = append(c.Libraries, Library{Supply: lib.Supply, Title: lib.Title, State: lib.State, From: lib.From, Seconds: lib.Seconds, Time: lib.Time, Chain: lib.Chain})
	}
	for _, n := range s.Notes {
		x.add(l, Finding{ID: "override", Level: Note, Text: n})
	}
	for _, by := range s.Needs.Loaders {
		x.add(l, Finding{ID: "loader", Level: Warning, Text: fmt.Sprintf("%s %s loads shared objects when the program runs, which a static one cannot: what asks for them gets an error then", by.Crate, by.Version),
			Chain: by.Chain, Ways: []string{"see which feature brings it: " + native.WhoBrings(by.Crate, by.Version, l.Triple)}})
	}
	if i := slices.IndexFunc(c.TLS.Stacks, func(s native.Stack) bool { return !s.Builtin }); i >= 0 && !l.CA {
		by := c.TLS.Stacks[i]
		x.add(l, Finding{ID: "ca", Level: Warning, Text: fmt.Sprintf("the image has no CA certificates, and %s %s reads them: %s", by.Crate, by.Version, by.Without),
			Chain: by.Chain, Ways: []string{"--ca, or certificates of your own: --ca-file PATH"}})
	}
}

// refused are crates that cannot become part of a static program.
func (x *examiner) refused(l Look) {
	for _, r := range l.Survey.Refused {
		x.add(l, Finding{ID: "refused", Level: Error, Text: fmt.Sprintf("%s %s %s", r.Crate, r.Version, r.Reason), Chain: r.Chain,
			Ways: []string{r.Out, "see which feature brings it: " + native.WhoBrings(r.Crate, r.Version, l.Triple)}})
	}
}

// tools are programs of this machine. Those that are missing are installed by one line, which each finding names.
func (x *examiner) tools(l Look, c *Compile) {
	for _, t := range l.Survey.Tools {
		tool := Tool{Tool: t.Tool, State: native.Here, Path: t.Path}
		if t.Path == "" {
			tool.State = native.Missing
			level := Error
			if !t.Sure {
				level = Warning
			}
			x.add(l, Finding{ID: "tool", Level: level, Text: t.Absent(), Chain: t.Chain, Ways: []string{l.Survey.Install}})
		}
		c.Tools = append(c.Tools, tool)
	}
}

// compiler is who compiles C.
func (x *examiner) compiler(l Look, c *Compile) {
	s, cc := l.Survey, l.Survey.Compiler
	c.C = &C{CXX: s.Needs.CXX, Bindgen: s.Needs.Bindgen, By: append([]native.Cause{}, s.Needs.By...), Kind: cc.Kind, Name: cc.Name, Version: cc.Version, State: cc.State,
		Path: cc.Path, Variable: cc.Variable, Megabytes: cc.Megabytes, Runtime: cc.CXX}
	switch {
	case cc.Err != nil:
		x.fails("compiler", l, cc.Err)
	case cc.Instead != nil:
		x.add(l, Finding{ID: "compiler", Level: Warning, Text: fmt.Sprintf("C is compiled by %s, which makes other bytes than the pinned compiler: %v", cc.Name, cc.Instead), Ways: hint(cc.Instead)})
	case cc.Kind == native.KindUser && cc.CXX == native.Missing:
		x.add(l, Finding{ID: "compiler", Level: Warning, Text: fmt.Sprintf("%s names a C compiler, and none is named for C++", cc.Variable),
			Ways: []string{"set CXX_" + strings.ReplaceAll(string(l.Triple), "-", "_") + ", or unset " + cc.Variable + " for the pinned compiler"}})
	}
}
