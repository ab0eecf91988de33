// SPDX-License-Identifier: MIT OR Apache-2.0

//go:build linux

package main

import (
	"fmt"
	"io"
	"strings"
)

// report prints the table of one registry, and tells whether Sampan did what every scene wants.
func report(w io.Writer, q *quay, clients []*client, s *sheet) bool {
	fmt.Fprintf(w, "\n### Before %s %s\n\n| | fault | right |", q.name, q.version)
	for _, c := range clients {
		fmt.Fprintf(w, " %s %s |", c.name, c.version)
	}
	fmt.Fprintf(w, "\n| --- | --- | --- |%s\n", strings.Repeat(" --- |", len(clients)))
	held := true
	counts, all := make([]int, len(clients)), 0
	eighteen := make([]int, len(clients))
	for i, sc := range s.scenes {
		fmt.Fprintf(w, "| %s | %s | %s |", sc.id, sc.what, strings.Join(strings.Split(sc.want, ""), " or "))
		if sc.id != calm.id {
			all++
		}
		for k, o := range s.cells[i] {
			good := strings.Contains(sc.want, o.verdict)
			fmt.Fprintf(w, " %s |", shown(o, good))
			if good && sc.id != calm.id {
				counts[k]++
				if strings.HasPrefix(sc.id, "P") {
					eighteen[k]++
				}
			}
			held = held && (good || clients[k].name != "sampan")
		}
		fmt.Fprintln(w)
	}
	total := func(name string, counts []int, of int) {
		fmt.Fprintf(w, "| | **%s** | |", name)
		for _, n := range counts {
			fmt.Fprintf(w, " **%d** of %d |", n, of)
		}
		fmt.Fprintln(w)
	}
	first := 0
	for _, sc := range s.scenes {
		if strings.HasPrefix(sc.id, "P") {
			first++
		}
	}
	total("right of P", eighteen, first)
	total("right of all", counts, all)
	return held
}

// shown is an outcome as a cell of the table: what is right stands out by itself.
func shown(o outcome, good bool) string {
	text := o.verdict
	if o.why != "" {
		text += " " + o.why
	}
	if o.verdict == wrong && !good {
		return "**" + text + "**"
	}
	return text
}
