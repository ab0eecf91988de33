// SPDX-License-Identifier: MIT OR Apache-2.0

package cargo

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"sampan/internal/run"
)

// asker is an empty package of its own in which cargo is asked about crates: in the user's workspace it would answer
// with the version that the user's lock file names, and write a lock file where there is none. What the user's folder
// decides is taken along: its configuration files as --config words, its toolchain by name.
type asker struct {
	*loader
	spec string // as the user wrote it, for errors
	dir  string
	env  []string
}

// askerManifest is the package; cargo wants it to have something to compile.
const askerManifest = `[package]
name = "sampan-asks"
version = "0.0.0"
edition = "2021"
[lib]
path = "lib.rs"
[workspace]
`

// info has cargo download and unpack the crate, and returns the exact name and version. A name alone means the newest
// release, as it does to `cargo install`; a pre-release only where there is nothing else.
func (l *loader) info(ctx context.Context, spec string) (name, version string, err error) {
	a := &asker{loader: l, spec: spec}
	if a.dir, err = l.emptyFolder(); err != nil {
		return "", "", fmt.Errorf("fetch crate %q: %w", spec, err)
	}
	defer os.RemoveAll(a.dir)
	if a.env, err = l.toolchainEnv(ctx); err != nil {
		return "", "", err
	}
	if name, version, err = a.info(ctx, spec); err != nil || strings.Contains(spec, "@") || !preRelease(version) {
		return name, version, err
	}
	released, err := a.released(ctx, name)
	if err != nil || released == "" || preRelease(released) {
		return name, version, err
	}
	return a.info(ctx, name+"@"+released)
}

// preRelease is Semantic Versioning's word for 1.0.0-rc.1 and its kin (2.0.0, item 9).
func preRelease(version string) bool {
	version, _, _ = strings.Cut(version, "+")
	return strings.Contains(version, "-")
}

// info runs `cargo info`, to which the newest version of a name is the one with the highest number, pre-release or not.
func (a *asker) info(ctx context.Context, spec string) (name, version string, err error) {
	out, err := a.run(ctx, []string{"info", "--color", "never"}, "--", spec)
	if err != nil {
		return "", "", err
	}
	name, version = parseInfo(string(out))
	if !crateName(name) || !crateVersion(version) || !exact(version) {
		return "", "", &CrateError{Spec: a.spec, Reason: CargoReason, Text: "cargo info names no version"}
	}
	return name, version, nil
}

// dependencyLine is what `cargo add` writes of a crate, whose name comes first.
const dependencyLine = `(?m)^%s = (?:\{ version = )?"([^"\n]+)"`

// released is the newest version that is no pre-release, a pre-release when there is none, "" when cargo does not tell.
// It is what `cargo add` writes into the manifest.
func (a *asker) released(ctx context.Context, name string) (string, error) {
	if _, err := a.run(ctx, []string{"add", "--quiet"}, "--no-default-features", "--", name); err != nil {
		return "", err
	}
	data, err := os.ReadFile(filepath.Join(a.dir, "Cargo.toml"))
	if err != nil {
		return "", fmt.Errorf("fetch crate %q: %w", a.spec, err)
	}
	m := find(fmt.Sprintf(dependencyLine, regexp.QuoteMeta(name)), string(data))
	if m == nil || !crateVersion(m[1]) || !exact(m[1]) {
		return "", nil
	}
	return m[1], nil
}

// run runs cargo in the empty package and returns its stdout.
func (a *asker) run(ctx context.Context, command []string, rest ...string) ([]byte, error) {
	for name, text := range map[string]string{"Cargo.toml": askerManifest, "lib.rs": ""} {
		if err := os.WriteFile(filepath.Join(a.dir, name), []byte(text), 0o600); err != nil {
			return nil, fmt.Errorf("fetch crate %q: %w", a.spec, err)
		}
	}
	args := append(slices.Clone(a.Cargo[1:]), command...)
	for _, f := range slices.Backward(a.foldersFiles(resolved(a.dir))) {
		args = append(args, "--config", f)
	}
	args = slices.Concat(args, a.absoluteWords(), rest)
	out, err := run.Output(ctx, a.runner, run.Cmd{Path: a.Cargo[0], Args: args, Dir: a.dir, Env: plain(a.env)})
	if err != nil {
		return nil, startError(err, "cargo", func(text string) error { return crateError(a.spec, text, a.Offline) })
	}
	return out, nil
}

// parseInfo reads the name from the first line of cargo info and the version from the line "version: 1.2.3 (…)".
func parseInfo(out string) (name, version string) {
	for line := range strings.Lines(out) {
		words := strings.Fields(line)
		if len(words) > 0 && name == "" {
			name = words[0]
		}
		if len(words) > 1 && words[0] == "version:" {
			return name, words[1]
		}
	}
	return name, ""
}
