// SPDX-License-Identifier: MIT OR Apache-2.0

package check

import "testing"

func TestInit(t *testing.T) {
	listens := func(crates ...string) func(*Subject) {
		return func(s *Subject) { s.Ports, s.Crates = []string{"8080/tcp"}, crates }
	}
	table(t, "init", []row{
		{"nobody listens", func(s *Subject) { s.Crates = []string{"web"} }, "", ""},
		{"its crates are not known", listens(), "", ""},
		{"it handles signals", listens("tokio", "signal-hook-registry", "web"), "", ""},
		{"it has an init, or the user said no", func(s *Subject) { listens("web")(s); s.Init = true }, "", ""},
		{"it does not", listens("libc", "web"), "it listens on 8080/tcp, and no crate in it handles signals: as process 1 it would not hear SIGTERM, and be killed when the grace period is over", "init = true"},
	})
}
