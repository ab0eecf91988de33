// SPDX-License-Identifier: MIT OR Apache-2.0

//go:build linux

package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
)

// allocRounds is how many blocks the threads of bench/allocs replace together.
const allocRounds = 10_000_000

// allocThreads are the columns of the table.
var allocThreads = []int{1, 2, 4}

// allocator is one way to serve malloc: the program linked with it, and what its environment says.
type allocator struct {
	name, program string
	env           []string
}

// b17 measures a program that does nothing but allocate and free, with each allocator (B17). There is no goal: what is
// right depends on the program, and the two tables show what is given for what.
func (s *suite) b17(ctx context.Context) error {
	all, err := s.allocators(ctx)
	if err != nil {
		return fmt.Errorf("B17: %w", err)
	}
	head := []string{""}
	speed, memory := make([][]string, len(all)), make([][]string, len(all))
	for i, a := range all {
		speed[i], memory[i] = []string{a.name}, []string{a.name}
	}
	for _, threads := range allocThreads {
		head = append(head, fmt.Sprintf("threads: %d", threads))
		var variants []*variant
		for _, a := range all {
			variants = append(variants, &variant{name: a.name, steps: func() []step { return []step{a.run(threads)} }})
		}
		if err := interleave(ctx, s.rounds, nil, variants...); err != nil {
			return err
		}
		for i, v := range variants {
			if v.err != nil {
				return fmt.Errorf("B17: %w", v.err)
			}
			speed[i] = append(speed[i], fmt.Sprintf("%s (%.2f ×), %s CPU", ms(median(v.samples, wall)), paired(v, variants[0]), ms(median(v.samples, cpu))))
			var peaks []sample
			for range 3 {
				peak, err := all[i].run(threads).peak(ctx)
				if err != nil {
					return fmt.Errorf("B17: %w", err)
				}
				peaks = append(peaks, peak)
			}
			memory[i] = append(memory[i], mb(median(peaks, rss)))
		}
	}
	s.report.section("B17: allocators", fmt.Sprintf("`bench/allocs`: %d million blocks of mixed sizes, replaced in windows of 4096 a thread, one in eight freed by another thread. "+
		"Wall ms, the ratio to musl's in the same round, CPU ms.", allocRounds/1_000_000))
	s.report.table(head, speed)
	fmt.Fprintln(s.report.w, "\nPeak memory, MB, median of 3.")
	fmt.Fprintln(s.report.w)
	s.report.table(head, memory)
	return nil
}

func (a allocator) run(threads int) step {
	return step{argv: []string{a.program, strconv.Itoa(threads), strconv.Itoa(allocRounds)}, env: a.env}
}

// allocators builds the program with each: by sampan for musl, by cargo alone for the host's glibc.
func (s *suite) allocators(ctx context.Context) ([]allocator, error) {
	dir := filepath.Join(s.dir, "allocs")
	if err := copyTree(filepath.Join("bench", "allocs"), dir); err != nil {
		return nil, err
	}
	gnu := strings.Replace(muslTriple(), "musl", "gnu", 1)
	built := func(name string, st step, triple string) (string, error) {
		st.dir = dir
		if _, _, err := st.run(ctx); err != nil {
			return "", err
		}
		to := filepath.Join(s.dir, name)
		return to, copyFile(filepath.Join(dir, "target", triple, "release", "allocs"), to, 0o755)
	}
	ours := func(word string) step {
		return step{argv: []string{s.sampan, "build", "--quiet", "--allocator", word}, env: []string{"SAMPAN_CACHE_DIR=" + filepath.Join(s.dir, "allocs-cache")}}
	}
	musl, err := built("allocs-musl", ours("system"), muslTriple())
	if err != nil {
		return nil, err
	}
	mimalloc, err := built("allocs-mimalloc", ours("mimalloc"), muslTriple())
	if err != nil {
		return nil, err
	}
	glibc, err := built("allocs-glibc", step{argv: []string{"cargo", "build", "--quiet", "--release", "--locked", "--target", gnu}}, gnu)
	if err != nil {
		return nil, err
	}
	return []allocator{{name: "musl", program: musl}, {name: `allocator = "mimalloc"`, program: mimalloc},
		{name: "the same, MIMALLOC_PURGE_DELAY=0", program: mimalloc, env: []string{"MIMALLOC_PURGE_DELAY=0"}}, {name: "glibc, dynamic", program: glibc}}, nil
}
