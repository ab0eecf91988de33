// SPDX-License-Identifier: MIT OR Apache-2.0

package durable

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// Error is what every function of this package returns. Path is the destination, never a temporary name.
type Error struct {
	Op   string // what was tried: "create", "write", "sync", "rename", "link", "lock", "sweep", "open"
	Path string
	Err  error // the cause, without the path
	Need int64 // bytes that the file needs at least, 0 when nothing is known
}

// Error gives "verb path: cause", and for want of space how much the file needs.
func (e *Error) Error() string {
	s := fmt.Sprintf("%s %s: %v", e.Op, e.Path, e.Err)
	if e.Need > 0 && noSpace(e.Err) {
		s += fmt.Sprintf(" (the file needs at least %d bytes)", e.Need)
	}
	return s
}

// Unwrap gives the cause, for errors.Is.
func (e *Error) Unwrap() error { return e.Err }

// Hint says what to do about a full or read-only disk and about missing rights; it is empty for other causes.
func (e *Error) Hint() string {
	dir := filepath.Dir(e.Path)
	switch {
	case errors.Is(e.Err, syscall.EDQUOT):
		return fmt.Sprintf("your quota is used up: remove files of yours from the disk that holds %s, or write elsewhere", dir)
	case noSpace(e.Err):
		return fmt.Sprintf("make room on the disk that holds %s (see: df -h %s), or write elsewhere", dir, dir)
	case readOnly(e.Err):
		return fmt.Sprintf("%s is on a read-only file system: write elsewhere, or mount it writable", dir)
	case errors.Is(e.Err, fs.ErrPermission):
		return fmt.Sprintf("this user may not write there (see: ls -ld %s): write elsewhere, or change its owner or mode", dir)
	}
	return ""
}

// wrap makes an Error of err. The paths that the standard library adds are dropped: they name temporary files.
func wrap(op, path string, err error) error {
	if err == nil {
		return nil
	}
	var typed *Error
	if errors.As(err, &typed) {
		return err
	}
	var pathErr *fs.PathError
	var linkErr *os.LinkError
	var sysErr *os.SyscallError
	for {
		switch {
		case errors.As(err, &pathErr):
			err = pathErr.Err
		case errors.As(err, &linkErr):
			err = linkErr.Err
		case errors.As(err, &sysErr):
			err = sysErr.Err
		default:
			return &Error{Op: op, Path: path, Err: err}
		}
	}
}
