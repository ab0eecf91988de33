// SPDX-License-Identifier: MIT OR Apache-2.0

package ui

import (
	"bytes"
	"strconv"
)

// write puts whole lines on Err: above the bar when one is drawn. One call is one write to Err, so that neither the
// bar nor another line can come in between. That Err is gone (a closed pipe) is no reason to stop a build.
func (s *Streams) write(text []byte) {
	if len(text) == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.Err == nil {
		return
	}
	if s.line == 0 {
		_, _ = s.Err.Write(text)
		return
	}
	out := appendClear(nil, s.line)
	out = append(out, text...)
	out = append(out, s.rows...)
	_, _ = s.Err.Write(out)
}

// draw replaces the bar. Rows are whole lines; an unchanged bar costs nothing.
func (s *Streams) draw(rows []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.Err == nil || bytes.Equal(rows, s.rows) {
		return
	}
	out := appendClear(nil, s.line)
	out = append(out, rows...)
	s.rows = append(s.rows[:0], rows...)
	s.line = bytes.Count(rows, []byte{'\n'})
	_, _ = s.Err.Write(out)
}

// appendClear appends what moves the cursor up over n lines and wipes from there to the end of the terminal.
// Some terminals take "up 0" for "up 1".
func appendClear(b []byte, n int) []byte {
	if n <= 0 {
		return b
	}
	b = append(b, "\x1b["...)
	b = strconv.AppendInt(b, int64(n), 10)
	return append(b, "A\r\x1b[J"...)
}
