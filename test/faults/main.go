// SPDX-License-Identifier: MIT OR Apache-2.0

//go:build linux

// Command faults lets Sampan and other clients push through a proxy that plays faults, before real registries, and
// prints a Markdown table of what became of it.
//
//	go run ./test/faults                          all scenes, all clients that are there, both registries
//	go run ./test/faults -only P07,R14            some scenes
//	go run ./test/faults -clients sampan          some clients
//	go run ./test/faults -soak 1000 -seed 1       random schedules of one to four faults, Sampan alone
//
// Run it as root (docker needs it) from the repository's root, after scripts/setup --peers. It ends with 1 when a push
// of Sampan's was not what the scene wants. All that it makes lies in one temporary folder.
//
// No client is asked what it did, but for its exit status: what a registry holds is read from that registry, past the
// proxy, by code of this program, and hosts that nobody named are asked what they heard.
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
	"strings"
	"syscall"

	"sampan/e2e/engine"
)

// options are the words of the command line.
type options struct {
	sampan, only, clients, registries string
	soak, parallel                    int
	seed                              uint64
}

func main() {
	var o options
	flag.StringVar(&o.sampan, "sampan", "", "`path` of a sampan executable; built from here when empty")
	flag.StringVar(&o.only, "only", "", "which `scenes`, with commas; all when empty")
	flag.StringVar(&o.clients, "clients", "", "which `clients`, with commas; all that are there when empty")
	flag.StringVar(&o.registries, "registry", "", "which `registry`: distribution or docker-registry; both when empty, the soak takes the first")
	flag.IntVar(&o.soak, "soak", 0, "play so many random schedules instead of the scenes")
	flag.IntVar(&o.parallel, "parallel", 48, "schedules of the soak at once: most of them wait")
	flag.Uint64Var(&o.seed, "seed", 1, "the first schedule of the soak")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	held, err := run(ctx, o)
	if err != nil {
		fmt.Fprintln(os.Stderr, "faults:", err)
	}
	if err != nil || !held {
		os.Exit(1)
	}
}

// harness is what all pushes share.
type harness struct {
	options
	dir    string // scratch
	goods  *goods
	docker *engine.Engine // nil where it is not wanted or not there
}

func run(ctx context.Context, o options) (held bool, err error) {
	h := &harness{options: o}
	if h.dir, err = os.MkdirTemp("", "sampan-faults-"); err != nil {
		return false, err
	}
	defer func() {
		if h.docker != nil {
			err = errors.Join(err, h.docker.Stop())
		}
		err = errors.Join(err, os.RemoveAll(h.dir))
	}()
	if err := h.build(ctx); err != nil {
		return false, err
	}
	if h.goods, err = newGoods(h.dir); err != nil {
		return false, err
	}
	wanted, err := chosenQuays(o.registries)
	if err != nil {
		return false, err
	}
	if o.soak > 0 {
		q, err := startQuay(ctx, wanted[0], h.dir)
		if err != nil {
			return false, err
		}
		defer q.stop()
		return h.soakAll(ctx, q)
	}
	return h.table(ctx, wanted)
}

// build makes the executable under test.
func (h *harness) build(ctx context.Context) error {
	if h.sampan == "" {
		h.sampan = filepath.Join(h.dir, "sampan")
		cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", h.sampan, "./cmd/sampan")
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("build sampan: %w: %s", err, out)
		}
	}
	var err error
	h.sampan, err = filepath.Abs(h.sampan)
	return err
}

// table plays the scenes before each registry.
func (h *harness) table(ctx context.Context, wanted []quayKind) (held bool, err error) {
	chosen, err := chooseScenes(h.only)
	if err != nil {
		return false, err
	}
	clients, err := h.findClients(ctx)
	if err != nil {
		return false, err
	}
	held = true
	for _, kind := range wanted {
		q, err := startQuay(ctx, kind, h.dir)
		if err != nil {
			return false, err
		}
		sheet, err := h.play(ctx, q, chosen, clients)
		q.stop()
		if err != nil {
			return false, err
		}
		held = report(os.Stdout, q, clients, sheet) && held
	}
	return held, nil
}

// words parts a list with commas.
func words(list string) []string {
	if list == "" {
		return nil
	}
	return strings.Split(list, ",")
}

func say(format string, args ...any) { fmt.Fprintf(os.Stderr, "faults: "+format+"\n", args...) }
