// SPDX-License-Identifier: MIT OR Apache-2.0

//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// What the peers are pinned to.
const (
	zigbuildVersion = "0.24.0"
	zigVersion      = "0.17.0"
)

// peer is another way from a published crate to a static program.
type peer struct {
	name    string
	install []string // argv up to the words of cargo install
	env     []string
}

// peers builds the rows with each peer, in cargo's dev profile to save time, and prints a table.
func (h *harness) peers(ctx context.Context, chosen []program, found map[string]*result) error {
	triple := map[string]string{"amd64": "x86_64", "arm64": "aarch64"}[runtime.GOARCH] + "-unknown-linux-musl"
	if _, err := exec.LookPath("musl-gcc"); err != nil {
		say("no musl-gcc here, which plain cargo wants for C: apt-get install musl-tools")
	}
	all := []peer{{name: "cargo", install: []string{"cargo", "install"}}}
	zig, err := h.zigbuild(ctx)
	if err != nil {
		return err
	}
	all = append(all, zig)
	fmt.Printf("\n## Peers, %s, dev profile, with the lock file that the crate ships\n\n| program | version |", triple)
	for _, p := range all {
		fmt.Printf(" %s | s |", p.name)
	}
	fmt.Printf("\n| --- | --- |%s\n", strings.Repeat(" --- | --: |", len(all)))
	counts := make([]map[string]bool, len(all)) // of each peer: which programs failed
	for _, row := range chosen {
		if len(row.sampan) > 0 && row.name != row.of {
			continue // a row that differs by words of Sampan alone
		}
		version := row.version
		if r := found[row.name]; version == "" && r != nil {
			version = r.version
		}
		fmt.Printf("| %s | %s |", row.name, version)
		for i, p := range all {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			start := time.Now()
			err := h.peer(ctx, p, row, version, triple)
			fmt.Printf(" %s | %.0f |", verdict(err), time.Since(start).Seconds())
			if counts[i] == nil {
				counts[i] = map[string]bool{}
			}
			counts[i][row.of] = counts[i][row.of] || err != nil
		}
		fmt.Println()
	}
	fmt.Println()
	for i, p := range all {
		holds := 0
		for _, bad := range counts[i] {
			if !bad {
				holds++
			}
		}
		fmt.Printf("**%d of %d** with %s\n\n", holds, len(counts[i]), p.name)
	}
	return nil
}

// peer builds one row, checks that the program is static, and runs it in an empty root as uid 1000.
func (h *harness) peer(ctx context.Context, p peer, row program, version, triple string) (err error) {
	say("%s with %s …", row.name, p.name)
	dir := filepath.Join(h.dir, "peer-"+strings.ReplaceAll(p.name, " ", "-")+"-"+row.name)
	root := filepath.Join(dir, "root")
	if err := os.MkdirAll(root, 0o755); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }() // gigabytes: never kept
	crate := row.crate
	if version != "" {
		crate += "@" + version
	}
	args := append([]string{}, p.install[1:]...)
	args = append(args, crate, "--locked", "--debug", "--no-track", "--bin", row.bin, "--target", triple,
		"--root", filepath.Join(dir, "out"), "--target-dir", filepath.Join(dir, "target"))
	if _, err := h.tool(ctx, dir, p.env, p.install[0], append(args, row.cargo...)...); err != nil {
		return err
	}
	built := filepath.Join(dir, "out", "bin", row.bin)
	if err := static(built, native); err != nil {
		return err
	}
	if err := copyFile(built, filepath.Join(root, row.bin), 0o755); err != nil {
		return err
	}
	box, err := newRootBox(root, "/"+row.bin, "", nil)
	if err != nil {
		return err
	}
	_, err = (&job{box: box}).must(words{args: []string{"--version"}})
	return err
}

// zigbuild installs cargo-zigbuild and zig in a folder of ours.
func (h *harness) zigbuild(ctx context.Context) (peer, error) {
	dir := filepath.Join(h.dir, "zigbuild")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return peer{}, err
	}
	say("installing cargo-zigbuild %s and zig %s …", zigbuildVersion, zigVersion)
	python := filepath.Join(dir, "python")
	if _, err := h.tool(ctx, dir, nil, "python3", "-m", "pip", "install", "--quiet", "--no-deps", "--target", python, "ziglang=="+zigVersion); err != nil {
		return peer{}, err
	}
	_, err := h.tool(ctx, dir, nil, "cargo", "install", "cargo-zigbuild@"+zigbuildVersion, "--locked", "--debug", "--no-track",
		"--root", dir, "--target-dir", filepath.Join(dir, "target"))
	if err != nil {
		return peer{}, err
	}
	return peer{
		name:    "cargo zigbuild",
		install: []string{filepath.Join(dir, "bin", "cargo-zigbuild"), "install"},
		env: []string{"CARGO_ZIGBUILD_ZIG_PATH=" + filepath.Join(python, "ziglang", "zig"), "CARGO_ZIGBUILD_CACHE_DIR=" + filepath.Join(dir, "wrappers"),
			"ZIG_GLOBAL_CACHE_DIR=" + filepath.Join(dir, "zig-cache"), "ZIG_LOCAL_CACHE_DIR=" + filepath.Join(dir, "zig-cache")},
	}, nil
}
