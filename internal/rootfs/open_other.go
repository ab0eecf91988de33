// SPDX-License-Identifier: MIT OR Apache-2.0

//go:build !unix

package rootfs

const openFlags = 0
