// SPDX-License-Identifier: MIT OR Apache-2.0

//go:build unix

package pipeline

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// identity names a file's content without reading it: path, device, inode, size, and the times of its last change.
// The time of change of the inode (ctime) is in it, since a modification time can be set to anything.
func identity(path string) (string, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	fi, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	id := fmt.Sprintf("%s %d %d", abs, fi.Size(), fi.ModTime().UnixNano())
	if st, ok := fi.Sys().(*syscall.Stat_t); ok {
		id += fmt.Sprintf(" %d %d %d", st.Dev, st.Ino, changed(st))
	}
	return id, nil
}
