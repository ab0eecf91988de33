// SPDX-License-Identifier: MIT OR Apache-2.0

package cargo

import (
	"path/filepath"
	"runtime"
	"strings"
)

// environ is the environment that cargo will run with.
type environ []string

// get is the last value of key, as a program started with e would see it.
func (e environ) get(key string) (string, bool) {
	for i := len(e) - 1; i >= 0; i-- {
		if k, v, ok := strings.Cut(e[i], "="); ok && sameEnv(k, key) {
			return v, true
		}
	}
	return "", false
}

// value is get without the difference between empty and absent.
func (e environ) value(key string) string {
	v, _ := e.get(key)
	return v
}

func sameEnv(a, b string) bool {
	return a == b || runtime.GOOS == "windows" && strings.EqualFold(a, b)
}

// with is e and more variables; e is not changed.
func (e environ) with(more ...string) []string {
	return append(append(make([]string, 0, len(e)+len(more)), e...), more...)
}

// relevant are the variables that can change what cargo and rustc answer, less those that hold secrets and those
// that only change how messages look; as "KEY=VALUE", in the order of e.
func (e environ) relevant() []string {
	var out []string
	for _, kv := range e {
		k, _, _ := strings.Cut(kv, "=")
		if runtime.GOOS == "windows" {
			k = strings.ToUpper(k)
		}
		if relevantEnv(k) {
			out = append(out, kv)
		}
	}
	return out
}

func relevantEnv(k string) bool {
	switch {
	case k == "CARGO", strings.HasSuffix(k, "_TOKEN"), strings.HasPrefix(k, "CARGO_TERM_"), k == "CARGO_LOG":
		return false
	case strings.HasPrefix(k, "CARGO_"), strings.HasPrefix(k, "RUSTC"), strings.HasPrefix(k, "RUSTUP_"):
		return true
	}
	return k == "HOME" || k == "USERPROFILE"
}

// home is the user's own folder, "" when the environment does not say.
func (e environ) home() string {
	if runtime.GOOS == "windows" {
		return e.value("USERPROFILE")
	}
	return e.value("HOME")
}

// cargoHome is where cargo keeps its registry and the user's own configuration: CARGO_HOME, else ~/.cargo.
func (e environ) cargoHome(cwd string) string { return e.homeOf("CARGO_HOME", ".cargo", cwd) }

// rustupHome is where rustup keeps its toolchains: RUSTUP_HOME, else ~/.rustup.
func (e environ) rustupHome(cwd string) string { return e.homeOf("RUSTUP_HOME", ".rustup", cwd) }

func (e environ) homeOf(key, name, cwd string) string {
	if v := e.value(key); v != "" {
		return absolute(cwd, v)
	}
	if h := e.home(); h != "" {
		return filepath.Join(h, name)
	}
	return ""
}

// absolute is path as seen from cwd.
func absolute(cwd, path string) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(cwd, path)
}

// ancestors lists dir and all folders above it, the nearest first.
func ancestors(dir string) []string {
	var out []string
	for {
		out = append(out, dir)
		up := filepath.Dir(dir)
		if up == dir {
			return out
		}
		dir = up
	}
}

// resolved is path with its symbolic links followed, as getcwd would tell it to cargo; path itself when it is not
// there, and on Windows, where cargo keeps the name it was given.
func resolved(path string) string {
	if runtime.GOOS == "windows" {
		return path
	}
	if p, err := filepath.EvalSymlinks(path); err == nil {
		return p
	}
	return path
}

// plain is env without backtraces, which would fill the few kilobytes that are kept of a message.
func plain(env []string) []string { return environ(env).with("RUST_BACKTRACE=0") }
