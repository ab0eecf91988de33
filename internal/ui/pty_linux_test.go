// SPDX-License-Identifier: MIT OR Apache-2.0

package ui

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// openPTY opens a pseudo-terminal of 90 columns: what the program writes to is side, what a person sees comes from it.
func openPTY(t *testing.T) (side *os.File, seen *sink) {
	t.Helper()
	master, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetPointerInt(master, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(master, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	side, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetWinsize(master, unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 90}); err != nil {
		t.Fatal(err)
	}
	seen, done := new(sink), make(chan struct{})
	f := os.NewFile(uintptr(master), "ptmx")
	go func() {
		defer close(done)
		buf := make([]byte, 4096)
		for {
			n, err := f.Read(buf)
			_, _ = seen.Write(buf[:n])
			if err != nil { // EIO: the other side is closed
				return
			}
		}
	}()
	t.Cleanup(func() { _ = side.Close(); <-done; _ = f.Close() })
	return side, seen
}

func TestOnARealTerminal(t *testing.T) {
	side, seen := openPTY(t)
	s := &Streams{Err: side, ErrTTY: isTerminal(side)}
	s.obey([]string{"TERM=xterm"})
	if !s.ErrTTY || !s.Color || s.width() != 90 {
		t.Fatalf("terminal %v, color %v, width %d", s.ErrTTY, s.Color, s.width())
	}
	p := NewProgress(s, Auto, time.Now)
	p.Handle(Event{Kind: "compile", Image: "hello", Crate: "serde v1.0.219", Text: "started", Done: 7, Total: 40})
	until(t, "the bar", func() bool { return strings.Contains(seen.String(), "7/40") })
	fmt.Fprint(p.Writer(), "\x1b[33mwarning\x1b[0m: unused\n --> src/main.rs:1\n")
	p.Handle(Event{Kind: "compile", Image: "hello", Crate: "serde v1.0.219", Done: 8, Total: 40})
	until(t, "the next bar", func() bool { return strings.Contains(seen.String(), "8/40") })
	s.Warn("careful")
	p.Close()
	fmt.Fprintln(side, "END")
	until(t, "the end", func() bool { return strings.Contains(seen.String(), "END") })
	lines := screen(t, seen.String())
	want := []string{"warning: unused", " --> src/main.rs:1", "sampan: warning: careful", "END", ""}
	if strings.Join(lines, "\n") != strings.Join(want, "\n") {
		t.Errorf("the terminal shows %q, want %q", lines, want)
	}
	if !strings.Contains(seen.String(), "\x1b[33mwarning") || !strings.Contains(seen.String(), yellow+"warning:"+reset) {
		t.Errorf("no colours: %q", seen)
	}
}

func TestOnARealPipe(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	s := &Streams{Err: w, ErrTTY: isTerminal(w)}
	s.obey([]string{"TERM=xterm"})
	c := newClock()
	story(s, NewProgress(s, Auto, c.now), c)
	_ = w.Close()
	got := make([]byte, 1<<16)
	n, _ := r.Read(got)
	_ = r.Close()
	golden(t, "plain.golden", string(got[:n]))
}
