// SPDX-License-Identifier: MIT OR Apache-2.0

//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
)

// b18 measures the way into a Docker engine: with a changed program, and with nothing changed (B18).
func (s *suite) b18(ctx context.Context) error {
	if s.tools.docker == nil {
		fmt.Fprintln(s.report.w, "\nB18 is left out: there is no dockerd.")
		return nil
	}
	in, err := syntheticInput(s.dir, "loaded", 21e6)
	if err != nil {
		return err
	}
	defer remove(in.context)()
	cache := filepath.Join(s.dir, "b18-cache")
	defer remove(cache)()
	load := step{argv: []string{s.sampan, "build", "--quiet", "--binary", in.program, "-o", "docker:bench-ours"},
		env: []string{"SAMPAN_CACHE_DIR=" + cache, "DOCKER_HOST=unix://" + filepath.Join(s.tools.docker.Dir, "docker.sock")}}
	changed := &variant{name: "sampan", before: remove(cache), steps: func() []step { return []step{load} }}
	kit, classic := s.tools.dockerBuild(in, true), s.tools.dockerBuild(in, false)
	if err := interleave(ctx, s.rounds, in.touch, changed, kit, classic); err != nil {
		return err
	}
	s.report.section("B18: a changed program, into dockerd", fmt.Sprintf("Input: synthetic (%s MB). Ours with an empty SAMPAN_CACHE_DIR; theirs with their cache, which the change makes useless.", mb(in.size())))
	s.report.variants(changed, kit, classic)
	if err := errors.Join(changed.err, kit.err, classic.err); err != nil {
		return fmt.Errorf("B18: %w", err)
	}
	times := paired(kit, changed)
	s.report.goal("B18", "≥ 1.3 × faster than docker build (BuildKit inside)", fmt.Sprintf("%.2f ×", times), times >= 1.3)

	same := &variant{name: "sampan", steps: func() []step { return []step{load} }}
	kit, version := s.tools.dockerBuild(in, true), s.version()
	if err := interleave(ctx, s.rounds, nil, same, version, kit); err != nil {
		return err
	}
	s.report.section("B18: nothing changed, into dockerd", "The same commands again. Ours asks the engine once.")
	s.report.variants(same, version, kit)
	if err := errors.Join(same.err, kit.err, version.err); err != nil {
		return fmt.Errorf("B18: %w", err)
	}
	extra := pairedExtra(same, version)
	s.report.goal("B18", "load with nothing to do ≤ `sampan version` + 9 ms", "+ "+ms(extra)+" ms", extra <= 9e6)
	return nil
}

// dockerBuild leaves the image in the engine.
func (t *tools) dockerBuild(in *input, buildkit bool) *variant {
	name, env := "docker build (classic)", "DOCKER_BUILDKIT=0"
	if buildkit {
		name, env = "docker build (BuildKit inside)", "DOCKER_BUILDKIT=1"
	}
	argv, own := t.docker.Client("build", "-q", "-t", "bench-theirs", in.context)
	return &variant{name: name, steps: func() []step { return []step{{argv: argv, env: append(own, env)}} }}
}
