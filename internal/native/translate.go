// SPDX-License-Identifier: MIT OR Apache-2.0

package native

import (
	"cmp"
	"path/filepath"
	"slices"
	"strings"
)

// translate takes out of a command line what the compiler behind refuses, and what would make other bytes on another
// machine: the target in Rust's words, the CPU of this machine, headers of this machine, link-time optimisation (its
// files are read by the linker of another LLVM).
func translate(s settings, args []string) []string {
	out := make([]string, 0, len(args))
	for i := 0; i < len(args); i++ {
		a := args[i]
		value := ""
		if i+1 < len(args) {
			value = args[i+1]
		}
		switch {
		case a == "-target" || a == "--target":
			i++
			if s.Clang && !sameTarget(s.triple, value) {
				out = append(out, "--target="+value)
			}
		case strings.HasPrefix(a, "--target=") || strings.HasPrefix(a, "-target="):
			_, given, _ := strings.Cut(a, "=")
			if s.Clang && !sameTarget(s.triple, given) {
				out = append(out, "--target="+given)
			}
		case slices.Contains(includeWords, a) && ofThisMachine(value):
			i++
		case hasPrefix(a, []string{"-I/", "-isystem/"}) && ofThisMachine(strings.TrimPrefix(strings.TrimPrefix(a, "-I"), "-isystem")):
		case slices.Contains(refusedWords, a), hasPrefix(a, refusedPrefix):
		case !s.Clang && hasPrefix(a, clangOnly):
		default:
			out = append(out, a)
			if takesValue(a) && i+1 < len(args) {
				out = append(out, value)
				i++
			}
		}
	}
	return out
}

var (
	includeWords  = []string{"-I", "-isystem", "-idirafter", "-iquote"}
	refusedWords  = []string{"-march=native", "-mcpu=native", "-mtune=native", "-fno-integrated-as", "-no-integrated-as", "-fwhole-program", "-ffat-lto-objects"}
	refusedPrefix = []string{"-flto", "-specs=", "--specs=", "-fuse-linker-plugin", "-fno-use-linker-plugin", "-fprofile-use=", "-fauto-profile="}
	clangOnly     = []string{"-Xclang", "-Qunused-arguments", "--no-default-config", "-fno-sanitize=all", "-Weverything"}
)

// systemIncludes are where the headers of the host's own C library lie.
var systemIncludes = []string{"/usr/include", "/usr/local/include", "/include"}

// ofThisMachine reports whether a folder of headers is the host's own: those are of its C library, not of musl.
func ofThisMachine(dir string) bool {
	dir = filepath.ToSlash(filepath.Clean(dir))
	return slices.Contains(systemIncludes, dir) || strings.HasPrefix(dir, "/usr/include/") && strings.Contains(dir, "-linux-gnu")
}

// prefixMaps keep this machine's folders out of objects: of __FILE__, of debug information. A build script's environment
// names them. The names are those that Rust's own paths get.
func prefixMaps(s settings, env []string) []string {
	list := mapsOf(s, env)
	last := map[string]string{}
	for _, m := range list {
		if m.from == "" || m.from == "." || filepath.Dir(m.from) == m.from {
			continue
		}
		from := filepath.Clean(m.from)
		last[from] = m.to
		if real, err := filepath.EvalSymlinks(from); err == nil && last[real] == "" {
			last[real] = m.to
		}
	}
	unique := make([]prefixMap, 0, len(last))
	for from, to := range last {
		unique = append(unique, prefixMap{from, to})
	}
	// Of several that fit, clang takes the last, gcc as well: a folder comes after those that it lies in.
	slices.SortFunc(unique, func(a, b prefixMap) int {
		return cmp.Or(cmp.Compare(len(a.from), len(b.from)), cmp.Compare(a.from, b.from))
	})
	words := make([]string, len(unique))
	for i, m := range unique {
		words[i] = "-ffile-prefix-map=" + m.from + "=" + m.to
	}
	return words
}

type prefixMap struct{ from, to string }

// MapVar is a variable with further folders and their names, from=to, parted as PATH is: for a compile that is not a
// build script's.
const MapVar = "SAMPAN_CC_MAP"

// mapsOf finds the folders. Later ones win over earlier ones of the same name.
func mapsOf(s settings, env []string) []prefixMap {
	manifest, out := filepath.Clean(lookupEnv(env, "CARGO_MANIFEST_DIR")), filepath.Clean(lookupEnv(env, "OUT_DIR"))
	var list []prefixMap
	if manifest != "." {
		for i, dir := 1, filepath.Dir(manifest); dir != filepath.Dir(dir); i, dir = i+1, filepath.Dir(dir) {
			list = append(list, prefixMap{dir, numberedMap(i)})
		}
	}
	list = append(list, prefixMap{s.Cache, "/sampan"}, prefixMap{s.Lib, "/zig"})
	if home := lookupEnv(env, "CARGO_HOME"); home != "" {
		list = append(list, prefixMap{home, "/cargo"})
	}
	slash := filepath.ToSlash(manifest)
	for _, mark := range []struct{ in, to string }{{"/registry/src/", "/cargo/registry"}, {"/git/checkouts/", "/cargo/git"}} {
		if i := strings.LastIndex(slash, mark.in); i >= 0 {
			end := i + len(mark.in)
			if mark.in == "/registry/src/" {
				// The folder of an index has its address in its name, and mirrors have others.
				if j := strings.Index(slash[end:], "/"); j > 0 {
					end += j
				}
			}
			list = append(list, prefixMap{manifest[:end], mark.to}, prefixMap{manifest[:i], "/cargo"})
		}
	}
	if i := strings.Index(filepath.ToSlash(out), "/"+string(s.triple)+"/"); i > 0 {
		list = append(list, prefixMap{out[:i], "/target"})
	}
	if manifest != "." {
		list = append(list, prefixMap{manifest, "/crate/" + lookupEnv(env, "CARGO_PKG_NAME") + "-" + lookupEnv(env, "CARGO_PKG_VERSION")})
	}
	if out != "." {
		list = append(list, prefixMap{out, "/target/out"})
	}
	for _, pair := range filepath.SplitList(lookupEnv(env, MapVar)) {
		if from, to, ok := strings.Cut(pair, "="); ok {
			list = append(list, prefixMap{from, to})
		}
	}
	return list
}

func numberedMap(i int) string {
	const digits = "0123456789"
	if i < 10 {
		return "/src-" + digits[i:i+1]
	}
	return "/src-x"
}
