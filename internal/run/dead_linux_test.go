// SPDX-License-Identifier: MIT OR Apache-2.0

package run

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// TestDeadGroupIsNotWaitedFor has a parent that never asks for its child, as the first process of many containers.
func TestDeadGroupIsNotWaitedFor(t *testing.T) {
	dead := exec.Command("/bin/sh", "-c", "exit 0")
	dead.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := dead.Start(); err != nil {
		t.Fatal(err)
	}
	pid := dead.Process.Pid
	for state := byte(0); state != 'Z'; time.Sleep(time.Millisecond) {
		stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
		if err != nil {
			t.Fatal(err)
		}
		state, _ = parseStat(stat)
	}
	alive := exec.Command("/bin/sh", "-c", "exec sleep 60")
	alive.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pgid: pid}
	if err := alive.Start(); err != nil {
		t.Fatal(err)
	}
	if onlyDead(pid) {
		t.Error("a group with one alive is taken for dead")
	}
	_ = alive.Process.Kill()
	_ = alive.Wait()
	if (&group{pid: pid}).anybody() {
		t.Error("a dead process is waited for")
	}
	_ = dead.Wait()
	if onlyDead(pid) {
		t.Error("a group that is gone has dead ones in it")
	}
}

func TestParseStat(t *testing.T) {
	for text, want := range map[string]struct {
		state byte
		group int
	}{
		"12 (sh) S 1 12 12 0":       {'S', 12},
		"12 (a) Z 9) (b) Z 1 34 12": {'Z', 34},
		"":                          {0, 0},
		"12 (sh":                    {0, 0},
		"12 (sh) S 1 x":             {0, 0},
	} {
		if state, group := parseStat([]byte(text)); state != want.state || group != want.group {
			t.Errorf("parseStat(%q) = %q, %d", text, state, group)
		}
	}
}
