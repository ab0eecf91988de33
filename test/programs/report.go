// SPDX-License-Identifier: MIT OR Apache-2.0

//go:build linux

package main

import (
	"fmt"
	"io"
	"strings"
)

// report prints the table of one platform and tells whether all rows hold.
func report(w io.Writer, platform string, results []*result) bool {
	how := "in dockerd"
	if platform != native {
		how = "under qemu"
	}
	fmt.Fprintf(w, "\n## %s, run %s\n\n", platform, how)
	fmt.Fprintln(w, "| program | version | s | cargo's part | image, bytes | packed, bytes | work, as uid 1000 | verdict |")
	fmt.Fprintln(w, "| --- | --- | --: | --: | --: | --: | --- | --- |")
	for _, r := range results {
		fmt.Fprintf(w, "| %s | %s | %.1f | %.1f %% | %s | %s | %s | %s |\n", r.program.name, r.version, r.wall.Seconds(), 100*r.cargo,
			thousands(r.unpacked), thousands(r.packed), r.program.doing, verdict(r.err))
	}
	holds, all := count(results)
	fmt.Fprintf(w, "\n**%d of %d** for %s\n", holds, all, platform)
	return holds == all
}

// count counts programs, not rows: one holds when all its rows do.
func count(results []*result) (holds, all int) {
	bad := map[string]bool{}
	for _, r := range results {
		bad[r.program.of] = bad[r.program.of] || r.err != nil
	}
	for _, b := range bad {
		if !b {
			holds++
		}
	}
	return holds, len(bad)
}

// verdict is an error as one cell of a table.
func verdict(err error) string {
	if err == nil {
		return "holds"
	}
	text := strings.Join(strings.Fields(err.Error()), " ")
	if runes := []rune(text); len(runes) > 300 {
		text = string(runes[:300]) + "…"
	}
	return "**no**: " + strings.ReplaceAll(text, "|", `\|`)
}

// thousands writes a number with thin groups of three, "–" for nothing measured.
func thousands(n int64) string {
	if n == 0 {
		return "–"
	}
	text := fmt.Sprint(n)
	for at := len(text) - 3; at > 0; at -= 3 {
		text = text[:at] + " " + text[at:]
	}
	return text
}
