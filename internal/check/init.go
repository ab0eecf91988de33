// SPDX-License-Identifier: MIT OR Apache-2.0

package check

import (
	"fmt"
	"slices"
	"strings"
)

var initCheck = Check{
	ID:    "init",
	Doc:   "A program that listens ends when it is asked to: it handles SIGTERM, or the image has an init.",
	Level: Warn,
	Run:   checkInit,
}

// handlers are the crates through which Rust programs handle signals.
var handlers = []string{"signal-hook", "signal-hook-registry", "ctrlc", "nix", "rustix", "async-signal", "simple-signal", "shutdown", "graceful", "tokio-graceful",
	"tokio-graceful-shutdown", "proc-exit", "actix-rt"}

// checkInit: the kernel ignores signals to process 1 that it has no handler for (pid_namespaces(7)), so that such a program
// is killed when the engine's patience is over, ten seconds in Docker and thirty in Kubernetes. What a program of which we
// do not know the crates does is not guessed.
func checkInit(s Subject) []Finding {
	if len(s.Ports) == 0 || s.Init || len(s.Crates) == 0 {
		return nil
	}
	for _, c := range s.Crates {
		if slices.Contains(handlers, c) {
			return nil
		}
	}
	return []Finding{{
		Message: fmt.Sprintf("it listens on %s, and no crate in it handles signals: as process 1 it would not hear SIGTERM, and be killed when the grace period is over",
			printable(strings.Join(s.Ports, ", "))),
		Hint: "init = true in [package.metadata.sampan], or --init; init = false says that it handles SIGTERM",
	}}
}
