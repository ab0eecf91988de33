// SPDX-License-Identifier: MIT OR Apache-2.0

package native

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"sampan/internal/cargo"
	"sampan/internal/durable"
	"sampan/internal/run"
)

// initSource is the program that is process 1 of an image with an init.
//
//go:embed sampan_init.rs
var initSource []byte

// initFlags make it small. It uses musl's functions and nothing of std.
var initFlags = []string{"--edition", "2021", "--crate-name", "sampan_init", "--crate-type", "bin", "-Cpanic=abort", "-Copt-level=z",
	"-Clto=fat", "-Ccodegen-units=1", "-Cstrip=symbols", "-Ctarget-feature=+crt-static", "-Clink-self-contained=yes", "-Crelocation-model=static",
	"--cap-lints=allow"}

// maxInit is the size that an init may have, in bytes.
const maxInit = 16 << 10

// InitOptions say where and with what an init is compiled.
type InitOptions struct {
	CacheDir, Self string // as for Ensure
	Triple         cargo.Triple
	Workspace      *cargo.Workspace
	Runner         run.Runner
}

// InitError says that the init could not be compiled.
type InitError struct {
	Triple cargo.Triple
	Err    error
}

func (e *InitError) Error() string {
	return fmt.Sprintf("compile the init for %s: %v", e.Triple, e.Err)
}

// Unwrap returns the cause.
func (e *InitError) Unwrap() error { return e.Err }

// Hint says how to do without.
func (e *InitError) Hint() string {
	return "--init=false, and start it with an init of the engine's: docker run --init"
}

// EnsureInit gives the path of the init for a triple: from the cache, or compiled into it by the workspace's rustc, in a
// folder of its own. The same rustc makes the same bytes wherever it runs.
func EnsureInit(ctx context.Context, o InitOptions) (string, error) {
	tc := o.Workspace.Toolchain
	sum := sha256.Sum256([]byte(strings.Join(append([]string{string(initSource), string(o.Triple), tc.Release, tc.Commit, tc.Sysroot}, initFlags...), "\x00")))
	dir := filepath.Join(o.CacheDir, "init")
	path := filepath.Join(dir, string(o.Triple)+"-"+hex.EncodeToString(sum[:8]))
	if info, err := os.Lstat(path); err == nil && info.Mode().IsRegular() && info.Size() > 0 {
		return path, nil
	}
	if err := o.compileInit(ctx, dir, path); err != nil {
		if ctx.Err() != nil {
			return "", err
		}
		return "", &InitError{Triple: o.Triple, Err: err}
	}
	return path, nil
}

func (o InitOptions) compileInit(ctx context.Context, dir, path string) error {
	linker, err := Ensure(o.CacheDir, o.Self, o.Triple)
	if err != nil {
		return err
	}
	if err := durable.MkdirAll(dir); err != nil {
		return err
	}
	scratch, err := os.MkdirTemp(dir, ".tmp-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	source, out := filepath.Join(scratch, "init.rs"), filepath.Join(scratch, "init")
	if err := os.WriteFile(source, initSource, 0o600); err != nil {
		return err
	}
	cmd := o.Workspace.RustcCmd(append(append([]string{"--target", string(o.Triple)}, initFlags...), "-Clinker="+linker, "-o", out, source)...)
	if _, err := run.Output(ctx, o.Runner, cmd); err != nil {
		return err
	}
	data, err := os.ReadFile(out)
	if err != nil {
		return err
	}
	if len(data) > maxInit || len(data) == 0 {
		return errors.New("rustc made a program of " + fmt.Sprint(len(data)) + " bytes")
	}
	return durable.WriteFile(path, data, 0o755)
}
