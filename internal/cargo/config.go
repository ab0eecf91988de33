// SPDX-License-Identifier: MIT OR Apache-2.0

package cargo

import (
	"slices"
	"strings"
)

// Config is the part of cargo's merged configuration (files, environment, --config) that Sampan joins its flags with.
type Config struct {
	CargoHome       string              `json:"cargo-home"`        // absolute, "" when the environment names none
	BuildTarget     []string            `json:"build-target"`      // build.target; "host-tuple" is resolved
	BuildRustc      string              `json:"build-rustc"`       // build.rustc, CARGO_BUILD_RUSTC; a path or a program's name
	BuildFlags      []string            `json:"build-flags"`       // build.rustflags, CARGO_BUILD_RUSTFLAGS
	TargetFlags     map[string][]string `json:"target-flags"`      // key: triple or cfg(...) expression
	TargetString    map[string]bool     `json:"target-string"`     // keys of TargetFlags written as a string, which cargo joins with no list
	TargetLinker    map[string]string   `json:"target-linker"`     // key: triple or cfg(...) expression
	EnvFlags        []string            `json:"env-flags"`         // CARGO_ENCODED_RUSTFLAGS or RUSTFLAGS, split
	EnvFlagsPresent bool                `json:"env-flags-present"` // one of the two is set; also when empty, for cargo looks no further then
	Files           []string            `json:"files"`             // config files read, most specific first
	SourceDirs      []string            `json:"source-dirs"`       // source.*.directory, absolute: vendored crates
}

// readConfig reads all configuration that cargo would read in cwd with these --config words. r.sum changes when any
// file does, one that appears or goes included.
func readConfig(r *configReader, words []string, env environ) (c Config, err error) {
	cwd, home := r.cwd, env.cargoHome(r.cwd)
	cli, err := r.words(words)
	if err != nil {
		return Config{}, err
	}
	files, err := r.discover(home)
	if err != nil {
		return Config{}, err
	}
	l := &layers{cwd: cwd, files: files, env: env, cli: cli}
	c = Config{
		CargoHome: home, Files: r.files, BuildRustc: l.program("CARGO_BUILD_RUSTC", "build", "rustc"),
		TargetFlags: map[string][]string{}, TargetString: map[string]bool{}, TargetLinker: map[string]string{},
	}
	c.BuildTarget = l.targets()
	c.BuildFlags, _ = l.flags("CARGO_BUILD_RUSTFLAGS", "build", "rustflags")
	for _, key := range l.targetKeys() {
		env := ""
		if !strings.HasPrefix(key, "cfg(") {
			env = "CARGO_TARGET_" + Triple(key).EnvName() + "_"
		}
		if f, text := l.flags(withKey(env, "RUSTFLAGS"), "target", key, "rustflags"); len(f) > 0 || text {
			c.TargetFlags[key], c.TargetString[key] = f, text
		}
		if v := l.program(withKey(env, "LINKER"), "target", key, "linker"); v != "" {
			c.TargetLinker[key] = v
		}
	}
	c.EnvFlags, c.EnvFlagsPresent = envFlags(env)
	c.SourceDirs = l.sourceDirs()
	return c, nil
}

func withKey(prefix, key string) string {
	if prefix == "" {
		return ""
	}
	return prefix + key
}

// envFlags reads the two variables that beat all configuration, as cargo does: the encoded one first, split at its
// separator; the other at spaces. Set and empty means "no flags", not "look further".
func envFlags(env environ) (flags []string, present bool) {
	if v, ok := env.get("CARGO_ENCODED_RUSTFLAGS"); ok {
		if v == "" {
			return nil, true
		}
		return strings.Split(v, "\x1f"), true
	}
	v, ok := env.get("RUSTFLAGS")
	if !ok {
		return nil, false
	}
	for _, f := range strings.Split(v, " ") {
		if f = strings.TrimSpace(f); f != "" {
			flags = append(flags, f)
		}
	}
	return flags, true
}

// layers are the three places of cargo's configuration, lowest priority first.
type layers struct {
	cwd   string
	files table
	env   environ
	cli   table
}

// flags reads a key that holds a string or a list. Lists are joined over all three places, lower priority first; a
// string replaces the strings below it. text says that a string, not a list, stands in a file or on the command line.
func (l *layers) flags(env string, path ...string) (flags []string, text bool) {
	low, high := at(l.files, path), at(l.cli, path)
	lowText, lowIs := low.(string)
	highText, highIs := high.(string)
	if highIs || (lowIs && high != nil) {
		low = nil // cargo replaces the one, and refuses the other
	}
	if lowIs && low != nil {
		flags = strings.Fields(lowText)
	} else {
		flags = stringsOf(low)
	}
	if env != "" {
		flags = append(flags, strings.Fields(l.env.value(env))...)
	}
	if highIs {
		flags = append(flags, strings.Fields(highText)...)
	} else {
		flags = append(flags, stringsOf(high)...)
	}
	return flags, lowIs || highIs
}

// program reads a key that holds a program's name or path, made absolute; env is its variable, "" when it has none.
func (l *layers) program(env string, path ...string) string {
	if s, ok := at(l.cli, path).(string); ok {
		return s
	}
	if env != "" {
		if v := l.env.value(env); v != "" && isPath(v) {
			return absolute(l.cwd, v)
		} else if v != "" {
			return v
		}
	}
	s, _ := at(l.files, path).(string)
	return s
}

// targets reads build.target, a string or a list.
func (l *layers) targets() []string {
	switch v := at(l.cli, []string{"build", "target"}).(type) {
	case string:
		return []string{v}
	case []any:
		return append(stringsOf(at(l.files, []string{"build", "target"})), stringsOf(v)...)
	}
	if v := l.env.value("CARGO_BUILD_TARGET"); v != "" {
		return []string{v}
	}
	switch v := at(l.files, []string{"build", "target"}).(type) {
	case string:
		return []string{v}
	case []any:
		return stringsOf(v)
	}
	return nil
}

// sourceDirs are the folders of vendored crates that any [source] names.
func (l *layers) sourceDirs() []string {
	var out []string
	for _, t := range []table{l.cli, l.files} {
		sources, _ := t["source"].(table)
		for _, v := range sources {
			if one, ok := v.(table); ok {
				if dir, ok := one["directory"].(string); ok {
					out = append(out, dir)
				}
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// targetKeys are all keys under [target], and the triples of our table, which variables may name; sorted, as cargo
// goes through them.
func (l *layers) targetKeys() []string {
	var keys []string
	for _, t := range []table{l.files, l.cli} {
		targets, _ := t["target"].(table)
		for k := range targets {
			keys = append(keys, k)
		}
	}
	for _, r := range rows {
		keys = append(keys, string(r.triple))
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

// at walks down path; nil when something is missing.
func at(t table, path []string) any {
	for _, k := range path[:len(path)-1] {
		t, _ = t[k].(table)
	}
	return t[path[len(path)-1]]
}

func stringsOf(v any) []string {
	list, _ := v.([]any)
	var out []string
	for _, item := range list {
		if s, ok := item.(string); ok {
			out = append(out, s)
		}
	}
	return out
}
