// SPDX-License-Identifier: MIT OR Apache-2.0

package check

import (
	"io/fs"
	"testing"

	"sampan/internal/rootfs"
)

func TestCommand(t *testing.T) {
	image := func(words ...string) func(*Subject) {
		return func(s *Subject) {
			s.Entrypoint = words
			s.Trees = []rootfs.Tree{
				{{Path: "etc", Mode: fs.ModeDir | 0o755}, {Path: "lib", Mode: fs.ModeSymlink | 0o777, Link: "usr/lib"}},
				{{Path: "web", Mode: 0o555}},
			}
		}
	}
	const missing = "is not in the image"
	table(t, "command", []row{
		{"none", image(), "", ""},
		{"the program", image("/web", "/other"), "", ""},
		{"not clean", image("//./web"), "", ""},
		{"below a link", image("/lib/tool"), "", ""},
		{"looked up in PATH", image("tool"), "", ""},
		{"elsewhere", image("/usr/bin/web"), "the entrypoint /usr/bin/web " + missing, "--file SRC:/usr/bin/web"},
		{"a folder", image("/etc"), "the entrypoint /etc " + missing, "--entrypoint"},
		{"escapes", image("/\x1b"), `the entrypoint "/\x1b" ` + missing, "--file"},
	})
}
