// SPDX-License-Identifier: MIT OR Apache-2.0

package durable

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"
)

// MkdirAll makes the folder at path and those above it that are missing, with mode 0755 less the umask, and brings
// the new names to the disk.
func MkdirAll(path string) error { return mkdirAll(path, 0o755) }

// MkdirPrivate is MkdirAll with mode 0700: for what only this user may see and change.
func MkdirPrivate(path string) error { return mkdirAll(path, 0o700) }

func mkdirAll(path string, mode fs.FileMode) error {
	path = filepath.Clean(path)
	if info, err := os.Stat(path); err == nil {
		if info.IsDir() {
			return nil
		}
		return wrap("create", path, errNotDir)
	}
	parent := filepath.Dir(path)
	if parent != path {
		if err := mkdirAll(parent, mode); err != nil {
			return err
		}
	}
	// Another process may make the same folder at this moment.
	if err := os.Mkdir(path, mode); err != nil {
		if info, statErr := os.Stat(path); statErr != nil || !info.IsDir() {
			return wrap("create", path, err)
		}
		return nil
	}
	return SyncDir(parent)
}

var errNotDir = errors.New("not a directory")

// SyncDir brings the names in the folder at path to the disk. File systems that cannot do so are not an error.
func SyncDir(path string) error {
	if err := syncDir(path); err != nil {
		return wrap("sync", path, err)
	}
	return nil
}

// lockPause is the time between two looks at a lock that another process holds.
const lockPause = 5 * time.Millisecond

// Lock takes the exclusive advisory lock on the file at path, which is made (mode 0600) if it is not there. It waits
// while another process or goroutine holds it, until ctx ends. The system drops the lock when the process ends, in
// whatever way. The file stays: removing it would let two holders in.
func Lock(ctx context.Context, path string) (unlock func() error, err error) {
	l := flock.New(path, flock.SetFlag(os.O_CREATE|os.O_RDONLY|noFollow))
	if _, err := l.TryLockContext(ctx, lockPause); err != nil {
		l.Close()
		return nil, wrap("lock", path, err)
	}
	return func() error {
		if err := l.Unlock(); err != nil {
			return wrap("unlock", path, err)
		}
		return nil
	}, nil
}

// Sweep removes the temporary files that killed processes left in the folder at dir, not below it. Files that a
// living process is writing stay. A folder that is not there is clean.
func Sweep(dir string) error {
	d, err := os.Open(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return wrap("sweep", dir, err)
	}
	defer d.Close()
	names, err := d.Readdirnames(-1)
	if err != nil {
		return wrap("sweep", dir, err)
	}
	var errs []error
	for _, name := range names {
		if !IsTemp(name) {
			continue
		}
		path := filepath.Join(dir, name)
		if err := removeDead(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, wrap("sweep", path, err))
		}
	}
	return errors.Join(errs...)
}
