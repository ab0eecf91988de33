// SPDX-License-Identifier: MIT OR Apache-2.0

package cargo

import (
	"cmp"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

// vendored is the folder of the newest release of a crate among the vendored ones, "" when there is none. version may
// be empty or shortened. A version before a release ("2.0.0-rc.1") counts only when all of it was said.
func (l *loader) vendored(name, version string) string {
	found, newest := "", ""
	for _, vendor := range l.config.SourceDirs {
		entries, _ := os.ReadDir(vendor)
		for _, e := range entries {
			if e.Name() != name && !strings.HasPrefix(e.Name(), name+"-") {
				continue
			}
			dir := filepath.Join(vendor, e.Name())
			has := versionIn(dir, name)
			if has == "" || !satisfies(has, version) || found != "" && compareVersions(has, newest) <= 0 {
				continue
			}
			found, newest = dir, has
		}
	}
	return found
}

// versionIn is the version of the crate in dir, "" when it is another crate.
func versionIn(dir, name string) string {
	data, err := readBounded(filepath.Join(dir, "Cargo.toml"), manifestLimit)
	if err != nil {
		return ""
	}
	var m manifestHead
	if toml.Unmarshal(data, &m) != nil || m.Package.Name != name || !crateVersion(m.Package.Version) {
		return ""
	}
	return m.Package.Version
}

// manifestHead is what a manifest says of the package's identity.
type manifestHead struct {
	Package struct {
		Name    string `toml:"name"`
		Version string `toml:"version"`
	} `toml:"package"`
}

// satisfies reports whether a full version is the wanted one, or a release that begins with it.
func satisfies(version, wanted string) bool {
	if sameVersion(version, wanted) {
		return true
	}
	numbers, _, _ := strings.Cut(version, "+")
	return !strings.Contains(numbers, "-") && (wanted == "" || strings.HasPrefix(numbers, wanted+"."))
}

// compareVersions orders releases by their numbers.
func compareVersions(a, b string) int {
	as, bs := numbersOf(a), numbersOf(b)
	for i := range as {
		if c := cmp.Compare(as[i], bs[i]); c != 0 {
			return c
		}
	}
	return 0
}

func numbersOf(version string) (out [3]uint64) {
	if i := strings.IndexAny(version, "-+"); i >= 0 {
		version = version[:i]
	}
	for i, word := range strings.SplitN(version, ".", len(out)) {
		out[i], _ = strconv.ParseUint(word, 10, 64)
	}
	return out
}
