// SPDX-License-Identifier: MIT OR Apache-2.0

package cli

import (
	"bufio"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"sampan/internal/native"
	"sampan/internal/ui"
)

// lookEvery is how often the drivers' log is looked at. Nobody waits for it.
const lookEvery = 100 * time.Millisecond

// follow shows, under --verbose, the calls of our drivers while they are made: they run below cargo, where no echo of
// ours reaches. It gives the builder's environment, and what ends it. A log that the user named stays.
func (s *session) follow() (env []string, end func()) {
	env, end = s.app.env, func() {}
	if !s.w.verbose || len(s.plan.Compiles) == 0 {
		return env, end
	}
	path := lookup(env, native.LogVar)
	if path == "" {
		f, err := os.CreateTemp(s.cacheDir(), ".calls-*")
		if err != nil {
			return env, end // what is only for looking at ends no build
		}
		path = f.Name()
		_ = f.Close()
		env = append(slices.Clone(env), native.LogVar+"="+path)
		end = func() { _ = os.Remove(path) }
	}
	stop := watchCalls(path, func(line string) { s.progress.Handle(ui.Event{Kind: "command", Text: line}) })
	remove := end
	return env, func() { stop(); remove() }
}

// watchCalls tells each line that is added to a log of the drivers, until it is stopped: then all are told.
func watchCalls(path string, tell func(string)) (stop func()) {
	f, err := os.OpenFile(filepath.Clean(path), os.O_RDONLY|os.O_CREATE, 0o644)
	if err != nil {
		return func() {}
	}
	_, _ = f.Seek(0, io.SeekEnd)
	ended, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		defer f.Close()
		r, tick := bufio.NewReader(f), time.NewTicker(lookEvery)
		defer tick.Stop()
		rest := ""
		for last := false; ; {
			for {
				part, err := r.ReadString('\n')
				rest += part
				if err != nil {
					last = last || !errors.Is(err, io.EOF)
					break
				}
				tell(callLine(strings.TrimSuffix(rest, "\n")))
				rest = ""
			}
			if last {
				return
			}
			select {
			case <-tick.C:
			case <-ended:
				last = true
			}
		}
	}()
	return func() { close(ended); <-done }
}

// callLine makes a line of the log one for people: the command first, then for which triple and how it ended.
func callLine(line string) string {
	f := strings.SplitN(line, " ", 5)
	if len(f) < 5 {
		return line
	}
	text := f[4] + "   # " + f[3]
	if f[1] != "-" {
		text += ", " + f[1] + " ms"
	}
	if f[0] != "0" {
		text += ", exit code " + f[0]
	}
	return text
}
