// SPDX-License-Identifier: MIT OR Apache-2.0

//go:build linux

package main

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// report writes Markdown, and remembers which goals were missed.
type report struct {
	w      io.Writer
	goals  [][]string
	missed int
}

func (r *report) section(title, text string) {
	fmt.Fprintf(r.w, "\n## %s\n\n", title)
	if text != "" {
		fmt.Fprintf(r.w, "%s\n\n", text)
	}
}

func (r *report) table(head []string, rows [][]string) {
	fmt.Fprintf(r.w, "| %s |\n|%s\n", strings.Join(head, " | "), strings.Repeat(" --- |", len(head)))
	for _, row := range rows {
		fmt.Fprintf(r.w, "| %s |\n", strings.Join(row, " | "))
	}
}

// goal notes what was wanted and what came out.
func (r *report) goal(id, want, got string, met bool) {
	verdict := "met"
	if !met {
		verdict = "**missed**"
		r.missed++
	}
	r.goals = append(r.goals, []string{id, want, got, verdict})
}

// variants writes one row for each variant; ratios are against the first.
func (r *report) variants(vs ...*variant) {
	var rows [][]string
	for _, v := range vs {
		if v.err != nil {
			rows = append(rows, []string{v.name, "failed", "", ""})
			continue
		}
		rows = append(rows, []string{v.name, ms(median(v.samples, wall)), fmt.Sprintf("%.2f", paired(v, vs[0])), ms(median(v.samples, cpu))})
	}
	r.table([]string{"", "wall ms", "× the first, paired", "CPU ms"}, rows)
}

func ms(d time.Duration) string { return fmt.Sprintf("%.1f", float64(d)/float64(time.Millisecond)) }

// mb prints bytes as megabytes of 10^6.
func mb(n int64) string { return fmt.Sprintf("%.1f", float64(n)/1e6) }
