// SPDX-License-Identifier: MIT OR Apache-2.0

package ui

import (
	"fmt"
	"slices"
	"strings"
)

// Colours: three, and only on the word that names the kind of message (ECMA-48, 8.3.117).
const (
	red    = "\x1b[1;31m"
	yellow = "\x1b[1;33m"
	cyan   = "\x1b[36m"
	reset  = "\x1b[0m"
)

// Error says what went wrong and, for every error in err's tree that has a method Hint() string, what to type:
//
//	sampan: error: read settings: Cargo.toml:12: unknown key "zonefiles"
//	sampan: hint: did you mean `zoneinfo`?
//
// Control characters are escaped; lines after the first are indented, so that foreign text cannot look like ours.
// It is printed in every mode. A nil error says nothing.
func (s *Streams) Error(err error) {
	if err == nil {
		return
	}
	text := err.Error()
	if strings.TrimSpace(text) == "" {
		text = fmt.Sprintf("unknown error (%T)", err)
	}
	hints := Hints(err)
	if s.modeNow() == JSON {
		s.write(record(jsonMessage{Kind: "error", Text: text, Hints: hints}))
		return
	}
	b := s.message(nil, "error", red, text)
	for _, h := range hints {
		b = s.message(b, "hint", cyan, h)
	}
	s.write(b)
}

// Record is Error for machines alone: a person has been told already. Only mode JSON says anything.
func (s *Streams) Record(err error) {
	if s.modeNow() == JSON {
		s.Error(err)
	}
}

// Warn says something that does not stop the build but should be known. Mode Quiet drops it.
func (s *Streams) Warn(text string) { s.say("warning", yellow, text) }

// Note says something that is good to know. Mode Quiet drops it.
func (s *Streams) Note(text string) { s.say("note", cyan, text) }

func (s *Streams) say(kind, color, text string) {
	switch s.modeNow() {
	case Quiet:
	case JSON:
		s.write(record(jsonMessage{Kind: kind, Text: text}))
	default:
		s.write(s.message(nil, kind, color, text))
	}
}

// message appends "sampan: kind: text" and a line feed to b.
func (s *Streams) message(b []byte, kind, color, text string) []byte {
	b = append(b, "sampan: "...)
	if kind != "" {
		if s.Color && color != "" {
			b = append(b, color+kind+":"+reset+" "...)
		} else {
			b = append(b, kind+": "...)
		}
	}
	text = strings.TrimRight(Escape(text), "\n")
	b = append(b, strings.ReplaceAll(text, "\n", "\n  ")...)
	return append(b, '\n')
}

// Paint is a word of an answer in the colour of its kind, "error", "warning" or "note", where colours may be written to
// Out; else as it is.
func (s *Streams) Paint(kind, word string) string {
	color := map[string]string{"error": red, "warning": yellow, "note": cyan}[kind]
	if !s.OutColor || color == "" {
		return word
	}
	return color + word + reset
}

func (s *Streams) modeNow() Mode {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mode
}

// Hints are the hints of all errors in err's tree, outermost first, each once.
func Hints(err error) []string {
	var all []string
	var walk func(error)
	walk = func(err error) {
		if err == nil {
			return
		}
		if h, ok := err.(interface{ Hint() string }); ok {
			if text := strings.TrimSpace(h.Hint()); text != "" && !slices.Contains(all, text) {
				all = append(all, text)
			}
		}
		switch u := err.(type) {
		case interface{ Unwrap() error }:
			walk(u.Unwrap())
		case interface{ Unwrap() []error }:
			for _, e := range u.Unwrap() {
				walk(e)
			}
		}
	}
	walk(err)
	return all
}
