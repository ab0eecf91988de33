// SPDX-License-Identifier: MIT OR Apache-2.0

package image

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strconv"
	"strings"

	"sampan/internal/rootfs"
)

// The tar format is written here and not by the standard library, since its bytes are part of every digest that we
// promise to keep: POSIX.1-2001 ustar headers, with a PAX extended header in front only for what ustar cannot hold.
// No times (all are the epoch), no user or group names, no device numbers.
const (
	tarBlock = 512

	nameLen   = 100
	prefixLen = 155
	maxSize   = 1<<33 - 1 // eleven octal digits
	maxID     = 1<<21 - 1 // seven octal digits

	typeFile    = '0'
	typeSymlink = '2'
	typeDir     = '5'
	typePAX     = 'x'

	paxName = "PaxHeaders.0/pax"
)

// tarHeader holds the fields of one ustar header that differ between entries.
type tarHeader struct {
	name, prefix, link string
	mode               int64
	uid, gid, size     int64
	kind               byte
}

// appendEntry appends what stands before the content of e: its header, and a PAX header when it needs one.
func appendEntry(b []byte, e *rootfs.Entry) []byte {
	h := tarHeader{name: e.Path, link: e.Link, mode: tarMode(e.Mode), uid: int64(e.UID), gid: int64(e.GID), size: e.Size, kind: typeFile}
	switch {
	case e.Mode.IsDir():
		h.kind, h.name, h.size = typeDir, e.Path+"/", 0
	case e.Mode&fs.ModeSymlink != 0:
		h.kind, h.size = typeSymlink, 0
	}
	// The records stand in the order of their keys.
	var records []byte
	if e.Caps != 0 {
		// No standard has extended attributes; this key is the one that all engines read.
		records = appendRecord(records, "SCHILY.xattr."+rootfs.XattrCapability, string(e.Caps.Xattr()))
	}
	records = paxNumber(records, "gid", &h.gid, maxID)
	if len(h.link) > nameLen || !isASCII(h.link) {
		records = appendRecord(records, "linkpath", h.link)
		h.link = plain(h.link)
	}
	if prefix, name, ok := splitName(h.name); ok {
		h.prefix, h.name = prefix, name
	} else {
		records = appendRecord(records, "path", h.name)
		h.name = plain(h.name)
	}
	records = paxNumber(records, "size", &h.size, maxSize)
	records = paxNumber(records, "uid", &h.uid, maxID)
	if len(records) > 0 {
		b = appendHeader(b, &tarHeader{name: paxName, mode: 0o644, size: int64(len(records)), kind: typePAX})
		b = append(b, records...)
		b = append(b, make([]byte, padding(int64(len(records))))...)
	}
	return appendHeader(b, &h)
}

func tarMode(m fs.FileMode) int64 {
	mode := int64(m.Perm())
	if m&fs.ModeSetuid != 0 {
		mode |= 0o4000
	}
	if m&fs.ModeSetgid != 0 {
		mode |= 0o2000
	}
	if m&fs.ModeSticky != 0 {
		mode |= 0o1000
	}
	return mode
}

// splitName parts a long name at a slash into ustar's two fields. A name that fits neither is not ok.
func splitName(name string) (prefix, rest string, ok bool) {
	if !isASCII(name) {
		return "", "", false
	}
	if len(name) <= nameLen {
		return "", name, true
	}
	// The last byte may be a folder's slash, which belongs to its name.
	at := strings.LastIndexByte(name[:min(len(name)-1, prefixLen+1)], '/')
	if at <= 0 || len(name)-at-1 > nameLen {
		return "", "", false
	}
	return name[:at], name[at+1:], true
}

// paxNumber adds a record for a number that is too big for its field, and empties the field.
func paxNumber(records []byte, key string, value *int64, limit int64) []byte {
	if *value <= limit {
		return records
	}
	records = appendRecord(records, key, strconv.FormatInt(*value, 10))
	*value = 0
	return records
}

// appendRecord appends "LENGTH key=value\n", where LENGTH counts its own digits too (POSIX pax, "Extended Header").
func appendRecord(b []byte, key, value string) []byte {
	rest := len(key) + len(value) + len(" =\n")
	length := rest + len(strconv.Itoa(rest))
	if rest+len(strconv.Itoa(length)) != length {
		length = rest + len(strconv.Itoa(length))
	}
	return fmt.Appendf(b, "%d %s=%s\n", length, key, value)
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

// plain is what readers without PAX see of a name.
func plain(s string) string {
	b := []byte(s[:min(len(s), nameLen)])
	for i := range b {
		if b[i] >= 0x80 {
			b[i] = '_'
		}
	}
	return string(b)
}

// appendHeader appends one ustar header: POSIX.1-2001, "ustar Interchange Format".
func appendHeader(b []byte, h *tarHeader) []byte {
	start := len(b)
	b = append(b, make([]byte, tarBlock)...)
	f := b[start:]
	copy(f[0:100], h.name)
	octal(f[100:108], h.mode)
	octal(f[108:116], h.uid)
	octal(f[116:124], h.gid)
	octal(f[124:136], h.size)
	octal(f[136:148], 0) // mtime: the epoch
	f[156] = h.kind
	copy(f[157:257], h.link)
	copy(f[257:265], "ustar\x0000")
	octal(f[329:337], 0) // device numbers
	octal(f[337:345], 0)
	copy(f[345:500], h.prefix)

	sum := int64(8 * ' ') // the sum counts its own field as spaces
	for _, c := range f {
		sum += int64(c)
	}
	octal(f[148:155], sum)
	f[155] = ' '
	return b
}

// octal fills all but the last byte of f, which stays NUL.
func octal(f []byte, v int64) {
	for i := len(f) - 2; i >= 0; i-- {
		f[i] = byte('0' + v&7)
		v >>= 3
	}
}

func padding(size int64) int64 { return -size & (tarBlock - 1) }

// writeTar gives the tree as a tar stream to w.
func writeTar(t rootfs.Tree, w *feeder) error {
	var header []byte
	for i := range t {
		e := &t[i]
		header = appendEntry(header[:0], e)
		if err := w.write(header); err != nil {
			return err
		}
		if !e.Mode.IsRegular() {
			continue
		}
		if err := writeContent(e, w); err != nil {
			return err
		}
		if err := w.zeros(padding(e.Size)); err != nil {
			return err
		}
	}
	return w.zeros(2 * tarBlock)
}

// SizeError says that a file of a tree gave another number of bytes than its entry promised.
type SizeError struct {
	Path string // in the image
	Size int64  // promised, in bytes
	Got  int64  // bytes read; one more than Size when there were more
}

func (e *SizeError) Error() string {
	if e.Got > e.Size {
		return fmt.Sprintf("pack %q: it has more than the %d bytes that were expected", e.Path, e.Size)
	}
	return fmt.Sprintf("pack %q: it has %d bytes, expected %d", e.Path, e.Got, e.Size)
}

// Hint says what to do.
func (e *SizeError) Hint() string {
	return "the file changed while it was packed: stop what writes to it, then run the same command again"
}

func writeContent(e *rootfs.Entry, w *feeder) (err error) {
	r, err := e.Open()
	if err != nil {
		return fmt.Errorf("pack %q: %w", e.Path, err)
	}
	defer func() {
		if closeErr := r.Close(); err == nil && closeErr != nil {
			err = fmt.Errorf("pack %q: %w", e.Path, closeErr)
		}
	}()
	for left := e.Size; left > 0; {
		space, err := w.space()
		if err != nil {
			return err
		}
		n, err := r.Read(space[:min(int64(len(space)), left)])
		left -= int64(n)
		w.advance(n)
		w.done += int64(n)
		if left > 0 && errors.Is(err, io.EOF) {
			return &SizeError{Path: e.Path, Size: e.Size, Got: e.Size - left}
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("pack %q: %w", e.Path, err)
		}
	}
	return checkEnd(e, r)
}

// checkEnd reads on to see that nothing follows; a reader may also find only there that its file has changed.
func checkEnd(e *rootfs.Entry, r io.Reader) error {
	var more [1]byte
	n, err := io.ReadFull(r, more[:])
	switch {
	case n > 0:
		return &SizeError{Path: e.Path, Size: e.Size, Got: e.Size + 1}
	case !errors.Is(err, io.EOF):
		return fmt.Errorf("pack %q: %w", e.Path, err)
	}
	return nil
}
