// SPDX-License-Identifier: MIT OR Apache-2.0

package cli

import (
	"context"
	"errors"

	"sampan/internal/cargo"
	"sampan/internal/check"
	"sampan/internal/kube"
	"sampan/internal/output"
	"sampan/internal/plan"
	"sampan/internal/transport"
)

// Exit codes of the tool. `sampan run` gives the program's own.
const (
	exitDone        = 0
	exitFailed      = 1   // something that should have worked did not
	exitMisused     = 2   // a word, a setting or a choice that cannot be
	exitChecked     = 3   // a check found the program unfit
	exitRefused     = 4   // not authorised: a registry does not let us in
	exitInterrupted = 130 // Ctrl-C, or a signal that ends
)

// usageError is a command line that cannot be understood.
type usageError struct {
	err  error
	hint string
}

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

// Hint says where the right words are.
func (e *usageError) Hint() string { return e.hint }

// placeError is a folder of our own that cannot be had.
type placeError struct {
	err  error
	hint string
}

func (e *placeError) Error() string { return e.err.Error() }
func (e *placeError) Unwrap() error { return e.err }

// Hint says which other folder to name.
func (e *placeError) Hint() string { return e.hint }

// exitCode is the one table from errors to codes.
func exitCode(ctx context.Context, err error) int {
	var (
		usage    *usageError
		setting  *plan.SettingError
		choice   *plan.ChoiceError
		spec     *output.SpecError
		found    *check.Error
		triple   *cargo.UnknownTripleError
		platform *cargo.UnknownPlatformError
		program  *programExit
		manifest *kube.Error
		name     *transport.NameError
		word     *output.NameError
		auth     *transport.AuthError
		key      *transport.KeyError
	)
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &program):
		return program.code
	case ctx.Err() != nil:
		return exitInterrupted
	case errors.As(err, &usage), errors.As(err, &setting), errors.As(err, &choice), errors.As(err, &spec), errors.As(err, &triple), errors.As(err, &platform), errors.As(err, &name), errors.As(err, &word), errors.As(err, &manifest):
		return exitMisused
	case errors.As(err, &found):
		return exitChecked
	case errors.As(err, &auth), errors.As(err, &key):
		return exitRefused
	}
	return exitFailed
}

// programExit carries an exit code when all has been said: that of a program that `sampan run` ran, or doctor's.
type programExit struct{ code int }

func (e *programExit) Error() string { return "the program ended" }
