// SPDX-License-Identifier: MIT OR Apache-2.0

//go:build e2e && long && linux

package e2e

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sampan/internal/native"
)

// family is a program that calls each function of malloc's, on threads and after a fork, and says whose malloc it has:
// musl's gives blocks of sizes that end in 0xc, mimalloc's of whole words.
const family = `use std::alloc::{alloc, dealloc, Layout};
use std::ffi::{c_int, c_void};
extern "C" {
    fn malloc(n: usize) -> *mut c_void;
    fn free(p: *mut c_void);
    fn realloc(p: *mut c_void, n: usize) -> *mut c_void;
    fn calloc(c: usize, n: usize) -> *mut c_void;
    fn reallocarray(p: *mut c_void, c: usize, n: usize) -> *mut c_void;
    fn aligned_alloc(a: usize, n: usize) -> *mut c_void;
    fn memalign(a: usize, n: usize) -> *mut c_void;
    fn valloc(n: usize) -> *mut c_void;
    fn posix_memalign(p: *mut *mut c_void, a: usize, n: usize) -> c_int;
    fn malloc_usable_size(p: *mut c_void) -> usize;
    fn strdup(s: *const std::ffi::c_char) -> *mut std::ffi::c_char;
    fn fork() -> c_int;
    fn waitpid(pid: c_int, status: *mut c_int, options: c_int) -> c_int;
    fn _exit(code: c_int) -> !;
}
fn aligned(p: *mut c_void, a: usize) {
    assert!(!p.is_null() && p as usize % a == 0 && unsafe { malloc_usable_size(p) } >= 10, "{p:?} for {a}");
    unsafe { free(p) };
}
fn work() -> usize {
    let mut all: Vec<Vec<u8>> = Vec::new();
    for i in 0..20_000usize {
        all.push(vec![1; i % 700 + 1]);
        if i % 3 == 0 {
            let at = i / 2 % all.len();
            all.swap_remove(at);
        }
    }
    all.iter().map(Vec::len).sum()
}
fn main() {
    unsafe {
        for a in [16, 64, 4096, 65536, 1 << 22] {
            aligned(aligned_alloc(a, a * 2), a);
            aligned(memalign(a, 10), a);
            let mut p = std::ptr::null_mut();
            assert_eq!(posix_memalign(&mut p, a, 10), 0);
            aligned(p, a);
            let l = Layout::from_size_align(10, a).unwrap();
            let p = std::hint::black_box(alloc(l));
            assert!(p as usize % a == 0);
            dealloc(p, l);
        }
        aligned(valloc(10), 4096);
        let p = calloc(1000, 1000) as *mut u8;
        assert!((0..1_000_000).all(|i| *p.add(i) == 0));
        let p = realloc(p.cast(), 3_000_000);
        let p = reallocarray(p, 10, 10);
        // Without the black boxes the compiler would leave out what nobody uses, and take it for something that was made.
        assert!(!p.is_null() && std::hint::black_box(reallocarray(p, std::hint::black_box(usize::MAX), 2)).is_null());
        assert!(std::hint::black_box(malloc(std::hint::black_box(usize::MAX / 2))).is_null());
        free(p);
        free(std::ptr::null_mut());
        free(strdup(c"a string of musl's".as_ptr()).cast());
        assert!((0..100).all(|_| std::thread::spawn(|| vec![0u8; 100_000]).join().unwrap().len() == 100_000));
        let crew: Vec<_> = (0..4).map(|_| std::thread::spawn(work)).collect();
        let sums: Vec<_> = crew.into_iter().map(|t| t.join().unwrap()).collect();
        let child = fork();
        if child == 0 {
            _exit((work() == sums[0]) as c_int);
        }
        let mut status = 0;
        assert!(waitpid(child, &mut status, 0) == child && status == 1 << 8, "the child ended with {status}");
        let p = malloc(100);
        println!("{} {}", itoa::Buffer::new().format(sums[0]), if malloc_usable_size(p) % 8 == 0 { "mimalloc" } else { "musl" });
        free(p);
    }
    if std::env::args().len() == 1 {
        let me = std::process::Command::new(std::env::current_exe().unwrap()).arg("again").output();
        assert!(me.map_or(true, |o| o.status.success()));
    }
}
`

// allocBuild is a crate, built by the command line with a cache that all these tests share.
func allocBuild(t *testing.T, files map[string]string) (b *cBuild, build func(args ...string) (said string)) {
	t.Helper()
	b = newCBuild(t, t.TempDir(), files)
	b.cache = filepath.Join(shared, "c-cache") // configure scripts take no folder with a space in it
	Must(t, b.dir, b.env, "cargo", "generate-lockfile")
	return b, func(args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), Sampan(t), append([]string{"build", "--target-dir", b.target}, args...)...)
		cmd.Dir, cmd.Env = b.dir, append(slices.Clone(b.env), "SAMPAN_CACHE_DIR="+b.cache)
		var said bytes.Buffer
		cmd.Stderr = &said
		if err := cmd.Run(); err != nil {
			t.Fatalf("sampan build %q: %v\n%s", args, err, said.String())
		}
		return said.String()
	}
}

// compiled counts what cargo compiled.
func compiled(said string) int { return strings.Count(said, "   Compiling ") }

// linked says which allocator a program has, by its note and by what it does.
func linked(t *testing.T, program, want string, run ...string) {
	t.Helper()
	note, err := native.LinkedAllocator(program)
	if err != nil || (note != "") != (want == "mimalloc") || !strings.HasPrefix(note, strings.TrimSuffix(want, "musl")) {
		t.Errorf("%s has the note %q, %v; want %s", program, note, err, want)
	}
	words := append(run, program)
	if out := Must(t, "/", nil, words[0], words[1:]...); !strings.HasSuffix(out, " "+want+"\n") {
		t.Errorf("it says %q, want %s", out, want)
	}
}

var familyFiles = map[string]string{
	"Cargo.toml":  "[package]\nname = \"app\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[dependencies]\nitoa = \"1\"\n[workspace]\n",
	"src/main.rs": family,
}

// TestAllocator switches malloc in a program of pure Rust: the program is linked anew, and nothing that it depends on.
func TestAllocator(t *testing.T) {
	b, build := allocBuild(t, familyFiles)
	program := filepath.Join(b.target, string(b.triple), "release", "app")
	build()
	linked(t, program, "musl")
	plain, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args  []string
		units int
		want  string
	}{
		{[]string{"--allocator", "mimalloc"}, 1, "mimalloc"},
		{[]string{"--allocator", "mimalloc"}, 0, "mimalloc"},
		{nil, 1, "musl"},
		{[]string{"--allocator", "system"}, 0, "musl"},
		{[]string{"--allocator", "mimalloc", "--thin"}, 2, "mimalloc"}, // another profile
		{[]string{"--thin"}, 1, "musl"},
		{nil, 0, "musl"}, // and the one before is still there
	} {
		if said := build(c.args...); compiled(said) != c.units {
			t.Errorf("with %q cargo compiled %d crates, want %d:\n%s", c.args, compiled(said), c.units, said)
		}
		linked(t, program, c.want)
	}
	if again, err := os.ReadFile(program); err != nil || !bytes.Equal(again, plain) {
		t.Errorf("musl's malloc is back, and the program is another one (%v)", err)
	}
	build("--allocator", "mimalloc")
	symbols := Must(t, "/", nil, "nm", program)
	for _, name := range []string{" T malloc", " T free", " T aligned_alloc", "_mi_"} {
		if !strings.Contains(symbols, name) {
			t.Errorf("no symbol %q", name)
		}
	}
	if n := strings.Count(symbols, " T malloc\n"); n != 1 {
		t.Errorf("malloc is defined %d times", n)
	}
}

// TestAllocatorARM64 is the other architecture, on pages of 4 KiB and of 64.
func TestAllocatorARM64(t *testing.T) {
	qemu, err := exec.LookPath("qemu-aarch64-static")
	if err != nil {
		t.Skip("qemu-user-static is not here")
	}
	b, build := allocBuild(t, familyFiles)
	build("--target", "aarch64-unknown-linux-musl", "--allocator", "mimalloc")
	program := filepath.Join(b.target, "aarch64-unknown-linux-musl", "release", "app")
	linked(t, program, "mimalloc", qemu)
	linked(t, program, "mimalloc", qemu, "-p", "65536")
}

// TestAllocatorOfCrate is a published crate: cargo takes the program of an earlier build unless the driver told it.
func TestAllocatorOfCrate(t *testing.T) {
	dir, cache := t.TempDir(), "SAMPAN_CACHE_DIR="+filepath.Join(shared, "c-cache")
	for _, want := range []string{"", "mimalloc", ""} {
		args := []string{"build", "crate:hexyl@0.16.0", "-o", "oci:" + filepath.Join(dir, "image")}
		if want != "" {
			args = append(args, "--allocator", want)
		}
		Must(t, dir, []string{cache}, Sampan(t), args...)
		found, err := filepath.Glob(filepath.Join(shared, "c-cache", "crates", "hexyl-0.16.0", "root", "*", "release", "bin", "hexyl"))
		if err != nil || len(found) != 1 {
			t.Fatalf("programs %q, %v", found, err)
		}
		if note, err := native.LinkedAllocator(found[0]); err != nil || (note != "") != (want != "") {
			t.Errorf("with %q the program has %q, %v", want, note, err)
		}
	}
}

// TestAllocatorServesCXX: new and delete go through malloc, and what cannot be had is thrown, not the program's end.
func TestAllocatorServesCXX(t *testing.T) {
	b, build := allocBuild(t, map[string]string{
		"Cargo.toml": "[package]\nname = \"app\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[build-dependencies]\ncc = \"1\"\nlink-cplusplus = \"1\"\n[dependencies]\nlink-cplusplus = \"1\"\n[workspace]\n",
		"build.rs":   "fn main() { cc::Build::new().cpp(true).file(\"src/own.cpp\").compile(\"own\"); }\n",
		"src/own.cpp": `#include <cstdlib>
#include <map>
#include <new>
#include <string>
#include <thread>
#include <vector>
extern "C" size_t malloc_usable_size(void *);
struct alignas(256) Wide { char c[300]; };
extern "C" int own(void) {
	std::vector<std::thread> crew;
	for (int i = 0; i < 4; i++) crew.emplace_back([] { std::map<int, std::string> m; for (int k = 0; k < 20000; k++) m[k % 3000] = std::string(k % 200, 'x'); });
	for (auto &t : crew) t.join();
	Wide *w = new Wide[3];
	if ((size_t)w % 256) return -1;
	delete[] w;
	volatile size_t huge = (size_t)-1 / 4;
	try { char *volatile p = new char[huge]; delete[] p; return -2; } catch (const std::bad_alloc &) {}
	char *volatile p = new char[100];
	int words = malloc_usable_size(p) % 8 == 0;
	delete[] p;
	return words;
}
`,
		"src/main.rs": "extern crate link_cplusplus;\nextern \"C\" { fn own() -> i32; }\nfn main() { println!(\"own {}\", match unsafe { own() } { 0 => \"musl\", 1 => \"mimalloc\", _ => \"wrong\" }); }\n",
	})
	program := filepath.Join(b.target, string(b.triple), "release", "app")
	build("--allocator", "mimalloc")
	linked(t, program, "mimalloc")
	if said := build(); compiled(said) != 1 {
		t.Errorf("switching compiled %d crates:\n%s", compiled(said), said)
	}
	linked(t, program, "musl")
}

// TestAllocatorBesideOthers: one that the program brings stays, and a note says so.
func TestAllocatorBesideOthers(t *testing.T) {
	for _, c := range []struct{ dependency, global, note, malloc string }{
		{`tikv-jemallocator = "0.7"`, "tikv_jemallocator::Jemalloc", "it stays so for Rust, and mimalloc serves C and C++", "mimalloc"},
		{`mimalloc = "0.1"`, "mimalloc::MiMalloc", "cannot stand beside mimalloc", "musl"},
	} {
		b, build := allocBuild(t, map[string]string{
			"Cargo.toml":  "[package]\nname = \"app\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[dependencies]\nitoa = \"1\"\n" + c.dependency + "\n[workspace]\n",
			"src/main.rs": "#[global_allocator]\nstatic A: " + c.global + " = " + c.global + ";\n" + family,
		})
		if said := build("--allocator", "mimalloc"); !strings.Contains(said, c.note) {
			t.Errorf("%s: it says\n%s", c.dependency, said)
		}
		linked(t, filepath.Join(b.target, string(b.triple), "release", "app"), c.malloc)
	}
}

// TestJemallocOnLargePages: a program with jemalloc starts on a kernel whose pages have 64 KiB.
func TestJemallocOnLargePages(t *testing.T) {
	qemu, err := exec.LookPath("qemu-aarch64-static")
	if err != nil {
		t.Skip("qemu-user-static is not here")
	}
	b, build := allocBuild(t, map[string]string{
		"Cargo.toml": "[package]\nname = \"app\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[dependencies]\ntikv-jemallocator = \"0.7\"\n[workspace]\n",
		"src/main.rs": "#[global_allocator]\nstatic A: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;\n" +
			"fn main() { println!(\"{}\", (0..1000).map(|i| vec![1u8; i * 100].len()).sum::<usize>()); }\n",
	})
	build("--target", "aarch64-unknown-linux-musl")
	program := filepath.Join(b.target, "aarch64-unknown-linux-musl", "release", "app")
	for _, size := range []string{"4096", "16384", "65536"} {
		if out := Must(t, "/", nil, qemu, "-p", size, program); out != "49950000\n" {
			t.Errorf("pages of %s: %q", size, out)
		}
	}
}

// TestOutlineAtomics: objects that others compiled for ARM call helpers for atomic operations. Rust's own are there at the
// link, of each width.
func TestOutlineAtomics(t *testing.T) {
	qemu, err := exec.LookPath("qemu-aarch64-static")
	if err != nil {
		t.Skip("qemu-user-static is not here")
	}
	b, build := allocBuild(t, map[string]string{
		"Cargo.toml": "[package]\nname = \"app\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[workspace]\n",
		"src/main.rs": `extern "C" {
    fn __aarch64_ldadd8_acq_rel(v: u64, p: *mut u64) -> u64;
    fn __aarch64_swp4_rel(v: u32, p: *mut u32) -> u32;
    fn __aarch64_ldset2_relax(v: u16, p: *mut u16) -> u16;
    fn __aarch64_ldclr1_acq(v: u8, p: *mut u8) -> u8;
    fn __aarch64_cas16_acq_rel(old: u128, new: u128, p: *mut u128) -> u128;
}
fn main() {
    let (mut a, mut b, mut c, mut d, mut e) = (1u64, 2u32, 4u16, 7u8, 5u128);
    unsafe {
        assert_eq!((__aarch64_ldadd8_acq_rel(2, &mut a), __aarch64_swp4_rel(9, &mut b)), (1, 2));
        assert_eq!((__aarch64_ldset2_relax(1, &mut c), __aarch64_ldclr1_acq(2, &mut d)), (4, 7));
        assert_eq!(__aarch64_cas16_acq_rel(5, 6, &mut e), 5);
    }
    println!("{a} {b} {c} {d} {e}");
}
`,
	})
	build("--target", "aarch64-unknown-linux-musl")
	if out := Must(t, "/", nil, qemu, filepath.Join(b.target, "aarch64-unknown-linux-musl", "release", "app")); out != "3 9 5 5 6\n" {
		t.Errorf("%q", out)
	}
}
