// SPDX-License-Identifier: MIT OR Apache-2.0

package cargo

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"sampan/internal/run"
)

// Reasons of a TargetError.
const (
	NoRustup    = "no rustup"                         // the toolchain is a distribution's, or was built by hand
	NotAllowed  = "not installed, and nothing may be" // --no-install, --offline
	NoNetwork   = "no network"                        // rustup could not reach its server
	NotOffered  = "not offered"                       // this toolchain has no std for the triple to download
	Custom      = "custom toolchain"                  // linked to rustup by hand: it has no parts to add
	NoPlace     = "not writable"                      // the toolchain's folder cannot be written
	OtherReason = "rustup's own reason"               // in Text
)

// TargetError says why the standard library for a triple could not be added.
type TargetError struct {
	Triple    Triple
	Reason    string // one of the constants above
	Toolchain string // rustup's name of it, "" without rustup
	Text      string // rustup's own message, several lines, may be ""
	System    string // ID of /etc/os-release where known: "fedora"
}

func (e *TargetError) Error() string {
	s := fmt.Sprintf("add std for %s: %s", e.Triple, e.Reason)
	if e.Text == "" {
		return s
	}
	if m := find(`could not download file from '([^']+)'`, e.Text); m != nil {
		return s + ": could not download " + m[1] // the rest is where to, and six causes of each other
	}
	s += ": " + firstLine(e.Text)
	return s
}

// Hint is what to type.
func (e *TargetError) Hint() string {
	add := "rustup target add " + string(e.Triple)
	if e.Toolchain != "" {
		add = fmt.Sprintf("rustup target add --toolchain %s %s", e.Toolchain, e.Triple)
	}
	switch e.Reason {
	case NoNetwork:
		return "when the network is there: " + add
	case NotOffered:
		return "choose another --target, or a newer toolchain: rustup update"
	case Custom:
		return "use a toolchain that rustup installed: cargo +stable …"
	case NoPlace:
		return "as the owner of the toolchain: " + add
	case NoRustup:
		if cmd := distributionPackage(e.System, e.Triple); cmd != "" {
			return cmd + ", or install rustup (https://www.rust-lang.org/tools/install) and type: " + add
		}
		return "install rustup (https://www.rust-lang.org/tools/install) and type: " + add
	}
	return add
}

// distributionPackage is the command that installs std for t from a distribution's own packages, "" where it has none.
func distributionPackage(system string, t Triple) string {
	switch system {
	case "fedora", "rhel", "centos", "almalinux", "rocky":
		return "dnf install rust-std-static-" + string(t)
	case "arch", "archlinux", "manjaro", "endeavouros", "cachyos":
		if t == "x86_64-unknown-linux-musl" {
			return "pacman -S rust-musl"
		}
	}
	return ""
}

// Rustup is the path of rustup, when it manages the toolchain that ws uses; "" otherwise. name is its name for it.
func (ws *Workspace) Rustup() (path, name string) {
	path, err := run.LookPath("rustup", ws.load.Env)
	if err != nil {
		return "", ""
	}
	toolchains := filepath.Join(environ(ws.load.Env).rustupHome(ws.load.Dir), "toolchains")
	for _, dir := range []string{toolchains, resolved(toolchains)} {
		rel, err := filepath.Rel(dir, ws.Toolchain.Sysroot)
		if err == nil && rel != "." && filepath.IsLocal(rel) && !strings.ContainsRune(rel, filepath.Separator) {
			return path, rel
		}
	}
	return path, linkedTo(toolchains, ws.Toolchain.Sysroot)
}

// linkedTo is the name of the toolchain that is a link to sysroot, "" when there is none.
func linkedTo(toolchains, sysroot string) string {
	entries, _ := os.ReadDir(toolchains)
	for _, e := range entries {
		if resolved(filepath.Join(toolchains, e.Name())) == resolved(sysroot) {
			return e.Name()
		}
	}
	return ""
}

// AddTarget has rustup download the standard library for t into the toolchain that ws uses. Its error is a
// *TargetError, unless ctx ended.
func AddTarget(ctx context.Context, r run.Runner, ws *Workspace, t Triple) error {
	rustup, name := ws.Rustup()
	if rustup == "" || name == "" {
		return &TargetError{Triple: t, Reason: NoRustup, System: systemID("/etc/os-release")}
	}
	cmd := run.Cmd{
		Path: rustup, Args: []string{"target", "add", "--toolchain", name, string(t)},
		Dir: ws.load.Dir, Env: plain(ws.load.Env),
	}
	_, err := run.Output(ctx, r, cmd)
	exit, ok := errors.AsType[*run.ExitError](err)
	if !ok {
		return err
	}
	text := toolText(exit.Stderr)
	return &TargetError{Triple: t, Reason: targetReason(text), Toolchain: name, Text: text}
}

// targetReason tells rustup's messages apart.
func targetReason(text string) string {
	has := func(words ...string) bool {
		for _, w := range words {
			if strings.Contains(text, w) {
				return true
			}
		}
		return false
	}
	switch {
	case has("could not download", "error decoding response", "dns error", "error sending request", "resolve host", "timed out", "Connection refused", "onnection reset"):
		return NoNetwork
	case has("does not support target", "does not contain component", "unavailable for download", "no prebuilt artifacts"):
		return NotOffered
	case has("does not support components", "custom toolchain", "invalid toolchain name"):
		return Custom
	case has("Permission denied", "Read-only file system"):
		return NoPlace
	}
	return OtherReason
}

// systemID is the ID line of os-release: which distribution this is.
func systemID(path string) string {
	data, err := readBounded(path, 64<<10)
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(data)) {
		if v, ok := strings.CutPrefix(strings.TrimSpace(line), "ID="); ok {
			return strings.Trim(v, `"'`)
		}
	}
	return ""
}
