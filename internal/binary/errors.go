// SPDX-License-Identifier: MIT OR Apache-2.0

package binary

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Kinds of files that are no ELF files, as in NotELFError.Kind.
const (
	KindEmpty   = "empty"
	KindScript  = "script"
	KindMachO   = "Mach-O"
	KindPE      = "PE"
	KindWasm    = "WebAssembly"
	KindArchive = "archive"
	KindText    = "text"
	KindFolder  = "folder"
	KindPipe    = "pipe"
	KindSocket  = "socket"
	KindDevice  = "device"
	KindUnknown = "unknown"
)

// ErrNoDebug says that a program has neither symbols nor debug information to keep.
var ErrNoDebug = errors.New("no symbols and no debug information")

// NotELFError says that a file is something else than an ELF file.
type NotELFError struct {
	Path string
	Kind string // one of the Kind constants
}

func (e *NotELFError) Error() string {
	what := map[string]string{
		KindEmpty:   "the file is empty",
		KindScript:  "it is a script, not a compiled program",
		KindMachO:   "it is a macOS program (Mach-O), not a Linux one (ELF)",
		KindPE:      "it is a Windows program (PE), not a Linux one (ELF)",
		KindWasm:    "it is a WebAssembly module, not a Linux program (ELF)",
		KindArchive: "it is an archive, not a program",
		KindText:    "it is a text file, not a compiled program",
		KindFolder:  "it is a folder, not a file",
		KindPipe:    "it is a pipe, not a file",
		KindSocket:  "it is a socket, not a file",
		KindDevice:  "it is a device, not a file",
	}[e.Kind]
	if what == "" {
		what = "it is not a Linux program (ELF)"
	}
	return "read program " + e.Path + ": " + what
}

// Hint says what to pass instead.
func (e *NotELFError) Hint() string {
	switch e.Kind {
	case KindScript, KindText:
		return "pass the compiled program, not a script"
	case KindMachO, KindPE, KindWasm:
		return "compile it for Linux: cargo build --release --target x86_64-unknown-linux-musl"
	case KindFolder:
		return "pass the program inside it, for example target/x86_64-unknown-linux-musl/release/NAME"
	case KindEmpty:
		return "compile it again: cargo build --release --target x86_64-unknown-linux-musl"
	case KindArchive:
		return "unpack it and pass the program inside"
	}
	return "pass the path of a compiled Linux program"
}

// MalformedError says that a file begins as an ELF file and breaks the format.
type MalformedError struct {
	Path   string // "" when the bytes did not come from a file
	Reason string // what is wrong, with the numbers
}

func (e *MalformedError) Error() string {
	if e.Path == "" {
		return "read program: malformed ELF file: " + e.Reason
	}
	return "read program " + e.Path + ": malformed ELF file: " + e.Reason
}

// Hint says what to try: a copy that was cut short is the usual cause.
func (e *MalformedError) Hint() string {
	return "compile it or copy it again; the file is damaged or was cut short"
}

// ChangedError says that a file was written to between the look at its headers and the end of its reading.
type ChangedError struct{ Path string }

func (e *ChangedError) Error() string {
	return "read program " + e.Path + ": it changed while it was read"
}

// Hint says what to try.
func (e *ChangedError) Hint() string {
	return "wait for the other build to end, then run the same command again"
}

// fileError is an error of the file system. The path is in it once.
type fileError struct {
	path string
	err  error
}

func (e *fileError) Error() string { return "read program " + e.path + ": " + e.err.Error() }
func (e *fileError) Unwrap() error { return e.err }

func readError(path string, err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) { // it would name the path again
		err = pe.Err
	}
	return &fileError{path, err}
}

func malformed(format string, args ...any) error {
	return &MalformedError{Reason: fmt.Sprintf(format, args...)}
}

// located writes path into an error of the parser.
func located(path string, err error) error {
	switch e := err.(type) {
	case *MalformedError:
		return &MalformedError{Path: path, Reason: e.Reason}
	case *NotELFError:
		return &NotELFError{Path: path, Kind: e.Kind}
	case *ChangedError, *fileError:
		return err
	}
	return readError(path, err)
}

// kindOf guesses from its first bytes what a file is that does not begin as ELF files do.
func kindOf(head []byte) string {
	if len(head) == 0 {
		return KindEmpty
	}
	magics := []struct{ magic, kind string }{
		{"#!", KindScript},
		{"MZ", KindPE},
		{"\xfe\xed\xfa\xce", KindMachO}, {"\xce\xfa\xed\xfe", KindMachO},
		{"\xfe\xed\xfa\xcf", KindMachO}, {"\xcf\xfa\xed\xfe", KindMachO},
		{"\xca\xfe\xba\xbe", KindMachO}, {"\xca\xfe\xba\xbf", KindMachO},
		{"\x00asm", KindWasm},
		{"!<arch>\n", KindArchive}, {"!<thin>\n", KindArchive},
		{"\x1f\x8b", KindArchive}, {"PK\x03\x04", KindArchive},
		{"\xfd7zXZ\x00", KindArchive}, {"\x28\xb5\x2f\xfd", KindArchive}, {"BZh", KindArchive},
	}
	for _, m := range magics {
		if bytes.HasPrefix(head, []byte(m.magic)) {
			return m.kind
		}
	}
	if isText(head) {
		return KindText
	}
	return KindUnknown
}

func isText(head []byte) bool {
	for len(head) > 0 {
		r, n := utf8.DecodeRune(head)
		if r == utf8.RuneError && n == 1 {
			return len(head) < utf8.UTFMax && !utf8.FullRune(head) // a rune cut by the end of what we read
		}
		if !unicode.IsPrint(r) && !unicode.IsSpace(r) {
			return false
		}
		head = head[n:]
	}
	return true
}

// quoted gives a name that came from a file as it is, or with escapes when a terminal would not show it as it is.
func quoted(s string) string {
	if s == "" || strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return strconv.Quote(s)
	}
	return s
}
