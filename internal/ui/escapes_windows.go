// SPDX-License-Identifier: MIT OR Apache-2.0

package ui

import (
	"os"

	"golang.org/x/sys/windows"
)

// enableEscapes asks the console to obey escape codes, and says whether it will. Old consoles print them.
func enableEscapes(f *os.File) bool {
	h := windows.Handle(f.Fd())
	var mode uint32
	if windows.GetConsoleMode(h, &mode) != nil {
		return false
	}
	return windows.SetConsoleMode(h, mode|windows.ENABLE_VIRTUAL_TERMINAL_PROCESSING) == nil
}
