// SPDX-License-Identifier: MIT OR Apache-2.0

package image

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"time"

	"sampan/internal/durable"
)

// maxMemos is how many memos there may be: a blob gets another one whenever another key gives the same bytes.
const maxMemos = 1024

// kept is one blob of the store.
type kept struct {
	digest string
	size   int64
	last   time.Time // used
	memos  []string
}

// memoUse is when a memo was last used.
type memoUse struct {
	name string
	last time.Time
}

// collect removes what killed processes left, then the blobs that were not used for longest until the rest is within
// the cap. It runs only after something was written. Processes need no lock among each other: whoever still wants a
// blob that another removes makes it again.
func (s *Store) collect() error {
	err := errors.Join(durable.Sweep(s.blobs()), durable.Sweep(s.memos()))
	blobs, total, listErr := s.list()
	if listErr != nil {
		return errors.Join(err, listErr)
	}
	names, listErr := readNames(s.memos())
	if listErr != nil {
		return errors.Join(err, listErr)
	}
	limit := s.Cap
	if limit == 0 {
		limit = DefaultCap
	}
	if total <= limit && len(names) <= maxMemos {
		return err
	}
	s.readMemos(names, blobs)
	order := make([]*kept, 0, len(blobs))
	for _, b := range blobs {
		order = append(order, b)
	}
	sort.Slice(order, func(i, j int) bool {
		if !order[i].last.Equal(order[j].last) {
			return order[i].last.Before(order[j].last)
		}
		return order[i].digest < order[j].digest
	})
	for _, b := range order {
		if total <= limit {
			break
		}
		if s.isKept(b.digest) {
			continue
		}
		err = errors.Join(err, s.drop(b))
		total -= b.size
	}
	return err
}

// list gives the blobs and the sum of their sizes.
func (s *Store) list() (map[string]*kept, int64, error) {
	names, err := readNames(s.blobs())
	if err != nil {
		return nil, 0, err
	}
	blobs := make(map[string]*kept, len(names))
	var total int64
	for _, name := range names {
		if !isDigestName(name) {
			continue
		}
		info, err := os.Lstat(filepath.Join(s.blobs(), name))
		if err != nil {
			continue // another process may have removed it
		}
		blobs[name] = &kept{digest: name, size: info.Size(), last: s.sane(info.ModTime())}
		total += info.Size()
	}
	return blobs, total, nil
}

// sane takes times from the future for no time at all: they would keep a blob for ever.
func (s *Store) sane(t time.Time) time.Time {
	if s.Now != nil && t.After(s.Now().Add(24*time.Hour)) {
		return time.Time{}
	}
	return t
}

// readMemos gives the blobs their memos and the time of their last use, and removes memos that are of no use: those
// without a blob, and half of them, the oldest, when there are too many.
func (s *Store) readMemos(names []string, blobs map[string]*kept) {
	remembered := map[string]bool{}
	var uses []memoUse
	for _, name := range names {
		if !isDigestName(name) {
			continue
		}
		m, last, err := s.read(name)
		b := blobs[m.Digest.Hex]
		if err != nil || b == nil {
			_ = os.Remove(filepath.Join(s.memos(), name))
			continue
		}
		b.memos = append(b.memos, name)
		last = s.sane(last)
		if !remembered[b.digest] || last.After(b.last) {
			b.last = last
		}
		remembered[b.digest] = true
		uses = append(uses, memoUse{name, last})
	}
	if len(uses) <= maxMemos {
		return
	}
	sort.Slice(uses, func(i, j int) bool { return uses[i].last.Before(uses[j].last) })
	for _, u := range uses[:len(uses)-maxMemos/2] {
		_ = os.Remove(filepath.Join(s.memos(), u.name))
	}
}

// drop removes a blob, its memos first: a memo without a blob costs the next build a look.
func (s *Store) drop(b *kept) error {
	var errs []error
	for _, name := range b.memos {
		errs = append(errs, remove(filepath.Join(s.memos(), name)))
	}
	return errors.Join(append(errs, remove(filepath.Join(s.blobs(), b.digest)))...)
}

func remove(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func readNames(dir string) ([]string, error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	return d.Readdirnames(-1)
}
