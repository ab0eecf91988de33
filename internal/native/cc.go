// SPDX-License-Identifier: MIT OR Apache-2.0

package native

import (
	"path"
	"slices"
	"strings"
)

// request is a command line of cc, understood: what shall be linked, and how.
type request struct {
	words     []word
	output    outputKind
	pie       bool // position independent
	static    bool // no dynamic loader
	noStart   bool // the start files are on the line (-nostartfiles)
	noDefault bool // the default libraries are, or are not wanted (-nodefaultlibs)
	query     string
	refused   string // what a link driver cannot do
	extra     extras
}

// extras are files of ours that a link may take from, each "" when it is not there.
type extras struct {
	aliases  string // a linker script: names that are nowhere else
	builtins string // an archive: what compilers call without being asked. rustc puts its own on the line
	cxx      func(name string) []string

	allocator string // an archive, whose malloc takes the place of the C library's

	thin []string // the linker's words for a small program
}

type outputKind int

const (
	program outputKind = iota
	sharedObject
	relocatable
)

// word is one argument for the linker.
type word struct {
	text  string
	input bool // a file, not an option
}

// parse reads a command line as cc does. What it does not know it leaves for the linker to judge.
func parse(args []string) *request {
	r := &request{}
	for i := 0; i < len(args); i++ {
		next := func() string {
			i++
			if i < len(args) {
				return args[i]
			}
			return ""
		}
		r.argument(args[i], next)
	}
	return r
}

// argument takes one argument; next gives the one after it.
func (r *request) argument(a string, next func() string) {
	switch {
	case !strings.HasPrefix(a, "-") || a == "-":
		r.file(a)
	case r.mode(a):
	case a == "-Xlinker":
		r.add(next())
	case strings.HasPrefix(a, "-Wl,"):
		r.add(strings.Split(a[len("-Wl,"):], ",")...)
	case slices.Contains(linkerTakesValue, a):
		r.add(a, next())
	case slices.Contains(compilerTakesValue, a):
		next()
	case slices.Contains(compiles, a):
		r.refused = "compile (" + a + ")"
	case strings.HasPrefix(a, "-mllvm"), hasPrefix(a, linkerPrefix):
		r.add(a)
	case slices.Contains(compilerWords, a), hasPrefix(a, compilerPrefix):
	case isQuery(a):
		r.query = a
	default:
		r.add(a)
	}
}

// mode takes the switches that say what kind of file is made. Of two that contradict each other the later counts.
func (r *request) mode(a string) bool {
	switch a {
	case "-static-pie", "--static-pie":
		r.static, r.pie = true, true
	case "-static", "--static":
		r.static = true
	case "-pie", "--pie":
		r.pie = true
	case "-no-pie", "-nopie", "--no-pie":
		r.pie = false
	case "-shared", "--shared":
		r.output = sharedObject
	case "-r", "--relocatable":
		r.output = relocatable
	case "-nostartfiles":
		r.noStart = true
	case "-nodefaultlibs":
		r.noDefault = true
	case "-nostdlib", "--no-standard-libraries":
		r.noStart, r.noDefault = true, true
	case "-rdynamic":
		r.add("--export-dynamic")
	case "-symbolic":
		r.add("-Bsymbolic")
	default:
		return false
	}
	return true
}

func (r *request) add(words ...string) {
	for _, w := range words {
		r.words = append(r.words, word{text: w})
	}
}

func (r *request) file(name string) {
	if slices.Contains(sourceExts, path.Ext(name)) {
		r.refused = "compile " + name
	}
	r.words = append(r.words, word{text: name, input: true})
}

// linkerTakesValue are options that cc hands to the linker together with the argument after them.
var linkerTakesValue = []string{"-L", "-l", "-o", "-T", "-u", "-z", "-e", "-h", "-y", "-soname", "-mllvm", "-Tbss", "-Tdata", "-Ttext", "--entry"}

// linkerPrefix are the same in one word.
var linkerPrefix = []string{"-L", "-l", "-T", "-u", "-z", "-soname=", "--entry=", "--sysroot="}

// compilerTakesValue are options for other parts of a compiler, together with the argument after them.
var compilerTakesValue = []string{"-B", "-D", "-I", "-U", "-MF", "-MQ", "-MT", "-Xassembler", "-Xclang", "-Xpreprocessor", "-arch",
	"-idirafter", "-imacros", "-include", "-iprefix", "-iquote", "-isysroot", "-isystem", "-iwithprefix", "--param", "-target", "-wrapper", "-x",
	"-flavor", "-m"} // the last two are a linker's: rustc says them when told that this is one

// compilerWords and compilerPrefix are options that mean nothing to a link by rust-lld: how code is made, which
// linker to take, where a compiler's own files are.
var (
	compilerWords = []string{"-pthread", "-pthreads", "-pipe", "-w", "-v", "-pg", "-p", "-nolibc", "-nostdlib++", "-static-libgcc",
		"-static-libstdc++", "-shared-libgcc", "-no-canonical-prefixes", "-Qunused-arguments", "-ansi", "-pedantic", "-nostdinc", "-nostdinc++", "-###"}
	compilerPrefix = []string{"-f", "-m", "-O", "-g", "-W", "-B", "-D", "-I", "-U", "-M", "-i", "-x", "-std=", "-specs=", "--specs=",
		"-stdlib=", "-rtlib=", "--rtlib=", "-unwindlib=", "--unwindlib=", "--ld-path=", "--target=", "--gcc-toolchain=", "-save-temps"}
)

var (
	compiles   = []string{"-c", "-S", "-E"}
	sourceExts = []string{".c", ".i", ".cc", ".cpp", ".cxx", ".C", ".s", ".S", ".sx", ".m", ".mm", ".rs"}
)

func isQuery(a string) bool {
	return a == "--version" || a == "--help" || a == "-V" || strings.HasPrefix(a, "-dump") || strings.HasPrefix(a, "-print-")
}

func hasPrefix(a string, prefixes []string) bool {
	return slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(a, p) })
}
