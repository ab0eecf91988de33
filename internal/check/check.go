// SPDX-License-Identifier: MIT OR Apache-2.0

// Package check looks at what was built and says what is wrong with it.
//
// A check is a value in All: an id, a level, and a pure function from a Subject to findings. It promises to read
// nothing but the Subject, and to say the same of the same Subject. It refuses nothing by itself: Run gives findings,
// and Fatal turns those of level Fail into an error.
//
//	findings := check.Run(check.Subject{Name: "web", Facts: facts, Platform: platform})
//	if err := check.Fatal(findings); err != nil { … }
package check

import (
	"strconv"
	"strings"
	"unicode"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"sampan/internal/binary"
	"sampan/internal/rootfs"
)

// Level is how much a finding matters.
type Level int

// Levels, in rising order.
const (
	Off  Level = iota // the check is not run
	Warn              // told, and the build goes on
	Fail              // the build stops
)

var levels = [...]string{Off: "off", Warn: "warning", Fail: "error"}

// String gives "off", "warning" or "error".
func (l Level) String() string {
	if l < Off || l > Fail {
		return "level " + strconv.Itoa(int(l))
	}
	return levels[l]
}

// MarshalText writes a level as String does.
func (l Level) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// Finding is one thing that is wrong.
type Finding struct {
	ID      string `json:"id"`             // of the check
	Level   Level  `json:"level"`          // "warning" or "error"
	Subject string `json:"subject"`        // the subject's name
	Message string `json:"message"`        // what is wrong: a clause that stands alone, safe to print
	Hint    string `json:"hint,omitempty"` // what to type
}

// Subject is a program, and the image that it goes into.
type Subject struct {
	Name     string // of the program, as messages call it
	Path     string // of its file
	Facts    binary.Facts
	Triple   string      // that it was compiled for, "" when it was not compiled by us
	Platform v1.Platform // that the image is for
	Linked   []Linked    // what build scripts asked the linker for

	Base  *Below       // that the image is built upon; nil for none
	Links binary.Links // of a dynamic program upon a base

	// Of the image as a whole; with several programs only the first one's Subject has them.
	Trees      []rootfs.Tree // its files, the lowest layer first
	Entrypoint []string

	Capabilities []string // of its programs, by their names without "cap_"
	Ports        []string // that the image says it listens on: "8080/tcp"
	Init         bool     // the image has an init, or its user said that none is wanted
	Crates       []string // that are compiled into the program, by name; empty when not known
}

// Linked is what one crate's build script asked the linker for.
type Linked struct {
	Crate   string   // "libz-sys"
	Version string   // "1.1.28"
	Libs    []string // as cargo reports them: [KIND[:MODIFIERS]=]NAME[:RENAME], "dylib=z"
}

// Check is one rule. Run fills in Message and Hint of its findings, and no more.
type Check struct {
	ID    string
	Doc   string // one sentence, for the reference
	Level Level
	Run   func(Subject) []Finding
}

// All is every check, in the order in which they run.
var All = []Check{machineCheck, kindCheck, staticCheck, baseCheck, entryCheck, execStackCheck, commandCheck, capabilityCheck, initCheck}

// Run gives the findings of all checks that are not off.
func Run(s Subject) []Finding {
	var out []Finding
	for _, c := range All {
		if c.Level == Off {
			continue
		}
		for _, f := range c.Run(s) {
			f.ID, f.Level, f.Subject = c.ID, c.Level, s.Name
			out = append(out, f)
		}
	}
	return out
}

// Error is returned by Fatal: findings for which a build stops, at least one.
type Error struct {
	Findings []Finding
}

// Fatal gives an *Error of those findings that are errors, nil when there are none.
func Fatal(findings []Finding) error {
	e := &Error{}
	for _, f := range findings {
		if f.Level >= Fail {
			e.Findings = append(e.Findings, f)
		}
	}
	if len(e.Findings) == 0 {
		return nil
	}
	return e
}

// Error names each subject once, and all that is wrong with it.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("check ")
	for i, f := range e.Findings {
		switch {
		case i == 0:
			b.WriteString(printable(f.Subject) + ": ")
		case f.Subject != e.Findings[i-1].Subject:
			b.WriteString("; " + printable(f.Subject) + ": ")
		default:
			b.WriteString("; ")
		}
		b.WriteString(f.Message)
	}
	return b.String()
}

// Hint gives what to type against the first finding that knows: with several, the first is usually why the others are there.
func (e *Error) Hint() string {
	for _, f := range e.Findings {
		if f.Hint != "" {
			return f.Hint
		}
	}
	return ""
}

// printable gives a string that came from a file as it is, or with escapes when a terminal would not show it as it is.
func printable(s string) string {
	if s == "" || strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return strconv.Quote(s)
	}
	return s
}
