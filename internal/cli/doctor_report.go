// SPDX-License-Identifier: MIT OR Apache-2.0

package cli

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"sampan/internal/cargo"
	"sampan/internal/doctor"
	"sampan/internal/native"
	"sampan/internal/ui"
)

// tellReport writes a report for a person: how each package stands, what to do about it, and the verdict last.
func (s *session) tellReport(r *doctor.Report) error {
	var b strings.Builder
	for _, text := range s.missing {
		fmt.Fprintf(&b, "%s\n", ui.Escape(text))
	}
	for i := 0; i < len(r.Compiles); {
		c := r.Compiles[i]
		n := i + 1
		for n < len(r.Compiles) && r.Compiles[n].Package == c.Package && r.Compiles[n].Version == c.Version {
			n++
		}
		s.tellPackage(&b, r.Compiles[i:n], r.Rust)
		i = n
	}
	said := map[string]bool{}
	for _, f := range r.Findings {
		if s.w.quiet && f.Level != doctor.Error {
			continue
		}
		s.tellFinding(&b, f, len(r.Compiles), said)
	}
	if len(r.Findings) > 0 && b.Len() > 0 {
		b.WriteString("\n")
	}
	if n := r.Count(doctor.Error); n > 0 {
		fmt.Fprintf(&b, "%s: %s\n", s.streams.Paint("error", "not ready"), counted(n, "thing stands", "things stand")+" in the way")
	} else {
		fmt.Fprintf(&b, "%s: %s\n", s.streams.Paint("note", "ready"), ui.Escape(r.Next))
	}
	_, err := io.WriteString(s.streams.Out, b.String())
	return err
}

func counted(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// tellPackage writes what concerns one package: what is the same for all its platforms once.
func (s *session) tellPackage(b *strings.Builder, all []doctor.Compile, rust doctor.Rust) {
	if s.w.quiet {
		return
	}
	head := []string{all[0].Package + " " + all[0].Version}
	if n := all[0].Crates; n > 0 {
		head = append(head, counted(n, "crate", "crates"))
	}
	rustc := "Rust " + rust.Release
	if rust.Name != "" {
		rustc += " (" + rust.Name + ")"
	}
	fmt.Fprintf(b, "%s\n", ui.Escape(strings.Join(append(head, rustc), ", ")))
	rows := make([][]doctor.Row, len(all))
	width := 0
	for i := range all {
		rows[i] = all[i].Rows(s.w.verbose)
		for _, row := range rows[i] {
			width = max(width, len(row.Label))
		}
	}
	if len(all) > 1 {
		shared := slices.DeleteFunc(slices.Clone(rows[0]), func(row doctor.Row) bool {
			return slices.ContainsFunc(rows, func(other []doctor.Row) bool { return !hasRow(other, row) })
		})
		if len(shared) > 0 {
			b.WriteString("\nevery platform\n")
			s.tellRows(b, shared, width)
		}
		for i := range rows {
			rows[i] = slices.DeleteFunc(rows[i], func(row doctor.Row) bool { return hasRow(shared, row) })
		}
	}
	for i, c := range all {
		fmt.Fprintf(b, "\n%s  %s\n", cmp.Or(c.Platform, "?"), c.Triple)
		s.tellRows(b, rows[i], width)
	}
	b.WriteString("\n")
}

func hasRow(rows []doctor.Row, row doctor.Row) bool {
	return slices.ContainsFunc(rows, func(o doctor.Row) bool {
		return o.Label == row.Label && o.Text == row.Text && slices.Equal(o.More, row.More)
	})
}

func (s *session) tellRows(b *strings.Builder, rows []doctor.Row, width int) {
	for _, row := range rows {
		text := ui.Escape(row.Text)
		if row.Bad {
			text = s.streams.Paint("error", text)
		}
		fmt.Fprintf(b, "  %-*s  %s\n", width, row.Label, text)
		for _, more := range row.More {
			fmt.Fprintf(b, "  %-*s    %s\n", width, "", ui.Escape(more))
		}
	}
}

// tellFinding writes one finding. A way out that was told before is not told again.
func (s *session) tellFinding(b *strings.Builder, f doctor.Finding, compiles int, said map[string]bool) {
	text := f.Text
	if n := len(f.Triples); n > 0 && n < compiles {
		text += " (" + platforms(f.Triples) + ")"
	}
	fmt.Fprintf(b, "%s: %s\n", s.streams.Paint(f.Level, f.Level), strings.ReplaceAll(ui.Escape(text), "\n", "\n  "))
	if len(f.Chain) > 1 {
		fmt.Fprintf(b, "  by %s\n", ui.Escape(native.Arrow(f.Chain)))
	}
	for _, way := range f.Ways {
		if way != "" && !said[way] {
			fmt.Fprintf(b, "  → %s\n", ui.Escape(way))
			said[way] = true
		}
	}
}

// platforms names triples as container engines do.
func platforms(triples []cargo.Triple) string {
	var names []string
	for _, t := range triples {
		if p, ok := t.Platform(); ok && !slices.Contains(names, p.String()) {
			names = append(names, p.String())
		}
	}
	return strings.Join(names, ", ")
}
