// SPDX-License-Identifier: MIT OR Apache-2.0

package output

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"
)

// stream is an archive that is written while it is read: it never lies on a disk.
type stream struct {
	*io.PipeReader
	ended chan struct{}
	err   error // of the writing; read after ended
}

// stream starts writing the archive. end must be called.
func (t *tarFile) stream(ctx context.Context) *stream {
	r, w := io.Pipe()
	s := &stream{PipeReader: r, ended: make(chan struct{})}
	go func() {
		defer close(s.ended)
		s.err = t.writeTo(ctx, w)
		_ = w.CloseWithError(s.err)
	}()
	return s
}

// end ends the writing and gives its error. That its reader had enough before the end is none.
func (s *stream) end() error {
	_ = s.Close()
	<-s.ended
	if s.err == io.ErrClosedPipe {
		return nil
	}
	return s.err
}

// foreignText is how much of what an engine says is shown, in characters.
const foreignText = 600

// foreign makes text of others fit to be shown: one line, no control characters, not without end.
func foreign(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == unicode.ReplacementChar {
			return '?'
		}
		return r
	}, text)
	if runes := []rune(text); len(runes) > foreignText {
		return string(runes[:foreignText]) + "…"
	}
	return text
}

// watched gives a context that ends when moved has not been called for a time.
func watched(ctx context.Context, limit time.Duration) (_ context.Context, moved, stop func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	timer := time.AfterFunc(limit, func() { cancel(fmt.Errorf("nothing moved for %s", limit)) })
	return ctx, func() { timer.Reset(limit) }, func() { timer.Stop(); cancel(nil) }
}

// moving tells of every read.
func moving(r io.Reader, moved func()) io.Reader {
	return readFunc(func(p []byte) (int, error) {
		n, err := r.Read(p)
		moved()
		return n, err
	})
}
