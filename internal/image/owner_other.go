// SPDX-License-Identifier: MIT OR Apache-2.0

//go:build !unix

package image

import "io/fs"

// ours is left to the access lists of the user's profile folder, in which caches are.
func ours(fs.FileInfo) bool { return true }

func othersWrite(fs.FileInfo) bool { return false }
