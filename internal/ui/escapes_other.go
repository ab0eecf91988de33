// SPDX-License-Identifier: MIT OR Apache-2.0

//go:build !windows

package ui

import "os"

// enableEscapes is for consoles that must be asked before they obey escape codes; these never need to be.
func enableEscapes(*os.File) bool { return true }
