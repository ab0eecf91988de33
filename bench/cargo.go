// SPDX-License-Identifier: MIT OR Apache-2.0

//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// pkg is a copy of an example, to be built twice side by side: by cargo alone and by sampan.
type pkg struct {
	dir, cache string
	edits      int
}

func (s *suite) newPackage(name, use string) (*pkg, error) {
	p := &pkg{dir: filepath.Join(s.dir, use+"-"+name), cache: filepath.Join(s.dir, use+"-"+name+"-cache")}
	return p, copyTree(filepath.Join("examples", name), p.dir)
}

// cargo is the user's own build; its target directory is not sampan's.
func (p *pkg) cargo() step {
	return step{argv: []string{"cargo", "build", "--quiet", "--release", "--locked", "--target", muslTriple(), "--target-dir", filepath.Join(p.dir, "target-cargo")}, dir: p.dir}
}

// image is sampan's build of the same.
func (p *pkg) image(sampan string) step {
	return step{argv: []string{sampan, "build", "--quiet"}, dir: p.dir, env: []string{"SAMPAN_CACHE_DIR=" + p.cache}}
}

// edit changes one line of the program.
func (p *pkg) edit() error {
	path := filepath.Join(p.dir, "src", "main.rs")
	source, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	text, _, _ := strings.Cut(string(source), "\n#[used]")
	p.edits++
	text += fmt.Sprintf("\n#[used]\nstatic EDIT: u32 = %d;\n", p.edits)
	return os.WriteFile(path, []byte(text), 0o644)
}

// b3cargo measures a whole build with nothing to do (B3).
func (s *suite) b3cargo(ctx context.Context) error {
	s.report.section("B3: `sampan build` with nothing to do, over `cargo build` with nothing to do", "")
	for _, name := range []string{"hello", "service"} {
		p, err := s.newPackage(name, "b3")
		if err != nil {
			return err
		}
		ours := &variant{name: name + ": sampan build", steps: func() []step { return []step{p.image(s.sampan)} }}
		cargo := &variant{name: name + ": cargo build", steps: func() []step { return []step{p.cargo()} }}
		if err := interleave(ctx, s.rounds, nil, cargo, ours); err != nil {
			return err
		}
		if err := firstOf(ours.err, cargo.err); err != nil {
			return fmt.Errorf("B3: %w", err)
		}
		s.report.variants(cargo, ours)
		fmt.Fprintln(s.report.w)
		extra := pairedExtra(ours, cargo)
		s.report.goal("B3", name+": ≤ cargo's own no-op + 8 ms", "+ "+ms(extra)+" ms", extra <= 8*time.Millisecond)
	}
	return nil
}

// b13 counts the cargo processes that sampan starts (B13).
func (s *suite) b13(ctx context.Context) error {
	p, err := s.newPackage("service", "b13")
	if err != nil {
		return err
	}
	log, shims := filepath.Join(p.dir, "calls"), filepath.Join(p.dir, "shims")
	if err := os.MkdirAll(shims, 0o755); err != nil {
		return err
	}
	for _, name := range []string{"cargo", "rustc", "rustup"} {
		if err := shim(name, shims, log); err != nil {
			return err
		}
	}
	s.report.section("B13: processes that sampan starts", "Counted by programs of the same name, first in PATH, that pass the call on.")
	var rows [][]string
	for _, state := range []string{"first", "again, nothing changed", "after an edit"} {
		if err := os.WriteFile(log, nil, 0o644); err != nil {
			return err
		}
		if state == "after an edit" {
			if err := p.edit(); err != nil {
				return err
			}
		}
		st := p.image(s.sampan)
		st.env = append(st.env, "PATH="+shims+string(os.PathListSeparator)+os.Getenv("PATH"))
		if _, _, err := st.run(ctx); err != nil {
			return fmt.Errorf("B13: %w", err)
		}
		data, err := os.ReadFile(log)
		if err != nil {
			return err
		}
		calls := strings.Split(strings.TrimSpace(string(data)), "\n")
		cargos := slices.DeleteFunc(slices.Clone(calls), func(call string) bool { return !strings.HasPrefix(call, "cargo ") })
		rows = append(rows, []string{state, fmt.Sprint(len(cargos)), fmt.Sprint(len(calls) - len(cargos)), "`" + strings.Join(cargos, "`<br>`") + "`"})
		switch state {
		case "again, nothing changed": // a compiler that is asked something would be in the count
			s.report.goal("B13", state+": one process, cargo", fmt.Sprint(len(calls)), len(calls) == 1 && len(cargos) == 1)
		case "after an edit":
			s.report.goal("B13", state+": one cargo", fmt.Sprint(len(cargos)), len(cargos) == 1)
		}
	}
	s.report.table([]string{"build", "cargo", "rustc, rustup, cargo's own too", "cargo's calls"}, rows)
	return nil
}

// shim writes a program into dir that notes its call in log and passes it on to the real one.
func shim(name, dir, log string) error {
	real, err := exec.LookPath(name)
	if err != nil {
		return nil // not there, so nobody can call it
	}
	text := fmt.Sprintf("#!/bin/sh\necho \"%s $1 $2 $3\" >>'%s'\nexec '%s' \"$@\"\n", name, log, real)
	return os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755)
}

// b14 measures start and size of the executable (B14).
func (s *suite) b14(ctx context.Context) error {
	nothing := &variant{name: "/bin/true", steps: func() []step { return []step{{argv: []string{"/bin/true"}}} }}
	version := s.version()
	if err := interleave(ctx, max(s.rounds, 21), nil, nothing, version); err != nil {
		return err
	}
	if err := firstOf(nothing.err, version.err); err != nil {
		return fmt.Errorf("B14: %w", err)
	}
	s.report.section("B14: start and size", "")
	s.report.variants(nothing, version)
	extra, size := pairedExtra(version, nothing), sizeOf(s.sampan)
	s.report.goal("B14", "start ≤ 4 ms over /bin/true", ms(extra)+" ms", extra <= 4*time.Millisecond)
	s.report.goal("B14", "executable ≤ 20 MB", mb(size)+" MB", size <= 20e6)
	return nil
}

// b16 measures an edit to the end (B16).
func (s *suite) b16(ctx context.Context) error {
	p, err := s.newPackage("service", "b16")
	if err != nil {
		return err
	}
	cargo := &variant{name: "edit, cargo build", steps: func() []step { return []step{p.cargo()} }}
	ours := &variant{name: "edit, sampan build", steps: func() []step { return []step{p.image(s.sampan)} }}
	if err := interleave(ctx, s.rounds, p.edit, cargo, ours); err != nil {
		return err
	}
	if err := firstOf(cargo.err, ours.err); err != nil {
		return fmt.Errorf("B16: %w", err)
	}
	s.report.section("B16: one line of examples/service edited, to the image",
		"`docker build` with cache mounts has no row: it needs a Rust base image from a registry.")
	s.report.variants(cargo, ours)
	share := 1 - 1/paired(ours, cargo)
	s.report.goal("B16", "≤ 5 % of the time outside cargo", fmt.Sprintf("%.1f %%", 100*share), share <= 0.05)
	return nil
}
