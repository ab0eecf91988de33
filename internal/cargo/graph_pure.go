// SPDX-License-Identifier: MIT OR Apache-2.0

package cargo

import (
	"bytes"
	"strings"
)

// PureRust reports whether nothing in a lock file can compile C or look for a library, by the names in it alone: then
// nobody has to ask for a graph, which is slower. It says no where it is not sure, also when there is no such file.
func PureRust(lockPath string) bool {
	data, err := readBounded(lockPath, lockLimit)
	return err == nil && pureRust(data)
}

// pureRust looks for the lines `name = "…"`, which cargo writes one for each package, in every format of the file.
// The lines are not parsed as TOML: a file that somebody wrote otherwise has no such lines, and is then not pure.
func pureRust(lock []byte) bool {
	const key = `name = "`
	found := !bytes.Contains(lock, []byte("package")) // a lock file that names none
	for len(lock) > 0 {
		line := lock
		if i := bytes.IndexByte(lock, '\n'); i >= 0 {
			line, lock = lock[:i], lock[i+1:]
		} else {
			lock = nil
		}
		if len(line) < len(key) || line[0] != 'n' || string(line[:len(key)]) != key {
			continue
		}
		name, _, ok := bytes.Cut(line[len(key):], []byte{'"'})
		if !ok || suspect(string(name)) {
			return false
		}
		found = true
	}
	return found
}

// suspect reports whether a crate of that name compiles C, makes others do so, looks for a library, or wants a program
// of the host's.
func suspect(name string) bool {
	if suspects[name] || strings.HasSuffix(name, "-src") {
		return true
	}
	base := strings.TrimRight(strings.ReplaceAll(name, "_", "-"), "0123456789")
	return (strings.HasSuffix(base, "-sys") || strings.Contains(base, "-sys-")) && !pureSys[name]
}

// suspects are the tools of build scripts, and the crates that need something native and are not named for it.
var suspects = map[string]bool{
	"cc": true, "gcc": true, "cmake": true, "pkg-config": true, "vcpkg": true, "bindgen": true, "autotools": true,
	"system-deps": true, "metadeps": true, "meson": true, "cxx-build": true, "cpp_build": true, "nasm-rs": true,
	"yasm-rs": true, "prost-build": true, "protoc": true, "protoc-rust": true, "protobuf-codegen": true,
	"pyo3-ffi": true, "v8": true, "cudarc": true, "find_cuda_helper": true,
}

// pureSys are the crates with -sys in their name that, built for Linux, neither compile nor link anything but libc:
// declarations for other systems, for browsers and for the kernel, and C libraries rewritten in Rust.
var pureSys = map[string]bool{
	"windows-sys": true, "kernel32-sys": true, "ws2_32-sys": true, "js-sys": true, "web-sys": true, "jni-sys": true,
	"jni-sys-macros": true, "linux-raw-sys": true, "inotify-sys": true, "dirs-sys": true, "dirs-sys-next": true,
	"core-foundation-sys": true, "core-graphics-sys": true, "security-framework-sys": true, "io-kit-sys": true,
	"system-configuration-sys": true, "fsevent-sys": true, "kqueue-sys": true, "objc-sys": true, "MacTypes-sys": true,
	"fuchsia-zircon-sys": true, "ndk-sys": true, "android_log-sys": true, "libbz2-rs-sys": true, "libz-rs-sys": true,
	"libzstd-rs-sys": true,
}
