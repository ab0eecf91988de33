// SPDX-License-Identifier: MIT OR Apache-2.0

package cargo

import (
	"fmt"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

// lockLimit bounds a Cargo.lock, in bytes: a hundred times the largest seen.
const lockLimit = 64 << 20

// LockFile is what a Cargo.lock says, of any of its formats (1 to 4).
type LockFile struct {
	Version  int // 1 where the file says none
	Packages []LockPackage
}

// LockPackage is one package of a LockFile.
type LockPackage struct {
	Name         string
	Version      string
	Source       string // "registry+…", "git+…#commit"; "" for members and path dependencies
	Checksum     string // SHA-256 of the .crate file in hex, "" where there is none
	Dependencies []int  // indexes into Packages, in the file's order
}

// ReadLock reads a Cargo.lock.
func ReadLock(path string) (*LockFile, error) {
	data, err := readBounded(path, lockLimit)
	if err != nil {
		return nil, fmt.Errorf("read lock file: %w", err)
	}
	l, err := ParseLock(data)
	if err != nil {
		return nil, fmt.Errorf("read lock file %s: %w", path, err)
	}
	return l, nil
}

// rawLock is the file's own shape.
type rawLock struct {
	Version  int               `toml:"version"`
	Root     *rawLockPackage   `toml:"root"` // before 2018
	Package  []rawLockPackage  `toml:"package"`
	Metadata map[string]string `toml:"metadata"` // format 1: "checksum name version (source)"
}

type rawLockPackage struct {
	Name         string   `toml:"name"`
	Version      string   `toml:"version"`
	Source       string   `toml:"source"`
	Checksum     string   `toml:"checksum"`
	Dependencies []string `toml:"dependencies"`
}

// ParseLock reads the content of a Cargo.lock. A dependency on a package that the file does not hold, or that it
// holds more than once by that description, is an error: cargo writes neither.
func ParseLock(data []byte) (*LockFile, error) {
	if len(data) > lockLimit {
		return nil, fmt.Errorf("larger than %d bytes", lockLimit)
	}
	var raw rawLock
	if err := toml.Unmarshal(data, &raw); err != nil {
		return nil, err
	}
	if raw.Root != nil {
		raw.Package = append(raw.Package, *raw.Root)
	}
	l := &LockFile{Version: max(raw.Version, 1), Packages: make([]LockPackage, len(raw.Package))}
	byName := make(map[string][]int, len(raw.Package))
	for i, p := range raw.Package {
		if p.Name == "" || p.Version == "" {
			return nil, fmt.Errorf("package %d has no name or no version", i+1)
		}
		sum := p.Checksum
		if sum == "" {
			sum = raw.Metadata["checksum "+p.Name+" "+p.Version+" ("+p.Source+")"]
		}
		if sum == "<none>" {
			sum = ""
		}
		l.Packages[i] = LockPackage{Name: p.Name, Version: p.Version, Source: p.Source, Checksum: sum}
		byName[p.Name] = append(byName[p.Name], i)
	}
	for i, p := range raw.Package {
		for _, d := range p.Dependencies {
			n, err := l.find(byName, d)
			if err != nil {
				return nil, fmt.Errorf("package %q: %w", p.Name, err)
			}
			l.Packages[i].Dependencies = append(l.Packages[i].Dependencies, n)
		}
	}
	return l, nil
}

// find looks up a dependency: "name", "name version" or "name version (source)".
func (l *LockFile) find(byName map[string][]int, dep string) (int, error) {
	name, rest, _ := strings.Cut(dep, " ")
	version, source, _ := strings.Cut(rest, " ")
	source = strings.TrimSuffix(strings.TrimPrefix(source, "("), ")")
	found := -1
	for _, i := range byName[name] {
		p := l.Packages[i]
		if version != "" && p.Version != version || source != "" && !sameSource(p.Source, source) {
			continue
		}
		if found >= 0 {
			return 0, fmt.Errorf("dependency %q is ambiguous", dep)
		}
		found = i
	}
	if found < 0 {
		return 0, fmt.Errorf("dependency %q is not in the file", dep)
	}
	return found, nil
}

// sameSource compares sources; a dependency may leave out the commit of a git source.
func sameSource(full, short string) bool {
	if full == short {
		return true
	}
	base, _, _ := strings.Cut(full, "#")
	return base == short && strings.HasPrefix(full, "git+")
}

// IsLockError reports whether cargo's stderr says that Cargo.lock is missing or does not fit the manifests, and that
// --locked or --frozen forbids to write it, in any wording since cargo 1.0.
func IsLockError(stderr string) bool {
	for line := range strings.Lines(stderr) {
		if strings.Contains(line, "lock file") && strings.Contains(line, "was passed to prevent this") &&
			(strings.Contains(line, "--locked") || strings.Contains(line, "--frozen")) {
			return true
		}
	}
	return false
}
