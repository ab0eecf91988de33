// SPDX-License-Identifier: MIT OR Apache-2.0

package output

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"strings"
	"sync"
	"time"
	"unicode"
)

// stream is an archive that is read where its pieces lie: it is never put together on a disk. It may be closed while it
// is read.
type stream struct {
	mu      sync.Mutex
	members []member  // that are still to come
	current io.Reader // header, bytes and padding of the one that is being read
	open    io.Closer // of its layer
	err     error     // of our own side
	closed  bool
}

// stream begins to read the archive. end must be called.
func (t *tarFile) stream() *stream {
	return &stream{members: t.members, current: bytes.NewReader(nil)}
}

// Read gives the archive's bytes. Of what is not in a file that was hashed already, every byte is hashed on the way.
func (s *stream) Read(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.err == nil && !s.closed {
		n, err := s.current.Read(p)
		if err != nil && err != io.EOF {
			s.err = err
			break
		}
		if n > 0 {
			return n, nil
		}
		if err == nil {
			continue
		}
		if s.members == nil {
			return 0, io.EOF
		}
		s.err = s.next()
	}
	if s.err != nil {
		return 0, s.err
	}
	return 0, io.ErrClosedPipe
}

// next goes on to the next member, and after the last to the end of the archive.
func (s *stream) next() error {
	s.leave()
	zeros := make([]byte, 2*tarBlock)
	if len(s.members) == 0 {
		s.members, s.current = nil, bytes.NewReader(zeros)
		return nil
	}
	m := s.members[0]
	s.members = s.members[1:]
	s.current = bytes.NewReader(m.header)
	if m.blob == nil {
		return nil
	}
	content, err := s.content(m.blob)
	if err != nil {
		return err
	}
	s.current = io.MultiReader(s.current, content, bytes.NewReader(zeros[:padding(m.blob.size)]))
	return nil
}

// content reads a blob. A layer with a file of its own is compared with its digest before it is opened.
func (s *stream) content(b *blob) (io.Reader, error) {
	if b.layer == nil {
		return bytes.NewReader(b.data), nil
	}
	r, err := b.layer.Compressed()
	if err != nil {
		return nil, err
	}
	s.open = r
	c := &exactly{r: r, b: b, left: b.size}
	if b.localPath() == "" {
		c.hash = sha256.New()
	}
	return c, nil
}

// exactly reads as many bytes as a blob has, and those that its digest names where hash is set.
type exactly struct {
	r    io.Reader
	b    *blob
	left int64
	hash hash.Hash
}

func (e *exactly) Read(p []byte) (int, error) {
	n, err := e.r.Read(p)
	if e.left -= int64(n); e.left < 0 {
		return 0, &ContentError{Digest: e.b.digest, Got: fmt.Sprintf("more than %d bytes", e.b.size)}
	}
	if e.hash != nil {
		e.hash.Write(p[:n])
	}
	if err == io.EOF && e.left > 0 {
		return 0, &ContentError{Digest: e.b.digest, Got: fmt.Sprintf("%d bytes of %d", e.b.size-e.left, e.b.size)}
	}
	if err == io.EOF && e.hash != nil {
		if got := hex.EncodeToString(e.hash.Sum(nil)); got != e.b.digest.Hex {
			return 0, &ContentError{Digest: e.b.digest, Got: "sha256:" + got}
		}
	}
	return n, err
}

func (s *stream) leave() {
	if s.open != nil {
		_ = s.open.Close() // it was only read
		s.open = nil
	}
}

// Close ends the reading.
func (s *stream) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.leave()
	return nil
}

// end closes, and gives the error of our own side. That its reader had enough before the end is none.
func (s *stream) end() error {
	_ = s.Close()
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
