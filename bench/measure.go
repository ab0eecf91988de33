// SPDX-License-Identifier: MIT OR Apache-2.0

//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// step is one process that is timed from outside.
type step struct {
	argv []string
	env  []string // added to ours
	dir  string
}

// variant is one way to do the same work; a benchmark measures several side by side.
type variant struct {
	name    string
	before  func() error           // untimed: makes the state that the work starts from
	steps   func() []step          // timed, one after another
	inside  func() (sample, error) // timed by itself, instead of steps
	after   func() error           // untimed: removes what the work made
	samples []sample
	err     error // the first thing that went wrong; then the variant is not run again
}

// sample is one measurement.
type sample struct {
	wall, cpu time.Duration // cpu is user and system time of the processes, not of daemons that they talk to
	rss       int64         // bytes, peak, of the largest process; only from peak
}

// interleave runs all variants in turn, rounds times after one round of warm-up, so that a machine that gets slower
// or faster does so for all of them. A variant that fails stays out from then on.
func interleave(ctx context.Context, rounds int, each func() error, variants ...*variant) error {
	for round := range rounds + 1 {
		if each != nil {
			if err := each(); err != nil {
				return err
			}
		}
		for _, v := range variants {
			if err := ctx.Err(); err != nil {
				return err
			}
			if v.err != nil {
				continue
			}
			s, err := v.once(ctx)
			if err != nil {
				v.err = fmt.Errorf("%s: %w", v.name, err)
				fmt.Fprintln(os.Stderr, "bench:", v.err)
			} else if round > 0 {
				v.samples = append(v.samples, s)
			}
		}
	}
	return nil
}

func (v *variant) once(ctx context.Context) (total sample, err error) {
	if v.before != nil {
		if err := v.before(); err != nil {
			return sample{}, err
		}
	}
	if v.after != nil {
		defer func() { err = errors.Join(err, v.after()) }()
	}
	settle(ctx)
	if v.inside != nil {
		return v.inside()
	}
	for _, st := range v.steps() {
		s, _, err := st.run(ctx)
		if err != nil {
			return sample{}, err
		}
		total.wall += s.wall
		total.cpu += s.cpu
	}
	return total, nil
}

// run starts the process and waits for it; its stdout is the answer.
func (st step) run(ctx context.Context) (sample, string, error) {
	cmd := st.command(ctx)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	start := time.Now()
	err := cmd.Run()
	wall := time.Since(start)
	if err != nil {
		return sample{}, "", fmt.Errorf("%s: %w: %s", strings.Join(st.argv, " "), err, tail(stderr.String()))
	}
	state := cmd.ProcessState
	return sample{wall: wall, cpu: state.UserTime() + state.SystemTime()}, stdout.String(), nil
}

func (st step) command(ctx context.Context) *exec.Cmd {
	cmd := exec.CommandContext(ctx, st.argv[0], st.argv[1:]...)
	cmd.Env = append(os.Environ(), st.env...)
	cmd.Dir = st.dir
	return cmd
}

// background starts a program that waits until descriptor 3 is closed at its other end, and prints its process id.
const background = `{ read -r _ <&3; exec "$@" 3<&-; } >/dev/null & echo $!`

// peak measures the memory of a process. The kernel starts a process's peak with its parent's size, and ours is
// larger than what we want to see. So a shell starts it in the background and ends, the process becomes our child
// (PR_SET_CHILD_SUBREAPER), and we wait for it. It does nothing before the shell has ended, which would otherwise
// wait for a quick one itself.
func (st step) peak(ctx context.Context) (sample, error) {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return sample{}, err
	}
	hold, release, err := os.Pipe()
	if err != nil {
		return sample{}, err
	}
	defer hold.Close()
	defer release.Close()
	stderr, err := os.CreateTemp("", "sampan-bench-stderr-") // a file, since a pipe would be waited for
	if err != nil {
		return sample{}, err
	}
	defer os.Remove(stderr.Name())
	defer stderr.Close()
	words := st.argv
	st.argv = append([]string{"sh", "-c", background, "sh"}, words...)
	cmd := st.command(ctx)
	cmd.Stderr, cmd.ExtraFiles = stderr, []*os.File{hold}
	out, err := cmd.Output()
	if err != nil {
		return sample{}, fmt.Errorf("start %s: %w", words[0], err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(out)))
	if err != nil {
		return sample{}, fmt.Errorf("start %s: %w", words[0], err)
	}
	stop := context.AfterFunc(ctx, func() { syscall.Kill(pid, syscall.SIGKILL) })
	release.Close()
	usage, err := waitFor(pid)
	stop()
	if err != nil {
		said, _ := os.ReadFile(stderr.Name())
		return sample{}, fmt.Errorf("%s: %w: %s", strings.Join(words, " "), err, tail(string(said)))
	}
	return sample{rss: usage.Maxrss << 10}, nil // getrusage(2) counts in KiB
}

// waitFor waits for a child that exec.Cmd does not know; only exit status 0 is no error.
func waitFor(pid int) (usage syscall.Rusage, err error) {
	var status syscall.WaitStatus
	for {
		if _, err = syscall.Wait4(pid, &status, 0, &usage); err != syscall.EINTR {
			break
		}
	}
	switch {
	case err != nil:
		return usage, err
	case status.Signaled():
		return usage, fmt.Errorf("signal: %s", status.Signal())
	case status.ExitStatus() != 0:
		return usage, fmt.Errorf("exit status %d", status.ExitStatus())
	}
	return usage, nil
}

const (
	quiet      = 0.4 // cores that other processes may use while we measure
	quietTries = 20
	quietEvery = 100 * time.Millisecond
)

// settle waits until the machine is idle, for two seconds at most.
func settle(ctx context.Context) {
	for range quietTries {
		before := busy()
		select {
		case <-ctx.Done():
			return
		case <-time.After(quietEvery):
		}
		if (busy() - before).Seconds() < quiet*quietEvery.Seconds() {
			return
		}
	}
	restless++
}

// restless counts how often settle gave up; the report shows it.
var restless int

// busy is the time that all cores worked since the start of the machine (proc_stat(5)).
func busy() time.Duration {
	data, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0
	}
	line, _, _ := strings.Cut(string(data), "\n")
	var ticks int64
	for i, word := range strings.Fields(line) {
		n, _ := strconv.ParseInt(word, 10, 64)
		if i == 4 || i == 5 { // idle, iowait
			continue
		}
		if i >= 1 && i <= 8 {
			ticks += n
		}
	}
	return time.Duration(ticks) * 10 * time.Millisecond // USER_HZ is 100
}

// median returns the middle of what pick takes from each sample, the lower one of two.
func median[T int64 | float64 | time.Duration](samples []sample, pick func(sample) T) T {
	if len(samples) == 0 {
		return 0
	}
	values := make([]T, 0, len(samples))
	for _, s := range samples {
		values = append(values, pick(s))
	}
	slices.Sort(values)
	return values[(len(values)-1)/2]
}

func wall(s sample) time.Duration { return s.wall }
func cpu(s sample) time.Duration  { return s.cpu }
func rss(s sample) int64          { return s.rss }

// paired is the median over rounds of a's wall time divided by b's in the same round.
func paired(a, b *variant) float64 {
	var pairs []sample
	for i := range min(len(a.samples), len(b.samples)) {
		pairs = append(pairs, sample{wall: a.samples[i].wall, cpu: b.samples[i].wall})
	}
	return median(pairs, func(s sample) float64 { return float64(s.wall) / float64(s.cpu) })
}

// pairedExtra is the median over rounds of a's wall time less b's in the same round.
func pairedExtra(a, b *variant) time.Duration {
	var pairs []sample
	for i := range min(len(a.samples), len(b.samples)) {
		pairs = append(pairs, sample{wall: a.samples[i].wall - b.samples[i].wall})
	}
	return median(pairs, wall)
}

// remove takes files and folders away.
func remove(paths ...string) func() error {
	return func() error {
		for _, path := range paths {
			if err := os.RemoveAll(path); err != nil {
				return err
			}
		}
		return nil
	}
}

// sizeOf is the number of bytes of a file, or of all files under a folder.
func sizeOf(path string) int64 {
	var total int64
	filepath.WalkDir(path, func(_ string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			total += info.Size()
		}
		return err
	})
	return total
}

func tail(text string) string {
	text = strings.TrimSpace(text)
	if len(text) > 500 {
		text = "…" + text[len(text)-500:]
	}
	return text
}
