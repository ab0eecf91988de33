// SPDX-License-Identifier: MIT OR Apache-2.0

package ui

import (
	"bytes"
	"encoding/json"
	"sync"
)

// longestLine bounds what a lineWriter keeps of a line that does not end, in bytes.
const longestLine = 1 << 20

// lineWriter passes on whole lines only; what one Write completes is passed on in one piece.
type lineWriter struct {
	emit func(lines []byte)
	mu   sync.Mutex
	part []byte
}

func (w *lineWriter) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := bytes.LastIndexByte(b, '\n') + 1
	if n > 0 {
		lines := b[:n]
		if len(w.part) > 0 {
			lines = append(w.part, lines...)
			w.part = nil
		}
		w.emit(lines)
	}
	w.part = append(w.part, b[n:]...)
	if len(w.part) >= longestLine {
		w.end()
	}
	return len(b), nil
}

func (w *lineWriter) flush() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.end()
}

func (w *lineWriter) end() {
	if len(w.part) > 0 {
		w.emit(append(w.part, '\n'))
		w.part = nil
	}
}

// tail keeps the end of a text, whole lines, at most heldBack bytes of them.
type tail struct {
	b    []byte
	lost int64 // bytes dropped before b
}

func (t *tail) Write(b []byte) {
	t.b = append(t.b, b...)
	if len(t.b) > 2*heldBack {
		t.cut()
	}
}

func (t *tail) cut() {
	over := len(t.b) - heldBack
	if over <= 0 {
		return
	}
	if t.b[over-1] != '\n' {
		if n := bytes.IndexByte(t.b[over:], '\n'); n >= 0 && over+n+1 < len(t.b) {
			over += n + 1
		}
	}
	t.lost += int64(over)
	t.b = append(t.b[:0], t.b[over:]...)
}

// take empties the tail.
func (t *tail) take() (text []byte, lost int64) {
	t.cut()
	text, lost = t.b, t.lost
	*t = tail{}
	return text, lost
}

// jsonMessage is what is told in mode JSON and is no Event: errors, warnings, notes, and other programs' output.
type jsonMessage struct {
	Kind  string   `json:"kind"`
	Text  string   `json:"text"`
	Hints []string `json:"hints,omitempty"`
}

// jsonEvent is an Event with the seconds since the start.
type jsonEvent struct {
	Event
	Elapsed float64 `json:"elapsed"`
}

// record writes one JSON object and a line feed. Fields that JSON cannot say are left out.
func record(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err == nil {
		return b.Bytes()
	}
	if ev, ok := v.(jsonEvent); ok && ev.Fields != nil {
		ev.Fields = nil
		return record(ev)
	}
	return nil
}
