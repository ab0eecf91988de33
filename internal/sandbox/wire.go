// SPDX-License-Identifier: MIT OR Apache-2.0

package sandbox

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"sampan/internal/rootfs"
)

// The two halves of the program speak over a socket, in strings of bytes with their length in front (arguments need
// not be UTF-8). To process 1: order, then entries with their content, then an empty path. Back: one answer. Then to
// process 1, as long as the program runs: two bytes a signal. The end of the socket is the end of the sandbox.

const (
	chunk     = 256 << 10 // bytes copied at a time
	maxString = 16 << 20  // more than the kernel takes for all arguments
	maxList   = 1 << 20
)

// How a signal in the two bytes is meant.
const (
	forward = 'f' // the other half got it; the program may have got it too
	deliver = 'd' // the program is to get it
)

// order is what process 1 has to do.
type order struct {
	Command, Env        []string
	Dir, Hostname       string
	Proc, Dev, Tmp, Shm string // real paths of folders to mount on, relative to the root
}

// answer is what came of it.
type answer struct {
	Op      string // what failed, "" when the program runs
	Errno   int64  // 0 when the kernel had no part in it
	Problem string
	Interp  string // of StartError
	Machine string
}

// writer writes the wire's values; the first error stays.
type writer struct {
	w   *bufio.Writer
	err error
}

func newWriter(w io.Writer) *writer { return &writer{w: bufio.NewWriterSize(w, chunk)} }

func (w *writer) num(n int64) {
	if w.err == nil {
		_, w.err = w.w.Write(binary.AppendVarint(nil, n))
	}
}

func (w *writer) str(s string) {
	if w.num(int64(len(s))); w.err == nil {
		_, w.err = w.w.WriteString(s)
	}
}

func (w *writer) strs(list []string) {
	w.num(int64(len(list)))
	for _, s := range list {
		w.str(s)
	}
}

func (w *writer) flush() error {
	if w.err == nil {
		w.err = w.w.Flush()
	}
	return w.err
}

func (w *writer) order(o order) {
	w.strs(o.Command)
	w.strs(o.Env)
	for _, s := range []string{o.Dir, o.Hostname, o.Proc, o.Dev, o.Tmp, o.Shm} {
		w.str(s)
	}
}

func (w *writer) answer(a answer) error {
	w.str(a.Op)
	w.num(a.Errno)
	w.str(a.Problem)
	w.str(a.Interp)
	w.str(a.Machine)
	return w.flush()
}

// entry writes an entry and its content. An error of the content comes back; one of the wire stays in w.
func (w *writer) entry(e rootfs.Entry, buf []byte) error {
	w.str(e.Path)
	w.num(int64(e.Mode))
	w.num(e.Size)
	w.str(e.Link)
	if w.err != nil || !e.Mode.IsRegular() {
		return nil
	}
	r, err := e.Open()
	if err != nil {
		return fmt.Errorf("read %q: %w", e.Path, err)
	}
	defer r.Close() //nolint:errcheck // only read
	left := e.Size
	for left > 0 && w.err == nil {
		n, err := io.ReadFull(r, buf[:min(left, int64(len(buf)))])
		if err != nil {
			return fmt.Errorf("read %q: %d bytes are missing: %w", e.Path, left-int64(n), err)
		}
		left -= int64(n)
		_, w.err = w.w.Write(buf[:n])
	}
	return nil
}

// reader reads the wire's values; the first error stays.
type reader struct {
	r   *bufio.Reader
	err error
}

func newReader(r io.Reader) *reader { return &reader{r: bufio.NewReaderSize(r, chunk)} }

func (r *reader) num() (n int64) {
	if r.err == nil {
		n, r.err = binary.ReadVarint(r.r)
	}
	return n
}

func (r *reader) str() string {
	n := r.num()
	if r.err == nil && (n < 0 || n > maxString) {
		r.err = errors.New("read order: a string is too long")
	}
	if r.err != nil {
		return ""
	}
	b := make([]byte, 0, min(n, chunk))
	for int64(len(b)) < n && r.err == nil {
		from := len(b)
		b = append(b, make([]byte, min(n-int64(from), chunk))...)
		_, r.err = io.ReadFull(r.r, b[from:])
	}
	if r.err != nil {
		return ""
	}
	return string(b)
}

func (r *reader) strs() (list []string) {
	n := r.num()
	if r.err == nil && (n < 0 || n > maxList) {
		r.err = errors.New("read order: a list is too long")
	}
	for ; n > 0 && r.err == nil; n-- {
		list = append(list, r.str())
	}
	return list
}

func (r *reader) order() (o order, err error) {
	o.Command, o.Env = r.strs(), r.strs()
	for _, s := range []*string{&o.Dir, &o.Hostname, &o.Proc, &o.Dev, &o.Tmp, &o.Shm} {
		*s = r.str()
	}
	return o, r.err
}

func (r *reader) answer() (a answer, err error) {
	a.Op, a.Errno, a.Problem, a.Interp, a.Machine = r.str(), r.num(), r.str(), r.str(), r.str()
	return a, r.err
}

// entry reads an entry's head; ok is false after the last.
func (r *reader) entry() (e rootfs.Entry, ok bool, err error) {
	e.Path = r.str()
	if r.err != nil || e.Path == "" {
		return e, false, r.err
	}
	e.Mode, e.Size, e.Link = fs.FileMode(r.num()), r.num(), r.str()
	return e, true, r.err
}

// content copies the n bytes that follow an entry's head.
func (r *reader) content(w io.Writer, n int64, buf []byte) error {
	got, err := io.CopyBuffer(struct{ io.Writer }{w}, io.LimitReader(struct{ io.Reader }{r.r}, n), buf)
	if err == nil && got < n {
		err = io.ErrUnexpectedEOF
	}
	return err
}
