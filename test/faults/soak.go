// SPDX-License-Identifier: MIT OR Apache-2.0

//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"sampan/internal/faulty"
)

const (
	soakStall = "3s"             // the one thing that is made shorter, by a public option
	soakLimit = 20 * time.Minute // a registry may ask for waits of a quarter of an hour in all
)

// tally counts how schedules ended.
type tally struct {
	mu           sync.Mutex
	done, gaveUp int
	bad          []string
	longest      time.Duration
}

// soakAll plays random schedules, many at once, each before a door of its own and with a process of its own.
func (h *harness) soakAll(ctx context.Context, q *quay) (bool, error) {
	var t tally
	began := time.Now()
	slots := make(chan struct{}, max(h.parallel, 1))
	var all sync.WaitGroup
	for i := range h.soak {
		slots <- struct{}{}
		if ctx.Err() != nil {
			break
		}
		all.Go(func() {
			defer func() { <-slots }()
			h.soakOne(ctx, q, h.seed+uint64(i), &t)
		})
		if i%100 == 99 {
			say("%d schedules begun, %.0f s", i+1, time.Since(began).Seconds())
		}
	}
	all.Wait()
	for _, b := range t.bad {
		fmt.Println("- " + b)
	}
	fmt.Printf("%d schedules, seeds %d to %d, before %s %s: %d pushed and whole, %d gave up and said why, %d wrong; the longest took %.0f s, all together %.0f s\n",
		t.done+t.gaveUp+len(t.bad), h.seed, h.seed+uint64(h.soak)-1, q.name, q.version, t.done, t.gaveUp, len(t.bad), t.longest.Seconds(), time.Since(began).Seconds())
	return len(t.bad) == 0, ctx.Err()
}

func (h *harness) soakOne(ctx context.Context, q *quay, seed uint64, t *tally) {
	sc := scene{guarded: true}
	c := sc.open(q, &wares{})
	defer c.close()
	faults, told := faulty.Schedule(seed, c.guard, c.stranger)
	c.proxy.Play(faults...)
	dir := filepath.Join(h.dir, fmt.Sprintf("soak-%d", seed))
	defer os.RemoveAll(dir)
	repo := fmt.Sprintf("soak/%d", seed)
	env, err := surroundings(dir, login(c.proxy.Host))
	var o outcome
	var code int
	if err == nil {
		argv := []string{h.sampan, "push", h.goods.pair, c.proxy.Host + "/" + repo + ":v1", "--stall", soakStall}
		o, code = start(ctx, argv, env, soakLimit)
	}
	if ctx.Err() != nil {
		return
	}
	err = errors.Join(err, h.soakJudge(q, c, repo, code, o), strays(dir))
	t.mu.Lock()
	defer t.mu.Unlock()
	t.longest = max(t.longest, o.took)
	switch {
	case err != nil:
		t.bad = append(t.bad, fmt.Sprintf("seed %d (%s): %v; it said: %s", seed, strings.Join(told, "; "), err, o.said))
		say("%s", t.bad[len(t.bad)-1])
	case code == 0:
		t.done++
	default:
		t.gaveUp++
	}
}

// soakJudge asks the registry, strangers and the system what a push left.
func (h *harness) soakJudge(q *quay, c *cell, repo string, code int, o outcome) error {
	var errs []error
	if heard, _ := c.stranger.Heard(); leak(heard) != "" {
		errs = append(errs, errors.New("a stranger heard a "+leak(heard)))
	}
	switch {
	case code < 0:
		errs = append(errs, errors.New("it does not end"))
	case code == 0:
		if err := newReader(q.address).whole(repo, "v1", h.goods.index); err != nil {
			errs = append(errs, fmt.Errorf("it says that it is done: %w", err))
		}
	case code > 4 || !strings.Contains(o.said, "hint:") && !strings.Contains(o.said, "try"):
		errs = append(errs, fmt.Errorf("exit status %d, or nothing to type", code))
	}
	if strings.Contains(o.said, password) {
		errs = append(errs, errors.New("it shows the password"))
	}
	if o.group > 0 && syscall.Kill(-o.group, 0) == nil {
		errs = append(errs, errors.New("a child is left"))
	}
	return errors.Join(errs...)
}

// strays looks for files that a push left, but for its memory.
func strays(dir string) error {
	var errs []error
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		kept := rel == filepath.Join("home", ".docker", "config.json") || strings.HasPrefix(rel, "cache"+string(filepath.Separator)) && !strings.HasSuffix(rel, ".tmp")
		if !kept {
			errs = append(errs, errors.New("it left "+rel))
		}
		return nil
	})
	return errors.Join(append(errs, err)...)
}
