// SPDX-License-Identifier: MIT OR Apache-2.0

package image

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash"
	"hash/crc32"
	"io"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"sampan/internal/rootfs"
)

// packed is what came out of packing one tree.
type packed struct {
	diffID, digest v1.Hash
	size           int64 // bytes written
}

// gzipHeader is constant: no time, no name, no flags, operating system "unknown" (RFC 1952, section 2.3).
const gzipHeader = "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"

// pack writes the tree to w as a layer. Three stages run side by side: this goroutine reads the files and hashes the
// tar stream; the crew compresses blocks; a second goroutine hashes and writes what they made, in order. Where a block
// ends depends on the stream alone, so the number of workers does not show in the result.
func pack(ctx context.Context, t rootfs.Tree, c Compression, crew *crew, job job) (packed, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s := crew.join()
	defer crew.leave(s)

	order := make(chan *block, crew.blocks)
	e := &emitter{w: job.w, free: crew.free, cancel: cancel}
	effort := c.effort()
	if effort > 0 {
		e.hash = sha256.New()
	}
	f := &feeder{stop: ctx.Done(), why: ctx.Err, effort: effort, crew: crew, work: s.work, order: order, raw: sha256.New(), progress: job.progress}
	for i := range t {
		f.total += t[i].Size
	}
	if effort.gzip() {
		e.put([]byte(gzipHeader))
	}
	var group sync.WaitGroup
	group.Go(func() { e.run(order) })
	err := f.run(t)
	close(order)
	group.Wait()
	if e.err != nil {
		return packed{}, e.err
	}
	if err != nil {
		return packed{}, err
	}
	p := packed{diffID: sum(f.raw)}
	p.digest = p.diffID
	if effort.gzip() {
		trailer := binary.LittleEndian.AppendUint32(nil, f.crc)
		e.put(binary.LittleEndian.AppendUint32(trailer, uint32(f.length)))
	}
	if effort > 0 {
		p.digest = sum(e.hash)
	}
	p.size = e.size
	return p, e.err
}

// job is where a layer goes and who is told about it.
type job struct {
	w        io.Writer
	progress func(done, total int64)
}

func sum(h hash.Hash) v1.Hash {
	return v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(h.Sum(nil))}
}

// feeder cuts the tar stream into blocks, hands them on, and hashes them. It lives for one call of pack.
type feeder struct {
	stop     <-chan struct{} // closed when the work is not wanted any more
	why      func() error    // not nil then
	effort   effort
	crew     *crew
	work     chan<- *block
	order    chan<- *block
	current  *block // being filled; nil at the start
	tail     []byte // the end of the block before, for the dictionary of the next
	raw      hash.Hash
	crc      uint32
	length   int64 // of the stream so far
	done     int64 // bytes of files so far
	total    int64
	progress func(done, total int64)
}

func (f *feeder) run(t rootfs.Tree) error {
	err := writeTar(t, f)
	if err == nil {
		err = f.why()
	}
	if err != nil {
		if f.current != nil {
			f.crew.free <- f.current
		}
		return err
	}
	f.send(true)
	return nil
}

// space is the room left in the current block, never none.
func (f *feeder) space() ([]byte, error) {
	if f.current != nil && len(f.current.room()) == 0 {
		f.send(false)
	}
	if f.current == nil {
		if err := f.why(); err != nil {
			return nil, err
		}
		select {
		case <-f.stop:
			return nil, f.why()
		case b := <-f.crew.free:
			b.start(f.tail, f.effort)
			f.current = b
		}
	}
	return f.current.room(), nil
}

func (f *feeder) advance(n int) { f.current.n += n }

func (f *feeder) write(p []byte) error {
	for len(p) > 0 {
		space, err := f.space()
		if err != nil {
			return err
		}
		n := copy(space, p)
		f.advance(n)
		p = p[n:]
	}
	return nil
}

func (f *feeder) zeros(n int64) error {
	for n > 0 {
		space, err := f.space()
		if err != nil {
			return err
		}
		space = space[:min(int64(len(space)), n)]
		clear(space)
		f.advance(len(space))
		n -= int64(len(space))
	}
	return nil
}

// send hands the current block to the crew, then hashes it while it is being deflated.
func (f *feeder) send(last bool) {
	b := f.current
	f.current = nil
	b.last = last
	data := b.data()
	if f.effort.gzip() {
		f.tail = append(f.tail[:0], data[max(0, len(data)-dictSize):]...)
	}
	f.order <- b
	if f.effort > 0 {
		f.work <- b
	} else {
		b.ready <- struct{}{}
	}
	f.raw.Write(data)
	if f.effort.gzip() {
		f.crc = crc32.Update(f.crc, crc32.IEEETable, data)
	}
	f.length += int64(len(data))
	b.release(f.crew.free)
	if f.progress != nil {
		f.progress(f.done, f.total)
	}
}

// emitter writes finished blocks in order. After an error it only gives the blocks back.
type emitter struct {
	w      io.Writer
	hash   hash.Hash // nil when the stream is written as it is: then its hash is known already
	free   chan<- *block
	cancel func()
	size   int64
	err    error
}

func (e *emitter) run(order <-chan *block) {
	for b := range order {
		<-b.ready
		if b.err != nil && e.err == nil {
			e.err = b.err
		}
		e.put(b.result())
		b.release(e.free)
		if e.err != nil {
			e.cancel()
		}
	}
}

func (e *emitter) put(p []byte) {
	if e.err != nil {
		return
	}
	if e.hash != nil {
		e.hash.Write(p)
	}
	n, err := e.w.Write(p)
	e.size += int64(n)
	e.err = err
}
