// SPDX-License-Identifier: MIT OR Apache-2.0

//go:build unix

package native

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"sampan/internal/run"
)

// writer is a Runner whose programs write the file that they are told to, or join the last of them into an archive.
type writer struct {
	mu    sync.Mutex
	calls []string
}

func (w *writer) Run(_ context.Context, c run.Cmd) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls = append(w.calls, filepath.Base(c.Path)+" "+strings.Join(c.Args, " "))
	if i := slices.Index(c.Args, "-o"); i >= 0 {
		return os.WriteFile(c.Args[i+1], nil, 0o644)
	}
	if filepath.Base(c.Path) == "ar" {
		return os.WriteFile(c.Args[1], []byte("archive"), 0o644)
	}
	return nil
}

// TestTheFirstCXXMakesItsLibrary: no dependency of a crate tells that its build script compiles C++.
func TestTheFirstCXXMakesItsLibrary(t *testing.T) {
	cache, dir := t.TempDir(), t.TempDir()
	lib := filepath.Join(cache, "zig", "lib")
	for _, f := range []string{"libcxx/src/string.cpp", "libcxx/src/pstl/no.cpp", "libcxxabi/src/cxa_exception.cpp"} {
		file(t, lib, f)
	}
	drivers := filepath.Join(dir, string(musl))
	data, err := json.Marshal(settings{Kind: KindZig, CC: []string{"zig", "clang"}, CXX: []string{"zig", "clang"}, AR: []string{"zig", "ar"}, Lib: lib, Clang: true, Cache: cache})
	if err != nil {
		t.Fatal(err)
	}
	file(t, drivers, "c++")
	if err := os.WriteFile(filepath.Join(drivers, settingsFile), data, 0o644); err != nil {
		t.Fatal(err)
	}
	w := &writer{}
	compile := func(tool string, args ...string) {
		t.Helper()
		var said bytes.Buffer
		handled, code := Main(t.Context(), Call{Argv0: filepath.Join(drivers, tool), Args: args, Env: []string{"PATH=/bin", "CXXFLAGS=-bad", "OUT_DIR=/out"}, Stdout: &said, Stderr: &said, Runner: w})
		if !handled || code != 0 || said.Len() > 0 { // who tries out flags takes every word for a refusal
			t.Fatalf("%s %q: %v, %d, %s", tool, args, handled, code, &said)
		}
	}
	object := filepath.Join(dir, "x.o")
	compile("cc", "-c", "x.c", "-o", object)
	compile("c++", "-E", "x.cpp")
	compile("c++", "-nostdinc++", "-c", "own.cpp", "-o", object)
	if n := len(w.calls); n != 3 {
		t.Fatalf("C, a preprocessor, and C++ without its library: %d calls: %q", n, w.calls)
	}
	compile("cc", "-c", "x.cpp", "-o", object)
	if n := len(w.calls); n != 3+2*2+1 || !cxxIntact(cxxDir(cache, cxxZig, musl)) {
		t.Fatalf("%d calls: %q", n, w.calls)
	}
	for _, made := range w.calls[3:7] {
		if !strings.HasPrefix(made, "ar rcs ") && (!strings.HasPrefix(made, "c++ ") || !strings.Contains(made, " -nostdinc++ ") || strings.Contains(made, "no.cpp")) {
			t.Errorf("called %s", made)
		}
	}
	compile("c++", "-c", "y.cpp", "-o", object)
	if n := len(w.calls); n != 9 {
		t.Errorf("it is made again: %q", w.calls[8:])
	}
}
