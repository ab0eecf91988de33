// SPDX-License-Identifier: MIT OR Apache-2.0

package native

// system is a crate that looks for a library on the system. Where Sampan supplies the library (libraries.go), that is a
// Want, else a Refusal.
type system struct {
	crate   string
	library string   // its name in the table of libraries where it has one, else as people call it
	when    []string // it looks for it with one of these features only; nil: always
	unless  []string // features that make it compile the library itself, load it when the program runs, or do without
	musl    bool     // only on musl: what it brings is compiled for glibc
	reason  string   // why that cannot be; "" for: Sampan does not supply it
	out     string   // the way out, for a person to type or to do
	shared  bool     // there is no archive of the library that could be linked, so a sysroot of one's own is no way out
}

var sqliteBundled = []string{"bundled", "bundled-sqlcipher", "bundled-sqlcipher-vendored-openssl"}

// Reasons that several rows share.
const (
	plugins     = "loads plugins and configuration of the system when it runs, so it is never linked statically"
	desktop     = "is a library of the desktop, which is not made for static linking"
	videoDriver = "must be the one of the graphics driver, which is a shared object"
	prebuilt    = "is downloaded ready-made for glibc, and there is none for musl"
	noCUDA      = "CUDA comes as shared objects of the driver, which a static program cannot load"
	headless    = "leave the graphical part out by its feature, or use a base image with glibc and the desktop's libraries"
	gpuBase     = "use a base image with glibc and CUDA"
	ownArchive  = "give the folder with the library's archive and headers: sysroot = \"DIR\""
)

// systems is the table, by kind, then by name.
var systems = []system{
	// Supplied, unless the crate compiles them itself.
	{crate: "openssl-sys", library: "openssl", unless: []string{"vendored", "aws-lc", "aws-lc-fips", "unstable_boringssl"}},
	{crate: "libsqlite3-sys", library: "sqlcipher", when: []string{"sqlcipher"}, unless: sqliteBundled, out: "turn on the feature bundled-sqlcipher-vendored-openssl of rusqlite or libsqlite3-sys"},
	{crate: "libsqlite3-sys", library: "sqlite", unless: append([]string{"sqlcipher"}, sqliteBundled...)},
	{crate: "libsqlite3-sys", library: "openssl", when: []string{"bundled-sqlcipher"}, unless: []string{"bundled-sqlcipher-vendored-openssl"}},
	{crate: "pq-sys", library: "libpq", unless: []string{"bundled", "bundled_without_openssl"}},
	{crate: "mysqlclient-sys", library: "mysqlclient", unless: []string{"bundled"}, out: "turn on the feature bundled of mysqlclient-sys, or leave MySQL out by its feature"},
	{crate: "zstd-sys", library: "zstd", when: []string{"pkg-config"}},

	// Compiled by the crate itself, with a feature.
	{crate: "libdbus-sys", library: "dbus", unless: []string{"vendored"}, out: "turn on the feature vendored of dbus (or of libdbus-sys), or use zbus, which is pure Rust"},
	{crate: "sasl2-sys", library: "sasl2", unless: []string{"vendored"}, out: "turn on the feature gssapi-vendored of rdkafka-sys (vendored of sasl2-sys), or leave gssapi out"},
	{crate: "rdkafka-sys", library: "rdkafka", when: []string{"dynamic-linking", "dynamic_linking"}, out: "turn off the feature dynamic-linking of rdkafka"},
	{crate: "mlua-sys", library: "lua", unless: []string{"vendored"}, out: "turn on the feature vendored of mlua"},
	{crate: "libgssapi-sys", library: "gssapi", out: "leave Kerberos out by its feature; " + ownArchive},
	{crate: "libbpf-sys", library: "libelf", unless: []string{"vendored", "vendored-libelf"}, out: "turn on the feature vendored of libbpf-sys"},
	{crate: "fuser", library: "fuse", when: []string{"libfuse", "libfuse2", "libfuse3"}, out: "turn off the feature libfuse of fuser: it speaks with the kernel by itself"},
	{crate: "fuse", library: "fuse", out: "use fuser without its feature libfuse, which is pure Rust"},
	{crate: "fuse-sys", library: "fuse", out: "use fuser without its feature libfuse, which is pure Rust"},
	{crate: "hidapi", library: "udev", unless: []string{"linux-native-basic-udev", "linux-static-libusb"}, out: "default-features = false and the feature linux-native-basic-udev of hidapi"},
	{crate: "sdl2-sys", library: "SDL2", unless: []string{"bundled"}, out: "turn on the features bundled and static-link of sdl2"},
	{crate: "z3-sys", library: "z3", unless: []string{"bundled", "vendored", "static-link-z3"}, out: "turn on the feature bundled of z3"},
	{crate: "magic-sys", library: "magic", unless: []string{"bundled"}, out: "turn on the feature bundled of magic-sys; " + ownArchive},

	// Never static.
	{crate: "alsa-sys", library: "asound", reason: plugins, shared: true, out: "leave the sound out by its feature, or use a base image with glibc and libasound"},
	{crate: "libpulse-sys", library: "pulse", reason: plugins, shared: true, out: "leave PulseAudio out by its feature, or use a base image with glibc and libpulse"},
	{crate: "libpulse-simple-sys", library: "pulse-simple", reason: plugins, shared: true, out: "leave PulseAudio out by its feature, or use a base image with glibc and libpulse"},
	{crate: "portaudio-sys", library: "portaudio", reason: plugins, shared: true, out: "leave the sound out by its feature"},
	{crate: "libjack-sys", library: "jack", reason: plugins, shared: true, out: "leave JACK out by its feature"},
	{crate: "libudev-sys", library: "udev", reason: "is part of systemd, which builds it as a shared object only", out: "leave it out (serialport: default-features = false; rusb needs none), or " + ownArchive},
	{crate: "libsystemd-sys", library: "systemd", reason: "is built by systemd as a shared object only", shared: true, out: "use sd-notify, or libsystemd, which are pure Rust"},
	{crate: "pam-sys", library: "pam", reason: plugins, shared: true, out: "leave PAM out by its feature, or use a base image with glibc and PAM"},
	{crate: "libinput-sys", library: "input", reason: desktop, shared: true, out: headless},
	{crate: "input-sys", library: "input", reason: desktop, shared: true, out: headless},
	{crate: "gbm-sys", library: "gbm", reason: videoDriver, shared: true, out: headless},
	{crate: "x11", library: "X11", reason: desktop, out: "use x11rb, which is pure Rust, or " + headless},
	{crate: "xcb", library: "xcb", reason: desktop, out: "use x11rb, which is pure Rust, or " + headless},
	{crate: "x11rb", library: "xcb", when: []string{"allow-unsafe-code"}, unless: []string{"dl-libxcb"}, reason: desktop, out: "turn off the feature allow-unsafe-code of x11rb, or " + headless},
	{crate: "wayland-sys", library: "wayland-client", when: []string{"client", "server", "egl", "cursor"}, unless: []string{"dlopen"}, reason: desktop, out: "turn off the feature client_system of wayland-backend: the Rust one takes its place, or " + headless},
	{crate: "yeslogic-fontconfig-sys", library: "fontconfig", unless: []string{"dlopen"}, reason: desktop, out: headless},
	{crate: "servo-fontconfig-sys", library: "fontconfig", reason: desktop, out: headless},
	{crate: "libva-sys", library: "va", reason: videoDriver, shared: true, out: "leave the video hardware out by its feature"},
	{crate: "cros-libva", library: "va", reason: videoDriver, shared: true, out: "leave the video hardware out by its feature"},
	{crate: "qttypes", library: "Qt", reason: desktop, shared: true, out: headless},
	{crate: "qt-build-utils", library: "Qt", reason: desktop, shared: true, out: headless},
	{crate: "cuda-sys", library: "cuda", reason: noCUDA, shared: true, out: gpuBase},
	{crate: "cuda-driver-sys", library: "cuda", reason: noCUDA, shared: true, out: gpuBase},
	{crate: "cuda-runtime-sys", library: "cudart", reason: noCUDA, shared: true, out: gpuBase},
	{crate: "cust_raw", library: "cuda", reason: noCUDA, shared: true, out: gpuBase},
	{crate: "cust", library: "cuda", reason: noCUDA, shared: true, out: gpuBase},
	{crate: "cudarc", library: "cuda", reason: noCUDA, shared: true, out: gpuBase},
	{crate: "rustacuda", library: "cuda", reason: noCUDA, shared: true, out: gpuBase},
	{crate: "ort-sys", library: "onnxruntime", when: []string{"download-binaries"}, unless: []string{"load-dynamic"}, musl: true, reason: prebuilt, shared: true, out: "use a base image with glibc, or an engine in Rust such as tract"},
	{crate: "torch-sys", library: "torch", reason: "comes as shared objects", shared: true, out: "use a base image with glibc and libtorch, or an engine in Rust such as candle"},
	{crate: "tensorflow-sys", library: "tensorflow", reason: "comes as shared objects", shared: true, out: "use a base image with glibc, or an engine in Rust such as tract"},
	{crate: "v8", library: "v8", musl: true, reason: prebuilt, shared: true, out: "use a base image with glibc"},
	{crate: "skia-bindings", library: "skia", musl: true, reason: prebuilt, out: "use tiny-skia, which is pure Rust, or a base image with glibc"},
	{crate: "oracle-sys", library: "oci", reason: "comes as shared objects", shared: true, out: "use a base image with glibc and Oracle's client"},

	// In no table, and known to have archives.
	{crate: "pcap", library: "pcap", out: ownArchive},
	{crate: "libseccomp-sys", library: "seccomp", out: "use seccompiler, which is pure Rust, or " + ownArchive},
	{crate: "odbc-sys", library: "odbc", reason: plugins, shared: true, out: "use a base image with glibc and unixODBC"},
	{crate: "llvm-sys", library: "LLVM", out: ownArchive},
	{crate: "ffmpeg-sys-next", library: "ffmpeg", unless: []string{"build"}, out: "turn on the feature build of ffmpeg-sys-next, or " + ownArchive},
	{crate: "ffmpeg-sys", library: "ffmpeg", unless: []string{"build"}, out: "turn on the feature build of ffmpeg-sys, or " + ownArchive},
	{crate: "opencv", library: "opencv", reason: "comes as shared objects", out: ownArchive},
	{crate: "libarchive3-sys", library: "archive", out: ownArchive},
	{crate: "ncurses", library: "ncurses", out: "use crossterm, which is pure Rust, or " + ownArchive},
	{crate: "ncursesw", library: "ncurses", out: "use crossterm, which is pure Rust, or " + ownArchive},
	{crate: "selinux-sys", library: "selinux", out: "leave SELinux out by its feature, or " + ownArchive},
	{crate: "acl-sys", library: "acl", out: ownArchive},
}

// served are crates that look for a library and compile their own copy where our pkg-config knows none, so that nothing
// is missing.
var served = []string{
	"libz-sys", "libz-ng-sys", "curl-sys", "libgit2-sys", "libssh2-sys", "libnghttp2-sys", "bzip2-sys", "lzma-sys", "liblzma-sys",
	"onig_sys", "freetype-sys", "libusb1-sys", "libsodium-sys", "libsodium-sys-stable", "aws-lc-sys", "x11-dl", "crossfont",
	"nvml-wrapper-sys", "expat-sys", "drm-sys",
}
