// SPDX-License-Identifier: MIT OR Apache-2.0

// Package doctor says what a build will need, what is here, what will be supplied, and what will fail and why.
//
// It looks at nothing itself: Examine turns what others found (a graph, a native.Survey, the state of the toolchain) into
// a Report, which is the document of `sampan doctor --json`, and Rows turns a compile of it into lines for a person. The
// report is ready when no finding is an error.
package doctor

import (
	"sampan/internal/cargo"
	"sampan/internal/native"
)

// Schema is the version of the document: it changes when a reader of an older one would be misled.
const Schema = 1

// Findings' levels.
const (
	Error   = "error"   // the build will fail
	Warning = "warning" // it will not, and yet this should be known
	Note    = "note"    // something of the user's takes the place of ours
)

// Report is what was found out about a build.
type Report struct {
	Schema   int       `json:"schema"`
	Ready    bool      `json:"ready"` // nothing is known that stops the build
	Next     string    `json:"next"`  // the line to type when it is ready
	Rust     Rust      `json:"rust"`
	Compiles []Compile `json:"compiles"`
	Findings []Finding `json:"findings"`
}

// Rust is the toolchain.
type Rust struct {
	Release string       `json:"release"`
	Name    string       `json:"name,omitempty"` // rustup's for it
	Host    cargo.Triple `json:"host"`
	Cargo   []string     `json:"cargo"`
	Rustc   string       `json:"rustc"`
	Sysroot string       `json:"sysroot"`
}

// Compile is what one package needs for one platform.
type Compile struct {
	Package   string           `json:"package"`
	Version   string           `json:"version"`
	Triple    cargo.Triple     `json:"triple"`
	Platform  string           `json:"platform"`
	Crates    int              `json:"crates"` // that are compiled, the package among them; 0 when not known
	Std       Part             `json:"std"`
	Linker    Part             `json:"linker"`
	C         *C               `json:"c"` // null when nothing but Rust is needed, or nothing is known
	Libraries []Library        `json:"libraries"`
	Tools     []Tool           `json:"tools"`
	Refused   []native.Refusal `json:"refused"`
	Loaders   []native.Cause   `json:"loaders"`
	TLS       TLS              `json:"tls"`
	Zones     Zones            `json:"zones"`
	Allocator native.Allocator `json:"allocator"`
	OldLibc   *native.Cause    `json:"old-libc"` // a libc crate whose open64 and kin are supplied; null when they need not be
	Env       []string         `json:"env"`      // for build scripts, beside those of the compiler and the libraries
}

// Part is something that a compile needs.
type Part struct {
	State native.State `json:"state"`
	Path  string       `json:"path,omitempty"`
}

// C says who compiles C, and why.
type C struct {
	CXX       bool           `json:"c++"`
	Bindgen   bool           `json:"bindgen"`
	By        []native.Cause `json:"by"` // empty when only libraries that are supplied need the compiler
	Kind      string         `json:"kind"`
	Name      string         `json:"name"`
	Version   string         `json:"version,omitempty"`
	State     native.State   `json:"state"`
	Path      string         `json:"path,omitempty"`
	Variable  string         `json:"variable,omitempty"`
	Megabytes int            `json:"megabytes,omitempty"`   // to fetch
	Runtime   native.State   `json:"c++-library,omitempty"` // of a C++ library
}

// Library is a C library that crates would look for on the system.
type Library struct {
	native.Supply
	Title   string       `json:"title"`
	State   native.State `json:"state"`
	From    string       `json:"from,omitempty"`    // folder or variable of the user's
	Seconds int          `json:"seconds,omitempty"` // to build it, roughly
	Time    string       `json:"time,omitempty"`
	Chain   []string     `json:"chain"`
}

// Tool is a program of this machine that build scripts run.
type Tool struct {
	native.Tool
	State native.State `json:"state"`
	Path  string       `json:"path,omitempty"`
}

// TLS is what the program trusts.
type TLS struct {
	native.TLS
	Added bool `json:"added"` // the image has the bundle
}

// Zones are the crates that read time zones.
type Zones struct {
	By    []native.Cause `json:"by"`
	Added bool           `json:"added"` // the image has /usr/share/zoneinfo
}

// Finding is something to know or to do first.
type Finding struct {
	ID      string         `json:"id"`
	Level   string         `json:"level"`
	Package string         `json:"package,omitempty"`
	Triples []cargo.Triple `json:"triples"` // for which it holds; empty when for all
	Text    string         `json:"text"`
	Chain   []string       `json:"chain,omitempty"` // how the package comes by the crate: "name 1.0.0" each
	Ways    []string       `json:"ways,omitempty"`  // what to type or to do, one of them or one after another
}
