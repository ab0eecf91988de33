// SPDX-License-Identifier: MIT OR Apache-2.0

package rootfs

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"testing"
	"time"
)

// zoneinfoDigest is the digest of the archive of ZoneinfoVersion, as `go generate` prints it.
const zoneinfoDigest = "sha256:8b6409e4dfb403cfaf571d5329448663bd3d67b29e91b23dcd1862fcdaa3e5d4"

func TestZoneinfoArchive(t *testing.T) {
	equal(t, zoneinfoDigest, fmt.Sprintf("sha256:%x", sha256.Sum256(zoneinfoArchive)))
	if len(zoneinfoArchive) > 120<<10 {
		t.Errorf("%d bytes", len(zoneinfoArchive))
	}
	for _, cut := range []int{0, 10, len(zoneinfoArchive) / 2, len(zoneinfoArchive) - 1} {
		if tree, err := expandZoneinfo(zoneinfoArchive[:cut]); err == nil && len(tree) > 0 {
			t.Errorf("the first %d bytes give %d zones", cut, len(tree))
		}
	}
}

func TestZoneinfo(t *testing.T) {
	tree := mustFiles(t, FilesOptions{Zoneinfo: true})
	byPath := map[string]Entry{}
	zones := 0
	for _, e := range tree {
		byPath[e.Path] = e
		if !strings.HasPrefix("usr/share/zoneinfo/", e.Path) && !strings.HasPrefix(e.Path, "usr/share/zoneinfo/") {
			t.Errorf("%s is elsewhere", e.Path)
		}
		if parent := path.Dir(e.Path); parent != "." && !byPath[parent].Mode.IsDir() {
			t.Errorf("%s has no folder", e.Path)
		}
	}
	for _, e := range tree {
		if e.Mode.IsDir() {
			continue
		}
		zones++
		file := e
		if e.Mode.Type() == fs.ModeSymlink {
			file = byPath[path.Join(path.Dir(e.Path), e.Link)]
		}
		if !file.Mode.IsRegular() || file.Open == nil {
			t.Fatalf("%s -> %q leads nowhere", e.Path, e.Link)
		}
		name := strings.TrimPrefix(e.Path, "usr/share/zoneinfo/")
		if _, err := time.LoadLocationFromTZData(name, []byte(content(t, file))); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if zones <= 500 {
		t.Errorf("only %d zones", zones)
	}
	for _, name := range []string{"UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires", "Asia/Kolkata", "US/Eastern"} {
		if _, ok := byPath["usr/share/zoneinfo/"+name]; !ok {
			t.Errorf("no %s", name)
		}
	}
	equal(t, listing(t, tree), listing(t, mustFiles(t, FilesOptions{Zoneinfo: true})))
}

// The rules are today's: these instants were looked up elsewhere.
func TestZoneinfoRules(t *testing.T) {
	tree := mustFiles(t, FilesOptions{Zoneinfo: true})
	for name, want := range map[string]string{"Europe/Berlin": "2026-07-01T14:00:00+02:00", "Asia/Tokyo": "2026-07-01T21:00:00+09:00",
		"America/New_York": "2026-07-01T08:00:00-04:00", "Asia/Kathmandu": "2026-07-01T17:45:00+05:45"} {
		e, _ := tree.lookup("usr/share/zoneinfo/" + name)
		if e.Link != "" {
			e, _ = tree.lookup(path.Join(path.Dir(e.Path), e.Link))
		}
		loc, err := time.LoadLocationFromTZData(name, []byte(content(t, e)))
		if err != nil {
			t.Fatal(err)
		}
		equal(t, want, time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC).In(loc).Format(time.RFC3339))
	}
}

func TestRelative(t *testing.T) {
	for _, c := range [][3]string{{"z/a", "z/b", "b"}, {"z/US/E", "z/America/N", "../America/N"}, {"z/a/b/c", "z/d", "../../d"}, {"z/d", "z/a/b", "a/b"}, {"a", "b/c", "b/c"}} {
		equal(t, c[2], relative(c[0], c[1]))
		equal(t, c[1], path.Join(path.Dir(c[0]), relative(c[0], c[1])))
	}
}

func BenchmarkZoneinfo(b *testing.B) {
	for b.Loop() {
		if _, err := expandZoneinfo(zoneinfoArchive); err != nil {
			b.Fatal(err)
		}
	}
}
