// SPDX-License-Identifier: MIT OR Apache-2.0

package binary

import (
	"io"
	"io/fs"
	"os"
)

// Program is a program as it goes into the image: a plan over its source file, of known size.
type Program struct {
	Facts    Facts  // of the source file
	Size     int64  // bytes that Open gives
	Path     string // the source file
	Stripped bool   // what strip removes is not in it
	Reason   string // why Strip kept the file whole: a clause for a notice; "" when there is nothing to tell

	parts []part
	info  fs.FileInfo
}

// part is a run of bytes: literal ones, a range of the source file, or zeros.
type part struct {
	data   []byte // literal
	off, n int64  // a range of the source file; with off -1, n zeros
}

func (p part) size() int64 {
	if p.data != nil {
		return int64(len(p.data))
	}
	return p.n
}

// parts is a file put together; its total size is kept along.
type parts struct {
	list []part
	size int64
}

func (p *parts) literal(b []byte) {
	if len(b) > 0 {
		p.list = append(p.list, part{data: b})
		p.size += int64(len(b))
	}
}

// copy adds the range [off, off+n) of the source file.
func (p *parts) copy(off, n uint64) {
	if n > 0 {
		p.list = append(p.list, part{off: int64(off), n: int64(n)})
		p.size += int64(n)
	}
}

// zeros adds n zero bytes.
func (p *parts) zeros(n int64) {
	if n > 0 {
		p.list = append(p.list, part{off: -1, n: n})
		p.size += n
	}
}

// maxAlign bounds padding: sections that are not loaded need no alignment to pages.
const maxAlign = 4096

// align pads with zeros up to a multiple of to, a power of two up to maxAlign; for other values, a hostile file's, not at all.
func (p *parts) align(to uint64) {
	if to > 1 && to <= maxAlign && to&(to-1) == 0 {
		p.zeros(-p.size & int64(to-1))
	}
}

// Whole plans the program as it is.
func Whole(path string) (*Program, error) {
	src, e, err := open(path)
	if err != nil {
		return nil, err
	}
	defer src.Close()
	return whole(src, e, ""), nil
}

func whole(src *source, e *file, reason string) *Program {
	var p parts
	p.copy(0, uint64(e.facts.Size))
	return newProgram(src, e, p, reason)
}

func newProgram(src *source, e *file, p parts, reason string) *Program {
	return &Program{Facts: e.facts, Size: p.size, Path: src.path, Reason: reason, parts: p.list, info: src.info}
}

// Open gives the program's bytes, the same ones each time, Size of them. When the source file is not the one that was
// planned with, or is written to meanwhile, Open or the last Read gives a *ChangedError. The caller closes it.
func (p *Program) Open() (io.ReadCloser, error) {
	f, err := os.Open(p.Path)
	if err != nil {
		return nil, readError(p.Path, err)
	}
	r := &reader{src: &source{File: f, path: p.Path, info: p.info}, parts: p.parts}
	if err := r.src.unchanged(); err != nil {
		f.Close()
		return nil, err
	}
	return r, nil
}

// unchanged compares the open file with what it was when it was looked at.
func (s *source) unchanged() error {
	now, err := s.Stat()
	if err != nil {
		return readError(s.path, err)
	}
	if now.Size() != s.info.Size() || !now.ModTime().Equal(s.info.ModTime()) {
		return &ChangedError{Path: s.path}
	}
	return nil
}

// reader reads parts one after another, straight into the caller's buffer.
type reader struct {
	src   *source
	parts []part
	done  int64 // bytes read of parts[0]
	err   error // sticky
}

func (r *reader) Close() error { return r.src.Close() }

func (r *reader) Read(b []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	if len(r.parts) == 0 {
		return 0, io.EOF
	}
	if len(b) == 0 {
		return 0, nil
	}
	n, err := r.readPart(b)
	if err == nil && len(r.parts) == 0 {
		// Whoever reads exactly Size bytes never asks again, and io.CopyN and io.ReadFull drop an error that comes
		// along with the last of them: so these bytes are held back when the file changed.
		if err = r.src.unchanged(); err != nil {
			n = 0
		}
	}
	r.err = err
	return n, err
}

func (r *reader) readPart(b []byte) (int, error) {
	p := r.parts[0]
	b = b[:min(int64(len(b)), p.size()-r.done)]
	n := len(b)
	if p.data != nil {
		copy(b, p.data[r.done:])
	} else if p.off < 0 {
		clear(b)
	} else if k, err := r.src.ReadAt(b, p.off+r.done); k < n {
		if err == io.EOF {
			return k, &ChangedError{Path: r.src.path}
		}
		return k, readError(r.src.path, err)
	}
	if r.done += int64(n); r.done == p.size() {
		r.parts, r.done = r.parts[1:], 0
	}
	return n, nil
}
