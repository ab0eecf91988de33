// SPDX-License-Identifier: MIT OR Apache-2.0

package native

import (
	"fmt"

	"sampan/internal/cargo"
)

// Choice is a triple to compile for, and what has to happen first.
type Choice struct {
	Triple  cargo.Triple
	Install bool   // its std is not there yet and is to be installed
	Asked   bool   // the user named it, so nothing else may take its place
	Notice  string // what differs from what the user may expect; "" for nothing
}

// Choose settles the triples: those that the user named, else the host's architecture on musl, else, where its std is
// not there and cannot be installed, a static glibc build. It looks only at files; nothing is installed.
func Choose(ws *cargo.Workspace, wanted []string, install bool) ([]Choice, error) {
	if len(wanted) == 0 {
		for _, t := range ws.Config.BuildTarget {
			if cargo.Triple(t).Musl() {
				wanted = append(wanted, t)
			}
		}
	}
	var out []Choice
	for _, w := range wanted {
		t, err := cargo.ParseTriple(w)
		if err != nil {
			return nil, err
		}
		c := Choice{Triple: t, Asked: true}
		if !ws.Toolchain.HasStd(t) {
			if !install || !canInstall(ws) {
				return nil, missing(ws, t)
			}
			c.Install = true
		}
		if !t.Musl() {
			c.Notice = glibcNotice(t)
		}
		out = append(out, c)
	}
	if len(out) > 0 {
		return out, nil
	}
	c := Choice{Triple: cargo.MuslOf(ws.Toolchain.Host)}
	switch {
	case ws.Toolchain.HasStd(c.Triple):
	case install && canInstall(ws):
		c.Install = true
	default:
		fallback, ok := Fallback(ws, c)
		if !ok {
			return nil, missing(ws, c.Triple)
		}
		c = fallback
	}
	return []Choice{c}, nil
}

// canInstall tells whether rustup is there and keeps the toolchain in use.
func canInstall(ws *cargo.Workspace) bool {
	path, name := ws.Rustup()
	return path != "" && name != ""
}

// missing is the error of a std that is not there and must not, or cannot, be installed.
func missing(ws *cargo.Workspace, t cargo.Triple) error {
	e := &cargo.TargetError{Triple: t, Reason: cargo.NoRustup}
	if path, name := ws.Rustup(); path != "" && name != "" {
		e.Reason, e.Toolchain = cargo.NotAllowed, name
	}
	return e
}

// Fallback is what takes the place of a triple whose std cannot be had: the host's own glibc, linked statically. There
// is none for a triple that the user named, nor on a host that is not Linux with glibc.
func Fallback(ws *cargo.Workspace, c Choice) (Choice, bool) {
	gnu := cargo.GnuOf(ws.Toolchain.Host)
	if c.Asked || gnu != ws.Toolchain.Host || !ws.Toolchain.HasStd(gnu) {
		return c, false
	}
	return Choice{Triple: gnu, Notice: fmt.Sprintf("no std for %s: ", c.Triple) + glibcNotice(gnu)}, true
}

func glibcNotice(t cargo.Triple) string {
	return fmt.Sprintf("%s is linked with glibc statically: about 1 MB larger than musl, names are looked up in files and DNS only, "+
		"no iconv or locales, and the LGPL's duties for static linking apply", t)
}

// Flags are the rustc flags that a static program for a triple needs: one constant set, so that the user's own builds
// for the triple and ours never undo each other's work.
func Flags(t cargo.Triple) []string {
	if t.Musl() {
		return []string{"-Ctarget-feature=+crt-static", "-Clink-self-contained=yes"}
	}
	return []string{"-Ctarget-feature=+crt-static"}
}
