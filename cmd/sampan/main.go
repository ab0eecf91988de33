// SPDX-License-Identifier: MIT OR Apache-2.0

// Command sampan turns a Rust package into the thinnest container image that runs. Installed a second time as
// cargo-sampan it is a cargo subcommand.
package main

import (
	"context"
	"io"
	"log"
	"os"
	"os/signal"
	"syscall"

	"sampan/internal/cli"
	"sampan/internal/sandbox"
)

func main() {
	if handled, code := sandbox.Main(os.Args); handled {
		os.Exit(code)
	}
	// net/http writes what it finds odd about servers to this log: other people's words, past our terminal.
	log.SetOutput(io.Discard)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	go func() {
		<-ctx.Done()
		// The first signal ends the work in order; a second one ends the process at once.
		stop()
	}()
	// A reader of our output that is gone is an error to be told, not a death by signal.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	code := cli.Main(ctx, os.Args, os.Environ())
	os.Exit(code)
}
