// SPDX-License-Identifier: MIT OR Apache-2.0

package native

import (
	"fmt"
	"slices"
	"strings"

	"sampan/internal/cargo"
)

// Refusal is a crate that cannot become part of a static program.
type Refusal struct {
	Library string `json:"library"` // what it needs
	Cause
	Reason  string `json:"reason"`  // "needs asound, which …"
	Out     string `json:"out"`     // the way out
	Sysroot bool   `json:"sysroot"` // an archive of the library in a sysroot of the user's own is one, too
}

// libraries parts what crates look for on the system into what is supplied and what is refused.
func (v *view) libraries(n *Needs) {
	for i := range v.g.Nodes {
		node := &v.g.Nodes[i]
		if !node.Target {
			continue
		}
		known := slices.Contains(served, node.Name)
		for _, s := range systems {
			if s.crate != node.Name {
				continue
			}
			known = true
			if s.musl && !v.t.Musl() || s.when != nil && !hasAny(node, s.when) || hasAny(node, s.unless) {
				continue
			}
			c := v.cause(i)
			if supplied(s.library) {
				n.Libraries = append(n.Libraries, Want{Library: s.library, Crate: c.Crate, Version: c.Version, Chain: c.Chain})
				continue
			}
			n.Refused = append(n.Refused, s.refusal(c))
		}
		if !known {
			v.unknown(n, i)
		}
	}
	n.Refused = once(n.Refused)
}

func (s system) refusal(c Cause) Refusal {
	r := Refusal{Library: s.library, Cause: c, Reason: "needs " + s.library + ", which Sampan does not supply", Out: s.out, Sysroot: !s.shared}
	switch {
	case strings.HasPrefix(s.reason, "CUDA"):
		r.Reason = s.reason
	case s.reason != "":
		r.Reason = "needs " + s.library + ", which " + s.reason
	}
	return r
}

// unknown refuses a crate of no table that asks pkg-config for a library and can do nothing else.
func (v *view) unknown(n *Needs, i int) {
	node := &v.g.Nodes[i]
	script := v.script(i)
	library := node.Links
	if library == "" {
		library = strings.TrimSuffix(strings.TrimSuffix(node.Name, "-sys"), "_sys")
	}
	switch {
	case script["system-deps"]:
		s := system{library: library, reason: desktop, out: headless}
		if !strings.Contains(family, " "+strings.SplitN(node.Name, "-", 2)[0]+" ") {
			s.reason, s.out = "", ownArchive
		}
		n.Refused = append(n.Refused, s.refusal(v.cause(i)))
	case node.Links != "" && (script["pkg-config"] || script["metadeps"]) &&
		!anyOf(script, "cc", "gcc", "cmake", "autotools", "cxx-build", "meson", "meson-next"):
		n.Refused = append(n.Refused, system{library: library, out: ownArchive}.refusal(v.cause(i)))
	}
}

// family are first words of crates of the desktop's libraries that ask for them by system-deps.
const family = " glib gobject gio gtk gtk3 gtk4 gdk gdk4 gdkx11 gdkwayland gdk3 gdk_pixbuf pango pangocairo cairo atk graphene gsk gsk4 libadwaita gstreamer webkit2gtk webkit6 " +
	"soup2 soup3 javascriptcore gtksourceview libhandy vte rsvg pipewire libspa "

// once leaves out all but the first of those that are refused for one library by crates of one chain: gtk-sys is reason
// enough, and needs no gdk-sys and glib-sys beside it.
func once(all []Refusal) []Refusal {
	out := []Refusal{}
	for i, r := range all {
		covered := slices.ContainsFunc(all, func(o Refusal) bool {
			return len(o.Chain) < len(r.Chain) && slices.Equal(o.Chain, r.Chain[:len(o.Chain)]) && o.Out == r.Out
		})
		same := slices.ContainsFunc(all[:i], func(o Refusal) bool { return o.Library == r.Library && o.Crate == r.Crate })
		if !covered && !same {
			out = append(out, r)
		}
	}
	return out
}

// loaders are crates that load shared objects when the program runs.
func (v *view) loaders(n *Needs) {
	loads := v.target("libloading", "dlib", "dlopen", "dlopen2", "sharedlib")
	for i := range v.g.Nodes {
		node := &v.g.Nodes[i]
		if node.Target && !slices.Contains(loads, i) && slices.ContainsFunc(node.Deps, func(e cargo.Edge) bool {
			return !e.Build && slices.Contains(loads, e.To)
		}) || node.Target && node.Name == "x11-dl" {
			n.Loaders = append(n.Loaders, v.cause(i))
		}
	}
}

// RefusalError says, before anything is compiled, all that would make a compile fail.
type RefusalError struct {
	Package string
	Triple  cargo.Triple
	Refused []Refusal
	Missing []Tool // tools of this machine that are not there
	install string
}

// Refuse is the error of what a compile cannot do: nil when nothing is in its way. Only what is certain counts. A library
// that the user's sysroot has is not refused: own tells which.
func Refuse(n Needs, env []string, own func(library string) bool) error {
	e := &RefusalError{Refused: refusedBut(n.Refused, own)}
	for _, t := range n.Missing(env) {
		if t.Sure {
			e.Missing = append(e.Missing, t)
		}
	}
	if len(e.Refused)+len(e.Missing) == 0 {
		return nil
	}
	if len(e.Missing) > 0 {
		e.install = Install(e.Missing, env)
	}
	return e
}

func (e *RefusalError) Error() string {
	var b strings.Builder
	b.WriteString("compile")
	if e.Package != "" {
		b.WriteString(" " + e.Package)
	}
	if e.Triple != "" {
		b.WriteString(" for " + string(e.Triple))
	}
	sep := ": "
	if len(e.Refused)+len(e.Missing) > 1 {
		sep = "\n"
		b.WriteString(":")
	}
	for _, r := range e.Refused {
		fmt.Fprintf(&b, "%s%s %s %s (%s)", sep, r.Crate, r.Version, r.Reason, Arrow(r.Chain))
	}
	for _, t := range e.Missing {
		fmt.Fprintf(&b, "%s%s (%s)", sep, t.Absent(), Arrow(t.Chain))
	}
	return b.String()
}

// Hint is the way out of each, once.
func (e *RefusalError) Hint() string {
	var lines []string
	for _, r := range e.Refused {
		line := r.Crate + ": " + r.Out
		if !slices.ContainsFunc(lines, func(l string) bool { return strings.HasSuffix(l, r.Out) }) {
			lines = append(lines, line)
		}
	}
	for i, r := range e.Refused {
		if i == 0 {
			lines = append(lines, "see which feature brings it: "+WhoBrings(r.Crate, r.Version, e.Triple))
		}
	}
	if len(e.Missing) > 0 {
		lines = append(lines, e.install)
	}
	return strings.Join(lines, "\n")
}

// WhoBrings is the line to type that shows which features bring a crate.
func WhoBrings(crate, version string, t cargo.Triple) string {
	line := "cargo tree -e features -i " + crate + "@" + version
	if t != "" {
		line += " --target " + string(t)
	}
	return line
}

// refusedBut leaves of what is refused what the user's own folder does not have. own may be nil.
func refusedBut(all []Refusal, own func(library string) bool) []Refusal {
	var out []Refusal
	for _, r := range all {
		if own == nil || !r.Sysroot || !own(r.Library) {
			out = append(out, r)
		}
	}
	return out
}

// supplied reports whether the table of libraries has a row of that name.
func supplied(library string) bool {
	return slices.Contains([]string{"openssl", "zlib", "sqlite", "libpq", "curl", "libgit2", "libssh2", "zstd", "bzip2", "xz", "mysqlclient"}, library)
}
