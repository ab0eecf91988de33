// SPDX-License-Identifier: MIT OR Apache-2.0

package native

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"

	"sampan/internal/cargo"
	"sampan/internal/run"
)

// CC is a compiler for one triple, as commands: the program and words of its own.
type CC struct {
	CC, CXX, AR, RANLIB []string
	ID                  string   // changes whenever it may make other bytes: kind and version
	Env                 []string // variables that it needs beside those that every program gets
	Stdlib              []string // its C++ library, as -l words; nil is "c++"
	StdlibDir           string   // folder with those archives, "" where the link driver knows them
}

// SupplyOptions say for whom libraries are supplied, and with what they are made.
type SupplyOptions struct {
	Triple   cargo.Triple
	CacheDir string            // ours, absolute
	Self     string            // absolute path of our executable, which answers as pkg-config
	Own      string            // folder of the user's with include/ and lib/, "" for none
	CC       CC                // not needed when everything is in the cache
	Thin     bool              // small rather than fast
	Cargo    cargo.LoadOptions // how the user's cargo is called
	Env      []string          // of which PATH and the like are taken
	Jobs     int               // programs at once; 0 is one for each core
	Runner   run.Runner
	Say      func(line string)      // what takes time, before it begins; may be nil
	Progress func(p SupplyProgress) // may be nil
}

// SupplyProgress tells how far the compile of a library is.
type SupplyProgress struct {
	Library, Version string
	Done, Total      int // files
}

// Sysroot is a folder with the headers and archives of the libraries supplied to one compile, and nothing else.
type Sysroot struct {
	Dir      string // "" when nothing is supplied
	Supplies []Supply
	triple   cargo.Triple
	own      string
	pkg      string
	spared   bool // OpenSSL is not supplied, since the user names one
}

// SupplyError says that a library could not be made.
type SupplyError struct {
	Library, Version string
	Triple           cargo.Triple
	Log              string   // path of the whole log, "" when there is none
	Tail             []string // its last lines
	Err              error
}

func (e *SupplyError) Error() string {
	s := fmt.Sprintf("build %s %s for %s: %v", e.Library, e.Version, e.Triple, e.Err)
	if len(e.Tail) > 0 {
		s += "\n  " + strings.Join(e.Tail, "\n  ")
	}
	return s
}

func (e *SupplyError) Unwrap() error { return e.Err }

// Hint names the log.
func (e *SupplyError) Hint() string {
	switch {
	case strings.Contains(strings.Join(e.Tail, "\n"), "in @INC"):
		return "perl lacks modules of its own distribution: `apt-get install perl`, `dnf install perl-core`, `apk add perl`; the whole log: " + e.Log
	case e.Log != "":
		return "the whole log: " + e.Log
	}
	var h interface{ Hint() string }
	if errors.As(e.Err, &h) {
		return h.Hint()
	}
	return bringOwn
}

// MissingHostToolError says that making a library takes a program that is not there.
type MissingHostToolError struct {
	Library string
	Tool    string
	Line    string // that installs it
}

func (e *MissingHostToolError) Error() string {
	return fmt.Sprintf("build %s: %s is not in PATH", e.Library, e.Tool)
}

// Hint is the line to type.
func (e *MissingHostToolError) Hint() string { return e.Line }

// EnsureSysroot makes the sysroot of a compile: each library is taken from the cache, or compiled into it. What the
// user's own folder has is taken from there. The errors are *SupplyError, *MissingHostToolError, those of cargo.Unpack and of
// the file system.
func EnsureSysroot(ctx context.Context, o SupplyOptions, supplies []Supply) (*Sysroot, error) {
	err := o.settle()
	if err != nil {
		return nil, err
	}
	s := &Sysroot{triple: o.Triple, own: o.Own}
	if o.Self != "" {
		s.pkg = filepath.Join(o.CacheDir, "drivers", string(o.Triple), "pkg-config"+exeSuffix)
		if err := ensureDriver(s.pkg, o.Self); err != nil {
			return nil, err
		}
	}
	c := &clib{SupplyOptions: &o, dir: filepath.Join(o.CacheDir, "clib")}
	var made []*entry
	for _, want := range supplies {
		l, r, from, err := o.pick(want, supplies)
		if err != nil {
			return nil, err
		}
		if from != fromCache {
			s.spared = s.spared || from == fromUser
			continue
		}
		e := newEntry(l, r, &o, made)
		if err := c.ensure(ctx, e); err != nil {
			return nil, err
		}
		made, s.Supplies = append(made, e), append(s.Supplies, want)
	}
	if len(made) == 0 {
		return s, nil
	}
	s.Dir, err = c.sysroot(ctx, made)
	return s, err
}

// settle fills in what was left open.
func (o *SupplyOptions) settle() (err error) {
	if o.Say == nil {
		o.Say = func(string) {}
	}
	if o.Progress == nil {
		o.Progress = func(SupplyProgress) {}
	}
	if o.Jobs <= 0 {
		o.Jobs = runtime.NumCPU()
	}
	o.CacheDir, err = filepath.Abs(o.CacheDir) // the compiler runs elsewhere
	return err
}

// origin is where a compile takes a library from.
type origin int

const (
	fromCache origin = iota // ours, made where it is not there yet
	fromOwn                 // the user's own folder
	fromUser                // where a variable of the user's says
)

// pick settles where a library comes from, and which release of it is ours. Its error is a *WantError.
func (o *SupplyOptions) pick(want Supply, supplies []Supply) (*library, release, origin, error) {
	l := libraryOf(want.Name)
	if l == nil {
		return nil, release{}, 0, &WantError{Want: Want{Library: want.Name}, Triple: o.Triple, Reason: "it is not among the libraries that can be supplied", Way: bringOwn}
	}
	if o.Own != "" && l.isIn(o.Own) {
		return l, release{}, fromOwn, nil
	}
	if l.name == "openssl" && opensslGiven(o.Env, o.Triple) != "" && !needed(l, supplies) {
		return l, release{}, fromUser, nil
	}
	i := slices.IndexFunc(l.releases, func(r release) bool { return r.version == want.Version && r.crate.Checksum == want.Checksum })
	if i < 0 {
		return l, release{}, 0, &WantError{Want: Want{Library: want.Name}, Triple: o.Triple, Reason: "no release " + want.Version + " is known", Way: bringOwn}
	}
	return l, l.releases[i], fromCache, nil
}

// needed reports whether one of the supplies calls the library.
func needed(l *library, supplies []Supply) bool {
	return slices.ContainsFunc(supplies, func(s Supply) bool {
		by := libraryOf(s.Name)
		return by != nil && slices.Contains(by.needs, l.name)
	})
}

// isIn reports whether a folder has all archives of the library.
func (l *library) isIn(dir string) bool {
	for _, m := range l.modules {
		for _, name := range m.libs {
			if !exists(filepath.Join(dir, "lib", "lib"+name+".a")) {
				return false
			}
		}
	}
	return true
}

// entry is a library in the cache, there or not yet.
type entry struct {
	library *library
	release release
	deps    []*entry // in the order of the table's needs
	key     string
	dir     string
}

// newEntry names an entry by all that decides about its bytes.
func newEntry(l *library, r release, o *SupplyOptions, made []*entry) *entry {
	e := &entry{library: l, release: r}
	for _, n := range l.needs {
		for _, m := range made {
			if m.library.name == n {
				e.deps = append(e.deps, m)
			}
		}
	}
	h := sha256.New()
	fmt.Fprintf(h, "%d %q %q %q %q %q %v\n", recipeRevision, l.name, r.version, r.crate.Checksum, o.Triple, o.CC.ID, o.Thin)
	if o.Thin {
		fmt.Fprintf(h, "%q %q %q %q %q\n", thinLevel, thinC, opensslThin, opensslOld, opensslWide)
	}
	dump(h, reflect.ValueOf(l.recipe))
	dump(h, reflect.ValueOf(l.modules))
	for _, d := range e.deps {
		fmt.Fprintf(h, "%s\n", d.key)
	}
	e.key = hex.EncodeToString(h.Sum(nil))
	e.dir = filepath.Join(o.CacheDir, "clib", fmt.Sprintf("%s-%s-%s-%s", l.name, r.version, o.Triple, e.key[:12]))
	return e
}

// recipeRevision changes when the code of a recipe does, so that what an older Sampan made is not used.
const recipeRevision = 1

// dump writes a value, without the fields that are zero: a row's key stays when rows learn to say more.
func dump(w io.Writer, v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		fmt.Fprintf(w, "%s{", v.Type().Name())
		for i := range v.NumField() {
			if !v.Field(i).IsZero() {
				fmt.Fprintf(w, "%s:", v.Type().Field(i).Name)
				dump(w, v.Field(i))
			}
		}
		fmt.Fprint(w, "}")
	case reflect.Slice, reflect.Array:
		fmt.Fprintf(w, "%d[", v.Len())
		for i := range v.Len() {
			dump(w, v.Index(i))
		}
		fmt.Fprint(w, "]")
	default:
		fmt.Fprintf(w, "%q ", fmt.Sprint(v))
	}
}
