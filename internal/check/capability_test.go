// SPDX-License-Identifier: MIT OR Apache-2.0

package check

import "testing"

func TestCapability(t *testing.T) {
	caps := func(names ...string) func(*Subject) { return func(s *Subject) { s.Capabilities = names } }
	table(t, "capability", []row{
		{"none", caps(), "", ""},
		{"every engine's", caps("net_bind_service", "chown"), "", ""},
		{"more", caps("chown", "net_admin", "bpf"), "a container may not have NET_ADMIN, BPF unless it is told so; until then the kernel answers \"operation not permitted\" to the program's start", "--cap-add NET_ADMIN --cap-add BPF;"},
	})
}
