// SPDX-License-Identifier: MIT OR Apache-2.0

package durable

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// Link puts the regular file src at dst too, replacing what is there: by a hard link where src has just the mode
// asked for and the file system allows it, else by a copy (which shares the blocks on file systems that can). The
// bytes of src are brought to the disk first, if they are not there yet. A mode of 0 takes that of src.
func Link(src, dst string, mode fs.FileMode) error {
	info, err := os.Lstat(src)
	if err != nil {
		return wrap("link", src, err)
	}
	if !info.Mode().IsRegular() {
		return wrap("link", src, errNotRegular)
	}
	if mode == 0 {
		mode = info.Mode().Perm()
	}
	if info.Mode().Perm() == mode.Perm() {
		if old, err := os.Lstat(dst); err == nil && os.SameFile(old, info) {
			return nil
		}
		if err := syncFile(src); err != nil {
			return err
		}
		if err := hardLink(src, dst); err == nil {
			return SyncDir(filepath.Dir(dst))
		}
	}
	return Copy(src, dst, mode)
}

// syncFile brings the bytes of a file to the disk.
func syncFile(path string) error {
	f, err := OpenRegular(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Sync(); err != nil {
		return wrap("sync", path, err)
	}
	return nil
}

// hardLink makes dst a second name of src. Any failure is a reason to copy.
func hardLink(src, dst string) error {
	err := os.Link(src, dst)
	if !errors.Is(err, fs.ErrExist) {
		return err
	}
	temp := filepath.Join(filepath.Dir(dst), tempName())
	if err := os.Link(src, temp); err != nil {
		return err
	}
	// Renaming one name of a file over another of the same file does nothing, and would leave temp behind.
	defer os.Remove(temp)
	return os.Rename(temp, dst)
}

// Copy puts a copy of the regular file src at dst, replacing what is there.
func Copy(src, dst string, mode fs.FileMode) error {
	in, err := OpenRegular(src)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := Create(dst, mode)
	if err != nil {
		return err
	}
	defer out.Abort()
	if info, err := in.Stat(); err == nil {
		out.Expect(info.Size())
	}
	if _, err := out.ReadFrom(in); err != nil {
		return err
	}
	return out.Commit()
}

var errNotRegular = errors.New("not a regular file")

// OpenRegular opens the file at path for reading if it is a regular one. It follows no symbolic link in the last part
// of path and does not hang on a FIFO: for folders into which others may have put things.
func OpenRegular(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|noFollow|nonBlock, 0)
	if err != nil {
		return nil, wrap("open", path, err)
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errNotRegular
	}
	if err != nil {
		f.Close()
		return nil, wrap("open", path, err)
	}
	return f, nil
}
