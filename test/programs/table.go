// SPDX-License-Identifier: MIT OR Apache-2.0

//go:build linux

package main

import (
	"fmt"
	"strings"
)

// program is one row: one way of building one of the fifteen programs.
type program struct {
	name    string   // of the row; the first row of a program is called as the program is
	of      string   // the program that it counts for
	crate   string   // on crates.io
	version string   // "" for the newest
	cargo   []string // words that Sampan and cargo install have in common
	sampan  []string // words of Sampan alone
	bin     string
	ca      bool   // the image is given our servers' CA
	cross   bool   // one of those that run under an emulator too
	most    int64  // bytes that the image may have unpacked, 0 for any
	doing   string // the piece of work in words
	work    func(*job) error
}

// spec is what Sampan is asked to build.
func (p program) spec() string {
	if p.version == "" {
		return "crate:" + p.crate
	}
	return "crate:" + p.crate + "@" + p.version
}

// thinMonitor is what rmq_monitor's image may have with --thin, the CA bundle included: 7 MiB.
const thinMonitor = 7 << 20

// programs are all rows. A program holds when all its rows do.
var programs = []program{
	{name: "hyperfine", of: "hyperfine", crate: "hyperfine", bin: "hyperfine", cross: true, doing: "timed itself", work: workHyperfine},
	{name: "just", of: "just", crate: "just", bin: "just", doing: "listed recipes, evaluated one", work: workJust},
	{name: "fd-find", of: "fd-find", crate: "fd-find", bin: "fd", doing: "found a file", work: workFd},
	{name: "ripgrep", of: "ripgrep", crate: "ripgrep", bin: "rg", doing: "searched a folder", work: workRipgrep},
	{name: "ripgrep-pcre2", of: "ripgrep", crate: "ripgrep", cargo: []string{"--features", "pcre2"}, bin: "rg", cross: true, doing: "searched with a look-behind", work: workRipgrepPCRE2},
	{name: "bat", of: "bat", crate: "bat", bin: "bat", cross: true, doing: "coloured Rust", work: workBat},
	{name: "miniserve", of: "miniserve", crate: "miniserve", bin: "miniserve", cross: true, doing: "served a file, ended by SIGTERM as PID 1", work: workMiniserve},
	{name: "dufs", of: "dufs", crate: "dufs", bin: "dufs", doing: "served a file, took one, ended by SIGINT as PID 1", work: workDufs},
	{name: "xh", of: "xh", crate: "xh", bin: "xh", ca: true, doing: "HTTPS: our CA yes, another no", work: workXh},
	{name: "xh-native-tls", of: "xh", crate: "xh", cargo: []string{"--features", "native-tls"}, bin: "xh", ca: true, cross: true, doing: "HTTPS by OpenSSL: our CA yes, another no", work: workXhNative},
	{name: "rmq_monitor", of: "rmq_monitor", crate: "rmq_monitor", version: "0.2.6", sampan: []string{"--ignore-lock"}, bin: "rmq_monitor", ca: true, doing: "read a RabbitMQ, told a Slack over HTTPS", work: workMonitor},
	{name: "rmq_monitor-thin", of: "rmq_monitor", crate: "rmq_monitor", version: "0.2.6", sampan: []string{"--ignore-lock", "--thin"}, bin: "rmq_monitor", ca: true, most: thinMonitor, doing: "the same, at most 7 MiB", work: workMonitor},
	{name: "onefetch", of: "onefetch", crate: "onefetch", bin: "onefetch", doing: "described a git repository", work: workOnefetch},
	{name: "websocat", of: "websocat", crate: "websocat", bin: "websocat", ca: true, doing: "echo through wss", work: workWebsocat},
	{name: "diesel_cli", of: "diesel_cli", crate: "diesel_cli", cargo: []string{"--no-default-features", "--features", "sqlite,postgres"}, bin: "diesel", doing: "SQL on an SQLite file; libpq answers", work: workDiesel},
	{name: "diesel_cli-mysql", of: "diesel_cli", crate: "diesel_cli", bin: "diesel", doing: "the same; MySQL's client answers", work: workDieselMySQL},
	{name: "atuin", of: "atuin", crate: "atuin", bin: "atuin", doing: "imported a history, searched it", work: workAtuin},
	{name: "cargo-audit", of: "cargo-audit", crate: "cargo-audit", bin: "cargo-audit", doing: "found an advisory for a lock file", work: workAudit},
	{name: "sccache", of: "sccache", crate: "sccache", bin: "sccache", doing: "server, statistics, stop", work: workSccache},
}

// choose returns the rows that a list with commas names, by row or by program, in the table's order.
func choose(only string) ([]program, error) {
	if only == "" {
		return programs, nil
	}
	wanted := map[string]bool{}
	for word := range strings.SplitSeq(only, ",") {
		wanted[strings.TrimSpace(word)] = false
	}
	var chosen []program
	for _, p := range programs {
		_, row := wanted[p.name]
		_, program := wanted[p.of]
		if row {
			wanted[p.name] = true
		}
		if program {
			wanted[p.of] = true
		}
		if row || program {
			chosen = append(chosen, p)
		}
	}
	for word, found := range wanted {
		if !found {
			return nil, fmt.Errorf("choose programs: no %q", word)
		}
	}
	return chosen, nil
}
