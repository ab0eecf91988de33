// SPDX-License-Identifier: MIT OR Apache-2.0

package native

import (
	"fmt"
	"path/filepath"
	"slices"

	"sampan/internal/cargo"
)

// Part is what one compile needs beside Rust, decided before anything is done: a value of the Plan.
type Part struct {
	Compiler string   `json:"compiler"`           // "zig 0.17.0", "host", or the user's own: "CC_x86_64_unknown_linux_musl=clang"
	CXX      bool     `json:"c++,omitempty"`      // a C++ runtime is linked
	Bindgen  bool     `json:"bindgen,omitempty"`  // headers of the triple's C library are read by libclang
	Supplies []Supply `json:"supplies,omitempty"` // libraries, those that others call first

	Allocator *Supply  `json:"allocator,omitempty"` // takes the place of the C library's malloc
	Plain     bool     `json:"plain,omitempty"`     // the compiler is for the allocator alone: no crate gets to know of it
	Notes     []string `json:"notes,omitempty"`     // what the user should know of these decisions

	Env []string `json:"env,omitempty"` // variables for build scripts that have no better way to learn it
}

// PartOptions are the wishes that a Part depends on.
type PartOptions struct {
	Triple  cargo.Triple
	Package string
	Env     []string // that cargo will run in
	Kind    string   // of compiler: KindZig, KindHost, or "" for what there is
	Sysroot string   // folder of the user's own, absolute; "" for none
	Made    []string // libraries that are made already, or that the user brings, so that no tool is needed for them

	Allocator string // word of the option, "" for the system's
}

// PartOf decides what a graph's compile needs beside Rust: nil for one that needs nothing. What cannot be linked
// statically is refused with a *RefusalError, a library that cannot be supplied with a *WantError.
func PartOf(g *cargo.Graph, o PartOptions) (*Part, error) {
	n := NeedsOf(g, o.Triple)
	n.Tools = unmade(n.Tools, o.Made)
	if err := Refuse(n, o.Env, owns(o.Sysroot)); err != nil {
		if e, ok := err.(*RefusalError); ok {
			e.Package, e.Triple = o.Package, o.Triple
		}
		return nil, err
	}
	p := &Part{Plain: !n.Compiler()}
	var err error
	if p.Allocator, p.Notes, err = (&view{g: g, t: o.Triple}).replacement(o.Allocator); err != nil {
		return nil, err
	}
	if p.Plain && p.Allocator == nil {
		return nil, nil
	}
	supplies, err := Resolve(n.Libraries, g, o.Triple)
	if err != nil {
		return nil, err
	}
	p.CXX, p.Bindgen, p.Supplies, p.Env = n.CXX || callCXX(supplies), n.Bindgen, supplies, n.Allocator.PageEnv(o.Triple)
	switch name, value := userCompiler(o.Env, o.Triple, "CC"); {
	case value != "":
		p.Compiler = name + "=" + value
	case o.Kind == KindHost:
		p.Compiler = KindHost
	default:
		p.Compiler = fmt.Sprintf("zig %s", ZigVersion)
	}
	return p, nil
}

// callCXX reports whether one of the libraries is C++, so that it is compiled, and a program linked, with a C++ runtime.
func callCXX(supplies []Supply) bool {
	return slices.ContainsFunc(supplies, func(s Supply) bool {
		l := libraryOf(s.Name)
		return l != nil && slices.ContainsFunc(l.modules, func(m module) bool { return m.cxx })
	})
}

// unmade leaves out the tools for libraries that are there.
func unmade(tools []Tool, made []string) []Tool {
	return slices.DeleteFunc(slices.Clone(tools), func(t Tool) bool { return t.For != "" && slices.Contains(made, t.For) })
}

// owns tells which libraries a folder of the user's own has.
func owns(dir string) func(library string) bool {
	return func(library string) bool {
		if dir == "" {
			return false
		}
		if l := libraryOf(library); l != nil {
			return l.isIn(dir)
		}
		return exists(filepath.Join(dir, "lib", "lib"+library+".a"))
	}
}
