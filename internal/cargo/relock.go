// SPDX-License-Identifier: MIT OR Apache-2.0

package cargo

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"sampan/internal/durable"
	"sampan/internal/run"
)

// RelockOptions say how Relock works.
type RelockOptions struct {
	Refresh bool          // resolve again also where the kept answer would do
	MaxAge  time.Duration // a kept answer that is older is not used; 0 means a day. Offline, age does not count
}

const (
	relockAge  = 24 * time.Hour
	relockName = "state.json"
)

// Relocked is a copy of a workspace with a lock file of its own.
type Relocked struct {
	Workspace *Workspace // as Load describes the copy
	Lock      string     // absolute path of the new Cargo.lock
	Moved     []Moved    // what differs from the old one, sorted by name; nil where there was none
	Kept      bool       // the lock file is from an earlier call
}

// RelockError says why a workspace could not be resolved afresh.
type RelockError struct {
	Root    string
	Offline bool   // cargo may not, or cannot, ask the registry
	Text    string // cargo's own message, several lines
}

func (e *RelockError) Error() string { return "resolve " + e.Root + " afresh: " + e.Text }

// Hint is what to type.
func (e *RelockError) Hint() string {
	if e.Offline {
		return "with the network there, try again; or do without --ignore-lock"
	}
	return "see what cargo says in a copy of the package without its lock file: cargo generate-lockfile"
}

// relockState is what is known of the copy; the file is there only while the copy is whole.
type relockState struct {
	Sources string `json:"sources"` // sum of what the new lock file depends on
	Lock    string `json:"lock"`    // SHA-256 of the new lock file
}

// Relock copies a workspace into the cache and has the user's cargo resolve it afresh there, as if there were no lock
// file: `cargo install` without --locked does so. The workspace itself is only read. Crates that say that they need
// a newer Rust are not chosen, where cargo can avoid it (since 1.84; resolver.incompatible-rust-versions).
//
// The copy of one workspace always lies in the same place, and what did not change is not written again, so that
// cargo compiles only what did. The new lock file is kept too, and used again while the old one, the manifests, the
// configuration and the toolchain are as they were, for a day: a build repeated gives the same image and does not
// ask the registry, one of next week is fresh. Build with --locked and --target-dir in the copy; cargo runs in the
// user's folder still, so that its configuration counts.
//
// Errors: *RelockError, *TooLargeError, those of Load.
func Relock(ctx context.Context, r run.Runner, ws *Workspace, o RelockOptions) (*Relocked, error) {
	if ws.load.CacheDir == "" {
		return nil, &RelockError{Root: ws.Root, Text: "there is no cache folder to do it in"}
	}
	sum := sha256.Sum256([]byte(ws.Root))
	rl := &relocker{RelockOptions: o, ws: ws, runner: r, dir: filepath.Join(ws.load.CacheDir, "relock", hex.EncodeToString(sum[:8]))}
	if err := durable.MkdirAll(rl.dir); err != nil {
		return nil, err
	}
	rl.dir = resolved(rl.dir)
	unlock, err := durable.Lock(ctx, filepath.Join(rl.dir, "lock"))
	if err != nil {
		return nil, err
	}
	defer func() { _ = unlock() }()
	return rl.relock(ctx)
}

// relocker is one Relock at work.
type relocker struct {
	RelockOptions
	ws     *Workspace
	runner run.Runner
	dir    string // holds the lock, the state, and src, the copy
	base   string // the folder of the source that src is
	state  relockState
	dirty  bool // the copy was written to
}

func (rl *relocker) relock(ctx context.Context) (*Relocked, error) {
	whole := rl.keep().get(relockName, &rl.state)
	manifests, err := rl.copy(whole)
	if err != nil {
		return nil, err
	}
	out := &Relocked{Lock: rl.at(filepath.Join(rl.ws.Root, "Cargo.lock"))}
	now := relockState{Sources: rl.sum(manifests)}
	now.Lock, _ = fileSum(out.Lock)
	out.Kept = whole && !rl.Refresh && now == rl.state && rl.young(out.Lock)
	if !out.Kept {
		if now.Lock, err = rl.resolve(ctx, out.Lock); err != nil {
			return nil, err
		}
	}
	if out.Moved, err = moved(rl.ws.Lock.Path, out.Lock); err != nil {
		return nil, err
	}
	if err := rl.settle(now); err != nil {
		return nil, err
	}
	o := rl.ws.load.LoadOptions
	o.Manifest, o.TargetDir = rl.at(o.Manifest), rl.target()
	out.Workspace, err = Load(ctx, rl.runner, o)
	return out, err
}

// target is where the copy is compiled to: where the sources are, so that crates which did not move are not compiled
// again. What is not the user's own is compiled beside the copy.
func (rl *relocker) target() string {
	if within(rl.ws.load.CacheDir, rl.ws.TargetDir) {
		return filepath.Join(rl.dir, "target")
	}
	return rl.ws.TargetDir
}

func (rl *relocker) keep() keep { return keep{dir: rl.dir} }

// settle says that the copy is whole, unless nothing has changed since that was said.
func (rl *relocker) settle(now relockState) error {
	if !rl.dirty {
		return nil
	}
	if err := durable.SyncTree(rl.dir); err != nil {
		return err
	}
	body, err := json.Marshal(now)
	if err != nil {
		return err
	}
	return durable.WriteFile(filepath.Join(rl.dir, relockName), append([]byte(header(body)+"\n"), body...), 0o600)
}

// change is called before anything in the copy changes: until it is whole again, it is not to be trusted.
func (rl *relocker) change() error {
	if rl.dirty {
		return nil
	}
	rl.dirty = true
	if err := os.Remove(filepath.Join(rl.dir, relockName)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// at is where something of the source lies in the copy. A name by which the source cannot be found, as over a link
// from elsewhere, stands for the workspace's root.
func (rl *relocker) at(path string) string {
	for _, p := range []string{path, resolved(path)} {
		if within(rl.base, p) {
			rel, _ := filepath.Rel(rl.base, p)
			return filepath.Join(rl.dir, "src", rel)
		}
	}
	return rl.at(filepath.Join(rl.ws.Root, "Cargo.toml"))
}

// copy brings the copy up to date, and returns the manifests outside of the workspace's folder that count.
func (rl *relocker) copy(whole bool) ([]string, error) {
	dirs, manifests := sources(rl.ws)
	rl.base = common(append(slices.Clone(dirs), manifests...))
	m := &mirror{
		trust: whole, change: rl.change, roots: dirs, maxBytes: copyBytes, maxFiles: copyFiles,
		skip: map[string]bool{
			filepath.Join(rl.ws.Root, "Cargo.lock"): true, rl.ws.TargetDir: true, rl.ws.BuildDir: true, rl.ws.load.CacheDir: true,
		},
	}
	if err := rl.guard(m); err != nil {
		return nil, err
	}
	for _, d := range dirs {
		delete(m.skip, d)
		if err := m.tree(d, rl.at(d)); err != nil {
			return nil, err
		}
	}
	for _, path := range manifests {
		if err := m.makeDir(filepath.Dir(rl.at(path))); err != nil {
			return nil, err
		}
		if err := m.entry(path, rl.at(path), ""); err != nil {
			return nil, err
		}
	}
	for _, d := range dirs {
		if d != rl.ws.Root {
			manifests = append(manifests, filepath.Join(d, "Cargo.toml"))
		}
	}
	return manifests, nil
}

// guard keeps a package that is no workspace apart from one whose folder the cache lies in: cargo would take it for a
// member that was forgotten. Only then does the copy's manifest differ, by an empty [workspace].
func (rl *relocker) guard(m *mirror) error {
	path := filepath.Join(rl.ws.Root, "Cargo.toml")
	if isWorkspace(path) || !slices.ContainsFunc(ancestors(rl.dir), func(dir string) bool { return isWorkspace(filepath.Join(dir, "Cargo.toml")) }) {
		return nil
	}
	data, info, err := readInfo(path, manifestLimit)
	if err != nil {
		return err
	}
	m.skip[path] = true
	want := append(data, "\n[workspace]\n"...)
	if has, err := readBounded(rl.at(path), manifestLimit); err == nil && bytes.Equal(has, want) {
		return nil
	}
	if err := errors.Join(rl.change(), durable.MkdirAll(filepath.Dir(rl.at(path))), durable.WriteFile(rl.at(path), want, 0o644)); err != nil {
		return err
	}
	return os.Chtimes(rl.at(path), info.ModTime(), info.ModTime())
}

// sum changes when cargo would resolve otherwise, the registry's news aside.
func (rl *relocker) sum(manifests []string) string {
	l := &rl.ws.load
	in := newInputs()
	in.add("%s %s %s %q %q %q", l.configSum, l.fileSum, l.toolSum, l.Config, l.Unstable, l.Cargo)
	in.content(rl.ws.Lock.Path)
	in.workspace(rl.ws, l.Manifest)
	for _, path := range manifests {
		in.content(path)
	}
	return in.sum()
}

// young reports whether the kept lock file is new enough.
func (rl *relocker) young(lock string) bool {
	info, err := os.Stat(lock)
	if err != nil {
		return false
	}
	limit := rl.MaxAge
	if limit == 0 {
		limit = relockAge
	}
	age := rl.keep().clock().Sub(info.ModTime())
	return rl.ws.load.Offline || age < limit && age > -time.Minute
}

// resolve has cargo write a new lock file, and returns its SHA-256.
func (rl *relocker) resolve(ctx context.Context, lock string) (string, error) {
	if err := errors.Join(rl.change(), os.RemoveAll(lock)); err != nil {
		return "", err
	}
	l := &loader{LoadOptions: rl.ws.load.LoadOptions}
	cmd := rl.ws.CargoCmd(append([]string{"generate-lockfile", "--color", "never", "--manifest-path", rl.at(rl.ws.load.Manifest)}, l.words()...)...)
	cmd.Env = plain(cmd.Env)
	if _, ok := environ(cmd.Env).get(honourRust); !ok {
		cmd.Env = append(cmd.Env, honourRust+"=fallback")
	}
	_, err := run.Output(ctx, rl.runner, cmd)
	if err != nil {
		return "", startError(err, "cargo", func(text string) error {
			return &RelockError{Root: rl.ws.Root, Text: text, Offline: IsOfflineError(text) || IsNetworkError(text)}
		})
	}
	if !fileExists(lock) {
		return "", &RelockError{Root: rl.ws.Root, Text: "cargo wrote no " + lock}
	}
	return fileSum(lock)
}

// honourRust has cargo prefer releases that the Rust at hand can compile.
const honourRust = "CARGO_RESOLVER_INCOMPATIBLE_RUST_VERSIONS"

// moved compares the old lock file, if there is one, with the new one.
func moved(before, after string) ([]Moved, error) {
	old, err := ReadLock(before)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("compare lock files: %w", err)
	}
	fresh, err := ReadLock(after)
	if err != nil {
		return nil, fmt.Errorf("compare lock files: %w", err)
	}
	return CompareLocks(old, fresh), nil
}
