// SPDX-License-Identifier: MIT OR Apache-2.0

package sandbox

import (
	"fmt"
	"runtime"
)

// withEngine is what always works where there is an engine.
const withEngine = "use an engine: `sampan build -o docker-archive:image.tar && docker load -i image.tar`"

// UnsupportedError says that this system has no namespaces.
type UnsupportedError struct{ OS string }

func (e *UnsupportedError) Error() string {
	return fmt.Sprintf("run image: needs Linux namespaces, and this is %s", e.OS)
}

// Hint says what to type.
func (e *UnsupportedError) Hint() string { return withEngine }

// ForbiddenError says that the kernel, or who set it up, does not let us make namespaces.
type ForbiddenError struct {
	Op      string // what was refused: "clone", "mount proc", …
	Setting string // what forbids it: "user.max_user_namespaces = 0", "a seccomp filter"; "" when unknown
	Command string // what allows it, "" when nothing that we know of
	Err     error
}

func (e *ForbiddenError) Error() string {
	if e.Setting == "" {
		return fmt.Sprintf("run image: the kernel forbids namespaces here: %s: %v", e.Op, e.Err)
	}
	return fmt.Sprintf("run image: %s forbids namespaces here: %s: %v", e.Setting, e.Op, e.Err)
}

// Unwrap gives the cause.
func (e *ForbiddenError) Unwrap() error { return e.Err }

// Hint says what to type.
func (e *ForbiddenError) Hint() string {
	if e.Command == "" {
		return withEngine
	}
	return fmt.Sprintf("allow it with `%s`, or %s", e.Command, withEngine)
}

// StartError says why the program did not start although its sandbox was ready.
type StartError struct {
	Path    string // as in Command
	Problem string // "its interpreter /lib/ld-musl-x86_64.so.1 is not in the image"
	Interp  string // the interpreter that the program asks for, "" when none
	Machine string // the machine it was made for, when that is not ours; in words of `uname -m`
	Err     error  // what the kernel said
}

func (e *StartError) Error() string { return fmt.Sprintf("start %s: %s", e.Path, e.Problem) }

// Unwrap gives the kernel's answer.
func (e *StartError) Unwrap() error { return e.Err }

// Hint says what to type, "" when nothing would help.
func (e *StartError) Hint() string {
	machine := map[string]string{"amd64": "x86_64", "arm64": "aarch64", "386": "i686"}[runtime.GOARCH]
	switch {
	case machine == "":
		return ""
	case e.Interp != "":
		return fmt.Sprintf("build a static program: `sampan build --target %s-unknown-linux-musl`", machine)
	case e.Machine != "":
		return fmt.Sprintf("build for this machine: `sampan run --target %s-unknown-linux-musl`", machine)
	}
	return ""
}
