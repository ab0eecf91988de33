// SPDX-License-Identifier: MIT OR Apache-2.0

package rootfs

import "fmt"

// TreeError says that an Entry cannot be in a layer.
type TreeError struct {
	Path    string // as it stands in the Entry
	Problem string // a predicate: "is there twice"
}

func (e *TreeError) Error() string { return fmt.Sprintf("validate tree: %q %s", e.Path, e.Problem) }

// FileError says what is wrong with one row of the files setting, or with something on disk that it names.
type FileError struct {
	Index int    // of the row in FilesOptions.Files, from 0
	Field string // "source", "destination", "owner" or "mode"
	Value string // what stands there; for sources, the path that is at fault
	Err   error  // the cause
	hint  string
}

func (e *FileError) Error() string {
	return fmt.Sprintf("copy files[%d].%s %q: %v", e.Index, e.Field, e.Value, e.Err)
}

// Unwrap gives the cause.
func (e *FileError) Unwrap() error { return e.Err }

// Hint says what to type, "" when nothing would help.
func (e *FileError) Hint() string { return e.hint }

// ConflictError says that two sources want to be at one place of the image.
type ConflictError struct {
	Destination string    // absolute
	Sources     [2]string // "files[0] (assets/a.css)", "ca-files", "zoneinfo"
	Problem     string    // "two sources", "a folder with two owners", …
}

func (e *ConflictError) Error() string {
	return fmt.Sprintf("copy files to %q: %s: %s and %s", e.Destination, e.Problem, e.Sources[0], e.Sources[1])
}

// Hint says what to type.
func (e *ConflictError) Hint() string {
	return "give one of the two another destination, or narrow its source"
}

// ChangedError says that a file is not, or no longer while it was read, what it was when it was listed.
type ChangedError struct {
	Path string // on disk, relative to FilesOptions.Root
}

func (e *ChangedError) Error() string { return fmt.Sprintf("read %q: it changed meanwhile", e.Path) }

// Hint says what to type.
func (e *ChangedError) Hint() string {
	return "stop what writes to it (a watcher, a running program, an unfinished download), then run the same command again"
}

// CAError says that a CA file cannot be added to the image's bundle.
type CAError struct {
	Path string // as given
	Err  error
	hint string
}

func (e *CAError) Error() string { return fmt.Sprintf("read ca-files %q: %v", e.Path, e.Err) }

// Unwrap gives the cause.
func (e *CAError) Unwrap() error { return e.Err }

// Hint says what to type.
func (e *CAError) Hint() string { return e.hint }

// UserError says that a text names no user that the image knows.
type UserError struct {
	Value   string
	Problem string
}

func (e *UserError) Error() string { return fmt.Sprintf("look up user %q: %s", e.Value, e.Problem) }

// Hint says what to type.
func (e *UserError) Hint() string {
	return `write numbers, as in "1000:1000" or "1000", or one of the names ` + accountNames()
}
