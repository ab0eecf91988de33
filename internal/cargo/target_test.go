// SPDX-License-Identifier: MIT OR Apache-2.0

package cargo

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"sampan/internal/run"
)

func TestToolchainFiles(t *testing.T) {
	w := newWorld(t)
	ws, _, _ := w.load(w.options())
	tc := ws.Toolchain
	if tc.HasStd(musl) || tc.RustLLD() != "" || (Toolchain{}).HasStd(musl) || (Toolchain{}).RustLLD() != "" {
		t.Error("std or rust-lld in an empty folder")
	}
	w.write("sysroot/lib/rustlib/x86_64-unknown-linux-musl/lib/libcore-1.rlib", "")
	if tc.HasStd(musl) {
		t.Error("core alone is no std")
	}
	w.write("sysroot/lib/rustlib/x86_64-unknown-linux-musl/lib/libstd-1.rlib", "")
	w.write("sysroot/lib/rustlib/x86_64-unknown-linux-gnu/bin/rust-lld", "")
	if !tc.HasStd(musl) || tc.HasStd("aarch64-unknown-linux-musl") {
		t.Error("std is not found, or is found for another triple")
	}
	if got := tc.RustLLD(); got != w.path("sysroot/lib/rustlib/x86_64-unknown-linux-gnu/bin/rust-lld") {
		t.Errorf("rust-lld %q", got)
	}
}

func TestAtLeast(t *testing.T) {
	for release, want := range map[string]bool{
		"1.95.0": true, "1.93.0": true, "1.92.9": false, "2.0.0": true, "0.99.0": false, "1.93.0-nightly": true, "1.100.0-beta.2": true,
		"": false, "1": false, "x.y.z": false,
	} {
		if got := (Toolchain{Release: release}).AtLeast(1, 93); got != want {
			t.Errorf("%q: %t", release, got)
		}
	}
}

func TestAddTarget(t *testing.T) {
	w := newWorld(t)
	ws, _, _ := w.load(w.options())
	var e *TargetError
	if err := AddTarget(context.Background(), w, ws, musl); !errors.As(err, &e) || e.Reason != NoRustup {
		t.Fatalf("without rustup: %v", err)
	}
	w.write("bin/rustup", "x")
	if err := os.Chmod(w.path("bin/rustup"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := AddTarget(context.Background(), w, ws, musl); !errors.As(err, &e) || e.Reason != NoRustup {
		t.Fatalf("a toolchain that is not rustup's: %v", err)
	}
	w.write("home/.rustup/toolchains/other/x", "")
	if err := os.Symlink(w.path("sysroot"), w.path("home/.rustup/toolchains/mine")); err != nil {
		t.Fatal(err)
	}
	for stderr, want := range map[string]string{
		"info: downloading\nerror: component download failed for rust-std-x\n\nCaused by:\n    1: could not download file from 'https://example.com/x' to '/x'\n    5: dns error\n": NoNetwork,
		"error: toolchain 'mine' does not support target 'x'\nnote: you can see\n":                                                                                                  NotOffered,
		"error: toolchain 'mine' has no prebuilt artifacts available for target 'x'\n":                                                                                              NotOffered,
		"error: invalid value 'mine' for '--toolchain <TOOLCHAIN>': invalid toolchain name: 'mine'\n":                                                                               Custom,
		"error: could not write file: Permission denied (os error 13)\n":                                                                                                            NoPlace,
		"error: a new kind of trouble\n": OtherReason,
	} {
		w.fail["rustup"], w.calls = stderr, nil
		err := AddTarget(context.Background(), w, ws, musl)
		if !errors.As(err, &e) || e.Reason != want || e.Toolchain != "mine" || strings.Contains(err.Error(), "\n") || e.Hint() == "" {
			t.Errorf("%q: %v", stderr, err)
		}
		if !slices.Equal(w.calls[0].Args, []string{"target", "add", "--toolchain", "mine", string(musl)}) {
			t.Errorf("called with %q", w.calls[0].Args)
		}
	}
}

func TestAddTargetDone(t *testing.T) {
	w := newWorld(t)
	w.write("bin/rustup", "x")
	if err := os.Chmod(w.path("bin/rustup"), 0o755); err != nil {
		t.Fatal(err)
	}
	w.write("home/.rustup/toolchains/stable-x86_64-unknown-linux-gnu/x", "")
	w.on = func(c run.Cmd) (string, bool) {
		if slices.Contains(c.Args, "sysroot") {
			return w.path("home/.rustup/toolchains/stable-x86_64-unknown-linux-gnu") + "\n", true
		}
		return "", slices.Equal(c.Args, []string{"target", "add", "--toolchain", "stable-x86_64-unknown-linux-gnu", string(musl)})
	}
	ws, _, _ := w.load(w.options())
	if path, name := ws.Rustup(); path != w.path("bin/rustup") || name != "stable-x86_64-unknown-linux-gnu" {
		t.Errorf("rustup %q, toolchain %q", path, name)
	}
	if err := AddTarget(context.Background(), w, ws, musl); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	stopped := runnerFunc(func(ctx context.Context, _ run.Cmd) error { return ctx.Err() })
	if err := AddTarget(ctx, stopped, ws, musl); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestTargetHints(t *testing.T) {
	for system, want := range map[string]string{
		"fedora": "dnf install rust-std-static-x86_64-unknown-linux-musl, or install rustup", "arch": "pacman -S rust-musl", "debian": "install rustup", "": "install rustup",
	} {
		if h := (&TargetError{Triple: musl, Reason: NoRustup, System: system}).Hint(); !strings.HasPrefix(h, want) {
			t.Errorf("%s: %s", system, h)
		}
	}
	w := newWorld(t)
	w.write("os-release", "PRETTY_NAME=\"X\"\nID=\"fedora\"\nID_LIKE=x\n")
	if id := systemID(w.path("os-release")); id != "fedora" {
		t.Errorf("system %q", id)
	}
}
