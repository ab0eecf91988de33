// SPDX-License-Identifier: MIT OR Apache-2.0

//go:build unix

package rootfs

import "syscall"

// openFlags keep the opening of a FIFO from waiting for its writer.
const openFlags = syscall.O_NONBLOCK
