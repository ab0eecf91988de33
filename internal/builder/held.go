// SPDX-License-Identifier: MIT OR Apache-2.0

package builder

import (
	"bytes"
	"io"
	"sync"
)

// held keeps what is written until it is known whether anybody should read it. It is safe for parallel use.
type held struct {
	out io.Writer // may be nil

	mu   sync.Mutex
	open bool
	text bytes.Buffer
}

// Write keeps p, or passes it on once release was called.
func (h *held) Write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.out == nil:
		return len(p), nil
	case h.open:
		return h.out.Write(p)
	}
	return h.text.Write(p)
}

// release passes on what was kept, and all that follows.
func (h *held) release() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.open {
		return
	}
	h.open = true
	if h.out != nil {
		_, _ = h.out.Write(h.text.Bytes()) // as everywhere, a terminal that went away stops nothing
	}
	h.text.Reset()
}

// drop forgets what was kept. It reports false, and does nothing, when it was released before.
func (h *held) drop() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.open {
		return false
	}
	h.text.Reset()
	return true
}
