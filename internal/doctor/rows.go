// SPDX-License-Identifier: MIT OR Apache-2.0

package doctor

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"sampan/internal/native"
)

// Row is a line for a person: what it is about, and how it stands. More are lines below it.
type Row struct {
	Label, Text string
	More        []string
	Bad         bool // a finding says why
}

// chainsShown is how many crates that compile C are told one by one; with verbose all are.
const chainsShown = 3

// Rows are the lines about a compile: what there is always, and of the rest what concerns it.
func (c *Compile) Rows(verbose bool) []Row {
	rows := []Row{c.std(), c.linker()}
	if c.Crates > 0 {
		rows = append(rows, c.c(verbose))
	}
	if c.C != nil {
		rows = append(rows, c.compiler())
	}
	for _, l := range c.Libraries {
		rows = append(rows, l.row())
	}
	return append(rows, c.rest(verbose)...)
}

func (c *Compile) std() Row {
	text := map[native.State]string{native.Here: "here", native.Fetch: "to be installed: rustup target add " + string(c.Triple),
		native.Build: "cargo builds it (-Z build-std)", native.Missing: "missing"}[c.Std.State]
	return Row{Label: "std", Text: text, Bad: c.Std.State == native.Missing}
}

func (c *Compile) linker() Row {
	switch {
	case c.Linker.State == native.Missing:
		return Row{Label: "linker", Text: "missing", Bad: true}
	case c.Linker.Path == "":
		return Row{Label: "linker", Text: "this machine's cc"}
	case strings.HasPrefix(filepath.Base(c.Linker.Path), "rust-lld"):
		return Row{Label: "linker", Text: "rust-lld, the toolchain's"}
	}
	return Row{Label: "linker", Text: c.Linker.Path}
}

// c says why C is compiled.
func (c *Compile) c(verbose bool) Row {
	r := Row{Label: "C"}
	switch {
	case c.C == nil:
		r.Text = "none: all of it is Rust"
		if len(c.Refused) > 0 || len(c.Libraries) > 0 {
			r.Text = "none"
		}
		return r
	case len(c.C.By) == 0:
		r.Text = "only in libraries"
		return r
	}
	r.Text = "compiled for " + count(len(c.C.By), "crate")
	if c.C.CXX {
		r.Text = "and C++, " + r.Text
	}
	if c.C.Bindgen {
		r.Text += ", headers read by libclang"
	}
	shown := c.C.By
	if !verbose && len(shown) > chainsShown {
		shown = shown[:chainsShown]
	}
	for _, by := range shown {
		r.More = append(r.More, native.Arrow(by.Chain))
	}
	if more := len(c.C.By) - len(shown); more > 0 {
		r.More = append(r.More, fmt.Sprintf("and %d more: --verbose", more))
	}
	return r
}

func (c *Compile) compiler() Row {
	r := Row{Label: "compiler"}
	name := strings.TrimSpace(c.C.Name + " " + c.C.Version)
	switch {
	case c.C.State == native.Missing:
		return Row{Label: "compiler", Text: "none", Bad: true}
	case c.C.Kind == native.KindUser:
		r.Text = fmt.Sprintf("%s, as %s says", c.C.Name, c.C.Variable)
	case c.C.Kind == native.KindHost:
		r.Text = name + ", this machine's"
	case c.C.State == native.Fetch:
		r.Text = fmt.Sprintf("%s, to be fetched once (%d MB)", name, c.C.Megabytes)
	case c.C.State == native.Cached:
		r.Text = name + ", in the cache"
	default:
		r.Text = name + ", " + c.C.Path
	}
	switch c.C.Runtime {
	case native.Build:
		r.Text += "; its C++ library to be made once, about half a minute"
	case native.Cached:
		r.Text += "; its C++ library in the cache"
	}
	return r
}

func (l Library) row() Row {
	r := Row{Label: l.Title, Text: l.Version}
	switch l.State {
	case native.Yours:
		r.Text = "yours: " + l.From
	case native.Cached:
		r.Text += ", in the cache"
	default:
		r.Text += ", to be built once, " + l.Time
	}
	r.Text += " (" + native.Arrow(l.Chain) + ")"
	return r
}

// rest are rows that are there only where they concern the compile.
func (c *Compile) rest(verbose bool) (rows []Row) {
	if len(c.Refused) > 0 {
		var names []string
		for _, r := range c.Refused {
			names = append(names, r.Crate)
		}
		rows = append(rows, Row{Label: "refused", Text: strings.Join(names, ", "), Bad: true})
	}
	var here, missing []string
	for i, t := range c.Tools {
		if slices.ContainsFunc(c.Tools[:i], func(o Tool) bool { return o.Name == t.Name }) {
			continue
		}
		if t.State == native.Missing {
			missing = append(missing, t.Name+" missing")
		} else {
			here = append(here, t.Name)
		}
	}
	if len(c.Tools) > 0 {
		rows = append(rows, Row{Label: "tools", Text: strings.Join(append(missing, here...), ", "), Bad: len(missing) > 0})
	}
	rows = append(rows, c.tls()...)
	if names := crateNames(c.Zones.By, verbose); names != "" {
		text := names + ": UTC only, unless built with --zoneinfo"
		if c.Zones.Added {
			text = names + ": /usr/share/zoneinfo is added"
		}
		rows = append(rows, Row{Label: "time zones", Text: text})
	}
	if c.OldLibc != nil {
		rows = append(rows, Row{Label: "old libc", Text: fmt.Sprintf("%s: open64 and its kin, which musl has no more, are supplied (%s)", c.OldLibc.Version, native.Arrow(c.OldLibc.Chain))})
	}
	return append(rows, c.allocator(verbose)...)
}

func (c *Compile) tls() []Row {
	var bundle, builtin []native.Cause
	for _, s := range c.TLS.Stacks {
		if s.Builtin {
			builtin = append(builtin, s.Cause)
		} else {
			bundle = append(bundle, s.Cause)
		}
	}
	var texts []string
	bad := false
	if len(bundle) > 0 {
		text := "CA bundle, added, for "
		if bad = !c.TLS.Added; bad {
			text = "no CA bundle, and it is needed by "
		}
		texts = append(texts, text+crateNames(bundle, true))
	}
	if len(builtin) > 0 {
		texts = append(texts, "certificates compiled in by "+crateNames(builtin, true))
	}
	if texts == nil {
		return nil
	}
	return []Row{{Label: "TLS trust", Text: strings.Join(texts, "; "), Bad: bad}}
}

func (c *Compile) allocator(verbose bool) []Row {
	names := crateNames(c.Allocator.Crates, true)
	switch s := c.Allocator.Supplied; {
	case s != nil && names != "":
		return []Row{{Label: "allocator", Text: fmt.Sprintf("%s %s in musl's place, as set; %s for Rust where it is the global one", s.Name, s.Version, names)}}
	case s != nil:
		return []Row{{Label: "allocator", Text: fmt.Sprintf("%s %s in musl's place, as set", s.Name, s.Version)}}
	case names != "":
		return []Row{{Label: "allocator", Text: names}}
	case c.Allocator.Slow:
		return []Row{{Label: "allocator", Text: "musl's, which many threads at once wait for (" + crateNames(c.Allocator.Threads, verbose) + "): allocator = \"mimalloc\" takes its place and more memory; measure it"}}
	}
	return nil
}

// namesShown is how many crates a row names; with all it names every one.
const namesShown = 4

// crateNames lists crates, each name once.
func crateNames(by []native.Cause, all bool) string {
	var names []string
	for _, c := range by {
		if !slices.Contains(names, c.Crate) {
			names = append(names, c.Crate)
		}
	}
	if more := len(names) - namesShown; more > 0 && !all {
		names = append(names[:namesShown], fmt.Sprintf("%d more", more))
	}
	return strings.Join(names, ", ")
}

// count writes a number of things.
func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
