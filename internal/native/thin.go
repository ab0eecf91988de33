// SPDX-License-Identifier: MIT OR Apache-2.0

package native

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// ThinVar tells the link driver to link for size. It is written among what a program was made of, as AllocatorVar is.
const ThinVar = "SAMPAN_LINK_THIN"

// LinkVars are the variables that the link driver listens to.
func LinkVars() []string { return []string{AllocatorVar, ThinVar} }

// thinLevel is the compiler's word for small code.
const thinLevel = "-Os"

// thinC leaves the tables out by which C is unwound: --thin ends a program at its first panic, so that nothing is ever
// unwound through C. C++ throws by them, and C that says -fexceptions keeps them.
var thinC = []string{"-fno-asynchronous-unwind-tables", "-fno-unwind-tables"}

// thinLevels brings down what a build script asks for without having looked at its profile. Where the profile does not
// say small (OPT_LEVEL; a manifest may spare one package), its word counts.
func thinLevels(args, env []string) []string {
	if level := lookupEnv(env, "OPT_LEVEL"); level != "s" && level != "z" {
		return args
	}
	args = slices.Clone(args)
	for i, a := range args {
		if a == "-O" || a == "-O2" || a == "-O3" {
			args[i] = thinLevel
		}
	}
	return args
}

// thinLink are lld's words for a small program. Equal functions become one where nobody can tell them apart by their
// addresses. The relocations of a position independent one are written as a bitmap, an eightieth of the size, where the
// C library reads that.
func thinLink(m machine, pie bool, selfContained string) []string {
	words := []string{"--icf=safe"}
	if pie && !strings.HasPrefix(m.arch, "mips") && readsRelr(filepath.Join(selfContained, "libc.a")) {
		words = append(words, "--pack-dyn-relocs=relr")
	}
	return words
}

// relrSince is the first musl whose programs relocate themselves by DT_RELR; those of an older one would crash at start.
var relrSince = [3]int{1, 2, 4}

// readsRelr tells it by the version in musl's archive. What cannot be read is taken for an old one.
func readsRelr(libc string) bool {
	v, err := muslVersion(libc)
	return err == nil && slices.Compare(v[:], relrSince[:]) >= 0
}

var muslRelease = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`(?:^|\x00)(\d{1,4})\.(\d{1,4})\.(\d{1,4})[-\x00]`) })

// muslVersion reads the version out of a libc.a: musl has it in an object of its own.
func muslVersion(libc string) (v [3]int, err error) {
	f, err := os.Open(libc)
	if err != nil {
		return v, err
	}
	defer f.Close()
	data, err := member(f, "version.lo", "version.o")
	if err != nil {
		return v, err
	}
	m := muslRelease().FindSubmatch(data)
	if m == nil {
		return v, errNoMusl
	}
	for i := range v {
		v[i], _ = strconv.Atoi(string(m[i+1])) // digits, and few
	}
	return v, nil
}

var errNoMusl = errors.New("not musl's")

// The format of archives (ar(5), GNU's): a line, then a header of 60 bytes before each member, which begins at an even place.
const (
	arMagic  = "!<arch>\n"
	arHeader = 60
	arMember = 1 << 20 // more than an object with nothing but a version has
)

// member reads the first member of one of these names from an archive.
func member(r io.ReaderAt, names ...string) ([]byte, error) {
	head := make([]byte, arHeader)
	if _, err := r.ReadAt(head[:len(arMagic)], 0); err != nil || string(head[:len(arMagic)]) != arMagic {
		return nil, errNoMusl
	}
	for at := int64(len(arMagic)); ; {
		if _, err := r.ReadAt(head, at); err != nil {
			return nil, errNoMusl
		}
		size, err := strconv.ParseInt(strings.TrimSpace(string(head[48:58])), 10, 64)
		if err != nil || size < 0 {
			return nil, fmt.Errorf("size of a member: %w", errNoMusl)
		}
		if slices.Contains(names, strings.TrimRight(string(head[:16]), " /")) && size < arMember {
			data := make([]byte, size)
			_, err := r.ReadAt(data, at+arHeader)
			return data, err
		}
		at += arHeader + size + size&1
	}
}
