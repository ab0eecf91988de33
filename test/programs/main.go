// SPDX-License-Identifier: MIT OR Apache-2.0

//go:build linux

// Command programs builds real published programs with Sampan, runs their images, and prints a Markdown table.
//
//	go run ./test/programs                              all of them for amd64, five for arm64; an hour or more
//	go run ./test/programs -only hyperfine,ripgrep      rows by name, or all rows of a program
//	go run ./test/programs -platform linux/arm64        those that are run under qemu
//	go run ./test/programs -peers                       plain cargo and cargo-zigbuild beside it
//	go run ./test/programs -platform none -peers        those two alone
//
// Run it as root from the repository's root, after scripts/setup. Programs for the machine's own architecture run in a
// dockerd that it starts for itself, others under qemu-user (qemu-user-static) in a changed root. It ends with 1 when
// a program did not hold. All that it makes lies in one temporary folder, but for cargo's downloads and Sampan's cache.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"

	"sampan/e2e/engine"
)

// options are the words of the command line.
type options struct {
	sampan, cache, only, platforms string
	peers, keep                    bool
}

func main() {
	var o options
	flag.StringVar(&o.sampan, "sampan", "", "`path` of a sampan executable; built from here when empty")
	flag.StringVar(&o.cache, "cache", "", "`folder` for Sampan's cache (SAMPAN_CACHE_DIR); the user's own when empty")
	flag.StringVar(&o.only, "only", "", "which `rows` or programs, with commas; all when empty")
	flag.StringVar(&o.platforms, "platform", "linux/amd64,linux/arm64", "`platforms`, with commas; none builds nothing with Sampan")
	flag.BoolVar(&o.peers, "peers", false, "build with plain cargo and with cargo-zigbuild too")
	flag.BoolVar(&o.keep, "keep", false, "leave the temporary folder")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	held, err := run(ctx, o)
	if err != nil {
		fmt.Fprintln(os.Stderr, "programs:", err)
	}
	if err != nil || !held {
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) (held bool, err error) {
	chosen, err := choose(o.only)
	if err != nil {
		return false, err
	}
	wanted, err := platforms(o.platforms)
	if err != nil {
		return false, err
	}
	h := &harness{options: o, platforms: wanted}
	if h.dir, err = os.MkdirTemp("", "sampan-programs-"); err != nil {
		return false, err
	}
	if err := os.Chmod(h.dir, 0o755); err != nil { // uid 1000 goes through it
		return false, err
	}
	defer func() { err = errors.Join(err, h.close()) }()
	if err := h.open(ctx); err != nil {
		return false, err
	}
	held = true
	rows := map[string]*result{} // for the peers: which version Sampan built
	for _, p := range wanted {
		results := h.images(ctx, p, chosen, rows)
		held = report(os.Stdout, p, results) && held
	}
	if o.peers && ctx.Err() == nil {
		if err := h.peers(ctx, chosen, rows); err != nil {
			return false, err
		}
	}
	return held, ctx.Err()
}

// platforms parses the flag of that name.
func platforms(list string) ([]string, error) {
	if list == "" || list == "none" {
		return nil, nil
	}
	known := []string{"linux/amd64", "linux/arm64"}
	words := strings.Split(list, ",")
	for _, w := range words {
		if !slices.Contains(known, w) {
			return nil, fmt.Errorf("choose platforms: no %s here, but %s", w, strings.Join(known, ", "))
		}
	}
	return words, nil
}

// harness is what all rows share.
type harness struct {
	options
	platforms []string
	dir       string // scratch
	docker    *engine.Engine
	qemu      string // path of the emulator for the other architecture
	site      *site
}

// native is the platform that needs no emulator.
var native = "linux/" + runtime.GOARCH

// open makes what the rows need: an executable of Sampan, servers to talk to, an engine, an emulator.
func (h *harness) open(ctx context.Context) (err error) {
	if os.Geteuid() != 0 {
		return errors.New("start an engine, change the root: needs root")
	}
	if h.site, err = newSite(filepath.Join(h.dir, "ca.pem")); err != nil {
		return err
	}
	if len(h.platforms) == 0 {
		return nil
	}
	if h.sampan == "" {
		h.sampan = filepath.Join(h.dir, "sampan")
		cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w", "-o", h.sampan, "./cmd/sampan")
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("build sampan: %w\n%s", err, out)
		}
	}
	if h.sampan, err = filepath.Abs(h.sampan); err != nil {
		return err
	}
	if h.cache != "" {
		if h.cache, err = filepath.Abs(h.cache); err != nil {
			return err
		}
	}
	for _, p := range h.platforms {
		if p == native {
			if h.docker, err = engine.StartDocker(ctx); err != nil {
				return err
			}
			continue
		}
		name := map[string]string{"linux/amd64": "qemu-x86_64-static", "linux/arm64": "qemu-aarch64-static"}[p]
		if h.qemu, err = exec.LookPath(name); err != nil {
			return fmt.Errorf("find %s: not in PATH; apt-get install qemu-user-static", name)
		}
	}
	return nil
}

// close ends what open started and removes the folder.
func (h *harness) close() error {
	var errs []error
	if h.docker != nil {
		errs = append(errs, h.docker.Stop())
	}
	if h.site != nil {
		h.site.close()
	}
	if h.keep {
		fmt.Fprintln(os.Stderr, "programs: kept", h.dir)
		return errors.Join(errs...)
	}
	return errors.Join(append(errs, os.RemoveAll(h.dir))...)
}

// say tells on stderr what goes on.
func say(format string, args ...any) { fmt.Fprintf(os.Stderr, "programs: "+format+"\n", args...) }
