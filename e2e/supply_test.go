// SPDX-License-Identifier: MIT OR Apache-2.0

//go:build e2e && long && linux

package e2e

import (
	"bytes"
	"debug/elf"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sampan/internal/cargo"
	"sampan/internal/native"
	"sampan/internal/run"
)

// supplyRow says how a crate links a library through pkg-config, and what it calls: a C function that returns text.
type supplyRow struct {
	library, module, function, want string
	slow                            bool // a minute and more
}

var supplyRows = []supplyRow{
	{library: "openssl", module: "openssl", function: "X509_get_default_cert_file()", want: "/etc/ssl/cert.pem"},
	{library: "zlib", module: "zlib", function: "zlibVersion()", want: "1.3.2"},
	{library: "bzip2", module: "bzip2", function: "BZ2_bzlibVersion()", want: "1.0.8, 13-Jul-2019"},
	{library: "xz", module: "liblzma", function: "lzma_version_string()", want: "5.8.4"},
	{library: "zstd", module: "libzstd", function: "ZSTD_versionString()", want: "1.5.7"},
	{library: "sqlite", module: "sqlite3", function: "sqlite3_libversion()", want: "3.54.1"},
	{library: "nghttp2", module: "libnghttp2", function: "nghttp2_strerror(-501)", want: "Invalid argument"},
	{library: "libssh2", module: "libssh2", function: "libssh2_version(0)", want: "1.11.2_DEV"},
	{library: "libpq", module: "libpq", function: "PQerrorMessage(PQconnectdb(c\"host=127.0.0.1 port=1 sslmode=require\".as_ptr()))", want: "Connection refused"},
	{library: "curl", module: "libcurl", function: "curl_version()", want: "OpenSSL/3.6.3 zlib/1.3.2 nghttp2/1.68.1"},
	{library: "libgit2", module: "libgit2", function: "{ git_libgit2_init(); (*git_error_last()).0 }", want: "no error"},
	{library: "mysqlclient", module: "mysqlclient", function: "mysql_get_client_info()", want: "9.5.0", slow: true},
}

const supplyExterns = `use std::ffi::{c_char, c_int, c_void, CStr};
#[repr(C)] pub struct GitError(*const c_char, c_int);
extern "C" {
	fn X509_get_default_cert_file() -> *const c_char; fn zlibVersion() -> *const c_char; fn BZ2_bzlibVersion() -> *const c_char;
	fn lzma_version_string() -> *const c_char; fn ZSTD_versionString() -> *const c_char; fn sqlite3_libversion() -> *const c_char;
	fn nghttp2_strerror(e: c_int) -> *const c_char; fn libssh2_version(v: c_int) -> *const c_char; fn PQconnectdb(s: *const c_char) -> *mut c_void;
	fn PQerrorMessage(c: *mut c_void) -> *const c_char; fn curl_version() -> *const c_char; fn git_libgit2_init() -> c_int;
	fn git_error_last() -> *const GitError; fn mysql_get_client_info() -> *const c_char;
}
`

// supply makes the sysroot for libraries, by the pinned compiler, and returns it with what a cargo build needs to know.
func (b *cBuild) supply(t *testing.T, thin bool, libraries ...string) (s *native.Sysroot, vars []string) {
	t.Helper()
	var wants []native.Want
	for _, l := range libraries {
		wants = append(wants, native.Want{Library: l})
	}
	supplies, err := native.Resolve(wants, nil, b.triple)
	if err != nil {
		t.Fatal(err)
	}
	c := b.compiler(t, slices.Contains(libraries, "mysqlclient"))
	s, err = native.EnsureSysroot(t.Context(), native.SupplyOptions{Triple: b.triple, CacheDir: b.cache, Self: Sampan(t), CC: c.ForLibraries(), Thin: thin,
		Cargo: cargo.LoadOptions{Dir: b.dir, Env: b.env}, Env: b.env, Runner: &run.System{}, Say: func(line string) { t.Log(line) }}, supplies)
	if err != nil {
		t.Fatal(err)
	}
	vars, notes := s.Env(b.env)
	if len(notes) > 0 {
		t.Errorf("notes %q", notes)
	}
	b.env = append(b.env, vars...)
	return s, vars
}

// TestSupplyEveryRow links each library through pkg-config, as a crate does that looks for the system's, and calls it.
func TestSupplyEveryRow(t *testing.T) {
	for _, row := range supplyRows {
		t.Run(row.library, func(t *testing.T) {
			if row.slow && testing.Short() {
				t.Skip("takes minutes")
			}
			b := newCBuild(t, t.TempDir(), map[string]string{
				"Cargo.toml": "[package]\nname = \"app\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[build-dependencies]\npkg-config = \"0.3\"\n[workspace]\n",
				"build.rs":   fmt.Sprintf("fn main() { let l = pkg_config::Config::new().probe(%q).unwrap(); assert!(!l.libs.is_empty() && !l.include_paths.is_empty()); }\n", row.module),
				"src/main.rs": supplyExterns + fmt.Sprintf("fn main() { let p: *const c_char = unsafe { %s }; println!(\"{}\", unsafe { CStr::from_ptr(p) }.to_string_lossy()); }\n",
					row.function),
			})
			b.supply(t, false, row.library)
			program := b.build(t, row.library == "mysqlclient")
			if out := Must(t, "/", nil, program); !strings.Contains(out, row.want) {
				t.Errorf("it says %q", out)
			}
		})
	}
	for _, l := range native.Libraries() {
		if !slices.ContainsFunc(supplyRows, func(r supplyRow) bool { return r.library == l }) {
			t.Errorf("no crate links %s here", l)
		}
	}
}

// TestSupplyOpenSSLToCrates builds what most programs have: openssl with default features, and a crate that vendors it.
func TestSupplyOpenSSLToCrates(t *testing.T) {
	for _, features := range []string{"", `"vendored"`} {
		b := newCBuild(t, t.TempDir(), map[string]string{
			"Cargo.toml": "[package]\nname = \"app\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[dependencies]\nopenssl = { version = \"0.10\", features = [" + features + "] }\n[workspace]\n",
			"src/main.rs": "use openssl::version as v;\nfn main() {\n\topenssl::ssl::SslConnector::builder(openssl::ssl::SslMethod::tls()).unwrap();\n" +
				"\tprintln!(\"{}\\n{}\\n{}\\n{}\", v::version(), v::dir(), v::built_on(), v::c_flags());\n}\n",
		})
		b.supply(t, false, "openssl")
		out := Must(t, "/", nil, b.build(t, false))
		if !strings.Contains(out, `OPENSSLDIR: "/etc/ssl"`) || !strings.Contains(out, "Jan  1 00:00:00 1970") || !strings.Contains(out, "compiler: cc -fPIC") {
			t.Errorf("with [%s] it says %s", features, out)
		}
	}
}

// TestSupplyLibpqByItsFolder is pq-sys without its feature pkg-config, which names libpq alone: OpenSSL comes along.
func TestSupplyLibpqByItsFolder(t *testing.T) {
	b := newCBuild(t, t.TempDir(), map[string]string{
		"Cargo.toml":  "[package]\nname = \"app\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[dependencies]\npq-sys = { version = \"0.7\", default-features = false }\n[workspace]\n",
		"src/main.rs": "fn main() { println!(\"{}\", unsafe { pq_sys::PQlibVersion() }); let c = unsafe { pq_sys::PQconnectdb(c\"host=127.0.0.1 port=1\".as_ptr()) }; assert!(!c.is_null()); }\n",
	})
	s, _ := b.supply(t, false, "libpq")
	b.env = append(b.env, "PQ_LIB_DIR_X86_64_UNKNOWN_LINUX_MUSL="+filepath.Join(s.Dir, "lib"))
	if out := Must(t, "/", nil, b.build(t, false)); out != "180006\n" {
		t.Errorf("it says %q", out)
	}
}

// TestSupplyKeepsTheHostAway asks for what the machine has and we do not supply, and looks for the marks of glibc in
// what is linked where the machine has OpenSSL too.
func TestSupplyKeepsTheHostAway(t *testing.T) {
	b := newCBuild(t, t.TempDir(), map[string]string{
		"Cargo.toml":  "[package]\nname = \"app\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[dependencies]\nopenssl-sys = \"0.9\"\n[workspace]\n",
		"src/main.rs": "fn main() { openssl_sys::init(); println!(\"{:x}\", unsafe { openssl_sys::OpenSSL_version_num() }); }\n",
	})
	// What careless set-ups do; it must not help the machine's library in.
	b.env = append(b.env, "PKG_CONFIG_ALLOW_CROSS=1", "PKG_CONFIG_PATH=/usr/lib/x86_64-linux-gnu/pkgconfig")
	s, _ := b.supply(t, false, "openssl")
	program := b.build(t, false)
	if out := Must(t, "/", nil, program); out != "30600030\n" {
		t.Errorf("version %q", out)
	}
	f, err := elf.Open(program)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	symbols, err := f.Symbols()
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range symbols {
		if strings.HasPrefix(x.Name, "__isoc99_") || strings.HasSuffix(x.Name, "_chk") && strings.HasPrefix(x.Name, "__") && x.Name != "__stack_chk_fail" {
			t.Errorf("glibc's %s is in the program", x.Name)
		}
	}
	driver := filepath.Join(b.cache, "drivers", string(b.triple), "pkg-config")
	if out := Exec(t, "/", b.env, driver, "--libs", "libssl"); out.Code != 0 || !strings.Contains(out.Stdout, filepath.Base(s.Dir)) {
		t.Errorf("pkg-config: %+v", out)
	}
	if out := Exec(t, "/", b.env, driver, "--exists", "--print-errors", "zlib"); out.Code != 1 || !strings.Contains(out.Stderr, "No package 'zlib' found") {
		t.Errorf("pkg-config: %+v", out)
	}
}

// TestSupplyIsReproducible makes libraries in two caches and compares all bytes.
func TestSupplyIsReproducible(t *testing.T) {
	a := newCBuild(t, t.TempDir(), nil)
	one, _ := a.supply(t, false, "zlib", "nghttp2", "xz")
	z := newCBuild(t, t.TempDir(), nil)
	c := z.compiler(t, false)
	supplies, err := native.Resolve([]native.Want{{Library: "zlib"}, {Library: "nghttp2"}, {Library: "xz"}}, nil, z.triple)
	if err != nil {
		t.Fatal(err)
	}
	two, err := native.EnsureSysroot(t.Context(), native.SupplyOptions{Triple: z.triple, CacheDir: filepath.Join(t.TempDir(), "another place"), CC: c.ForLibraries(),
		Cargo: cargo.LoadOptions{Dir: z.dir, Env: z.env}, Env: z.env, Runner: &run.System{}, Jobs: 1}, supplies)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"lib/libz.a", "lib/libnghttp2.a", "lib/liblzma.a", "manifest.json"} {
		x, err := os.ReadFile(filepath.Join(one.Dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if y, err := os.ReadFile(filepath.Join(two.Dir, name)); err != nil || !bytes.Equal(x, y) {
			t.Errorf("%s differs: %v", name, err)
		}
	}
}
