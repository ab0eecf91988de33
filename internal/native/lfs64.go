// SPDX-License-Identifier: MIT OR Apache-2.0

package native

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"sampan/internal/cargo"
	"sampan/internal/durable"
)

// lfs64 are functions that musl had under a second name, with 64 behind, until 1.2.4 took those names out of what
// programs are linked with. Versions of the crate libc before 0.2.146 call them by it, so that a lock file of those
// days fails on Rust 1.93 and newer: undefined symbol: open64.
var lfs64 = []string{"aio_cancel", "aio_error", "aio_fsync", "aio_read", "aio_return", "aio_suspend", "aio_write", "alphasort", "creat",
	"fallocate", "fgetpos", "fopen", "freopen", "fseeko", "fsetpos", "fstat", "fstatat", "fstatfs", "fstatvfs", "ftello", "ftruncate", "ftw",
	"getdents", "getrlimit", "glob", "globfree", "lio_listio", "lockf", "lseek", "lstat", "mkostemp", "mkostemps", "mkstemp", "mkstemps", "mmap",
	"nftw", "open", "openat", "posix_fadvise", "posix_fallocate", "pread", "preadv", "prlimit", "pwrite", "pwritev", "readdir", "readdir_r", "scandir",
	"sendfile", "setrlimit", "stat", "statfs", "statvfs", "tmpfile", "truncate", "versionsort"}

// aliasesFile lies beside the link driver and is an input of every link.
const aliasesFile = "lfs64.ld"

// aliasScript is a linker script that gives a name its function when a program asks for the name and nothing else has
// it. A program that does not ask gets the same bytes as without: PROVIDE pulls in nothing by itself.
func aliasScript() []byte {
	var b bytes.Buffer
	b.WriteString("/* Names that musl had until 1.2.4, for old versions of the crate libc. */\n")
	for _, name := range lfs64 {
		fmt.Fprintf(&b, "PROVIDE(%s = %s);\n", lfs64Name(name), name)
	}
	return b.Bytes()
}

// lfs64Name is the second name: 64 stands before the _r of readdir_r's.
func lfs64Name(name string) string {
	if name, ok := strings.CutSuffix(name, "_r"); ok {
		return name + "64_r"
	}
	return name + "64"
}

// ensureAliases writes the script beside a link driver.
func ensureAliases(dir string) error {
	path, text := filepath.Join(dir, aliasesFile), aliasScript()
	if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, text) {
		return nil
	}
	if err := durable.WriteFile(path, text, 0o644); err != nil {
		return fmt.Errorf("make link driver: %w", err)
	}
	return nil
}

// linkExtras are our files for a link of rustc's. They lie where the driver's own path says, in
// <cache>/drivers/<triple>, and are the same for everyone who has this release: a link takes nothing varying.
func linkExtras(argv0 string, t cargo.Triple, args []string) extras {
	dir := filepath.Dir(argv0)
	e := extras{cxx: cxxLibraries(filepath.Dir(filepath.Dir(dir)), t, args)}
	if path := filepath.Join(dir, aliasesFile); exists(path) {
		e.aliases = path
	}
	return e
}
