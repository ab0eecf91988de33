// SPDX-License-Identifier: MIT OR Apache-2.0

//go:build linux

package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
)

// suite is what all benchmarks share.
type suite struct {
	sampan string // the executable under test
	dir    string // scratch
	rounds int
	large  int64 // bytes of the largest input
	tools  *tools
	report *report
}

// image is the step that makes an image of a program with sampan, with a cache of its own.
func (s *suite) image(in *input, out, cache string, more ...string) step {
	argv := append([]string{s.sampan, "build", "--quiet", "--binary", in.program, "-o", "oci:" + out}, more...)
	return step{argv: argv, env: []string{"SAMPAN_CACHE_DIR=" + cache}}
}

// b1 measures a cold image step against the machine's limit and against peers (B1, B2).
func (s *suite) b1(ctx context.Context) error {
	in, err := realInput(ctx, s.dir)
	if err != nil {
		return err
	}
	out, cache := filepath.Join(s.dir, "b1"), filepath.Join(s.dir, "b1-cache")
	ours := &variant{name: "sampan", before: remove(out, cache), steps: func() []step { return []step{s.image(in, out, cache)} }, after: remove(out, cache)}
	single := &variant{name: "one thread, in process: read, tar, 2 × sha256, gzip-6, write", inside: func() (sample, error) {
		return limit(in.program, filepath.Join(s.dir, "b1-limit"))
	}}
	all := append([]*variant{ours, single}, s.tools.layouts(s.dir, in, true)...)
	if err := interleave(ctx, s.rounds, in.touch, all...); err != nil {
		return err
	}
	if ours.err != nil || single.err != nil {
		return fmt.Errorf("B1: %w", firstOf(ours.err, single.err))
	}
	s.report.section("B1, B2: a changed program, no caches, to an image on disk",
		fmt.Sprintf("Input: %s (%s MB). Ours: `sampan build --binary app -o oci:DIR` with an empty SAMPAN_CACHE_DIR.", in.from, mb(in.size())))
	s.report.variants(all...)
	s.b1Goals(ours, single, all[2:])
	return nil
}

func (s *suite) b1Goals(ours, single *variant, peers []*variant) {
	bound := &variant{}
	for _, x := range single.samples {
		bound.samples = append(bound.samples, sample{wall: best(x.wall)})
	}
	over := paired(ours, bound)
	s.report.goal("B1", "≤ 1.25 × the limit (3.5 ms + one thread / cores)", fmt.Sprintf("%.2f × (limit %s ms)", over, ms(median(bound.samples, wall))), over <= 1.25)
	part := paired(ours, single)
	s.report.goal("B1", "≤ 0.65 × one thread", fmt.Sprintf("%.2f ×", part), part <= 0.65)
	for _, p := range peers {
		if p.err == nil {
			times := paired(p, ours)
			s.report.goal("B2", "ahead of "+p.name, fmt.Sprintf("%.1f ×", times), times > 1)
		}
	}
}

// b3 measures an image step with nothing to do (B3).
func (s *suite) b3(ctx context.Context) error {
	in, err := realInput(ctx, s.dir)
	if err != nil {
		return err
	}
	out, cache := filepath.Join(s.dir, "b3"), filepath.Join(s.dir, "b3-cache")
	defer remove(out, cache)()
	ours := &variant{name: "sampan", steps: func() []step { return []step{s.image(in, out, cache)} }}
	version := s.version()
	all := append([]*variant{ours, version}, s.tools.layouts(s.dir, in, false)...)
	if err := interleave(ctx, s.rounds, nil, all...); err != nil {
		return err
	}
	if ours.err != nil || version.err != nil {
		return fmt.Errorf("B3: %w", firstOf(ours.err, version.err))
	}
	s.report.section("B3: nothing changed, caches and destination from the run before", "The same commands again; umoci and crane have no cache.")
	s.report.variants(all...)
	extra := pairedExtra(ours, version)
	s.report.goal("B3", "image no-op ≤ `sampan version` + 2 ms", "+ "+ms(extra)+" ms", extra <= 2e6)
	return nil
}

func (s *suite) version() *variant {
	return &variant{name: "sampan version", steps: func() []step { return []step{{argv: []string{s.sampan, "version"}}} }}
}

// b6 measures peak memory over the size of the input (B6).
func (s *suite) b6(ctx context.Context) error {
	small, err := exampleInput(ctx, s.dir, "service")
	if err != nil {
		return err
	}
	middle, err := realInput(ctx, s.dir)
	if err != nil {
		return err
	}
	large, err := syntheticInput(s.dir, "synthetic", s.large)
	if err != nil {
		return err
	}
	defer remove(large.context)()
	inputs := []*input{small, middle, large}
	head := []string{"peak MB"}
	for _, in := range inputs {
		head = append(head, fmt.Sprintf("%s, %s MB", in.name, mb(in.size())))
	}
	var rows [][]string
	for _, c := range s.memoryCases() {
		row := []string{c.name}
		var peaks []int64
		for _, in := range inputs {
			peak, err := s.peak(ctx, c, in)
			if err != nil {
				return fmt.Errorf("B6: %s: %w", c.name, err)
			}
			peaks = append(peaks, peak)
			row = append(row, mb(peak))
		}
		rows = append(rows, row)
		if c.most > 0 {
			top, slope := max(peaks[0], peaks[1], peaks[2]), peaks[2]-peaks[0]
			s.report.goal("B6", fmt.Sprintf("%s: ≤ %s MB at any size", c.name, mb(c.most)), mb(top)+" MB", top <= c.most)
			s.report.goal("B6", c.name+": flat, < 2 MB from the smallest to the largest", mb(slope)+" MB", slope < 2e6)
		}
	}
	s.report.section("B6: peak memory", "The largest process of each, median of 3 (of 1 above 256 MB); sampan with an empty cache.")
	s.report.table(head, rows)
	return nil
}

// memoryCase is one tool whose memory is measured.
type memoryCase struct {
	name string
	most int64 // the goal, in bytes; 0 for peers
	step func(in *input, out string) []step
}

func (s *suite) memoryCases() []memoryCase {
	cases := []memoryCase{
		{"sampan, gzip", 24e6, func(in *input, out string) []step {
			return []step{s.image(in, out, out+"-cache", "--compression", "gzip")}
		}},
		{"sampan, none", 12e6, func(in *input, out string) []step {
			return []step{s.image(in, out, out+"-cache", "--compression", "none")}
		}},
	}
	if s.tools.umoci != "" {
		cases = append(cases, memoryCase{"umoci", 0, func(in *input, out string) []step { return s.tools.umociLayout(out, in).steps() }})
	}
	if s.tools.crane != "" {
		cases = append(cases, memoryCase{"crane", 0, func(in *input, out string) []step { return s.tools.craneTar(out, in).steps() }})
	}
	return cases
}

func (s *suite) peak(ctx context.Context, c memoryCase, in *input) (int64, error) {
	out := filepath.Join(s.dir, "b6")
	clean := remove(out, out+"-cache", out+"-layer.tar", out+"-image.tar")
	times := 3
	if in.size() > 256e6 {
		times = 1
	}
	var samples []sample
	for range times {
		if err := clean(); err != nil {
			return 0, err
		}
		var largest sample
		for _, st := range c.step(in, out) {
			got, err := st.peak(ctx)
			if err != nil {
				return 0, err
			}
			largest.rss = max(largest.rss, got.rss)
		}
		samples = append(samples, largest)
	}
	return median(samples, rss), clean()
}

// b8 compares digests over numbers of workers, cold and warm (B8).
func (s *suite) b8(ctx context.Context) error {
	in, err := realInput(ctx, s.dir)
	if err != nil {
		return err
	}
	out, cache := filepath.Join(s.dir, "b8"), filepath.Join(s.dir, "b8-cache")
	clean := remove(out, cache)
	defer clean()
	digests := map[string][]string{}
	for _, procs := range []string{"1", "2", "8"} {
		if err := clean(); err != nil {
			return err
		}
		for _, state := range []string{"cold", "warm"} {
			st := s.image(in, out, cache)
			st.env = append(st.env, "GOMAXPROCS="+procs)
			_, answer, err := st.run(ctx)
			if err != nil {
				return fmt.Errorf("B8: %w", err)
			}
			_, digest, _ := strings.Cut(strings.TrimSpace(answer), "@")
			digests[digest] = append(digests[digest], procs+" "+state)
		}
	}
	s.report.section("B8: the same bytes", "GOMAXPROCS 1, 2 and 8, cold and warm.")
	var rows [][]string
	for digest, where := range digests {
		rows = append(rows, []string{"`" + digest + "`", strings.Join(where, ", ")})
	}
	s.report.table([]string{"digest", "seen with"}, rows)
	_, empty := digests[""]
	s.report.goal("B8", "one digest", fmt.Sprint(len(digests)), len(digests) == 1 && !empty)
	return nil
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
