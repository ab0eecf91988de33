// SPDX-License-Identifier: MIT OR Apache-2.0

package pipeline

import (
	"fmt"
	"io/fs"
	"syscall"
)

// inode is a file's device, number and time of change (ctime), which unlike the modification time cannot be set.
func inode(fi fs.FileInfo) string {
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !ok {
		return ""
	}
	return fmt.Sprintf(" %d %d %d", st.Dev, st.Ino, st.Ctimespec.Nano())
}
