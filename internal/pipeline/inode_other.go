// SPDX-License-Identifier: MIT OR Apache-2.0

//go:build !linux && !darwin

package pipeline

import "io/fs"

// inode is nothing where the file system does not tell.
func inode(fs.FileInfo) string { return "" }
