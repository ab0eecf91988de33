// SPDX-License-Identifier: MIT OR Apache-2.0

//go:build !windows

package native

import "os"

const exeSuffix = ""

// current reports whether the driver leads to self.
func current(linker, self string) bool {
	to, err := os.Readlink(linker)
	return err == nil && to == self
}

// place makes a symbolic link: cheap, and right again after our executable was replaced by a newer one.
func place(self, path string) error { return os.Symlink(self, path) }
