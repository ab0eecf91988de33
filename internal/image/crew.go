// SPDX-License-Identifier: MIT OR Apache-2.0

package image

import (
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/zstd"
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
	// frameSize is what goes into one zstd frame (RFC 8878, section 3.1): frames of their own can be made side by side.
	// It is part of the format too. Larger ones give smaller layers, and take more memory.
	frameSize = 1 << 20
	// spare blocks are those being read and written while all workers have one.
	spare = 2
)

// block is a part of a stream on its way through the crew. A fixed number of them goes round, so memory does not grow
// with the size of a layer.
type block struct {
	buf    []byte // the dictionary, then up to effort.block() bytes of the stream
	dict   int    // bytes of dictionary, at the end of its part of buf
	n      int    // bytes of the stream
	effort effort
	last   bool
	out    []byte
	err    error
	ready  chan struct{}
	users  atomic.Int32 // goroutines that still read buf or out
}

func newBlock() *block { return &block{ready: make(chan struct{}, 1)} }

// start makes the block ready to be filled; its memory is taken when it is first needed.
func (b *block) start(dict []byte, e effort) {
	size := dictSize + e.block()
	if cap(b.buf) < size {
		b.buf = make([]byte, size)
	}
	b.buf = b.buf[:size] // layers of any kind may have had it before
	if b.out == nil && e > 0 {
		b.out = make([]byte, 0, e.block()+e.block()/64) // room for data that does not compress
	}
	b.dict = copy(b.buf[dictSize-len(dict):dictSize], dict)
	b.n, b.effort, b.last, b.err = 0, e, false, nil
	b.users.Store(2)
}

func (b *block) room() []byte { return b.buf[dictSize+b.n:] }

func (b *block) data() []byte { return b.buf[dictSize : dictSize+b.n] }

// result is what is to be written.
func (b *block) result() []byte {
	if b.effort == 0 {
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

// encoder keeps one encoder for each effort that was asked for. They are large, and start anew for each block.
type encoder struct {
	writers [10]*flate.Writer
	used    [10]int64 // bytes
	framers map[zstd.EncoderLevel]*zstd.Encoder
}

// compress makes out of the block.
func (e *encoder) compress(b *block) {
	b.out = b.out[:0]
	if b.effort.zstd() {
		e.frame(b)
		return
	}
	e.deflate(b)
}

// frame makes a zstd frame of the block.
func (e *encoder) frame(b *block) {
	speed := b.effort.speed()
	z := e.framers[speed]
	if z == nil {
		if z, b.err = newFramer(speed); b.err != nil {
			return
		}
		if e.framers == nil {
			e.framers = map[zstd.EncoderLevel]*zstd.Encoder{}
		}
		e.framers[speed] = z
	}
	b.out = z.EncodeAll(b.data(), b.out)
}

// deflate makes out of the block: a piece of a deflate stream that ends at a byte's edge, so that pieces made apart
// stand together. The piece follows from the block alone, whatever the encoder did before.
func (e *encoder) deflate(b *block) {
	level := int(b.effort)
	dict := b.buf[dictSize-b.dict : dictSize]
	w := e.writers[level]
	if w == nil || e.used[level] >= renewAfter {
		w, b.err = flate.NewWriter(b, level)
		if b.err != nil {
			return
		}
		e.writers[level], e.used[level] = w, 0
	}
	e.used[level] += int64(b.n)
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
		e.compress(b)
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
