// SPDX-License-Identifier: MIT OR Apache-2.0

package rootfs

import (
	"bytes"
	"io"
	"io/fs"
	"strings"
)

const (
	// CABundle is where an image's certificates are: the path that most TLS stacks look at first, and the value that
	// SSL_CERT_FILE gets (with a slash in front).
	CABundle = "etc/ssl/certs/ca-certificates.crt"
	// caLink is where OpenSSL built for /etc/ssl, and some others, look.
	caLink = "etc/ssl/cert.pem"

	// staticFormat is raised when Static gives other bytes for a reason other than a new RootsVersion.
	staticFormat = "1"

	// nsswitch is what a statically linked glibc needs to ask DNS after /etc/hosts; musl does so without it.
	nsswitch = "passwd: files\ngroup: files\nhosts: files dns\n"
)

// StaticOptions choose the files that do not depend on the program.
type StaticOptions struct {
	CA bool // Mozilla's certificates, ~180 kB
}

// StaticVersion names the content of Static: while it is the same, so is the tree for equal options.
func StaticVersion() string { return staticFormat + "-" + RootsVersion }

// Static gives the files that every program needs: passwd, group and nsswitch.conf, a /tmp for everyone, and with CA the
// certificates at CABundle and a link to them. For one StaticVersion the tree is constant.
func Static(o StaticOptions) Tree {
	t := Tree{
		{Path: "etc", Mode: dirMode},
		memory("etc/group", group()),
		memory("etc/nsswitch.conf", nsswitch),
		memory("etc/passwd", passwd()),
	}
	if o.CA {
		t = append(t, caDirs()...)
		t = append(t, caEntry(rootsSize(), roots), caLinkEntry())
	}
	t = append(t, Entry{Path: "tmp", Mode: fs.ModeDir | fs.ModeSticky | 0o777})
	sortTree(t)
	return t
}

func caDirs() Tree {
	return Tree{{Path: "etc/ssl", Mode: dirMode}, {Path: "etc/ssl/certs", Mode: dirMode}}
}

// caEntry is the bundle; its bytes are made when they are read.
func caEntry(size int64, pem func() []byte) Entry {
	return Entry{Path: CABundle, Mode: 0o644, Size: size, Open: func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(pem())), nil
	}}
}

func caLinkEntry() Entry {
	return Entry{Path: caLink, Mode: linkMode, Link: strings.TrimPrefix(CABundle, "etc/ssl/")}
}

// memory is a root-owned file with a text.
func memory(path, text string) Entry {
	return Entry{Path: path, Mode: 0o644, Size: int64(len(text)), Open: func() (io.ReadCloser, error) {
		return io.NopCloser(strings.NewReader(text)), nil
	}}
}
