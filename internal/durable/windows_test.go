// SPDX-License-Identifier: MIT OR Apache-2.0

//go:build windows

package durable

import "os"

// mkfifo makes a folder, the other thing that is not a regular file: there are no FIFOs among files here.
func mkfifo(path string) error { return os.Mkdir(path, 0o755) }
