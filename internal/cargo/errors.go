// SPDX-License-Identifier: MIT OR Apache-2.0

package cargo

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"sampan/internal/run"
)

// NoManifestError says that there is no Cargo.toml where one was looked for.
type NoManifestError struct {
	Dir  string // the folder where the search began; "" when Path was named
	Path string // the manifest that was named and is not there
}

func (e *NoManifestError) Error() string {
	if e.Path != "" {
		return fmt.Sprintf("find package: no manifest at %s", e.Path)
	}
	return fmt.Sprintf("find package: no Cargo.toml in %s or any folder above it", e.Dir)
}

// Hint says how to name a package, or to make one.
func (e *NoManifestError) Hint() string {
	if e.Path != "" {
		return "pass the path of a Cargo.toml to --manifest-path"
	}
	return "pass the package's folder (sampan build PATH) or --manifest-path, or make a package with: cargo new NAME"
}

// ManifestError passes on what cargo said of a workspace that it cannot read.
type ManifestError struct {
	Path string // the manifest that cargo was asked about
	Text string // cargo's own message, several lines
}

func (e *ManifestError) Error() string { return "read workspace: " + e.Text }

// MissingToolError says that cargo, rustc or rustup is not installed.
type MissingToolError struct {
	Tool string // as it was looked for: a name or a path
}

func (e *MissingToolError) Error() string { return "find " + e.Tool + ": not installed" }

// Hint says how Rust is installed.
func (e *MissingToolError) Hint() string {
	if isPath(e.Tool) {
		return "see that RUSTC, CARGO and build.rustc name programs that are there, or do without them"
	}
	return "install Rust with rustup (https://www.rust-lang.org/tools/install) or your distribution's packages, " +
		"and see that `" + e.Tool + "` is in PATH"
}

// ToolchainError says that rustup has no toolchain to run.
type ToolchainError struct {
	Name string // the toolchain that is not installed; "" when none was chosen
	Text string // rustup's own message

	NoRustup bool // there is no rustup to choose one
}

func (e *ToolchainError) Error() string { return "choose toolchain: " + e.Text }

// Hint is the rustup command that helps.
func (e *ToolchainError) Hint() string {
	if e.NoRustup {
		return "do without +" + e.Name + ", or install rustup (https://www.rust-lang.org/tools/install) and type: rustup toolchain install " + e.Name
	}
	if e.Name != "" {
		return "rustup toolchain install " + e.Name
	}
	return "rustup default stable"
}

// startError turns what came of starting cargo or rustc into our types. The caller's own type, made by other from
// the tool's message, is for everything that concerns the tool's work and not its start.
func startError(err error, tool string, other func(text string) error) error {
	if nf, ok := errors.AsType[*run.NotFoundError](err); ok {
		return &MissingToolError{Tool: nf.Name}
	}
	exit, ok := errors.AsType[*run.ExitError](err)
	if !ok {
		return fmt.Errorf("ask %s: %w", tool, err)
	}
	text := toolText(exit.Stderr)
	if m := find(`toolchain '([^'\s]+)' is not (?:installed|installable)`, text); m != nil {
		return &ToolchainError{Name: m[1], Text: firstLine(text)}
	}
	if find(`rustup could not choose a version|no default (?:toolchain )?(?:is )?configured`, text) != nil {
		return &ToolchainError{Text: firstLine(text)}
	}
	if m := find("no such command: `(\\+[^`]+)`", text); m != nil {
		return &ToolchainError{Name: strings.TrimPrefix(m[1], "+"), Text: "this cargo is not rustup's and takes no " + m[1], NoRustup: true}
	}
	if text == "" {
		return fmt.Errorf("ask %s: %w", tool, err)
	}
	return other(text)
}

// find compiles its pattern when an error needs it, not at every start of the program.
func find(pattern, text string) []string { return regexp.MustCompile(pattern).FindStringSubmatch(text) }

// toolText is a tool's message without the word "error:" at its beginning and the backtrace at its end, which
// rustup adds under RUST_BACKTRACE.
func toolText(stderr string) string {
	text, _, _ := strings.Cut(stderr, "\nStack backtrace:")
	text = strings.TrimSpace(text)
	if i := strings.Index(text, "error: "); i == 0 || i > 0 && text[i-1] == '\n' {
		text = text[i+len("error: "):] // what stands before are notes on progress and warnings
	}
	return strings.TrimSpace(text)
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}
