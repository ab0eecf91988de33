// SPDX-License-Identifier: MIT OR Apache-2.0

package cargo

import (
	"os"
	"path/filepath"
	"testing"
)

func TestOffers(t *testing.T) {
	dir := t.TempDir()
	tc := Toolchain{Sysroot: dir}
	if tc.Offers("x86_64-unknown-linux-musl") {
		t.Error("a toolchain without a list offers something")
	}
	if err := os.MkdirAll(filepath.Join(dir, "lib", "rustlib"), 0o755); err != nil {
		t.Fatal(err)
	}
	list := "[pkg.rust-std.target.s390x-unknown-linux-musl]\navailable = false\n\n[pkg.rust-std.target.x86_64-unknown-linux-musl]\navailable = true\nurl = \"\"\n" +
		"[pkg.rust-mingw.target.aarch64-unknown-linux-musl]\navailable = true\n"
	if err := os.WriteFile(filepath.Join(dir, "lib", "rustlib", "multirust-channel-manifest.toml"), []byte(list), 0o644); err != nil {
		t.Fatal(err)
	}
	for triple, want := range map[Triple]bool{"x86_64-unknown-linux-musl": true, "s390x-unknown-linux-musl": false, "aarch64-unknown-linux-musl": false} {
		if got := tc.Offers(triple); got != want {
			t.Errorf("%s: %t", triple, got)
		}
	}
}
