// SPDX-License-Identifier: MIT OR Apache-2.0

package pipeline

import (
	"fmt"
	"os"
	"path/filepath"
)

// identity names a file's content without reading it: path, size, modification time, and what the file system knows of
// the inode.
func identity(path string) (string, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	fi, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%s %d %d%s", abs, fi.Size(), fi.ModTime().UnixNano(), inode(fi)), nil
}
