// SPDX-License-Identifier: MIT OR Apache-2.0

package rootfs

import (
	"archive/tar"
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"sync"

	"github.com/klauspost/compress/gzip"
)

//go:generate go run gen/zoneinfo.go -out zoneinfo.tar.gz

// ZoneinfoVersion is the release of the IANA time zone database that FilesOptions.Zoneinfo adds; the digest of the
// archive that is embedded stands in a test.
const ZoneinfoVersion = "2025c"

const zoneinfoDir = "usr/share/zoneinfo/"

//go:embed zoneinfo.tar.gz
var zoneinfoArchive []byte

// zoneinfo gives the files below usr/share/zoneinfo: each zone's rules once, and links for the other names of the same
// rules, as distributions have them.
var zoneinfo = sync.OnceValues(func() (Tree, error) {
	t, err := expandZoneinfo(zoneinfoArchive)
	if err != nil {
		return nil, fmt.Errorf("expand zoneinfo: %w", err)
	}
	return t, nil
})

func expandZoneinfo(archive []byte) (Tree, error) {
	z, err := gzip.NewReader(bytes.NewReader(archive))
	if err != nil {
		return nil, err
	}
	defer z.Close()
	var t Tree
	first := map[string]string{} // content to name
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		data, err := io.ReadAll(r)
		if err != nil {
			return nil, err
		}
		name := zoneinfoDir + h.Name
		if same, ok := first[string(data)]; ok {
			t = append(t, Entry{Path: name, Mode: linkMode, Link: relative(name, same)})
			continue
		}
		first[string(data)] = name
		t = append(t, memory(name, string(data)))
	}
	// The tar stream ends before gzip's own checksum, which is to be looked at too.
	if _, err := io.Copy(io.Discard, z); err != nil {
		return nil, err
	}
	sortTree(t)
	return t, nil
}

// relative gives the text of a link at one path that leads to another.
func relative(from, to string) string {
	dir := path.Dir(from)
	up := ""
	for dir != "." && !strings.HasPrefix(to, dir+"/") {
		dir, up = path.Dir(dir), up+"../"
	}
	if dir == "." {
		return up + to
	}
	return up + strings.TrimPrefix(to, dir+"/")
}
