// SPDX-License-Identifier: MIT OR Apache-2.0

//go:build unix

package output

import "golang.org/x/sys/unix"

// mayWrite asks the system whether this process may make files in a folder.
func mayWrite(folder string) error {
	return unix.Faccessat(unix.AT_FDCWD, folder, unix.W_OK|unix.X_OK, unix.AT_EACCESS)
}
