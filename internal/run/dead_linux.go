// SPDX-License-Identifier: MIT OR Apache-2.0

package run

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
)

// onlyDead reports whether every process of a group has ended and only waits for its parent, as /proc tells it; false
// where that cannot be read.
func onlyDead(group int) bool {
	processes, err := os.ReadDir("/proc")
	if err != nil {
		return false
	}
	dead := false
	for _, p := range processes {
		if c := p.Name()[0]; c < '0' || c > '9' {
			continue
		}
		stat, err := os.ReadFile(filepath.Join("/proc", p.Name(), "stat"))
		if err != nil {
			continue // it has gone meanwhile
		}
		state, of := parseStat(stat)
		switch {
		case of != group:
		case state == 'Z' || state == 'X':
			dead = true
		default:
			return false
		}
	}
	return dead
}

// parseStat reads a process's state and its group from /proc/PID/stat: "12 (name) Z parent group …". The name is any
// text, with spaces and brackets in it as well.
func parseStat(stat []byte) (state byte, group int) {
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 3 {
		return 0, 0
	}
	group, err := strconv.Atoi(string(fields[2]))
	if err != nil {
		return 0, 0
	}
	return fields[0][0], group
}
