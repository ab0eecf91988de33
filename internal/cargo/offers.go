// SPDX-License-Identifier: MIT OR Apache-2.0

package cargo

import (
	"bytes"
	"path/filepath"
)

// channelLimit bounds the list of a channel's components, in bytes; today's have about one million.
const channelLimit = 16 << 20

// Offers reports whether rustup can install the standard library for t: whether the list of components that it keeps
// with the toolchain has one. For a toolchain without that list, one that rustup did not install, it is false.
func (tc Toolchain) Offers(t Triple) bool {
	data, err := readBounded(filepath.Join(tc.Sysroot, "lib", "rustlib", "multirust-channel-manifest.toml"), channelLimit)
	if err != nil {
		return false
	}
	_, rest, found := bytes.Cut(data, []byte("[pkg.rust-std.target."+string(t)+"]\n"))
	return found && bytes.HasPrefix(rest, []byte("available = true"))
}
