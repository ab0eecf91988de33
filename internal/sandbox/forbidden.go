// SPDX-License-Identifier: MIT OR Apache-2.0

package sandbox

import (
	"io/fs"
	"strings"
)

// limits are the settings that forbid namespaces when they have that value, and what to type. The order is that of how
// sure the finding is.
var limits = []struct{ file, name, bad, good string }{
	{"proc/sys/user/max_user_namespaces", "user.max_user_namespaces", "0", "15000"},
	{"proc/sys/user/max_mnt_namespaces", "user.max_mnt_namespaces", "0", "15000"},
	{"proc/sys/user/max_pid_namespaces", "user.max_pid_namespaces", "0", "15000"},
	{"proc/sys/user/max_ipc_namespaces", "user.max_ipc_namespaces", "0", "15000"},
	{"proc/sys/user/max_uts_namespaces", "user.max_uts_namespaces", "0", "15000"},
	{"proc/sys/kernel/unprivileged_userns_clone", "kernel.unprivileged_userns_clone", "0", "1"},
	{"proc/sys/kernel/apparmor_restrict_unprivileged_userns", "kernel.apparmor_restrict_unprivileged_userns", "1", "0"},
}

// forbidden finds out from the host's root folder what refused op.
func forbidden(root fs.FS, op string, err error) *ForbiddenError {
	e := &ForbiddenError{Op: op, Err: err}
	for _, l := range limits {
		b, rerr := fs.ReadFile(root, l.file)
		if rerr == nil && strings.TrimSpace(string(b)) == l.bad {
			e.Setting = l.name + " = " + l.bad
			e.Command = "sudo sysctl -w " + l.name + "=" + l.good
			return e
		}
	}
	if _, serr := fs.Stat(root, "proc/self/status"); serr != nil {
		return e // no /proc, so nothing can be said
	}
	if _, serr := fs.Lstat(root, "proc/self/ns/user"); serr != nil {
		e.Setting = "a kernel without user namespaces"
		return e
	}
	status, _ := fs.ReadFile(root, "proc/self/status")
	for line := range strings.Lines(string(status)) {
		if name, value, _ := strings.Cut(line, ":"); name == "Seccomp" && strings.TrimSpace(value) == "2" {
			e.Setting = "a seccomp filter (a container engine's, most often)"
		}
	}
	return e
}
