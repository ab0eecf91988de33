// SPDX-License-Identifier: MIT OR Apache-2.0

package native

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"sampan/internal/cargo"
	"sampan/internal/run"
)

// LogVar is the variable that names a file to which every call of a driver adds a line:
//
//	<exit code> <milliseconds> <tool> <triple> <arguments, as a shell would want them>
//
// It changes nothing of what a driver makes.
const LogVar = "SAMPAN_CC_LOG"

// logCall adds the line of one call. What cannot be written is not worth an error: the log is for looking at.
func logCall(c Call, tool string, t cargo.Triple, began time.Time, exit int) {
	path := lookupEnv(c.Env, LogVar)
	if path == "" {
		return
	}
	ms := "-"
	if c.Now != nil {
		ms = strconv.FormatInt(c.Now().Sub(began).Milliseconds(), 10)
	}
	args, _, err := expand(c.Args, os.ReadFile)
	if err != nil {
		args = c.Args
	}
	line := fmt.Sprintf("%d %s %s %s %s\n", exit, ms, tool, t, strings.ReplaceAll(run.Quote(run.Cmd{Path: filepath.Base(c.Argv0), Args: args}), "\n", " "))
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return
	}
	defer f.Close()
	_, _ = f.WriteString(line) // one write: lines of parallel calls stay whole
}

// exitOf is the exit code that a driver's end comes to.
func exitOf(code int, err error) int {
	if exit, ok := errors.AsType[*run.ExitError](err); ok {
		return max(exit.Code, 1)
	}
	if err != nil {
		return 1
	}
	return code
}
