// SPDX-License-Identifier: MIT OR Apache-2.0

package builder

import (
	"bytes"
	"io"
	"regexp"
	"strconv"
	"strings"
	"sync"
)

// stderr parts what cargo writes there into its progress bar, which goes to progress, and everything else, which goes
// to out, whole lines at a time.
type stderr struct {
	out      io.Writer // may be nil
	frames   bool      // cargo was asked for a bar
	progress func(Progress)
	pending  []byte // the beginning of a line
	tail     []byte // the end of what was said, without the bar
	shown    string // the last frame
}

const (
	tailKept     = 64 << 10 // bytes; cargo's last words say what was wrong
	pendingLimit = 1 << 20  // a line longer than that is passed on in parts
)

// Write never fails: a terminal that went away is no reason to end a compile halfway.
func (s *stderr) Write(p []byte) (int, error) {
	s.pending = append(s.pending, p...)
	rest := s.pending
	for {
		end := bytes.IndexByte(rest, '\n')
		if s.frames {
			end = bytes.IndexAny(rest, "\r\n")
		}
		if end < 0 || end == len(rest)-1 && rest[end] == '\r' && !s.isFrame(rest[:end]) {
			break // without its end a line may still become one that ends in \r\n
		}
		if rest[end] == '\r' && !s.frame(rest[:end]) {
			end = lineEnd(rest, end)
			if end < 0 {
				break
			}
		}
		if rest[end] == '\n' {
			s.line(rest[:end+1])
		}
		rest = rest[end+1:]
	}
	if len(rest) > pendingLimit {
		s.line(rest)
		rest = nil
	}
	s.pending = append(s.pending[:0], rest...)
	return len(p), nil
}

// lineEnd finds the end of a line that holds a carriage return of its own.
func lineEnd(b []byte, from int) int {
	if i := bytes.IndexByte(b[from:], '\n'); i >= 0 {
		return from + i
	}
	return -1
}

// flush passes on a last line without end.
func (s *stderr) flush() {
	if len(s.pending) > 0 && !s.frame(s.pending) {
		s.line(s.pending)
	}
	s.pending = nil
}

func (s *stderr) line(b []byte) {
	if s.frames {
		b = eraseLine().ReplaceAllLiteral(b, nil)
	}
	s.tail = append(s.tail, b...)
	if n := len(s.tail) - tailKept; n > 0 {
		s.tail = append(s.tail[:0], s.tail[n:]...)
	}
	if s.out != nil && len(b) > 0 {
		_, _ = s.out.Write(b)
	}
}

// kept is the end of what cargo said, without colours.
func (s *stderr) kept() string { return escape().ReplaceAllString(string(s.tail), "") }

var (
	escape = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\))`)
	})
	eraseLine = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`\x1b\[0?K|\x1b\]9;4;[0-9;]*(?:\x07|\x1b\\)`) })
	bar       = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`^ *\S+ \[[=> -]*\] (?:([0-9]{1,9})/([0-9]{1,9})(?:: (.*))?)?`)
	})
	counter = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^ *[A-Z][a-z]+ [0-9]+ crates?\b`) })
)

// isFrame reports whether a text is a state of cargo's progress bar.
func (s *stderr) isFrame(b []byte) bool {
	if !s.frames {
		return false
	}
	text := escape().ReplaceAll(b, nil)
	return bar().Match(text) || counter().Match(text)
}

// frame passes a state of the bar on, when b is one.
func (s *stderr) frame(b []byte) bool {
	if !s.isFrame(b) {
		return false
	}
	text := strings.TrimRight(escape().ReplaceAllString(string(b), ""), " ")
	m := bar().FindStringSubmatch(text)
	if m == nil || m[1] == "" || text == s.shown || s.progress == nil {
		return true
	}
	s.shown = text
	done, _ := strconv.Atoi(m[1]) // nine digits always fit
	total, _ := strconv.Atoi(m[2])
	p := Progress{Done: done, Total: total}
	for name := range strings.SplitSeq(m[3], ", ") {
		if name = strings.TrimSpace(name); name != "" && name != "..." {
			p.Crates = append(p.Crates, name)
		}
	}
	s.progress(p)
	return true
}
