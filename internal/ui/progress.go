// SPDX-License-Identifier: MIT OR Apache-2.0

package ui

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// Mode says how progress is told; the words of --progress, and Quiet for --quiet.
type Mode string

// The modes. TTY on a stream that is no terminal, or a dumb one, is Plain: escape codes never reach a file.
const (
	Auto  Mode = "auto"  // TTY on a terminal that is not CI's, else Plain
	Plain Mode = "plain" // one line for each thing that happened
	TTY   Mode = "tty"   // a bar below the text; it is gone when all is done
	JSON  Mode = "json"  // one JSON object a line
	Quiet Mode = "quiet" // errors only
)

// Event is something that happened. Kinds:
//
//	compile  Crate ("serde v1.0.219") was compiled; Done of Total crates of Image are ready. Text "started": it is
//	         being compiled now; Text "fresh": it was ready before, which is counted but not told.
//	layer    Done of Total bytes of the layer Text ("program") of Image are written. It is told when Done == Total.
//	note     Text is good to know.
//	warning  Text should be known.
//	done     Image is ready; Text is the line that a person wants.
//
// Any other kind is told as "kind: text" when it has a text. Fields are for machines: only JSON shows them.
type Event struct {
	Kind   string         `json:"kind"`
	Image  string         `json:"image,omitempty"`
	Crate  string         `json:"crate,omitempty"`
	Done   int64          `json:"done,omitempty"`
	Total  int64          `json:"total,omitempty"`
	Text   string         `json:"text,omitempty"`
	Fields map[string]any `json:"fields,omitempty"`
}

// Progress tells what is going on. All methods may be called from several goroutines at once.
type Progress interface {
	// Handle tells an event.
	Handle(e Event)

	// Writer takes the text of another program. It reaches stderr in whole lines, above the bar; each call gives a
	// writer with a line of its own, so that two streams do not tear each other's. Colours pass where they are
	// allowed, other escape codes never. Mode Quiet holds the text back.
	Writer() io.Writer

	// Fail shows what Quiet held back (its last MiB), and lets all that follows pass. The other modes hold nothing.
	Fail()

	// Close ends the bar and writes lines that were never ended. Writers still work afterwards. It may be called again.
	Close()
}

// heldBack is how much of the text of a quiet build is kept, in bytes.
const heldBack = 1 << 20

// NewProgress tells progress on s. From now on s's own messages stand in the same form: above the bar, as JSON, or
// not at all. now is the clock (time.Now). Nothing is started before the first event that needs a bar.
func NewProgress(s *Streams, m Mode, now func() time.Time) Progress {
	p := &progress{streams: s, mode: settle(s, m), now: now, start: now(), told: map[string]bool{}}
	s.mu.Lock()
	s.mode = p.mode
	s.mu.Unlock()
	return p
}

// settle decides what a wish for a mode comes to on s.
func settle(s *Streams, m Mode) Mode {
	switch able := s.ErrTTY && !s.Dumb; {
	case m == JSON, m == Quiet, m == Plain:
		return m
	case m == TTY && able, able && !s.CI:
		return TTY
	}
	return Plain
}

type progress struct {
	streams *Streams
	mode    Mode
	now     func() time.Time
	start   time.Time
	refresh <-chan any // tests draw the bar by hand

	mu      sync.Mutex // never held while writing
	told    map[string]bool
	writers []*lineWriter
	held    tail
	failed  bool
	closed  bool
	bar     *bar
}

func (p *progress) Handle(e Event) {
	switch p.mode {
	case Quiet:
	case JSON:
		p.streams.write(record(jsonEvent{Event: e, Elapsed: p.now().Sub(p.start).Round(time.Millisecond).Seconds()}))
	case TTY:
		p.handleBar(e)
	default:
		if (e.Kind == "compile" || e.Kind == "layer") && !p.first(e) {
			return
		}
		p.tell(e)
	}
}

// first says whether a compile or layer event is worth a line: each crate and each layer is told once.
func (p *progress) first(e Event) bool {
	key := e.Kind + "\x00" + e.Image + "\x00" + e.Crate
	switch {
	case e.Kind == "compile" && (e.Crate == "" || e.Text == "fresh"):
		return false
	case e.Kind == "layer" && e.Done != e.Total:
		return false
	case e.Kind == "layer":
		key += e.Text
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.told[key] {
		return false
	}
	p.told[key] = true
	return true
}

// tell writes the line of an event.
func (p *progress) tell(e Event) {
	text, color, kind := e.Text, "", e.Kind
	switch e.Kind {
	case "compile":
		text = e.Crate
		if e.Total > 0 {
			text += fmt.Sprintf(" (%d/%d)", e.Done, e.Total)
		}
	case "layer":
		text = strings.TrimSpace(e.Text + " " + Bytes(e.Total))
	case "done":
		kind = ""
	case "warning":
		color = yellow
	case "note":
		color = cyan
	}
	if text == "" {
		return
	}
	if e.Image != "" {
		text = e.Image + ": " + text
	}
	p.streams.write(p.streams.message(nil, kind, color, text))
}

func (p *progress) Writer() io.Writer {
	w := &lineWriter{emit: p.emit}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.writers = append(p.writers, w)
	return w
}

// emit passes on whole lines of another program.
func (p *progress) emit(text []byte) {
	switch p.mode {
	case Quiet:
		p.mu.Lock()
		if !p.failed {
			p.held.Write(text)
			p.mu.Unlock()
			return
		}
		p.mu.Unlock()
	case JSON:
		var all []byte
		for line := range bytes.Lines(filter(text, false)) {
			all = append(all, record(jsonMessage{Kind: "output", Text: string(bytes.TrimSuffix(line, []byte("\n")))})...)
		}
		p.streams.write(all)
		return
	}
	p.streams.write(filter(text, p.streams.Color))
}

func (p *progress) Fail() {
	p.flush()
	p.mu.Lock()
	text, lost := p.held.take()
	p.failed = true
	p.mu.Unlock()
	if lost > 0 {
		p.streams.write(p.streams.message(nil, "note", cyan, fmt.Sprintf("the first %s of output were left out", Bytes(lost))))
	}
	p.streams.write(filter(text, p.streams.Color))
}

func (p *progress) Close() {
	p.mu.Lock()
	b := p.bar
	p.bar, p.closed = nil, true
	p.mu.Unlock()
	if b != nil {
		b.close()
	}
	p.flush()
}

// flush ends the lines that nobody ended.
func (p *progress) flush() {
	p.mu.Lock()
	writers := p.writers
	p.mu.Unlock()
	for _, w := range writers {
		w.flush()
	}
}
