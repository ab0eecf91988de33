// SPDX-License-Identifier: MIT OR Apache-2.0

package output

import (
	"errors"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for spec, want := range map[string]layout{
		"oci:out":                  {path: "out"},
		"oci:out:v1":               {path: "out", tag: "v1"},
		"oci:/a/b:1.0_x-y":         {path: "/a/b", tag: "1.0_x-y"},
		"oci:/a:b/c":               {path: "/a:b/c"},
		"oci:/a:b/c:d":             {path: "/a:b/c", tag: "d"},
		"oci:a:b/":                 {path: "a:b/"},
		"oci:a:.b":                 {path: "a:.b"},
		`oci:C:\out`:               {path: `C:\out`},
		`oci:C:\out:v1`:            {path: `C:\out`, tag: "v1"},
		"oci:{name}":               {path: "{name}"},
		"oci:out/{name}:v1":        {path: "out/{name}", tag: "v1"},
		"oci:out:{name}-v1":        {path: "out", tag: "{name}-v1"},
		"oci:with space/é:tag":     {path: "with space/é", tag: "tag"},
		"oci:." + "/x:" + "latest": {path: "./x", tag: "latest"},
	} {
		o, err := Machine{}.Parse(spec)
		if err != nil {
			t.Errorf("%s: %v", spec, err)
			continue
		}
		if got := *o.(*layout); got != want {
			t.Errorf("%s: %+v, not %+v", spec, got, want)
		}
	}
	for _, spec := range []string{"oci-archive:a.tar", "docker-archive:a:b.tar", "oci-archive:{name}.tar"} {
		o, err := Machine{}.Parse(spec)
		if err != nil {
			t.Errorf("%s: %v", spec, err)
			continue
		}
		a := o.(*archive)
		if a.scheme+":"+a.path != spec || a.platform.OS != "linux" || a.platform.Architecture == "" {
			t.Errorf("%s: %+v", spec, a)
		}
	}
}

func TestCutTagOnWindows(t *testing.T) {
	for in, want := range map[string][2]string{
		"C:out":     {"C:out", ""},
		"C:out:v1":  {"C:out", "v1"},
		"C:/out:v1": {"C:/out", "v1"},
		"out:v1":    {"out", "v1"},
	} {
		if dir, tag := cutTag(in, true); dir != want[0] || tag != want[1] {
			t.Errorf("%s: %q %q", in, dir, tag)
		}
	}
	if dir, tag := cutTag("C:out", false); dir != "C" || tag != "out" {
		t.Errorf("elsewhere: %q %q", dir, tag)
	}
}

func TestParseErrors(t *testing.T) {
	for spec, want := range map[string][2]string{ // spec: message, hint
		"":                         {"empty", "-o oci:out/{name}"},
		"out":                      {"no kind of output", "-o oci:out;"},
		"./out:v1":                 {"no kind of output", "-o oci:./out:v1;"},
		`C:\out`:                   {"no kind of output", `-o oci:C:\out;`},
		"img.tar":                  {"no kind of output", "-o docker-archive:img.tar;"},
		"oic:out":                  {`unknown kind of output "oic"`, "-o oci:out;"},
		"docker-archiv:x.tar":      {"unknown kind", "-o docker-archive:x.tar;"},
		"OCI-Archive:x.tar":        {"unknown kind", "-o oci-archive:x.tar;"},
		"registry:host/x":          {"unknown kind", "docker-archive:FILE"},
		"oci:":                     {"no path", "-o oci:"},
		"oci::v1":                  {"no path", "-o oci:"},
		"oci-archive:":             {"no path", "-o oci-archive:"},
		"oci:a/{tag}":              {"unknown placeholder {tag}", "{name}"},
		"oci:a\x00b":               {"NUL", "-o oci:"},
		"oci-archive:a.tar:v1":     {"takes no tag", "-o oci-archive:"},
		"docker-archive:a.tar:x:y": {"takes no tag", "-o docker-archive:"},
		"oci-archive:dir/":         {"ends like a folder", "-o oci-archive:"},
	} {
		_, err := Machine{}.Parse(spec)
		var s *SpecError
		if !errors.As(err, &s) || s.Spec != spec {
			t.Errorf("%q: %v", spec, err)
			continue
		}
		if !strings.Contains(s.Error(), want[0]) {
			t.Errorf("%q: message %q lacks %q", spec, s, want[0])
		}
		hinted(t, err, want[1])
	}
}

func TestNames(t *testing.T) {
	for name, want := range map[string]string{
		"app":               "docker.io/library/app:v",
		"a-b_c.d":           "docker.io/library/a-b_c.d:v",
		"team/app":          "docker.io/team/app:v",
		"ghcr.io/me/app":    "ghcr.io/me/app:v",
		"localhost/app":     "localhost/app:v",
		"localhost:5000/a":  "localhost:5000/a:v",
		"App":               "",
		"a b":               "",
		"é":                 "",
		"-a":                "",
		"a..b":              "",
		"a//b":              "",
		"":                  "",
		"bad_host.io:x/app": "",
	} {
		got, err := fullName(name, "v")
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v", name, got, err)
		}
		if err != nil {
			hinted(t, err, "--name ")
			if _, err := fullName(suggestName(name), "v"); err != nil {
				t.Errorf("%q: suggestion %q: %v", name, suggestName(name), err)
			}
		}
	}
}

func TestFillStaysBelow(t *testing.T) {
	for _, name := range []string{"", "..", "a/../../b", "/abs", "a//b", `a\b`, "a\x00b", "a\nb", "./a"} {
		if path, err := fill("out/{name}", name); err == nil {
			t.Errorf("%q gave %q", name, path)
		} else {
			hinted(t, err, "--name")
		}
	}
	if path, err := fill("o/{name}/{name}.tar", "team/app é"); err != nil || path != "o/team/app é/team/app é.tar" {
		t.Errorf("%q %v", path, err)
	}
}
