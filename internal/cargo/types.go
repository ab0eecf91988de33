// SPDX-License-Identifier: MIT OR Apache-2.0

// Package cargo speaks with cargo and rustc.
//
// [Load] tells what a workspace holds and which toolchain builds it. Both answers are kept from run to run, with a
// digest of everything that they depend on, so that a workspace that did not change costs no process. What the user
// configured (files, environment, --config) is read as cargo reads it, and [Workspace.RustFlags] joins flags of ours
// with it in the one place where cargo drops neither. [ReadMessages] says what a build really compiled, [ReadLock]
// where that came from, [FetchCrate] and [FetchGit] bring what others published. [LoadGraph] says what a package will
// compile, [Relock] resolves it afresh in a copy, [Broken] says which dependency keeps it from compiling.
//
// Nothing here writes outside the cache folder, except that cargo completes a Cargo.lock for LoadGraph as it would for
// the build, and nothing compiles.
//
//	ws, err := cargo.Load(ctx, &run.System{}, cargo.LoadOptions{Dir: ".", Env: env, CacheDir: cache})
package cargo

import "encoding/json"

// Workspace is what cargo says of the packages around a manifest. A lone crate is a workspace of one.
type Workspace struct {
	Root      string          `json:"root"`       // absolute folder of the workspace's manifest
	TargetDir string          `json:"target-dir"` // absolute; where cargo puts what it compiles
	BuildDir  string          `json:"build-dir"`  // absolute; where cargo puts what no user needs, often TargetDir
	Packages  []Package       `json:"packages"`   // the members, in cargo's order
	Default   []string        `json:"default"`    // names of the default members
	Current   string          `json:"current"`    // name of the package that Dir or Manifest lies in, "" at a virtual root
	Metadata  json.RawMessage `json:"metadata"`   // [workspace.metadata], verbatim
	Lock      Lock            `json:"lock"`
	Toolchain Toolchain       `json:"toolchain"`
	Config    Config          `json:"config"`

	Commit string `json:"-"` // of the repository that FetchGit brought, in hex; "" without one

	load loaded // how it was loaded
}

// Package is one member of a workspace.
type Package struct {
	ID            string          `json:"id"`
	Name          string          `json:"name"`
	Version       string          `json:"version"`
	Manifest      string          `json:"manifest"` // absolute
	License       string          `json:"license"`
	LicenseFile   string          `json:"license-file"`
	Description   string          `json:"description"`
	Homepage      string          `json:"homepage"`
	Repository    string          `json:"repository"`
	Documentation string          `json:"documentation"`
	Authors       []string        `json:"authors"`
	DefaultRun    string          `json:"default-run"`
	Bins          []Bin           `json:"bins"`         // bins and examples that give an executable
	Kinds         []string        `json:"kinds"`        // kinds of its targets, sorted: "lib", "bin", "example", "cdylib", "proc-macro", …; tests and benches left out
	Features      []string        `json:"features"`     // names, sorted
	Enables       Enables         `json:"enables"`      // what each feature turns on
	Dependencies  []string        `json:"dependencies"` // as the package calls them, sorted
	Metadata      json.RawMessage `json:"metadata"`     // [package.metadata], verbatim
}

// Enables is the [features] table: names of features, to the features and dependencies that each turns on.
type Enables map[string][]string

// Bin is a target of a package that gives an executable.
type Bin struct {
	Name             string   `json:"name"`
	Example          bool     `json:"example,omitempty"`
	RequiredFeatures []string `json:"required-features,omitempty"`
}

// Lock is what is known of Cargo.lock.
type Lock struct {
	Path   string `json:"path"`   // absolute
	Exists bool   `json:"exists"` // whether it was there when we looked
}

// Toolchain is the cargo and rustc that a build uses.
type Toolchain struct {
	Cargo   []string `json:"cargo"`   // the command: path, and "+toolchain" when the user named one
	Rustc   string   `json:"rustc"`   // path of rustc as cargo would call it
	Release string   `json:"release"` // "1.95.0"
	Commit  string   `json:"commit"`  // commit hash, "" when unknown
	Host    Triple   `json:"host"`    // "x86_64-unknown-linux-gnu"
	Sysroot string   `json:"sysroot"` // absolute
	LLVM    string   `json:"llvm"`    // "21.1.8"
}
