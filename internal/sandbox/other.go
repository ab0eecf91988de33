// SPDX-License-Identifier: MIT OR Apache-2.0

//go:build !linux

package sandbox

import (
	"context"
	"runtime"
)

// Run says that there is no sandbox here: *UnsupportedError.
func Run(_ context.Context, s Spec) (code int, err error) {
	if err := s.validate(); err != nil {
		return 0, err
	}
	return 0, &UnsupportedError{OS: runtime.GOOS}
}

// Main is never asked to do anything here.
func Main([]string) (handled bool, code int) { return false, 0 }
