// SPDX-License-Identifier: MIT OR Apache-2.0

package ui

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew")

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

// sink is a stream that keeps every write; safe while others write.
type sink struct {
	mu     sync.Mutex
	writes []string
}

func (s *sink) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writes = append(s.writes, string(b))
	return len(b), nil
}

func (s *sink) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.writes, "")
}

// clock is a clock that is set by hand.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func newClock() *clock { return &clock{t: time.Unix(1_700_000_000, 0)} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// screen plays what was written to a terminal and returns what a person sees, line by line. It knows line feed,
// carriage return, cursor up, wipe to the end, and colours, and refuses everything else.
func screen(t *testing.T, text string) []string {
	t.Helper()
	text = strings.ReplaceAll(text, "\r\n", "\n") // a terminal's output processing
	lines, row, col := []string{""}, 0, 0
	for len(text) > 0 {
		switch {
		case text[0] == '\n':
			row, col, text = row+1, 0, text[1:]
			if row == len(lines) {
				lines = append(lines, "")
			}
		case text[0] == '\r':
			col, text = 0, text[1:]
		case text[0] == 0x1b:
			var n int
			end := strings.IndexAny(text, "AJm")
			if end < 0 || text[1] != '[' {
				t.Fatalf("escape code cut short or unknown: %q", text)
			}
			_, _ = fmt.Sscanf(text[2:], "%d", &n)
			switch text[end] {
			case 'A':
				if row -= n; row < 0 {
					t.Fatalf("the cursor left the screen at %q", text)
				}
			case 'J':
				lines = lines[:row+1]
				lines[row] = lines[row][:col]
			}
			text = text[end+1:]
		case text[0] < 0x20 && text[0] != '\t':
			t.Fatalf("control character: %q", text)
		default:
			_, n := utf8.DecodeRuneInString(text)
			if len(lines[row]) != col {
				t.Fatalf("%q is written over %q", text, lines[row])
			}
			lines[row] += text[:n]
			col += n
			text = text[n:]
		}
	}
	return lines
}

// until waits for something that other goroutines do.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for range 2000 {
		if ok() {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatalf("never happened: %s", what)
}

// stacks says whether a goroutine is in a function whose name has the word.
func stacks(word string) bool {
	buf := make([]byte, 1<<20)
	return bytes.Contains(buf[:runtimeStack(buf)], []byte(word))
}
