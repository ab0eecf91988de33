// SPDX-License-Identifier: MIT OR Apache-2.0

// Package durable writes files so that a reader sees the old one or the new one, whole.
//
// Every file is written beside its destination under a name that only this package uses, brought to the disk, renamed
// over the destination, and then the folder is brought to the disk too: after a crash or a power cut at any moment the
// destination holds the old bytes or the new ones, never a part.
//
// A temporary file is locked by the process that writes it. What a killed process leaves behind is therefore told from
// what a living one is still writing, and [Sweep] removes only the former.
//
// The package never follows a symbolic link at the destination: a link there is replaced, its target left alone.
package durable

import (
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// prefix and suffix enclose the random part of a temporary name. The name does not hold the destination's: that one
// may already be as long as the file system allows.
const (
	prefix = ".sampan-"
	suffix = ".tmp"
)

// attempts bounds the search for a free temporary name; 64 random bits make a second attempt a rarity.
const attempts = 100

// WriteFile replaces the file at path by one that holds data. The mode is subject to the process's umask.
func WriteFile(path string, data []byte, mode fs.FileMode) error {
	return writeFile(path, data, mode, false)
}

// WriteFileLazily is WriteFile as [File.Lazily] has it.
func WriteFileLazily(path string, data []byte, mode fs.FileMode) error {
	return writeFile(path, data, mode, true)
}

func writeFile(path string, data []byte, mode fs.FileMode, lazy bool) error {
	f, err := Create(path, mode)
	if err != nil {
		return err
	}
	f.lazy = lazy
	f.want = int64(len(data))
	if _, err := f.Write(data); err != nil {
		f.Abort()
		return err
	}
	return f.Commit()
}

// writeback is how many bytes are written before the system is asked to bring them to the disk while we go on.
const writeback = 4 << 20

// File is a file being written; nothing is seen at its destination until [File.Commit]. It is for one goroutine.
type File struct {
	f    *os.File
	path string
	done bool
	size int64
	sent int64 // bytes that the system was asked to write out already
	want int64 // bytes that the whole file will have, 0 when not known
	lazy bool  // see Lazily
}

var _ io.WriteCloser = (*File)(nil)

// Create starts a file that will replace the one at path, in a folder that exists. The mode is subject to the
// process's umask. Each File must end in Commit or Abort.
func Create(path string, mode fs.FileMode) (*File, error) {
	dir := filepath.Dir(path)
	for range attempts {
		f, err := createTemp(dir, mode)
		if errors.Is(err, fs.ErrExist) || errors.Is(err, errSwept) {
			continue
		}
		if err != nil {
			return nil, wrap("create", path, err)
		}
		return &File{f: f, path: path}, nil
	}
	return nil, wrap("create", path, fs.ErrExist)
}

// errSwept says that a sweeping process took the new file for a leftover, before it was locked.
var errSwept = errors.New("temporary file was swept")

func createTemp(dir string, mode fs.FileMode) (*os.File, error) {
	name := filepath.Join(dir, tempName())
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, mode.Perm())
	if err != nil {
		return nil, err
	}
	if !claim(f) {
		f.Close()
		os.Remove(name)
		return nil, errSwept
	}
	return f, nil
}

func tempName() string {
	return prefix + strconv.FormatUint(rand.Uint64(), 36) + suffix
}

// IsTemp recognises the names under which this package writes files that are not finished.
func IsTemp(name string) bool {
	random, ok := strings.CutPrefix(name, prefix)
	if !ok {
		return false
	}
	random, ok = strings.CutSuffix(random, suffix)
	if !ok {
		return false
	}
	_, err := strconv.ParseUint(random, 36, 64)
	return err == nil
}

// Name is the path of the temporary file.
func (f *File) Name() string { return f.f.Name() }

// Expect tells how many bytes the whole file will have, so that an error for want of space can say so.
func (f *File) Expect(size int64) { f.want = size }

// Lazily leaves it to the system when the bytes come to the disk. A killed process still leaves the old file or the new one;
// after the power fails the name may lead to a part of the bytes, or to others. It is for caches whose readers check what
// they read.
func (f *File) Lazily() { f.lazy = true }

// Write appends to the temporary file.
func (f *File) Write(p []byte) (int, error) {
	n, err := f.f.Write(p)
	f.size += int64(n)
	if err != nil {
		return n, f.fail("write", err)
	}
	if f.size-f.sent >= writeback {
		startWriteback(f.f, f.sent, f.size-f.sent)
		f.sent = f.size
	}
	return n, nil
}

// Truncate cuts what was written to size bytes; writing goes on there.
func (f *File) Truncate(size int64) error {
	err := f.f.Truncate(size)
	if err == nil {
		_, err = f.f.Seek(size, io.SeekStart)
	}
	if err != nil {
		return f.fail("cut", err)
	}
	f.size, f.sent = size, min(f.sent, size)
	return nil
}

// ReadFrom appends what r gives; from a file it lets the system share or copy the bytes without passing through us.
func (f *File) ReadFrom(r io.Reader) (int64, error) {
	n, err := f.f.ReadFrom(r)
	f.size += n
	if err != nil {
		return n, f.fail("write", err)
	}
	return n, nil
}

// Commit brings the bytes to the disk, then puts the file at its destination. After an error before the renaming the
// destination is as it was. A second call, or one after Abort, is an error.
func (f *File) Commit() error { return f.CommitTo(f.path) }

// CommitTo is Commit to another path on the same file system: for files whose name follows from their content.
func (f *File) CommitTo(path string) error {
	if f.done {
		return wrap("write", path, fs.ErrClosed)
	}
	f.path = path
	if !f.lazy {
		if err := f.f.Sync(); err != nil {
			return f.abort("sync", err)
		}
	}
	if closeFirst {
		if err := f.f.Close(); err != nil {
			return f.abort("write", err)
		}
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return f.abort("rename", err)
	}
	f.done = true
	// Only now: the lock that keeps Sweep away goes with it. The bytes are on the disk, closing can lose none.
	f.f.Close()
	if f.lazy {
		return nil
	}
	return SyncDir(filepath.Dir(path))
}

// Close is Abort for a file that was not committed, so that it can be deferred.
func (f *File) Close() error { f.Abort(); return nil }

// Abort throws the temporary file away; it does nothing after Commit or another Abort.
func (f *File) Abort() {
	if f.done {
		return
	}
	f.done = true
	f.f.Close()
	os.Remove(f.Name())
}

func (f *File) abort(op string, err error) error {
	f.Abort()
	return f.fail(op, err)
}

func (f *File) fail(op string, err error) error {
	e := wrap(op, f.path, err)
	var typed *Error
	if errors.As(e, &typed) {
		typed.Need = max(f.want, f.size)
	}
	return e
}
