// SPDX-License-Identifier: MIT OR Apache-2.0

package native

import (
	"fmt"
	"strings"

	"sampan/internal/cargo"
)

// CompilerReason says why there is no compiler.
type CompilerReason int

// Reasons of a CompilerError.
const (
	NoClient   CompilerReason = iota // neither pip nor uv is here to fetch zig
	NotFetched                       // the package client failed: no network, no such package at its index
	BadHash                          // what came is not what is pinned
	NotAllowed                       // zig is not here, and --no-install
	NoWheel                          // zig is not published for this host
	NoHost                           // the host has no compiler for the triple
	NoUser                           // what the user named is not there
	NoTriple                         // no compiler makes programs for this triple
	NoCXX                            // there is a C compiler, but none for C++
	Unusable                         // it was started and failed
)

// CompilerError says that C cannot be compiled for a triple.
type CompilerError struct {
	Reason CompilerReason
	Triple cargo.Triple
	Detail string // what was tried, what it said; "" for nothing
	Err    error
}

func (e *CompilerError) Error() string {
	var what string
	switch e.Reason {
	case NoClient:
		what = "fetch zig " + ZigVersion + ": neither pip nor uv is in PATH"
	case NotFetched:
		what = "fetch zig " + ZigVersion
	case BadHash:
		what = "check zig " + ZigVersion + ": its bytes are not the pinned ones"
	case NotAllowed:
		what = "find C compiler: zig " + ZigVersion + " is not here, and must not be fetched"
	case NoWheel:
		what = "fetch zig " + ZigVersion + ": not published for this kind of machine"
	case NoHost:
		what = "find C compiler of this machine for " + string(e.Triple) + ": none"
	case NoUser:
		what = "find C compiler: not found"
	case NoCXX:
		what = "find C++ compiler for " + string(e.Triple) + ": none"
	case Unusable:
		what = "run C compiler"
	default:
		what = fmt.Sprintf("find C compiler for %s: no image can be made for this triple", e.Triple)
	}
	if e.Detail != "" {
		what += ": " + strings.TrimSpace(e.Detail)
	}
	if e.Err != nil {
		what += ": " + e.Err.Error()
	}
	return what
}

func (e *CompilerError) Unwrap() error { return e.Err }

// Hint says what to type.
func (e *CompilerError) Hint() string {
	arch, _, _ := strings.Cut(string(e.Triple), "-")
	switch e.Reason {
	case NoClient:
		return "install pip (`apt-get install python3-pip`, `dnf install python3-pip`, `apk add py3-pip`, `brew install python`) or uv, or put zig " +
			ZigVersion + " in PATH; or compile by what the machine has: --cc host"
	case NotFetched:
		return "look at the network and the package index (PIP_INDEX_URL, HTTPS_PROXY), or put zig " + ZigVersion + " in PATH; or use --cc host"
	case BadHash:
		return "the index or something on the way to it gives out another file; use one that can be trusted: PIP_INDEX_URL=https://pypi.org/simple"
	case NotAllowed:
		return "run once without --no-install and --offline, or `sampan setup`; or use --cc host"
	case NoWheel:
		return "put zig " + ZigVersion + " in PATH, or use --cc host"
	case NoHost:
		return "install " + arch + "-linux-musl-gcc, or clang and the headers of musl (`apt-get install clang musl-dev`); or leave --cc host out"
	case NoUser:
		return "correct the variable, or unset it for the pinned compiler"
	case NoCXX:
		return "leave --cc host out, or set CXX_" + strings.ReplaceAll(string(e.Triple), "-", "_")
	case Unusable:
		return "run it by hand with --version"
	}
	return "choose another with --target"
}
