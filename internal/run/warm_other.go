// SPDX-License-Identifier: MIT OR Apache-2.0

//go:build !linux

package run

// Warm has nothing to do here.
func Warm() {}
