// SPDX-License-Identifier: MIT OR Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"sampan/internal/cargo"
	"sampan/internal/durable"
	"sampan/internal/ui"
)

// gitWords are where sources come from that are in a repository: cargo's words.
type gitWords struct {
	url, rev, branch string
}

// load asks cargo what is there.
func (s *session) load(ctx context.Context, path string) (err error) {
	lo := cargo.LoadOptions{Dir: s.dir, Manifest: s.w.manifest, Cargo: s.cargoCommand(), Env: s.app.env, CacheDir: s.cacheDir(),
		Config: s.w.cargo.Config, Unstable: s.w.cargo.Unstable, TargetDir: s.w.targetDir,
		Offline: s.w.cargo.Offline || s.w.cargo.Frozen}
	s.loaded = lo
	if s.w.git.url != "" {
		return s.fromGit(ctx, lo, path)
	}
	if s.w.git != (gitWords{}) {
		return &usageError{err: errors.New("--rev and --branch choose a state of a repository, and no --git names one"), hint: "add --git URL"}
	}
	if name, ok := strings.CutPrefix(path, "crate:"); ok {
		s.crate, s.foreign = true, true
		s.ws, err = cargo.FetchCrate(ctx, s.runner, lo, name)
		return err
	}
	if path != "" {
		if err := lookAt(path, &lo); err != nil {
			return err
		}
	}
	s.ws, err = cargo.Load(ctx, s.runner, lo)
	return err
}

// lookAt finds the package that a path of the command line names.
func lookAt(path string, lo *cargo.LoadOptions) error {
	fi, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return &usageError{err: fmt.Errorf("there is no %s", path), hint: "name a folder with a Cargo.toml in it, or crate:NAME"}
	case err != nil:
		return err
	case !fi.IsDir() && filepath.Base(path) == "Cargo.toml":
		lo.Manifest = path
	case !fi.IsDir():
		return &usageError{err: fmt.Errorf("%s is a file", path), hint: "for a program that is built already: --binary " + path}
	default:
		if lo.Dir, err = filepath.Abs(path); err != nil {
			return err
		}
	}
	return nil
}

// fromGit brings sources from a repository. The path of the command line names a package in it, as for cargo install,
// and --tag is the repository's: what it means beside --git in cargo.
func (s *session) fromGit(ctx context.Context, lo cargo.LoadOptions, name string) (err error) {
	if s.w.manifest != "" {
		return &usageError{err: errors.New("--git and --manifest-path exclude each other"), hint: "name the package in the repository: -p NAME"}
	}
	if strings.HasPrefix(name, "crate:") {
		return &usageError{err: fmt.Errorf("--git and %s exclude each other", name), hint: "drop one of them"}
	}
	src := cargo.GitSource{URL: s.w.git.url, Rev: s.w.git.rev, Branch: s.w.git.branch}
	if tag, ok := s.flags["tag"]; ok {
		if len(tag.list) > 1 {
			return &usageError{err: errors.New("with --git, --tag names one tag of the repository"), hint: "the image's tags: SAMPAN_TAG=A,B"}
		}
		src.Tag = tag.list[0]
		delete(s.flags, "tag")
	}
	if p := s.w.selection.Packages; name == "" && len(p) == 1 {
		name = p[0]
	}
	s.foreign = true
	if s.ws, err = cargo.FetchGit(ctx, s.runner, lo, src, name); err != nil {
		return err
	}
	s.w.targetDir = s.ws.TargetDir
	return nil
}

// lock keeps to the lock file. Where there is none, cargo makes one, unless that must not be. With --ignore-lock the
// sources are copied and resolved afresh, and the copy takes their place.
func (s *session) lock(ctx context.Context) (err error) {
	if s.w.ignoreLock {
		if s.w.cargo.Locked || s.w.cargo.Frozen {
			return &usageError{err: errors.New("--ignore-lock and --locked exclude each other"), hint: "drop one of them"}
		}
		if s.relocked, err = cargo.Relock(ctx, s.runner, s.ws, cargo.RelockOptions{}); err != nil {
			return err
		}
		s.source, s.ws = s.ws, s.relocked.Workspace
		s.crate, s.w.targetDir = false, s.ws.TargetDir
		return nil
	}
	if s.ws.Lock.Exists || s.foreign {
		return nil
	}
	why := ""
	switch ci := lookup(s.app.env, "CI"); {
	case s.w.cargo.Locked:
		why = "--locked was given"
	case s.w.cargo.Frozen:
		why = "--frozen was given"
	case ci != "" && ci != "false" && ci != "0":
		why = "CI is set"
	}
	if why != "" {
		return &lockError{path: shown(s.ws, s.ws.Lock.Path), why: why}
	}
	return nil
}

// lockError is a lock file that is missing where it must not be.
type lockError struct{ path, why string }

func (e *lockError) Error() string { return fmt.Sprintf("there is no %s, and %s", e.path, e.why) }

// Hint says how to get one.
func (e *lockError) Hint() string { return "make it and commit it: cargo generate-lockfile" }

// movedShown is how many crates that moved are told one by one; --verbose tells all.
const movedShown = 10

// tellLock says in advance what becomes of the lock file.
func (s *session) tellLock() {
	note := func(text string) { s.progress.Handle(ui.Event{Kind: "note", Text: text}) }
	switch {
	case s.relocked == nil && !s.ws.Lock.Exists && !s.foreign:
		note("there is no Cargo.lock: cargo makes one; commit it for equal images tomorrow")
	case s.relocked != nil && !s.source.Lock.Exists:
		note("resolved in a copy: there was no lock file")
	case s.relocked != nil && len(s.relocked.Moved) == 0:
		note("resolved afresh, in a copy: nothing moved")
	case s.relocked != nil:
		moved := s.relocked.Moved
		lines := make([]string, len(moved))
		for i, m := range moved {
			lines[i] = inWords(m)
		}
		if len(lines) > movedShown && !s.w.verbose {
			lines = append(lines[:movedShown], fmt.Sprintf("and %d more: --verbose", len(moved)-movedShown))
		}
		note(fmt.Sprintf("resolved afresh, in a copy: %d crates moved: %s", len(moved), strings.Join(lines, ", ")))
	}
}

// inWords says what became of one crate.
func inWords(m cargo.Moved) string {
	switch {
	case m.From == "":
		return m.Name + " " + m.To + " is new"
	case m.To == "":
		return m.Name + " " + m.From + " is gone"
	}
	return m.Name + " " + m.From + " → " + m.To
}

// keepLock leaves the lock file of a fresh resolve beside the images, where the user finds it.
func (s *session) keepLock() error {
	if s.relocked == nil {
		return nil
	}
	data, err := os.ReadFile(s.relocked.Lock)
	if err != nil {
		return err
	}
	dir := filepath.Join(s.targetDir(), "sampan")
	path := filepath.Join(dir, "Cargo.lock")
	if err := errors.Join(durable.MkdirAll(dir), durable.WriteFile(path, data, 0o644)); err != nil {
		return err
	}
	s.progress.Handle(ui.Event{Kind: "note", Text: "its lock file is kept: " + s.short(path)})
	return nil
}

// whole is the workspace with a lock file that fits, for looking at what it needs: the sources, or, where they have no
// lock file and none may be written there, a copy.
func (s *session) whole(ctx context.Context) (*cargo.Workspace, error) {
	if s.ws.Lock.Exists || s.builds {
		return s.ws, nil
	}
	copied, err := cargo.Relock(ctx, s.runner, s.ws, cargo.RelockOptions{})
	if err != nil {
		return nil, err
	}
	return copied.Workspace, nil
}

// alone reports whether nothing in the workspace depends on anything, so that no lock file is needed to know what
// it compiles.
func (s *session) alone() bool {
	return !slices.ContainsFunc(s.ws.Packages, func(p cargo.Package) bool { return len(p.Dependencies) > 0 })
}
