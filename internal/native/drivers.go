// SPDX-License-Identifier: MIT OR Apache-2.0

package native

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"sampan/internal/cargo"
	"sampan/internal/durable"
)

// ErrNoDriver says that a triple's programs are not linked by us.
var ErrNoDriver = errors.New("no link driver for this triple")

// Ensure makes the link driver for t and returns its path, <cacheDir>/drivers/<triple>/cc: what cargo gets as
// target.<triple>.linker. self is the absolute path of our executable. Nothing is written when it is right already,
// and a build that uses the driver meanwhile sees the old one or the new one.
func Ensure(cacheDir, self string, t cargo.Triple) (linker string, err error) {
	if !Links(t) {
		return "", fmt.Errorf("make link driver for %s: %w", t, ErrNoDriver)
	}
	linker = filepath.Join(cacheDir, "drivers", string(t), "cc"+exeSuffix)
	if err := ensureDriver(linker, self); err != nil {
		return "", err
	}
	return linker, ensureAliases(filepath.Dir(linker))
}

// ensureDriver makes the driver at path, which leads to self.
func ensureDriver(path, self string) error {
	if current(path, self) {
		return nil
	}
	dir := filepath.Dir(path)
	failed := func(err error) error {
		if _, ok := errors.AsType[*durable.Error](err); !ok {
			err = &durable.Error{Op: "link", Path: path, Err: cause(err)}
		}
		return fmt.Errorf("make link driver: %w", err)
	}
	if err := durable.MkdirAll(dir); err != nil {
		return failed(err)
	}
	temp, err := os.MkdirTemp(dir, ".new-")
	if err != nil {
		return failed(err)
	}
	defer os.RemoveAll(temp)
	fresh := filepath.Join(temp, filepath.Base(path))
	if err := place(self, fresh); err != nil {
		return failed(err)
	}
	if err := os.Rename(fresh, path); err != nil && !current(path, self) {
		return failed(err)
	}
	return nil
}

// cause takes the operation and path off a system's error; ours names them.
func cause(err error) error {
	if e, ok := errors.AsType[*os.PathError](err); ok {
		return e.Err
	}
	if e, ok := errors.AsType[*os.LinkError](err); ok {
		return e.Err
	}
	return err
}
