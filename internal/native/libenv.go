// SPDX-License-Identifier: MIT OR Apache-2.0

package native

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"sampan/internal/cargo"
)

// Env are the variables by which build scripts find the sysroot, and nothing of the host. All but one name the triple,
// so that build scripts which link into themselves keep looking at the host. user is the environment that they come
// into: what the user says there of the same triple wins, and is told in notes, one line each.
func (s *Sysroot) Env(user []string) (vars, notes []string) {
	upper := s.triple.EnvName()
	set := func(key, value string, others ...string) {
		for _, name := range append([]string{key}, others...) {
			if slices.ContainsFunc(user, func(e string) bool { return strings.HasPrefix(e, name+"=") }) {
				if lookupEnv(user, name) != value {
					notes = append(notes, fmt.Sprintf("%s is set and wins over what sampan supplies", name))
				}
				return
			}
		}
		vars = append(vars, key+"="+value)
	}
	if s.pkg != "" {
		names := targetNames("PKG_CONFIG", s.triple)
		set(names[1], s.pkg, names[0], "TARGET_PKG_CONFIG")
	}
	if dirs := s.pcDirs(); len(dirs) > 0 {
		names := targetNames("PKG_CONFIG_LIBDIR", s.triple)
		set(names[1], strings.Join(dirs, string(filepath.ListSeparator)), names[0])
	}
	if dir := s.dirOf("openssl"); dir != "" || s.spared {
		if given := opensslGiven(user, s.triple); given != "" {
			notes = append(notes, given+" is set and wins over the OpenSSL that sampan supplies")
		} else if dir != "" {
			notes = append(notes, unheard(user, s.triple)...)
			vars = append(vars, upper+"_OPENSSL_DIR="+dir, upper+"_OPENSSL_STATIC=1")
			// The one supplied looks for certificates in /etc/ssl; the one that the feature `vendored` makes does not,
			// and would be compiled anew in each target folder.
			set(upper+"_OPENSSL_NO_VENDOR", "1")
		}
	}
	if dir := s.dirOf("libpq"); dir != "" && s.direct("libpq") {
		set("PQ_LIB_DIR_"+upper, filepath.Join(dir, "lib"))
	}
	if s.dirOf("zlib") == "" {
		// libz-sys knows this name only. It makes the host's copy static too, which does no harm. Without it libz-sys
		// would try whether a program linked with -lz by the target's compiler comes out, and take the machine's.
		set("LIBZ_SYS_STATIC", "1")
	}
	return vars, notes
}

// unheard are the user's variables that name an OpenSSL and no target.
func unheard(user []string, t cargo.Triple) (notes []string) {
	for _, bare := range []string{"OPENSSL_DIR", "OPENSSL_LIB_DIR", "OPENSSL_INCLUDE_DIR"} {
		if lookupEnv(user, bare) != "" {
			notes = append(notes, fmt.Sprintf("%s names no target and is not used for %s: %s_%s would be", bare, t, t.EnvName(), bare))
		}
	}
	return notes
}

// opensslGiven is the user's own variable that names an OpenSSL for the triple, "" when there is none.
func opensslGiven(user []string, t cargo.Triple) string {
	for _, key := range []string{"_OPENSSL_DIR", "_OPENSSL_LIB_DIR"} {
		if name := t.EnvName() + key; lookupEnv(user, name) != "" {
			return name
		}
	}
	return ""
}

// pcDirs are the folders with .pc files: the user's own folder first.
func (s *Sysroot) pcDirs() (out []string) {
	if s.own != "" {
		out = append(out, filepath.Join(s.own, "lib", "pkgconfig"), filepath.Join(s.own, "share", "pkgconfig"))
	}
	if s.Dir != "" {
		out = append(out, filepath.Join(s.Dir, "lib", "pkgconfig"))
	}
	return out
}

// dirOf is the folder that has a library, "" when it is not supplied.
func (s *Sysroot) dirOf(name string) string {
	if s.own != "" && libraryOf(name).isIn(s.own) {
		return s.own
	}
	if slices.ContainsFunc(s.Supplies, func(p Supply) bool { return p.Name == name }) {
		return s.Dir
	}
	return ""
}

// direct reports whether a crate looks for a library without pkg-config.
func (s *Sysroot) direct(name string) bool {
	return slices.ContainsFunc(s.Supplies, func(p Supply) bool { return p.Name == name && p.Direct })
}
