// SPDX-License-Identifier: MIT OR Apache-2.0

package cli

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"
)

// TestWatchCalls: what was in the log before is not told, and what comes at the last moment is.
func TestWatchCalls(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	add := func(text string) {
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := f.WriteString(text); err != nil {
			t.Fatal(err)
		}
	}
	add("0 1 cc x86_64-unknown-linux-musl cc -c old.c\n")
	var told []string
	stop := watchCalls(path, func(line string) { told = append(told, line) })
	add("0 12 cc x86_64-unknown-linux-musl cc -c 'a b.c'\n1 - ar aarch64-unknown-linux-musl ar cq lib")
	add("x.a x.o\nwhat is this\n")
	stop()
	want := []string{
		"cc -c 'a b.c'   # x86_64-unknown-linux-musl, 12 ms",
		"ar cq libx.a x.o   # aarch64-unknown-linux-musl, exit code 1",
		"what is this",
	}
	if !reflect.DeepEqual(told, want) {
		t.Errorf("told %q, want %q", told, want)
	}
	watchCalls(filepath.Join(path, "no", "folder"), func(string) { t.Error("a log that cannot be") })()
}
