// SPDX-License-Identifier: MIT OR Apache-2.0

package native

import (
	"os"

	"sampan/internal/durable"
)

const exeSuffix = ".exe"

// current reports whether the driver is a copy of self as it is now.
func current(linker, self string) bool {
	a, err := os.Stat(linker)
	if err != nil {
		return false
	}
	b, err := os.Stat(self)
	return err == nil && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}

// place makes a copy, since making symbolic links is a privilege here. It gets the original's time, by which current
// knows it.
func place(self, path string) error {
	info, err := os.Stat(self)
	if err != nil {
		return err
	}
	if err := durable.Copy(self, path, 0o755); err != nil {
		return err
	}
	return os.Chtimes(path, info.ModTime(), info.ModTime())
}
