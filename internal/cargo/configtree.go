// SPDX-License-Identifier: MIT OR Apache-2.0

package cargo

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

// table is a TOML table as it was read: values are table, []any, string, bool, int64, …
type table = map[string]any

const (
	configLimit  = 4 << 20 // bytes of one configuration file
	includeDepth = 32      // files that include each other; cargo itself refuses cycles only
)

// configReader reads cargo's configuration files and keeps account of what it looked at.
type configReader struct {
	cwd   string
	files []string  // the files read, most specific first
	found []string  // those among them that discover found, the others were included or named
	sum   hash.Hash // over path and content of all files looked for, there or not
}

func newConfigReader(cwd string) *configReader { return &configReader{cwd: cwd, sum: sha256.New()} }

// discover reads the files that cargo finds by itself: .cargo/config(.toml) in cwd and every folder above it, then
// the one in CARGO_HOME. The nearer file wins, lists are joined with the nearer file's items last.
func (c *configReader) discover(home string) (table, error) {
	merged := table{}
	var seenHome bool
	realHome := resolved(home)
	for _, dir := range ancestors(c.cwd) {
		dir = filepath.Join(dir, ".cargo")
		seenHome = seenHome || home != "" && (dir == home || resolved(dir) == realHome)
		if err := c.folder(dir, merged); err != nil {
			return nil, err
		}
	}
	if !seenHome && home != "" {
		if err := c.folder(home, merged); err != nil {
			return nil, err
		}
	}
	return merged, nil
}

// folder merges the configuration file of one folder below what merged already holds. The file without an ending,
// which old cargos knew alone, wins over the other one.
func (c *configReader) folder(dir string, merged table) error {
	for _, name := range []string{"config", "config.toml"} {
		path := filepath.Join(dir, name)
		t, err := c.file(path, 0)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		c.found = append(c.found, path)
		merge(merged, t, false)
		return nil
	}
	return nil
}

// file reads one file and what it includes; its own values win over those.
func (c *configReader) file(path string, depth int) (table, error) {
	data, err := readBounded(path, configLimit)
	fmt.Fprintf(c.sum, "%q %t %d\n", path, err == nil, len(data))
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		return nil, &ConfigError{Source: path, Err: err}
	}
	c.sum.Write(data)
	c.files = append(c.files, path)
	var t table
	if err := toml.Unmarshal(data, &t); err != nil {
		return nil, &ConfigError{Source: path, Err: err}
	}
	// Paths in the file are relative to the folder that holds its folder.
	root := filepath.Dir(filepath.Dir(path))
	anchor(t, func(p string) string { return absolute(root, p) })
	return c.include(t, filepath.Dir(path), path, depth)
}

// include merges the files that t names under t; base is the folder that their paths are relative to.
func (c *configReader) include(t table, base, source string, depth int) (table, error) {
	list, ok := t["include"].([]any)
	delete(t, "include")
	if !ok || len(list) == 0 {
		return t, nil
	}
	if depth >= includeDepth {
		return nil, &ConfigError{Source: source, Err: errors.New("include: too many files include each other")}
	}
	merged := table{}
	for _, item := range list {
		path, optional := includeItem(item)
		inner, err := c.file(absolute(base, path), depth+1)
		if optional && errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, &ConfigError{Source: source, Err: fmt.Errorf("include %q: %v", path, err)}
		}
		merge(merged, inner, true)
	}
	merge(merged, t, true)
	return merged, nil
}

// includeItem reads one element of include: a path, or a table with path and optional.
func includeItem(item any) (path string, optional bool) {
	switch v := item.(type) {
	case string:
		return v, false
	case table:
		path, _ = v["path"].(string)
		optional, _ = v["optional"].(bool)
	}
	return path, optional
}

// words reads the --config words in their order, each a file or KEY=VALUE; later ones win, lists are joined.
func (c *configReader) words(words []string) (table, error) {
	merged := table{}
	for _, w := range words {
		t, err := c.word(w)
		if err != nil {
			return nil, err
		}
		merge(merged, t, true)
	}
	return merged, nil
}

func (c *configReader) word(w string) (table, error) {
	if path := absolute(c.cwd, w); w != "" && !strings.Contains(w, "\x00") {
		if _, err := os.Stat(path); err == nil {
			return c.file(path, 0)
		}
	}
	fmt.Fprintf(c.sum, "word %q\n", w)
	var t table
	if err := toml.Unmarshal([]byte(w), &t); err != nil {
		return nil, &ConfigError{Source: "--config " + w, Err: err}
	}
	anchor(t, func(p string) string { return absolute(c.cwd, p) })
	return c.include(t, c.cwd, "--config "+w, 0)
}

// anchor makes the paths absolute that Sampan reads from a configuration. A name without a separator is a program
// to be looked up in PATH and stays.
func anchor(t table, abs func(string) string) {
	if b, ok := t["build"].(table); ok {
		anchorKey(b, "rustc", abs)
	}
	for section, key := range map[string]string{"target": "linker", "source": "directory"} {
		all, _ := t[section].(table)
		for _, v := range all {
			if one, ok := v.(table); ok {
				anchorKey(one, key, abs)
			}
		}
	}
}

func anchorKey(t table, key string, abs func(string) string) {
	if s, ok := t[key].(string); ok && (isPath(s) || key == "directory") {
		t[key] = abs(s)
	}
}

// isPath is cargo's rule for telling a path from a program's name.
func isPath(s string) bool { return strings.ContainsAny(s, "/\\") }

// merge puts src into dst. With force src has the higher priority, else dst; of two lists the one with the higher
// priority comes last. Where the kinds differ (cargo refuses that) the higher priority wins whole.
func merge(dst, src table, force bool) {
	for k, v := range src {
		old, there := dst[k]
		if !there {
			dst[k] = v
			continue
		}
		switch v := v.(type) {
		case table:
			if o, ok := old.(table); ok {
				merge(o, v, force)
				continue
			}
		case []any:
			if o, ok := old.([]any); ok {
				dst[k] = joined(o, v, force)
				continue
			}
		}
		if force {
			dst[k] = v
		}
	}
}

func joined(old, more []any, force bool) []any {
	if !force {
		old, more = more, old
	}
	return append(append(make([]any, 0, len(old)+len(more)), old...), more...)
}

// ConfigError says that a configuration of cargo's cannot be read.
type ConfigError struct {
	Source string // the file's path, or the --config word
	Err    error
}

func (e *ConfigError) Error() string {
	if d, ok := errors.AsType[*toml.DecodeError](e.Err); ok {
		row, col := d.Position()
		return fmt.Sprintf("read cargo configuration %s:%d:%d: %v", e.Source, row, col, d)
	}
	return fmt.Sprintf("read cargo configuration %s: %v", e.Source, e.Err)
}

func (e *ConfigError) Unwrap() error { return e.Err }

// readBounded reads a regular file of at most limit bytes.
func readBounded(path string, limit int64) ([]byte, error) {
	data, _, err := readInfo(path, limit)
	return data, err
}

// readInfo is readBounded with what the system says of the file. It looks before it opens, since opening a FIFO waits.
func readInfo(path string, limit int64) ([]byte, fs.FileInfo, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, info, &fs.PathError{Op: "read", Path: path, Err: errors.New("not a regular file")}
	}
	tooLarge := &fs.PathError{Op: "read", Path: path, Err: fmt.Errorf("larger than %d bytes", limit)}
	if info.Size() > limit {
		return nil, info, tooLarge
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, info, err
	}
	defer f.Close()
	var b bytes.Buffer
	b.Grow(int(info.Size()) + bytes.MinRead)
	if _, err := b.ReadFrom(io.LimitReader(f, limit+1)); err != nil {
		return nil, info, err
	}
	if int64(b.Len()) > limit {
		return nil, info, tooLarge
	}
	return b.Bytes(), info, nil
}
