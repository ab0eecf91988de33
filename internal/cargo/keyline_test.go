// SPDX-License-Identifier: MIT OR Apache-2.0

package cargo

import (
	"strings"
	"testing"
)

const manifest = `# 1
[package] # 2
name = "x" # 3
metadata.docs = { all-features = true } # 4
[package.metadata.sampan] # 5
user = "1:1" # 6
labels."org.example/a.b" = "v" # 7
env = { A = "1", B = "2" } # 8
files = [ # 9
  { source = "a", destination = "/a" }, # 10
  { source = "b", destination = "/b" }, # 11
]
# 13
ports = [80, # 14
  "443"] # 15
[[package.metadata.sampan.image]] # 16
name = "one" # 17
[package.metadata.sampan.image.env] # 18
C = "3" # 19
[[package.metadata.sampan.image]] # 20
name = "two" # 21
files = [{source = "z"}] # 22
"quoted key" = 1 # 23
[workspace.metadata.sampan] # 24
user = "2:2" # 25
`

func TestKeyLine(t *testing.T) {
	for path, want := range map[string]int{
		"package": 2, "package/name": 3, "package/metadata/docs/all-features": 4, "package/metadata/docs": 4,
		"package/metadata/sampan": 5, "package/metadata/sampan/user": 6, "package/metadata/sampan/labels": 7,
		"package/metadata/sampan/labels/org.example|a.b": 7, "package/metadata/sampan/env": 8, "package/metadata/sampan/env/B": 8,
		"package/metadata/sampan/files": 9, "package/metadata/sampan/files/0": 10, "package/metadata/sampan/files/0/source": 10,
		"package/metadata/sampan/files/1": 11, "package/metadata/sampan/files/1/destination": 11, "package/metadata/sampan/ports/1": 15,
		"package/metadata/sampan/image": 16, "package/metadata/sampan/image/0": 16, "package/metadata/sampan/image/0/name": 17,
		"package/metadata/sampan/image/0/env": 18, "package/metadata/sampan/image/0/env/C": 19, "package/metadata/sampan/image/1": 20,
		"package/metadata/sampan/image/1/name": 21, "package/metadata/sampan/image/1/files/0/source": 22,
		"package/metadata/sampan/image/1/quoted key": 23, "workspace/metadata/sampan/user": 25, "workspace": 24,
		"package/metadata/sampan/image/2": 0, "package/nothing": 0, "package/name/below": 0, "package/metadata/sampan/image/1/env": 0,
	} {
		words := strings.Split(path, "/")
		for i := range words {
			words[i] = strings.ReplaceAll(words[i], "|", "/")
		}
		if got := KeyLine(manifest, words); got != want {
			t.Errorf("%s: line %d, want %d", path, got, want)
		}
	}
	for name, text := range map[string]string{"empty": "", "broken": "[a\nb = 1", "late": "[a]\nx = \n"} {
		if got := KeyLine(text, []string{"b"}); got != 0 {
			t.Errorf("%s: line %d", name, got)
		}
	}
	if got := KeyLine("[a]\nb = 1\nbroken", []string{"a", "b"}); got != 2 {
		t.Errorf("before a fault: line %d", got)
	}
}

func FuzzKeyLine(f *testing.F) {
	f.Add(manifest, "package/metadata/sampan/files/0/source")
	f.Add("a = "+strings.Repeat("[", 500), "a/0")
	f.Add("[[a]]\n[[a.b]]\n[a.b.c]\nx.y = {z = [1]}", "a/0/b/0/c/x/y/z/0")
	f.Fuzz(func(t *testing.T, text, path string) {
		line := KeyLine(text, strings.Split(path, "/"))
		if line < 0 || line > strings.Count(text, "\n")+1 {
			t.Errorf("line %d", line)
		}
	})
}
