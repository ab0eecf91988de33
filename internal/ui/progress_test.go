// SPDX-License-Identifier: MIT OR Apache-2.0

package ui

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

func runtimeStack(b []byte) int { return runtime.Stack(b, true) }

// story is a build, with everything that can happen in one.
func story(s *Streams, p Progress, c *clock) {
	w := p.Writer()
	p.Handle(Event{Kind: "compile", Image: "hello", Total: 3})
	p.Handle(Event{Kind: "compile", Image: "hello", Crate: "libc v0.2.1", Text: "fresh", Done: 1, Total: 3})
	p.Handle(Event{Kind: "compile", Image: "hello", Crate: "serde v1.0.219", Text: "started", Done: 1, Total: 3})
	c.add(1500 * time.Millisecond)
	p.Handle(Event{Kind: "compile", Image: "hello", Crate: "serde v1.0.219", Done: 2, Total: 3, Fields: map[string]any{"features": []string{"derive"}}})
	fmt.Fprint(w, "\x1b[1m\x1b[33mwarning\x1b[0m: unused\r\n --> src/main.rs\x1b[2K:1\n")
	fmt.Fprint(w, "note: no end")
	s.Warn("stack is \x1b[2Jexecutable")
	p.Handle(Event{Kind: "note", Image: "hello", Text: "no debug half"})
	p.Handle(Event{Kind: "warning", Text: "a\nforged: line"})
	p.Handle(Event{Kind: "layer", Image: "hello", Text: "program", Done: 100_000, Total: 1_400_000})
	p.Handle(Event{Kind: "layer", Image: "hello", Text: "program", Done: 1_400_000, Total: 1_400_000})
	p.Handle(Event{Kind: "layer", Image: "hello", Text: "program", Done: 1_400_000, Total: 1_400_000})
	p.Handle(Event{Kind: "stage", Text: "other"})
	p.Handle(Event{Kind: "done", Image: "hello", Text: "1.4 MB, 1 kB more than the program, 1.5 s"})
	s.Error(fmt.Errorf("build hello: %w", hinted{errors.New("disk full"), "df -h ."}))
	p.Close()
	p.Close()
	s.Note("after the end")
}

type hinted struct {
	error
	hint string
}

func (h hinted) Hint() string { return h.hint }

func (h hinted) Unwrap() error { return h.error }

func TestModes(t *testing.T) {
	for _, tt := range []struct {
		name  string
		mode  Mode
		color bool
		fail  bool
	}{
		{"plain", Plain, false, false},
		{"plain-color", Plain, true, false},
		{"json", JSON, true, false},
		{"quiet", Quiet, false, false},
		{"quiet-fail", Quiet, false, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			out, err := new(sink), new(sink)
			c := newClock()
			s := &Streams{Out: out, Err: err, Color: tt.color}
			p := NewProgress(s, tt.mode, c.now)
			story(s, p, c)
			if tt.fail {
				p.Fail()
				p.Fail()
			}
			golden(t, tt.name+".golden", strings.ReplaceAll(err.String(), "\x1b", "<ESC>"))
			if out.String() != "" {
				t.Errorf("stdout got %q", out)
			}
			if !tt.color && strings.Contains(err.String(), "\x1b") {
				t.Errorf("escape codes without permission: %q", err)
			}
			for _, w := range err.writes {
				if !strings.HasSuffix(w, "\n") {
					t.Errorf("a write is no whole line: %q", w)
				}
			}
		})
	}
}

func TestJSONIsJSON(t *testing.T) {
	err := new(sink)
	s := &Streams{Err: err}
	c := newClock()
	p := NewProgress(s, JSON, c.now)
	story(s, p, c)
	p.Handle(Event{Kind: "note", Text: "odd <fields>", Fields: map[string]any{"f": func() {}}})
	for line := range strings.Lines(err.String()) {
		var m map[string]any
		if e := json.Unmarshal([]byte(line), &m); e != nil || m["kind"] == nil {
			t.Errorf("%q: %v, %v", line, e, m)
		}
	}
	if !strings.Contains(err.String(), "odd <fields>") {
		t.Errorf("an event with odd fields was lost: %s", err)
	}
}

// tty is a fake terminal with a bar that is drawn by hand.
func tty(width int) (*Streams, *sink, *progress, *clock, chan any) {
	err, c := new(sink), newClock()
	s := &Streams{Err: err, ErrTTY: true, Width: width}
	p := NewProgress(s, Auto, c.now).(*progress)
	refresh := make(chan any)
	p.refresh = refresh
	return s, err, p, c, refresh
}

func TestBar(t *testing.T) {
	_, err, p, c, refresh := tty(100)
	p.Handle(Event{Kind: "compile", Image: "hello", Crate: "serde v1.0.219", Text: "started", Done: 1, Total: 4})
	p.Handle(Event{Kind: "compile", Image: "hello", Crate: "syn v2.0.1", Text: "started", Done: 1, Total: 4})
	refresh <- time.Time{}
	refresh <- time.Time{} // the first frame is over when the second is asked for
	if err.String() != "" {
		t.Errorf("a bar before its time: %q", err)
	}
	c.add(2300 * time.Millisecond)
	refresh <- time.Time{}
	until(t, "the bar", func() bool { return strings.Contains(err.String(), "1/4 2.3 s serde, syn") })
	w := p.Writer()
	fmt.Fprint(w, "half a ")
	fmt.Fprint(w, "line\nand the next\nthe last, without end")
	p.Handle(Event{Kind: "compile", Image: "hello", Crate: "serde v1.0.219", Done: 2, Total: 4})
	refresh <- time.Time{}
	until(t, "the second bar", func() bool { return strings.Contains(err.String(), "2/4 2.3 s syn") })
	golden(t, "bar.golden", strings.Join(screen(t, err.String()), "\n"))
	p.Handle(Event{Kind: "layer", Image: "hello", Text: "program", Done: 500_000, Total: 1_000_000})
	refresh <- time.Time{}
	until(t, "the layer's bar", func() bool { return strings.Contains(err.String(), "500 kB/1.0 MB") })
	p.Handle(Event{Kind: "done", Image: "hello", Text: "ready"})
	p.Close()
	got := strings.Join(screen(t, err.String()), "\n")
	if want := "half a line\nand the next\nsampan: hello: ready\nthe last, without end\n"; got != want {
		t.Errorf("in the end the terminal shows %q, want %q", got, want)
	}
	until(t, "mpb's goroutines end", func() bool { return !stacks("vbauerster/mpb") })
}

// A bar must fit whatever the terminal's width is, and never take two lines.
func TestBarFits(t *testing.T) {
	for _, width := range []int{1, 2, 5, 10, 20, 39, 40, 41, 60, 80, 200} {
		_, err, p, c, refresh := tty(width)
		for i := range 30 {
			p.Handle(Event{Kind: "compile", Image: "hello\x1b[2J\nworld", Crate: fmt.Sprintf("crate-%d v1.0.0", i), Text: "started", Done: 5, Total: 999})
		}
		c.add(time.Hour)
		for range 3 {
			refresh <- time.Time{}
		}
		for _, line := range screen(t, err.String()) {
			if n := len([]rune(line)); n >= width && width > 1 {
				t.Errorf("width %d: %d columns: %q", width, n, line)
			}
		}
		p.Close()
		if got := strings.Join(screen(t, err.String()), "\n"); got != "" {
			t.Errorf("width %d: left behind: %q", width, got)
		}
	}
}

func TestQuickWorkShowsNoBar(t *testing.T) {
	_, err, p, _, _ := tty(80)
	p.Handle(Event{Kind: "compile", Crate: "a v1", Done: 1, Total: 1})
	p.Close()
	p.Handle(Event{Kind: "compile", Crate: "b v1", Done: 1, Total: 1})
	if err.String() != "" || p.bar != nil {
		t.Errorf("drawn: %q", err)
	}
}

func TestNoBarNoGoroutine(t *testing.T) {
	// The bars of tests before this one may still be ending.
	for limit := time.Now().Add(5 * time.Second); stacks("vbauerster/mpb") && time.Now().Before(limit); {
		time.Sleep(time.Millisecond)
	}
	s := &Streams{Err: io.Discard, ErrTTY: true}
	p := NewProgress(s, TTY, time.Now)
	fmt.Fprintln(p.Writer(), "text")
	p.Handle(Event{Kind: "note", Text: "x"})
	if stacks("vbauerster/mpb") {
		t.Error("mpb runs although nothing needs a bar")
	}
	p.Close()
}

func TestSettle(t *testing.T) {
	for _, tt := range []struct {
		tty, dumb, ci bool
		wish, want    Mode
	}{
		{true, false, false, Auto, TTY},
		{true, false, true, Auto, Plain},
		{true, false, true, TTY, TTY},
		{true, true, false, TTY, Plain},
		{true, true, false, Auto, Plain},
		{false, false, false, Auto, Plain},
		{false, false, false, TTY, Plain},
		{true, false, false, Plain, Plain},
		{true, false, false, JSON, JSON},
		{true, false, false, Quiet, Quiet},
	} {
		s := &Streams{ErrTTY: tt.tty, Dumb: tt.dumb, CI: tt.ci}
		if got := settle(s, tt.wish); got != tt.want {
			t.Errorf("%+v: %s", tt, got)
		}
	}
}

// cargo's own bar names several crates at once, and one event carries them all.
func TestBarNamesAllCrates(t *testing.T) {
	_, err, p, c, refresh := tty(100)
	p.Handle(Event{Kind: "compile", Crate: "libc, syn(build), tokio", Done: 3, Total: 9})
	c.add(time.Second)
	refresh <- time.Time{}
	until(t, "the crates", func() bool { return strings.Contains(err.String(), "3/9 1.0 s libc, syn(build), tokio") })
	p.Close()
}

// Sixteen programs write in bits at once, while the bar is drawn as fast as it can be: every line stays whole.
func TestParallelTextIsNeverTorn(t *testing.T) {
	s, err, p, c, refresh := tty(100)
	p.Handle(Event{Kind: "compile", Image: "x", Crate: "a v1", Text: "started", Total: 100})
	c.add(time.Second)
	stop, drawn := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(drawn)
		for {
			select {
			case refresh <- time.Time{}:
			case <-stop:
				return
			}
		}
	}()
	var wg sync.WaitGroup
	for g := range 16 {
		w := p.Writer()
		wg.Go(func() {
			for i := range 20 {
				for _, part := range []string{fmt.Sprintf("<%d", g), fmt.Sprintf(":%d", i), ">\n"} {
					_, _ = io.WriteString(w, part)
				}
				p.Handle(Event{Kind: "compile", Image: "x", Crate: fmt.Sprintf("c%d-%d v1", g, i), Done: int64(i), Total: 20})
				s.Note(fmt.Sprintf("note %d:%d", g, i))
			}
		})
	}
	wg.Wait()
	close(stop)
	<-drawn
	p.Close()
	lines := map[string]bool{}
	for _, l := range screen(t, err.String()) {
		lines[l] = true
	}
	for g := range 16 {
		for i := range 20 {
			for _, want := range []string{fmt.Sprintf("<%d:%d>", g, i), fmt.Sprintf("sampan: note: note %d:%d", g, i)} {
				if !lines[want] {
					t.Errorf("torn or lost: %s", want)
				}
			}
		}
	}
	if len(lines) != 2*16*20+1 { // and the empty line that the cursor is in
		t.Errorf("%d different lines", len(lines))
	}
}

func TestQuietKeepsTheEnd(t *testing.T) {
	err := new(sink)
	p := NewProgress(&Streams{Err: err}, Quiet, time.Now)
	w := p.Writer()
	line := strings.Repeat("x", 99) + "\n"
	for range 3 * heldBack / 100 {
		_, _ = io.WriteString(w, line)
	}
	_, _ = io.WriteString(w, "the end")
	if n := cap(p.(*progress).held.b); n > 5*heldBack {
		t.Errorf("holds %d bytes", n)
	}
	p.Fail()
	first, rest, _ := strings.Cut(err.String(), "\n")
	if !strings.HasPrefix(first, "sampan: note: the first 2.1 MB") {
		t.Errorf("what was left out: %q", first)
	}
	if len(rest) > heldBack || len(rest) < heldBack-200 || !strings.HasSuffix(rest, "x\nthe end\n") || !strings.HasPrefix(rest, line) {
		t.Errorf("%d bytes shown, from %.120q", len(rest), rest)
	}
	_, _ = io.WriteString(w, "more\n")
	if !strings.HasSuffix(err.String(), "the end\nmore\n") {
		t.Error("what follows a failure is held back")
	}
}

func TestALineWithoutEndIsBounded(t *testing.T) {
	err := new(sink)
	p := NewProgress(&Streams{Err: err}, Plain, time.Now)
	w := p.Writer()
	chunk := bytes.Repeat([]byte("y"), 64<<10)
	for range 40 {
		_, _ = w.Write(chunk)
	}
	if n := len(w.(*lineWriter).part); n >= longestLine {
		t.Errorf("%d bytes kept", n)
	}
	p.Close()
	if n := strings.Count(err.String(), "y"); n != 40*64<<10 {
		t.Errorf("%d bytes arrived", n)
	}
}

// A stderr that is gone must not stop anything.
func TestBrokenStderr(t *testing.T) {
	s := &Streams{Err: broken{}, ErrTTY: true}
	c := newClock()
	p := NewProgress(s, Auto, c.now)
	story(s, p, c)
	story(&Streams{}, NewProgress(&Streams{}, Plain, c.now), c)
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }
