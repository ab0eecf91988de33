// SPDX-License-Identifier: MIT OR Apache-2.0

package image

import (
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/klauspost/compress/flate"
)

const (
	// blockSize is how much of a tar stream one worker deflates at a time, in bytes. It is part of the format: another
	// value gives other digests. Smaller blocks leave less to do for the last worker alone, larger ones repeat less
	// work on the dictionary.
	blockSize = 512 << 10
	// dictSize is deflate's window: what a block may refer to in the block before it (RFC 1951, section 2).
	dictSize = 32 << 10
	// plainSize is the same for a stream that is written as it is, where it shows in nothing but memory.
	plainSize = 64 << 10
	// spare blocks are those being read and written while all workers have one.
	spare = 2
)

// block is a part of a stream on its way through the crew. A fixed number of them goes round, so memory does not grow
// with the size of a layer.
type block struct {
	buf   []byte // the dictionary, then up to blockSize bytes of the stream, plainSize at level 0
	dict  int    // bytes of dictionary, at the end of its part of buf
	n     int    // bytes of the stream
	level int    // 1..9, or 0: to be written as it is
	last  bool
	out   []byte
	err   error
	ready chan struct{}
	users atomic.Int32 // goroutines that still read buf or out
}

func newBlock() *block { return &block{ready: make(chan struct{}, 1)} }

// start makes the block ready to be filled; its memory is taken when it is first needed.
func (b *block) start(dict []byte, level int) {
	size := dictSize + blockSize
	if level == 0 {
		size = dictSize + plainSize
	}
	if cap(b.buf) < size {
		b.buf = make([]byte, size)
	}
	b.buf = b.buf[:size] // layers of either kind may have had it before
	if b.out == nil && level > 0 {
		b.out = make([]byte, 0, blockSize+blockSize/64) // room for data that does not deflate
	}
	b.dict = copy(b.buf[dictSize-len(dict):dictSize], dict)
	b.n, b.level, b.last, b.err = 0, level, false, nil
	b.users.Store(2)
}

func (b *block) room() []byte { return b.buf[dictSize+b.n:] }

func (b *block) data() []byte { return b.buf[dictSize : dictSize+b.n] }

// result is what is to be written.
func (b *block) result() []byte {
	if b.level == 0 {
		return b.data()
	}
	return b.out
}

func (b *block) release(free chan<- *block) {
	if b.users.Add(-1) == 0 {
		free <- b
	}
}

// Write appends to out, for the encoder.
func (b *block) Write(p []byte) (int, error) {
	b.out = append(b.out, p...)
	return len(p), nil
}

// renewAfter is the number of bytes after which a worker takes a new flate.Writer: its 32-bit positions would wrap
// round at twice as many, and what it does then should not have to be argued about.
const renewAfter = 1 << 30

// encoder keeps one flate.Writer for each level that was asked for. They are large, and start anew for each block.
type encoder struct {
	writers [10]*flate.Writer
	used    [10]int64 // bytes
}

// deflate makes out of the block: a piece of a deflate stream that ends at a byte's edge, so that pieces made apart
// stand together. The piece follows from the block alone, whatever the encoder did before.
func (e *encoder) deflate(b *block) {
	b.out = b.out[:0]
	dict := b.buf[dictSize-b.dict : dictSize]
	w := e.writers[b.level]
	if w == nil || e.used[b.level] >= renewAfter {
		w, b.err = flate.NewWriter(b, b.level)
		if b.err != nil {
			return
		}
		e.writers[b.level], e.used[b.level] = w, 0
	}
	e.used[b.level] += int64(b.n)
	w.ResetDict(b, dict)
	if _, b.err = w.Write(b.data()); b.err != nil {
		return
	}
	if b.last {
		b.err = w.Close()
	} else {
		b.err = w.Flush()
	}
}

// crew is a number of workers and blocks that all layers of a Store share: memory and load do not grow with the number
// of layers made at once. A goroutine that holds a block never waits for another, so they cannot wait for each other.
type crew struct {
	workers, blocks int
	free            chan *block

	mu       sync.Mutex
	current  *shift
	encoders []*encoder // of workers that have gone home
}

// shift is the time in which at least one layer is being made; there are no goroutines outside of it.
type shift struct {
	work  chan *block
	users int
	group sync.WaitGroup
}

// newCrew makes a crew of workers, or of one for each core when that is 0.
func newCrew(workers int) *crew {
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	c := &crew{workers: workers, blocks: workers + spare}
	c.free = make(chan *block, c.blocks)
	for range c.blocks {
		c.free <- newBlock()
	}
	return c
}

func (c *crew) join() *shift {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.current == nil {
		s := &shift{work: make(chan *block, c.blocks)}
		for range c.workers {
			s.group.Go(func() { c.serve(s.work) })
		}
		c.current = s
	}
	c.current.users++
	return c.current
}

// leave ends the shift with its last user and waits for the workers.
func (c *crew) leave(s *shift) {
	c.mu.Lock()
	s.users--
	last := s.users == 0
	if last {
		c.current = nil
	}
	c.mu.Unlock()
	if last {
		close(s.work)
		s.group.Wait()
	}
}

func (c *crew) serve(work <-chan *block) {
	e := c.takeEncoder()
	for b := range work {
		e.deflate(b)
		b.ready <- struct{}{}
	}
	c.mu.Lock()
	c.encoders = append(c.encoders, e)
	c.mu.Unlock()
}

func (c *crew) takeEncoder() *encoder {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := len(c.encoders)
	if n == 0 {
		return &encoder{}
	}
	e := c.encoders[n-1]
	c.encoders = c.encoders[:n-1]
	return e
}
