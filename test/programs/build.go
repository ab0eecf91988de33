// SPDX-License-Identifier: MIT OR Apache-2.0

//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const (
	buildWithin = time.Hour // one program
	stopWithin  = 20 * time.Second
)

// result is what came of one row.
type result struct {
	program  program
	version  string        // of the crate, as the image says
	wall     time.Duration // of sampan build
	cargo    float64       // part of it that was cargo's, 0 to 1
	unpacked int64         // bytes of the image's files
	packed   int64         // bytes of layers, configuration and manifest
	err      error         // nil: it holds
}

// images builds and runs the rows for a platform; found gets what was built, by row, unless another platform did.
func (h *harness) images(ctx context.Context, platform string, chosen []program, found map[string]*result) []*result {
	var results []*result
	for _, p := range chosen {
		if platform != native && !p.cross && h.only == "" {
			continue
		}
		if ctx.Err() != nil {
			break
		}
		say("%s for %s …", p.name, platform)
		r := &result{program: p}
		r.err = h.image(ctx, platform, r)
		results = append(results, r)
		if found[p.name] == nil {
			found[p.name] = r
		}
		if r.err != nil {
			say("%s for %s: %v", p.name, platform, r.err)
			continue
		}
		say("%s %s for %s: holds, %.0f s", p.name, r.version, platform, r.wall.Seconds())
	}
	return results
}

// image builds one row, checks it, runs it.
func (h *harness) image(ctx context.Context, platform string, r *result) (err error) {
	p := r.program
	dir := filepath.Join(h.dir, strings.ReplaceAll(platform, "/", "-")+"-"+p.name)
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	if !h.keep {
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	}
	file := filepath.Join(dir, "image.tar")
	if err := h.build(ctx, platform, r, file); err != nil {
		return err
	}
	a, err := readArchive(file)
	if err != nil {
		return err
	}
	root := filepath.Join(dir, "root")
	if err := a.unpack(root); err != nil {
		return err
	}
	r.version, r.packed, r.unpacked = a.config.Config.Labels["org.opencontainers.image.version"], a.packed, a.unpacked
	exe, err := a.program()
	if err != nil {
		return err
	}
	if err := static(filepath.Join(root, exe), platform); err != nil {
		return err
	}
	if want := fmt.Sprintf("%d:%d", uid, gid); a.config.Config.User != want {
		return fmt.Errorf("read the configuration: user %q, want %s", a.config.Config.User, want)
	}
	if p.most > 0 && r.unpacked > p.most {
		// It is run all the same: a size that is missed is no reason to know less.
		return errors.Join(h.execute(ctx, platform, p, a, dir), fmt.Errorf("the image has %d bytes, %d more than it may", r.unpacked, r.unpacked-p.most))
	}
	return h.execute(ctx, platform, p, a, dir)
}

// build runs sampan.
func (h *harness) build(ctx context.Context, platform string, r *result, file string) error {
	p := r.program
	args := append([]string{"build", p.spec(), "--bin", p.bin, "--platform", platform, "--json", "--progress", "plain", "-o", "docker-archive:" + file}, p.cargo...)
	args = append(args, p.sampan...)
	if p.ca {
		args = append(args, "--ca-file", h.site.ca)
	}
	var env []string
	if h.cache != "" {
		env = append(env, "SAMPAN_CACHE_DIR="+h.cache)
	}
	start := time.Now()
	stdout, err := h.tool(ctx, filepath.Dir(file), env, h.sampan, args...)
	r.wall = time.Since(start)
	if err != nil {
		return err
	}
	var said struct {
		Seconds struct{ Compile, Total float64 }
	}
	if err := json.Unmarshal([]byte(stdout), &said); err != nil {
		return fmt.Errorf("read sampan's answer: %w", err)
	}
	if said.Seconds.Total > 0 {
		r.cargo = said.Seconds.Compile / said.Seconds.Total
	}
	return nil
}

// tool runs a build tool in a folder to its end, stderr into a log there; an error holds what the log calls one.
func (h *harness) tool(ctx context.Context, dir string, env []string, name string, args ...string) (stdout string, err error) {
	ctx, cancel := context.WithTimeout(ctx, buildWithin)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) } // the compilers too
	cmd.WaitDelay = stopWithin
	var out, log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &log
	runs := cmd.Run()
	file := filepath.Join(dir, filepath.Base(name)+".log")
	if err := os.WriteFile(file, log.Bytes(), 0o644); err != nil {
		return "", err
	}
	if ctx.Err() != nil {
		return "", fmt.Errorf("%s %s: %w", filepath.Base(name), args[0], context.Cause(ctx))
	}
	if runs != nil {
		say("the end of its log:\n%s", lastLines(log.String(), 20))
		return "", fmt.Errorf("%s %s: %w: %s", filepath.Base(name), args[0], runs, firstErrors(log.String()))
	}
	return out.String(), nil
}

// firstErrors picks from a log the lines that say what went wrong, Sampan's own first, or else its last ones.
func firstErrors(log string) string {
	var own, theirs []string
	for line := range strings.Lines(log) {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "sampan: error"):
			own = append(own, line)
		case strings.HasPrefix(line, "error"), strings.Contains(line, "could not find"):
			theirs = append(theirs, line)
		}
	}
	found := append(own, theirs...)
	if len(found) == 0 {
		return lastLines(log, 3)
	}
	return strings.Join(found[:min(3, len(found))], "\n")
}

// execute runs the image: its version first, then its piece of work.
func (h *harness) execute(ctx context.Context, platform string, p program, a *archive, dir string) (err error) {
	exe, err := a.program()
	if err != nil {
		return err
	}
	j := &job{exe: exe, site: h.site}
	root := filepath.Join(dir, "root")
	if platform == native {
		j.dir = filepath.Join(dir, "w")
		j.box, err = newDockerBox(ctx, h.docker, filepath.Join(dir, "image.tar"), j.dir)
	} else {
		j.dir = filepath.Join(root, "w")
		j.box, err = newRootBox(root, exe, h.qemu, a.config.Config.Env)
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, j.box.close()) }()
	if err := os.Mkdir(j.dir, 0o755); err != nil {
		return err
	}
	answer, err := j.must(words{args: []string{"--version"}})
	if err != nil {
		return err
	}
	if answer.stdout == "" {
		return errors.New("--version: it says nothing")
	}
	return p.work(j)
}
