// SPDX-License-Identifier: MIT OR Apache-2.0

//go:build unix

package image

import (
	"io/fs"
	"os"
	"syscall"
)

// ours says whether a file belongs to the user that this process acts for.
func ours(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(stat.Uid) == os.Geteuid()
}

func othersWrite(info fs.FileInfo) bool { return info.Mode().Perm()&0o022 != 0 }
