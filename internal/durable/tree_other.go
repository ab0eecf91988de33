// SPDX-License-Identifier: MIT OR Apache-2.0

//go:build !linux

package durable

import (
	"io/fs"
	"os"
	"path/filepath"
)

// SyncTree brings the files in and below the folder at dir to the disk.
func SyncTree(dir string) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return wrap("sync", path, err)
		}
		if d.IsDir() {
			return SyncDir(path)
		}
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			return wrap("sync", path, err)
		}
		defer f.Close()
		if err := f.Sync(); err != nil {
			return wrap("sync", path, err)
		}
		return nil
	})
}
