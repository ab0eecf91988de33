// SPDX-License-Identifier: MIT OR Apache-2.0

package native

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"sampan/internal/cargo"
	"sampan/internal/durable"
)

// clib is the cache of libraries, <cache>/clib: a folder for each library (version, triple, compiler), whole or not
// there, and one for each set of them, the sysroots.
type clib struct {
	*SupplyOptions
	dir string
}

// manifest is the file manifest.json of an entry. It is written last, so a folder without one is not an entry.
type manifest struct {
	Schema   int               `json:"schema"`
	Key      string            `json:"key"`
	Library  string            `json:"library,omitempty"`
	Version  string            `json:"version,omitempty"`
	License  string            `json:"license,omitempty"`
	Triple   cargo.Triple      `json:"triple"`
	Crate    string            `json:"crate,omitempty"`
	Checksum string            `json:"checksum,omitempty"`
	Compiler string            `json:"compiler,omitempty"`
	Files    map[string]string `json:"files"` // path with slashes: SHA-256 in hex
}

const (
	manifestName   = "manifest.json"
	manifestSchema = 1
	manifestBytes  = 16 << 20
)

// lockNotice is how long another build may hold an entry before the user is told.
const lockNotice = 300 * time.Millisecond

// lockGlance is how long a lock is tried that is not worth waiting for.
const lockGlance = 10 * time.Millisecond

// ensure has an entry in the cache. Two builds that want the same one wait for each other.
func (c *clib) ensure(ctx context.Context, e *entry) error {
	name := e.library.title + " " + e.release.version
	return c.locked(ctx, filepath.Base(e.dir), name, func() error {
		if err := verify(e.dir, e.key); err == nil {
			return nil
		} else if !errors.Is(err, fs.ErrNotExist) {
			c.Say(fmt.Sprintf("%s in the cache is damaged (%v): building it again", name, err))
		}
		return c.build(ctx, e)
	})
}

// locked runs f while no other process is at the entry.
func (c *clib) locked(ctx context.Context, entry, name string, f func() error) error {
	locks := filepath.Join(c.dir, "locks")
	if err := durable.MkdirAll(locks); err != nil {
		return err
	}
	path := filepath.Join(locks, entry)
	short, cancel := context.WithTimeout(ctx, lockNotice)
	unlock, err := durable.Lock(short, path)
	cancel()
	if err != nil && ctx.Err() == nil && short.Err() != nil {
		c.Say("waiting for another build that makes " + name)
		unlock, err = durable.Lock(ctx, path)
	}
	if err != nil {
		return err
	}
	return errors.Join(f(), unlock())
}

// verify reads all files of an entry and compares them with its manifest. fs.ErrNotExist is the entry that is not there.
func verify(dir, key string) error {
	data, err := readManifest(dir)
	if err != nil {
		return err
	}
	var m manifest
	if err := json.Unmarshal(data, &m); err != nil || m.Schema != manifestSchema || m.Key != key {
		return errors.New("its manifest is not whole")
	}
	seen := 0
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil || rel == manifestName {
			return err
		}
		rel = filepath.ToSlash(rel)
		want, ok := m.Files[rel]
		if !ok {
			return fmt.Errorf("%s does not belong there", rel)
		}
		got, err := sumFile(path)
		if err != nil {
			return err
		}
		if got != want {
			return fmt.Errorf("%s has other bytes", rel)
		}
		seen++
		return nil
	})
	if err == nil && seen != len(m.Files) {
		err = errors.New("files are missing")
	}
	if errors.Is(err, fs.ErrNotExist) {
		return errors.New("files are missing")
	}
	return err
}

func readManifest(dir string) ([]byte, error) {
	f, err := durable.OpenRegular(filepath.Join(dir, manifestName))
	if err != nil {
		if _, statErr := os.Lstat(dir); statErr == nil && errors.Is(err, fs.ErrNotExist) {
			return nil, errors.New("it has no manifest")
		}
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, manifestBytes))
}

func sumFile(path string) (string, error) {
	f, err := durable.OpenRegular(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// scratchPrefix begins the names of folders in which entries are built: ".new-<entry>-<digits>".
const scratchPrefix = ".new-"

// scratch makes a folder to build an entry in. What killed builds left is removed first: of this entry, whose lock we
// hold, and of all others that nobody is building.
func (c *clib) scratch(ctx context.Context, entry string) (string, error) {
	found, err := os.ReadDir(c.dir)
	if err != nil {
		return "", err
	}
	for _, d := range found {
		name, ok := strings.CutPrefix(d.Name(), scratchPrefix)
		i := strings.LastIndexByte(name, '-')
		if !ok || i < 0 {
			continue
		}
		if of := name[:i]; of != entry {
			unlock, err := c.tryLock(ctx, of)
			if err != nil {
				continue
			}
			err = os.RemoveAll(filepath.Join(c.dir, d.Name()))
			if err = errors.Join(err, unlock()); err != nil {
				return "", err
			}
			continue
		}
		if err := os.RemoveAll(filepath.Join(c.dir, d.Name())); err != nil {
			return "", err
		}
	}
	return os.MkdirTemp(c.dir, scratchPrefix+entry+"-")
}

// tryLock takes an entry's lock if nobody holds it.
func (c *clib) tryLock(ctx context.Context, entry string) (func() error, error) {
	short, cancel := context.WithTimeout(ctx, lockGlance)
	defer cancel()
	return durable.Lock(short, filepath.Join(c.dir, "locks", entry))
}

// publish writes the manifest of what lies in out and gives it its name.
func (c *clib) publish(out, dir string, m manifest) error {
	m.Schema, m.Triple, m.Files = manifestSchema, c.Triple, map[string]string{}
	err := filepath.WalkDir(out, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(out, path)
		if err != nil {
			return err
		}
		m.Files[filepath.ToSlash(rel)], err = sumFile(path)
		return err
	})
	if err != nil {
		return err
	}
	data, err := json.MarshalIndent(m, "", "\t")
	if err != nil {
		return err
	}
	if err := durable.WriteFile(filepath.Join(out, manifestName), append(data, '\n'), 0o644); err != nil {
		return err
	}
	old := out + ".old"
	if err := os.Rename(dir, old); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Rename(out, dir); err != nil {
		return err
	}
	return durable.SyncDir(filepath.Dir(dir))
}

// sysroot joins entries into one folder, named by what is in it. Its files are second names of the entries' files
// where the file system can, so it costs next to nothing.
func (c *clib) sysroot(ctx context.Context, made []*entry) (string, error) {
	h := sha256.New()
	for _, e := range made {
		fmt.Fprintln(h, e.key)
	}
	key := hex.EncodeToString(h.Sum(nil))
	dir := filepath.Join(c.dir, "sysroot", fmt.Sprintf("%s-%s", c.Triple, key[:12]))
	if err := durable.MkdirAll(filepath.Dir(dir)); err != nil {
		return "", err
	}
	err := c.locked(ctx, "sysroot-"+filepath.Base(dir), "the same sysroot", func() error {
		if verify(dir, key) == nil {
			return nil
		}
		temp, err := c.scratch(ctx, "sysroot-"+filepath.Base(dir))
		if err != nil {
			return err
		}
		defer os.RemoveAll(temp)
		out := filepath.Join(temp, "out")
		for _, e := range made {
			if err := graft(e.dir, out, e.library.name); err != nil {
				return fmt.Errorf("make sysroot: %w", err)
			}
		}
		return c.publish(out, dir, manifest{Key: key})
	})
	return dir, err
}

// graft puts the files of an entry into a sysroot; licences go into a folder of the library's own.
func graft(from, out, name string) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil || rel == manifestName {
			return err
		}
		if rest, ok := strings.CutPrefix(filepath.ToSlash(rel), "licence/"); ok {
			rel = filepath.Join("licence", name, rest)
		}
		to := filepath.Join(out, rel)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		if _, err := os.Lstat(to); err == nil {
			return fmt.Errorf("%s comes from two libraries", filepath.ToSlash(rel))
		}
		if os.Link(path, to) == nil {
			return nil
		}
		return copyPlain(path, to)
	})
}
