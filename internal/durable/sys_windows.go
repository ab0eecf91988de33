// SPDX-License-Identifier: MIT OR Apache-2.0

//go:build windows

package durable

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"
)

const (
	noFollow = 0
	nonBlock = 0

	closeFirst = true // an open file cannot be renamed
)

func noSpace(err error) bool {
	return errors.Is(err, windows.ERROR_DISK_FULL) || errors.Is(err, windows.ERROR_HANDLE_DISK_FULL)
}

func readOnly(err error) bool { return errors.Is(err, windows.ERROR_WRITE_PROTECT) }

// syncDir has nothing to do: NTFS keeps a journal of names and offers no call for one folder.
func syncDir(string) error { return nil }

// claim needs no lock here: a file that a process has open cannot be removed by another.
func claim(*os.File) bool { return true }

func removeDead(path string) error {
	err := os.Remove(path)
	if errors.Is(err, windows.ERROR_SHARING_VIOLATION) {
		return nil
	}
	return err
}
