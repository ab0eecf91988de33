// SPDX-License-Identifier: MIT OR Apache-2.0

package cargo

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"sampan/internal/durable"
	"sampan/internal/run"
)

// Reasons of a CrateError.
const (
	BadSpec       = "not NAME or NAME@VERSION"
	NoSuchCrate   = "no such crate"
	NoSuchVersion = "no such version of it, or no such crate"
	NotVendored   = "not among the vendored crates that take the registry's place"
	NoSuchOffline = "not downloaded yet, and --offline forbids to"
	NoRegistry    = "the registry does not answer"
	NoPrograms    = "it has no programs"
	NotUnpacked   = "cargo did not unpack it where it keeps crates"
	CargoReason   = "cargo's own reason" // in Text
)

// CrateError says why a published crate could not be fetched.
type CrateError struct {
	Spec   string
	Reason string // one of the constants above
	Text   string // cargo's own message, may be ""
}

func (e *CrateError) Error() string {
	s := fmt.Sprintf("fetch crate %q: %s", e.Spec, e.Reason)
	if e.Text != "" {
		s += ": " + e.Text
	}
	return s
}

// Hint is what to type instead.
func (e *CrateError) Hint() string {
	switch e.Reason {
	case BadSpec:
		return "write crate:NAME or crate:NAME@1.2.3"
	case NoSuchCrate:
		name, _, _ := strings.Cut(e.Spec, "@")
		return "look for it with: cargo search " + name
	case NoSuchVersion:
		name, _, _ := strings.Cut(e.Spec, "@")
		return "see which there are: cargo info " + name
	case NotVendored:
		name, _, _ := strings.Cut(e.Spec, "@")
		return "put it there: cargo vendor, in a package that depends on " + name
	case NoSuchOffline, NoRegistry:
		return "with the network there, type: cargo info " + e.Spec
	case NoPrograms:
		return "name a crate with programs; to build a library into a program, write a package that uses it"
	}
	return "see what cargo says: cargo info " + e.Spec
}

// ParseCrateSpec reads NAME[@VERSION]. A version may be shortened ("1.2"), as for cargo. Its error is a *CrateError.
func ParseCrateSpec(spec string) (name, version string, err error) {
	name, version, at := strings.Cut(spec, "@")
	if !crateName(name) || at && !crateVersion(version) {
		return "", "", &CrateError{Spec: spec, Reason: BadSpec}
	}
	return name, version, nil
}

// crateName is the registry's rule: ASCII letters, digits, "-" and "_", a letter or "_" first, at most 64.
func crateName(s string) bool {
	for i, r := range s {
		letter := r == '_' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
		if !letter && (i == 0 || r != '-' && (r < '0' || r > '9')) {
			return false
		}
	}
	return s != "" && len(s) <= 64
}

// crateVersion is a version of Semantic Versioning 2.0.0, or the first one or two numbers of one.
func crateVersion(s string) bool {
	if s == "" || len(s) > 128 {
		return false
	}
	numbers, rest := s, ""
	if i := strings.IndexAny(s, "-+"); i >= 0 {
		numbers, rest = s[:i], s[i+1:]
		if rest == "" {
			return false
		}
	}
	parts := strings.Split(numbers, ".")
	if len(parts) > 3 || rest != "" && len(parts) != 3 {
		return false
	}
	for _, p := range parts {
		if p == "" || strings.Trim(p, "0123456789") != "" {
			return false
		}
	}
	return strings.IndexFunc(rest, func(r rune) bool {
		return r != '.' && r != '-' && r != '+' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	}) < 0
}

// exact reports whether a version that crateVersion accepts names one release.
func exact(version string) bool { return strings.Count(version, ".") >= 2 }

// FetchCrate has the user's cargo download and unpack a published crate into its own registry folder, with all that
// is configured of mirrors, proxies and credentials, and loads it as Load does. A version that is there already is
// not asked for again. The crate's folder is only read: what is compiled goes to a folder in CacheDir.
//
// Errors: *CrateError, and those of Load.
func FetchCrate(ctx context.Context, r run.Runner, o LoadOptions, spec string) (*Workspace, error) {
	name, version, err := ParseCrateSpec(spec)
	if err != nil {
		return nil, err
	}
	l, err := newLoader(r, o)
	if err != nil {
		return nil, err
	}
	dir := ""
	if exact(version) {
		dir = l.unpacked(name, version)
	}
	if dir == "" {
		if name, dir, err = l.find(ctx, spec); err != nil {
			return nil, err
		}
	}
	o.Manifest = filepath.Join(dir, "Cargo.toml")
	if o.TargetDir == "" && o.CacheDir != "" {
		o.TargetDir = filepath.Join(o.CacheDir, "crates", "target")
	}
	ws, err := Load(ctx, r, o)
	if err != nil {
		return nil, err
	}
	for _, p := range ws.Packages {
		if p.Name == name && slices.ContainsFunc(p.Bins, func(b Bin) bool { return !b.Example }) {
			return ws, nil
		}
	}
	return nil, &CrateError{Spec: spec, Reason: NoPrograms}
}

// find asks cargo for the crate. A folder of vendored crates cannot be asked, but looked into.
func (l *loader) find(ctx context.Context, spec string) (name, dir string, err error) {
	name, version, err := l.info(ctx, spec)
	if e, ok := errors.AsType[*CrateError](err); ok && e.Reason == NotVendored {
		name, version, _ = strings.Cut(spec, "@")
		if dir = l.vendored(name, version); dir != "" {
			return name, dir, nil
		}
	}
	if err != nil {
		return "", "", err
	}
	if dir = l.unpacked(name, version); dir == "" {
		return "", "", &CrateError{Spec: spec, Reason: NotUnpacked}
	}
	return name, dir, nil
}

// unpacked is the folder where cargo unpacked a crate, "" when it is nowhere: a folder of its registry, marked as
// whole, or a folder of vendored crates. Of several registries the one last unpacked counts; they are mirrors of
// each other, unless somebody gave two different crates one name and one version.
func (l *loader) unpacked(name, version string) string {
	var found string
	var at time.Time
	root := filepath.Join(l.config.CargoHome, "registry", "src")
	registries, _ := os.ReadDir(root)
	for _, reg := range registries {
		dir := filepath.Join(root, reg.Name(), name+"-"+version)
		info, err := os.Stat(filepath.Join(dir, ".cargo-ok"))
		if err != nil || !info.Mode().IsRegular() || info.Size() == 0 || !isCrate(dir, name, version) {
			continue
		}
		if found == "" || info.ModTime().After(at) {
			found, at = dir, info.ModTime()
		}
	}
	if found != "" {
		return found
	}
	for _, vendor := range l.config.SourceDirs {
		for _, base := range []string{name + "-" + version, name} {
			if dir := filepath.Join(vendor, base); isCrate(dir, name, version) {
				return dir
			}
		}
	}
	return ""
}

// isCrate reports whether dir's manifest is that of the crate.
func isCrate(dir, name, version string) bool {
	has := versionIn(dir, name)
	return has != "" && sameVersion(has, version)
}

// sameVersion compares versions without their build metadata, which names no other release.
func sameVersion(a, b string) bool {
	a, _, _ = strings.Cut(a, "+")
	b, _, _ = strings.Cut(b, "+")
	return a == b
}

// emptyFolder makes a folder that nobody else can put a configuration above: not in /tmp, if it can be helped.
func (l *loader) emptyFolder() (string, error) {
	for _, parent := range []string{l.CacheDir, l.config.CargoHome} {
		if parent == "" || durable.MkdirAll(parent) != nil {
			continue
		}
		if dir, err := os.MkdirTemp(parent, "crate-"); err == nil {
			return dir, nil
		}
	}
	return os.MkdirTemp("", "sampan-crate-")
}

// foldersFiles are the configuration files that cargo reads in the user's folder and would not read in dir.
func (l *loader) foldersFiles(dir string) []string {
	var out []string
	for _, f := range l.found {
		home := filepath.Dir(f) == l.config.CargoHome || resolved(filepath.Dir(f)) == resolved(l.config.CargoHome)
		if owner := filepath.Dir(filepath.Dir(f)); !home && !slices.Contains(ancestors(dir), owner) {
			out = append(out, f)
		}
	}
	return out
}

// absoluteWords are the user's words, with the paths of files as they are seen from anywhere.
func (l *loader) absoluteWords() []string {
	words := l.words()
	for i, w := range words {
		if i > 0 && words[i-1] == "--config" && fileExists(absolute(l.Dir, w)) {
			words[i] = absolute(l.Dir, w)
		}
	}
	return words
}

// toolchainEnv is the environment, with the toolchain that rustup chose for the user's folder.
func (l *loader) toolchainEnv(ctx context.Context) ([]string, error) {
	if l.env.value("RUSTUP_TOOLCHAIN") != "" || len(l.Cargo) > 1 {
		return l.Env, nil
	}
	tc, err := l.toolchain(ctx)
	if err != nil {
		return nil, err
	}
	ws := &Workspace{Toolchain: tc, load: loaded{LoadOptions: l.LoadOptions}}
	if _, name := ws.Rustup(); name != "" {
		return l.env.with("RUSTUP_TOOLCHAIN=" + name), nil
	}
	return l.Env, nil
}

// crateError tells cargo's messages apart.
func crateError(spec, text string, offline bool) error {
	e := &CrateError{Spec: spec, Reason: CargoReason, Text: text}
	missing := strings.Contains(text, "could not find `")
	switch {
	case strings.Contains(text, "is replaced with non-remote-registry source"):
		e.Reason, e.Text = NotVendored, ""
	case missing && offline, IsOfflineError(text):
		e.Reason, e.Text = NoSuchOffline, ""
	case missing && strings.Contains(spec, "@"):
		e.Reason, e.Text = NoSuchVersion, ""
	case missing:
		e.Reason, e.Text = NoSuchCrate, ""
	case IsNetworkError(text):
		e.Reason = NoRegistry
	}
	return e
}

// IsOfflineError recognises what cargo says when it would have to download something and must not.
func IsOfflineError(text string) bool {
	return strings.Contains(text, "--offline was specified") || strings.Contains(text, "in offline mode") ||
		strings.Contains(text, "you're using offline mode") || strings.Contains(text, "--frozen was specified")
}

// IsNetworkError recognises what cargo says when it cannot reach a registry.
func IsNetworkError(text string) bool {
	for _, s := range []string{
		"failed to download", "download of", "spurious network error", "ould not resolve", "ould not connect",
		"failed to fetch", "failed to query replaced source", "Timeout was reached",
	} {
		if strings.Contains(text, s) {
			return true
		}
	}
	return false
}
