// SPDX-License-Identifier: MIT OR Apache-2.0

// Package sandbox starts a Tree's program in namespaces, with no engine, to see that it runs.
//
// Run lays the trees over each other in memory, as an engine lays an image's layers, and starts the program in them:
// user, mount, pid, ipc, uts and (where allowed) cgroup namespaces, a root that cannot be written, an empty /tmp, the
// image's user and group, no capabilities and no way to get any. The network is the host's. A small init is process 1,
// since the kernel gives process 1 no default signal action: signals end the program as they would outside.
//
// It needs no privilege and leaves nothing behind: no mount, no file, no process, also when it is killed. It is a way
// to try an image, not a wall against a hostile program. Only Linux can do it; elsewhere Run says so.
//
// One user and one group exist inside. Files of other owners belong to the program's user there, and get the
// permissions that this user would have had on them.
//
//	func main() {
//		if handled, code := sandbox.Main(os.Args); handled {
//			os.Exit(code)
//		}
//		code, err := sandbox.Run(ctx, sandbox.Spec{Trees: trees, Command: []string{"/hello"}, UID: 1000, GID: 1000, Stdout: os.Stdout})
//	}
package sandbox

import (
	"fmt"
	"os"
	"path"
	"strings"

	"sampan/internal/rootfs"
)

// initName is the argv[0] under which our own executable is process 1 of a sandbox. What it has to do arrives through
// file descriptor 3, so that no argument or variable of the image shows in a process list.
const initName = "sampan-init"

// Spec is what to start. Names are the image's.
type Spec struct {
	Trees    []rootfs.Tree // later ones lie over earlier ones
	Command  []string      // program and arguments; the program is an absolute path in the trees
	Env      []string      // "KEY=value", exactly what the program gets
	Dir      string        // working directory, made when no tree has it; "" is "/"
	UID, GID int
	Hostname string   // "" is "sampan"
	Stdin    *os.File // nil is /dev/null, as for Stdout and Stderr
	Stdout   *os.File
	Stderr   *os.File
	Self     string // our executable, which calls Main; "" is the running one
}

// SpecError says that a Spec cannot be run.
type SpecError struct{ Problem string }

func (e *SpecError) Error() string { return "run image: " + e.Problem }

func (s *Spec) validate() error {
	bad := func(format string, a ...any) error { return &SpecError{Problem: fmt.Sprintf(format, a...)} }
	switch {
	case len(s.Command) == 0:
		return bad("there is no command")
	case !path.IsAbs(s.Command[0]):
		return bad("program %q is not an absolute path", s.Command[0])
	case s.Dir != "" && !path.IsAbs(s.Dir):
		return bad("working directory %q is not an absolute path", s.Dir)
	case s.UID < 0 || s.GID < 0:
		return bad("user %d:%d is negative", s.UID, s.GID)
	case len(s.Hostname) > 64:
		return bad("host name %q is longer than 64 bytes", s.Hostname)
	}
	for _, text := range append(append([]string{s.Dir}, s.Command...), s.Env...) {
		if strings.IndexByte(text, 0) >= 0 {
			return bad("%q has a NUL byte in it", text)
		}
	}
	for _, t := range s.Trees {
		if err := t.Validate(); err != nil {
			return fmt.Errorf("run image: %w", err)
		}
	}
	return nil
}
