// SPDX-License-Identifier: MIT OR Apache-2.0

//go:build linux

package main

import (
	"errors"
	"testing"
	"time"
)

func walls(ms ...int) *variant {
	v := &variant{}
	for _, n := range ms {
		v.samples = append(v.samples, sample{wall: time.Duration(n) * time.Millisecond})
	}
	return v
}

func TestMedian(t *testing.T) {
	for want, ms := range map[int][]int{0: {}, 3: {3}, 2: {3, 1, 2}, 4: {9, 1, 4, 5}} {
		if got := median(walls(ms...).samples, wall); got != time.Duration(want)*time.Millisecond {
			t.Errorf("median of %v: %v", ms, got)
		}
	}
}

func TestPaired(t *testing.T) {
	a, b := walls(10, 40, 90), walls(5, 10, 30)
	if got := paired(a, b); got != 3 { // 2, 4, 3
		t.Errorf("ratio %v", got)
	}
	if got := pairedExtra(a, b); got != 30*time.Millisecond { // 5, 30, 60
		t.Errorf("extra %v", got)
	}
}

func TestInterleave(t *testing.T) {
	var order string
	note := func(word string) func() error { return func() error { order += word; return nil } }
	good := &variant{before: note("a"), inside: func() (sample, error) { return sample{}, nil }, after: note("b")}
	bad := &variant{inside: func() (sample, error) { order += "x"; return sample{}, errors.New("no") }, after: note("y")}
	if err := interleave(t.Context(), 2, note("."), good, bad); err != nil {
		t.Fatal(err)
	}
	if order != ".abxy.ab.ab" {
		t.Errorf("order %s", order)
	}
	if len(good.samples) != 2 || len(bad.samples) != 0 || bad.err == nil {
		t.Errorf("samples %d and %d, error %v", len(good.samples), len(bad.samples), bad.err)
	}
}

func TestPeak(t *testing.T) {
	ctx := t.Context()
	small, err := step{argv: []string{"true"}}.peak(ctx)
	if err != nil {
		t.Fatal(err)
	}
	large, err := step{argv: []string{"sh", "-c", "x=$(head -c 50000000 /dev/zero | tr '\\0' x); true"}}.peak(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if small.rss <= 0 || small.rss > 4<<20 || large.rss < 45<<20 {
		t.Errorf("peaks: %d for true, %d for 50 MB in a shell", small.rss, large.rss)
	}
	if _, err := (step{argv: []string{"false"}}).peak(ctx); err == nil {
		t.Error("a process that fails is no error")
	}
}
