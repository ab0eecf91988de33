// SPDX-License-Identifier: MIT OR Apache-2.0

//go:build !unix

package image

import "os"

// makeSpecial makes a folder: there are no FIFOs among files here.
func makeSpecial(path string) error { return os.Mkdir(path, 0o755) }
