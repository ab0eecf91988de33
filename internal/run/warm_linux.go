// SPDX-License-Identifier: MIT OR Apache-2.0

package run

import "os"

// Warm begins what the first start of a program would wait for, and returns at once: the Go runtime tries out, by
// starting a child that ends at once, whether the kernel has handles of processes.
func Warm() {
	go func() {
		if p, err := os.FindProcess(os.Getpid()); err == nil {
			_ = p.Release()
		}
	}()
}
