// SPDX-License-Identifier: MIT OR Apache-2.0

package cargo

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	lock1 = `# old
[root]
name = "app"
version = "0.1.0"
dependencies = ["a 1.0.0 (registry+https://example.com/index)", "g 0.1.0 (git+https://example.com/g#abc)"]

[[package]]
name = "a"
version = "1.0.0"
source = "registry+https://example.com/index"

[[package]]
name = "g"
version = "0.1.0"
source = "git+https://example.com/g#abc"

[metadata]
"checksum a 1.0.0 (registry+https://example.com/index)" = "aa11"
"checksum g 0.1.0 (git+https://example.com/g#abc)" = "<none>"
`
	lock4 = `version = 4

[[package]]
name = "app"
version = "0.1.0"
dependencies = [
 "a 1.0.0",
 "a 2.0.0 (registry+https://example.com/index)",
 "g",
 "h 0.1.0 (git+https://example.com/h?branch=x)",
]

[[package]]
name = "a"
version = "1.0.0"
source = "registry+https://example.com/index"
checksum = "aa11"

[[package]]
name = "a"
version = "2.0.0"
source = "registry+https://example.com/index"
checksum = "aa22"
dependencies = ["a 1.0.0"]

[[package]]
name = "a"
version = "2.0.0"
source = "registry+https://other.example.com/index"

[[package]]
name = "g"
version = "0.1.0"
source = "git+https://example.com/g#abc"

[[package]]
name = "h"
version = "0.1.0"
source = "git+https://example.com/h?branch=x#def"

[[patch.unused]]
name = "u"
version = "1.0.0"
`
)

func TestParseLock(t *testing.T) {
	one, err := ParseLock([]byte(lock1))
	if err != nil {
		t.Fatal(err)
	}
	want := &LockFile{Version: 1, Packages: []LockPackage{
		{Name: "a", Version: "1.0.0", Source: "registry+https://example.com/index", Checksum: "aa11"},
		{Name: "g", Version: "0.1.0", Source: "git+https://example.com/g#abc"},
		{Name: "app", Version: "0.1.0", Dependencies: []int{0, 1}},
	}}
	if d := cmp.Diff(want, one); d != "" {
		t.Error(d)
	}
	path := filepath.Join(t.TempDir(), "Cargo.lock")
	if err := os.WriteFile(path, []byte(lock4), 0o644); err != nil {
		t.Fatal(err)
	}
	four, err := ReadLock(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]int{1, 2, 4, 5}, four.Packages[0].Dependencies); d != "" || four.Version != 4 || len(four.Packages) != 6 {
		t.Errorf("%s %+v", d, four)
	}
	if p := four.Packages[2]; p.Checksum != "aa22" || !cmp.Equal(p.Dependencies, []int{1}) {
		t.Errorf("%+v", p)
	}
}

func TestParseLockRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"no TOML": "[[package", "no name": "[[package]]\nversion = '1.0.0'\n", "wrong type": "version = 'x'\n",
		"dangling":  "[[package]]\nname = 'a'\nversion = '1'\ndependencies = ['b']\n",
		"ambiguous": "[[package]]\nname = 'a'\nversion = '1'\ndependencies = ['b']\n[[package]]\nname = 'b'\nversion = '1'\n[[package]]\nname = 'b'\nversion = '2'\n",
	} {
		if l, err := ParseLock([]byte(text)); err == nil {
			t.Errorf("%s: %+v", name, l)
		}
	}
	if _, err := ReadLock(t.TempDir()); err == nil {
		t.Error("a folder was read")
	}
	if _, err := ReadLock(filepath.Join(t.TempDir(), "x")); err == nil {
		t.Error("a missing file was read")
	}
}

func FuzzParseLock(f *testing.F) {
	f.Add([]byte(lock1))
	f.Add([]byte(lock4))
	f.Fuzz(func(t *testing.T, data []byte) {
		l, err := ParseLock(data)
		if err != nil {
			return
		}
		for _, p := range l.Packages {
			for _, d := range p.Dependencies {
				if d < 0 || d >= len(l.Packages) {
					t.Errorf("dependency %d of %d", d, len(l.Packages))
				}
			}
		}
	})
}

func TestIsLockError(t *testing.T) {
	for text, want := range map[string]bool{
		"error: the lock file /w/Cargo.lock needs to be updated but --locked was passed to prevent this\nIf you want to try":        true,
		"error: the lock file /w/Cargo.lock needs to be updated but --frozen was passed to prevent this":                            true,
		"    Updating index\nerror: cannot update the lock file /w/Cargo.lock because --locked was passed to prevent this\nhelp: x": true,
		"error: cannot create the lock file /w/Cargo.lock because --locked was passed to prevent this":                              true,
		"error: could not compile `app`\nnote: use the lock file with --locked":                                                     false,
		"": false, strings.Repeat("x", 100000): false,
	} {
		if got := IsLockError(text); got != want {
			t.Errorf("%.80q: %t", text, got)
		}
	}
}
