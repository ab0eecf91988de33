// SPDX-License-Identifier: MIT OR Apache-2.0

package native

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"sampan/internal/cargo"
	"sampan/internal/durable"
	"sampan/internal/run"
)

// recipe is how a library is made of its source.
type recipe interface {
	// build compiles the source in j.src and leaves the headers and archives in j.out.
	build(ctx context.Context, j *job) error
	// tools are the programs of this machine that it takes beside the compiler.
	tools() []string
}

// job is one library being made.
type job struct {
	*clib
	entry *entry
	src   string // copy of the crate, to be written into
	out   string // becomes the entry: include, lib, licence
	log   *buildLog
	done  int // files compiled
	total int
	mu    sync.Mutex
}

// build makes an entry, beside its place.
func (c *clib) build(ctx context.Context, e *entry) error {
	for _, tool := range e.library.recipe.tools() {
		t := Tool{Name: tool}
		if t.Find(c.Env) == "" {
			return &MissingHostToolError{Library: e.library.title, Tool: tool, Line: Install([]Tool{t}, c.Env)}
		}
	}
	if len(c.CC.CC) == 0 || len(c.CC.AR) == 0 {
		return &SupplyError{Library: e.library.title, Version: e.release.version, Triple: c.Triple, Err: errors.New("there is no C compiler")}
	}
	base := filepath.Base(e.dir)
	temp, err := c.scratch(ctx, base)
	if err != nil {
		return err
	}
	defer os.RemoveAll(temp)
	j := &job{clib: c, entry: e, src: filepath.Join(temp, "src"), out: filepath.Join(temp, "out")}
	for _, dir := range []string{j.src, filepath.Join(j.out, "include"), filepath.Join(j.out, "lib"), filepath.Join(j.out, "licence")} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	if err := cargo.Unpack(ctx, c.Runner, c.Cargo, e.release.crate, j.src); err != nil {
		return err
	}
	c.Say(fmt.Sprintf("building %s %s for %s: %s, once", e.library.title, e.release.version, c.Triple, about(e.library.cost, c.Jobs)))
	if err := j.make(ctx, filepath.Join(c.dir, "log", base+".log")); err != nil {
		return err
	}
	if err := e.pkgConfigFiles(j.out, c.CC); err != nil {
		return err
	}
	return c.publish(j.out, e.dir, manifest{Key: e.key, Library: e.library.name, Version: e.release.version, License: e.library.license,
		Crate: e.release.crate.Name + " " + e.release.crate.Version, Checksum: e.release.crate.Checksum, Compiler: c.CC.ID})
}

// about says how long something takes that costs so many seconds of one core.
func about(cost, jobs int) string {
	seconds := (cost + jobs - 1) / max(jobs, 1)
	switch {
	case seconds <= 5:
		return "a few seconds"
	case seconds < 45:
		return fmt.Sprintf("about %d seconds", (seconds+9)/10*10)
	case seconds < 90:
		return "about a minute"
	}
	return fmt.Sprintf("about %d minutes", (seconds+30)/60)
}

// make runs the recipe with a log, which stays only when it fails.
func (j *job) make(ctx context.Context, path string) error {
	if err := durable.MkdirAll(filepath.Dir(path)); err != nil {
		return err
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	j.log = &buildLog{w: f}
	err = j.entry.library.recipe.build(ctx, j)
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		if err = j.archivesOnly(); err == nil {
			return os.Remove(path)
		}
	}
	if ctx.Err() != nil {
		return errors.Join(ctx.Err(), os.Remove(path))
	}
	return &SupplyError{Library: j.entry.library.title, Version: j.entry.release.version, Triple: j.Triple, Log: path, Tail: j.log.tail(), Err: err}
}

// archivesOnly is the promise of a sysroot: whatever a crate asks for, there is nothing but archives to be found. That
// the ones promised are there is checked too.
func (j *job) archivesOnly() error {
	if !j.entry.library.isIn(j.out) {
		return errors.New("not all archives were made")
	}
	return filepath.WalkDir(filepath.Join(j.out, "lib"), func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && filepath.Ext(path) != ".a" {
			return fmt.Errorf("%s is not an archive", filepath.Base(path))
		}
		return err
	})
}

// jobEnv are the variables that programs get which make a library: none that say how to compile, so that everybody's
// come out the same.
var jobEnv = []string{"PATH", "HOME", "TMPDIR", "TMP", "TEMP", "SYSTEMROOT", "LD_LIBRARY_PATH", "XDG_CACHE_HOME", LogVar}

func (j *job) env(extra ...string) []string {
	out := []string{"LC_ALL=C", "TZ=UTC0", "SOURCE_DATE_EPOCH=0", "ZERO_AR_DATE=1"}
	for _, k := range jobEnv {
		if v := lookupEnv(j.Env, k); v != "" {
			out = append(out, k+"="+v)
		}
	}
	return append(append(out, j.CC.Env...), extra...)
}

// run starts a program in a folder of the source and keeps what it says in the log.
func (j *job) run(ctx context.Context, dir string, argv []string, env ...string) error {
	c := run.Cmd{Path: argv[0], Args: argv[1:], Dir: filepath.Join(j.src, filepath.FromSlash(dir)), Env: j.env(env...)}
	j.log.line("+ " + run.Quote(c))
	said := &ending{w: j.log}
	c.Stdout, c.Stderr = said, said
	err := j.Runner.Run(ctx, c)
	if err != nil && ctx.Err() == nil {
		j.log.failed(said.end)
	}
	return err
}

// compiled counts one more file.
func (j *job) compiled() { j.reached(j.done + 1) }

// reached tells how far the compile is.
func (j *job) reached(done int) {
	j.mu.Lock()
	j.done = min(done, j.total)
	p := SupplyProgress{Library: j.entry.library.title, Version: j.entry.release.version, Done: j.done, Total: j.total}
	j.mu.Unlock()
	j.Progress(p)
}

// flags are the compiler's: nothing of the machine, sections of their own for all so that the linker can leave out what
// is not called, and code that may lie anywhere since most programs are position independent.
func (j *job) flags() []string {
	level := "-O2"
	if j.Thin {
		level = thinLevel
	}
	return []string{level, "-g0", "-fPIC", "-ffunction-sections", "-fdata-sections"}
}

// flagsC are those for C alone.
func (j *job) flagsC() []string {
	if j.Thin {
		return append(j.flags(), thinC...)
	}
	return j.flags()
}

// install copies files of the source, by a pattern, to a folder of the entry.
func (j *job) install(to string, patterns ...string) error {
	for _, p := range patterns {
		found, err := filepath.Glob(filepath.Join(globEscape(j.src), filepath.FromSlash(p)))
		if err != nil {
			return err
		}
		if len(found) == 0 {
			return fmt.Errorf("the source has no %s", p)
		}
		for _, f := range found {
			if err := copyInto(f, filepath.Join(j.out, filepath.FromSlash(to))); err != nil {
				return err
			}
		}
	}
	return nil
}

func copyInto(file, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return copyPlain(file, filepath.Join(dir, filepath.Base(file)))
}

// copyPlain copies a file without bringing it to the disk: should it not get there, its hash tells.
func copyPlain(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// buildLog is a log that several programs may write at once. It hands lines on, and keeps the end of what the first
// program said that failed.
type buildLog struct {
	mu     sync.Mutex
	w      io.Writer
	rest   []byte
	end    []byte
	onLine func(line string)
}

func (l *buildLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.onLine != nil {
		l.rest = append(l.rest, p...)
		for {
			line, rest, ok := bytes.Cut(l.rest, []byte("\n"))
			if !ok {
				break
			}
			l.onLine(string(line))
			l.rest = rest
		}
	}
	return l.w.Write(p)
}

func (l *buildLog) line(s string) { fmt.Fprintln(l, s) }

func (l *buildLog) failed(end []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.end == nil {
		l.end = end
	}
}

// What an error shows of a log: lines, and bytes of each.
const (
	tailLines = 12
	tailWidth = 200
)

func (l *buildLog) tail() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	text := strings.TrimSpace(string(l.end))
	if text == "" {
		return nil
	}
	var lines []string
	for _, line := range strings.Split(text, "\n") {
		if isCompile(line) {
			continue // long, and there is always one; what the compiler said of it follows
		}
		if len(line) > tailWidth {
			line = strings.ToValidUTF8(line[:tailWidth], "") + " …"
		}
		lines = append(lines, line)
	}
	return lines[max(0, len(lines)-tailLines):]
}

// ending passes on what one program says, and remembers the end of it.
type ending struct {
	w   io.Writer
	end []byte
}

const endBytes = 4 << 10

func (e *ending) Write(p []byte) (int, error) {
	e.end = append(e.end, p...)
	e.end = e.end[max(0, len(e.end)-endBytes):]
	return e.w.Write(p)
}
