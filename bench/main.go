// SPDX-License-Identifier: MIT OR Apache-2.0

//go:build linux

// Command bench measures Sampan against its goals and against its peers, and prints a Markdown table.
//
//	go run ./bench                 all, from the repository's root; peers that are not there are left out
//	go run ./bench -only B1,B14    some
//
// Whole processes are timed from outside, in turn, and compared within one round, since a machine's speed drifts.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
)

func main() {
	only := flag.String("only", "", "which `benchmarks`, as B1,B3; all when empty")
	rounds := flag.Int("rounds", 11, "measured rounds of each")
	large := flag.Int64("large", 1<<30, "`bytes` of the largest input of B6")
	sampan := flag.String("sampan", "", "`path` of a sampan executable; built from here when empty")
	gate := flag.Bool("gate", false, "end with 1 when a goal is missed")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	missed, err := run(ctx, *sampan, *only, *rounds, *large)
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	if *gate && missed > 0 {
		os.Exit(1)
	}
}

func run(ctx context.Context, sampan, only string, rounds int, large int64) (missed int, err error) {
	dir, err := os.MkdirTemp("", "sampan-bench-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	if sampan == "" {
		sampan = filepath.Join(dir, "sampan")
		build := step{argv: []string{"go", "build", "-trimpath", "-ldflags", "-s -w", "-o", sampan, "./cmd/sampan"}, env: []string{"CGO_ENABLED=0"}}
		if _, _, err := build.run(ctx); err != nil {
			return 0, err
		}
	}
	if sampan, err = filepath.Abs(sampan); err != nil {
		return 0, err
	}
	s := &suite{sampan: sampan, dir: dir, rounds: rounds, large: large, report: &report{w: os.Stdout}}
	chosen, err := s.choose(only)
	if err != nil {
		return 0, err
	}
	s.tools = findTools(ctx)
	defer func() { err = errors.Join(err, s.tools.stop()) }()
	fmt.Fprint(s.report.w, machine(ctx, s.tools))
	for _, b := range chosen {
		if err := b.run(ctx); err != nil {
			return 0, err
		}
	}
	s.report.section("Goals", fmt.Sprintf("%d rounds after one of warm-up; the machine was not idle before %d measurements.", rounds, restless))
	s.report.table([]string{"", "goal", "measured", ""}, s.report.goals)
	return s.report.missed, nil
}

type benchmark struct {
	id  string
	run func(context.Context) error
}

// choose returns the benchmarks that a list of ids names.
func (s *suite) choose(only string) ([]benchmark, error) {
	all := []benchmark{{"B1", s.b1}, {"B3", s.b3}, {"B3", s.b3cargo}, {"B6", s.b6}, {"B8", s.b8}, {"B9", s.b9}, {"B13", s.b13}, {"B14", s.b14}, {"B16", s.b16}, {"B17", s.b17}, {"B18", s.b18}, {"B4", s.b4}, {"B5", s.b5}}
	if only == "" {
		return all, nil
	}
	var chosen []benchmark
	for id := range strings.SplitSeq(only, ",") {
		before := len(chosen)
		for _, b := range all {
			if strings.EqualFold(b.id, id) {
				chosen = append(chosen, b)
			}
		}
		if len(chosen) == before {
			return nil, fmt.Errorf("choose benchmarks: no %s", id)
		}
	}
	return chosen, nil
}
