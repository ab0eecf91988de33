// SPDX-License-Identifier: MIT OR Apache-2.0

// Package cli turns words into Options and Results into words.
//
// It is the one room that reads the environment and the clock. Every option is one row of the table in flags.go, from
// which flags, environment variables, settings in Cargo.toml, help and the reference are made.
package cli

//go:generate go run ./gen

import (
	"context"
	"errors"
	"os"
	"os/user"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"sampan/internal/builder"
	"sampan/internal/native"
	"sampan/internal/output"
	"sampan/internal/run"
	"sampan/internal/ui"
)

// Version is the tool's version.
const Version = "0.1.0"

// app is what every command shares: the world as it was at the start, as values.
type app struct {
	env       []string
	streams   *ui.Streams
	stdin     *os.File
	stdout    *os.File
	stderr    *os.File
	now       func() time.Time
	began     time.Time
	self      string   // path of this executable
	dir       string   // working directory
	toolchain string   // "+nightly", or ""
	words     []string // the command line, without us and the toolchain; nil when there is none
	runner    *run.System
	progress  ui.Progress
}

// Main runs one command line and gives the exit code. args[0] is the name that we were called by.
func Main(ctx context.Context, args []string, env []string) int {
	a := &app{env: env, streams: ui.System(env), stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, now: time.Now, began: time.Now(),
		runner: &run.System{}}
	if handled, code := native.Main(ctx, native.Call{Argv0: args[0], Args: args[1:], Env: env,
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Runner: a.runner, Now: time.Now}); handled {
		return code
	}
	words := args[1:]
	if strings.TrimSuffix(filepath.Base(args[0]), ".exe") == "cargo-sampan" && len(words) > 0 && words[0] == "sampan" {
		words = words[1:]
	}
	words, a.toolchain = toolchainOf(words)
	err := a.execute(ctx, words)
	code := exitCode(ctx, err)
	var ended *programExit
	if err != nil && !errors.As(err, &ended) {
		if code == exitInterrupted {
			err = errors.New("interrupted")
		}
		a.tell(err)
	}
	return code
}

// tell says what went wrong, except to a person who has just read it from cargo.
func (a *app) tell(err error) {
	if compile, ok := errors.AsType[*builder.CompileError](err); ok && compile.Told {
		a.streams.Record(err)
		return
	}
	a.streams.Error(err)
}

// locate finds out where we are. A working directory that was deleted, and a home that there never was, are errors of
// every command that needs them.
func (a *app) locate() (err error) {
	if a.self, err = os.Executable(); err != nil {
		return err
	}
	if a.dir, err = os.Getwd(); err != nil {
		return &usageError{err: errors.New("the working directory is gone"), hint: "cd to a folder that is there"}
	}
	if a.cacheDir() == "" {
		return &usageError{err: errors.New("there is no home folder to keep a cache in"), hint: "set HOME, or SAMPAN_CACHE_DIR to a folder of your own"}
	}
	return nil
}

// toolchainOf takes cargo's +toolchain out of the words, where cargo would look for it: before everything after --.
func toolchainOf(words []string) (rest []string, toolchain string) {
	for i, w := range words {
		if w == "--" {
			break
		}
		if strings.HasPrefix(w, "+") && len(w) > 1 && i <= 1 {
			return append(append([]string{}, words[:i]...), words[i+1:]...), w
		}
	}
	return words, ""
}

// cacheDir is the user's cache folder of Sampan: SAMPAN_CACHE_DIR, else where the system keeps caches.
// "" when there is no home folder either; prepare refuses that.
func (a *app) cacheDir() string {
	if d := lookup(a.env, "SAMPAN_CACHE_DIR"); d != "" {
		if abs, err := filepath.Abs(d); err == nil {
			return abs
		}
		return d
	}
	if d := a.userDir("XDG_CACHE_HOME", ".cache", filepath.Join("Library", "Caches"), "LocalAppData"); d != "" {
		return filepath.Join(d, "sampan")
	}
	return ""
}

// configFile is the user's own settings, for all packages; "" when there can be none.
func (a *app) configFile() string {
	if d := a.userDir("XDG_CONFIG_HOME", ".config", filepath.Join("Library", "Application Support"), "AppData"); d != "" {
		return filepath.Join(d, "sampan", "config.toml")
	}
	return ""
}

// home is the user's home folder, "" when there is none.
func (a *app) home() string {
	home := lookup(a.env, "HOME")
	if home == "" {
		// As cargo does. Never a folder for temporary files: others could lay a linker there before us.
		if u, err := user.Current(); err == nil {
			home = u.HomeDir
		}
	}
	return home
}

// machine is what outputs must know of where we are.
func (a *app) machine() output.Machine {
	return output.Machine{Env: a.env, Home: a.home(), Runner: a.runner}
}

func (a *app) userDir(xdg, unix, darwin, windows string) string {
	if d := lookup(a.env, xdg); filepath.IsAbs(d) {
		return d
	}
	home := a.home()
	switch {
	case runtime.GOOS == "windows" && lookup(a.env, windows) != "":
		return lookup(a.env, windows)
	case home == "":
		return ""
	case runtime.GOOS == "darwin":
		return filepath.Join(home, darwin)
	}
	return filepath.Join(home, unix)
}

// cargoCommand is the user's cargo: the one that called us as a subcommand, or the one in PATH; and +toolchain.
func (a *app) cargoCommand() []string {
	if a.toolchain != "" {
		return []string{"cargo", a.toolchain}
	}
	if c := lookup(a.env, "CARGO"); c != "" {
		return []string{c}
	}
	return []string{"cargo"}
}
