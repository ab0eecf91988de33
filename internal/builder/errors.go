// SPDX-License-Identifier: MIT OR Apache-2.0

package builder

import (
	"fmt"
	"regexp"
	"strings"
	"sync"

	"sampan/internal/cargo"
	"sampan/internal/native"
	"sampan/internal/plan"
	"sampan/internal/run"
)

// CompileError says that something does not compile. What is wrong with it has been said by cargo already.
type CompileError struct {
	Package string // what was to be compiled
	Crate   string // what did not compile, where that is another one; else ""
	Code    int    // cargo's exit code; -1 when a signal ended it
	Signal  string // that signal, else ""
	Told    bool   // cargo's own words say all that there is to say
}

func (e *CompileError) Error() string {
	switch {
	case e.Signal != "":
		return fmt.Sprintf("compile %s: cargo was ended by signal: %s", e.Package, e.Signal)
	case e.Crate != "":
		return fmt.Sprintf("compile %s: %s does not compile", e.Package, e.Crate)
	}
	return fmt.Sprintf("compile %s: cargo ended with exit status %d", e.Package, e.Code)
}

// LockError says that Cargo.lock does not fit the manifests.
type LockError struct {
	Package string
	Crate   bool // the lock file is the one that a published crate ships
}

func (e *LockError) Error() string {
	return fmt.Sprintf("compile %s: Cargo.lock does not fit Cargo.toml, and is not changed by a build", e.Package)
}

// Hint is how to bring it up to date.
func (e *LockError) Hint() string {
	if e.Crate {
		return "the crate was published with a lock file that does not fit: choose another version of it"
	}
	return "bring it up to date with: cargo update --workspace"
}

// StdError says that the standard library for a triple is not installed.
type StdError struct {
	Triple cargo.Triple
}

func (e *StdError) Error() string {
	return fmt.Sprintf("compile for %s: its standard library is not installed", e.Triple)
}

// Hint is how to install it.
func (e *StdError) Hint() string { return "rustup target add " + string(e.Triple) }

// HostLinkerError says that the linker for proc macros and build scripts, which run on this machine, is missing, or
// the parts of the C library that it needs.
type HostLinkerError struct {
	Package string
	Linker  string       // "cc"
	Missing string       // what the linker did not find; "" when the linker is what is missing
	Triple  cargo.Triple // that the host's linker links programs for as well; "" when those are linked by us
}

func (e *HostLinkerError) Error() string {
	if e.Missing != "" {
		return fmt.Sprintf("compile %s: the host's linker does not find %s", e.Package, e.Missing)
	}
	if e.Triple != "" {
		return fmt.Sprintf("compile %s: programs for %s are linked by the host's %s, which is not there", e.Package, e.Triple, e.Linker)
	}
	return fmt.Sprintf("compile %s: proc macros and build scripts need the host's linker %s, which is not there", e.Package, e.Linker)
}

// Hint names the package to install.
func (e *HostLinkerError) Hint() string {
	return "install a C compiler: `apt-get install gcc libc6-dev` (Debian, Ubuntu), `dnf install gcc glibc-static` (Fedora), " +
		"`apk add build-base` (Alpine), `pacman -S base-devel` (Arch), `zypper install gcc glibc-devel-static` (openSUSE), `xcode-select --install` (macOS)"
}

// DownloadError says that cargo could not download what a compile needs.
type DownloadError struct {
	Package string
	Offline bool // it was not allowed to
}

func (e *DownloadError) Error() string {
	if e.Offline {
		return fmt.Sprintf("compile %s: not all that it needs is downloaded, and offline nothing may be", e.Package)
	}
	return fmt.Sprintf("compile %s: cargo cannot download what it needs", e.Package)
}

// Hint is what to type with the network there, or without.
func (e *DownloadError) Hint() string {
	if e.Offline {
		return "with the network there, once without --offline, --frozen and CARGO_NET_OFFLINE"
	}
	return "when all was downloaded before, do without the network: --offline"
}

// AllocatorError says that a program was not linked with the allocator that was asked for.
type AllocatorError struct{ Package, Bin, Allocator string }

func (e *AllocatorError) Error() string {
	return fmt.Sprintf("link %s with %s: cargo took the program of an earlier build, or flags of yours replace the link", e.Bin, e.Allocator)
}

// Hint makes cargo link again.
func (e *AllocatorError) Hint() string { return "cargo clean -p " + e.Package }

// MissingExecutableError says that cargo succeeded and named no program of that name.
type MissingExecutableError struct {
	Package string
	Bin     string // "" when there is no program at all
	Example bool
}

func (e *MissingExecutableError) Error() string {
	kind := "bin"
	if e.Example {
		kind = "example"
	}
	if e.Bin == "" {
		return fmt.Sprintf("compile %s: cargo made no program of it", e.Package)
	}
	return fmt.Sprintf("compile %s: cargo made no program for %s %s", e.Package, kind, e.Bin)
}

// Hint says what the reason may be.
func (e *MissingExecutableError) Hint() string {
	return "see that the target gives a program (crate-type bin), that its required-features are on, and that no word after -- selects something else"
}

var (
	noCompile = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile("(?m)^error: could not compile `([^`]+)`") })
	anyError  = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`(?m)^error(?:\[E[0-9]+\])?: `) })
	noScript  = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile("(?m)^error: failed to run custom build command for `([^ `]+)")
	})
	noLinker = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile("(?m)^error: linker `([^`]+)` not found") })
	noStart  = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`cannot find (S?crt[1in]\.o|-lc|-lgcc_s|-lutil|-lm)\b`)
	})
	noStd = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile("the `([^`]+)` target may not be (?:installed|supported|available)|can't find crate for `(?:std|core)`")
	})
	noToolchain = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`(?m)^error: (toolchain '([^'\s]+)' is not (?:installed|installable).*)$`)
	})
)

// diagnose finds in cargo's words what a user can do something about.
func diagnose(c plan.Compile, exit *run.ExitError, said string) error {
	if m := noToolchain().FindStringSubmatch(said); m != nil {
		return &cargo.ToolchainError{Name: m[2], Text: m[1]}
	}
	if cargo.IsLockError(said) {
		return &LockError{Package: c.Package, Crate: c.Crate}
	}
	if m := noLinker().FindStringSubmatch(said); m != nil {
		e := &HostLinkerError{Package: c.Package, Linker: m[1]}
		if !native.Links(c.Triple) {
			e.Triple = c.Triple
		}
		return e
	}
	if m := noStart().FindStringSubmatch(said); m != nil {
		return &HostLinkerError{Package: c.Package, Missing: m[1]}
	}
	if m := noStd().FindStringSubmatch(said); m != nil && (m[1] == "" || m[1] == string(c.Triple)) {
		return &StdError{Triple: c.Triple}
	}
	if !strings.Contains(said, "error: could not compile") {
		switch {
		case cargo.IsOfflineError(said):
			return &DownloadError{Package: c.Package, Offline: true}
		case cargo.IsNetworkError(said):
			return &DownloadError{Package: c.Package}
		}
	}
	e := &CompileError{Package: c.Package, Code: exit.Code, Signal: exit.Signal}
	for _, pattern := range []*regexp.Regexp{noCompile(), noScript()} {
		if m := pattern.FindStringSubmatch(said); m != nil && m[1] != c.Package {
			e.Crate = strings.TrimSpace(m[1])
			break
		}
	}
	e.Told = e.Crate == "" && e.Signal == "" && anyError().MatchString(said)
	return e
}
