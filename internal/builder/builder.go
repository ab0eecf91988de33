// SPDX-License-Identifier: MIT OR Apache-2.0

// Package builder turns compile requests into binaries.
//
// Cargo is the builder that uses the user's own cargo: one process for each Compile, in the user's folder, with the
// user's environment and configuration, to which our flags and our link driver are joined. What was compiled is what
// cargo's JSON says, and an executable is where cargo says that it is. cargo's own words pass through whole; an error
// of ours adds what cargo cannot know and repeats nothing.
package builder

import (
	"context"
	"io"

	"sampan/internal/cargo"
	"sampan/internal/plan"
	"sampan/internal/run"
)

// Builder compiles.
type Builder interface {
	// Build compiles c. Everything that runs code of the workspace happens in here.
	Build(ctx context.Context, c plan.Compile) (Built, error)
}

// Preflighter is a Builder that can say early, and without compiling, that it will not succeed.
type Preflighter interface {
	Preflight(ctx context.Context, cs []plan.Compile) error
}

// Built is what came of one Compile.
type Built struct {
	Executables []Executable // those that were asked for, bins before examples, sorted by name
	Units       []cargo.Unit // all that was compiled, or was there already, in cargo's order
	Init        string       // path of the init; "" when the Compile asks for none
	Linked      []Linked     // native libraries for the target that build scripts asked for
}

// Executable is a program.
type Executable struct {
	Bin     string // name of the bin or example
	Example bool
	Path    string // absolute
}

// Linked are the native libraries that one crate's build script links into the program.
type Linked struct {
	Crate, Version string
	Libs           []string // as cargo says them: "static=z", "dylib=asound", "ssl"
}

// Progress is how far cargo has come.
type Progress struct {
	Done, Total int      // units
	Crates      []string // being compiled right now; "serde(build.rs)" as cargo writes them
}

// Cargo is the Builder on this machine.
type Cargo struct {
	Runner    run.Runner
	Workspace *cargo.Workspace
	Env       []string       // the user's environment, whole
	Dir       string         // the user's working directory: cargo finds its configuration from there
	CacheDir  string         // ours, absolute: link drivers, and what is compiled of published crates
	Self      string         // absolute path of our executable
	TargetDir string         // the user's --target-dir, "" for none
	Stderr    io.Writer      // gets cargo's words, whole lines at a time; nil discards
	Color     bool           // Stderr shows colours
	Terminal  bool           // Stderr leads to a terminal: Progress is called
	Progress  func(Progress) // may be nil
	C         C              // how compilers and libraries for C are brought

	// Graph gives what a Compile takes in, for telling which dependency is at fault and who pulls it in; nil when the
	// lock file is fresh, so that another version of the dependency is no way out.
	Graph func(context.Context, plan.Compile) (*cargo.Graph, error)
}
