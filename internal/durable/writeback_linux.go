// SPDX-License-Identifier: MIT OR Apache-2.0

//go:build linux

package durable

import (
	"os"

	"golang.org/x/sys/unix"
)

// startWriteback asks the system to begin writing a range to the disk, so that the sync at the end has less to wait
// for. It promises nothing, and its errors mean nothing.
func startWriteback(f *os.File, offset, length int64) {
	raw, err := f.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) {
		_ = unix.SyncFileRange(int(fd), offset, length, unix.SYNC_FILE_RANGE_WRITE)
	})
}
