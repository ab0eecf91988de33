// SPDX-License-Identifier: MIT OR Apache-2.0

package run

import (
	"bytes"
	"context"
	"errors"
	"io"
)

// stderrKept is how much of a program's stderr goes into an error, in bytes. Its end says more than its beginning.
const stderrKept = 4 << 10

// Output runs c and returns its stdout, also when it failed. The end of its stderr is kept in *ExitError; it goes
// to c.Stderr as well where that is set. c.Stdout is not used.
func Output(ctx context.Context, r Runner, c Cmd) ([]byte, error) {
	var out bytes.Buffer
	kept := &tail{limit: stderrKept}
	c.Stdout = &out
	if c.Stderr != nil {
		c.Stderr = io.MultiWriter(kept, c.Stderr)
	} else {
		c.Stderr = kept
	}
	err := r.Run(ctx, c)
	if e, ok := errors.AsType[*ExitError](err); ok {
		e.Stderr = kept.String()
	}
	return out.Bytes(), err
}

// tail is a writer that remembers the last limit bytes.
type tail struct {
	limit int
	buf   []byte
	cut   bool
}

func (t *tail) Write(p []byte) (int, error) {
	t.buf = append(t.buf, p...)
	if n := len(t.buf) - t.limit; n > 0 {
		t.buf = append(t.buf[:0], t.buf[n:]...)
		t.cut = true
	}
	return len(p), nil
}

// String starts at a whole line when the beginning was cut off.
func (t *tail) String() string {
	b := t.buf
	if t.cut {
		if _, rest, ok := bytes.Cut(b, []byte("\n")); ok {
			b = rest
		}
		return "… " + string(bytes.ToValidUTF8(b, nil))
	}
	return string(b)
}
