// SPDX-License-Identifier: MIT OR Apache-2.0

package native

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"sampan/internal/durable"
	"sampan/internal/run"
)

// fetchLimit bounds a fetch of 100 MB: ten minutes are 170 kB a second.
const fetchLimit = 10 * time.Minute

// client is a program that fetches packages of Python from where its user told it to: mirror, proxy, certificates and
// folders of packages are its own settings, and no address is built in here.
type client struct {
	name string
	cmd  []string
	args func(w wheel, requirements, dir string) []string
	tree bool // it leaves the package unpacked in dir/ziglang; else the file itself in dir
}

// clients in the order in which they are tried.
var clients = []client{
	{"pip3", []string{"pip3"}, pipArgs, false},
	{"pip", []string{"pip"}, pipArgs, false},
	{"python3 -m pip", []string{"python3", "-m", "pip"}, pipArgs, false},
	{"python -m pip", []string{"python", "-m", "pip"}, pipArgs, false},
	{"py -m pip", []string{"py", "-m", "pip"}, pipArgs, false},
	{"uv", []string{"uv"}, uvArgs, true},
}

// pipArgs names the platform: the Python that runs pip may be of another architecture, or too old to know the tag.
func pipArgs(w wheel, requirements, dir string) []string {
	return []string{"download", "--disable-pip-version-check", "--no-input", "--no-cache-dir", "--retries", "2", "--no-deps", "--require-hashes",
		"--only-binary", ":all:", "--platform", w.platform, "--implementation", "py", "--abi", "none", "--dest", dir, "--requirement", requirements}
}

// uvArgs installs into a folder, since uv has no way to keep the file.
func uvArgs(_ wheel, requirements, dir string) []string {
	return []string{"pip", "install", "--no-cache", "--target", dir, "--no-deps", "--require-hashes", "--only-binary", ":all:",
		"--link-mode", "copy", "--requirement", requirements}
}

// fetchZig brings zig into dir. The caller holds the lock on its parent. What is there already and is damaged goes.
func fetchZig(ctx context.Context, o CompilerOptions, w wheel, dir string) error {
	temp, err := os.MkdirTemp(filepath.Dir(dir), zigNew)
	if err != nil {
		return fmt.Errorf("fetch zig %s: %w", ZigVersion, cause(err))
	}
	defer os.RemoveAll(temp)
	got, tree, err := download(ctx, o, w, temp)
	if err != nil {
		return err
	}
	fresh := filepath.Join(temp, "zig")
	if tree {
		fresh = got
	} else if err := unpackZig(got, fresh); err != nil {
		return err
	}
	files, err := checkZig(fresh, w)
	if err != nil {
		return &CompilerError{Reason: BadHash, Triple: o.Triple, Err: err}
	}
	if err := durable.SyncTree(fresh); err != nil {
		return err
	}
	if err := writeManifest(fresh, files); err != nil {
		return err
	}
	if exists(dir) {
		// Aside, not away: a compiler of another build may be running there, and on some systems such a file cannot go.
		if err := os.Rename(dir, filepath.Join(temp, "damaged")); err != nil {
			return fmt.Errorf("replace %s: %w", dir, cause(err))
		}
	}
	if err := os.Rename(fresh, dir); err != nil {
		return fmt.Errorf("put zig in %s: %w", dir, cause(err))
	}
	return durable.SyncDir(filepath.Dir(dir))
}

// download has the package client bring the wheel, and checks it. got is the file, or the folder that it was unpacked to.
func download(ctx context.Context, o CompilerOptions, w wheel, temp string) (got string, tree bool, err error) {
	requirements := filepath.Join(temp, "requirements.txt")
	line := "ziglang==" + w.version + " --hash=sha256:" + w.sha256 + "\n"
	if err := os.WriteFile(requirements, []byte(line), 0o644); err != nil {
		return "", false, fmt.Errorf("fetch zig %s: %w", ZigVersion, cause(err))
	}
	ctx, cancel := context.WithTimeout(ctx, fetchLimit)
	defer cancel()
	failed := error(nil)
	for _, c := range clients {
		if _, err := run.LookPath(c.cmd[0], o.Env); err != nil {
			continue
		}
		o.Say(fmt.Sprintf("fetching the C compiler, zig %s (%d MB, once), by %s", ZigVersion, zigMegabytes, c.name))
		dir := filepath.Join(temp, "download")
		cmd := run.Cmd{Path: c.cmd[0], Args: append(append([]string{}, c.cmd[1:]...), c.args(w, requirements, dir)...), Env: o.Env, Dir: temp}
		if _, err := run.Output(ctx, o.Runner, cmd); err != nil {
			if failed = clientError(ctx, o, c, err); !triesNext(err) {
				return "", false, failed
			}
			continue
		}
		if c.tree {
			return filepath.Join(dir, "ziglang"), true, prune(filepath.Join(dir, "ziglang"))
		}
		file := filepath.Join(dir, w.file)
		sum, err := hashFile(file)
		if err != nil {
			return "", false, &CompilerError{Reason: NotFetched, Triple: o.Triple, Detail: c.name, Err: err}
		}
		if sum != w.sha256 {
			return "", false, &CompilerError{Reason: BadHash, Triple: o.Triple, Detail: fmt.Sprintf("%s has sha256 %s, not %s", w.file, sum, w.sha256)}
		}
		return file, false, nil
	}
	if failed != nil {
		return "", false, failed
	}
	return "", false, &CompilerError{Reason: NoClient, Triple: o.Triple}
}

// triesNext reports whether a client is one only by name: a python without pip, a pip whose python is gone.
func triesNext(err error) bool {
	exit, ok := errors.AsType[*run.ExitError](err)
	if !ok {
		return true
	}
	for _, mark := range []string{"No module named pip", "bad interpreter", "No module named 'pip'", "command not found", "No Python at", "No interpreter found",
		"no such option", "No virtual environment found"} {
		if strings.Contains(exit.Stderr, mark) {
			return true
		}
	}
	return false
}

// clientError says what a client said, in its last lines.
func clientError(ctx context.Context, o CompilerOptions, c client, err error) error {
	if ctxErr := ctx.Err(); ctxErr != nil && !errors.Is(ctxErr, context.DeadlineExceeded) {
		return fmt.Errorf("fetch zig %s: %w", ZigVersion, ctxErr)
	}
	e := &CompilerError{Reason: NotFetched, Triple: o.Triple, Detail: c.name}
	if ctx.Err() != nil {
		e.Detail += fmt.Sprintf(": not done after %v", fetchLimit)
		return e
	}
	exit, ok := errors.AsType[*run.ExitError](err)
	if !ok {
		e.Err = err
		return e
	}
	if strings.Contains(exit.Stderr, "DO NOT MATCH THE HASHES") || strings.Contains(exit.Stderr, "Hash mismatch") {
		e.Reason = BadHash
	}
	var last []string
	for line := range strings.Lines(exit.Stderr) {
		if line = strings.TrimSpace(line); line != "" {
			last = append(last, line)
		}
	}
	e.Detail += ": " + strings.Join(last[max(0, len(last)-2):], " ")
	return e
}
