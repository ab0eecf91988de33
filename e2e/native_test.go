// SPDX-License-Identifier: MIT OR Apache-2.0

//go:build e2e && linux

package e2e

import (
	"debug/elf"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"sampan/internal/binary"
	"sampan/internal/native"
)

// nativeSources is one copy of testdata/native for all tests, so that each crate is compiled once.
var nativeSources = sync.OnceValues(func() (string, error) {
	dir := filepath.Join(shared, "native")
	return dir, os.CopyFS(dir, os.DirFS(filepath.Join("testdata", "native")))
})

// buildNative makes an image of a crate of testdata/native and unpacks it. What careless set-ups do, which let the
// machine's own libraries into programs for musl, is done here.
func buildNative(t *testing.T, crate string, args ...string) (image *Image, program string) {
	t.Helper()
	dir, err := nativeSources()
	if err != nil {
		t.Fatal(err)
	}
	layout := filepath.Join(t.TempDir(), "layout")
	env := []string{"SAMPAN_CACHE_DIR=" + NativeCache(t), "PKG_CONFIG_ALLOW_CROSS=1", "PKG_CONFIG_PATH=" + hostPkgConfig, "PKG_CONFIG_ALL_STATIC=1"}
	Built(t, dir, env, append([]string{"-p", crate, "-o", "oci:" + layout}, args...)...)
	target := "x86_64-unknown-linux-musl"
	for i, a := range args {
		if a == "--target" {
			target = args[i+1]
		}
	}
	program = filepath.Join(dir, "target", target, "release", crate)
	if facts, err := binary.Inspect(program); err != nil || !facts.Static() || facts.ExecStack {
		t.Errorf("%s: %+v, %v", program, facts, err)
	}
	return Unpack(t, layout), program
}

// supplied is the version of a library that Sampan supplies.
func supplied(t *testing.T, library string) string {
	t.Helper()
	s, err := native.Resolve([]native.Want{{Library: library}}, nil, cargoMusl)
	if err != nil {
		t.Fatal(err)
	}
	return s[len(s)-1].Version
}

// hostPkgConfig is where Debian's pkg-config finds Debian's OpenSSL.
const hostPkgConfig = "/usr/lib/x86_64-linux-gnu/pkgconfig"

// TestOpenSSL: a crate that looks for OpenSSL on the system gets ours, and HTTPS works in the image without a variable.
func TestOpenSSL(t *testing.T) {
	address, ca := secure(t)
	image, program := buildNative(t, "tls", "--ca-file", ca)
	if out := image.Run(t, address); out.Code != 0 || out.Stdout != page+"\n" {
		t.Errorf("with the CA: %+v", out)
	}
	image.env = nil // as under `docker run --env SSL_CERT_FILE=`, or started by something that clears the environment
	if out := image.Run(t, address); out.Code != 0 || out.Stdout != page+"\n" {
		t.Errorf("with the CA, without variables: %+v", out)
	}
	_, other := secure(t)
	for name, args := range map[string][]string{"without the CA": nil, "with another CA": {"--ca-file", other}, "without certificates": {"--ca=false"}} {
		image, again := buildNative(t, "tls", args...)
		if out := image.Run(t, address); out.Code != 3 || !strings.Contains(out.Stderr, "certificate verify failed") || out.Stdout != "" {
			t.Errorf("%s: %+v", name, out)
		}
		if again != program {
			t.Errorf("%s is another program than %s", again, program)
		}
	}
	theHostIsKeptAway(t, image, program)
}

// theHostIsKeptAway proves that the program has our OpenSSL in it, though the machine has one as well.
func theHostIsKeptAway(t *testing.T, image *Image, program string) {
	t.Helper()
	theirs := strings.TrimSpace(Must(t, "", nil, "pkg-config", "--modversion", "openssl"))
	if marks := Must(t, "", nil, "nm", "-u", strings.TrimSpace(Must(t, "", nil, "pkg-config", "--variable=libdir", "openssl"))+"/libcrypto.a"); !strings.Contains(marks, "_chk") {
		t.Error("the machine's OpenSSL shows no mark of glibc: this proves nothing")
	}
	ours := supplied(t, "openssl")
	out := image.Run(t)
	if !strings.HasPrefix(out.Stdout, "OpenSSL "+ours+" ") || !strings.Contains(out.Stdout, `OPENSSLDIR: "/etc/ssl"`) || ours == theirs {
		t.Errorf("ours is %s, the machine's %s, the program has %+v", ours, theirs, out)
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
	found := false
	for _, s := range symbols {
		found = found || s.Name == "SSL_connect" && s.Section != elf.SHN_UNDEF
		if strings.HasPrefix(s.Name, "__") && strings.HasSuffix(s.Name, "_chk") {
			t.Errorf("glibc's %s is in the program", s.Name)
		}
	}
	if !found {
		t.Error("there is no SSL_connect in the program")
	}
	driver := filepath.Join(NativeCache(t), "drivers", "x86_64-unknown-linux-musl", "pkg-config")
	sysroots, err := filepath.Glob(filepath.Join(NativeCache(t), "clib", "sysroot", "x86_64-unknown-linux-musl-*", "lib", "pkgconfig", "openssl.pc"))
	if err != nil || len(sysroots) == 0 {
		t.Fatalf("no sysroot with OpenSSL: %v", err)
	}
	env := []string{"PKG_CONFIG_PATH=" + hostPkgConfig, "PKG_CONFIG_LIBDIR_x86_64_unknown_linux_musl=" + filepath.Dir(sysroots[0])}
	if out := Exec(t, "", env, driver, "--modversion", "openssl"); out.Code != 0 || out.Stdout != ours+"\n" {
		t.Errorf("our pkg-config: %+v", out)
	}
	if out := Exec(t, "", []string{"PKG_CONFIG_PATH=" + hostPkgConfig}, driver, "--exists", "openssl"); out.Code == 0 {
		t.Errorf("our pkg-config, with the machine's folder only: %+v", out)
	}
}

// TestCXX: exceptions of C++ in several threads, and from one to another, in a static program.
func TestCXX(t *testing.T) {
	image, _ := buildNative(t, "cpp")
	if out := image.Run(t); out.Code != 0 || out.Stdout != "storm 9\n[92, 92, 92, 92] 1 9 true\n" {
		t.Errorf("%+v", out)
	}
}

// TestArm64: C for an architecture that is not the machine's.
func TestArm64(t *testing.T) {
	image, program := buildNative(t, "arm", "--target", "aarch64-unknown-linux-musl")
	f, err := elf.Open(program)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if f.Machine != elf.EM_AARCH64 {
		t.Fatalf("%s is for %s", program, f.Machine)
	}
	image.Emulate(t, "qemu-aarch64-static")
	if out := image.Run(t); out.Code != 0 || !strings.HasPrefix(out.Stdout, "aarch64 4000 42 12 1.") {
		t.Errorf("%+v", out)
	}
}

// TestCallsAreShown: --verbose shows what our compilers were told below cargo, and leaves no log behind.
func TestCallsAreShown(t *testing.T) {
	dir, err := nativeSources()
	if err != nil {
		t.Fatal(err)
	}
	cache := NativeCache(t)
	args := []string{"build", "-v", "-p", "cpp", "--target-dir", t.TempDir(), "-o", "oci:" + filepath.Join(t.TempDir(), "layout")}
	out := Exec(t, dir, []string{"SAMPAN_CACHE_DIR=" + cache}, Sampan(t), args...)
	shown := regexp.MustCompile(`(?m)c\+\+ .*\.cpp.*   # x86_64-unknown-linux-musl, [0-9]+ ms$`)
	if out.Code != 0 || !shown.MatchString(out.Stderr) {
		t.Errorf("%+v", out)
	}
	if left, _ := filepath.Glob(filepath.Join(cache, ".calls-*")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}
