// SPDX-License-Identifier: MIT OR Apache-2.0

package cli

import (
	"fmt"
	"slices"

	"sampan/internal/cargo"
	"sampan/internal/native"
	"sampan/internal/plan"
	"sampan/internal/ui"
)

// trust tells what a Compile's graph says of TLS: who reads the CA certificates of its images, to those who want to know
// all; and, to everyone, where the settings cannot do what they are meant to. It costs no graph of its own: where a lock
// file names nothing of C, nothing is said, since the cryptography of nearly every TLS stack has C or assembly in it.
func (s *session) trust(c plan.Compile, g *cargo.Graph) {
	i := slices.IndexFunc(s.plan.Images, func(im plan.Image) bool { return im.Package == c.Package })
	if i < 0 {
		return
	}
	t := native.TLSOf(g, c.Triple)
	if kind, text := trustLine(t, s.plan.Images[i]); kind == "warning" || kind == "note" && s.w.verbose {
		s.progress.Handle(ui.Event{Kind: kind, Text: c.Package + ": " + text})
	}
}

// trustLine is what there is to say of an image's certificates, and whether it is a warning.
func trustLine(t native.TLS, im plan.Image) (kind, text string) {
	if len(t.Stacks) == 0 {
		return "note", "no crate is known to read CA certificates; `ca = false` leaves them out"
	}
	reads := slices.IndexFunc(t.Stacks, func(s native.Stack) bool { return !s.Builtin })
	by := t.Stacks[max(reads, 0)]
	crate, chain := by.Crate+" "+by.Version, native.Arrow(by.Chain)
	switch {
	case reads < 0 && len(im.CAFiles) > 0:
		return "warning", fmt.Sprintf("ca-files do not count: %s has its certificates compiled in, and no crate reads the image's (%s)", crate, chain)
	case reads < 0:
		return "note", fmt.Sprintf("%s has its CA certificates compiled in; those of the image are not read (%s)", crate, chain)
	case !im.CA && len(im.CAFiles) == 0:
		return "warning", fmt.Sprintf("the image has no CA certificates, and %s reads them: without, %s (%s)", crate, by.Without, chain)
	}
	return "note", fmt.Sprintf("CA certificates are in the image, and %s reads them (%s)", crate, chain)
}
