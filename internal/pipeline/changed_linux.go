// SPDX-License-Identifier: MIT OR Apache-2.0

package pipeline

import "syscall"

// changed is when the inode changed last, in nanoseconds since the epoch.
func changed(st *syscall.Stat_t) int64 { return st.Ctim.Nano() }
