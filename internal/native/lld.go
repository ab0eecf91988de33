// SPDX-License-Identifier: MIT OR Apache-2.0

package native

import (
	"path/filepath"
	"slices"
	"strings"
)

// build turns a request into the words of a linker's command line, in order. dir is the folder of Rust's own start
// files and libc for the triple, "" when it is not known.
func (r *request) build(m machine, dir string) []word {
	q := &request{output: r.output, pie: r.pie, static: r.static, extra: r.extra}
	q.add("-m", m.emulation)
	q.kind(m)
	if r.output != relocatable {
		q.add("--eh-frame-hdr")
		if !slices.ContainsFunc(r.words, isBuildID) {
			// A gcc would ask for one; a build id is what ties a stripped program to its debug symbols.
			q.add("--build-id=sha1")
		}
	}
	if r.output == program && r.static {
		q.add(r.extra.thin...) // before the user's own words, which count
	}
	ends := r.output != relocatable && !r.noStart && dir != ""
	if ends {
		q.startFiles(dir)
	}
	if r.output == program && r.extra.allocator != "" {
		// Whole, so that it counts before the C library whatever the linker's rules for archives are.
		q.add("--whole-archive")
		q.file(r.extra.allocator)
		q.add("--no-whole-archive")
	}
	q.sift(r.words)
	if r.output != relocatable && !r.noDefault && dir != "" {
		q.add("-L", dir, "--start-group", "-lunwind", "-lc")
		if r.extra.builtins != "" {
			q.file(r.extra.builtins)
		}
		q.add("--end-group")
	}
	if r.output == program && r.extra.aliases != "" {
		q.file(r.extra.aliases)
	}
	if ends {
		q.endFiles(dir)
	}
	return q.words
}

// kind says what shall be made. A program that is not static gets musl's loader, as from any cc, so that the gate
// sees what it is; without it the result would look static and crash.
func (r *request) kind(m machine) {
	switch {
	case r.output == sharedObject:
		r.add("-shared")
	case r.output == relocatable:
		r.add("-r")
	case r.static && r.pie:
		r.add("-static", "-pie", "--no-dynamic-linker", "-z", "text")
	case r.static:
		r.add("-static")
	case r.pie:
		r.add("-pie", "--dynamic-linker", "/lib/ld-musl-"+m.loader+".so.1")
	default:
		r.add("--dynamic-linker", "/lib/ld-musl-"+m.loader+".so.1")
	}
}

// startFiles and endFiles are what rustc puts on the line itself when it links self-contained; a user's flags can
// tell it to leave that to cc.
func (r *request) startFiles(dir string) {
	begin, first := "crtbegin.o", "crt1.o"
	if r.pie || r.output == sharedObject {
		begin, first = "crtbeginS.o", "Scrt1.o"
	}
	if r.static && r.pie {
		first = "rcrt1.o"
	}
	if r.output == program {
		r.file(filepath.Join(dir, first))
	}
	r.file(filepath.Join(dir, "crti.o"))
	r.file(filepath.Join(dir, begin))
}

func (r *request) endFiles(dir string) {
	end := "crtend.o"
	if r.pie || r.output == sharedObject {
		end = "crtendS.o"
	}
	r.file(filepath.Join(dir, end))
	r.file(filepath.Join(dir, "crtn.o"))
}

// sift takes the words over, less those that mean nothing here.
func (r *request) sift(words []word) {
	static := r.static && r.output == program
	for i := 0; i < len(words); i++ {
		w := words[i]
		value := ""
		if i+1 < len(words) {
			value = words[i+1].text
		}
		switch {
		case w.input:
			r.words = append(r.words, w)
		case slices.Contains(linkerTakesValue, w.text) && w.text != "-l" && value != "":
			r.add(w.text, value)
			i++
		case w.text == "-l" && value != "":
			r.library(value)
			i++
		case strings.HasPrefix(w.text, "-l"):
			r.library(w.text[2:])
		case static && isDynamic(w.text):
			// -Bdynamic after -static would take a shared object where both are there.
		case static && isRunPath(w.text):
			// The path of a shared object's folder is of no use in a program that has none, and names a folder of
			// this machine.
			if slices.Contains(runPathWords, w.text) {
				i++
			}
		case gnuOnly(w.text):
		default:
			r.words = append(r.words, w)
		}
	}
}

// library takes -l<name>. What gcc's libraries hold is in libunwind.a and in Rust's compiler-builtins; musl has all of
// the C library in one archive.
func (r *request) library(name string) {
	switch name {
	case "gcc_s", "gcc_eh":
		r.add("-lunwind")
	case "gcc":
	case "m", "pthread", "dl", "rt", "util", "crypt", "resolv", "xnet":
		r.add("-lc")
	default:
		if r.extra.cxx != nil {
			if files := r.extra.cxx(name); len(files) > 0 {
				for _, f := range files {
					r.file(f)
				}
				return
			}
		}
		r.add("-l" + name)
	}
}

func isBuildID(w word) bool {
	o, _, _ := strings.Cut(w.text, "=")
	return !w.input && (o == "--build-id" || o == "-build-id")
}

func isDynamic(w string) bool {
	return slices.Contains([]string{"-Bdynamic", "--Bdynamic", "-dy", "-call_shared"}, w)
}

var runPathWords = []string{"-rpath", "--rpath", "-R", "-rpath-link", "--rpath-link"}

func isRunPath(w string) bool {
	o, _, _ := strings.Cut(w, "=")
	return slices.Contains(runPathWords, o)
}

// gnuOnly are options of GNU ld, gold and mold that lld refuses, and that change how they work or what they say,
// not the program they make.
func gnuOnly(w string) bool {
	name, _, valued := strings.Cut(strings.TrimLeft(w, "-"), "=")
	if name == "threads" {
		return !valued // mold's switch; lld has --threads=N
	}
	return strings.HasPrefix(w, "-") && slices.Contains(gnuOnlyWords, name)
}

var gnuOnlyWords = []string{"accept-unknown-input-arch", "no-accept-unknown-input-arch", "copy-dt-needed-entries", "no-copy-dt-needed-entries",
	"detailed-mem-usage", "disable-linker-version", "enable-linker-version", "hash-size", "incremental", "no-incremental",
	"ld-generated-unwind-info", "no-ld-generated-unwind-info", "map-whole-files", "no-map-whole-files", "no-keep-memory",
	"no-threads", "preread-archive-symbols", "quick-exit", "no-quick-exit", "reduce-memory-overheads", "spare-dynamic-tags", "start-stop-gc",
	"no-start-stop-gc", "thread-count", "traditional-format", "warn-execstack", "no-warn-execstack", "warn-rwx-segments",
	"no-warn-rwx-segments", "warn-textrel"}

// texts are the words as arguments.
func texts(words []word) []string {
	out := make([]string, len(words))
	for i, w := range words {
		out[i] = w.text
	}
	return out
}
