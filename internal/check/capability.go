// SPDX-License-Identifier: MIT OR Apache-2.0

package check

import (
	"slices"
	"strings"
)

var capabilityCheck = Check{
	ID:    "capability",
	Doc:   "The programs' capabilities are among those that engines allow a container unasked.",
	Level: Warn,
	Run:   checkCapabilities,
}

// allowed are the capabilities that docker, podman and containerd all let a container have unasked.
var allowed = []string{"chown", "dac_override", "fowner", "fsetid", "kill", "net_bind_service", "setfcap", "setgid", "setpcap", "setuid", "sys_chroot"}

// checkCapabilities: a program that has the effective flag for what its container may not have is not started at all
// (capabilities(7), "Safety checking for capability-dumb binaries").
func checkCapabilities(s Subject) []Finding {
	var words []string
	for _, name := range s.Capabilities {
		if !slices.Contains(allowed, name) {
			words = append(words, strings.ToUpper(name))
		}
	}
	if len(words) == 0 {
		return nil
	}
	return []Finding{{
		Message: "a container may not have " + strings.Join(words, ", ") + " unless it is told so; until then the kernel answers \"operation not permitted\" to the program's start",
		Hint:    "docker run --cap-add " + strings.Join(words, " --cap-add ") + "; in Kubernetes: securityContext.capabilities.add",
	}}
}
