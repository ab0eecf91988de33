// SPDX-License-Identifier: MIT OR Apache-2.0

// Package plan decides everything that will be done, and does none of it.
//
// New is pure: a Workspace and Options in, a Plan out. A Plan is plain data that can be printed (`sampan plan`),
// stored and compared; every path in it that lies in the workspace is relative to the workspace's root.
package plan

import (
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"sampan/internal/cargo"
	"sampan/internal/native"
)

// Plan is the whole of one run.
type Plan struct {
	Compiles []Compile `json:"compiles"`
	Images   []Image   `json:"images"`
	Outputs  []string  `json:"outputs"` // as output.Parse reads them, "{name}" stands for the image's name; "registry" is where each image's Repository says
	Created  time.Time `json:"created"`
}

// Compile is one cargo invocation: one package, one triple, bins or examples. (Features are unified over what is
// built together, so anything wider would make an image's digest depend on its neighbours.)
type Compile struct {
	Package           string       `json:"package"`
	Version           string       `json:"version"`
	Manifest          string       `json:"manifest"`        // relative to the workspace's root
	Crate             bool         `json:"crate,omitempty"` // a published crate: `cargo install` with the lock file it ships
	Bins              []string     `json:"bins,omitempty"`
	Examples          []string     `json:"examples,omitempty"`
	Triple            cargo.Triple `json:"triple"`
	Profile           string       `json:"profile"`
	Features          []string     `json:"features,omitempty"`
	AllFeatures       bool         `json:"all-features,omitempty"`
	NoDefaultFeatures bool         `json:"no-default-features,omitempty"`
	Locked            bool         `json:"locked"`
	Offline           bool         `json:"offline,omitempty"`
	Frozen            bool         `json:"frozen,omitempty"`
	Jobs              string       `json:"jobs,omitempty"`
	Config            []string     `json:"config,omitempty"`    // --config words of the user
	Unstable          []string     `json:"unstable,omitempty"`  // -Z words of the user
	Args              []string     `json:"args,omitempty"`      // words after --, for cargo
	Thin              bool         `json:"thin,omitempty"`      // for size, with Env
	Env               []string     `json:"env,omitempty"`       // for cargo; variables that the user has set stay
	CC                string       `json:"cc,omitempty"`        // kind of C compiler that was asked for
	Sysroot           string       `json:"sysroot,omitempty"`   // folder of the user's own C libraries
	Allocator         string       `json:"allocator,omitempty"` // that takes the place of the system's
	Native            *native.Part `json:"native,omitempty"`    // what is needed beside Rust; absent when that is nothing
	Flags             []string     `json:"flags"`               // rustc flags that Sampan adds for this triple, less the path remappings
	Init              bool         `json:"init,omitempty"`      // images of it have an init, which is compiled too
}

// Image is one image, for one or several platforms.
type Image struct {
	Name        string            `json:"name"`
	Repository  string            `json:"repository,omitempty"` // where it is pushed, with its host
	Package     string            `json:"package,omitempty"`
	Programs    []Program         `json:"programs"`
	Platforms   []v1.Platform     `json:"platforms"`
	Base        *Base             `json:"base,omitempty"` // what it is built upon
	Config      v1.Config         `json:"config"`
	UID         int               `json:"uid"`
	GID         int               `json:"gid"`
	CA          bool              `json:"ca"`
	CAFiles     []string          `json:"ca-files,omitempty"`
	Files       []File            `json:"files,omitempty"`
	Setuid      bool              `json:"allow-setuid,omitempty"`
	Zoneinfo    bool              `json:"zoneinfo,omitempty"`
	Init        bool              `json:"init,omitempty"` // InitPath is in it, and starts what the entrypoint says
	Strip       bool              `json:"strip"`
	Compression string            `json:"compression"` // "gzip", "gzip:9", "zstd", "none"
	Annotations map[string]string `json:"annotations,omitempty"`
	Tags        []string          `json:"tags"`
	Row         int               `json:"-"` // of its Settings
	NoInit      bool              `json:"-"` // its user said that no init is wanted

	Capabilities []string `json:"capabilities,omitempty"` // of its programs, as rootfs writes them, in the order of their numbers
	Health       *Health  `json:"healthcheck,omitempty"`  // wanted; it is in Config where that can carry it
}

// Base is an image that ours is built upon.
type Base struct {
	Name   string `json:"name"`             // a reference of a registry, or a path, as the user wrote it
	Digest string `json:"digest,omitempty"` // of its manifest or index
}

// Program is one executable of an image, for every platform of it.
type Program struct {
	Bin     string            `json:"bin"`
	Example bool              `json:"example,omitempty"`
	Path    string            `json:"path"`              // in the image, absolute
	Sources map[string]string `json:"sources,omitempty"` // --binary: platform to file; absent when compiled
}

// File is one row of the files setting.
type File struct {
	Source      string `json:"source"`      // glob, relative to the package (or the workspace)
	Destination string `json:"destination"` // absolute in the image; ends in "/" for a folder
	Owner       string `json:"owner,omitempty"`
	Mode        string `json:"mode,omitempty"`
}
