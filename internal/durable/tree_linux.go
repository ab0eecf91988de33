// SPDX-License-Identifier: MIT OR Apache-2.0

package durable

import (
	"os"

	"golang.org/x/sys/unix"
)

// SyncTree brings the files in and below the folder at dir to the disk: all of its file system at once, which takes
// less time than thousands of files one after another.
func SyncTree(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return wrap("sync", dir, err)
	}
	defer d.Close()
	if err := unix.Syncfs(int(d.Fd())); err != nil {
		return wrap("sync", dir, err)
	}
	return nil
}
