// SPDX-License-Identifier: MIT OR Apache-2.0

//go:build linux

package main

import (
	"context"
	"debug/buildinfo"
	"fmt"
	"os"
	"regexp"
	"runtime"
	"strings"
	"time"
)

// moduleVersion is the version that a Go executable was built from.
func moduleVersion(path string) string {
	info, err := buildinfo.ReadFile(path)
	if err != nil {
		return "?"
	}
	for _, dep := range info.Deps { // built by a module of ours, it is a dependency of that
		if strings.HasPrefix(info.Path, dep.Path+"/") {
			return dep.Version
		}
	}
	return info.Main.Version
}

// firstVersion finds what looks like a version in a program's answer.
func firstVersion(text string) string {
	if found := regexp.MustCompile(`\d+(\.\d+)+\S*`).FindString(text); found != "" {
		return strings.TrimRight(found, ",)")
	}
	return strings.TrimSpace(text)
}

// machine describes where the table was made.
func machine(ctx context.Context, t *tools) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Made %s on %d cores (%s), Linux %s.\n", time.Now().UTC().Format(time.DateOnly), runtime.NumCPU(),
		field("/proc/cpuinfo", "model name"), oneLine("/proc/sys/kernel/osrelease"))
	versions := []string{runtime.Version()}
	if _, out, err := (step{argv: []string{"rustc", "--version"}}).run(ctx); err == nil {
		versions = append(versions, "rustc "+firstVersion(out))
	}
	versions = append(versions, t.versions(ctx)...)
	fmt.Fprintf(&b, "Versions: %s.\n", strings.Join(versions, ", "))
	for _, why := range t.missing {
		fmt.Fprintf(&b, "Not measured: %s.\n", why)
	}
	return b.String()
}

// field finds "name : value" in a file of /proc.
func field(path, name string) string {
	data, err := os.ReadFile(path)
	if err != nil {
		return "?"
	}
	for line := range strings.Lines(string(data)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return "?"
}

func oneLine(path string) string {
	data, err := os.ReadFile(path)
	if err != nil {
		return "?"
	}
	return strings.TrimSpace(string(data))
}
