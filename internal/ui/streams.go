// SPDX-License-Identifier: MIT OR Apache-2.0

// Package ui owns the terminal.
//
// A terminal is a value that is passed in: Streams says where words go and what is allowed there. stdout is the
// answer and is never touched by this room on its own; everything said here goes to stderr. No escape code is written
// without permission (a terminal, and no NO_COLOR), and text that others wrote cannot forge a line of ours: control
// characters in it are shown, not obeyed.
//
//	s := ui.System(os.Environ())
//	p := ui.NewProgress(s, ui.Auto, time.Now)
//	defer p.Close()
//	p.Handle(ui.Event{Kind: "compile", Crate: "serde v1.0.219", Done: 3, Total: 40})
//	fmt.Fprint(p.Writer(), cargoSays)
//	s.Error(err)
package ui

import (
	"io"
	"os"
	"runtime"
	"strings"
	"sync"

	"golang.org/x/term"
)

// Streams is a terminal, or what stands in for one. The zero value says nothing to nobody; a literal with In, Out and
// Err is a pipe. It must not be copied after first use.
type Streams struct {
	In  io.Reader
	Out io.Writer // the answer
	Err io.Writer // the conversation

	InTTY    bool // In is a terminal
	OutTTY   bool // Out is a terminal
	ErrTTY   bool // Err is a terminal
	Width    int  // columns of the terminal behind Err; 0 when unknown
	Color    bool // colours may be written to Err
	OutColor bool // and to Out
	CI       bool // a CI service runs us: nothing is redrawn
	Dumb     bool // the terminal cannot move its cursor (TERM=dumb)

	mu   sync.Mutex // guards what follows, and every write to Err
	rows []byte     // what of the bar is on the terminal now, whole lines
	line int        // how many lines that is
	mode Mode       // set by NewProgress; Quiet and JSON also change how messages look
}

// System is the process's own stdin, stdout and stderr under the rules of env ("KEY=value" as from os.Environ):
//
//   - NO_COLOR, set and not empty: no colour, whatever else is said (no-color.org).
//   - CLICOLOR_FORCE, set and neither empty nor "0": colour, also to a pipe (bixense.com/clicolors).
//   - else colour only on a terminal, unless TERM is "dumb" or CLICOLOR is "0".
//   - CI, set and neither empty, "0" nor "false": no bar.
//   - TERM=dumb: no bar.
func System(env []string) *Streams {
	s := &Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}
	s.OutTTY = isTerminal(os.Stdout)
	s.ErrTTY = isTerminal(os.Stderr)
	s.InTTY = isTerminal(os.Stdin)
	s.obey(env)
	if s.ErrTTY {
		s.Width, _, _ = term.GetSize(int(os.Stderr.Fd()))
		if !s.Dumb && !enableEscapes(os.Stderr) {
			s.Dumb, s.Color, s.OutColor = true, false, false
		}
	}
	return s
}

// obey sets Color, CI and Dumb from the environment; ErrTTY must be known.
func (s *Streams) obey(env []string) {
	s.Dumb = getenv(env, "TERM") == "dumb"
	s.CI = truth(getenv(env, "CI"))
	force := getenv(env, "CLICOLOR_FORCE")
	switch {
	case getenv(env, "NO_COLOR") != "":
		s.Color, s.OutColor = false, false
	case force != "" && force != "0":
		s.Color, s.OutColor = true, true
	default:
		allowed := !s.Dumb && getenv(env, "CLICOLOR") != "0"
		s.Color, s.OutColor = s.ErrTTY && allowed, s.OutTTY && allowed
	}
}

// isTerminal asks x/term, which is only defined for real files.
func isTerminal(w any) bool {
	f, ok := w.(*os.File)
	return ok && f != nil && term.IsTerminal(int(f.Fd()))
}

// getenv finds a variable in env. The first wins, as in the C library; names have no case on Windows.
func getenv(env []string, key string) string {
	for _, kv := range env {
		name, value, ok := strings.Cut(kv, "=")
		if ok && (name == key || runtime.GOOS == "windows" && strings.EqualFold(name, key)) {
			return value
		}
	}
	return ""
}

// truth reads a variable that is a yes or a no.
func truth(value string) bool {
	return value != "" && value != "0" && !strings.EqualFold(value, "false")
}

// width is the number of columns now; terminals are resized while we run.
func (s *Streams) width() int {
	if f, ok := s.Err.(*os.File); ok && s.ErrTTY {
		if w, _, err := term.GetSize(int(f.Fd())); err == nil && w > 0 {
			return w
		}
	}
	if s.Width > 0 {
		return s.Width
	}
	return 80
}
