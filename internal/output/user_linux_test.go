// SPDX-License-Identifier: MIT OR Apache-2.0

package output

import (
	"testing"

	"golang.org/x/sys/unix"
)

// setUser sets the user with whose rights this thread uses files.
func setUser(t *testing.T, uid int) {
	t.Helper()
	if err := unix.Setfsuid(uid); err != nil {
		t.Fatal(err)
	}
}
