// SPDX-License-Identifier: MIT OR Apache-2.0

package rootfs

import (
	"path"
	"strings"
	"unicode/utf8"
)

// checkLink says what is wrong with the text of a link at path p of an image, "" when nothing is. A relative link is
// followed by its letters alone: what it passes through may be in another layer.
func checkLink(p, link string) string {
	switch {
	case link == "":
		return "is a link to nothing"
	case len(link) > maxPath:
		return "is a link longer than 4094 bytes"
	case strings.IndexByte(link, 0) >= 0:
		return "is a link with a NUL byte in it"
	case !utf8.ValidString(link):
		return "is a link that is not UTF-8"
	case !strings.HasPrefix(link, "/") && climbs(path.Dir(p), link):
		return "is a link that leaves the image's root"
	}
	return ""
}

// climbs says whether a relative link in folder dir leads above the top. It counts name by name: a path that leaves and
// comes back has left.
func climbs(dir, link string) bool {
	depth := 0
	if dir != "." {
		depth = strings.Count(dir, "/") + 1
	}
	for seg := range strings.SplitSeq(link, "/") {
		switch seg {
		case "", ".":
		case "..":
			if depth--; depth < 0 {
				return true
			}
		default:
			depth++
		}
	}
	return false
}

// runtimeProvides says whether every runtime puts something at this absolute path (OCI runtime-spec, config-linux.md,
// "Default Devices", and runtime-linux.md, "Dev symbolic links"), so that a log linked to /dev/stdout is fine.
func runtimeProvides(target string) bool {
	switch target {
	case "/", "/dev/stdin", "/dev/stdout", "/dev/stderr", "/dev/fd", "/dev/null", "/dev/zero", "/dev/full",
		"/dev/random", "/dev/urandom", "/dev/tty", "/etc/hosts", "/etc/hostname", "/etc/resolv.conf":
		return true
	}
	return strings.HasPrefix(target, "/proc/self/")
}
