// SPDX-License-Identifier: MIT OR Apache-2.0

package rootfs

import (
	"io"
	"os"
)

// diskFile is a file as it was when it was listed.
type diskFile struct {
	root  *os.Root
	name  string
	size  int64
	mtime int64 // nanoseconds
}

// open opens the file and sees that it is still the same. A FIFO that has taken its place does not block.
func (d *diskFile) open() (io.ReadCloser, error) {
	f, err := d.root.OpenFile(d.name, os.O_RDONLY|openFlags, 0)
	if os.IsNotExist(err) {
		return nil, &ChangedError{d.name}
	}
	if err != nil {
		return nil, err
	}
	r := &diskReader{file: f, disk: d, left: d.size}
	if err := r.check(); err != nil {
		f.Close()
		return nil, err
	}
	return r, nil
}

// diskReader reads exactly the size that was listed. Whoever reads to the end, or closes, learns of a change: the
// reader gives *ChangedError in place of io.EOF then.
type diskReader struct {
	file *os.File
	disk *diskFile
	left int64
}

func (r *diskReader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if r.left == 0 {
		if err := r.check(); err != nil {
			return 0, err
		}
		return 0, io.EOF
	}
	if int64(len(p)) > r.left {
		p = p[:r.left]
	}
	n, err := r.file.Read(p)
	r.left -= int64(n)
	if err == io.EOF {
		return n, &ChangedError{r.disk.name} // shorter than listed
	}
	return n, err
}

// Close closes the file; the error is *ChangedError when the file changed since it was listed.
func (r *diskReader) Close() error {
	changed := r.check()
	if err := r.file.Close(); err != nil {
		return err
	}
	return changed
}

func (r *diskReader) check() error {
	info, err := r.file.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() || info.Size() != r.disk.size || info.ModTime().UnixNano() != r.disk.mtime {
		return &ChangedError{r.disk.name}
	}
	return nil
}
