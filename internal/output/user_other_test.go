// SPDX-License-Identifier: MIT OR Apache-2.0

//go:build unix && !linux

package output

import "testing"

// setUser has no counterpart here: rights of files are a matter of the whole process.
func setUser(t *testing.T, uid int) {
	t.Helper()
	t.Fatal("run the tests as another user than root")
}
