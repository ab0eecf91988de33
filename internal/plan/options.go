// SPDX-License-Identifier: MIT OR Apache-2.0

package plan

import (
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"sampan/internal/cargo"
)

// Options are the user's wishes, settled: every value is final, whatever place it came from.
type Options struct {
	Cargo    Words    // cargo's words, passed on with cargo's meanings
	Binaries []Binary // --binary: programs that are there already; no compile at all
	Chosen   []Choice // what Select chose, with settings for each; ignored with Binaries
	Settings Settings // for Binaries
	Flags    func(cargo.Triple) []string
	Crate    bool // a published crate
	Outputs  []string
	Created  time.Time
	VCS      VCS
}

// Words are the options of cargo that shape a compile.
type Words struct {
	AllFeatures       bool
	NoDefaultFeatures bool
	Locked            bool
	Offline           bool
	Frozen            bool
	Jobs              string
	Config            []string
	Unstable          []string
	Args              []string
}

// Binary is a program that was compiled by somebody else.
type Binary struct {
	Path     string
	Platform v1.Platform
}

// VCS is where the source came from; empty unless the vcs setting or a tag asks for it.
type VCS struct {
	Revision string
	Source   string // without credentials
	Short    string // the revision in twelve digits, with "-dirty" when files were changed
	Branch   string // "" when no branch is checked out
}

// Choice is one package with the images to make of it.
type Choice struct {
	Package *cargo.Package
	Triples []cargo.Triple // at least one; each gives one platform of every image
	Images  []Settings     // at least one
}

// Settings are one image's settings.
type Settings struct {
	Name        string
	Repo        string // where images are pushed: HOST/PATH; "" for nowhere
	Bare        bool   // Repo is the whole name of the repository
	Tags        []string
	User        string
	Workdir     string
	Entrypoint  []string
	Args        []string
	Env         map[string]string
	Ports       []string
	Volumes     []string
	StopSignal  string
	Labels      map[string]string
	Annotations map[string]string
	VCS         bool
	Files       []File
	AllowSetuid bool
	Zoneinfo    bool
	CA          bool
	CAFiles     []string
	Strip       bool
	Compression string
	Init        bool
	NoInit      bool   // the user said so: it is not the default
	Base        string // what images are built upon; "" for nothing

	Capabilities []string // of the programs, from their start
	Health       *Health  // nil for none

	Row int // which settings these are, counted from 1 by whoever settled them; 0 is unknown. SettingErrors name it

	Bins     []string // wanted bins, all in this image when Together
	Examples []string
	AllBins  bool
	Together bool     // an image table: its bins share one image
	Features []string // of the package's settings; the words of the command line win
	Profile  string
	Thin     bool   // compile for size
	CC       string // kind of C compiler: "zig", "host"; "" for what there is
	Sysroot  string // folder of the user's own C libraries, absolute; "" for none

	Allocator string // "mimalloc", "system"; "" is the system\'s
}

// SettingError says which setting cannot be used and why. Where it came from is added by whoever settled it.
type SettingError struct {
	Package string // "" when it belongs to no package
	Key     string // "ports"
	Reason  string
	Advice  string
	Row     int    // of the Settings; 0 when it belongs to no image
	Origin  string // "Cargo.toml:12", "flag --port", …; filled in by the caller
}

func (e *SettingError) Error() string {
	switch {
	case e.Origin == "":
		return e.Key + ": " + e.Reason
	case strings.HasPrefix(e.Origin, "--"), strings.HasPrefix(e.Origin, "SAMPAN_"):
		return e.Origin + ": " + e.Reason
	}
	return e.Origin + ": " + e.Key + ": " + e.Reason
}

// Hint says what to write instead.
func (e *SettingError) Hint() string { return e.Advice }

// ChoiceError says that the wish names nothing, or more than one thing.
type ChoiceError struct {
	Reason string
	Advice string
}

func (e *ChoiceError) Error() string { return e.Reason }

// Hint lists what to type.
func (e *ChoiceError) Hint() string { return e.Advice }
