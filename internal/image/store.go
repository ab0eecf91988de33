// SPDX-License-Identifier: MIT OR Apache-2.0

package image

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"sampan/internal/durable"
)

// DefaultCap is the size of a Store that says nothing about it, in bytes.
const DefaultCap = 1 << 30

// Store keeps the blobs of layers by digest, and remembers which tree gave which. Any number of processes may use one
// folder at once, and it may be removed at any time. A folder that others own or may write is not used, and not
// touched.
//
// All layers made with one Store share a fixed number of workers and buffers, also when they are made at once.
type Store struct {
	Dir string           // made when first written to
	Now func() time.Time // for what was used last; nil keeps no such record, and the oldest goes first
	Cap int64            // bytes of blobs to keep; 0 is DefaultCap. What this process uses stays
	Log func(string)     // is told what was wrong with the folder or in it; may be nil

	mu     sync.Mutex
	crewed *crew
	used   map[string]bool // digests that this process has written or looked up
	said   map[string]bool
}

func (s *Store) blobs() string { return filepath.Join(s.Dir, "blobs", "sha256") }

func (s *Store) blob(h v1.Hash) string { return filepath.Join(s.blobs(), h.Hex) }

func (s *Store) memos() string { return filepath.Join(s.Dir, "memos") }

// folders are those that must be ours alone, from the top.
func (s *Store) folders() []string {
	return []string{s.Dir, filepath.Join(s.Dir, "blobs"), s.blobs(), s.memos()}
}

// check says whether what is there of the store's folders can be trusted. Only the top may be a link: users do keep
// their caches elsewhere.
func (s *Store) check() error {
	if s.Dir == "" {
		return errors.New("no folder was given")
	}
	for i, dir := range s.folders() {
		look := os.Lstat
		if i == 0 {
			look = os.Stat
		}
		info, err := look(dir)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if !info.IsDir() {
			return fmt.Errorf("%s is not a folder", dir)
		}
		if !ours(info) {
			return fmt.Errorf("%s belongs to another user", dir)
		}
		if othersWrite(info) {
			return fmt.Errorf("%s may be written by other users", dir)
		}
	}
	return nil
}

// log tells each thing once.
func (s *Store) log(text string) {
	s.mu.Lock()
	again := s.said[text]
	if s.said == nil {
		s.said = map[string]bool{}
	}
	s.said[text] = true
	s.mu.Unlock()
	if s.Log != nil && !again {
		s.Log(text)
	}
}

// lookup finds what is remembered of a key, if its blob is there too.
func (s *Store) lookup(key string, c Compression) (memo, bool) {
	if err := s.check(); err != nil {
		return memo{}, false
	}
	name := memoName(key, c)
	m, last, err := s.read(name)
	if err != nil || m.MediaType != c.mediaType() {
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			s.log(fmt.Sprintf("a memo in the cache was not used: %v", err))
		}
		return memo{}, false
	}
	f, err := openBlob(s.blob(m.Digest), m.Size)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			s.log(fmt.Sprintf("layer %s in the cache was not used: %v", m.Digest, err))
		}
		return memo{}, false
	}
	f.Close()
	s.keep(m.Digest)
	s.touch(name, last)
	return m, true
}

// read reads a memo and says when it was last used.
func (s *Store) read(name string) (memo, time.Time, error) {
	f, err := durable.OpenRegular(filepath.Join(s.memos(), name))
	if err != nil {
		return memo{}, time.Time{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return memo{}, time.Time{}, err
	}
	if !ours(info) {
		return memo{}, time.Time{}, errOwner
	}
	data, err := io.ReadAll(io.LimitReader(f, maxMemo))
	if err != nil {
		return memo{}, time.Time{}, err
	}
	m, err := parseMemo(data, name)
	return m, info.ModTime(), err
}

// touchAfter is how old the record of a memo's last use may get: writing it at each use would cost more than it tells.
const touchAfter = time.Hour

func (s *Store) touch(name string, last time.Time) {
	if s.Now == nil {
		return
	}
	now := s.Now()
	if age := now.Sub(last); age >= 0 && age < touchAfter {
		return
	}
	// A store that cannot be written can still be read.
	_ = os.Chtimes(filepath.Join(s.memos(), name), now, now)
}

func (s *Store) keep(h v1.Hash) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.used == nil {
		s.used = map[string]bool{}
	}
	s.used[h.Hex] = true
}

func (s *Store) isKept(digest string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.used[digest]
}

// create starts a blob.
func (s *Store) create() (*durable.File, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	for _, dir := range []string{s.blobs(), s.memos()} {
		if err := durable.MkdirPrivate(dir); err != nil {
			return nil, err
		}
	}
	f, err := durable.Create(filepath.Join(s.blobs(), "layer"), blobMode)
	if err == nil {
		f.Lazily() // whoever reads it hashes it
	}
	return f, err
}

// remember writes the memo of a blob that was just written, then makes room. The layer is good without either.
func (s *Store) remember(key string, c Compression, p packed) {
	s.keep(p.digest)
	if key != "" {
		name := memoName(key, c)
		m := memo{DiffID: p.diffID, Digest: p.digest, Size: p.size, MediaType: c.mediaType()}
		data, err := m.encode(name)
		if err == nil {
			err = s.writeMemo(name, data)
		}
		if err != nil {
			s.log(fmt.Sprintf("the cache will not remember a layer: %v", err))
		}
	}
	if err := s.collect(); err != nil {
		s.log(fmt.Sprintf("the cache was not tidied: %v", err))
	}
}

func (s *Store) writeMemo(name string, data []byte) error {
	path := filepath.Join(s.memos(), name)
	if err := durable.WriteFileLazily(path, data, 0o600); err != nil { // it has a sum of its own
		return err
	}
	if s.Now == nil {
		return nil
	}
	now := s.Now()
	return os.Chtimes(path, now, now)
}

func (s *Store) forget(key string, c Compression) {
	if key != "" {
		_ = os.Remove(filepath.Join(s.memos(), memoName(key, c)))
	}
}

func (s *Store) sharedCrew(workers int) *crew {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.crewed == nil {
		s.crewed = newCrew(workers)
	}
	return s.crewed
}
