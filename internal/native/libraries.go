// SPDX-License-Identifier: MIT OR Apache-2.0

package native

import (
	"fmt"
	"runtime"
	"slices"
	"strings"

	"sampan/internal/cargo"
)

// library is one row of the table of C libraries that are supplied: what it is called, where its source comes from,
// how it is compiled and what pkg-config says of it. To add one, add a row (docs/c-libraries.md).
type library struct {
	name     string    // in a Want, in a Supply and in the cache
	title    string    // as people call it
	license  string    // SPDX expression
	releases []release // the first one is taken unless another is asked for
	needs    []string  // names of libraries that it calls
	bits64   bool      // it does not compile for 32-bit machines
	hosts    bool      // it runs programs that it compiles, so it takes a machine of the triple's kind
	cost     int       // seconds of one core, roughly
	recipe   recipe
	modules  []module
}

// release is a version of a library, as a crate that the user's cargo fetches.
type release struct {
	version string // of the library
	crate   cargo.SourceCrate
	takers  []taker
}

// taker is a crate that looks for the library, and from which of its versions on it takes this release.
type taker struct{ crate, since string }

// module is what pkg-config knows by one name.
type module struct {
	name, about string
	libs        []string // -l words, in the order of linking
	requires    []string // modules that it calls
	include     string   // its folder of headers below include, "" for include itself
	cxx         bool     // it calls the C++ library
}

// Supply is a library that is supplied to a compile: plain data for the plan.
type Supply struct {
	Name     string `json:"name"`
	Version  string `json:"version"`
	License  string `json:"license"`          // SPDX expression
	Source   string `json:"source"`           // crate and version that hold the source
	Checksum string `json:"checksum"`         // SHA-256 of that crate, in hex
	Direct   bool   `json:"direct,omitempty"` // a crate looks for it without asking pkg-config
}

// Libraries are the names of all libraries that can be supplied, in the table's order.
func Libraries() []string {
	out := make([]string, len(libraries))
	for i := range libraries {
		out[i] = libraries[i].name
	}
	return out
}

func libraryOf(name string) *library {
	for i := range libraries {
		if libraries[i].name == name {
			return &libraries[i]
		}
	}
	return nil
}

// WantError says why a library that a crate wants cannot be supplied.
type WantError struct {
	Want   Want
	Triple cargo.Triple
	Reason string // after "supply zlib: "
	Way    string // what to do
}

func (e *WantError) Error() string {
	s := fmt.Sprintf("supply %s for %s: %s", e.Want.Library, e.Triple, e.Reason)
	if len(e.Want.Chain) > 0 {
		s += " (wanted by " + strings.Join(e.Want.Chain, " → ") + ")"
	}
	return s
}

// Hint is a way out.
func (e *WantError) Hint() string { return e.Way }

const bringOwn = "bring your own: a folder with include/ and lib/ (archives), named by sysroot = \"…\" in the settings"

// Resolve settles which version of each wanted library is supplied, and which others those need. Libraries come before
// those that call them. Its error is a *WantError.
func Resolve(wants []Want, g *cargo.Graph, t cargo.Triple) ([]Supply, error) {
	return ResolvePinned(wants, g, t, nil)
}

// ResolvePinned is Resolve with versions that the user asks for, by the library's name: the beginning of a version, as
// "4" or "4.0".
func ResolvePinned(wants []Want, g *cargo.Graph, t cargo.Triple, pins map[string]string) ([]Supply, error) {
	var out []Supply
	var add func(Want) error
	add = func(w Want) error {
		if slices.ContainsFunc(out, func(s Supply) bool { return s.Name == w.Library }) {
			return nil
		}
		failed := func(reason, way string) error { return &WantError{Want: w, Triple: t, Reason: reason, Way: way} }
		l := libraryOf(w.Library)
		switch {
		case l == nil:
			return failed("it is not among the libraries that can be supplied", bringOwn)
		case l.bits64 && narrow(t):
			return failed("it does not compile for 32-bit machines", "leave it out by a feature, or "+bringOwn)
		case l.hosts && !runsHere(t):
			return failed("its build runs programs that it compiles, which this machine cannot", "build on a machine of that kind, or "+bringOwn)
		}
		for _, n := range l.needs {
			if err := add(Want{Library: n, Chain: w.Chain}); err != nil {
				return err
			}
		}
		r, reason, way := l.choose(g, pins[l.name])
		if reason != "" {
			return failed(reason, way)
		}
		out = append(out, Supply{Name: l.name, Version: r.version, License: l.license, Source: r.crate.Name + " " + r.crate.Version, Checksum: r.crate.Checksum,
			Direct: direct(g, l)})
		return nil
	}
	for _, w := range wants {
		if err := add(w); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// choose takes the first release that fits the pin and all takers of the graph; reason is why there is none.
func (l *library) choose(g *cargo.Graph, pin string) (r release, reason, way string) {
	for _, r := range l.releases {
		if pin != "" && r.version != pin && !strings.HasPrefix(r.version, pin+".") {
			continue
		}
		n, since := refusesRelease(g, r)
		if n == nil {
			return r, "", ""
		}
		if reason == "" {
			reason = fmt.Sprintf("%s takes no %s %s; versions from %s on do", n.Spec(), l.title, r.version, since)
			way = fmt.Sprintf("cargo update -p %s@%s", n.Name, n.Version)
		}
	}
	if reason == "" {
		var known []string
		for _, r := range l.releases {
			known = append(known, r.version)
		}
		reason, way = fmt.Sprintf("no release %s is known", pin), "one of these can be had: "+strings.Join(known, ", ")
	}
	return release{}, reason, way
}

// refusesRelease finds a crate compiled for the triple that is too old for a release.
func refusesRelease(g *cargo.Graph, r release) (*cargo.Node, string) {
	if g == nil {
		return nil, ""
	}
	for i := range g.Nodes {
		n := &g.Nodes[i]
		for _, k := range r.takers {
			if n.Target && n.Name == k.crate && older(n.Version, k.since) {
				return n, k.since
			}
		}
	}
	return nil, ""
}

// runsHere reports whether a program for t runs on this machine as it is.
func runsHere(t cargo.Triple) bool {
	m, _ := machineOf(t)
	return runtime.GOOS == "linux" && runtime.GOARCH == m.goarch
}

// direct reports whether a crate looks for a library by itself: pq-sys without its feature would ask the pg_config of
// this machine.
func direct(g *cargo.Graph, l *library) bool {
	if g == nil || l.name != "libpq" {
		return false
	}
	return slices.ContainsFunc(g.Nodes, func(n cargo.Node) bool { return n.Target && n.Name == "pq-sys" && !n.Has("pkg-config") })
}

// narrow reports whether pointers have 32 bits.
func narrow(t cargo.Triple) bool {
	m, _ := machineOf(t)
	switch m.goarch {
	case "386", "arm", "mips", "mipsle":
		return true
	}
	return slices.Contains([]string{"riscv32gc", "powerpc"}, m.arch)
}
