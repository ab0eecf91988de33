// SPDX-License-Identifier: MIT OR Apache-2.0

package output

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const someDigest = "sha256:" + "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

// foreignIndex holds what we never write: odd spacing, unknown members, other algorithms, text that must not be escaped.
var foreignIndex = `{ "x-first": {"b" : 1.50, "a":"<&>\u00e9"},
 "schemaVersion": 2, "manifests": [
  {"mediaType":"application/vnd.example+json" , "size": 7, "digest":"sha512:` +
	strings.Repeat("0", 128) + `",
   "data":"<b>", "annotations": null, "x": [1, 2 ]},
  {"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"` + someDigest + `","size":9,"annotations":{"org.opencontainers.image.ref.name":"theirs","k":"<v>"}}
 ], "annotations":{"z":"1","y":"2"} }
`

func TestForeignIndexStaysVerbatim(t *testing.T) {
	x, err := parseIndex([]byte(foreignIndex))
	if err != nil {
		t.Fatal(err)
	}
	x.set(descriptor{raw: json.RawMessage(`{"ours":true}`), name: "ours"})
	got, err := x.encode()
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{`{"b" : 1.50, "a":"<&>\u00e9"}`, `{"mediaType":"application/vnd.example+json" , "size": 7`,
		`"x": [1, 2 ]}`, `"k":"<v>"}}`, `{"z":"1","y":"2"}`, `{"ours":true}]`} {
		if !bytes.Contains(got, []byte(part)) {
			t.Errorf("%s is gone from %s", part, got)
		}
	}
	if !json.Valid(got) || !bytes.HasPrefix(got, []byte(`{"x-first":`)) {
		t.Errorf("%s", got)
	}
	x.set(descriptor{raw: json.RawMessage(`{"new":true}`), name: "theirs"})
	if len(x.manifests) != 3 || string(x.manifests[1].raw) != `{"new":true}` {
		t.Errorf("%+v", x.manifests)
	}
}

func TestDeliveryKeepsForeignDescriptors(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "l")
	write1(t, "oci:"+dir, payloadOf(t, "a", 1))
	if err := os.WriteFile(dir+"/index.json", []byte(foreignIndex), 0o644); err != nil {
		t.Fatal(err)
	}
	write1(t, "oci:"+dir, payloadOf(t, "a", 2))
	got, err := os.ReadFile(dir + "/index.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{`"x": [1, 2 ]}`, `"k":"<v>"}}`, `"latest"`} {
		if !bytes.Contains(got, []byte(part)) {
			t.Errorf("%s is gone from %s", part, got)
		}
	}
	// The foreign manifest is not there: what it would reach is unknown, so everything stays.
	for _, d := range digestsOf(t, payloadOf(t, "a", 1), payloadOf(t, "a", 2)) {
		if _, err := os.Stat(dir + "/blobs/sha256/" + d[7:]); err != nil {
			t.Error(err)
		}
	}
}

// hostileIndexes are all refused.
func hostileIndexes() map[string]string {
	desc := func(s string) string { return `{"schemaVersion":2,"manifests":[` + s + `]}` }
	return map[string]string{
		"empty":           ``,
		"null":            `null`,
		"array":           `[]`,
		"cut":             `{"schemaVersion":2,"manifests":[`,
		"trailing":        `{"schemaVersion":2,"manifests":[]} {}`,
		"no manifests":    `{"schemaVersion":2}`,
		"version 1":       `{"schemaVersion":1,"manifests":[]}`,
		"other case":      `{"schemaVersion":2,"Manifests":[]}`,
		"twice":           `{"schemaVersion":2,"manifests":[],"manifests":[]}`,
		"confused":        `{"schemaVersion":2,"manifests":[],"layers":[]}`,
		"docker type":     `{"schemaVersion":2,"mediaType":"application/vnd.docker.distribution.manifest.list.v2+json","manifests":[]}`,
		"not UTF-8":       "{\"schemaVersion\":2,\"manifests\":[],\"\xff\":1}",
		"traversal hex":   desc(`{"digest":"sha256:../../../../etc/passwd","size":1}`),
		"traversal":       desc(`{"digest":"../sha256:aa","size":1}`),
		"slash":           desc(`{"digest":"sha/256:aa","size":1}`),
		"dots":            desc(`{"digest":"..:aa","size":1}`),
		"upper hex":       desc(`{"digest":"` + strings.ToUpper(someDigest) + `","size":1}`),
		"upper":           desc(`{"digest":"sha256:` + strings.ToUpper(someDigest[7:]) + `","size":1}`),
		"short":           desc(`{"digest":"sha256:aa","size":1}`),
		"newline":         desc(`{"digest":"` + someDigest + `\n","size":1}`),
		"no digest":       desc(`{"size":1}`),
		"null descriptor": desc(`null`),
		"no size":         desc(`{"digest":"` + someDigest + `"}`),
		"negative":        desc(`{"digest":"` + someDigest + `","size":-1}`),
		"fraction":        desc(`{"digest":"` + someDigest + `","size":1.5}`),
		"two digests":     desc(`{"digest":"` + someDigest + `","digest":"` + someDigest + `","size":1}`),
		"annotation":      desc(`{"digest":"` + someDigest + `","size":1,"annotations":{"a":1}}`),
		"two names":       desc(`{"digest":"` + someDigest + `","size":1,"annotations":{"` + refName + `":"a","` + refName + `":"b"}}`),
		"too large":       `{"schemaVersion":2,"manifests":[],"x":"` + strings.Repeat("x", maxJSON) + `"}`,
		"deep":            `{"schemaVersion":2,"manifests":[],"x":` + strings.Repeat("[", 100000) + strings.Repeat("]", 100000) + `}`,
	}
}

func TestHostileIndexIsRefusedAndKept(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "l")
	write1(t, "oci:"+dir, payloadOf(t, "a", 1))
	for name, text := range hostileIndexes() {
		if _, err := parseIndex([]byte(text)); err == nil {
			t.Errorf("%s is taken", name)
		}
		if err := os.WriteFile(dir+"/index.json", []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		before := snapshot(t, dir)
		_, err := mustParse(t, "oci:"+dir).Write(t.Context(), []Payload{payloadOf(t, "a", 2)})
		var p *PlaceError
		if !errors.As(err, &p) || !strings.Contains(err.Error(), dir) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		hinted(t, err, "-o oci:"+dir+"-new")
		if len(err.Error()) > 1000 {
			t.Errorf("%s: message of %d bytes", name, len(err.Error()))
		}
		if after := snapshot(t, dir); after != before {
			t.Errorf("%s: the layout changed", name)
		}
	}
	if err := os.Remove(dir + "/index.json"); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/etc/hostname", dir+"/index.json"); err != nil {
		t.Fatal(err)
	}
	if _, err := mustParse(t, "oci:"+dir).Write(t.Context(), []Payload{payloadOf(t, "a", 2)}); err == nil {
		t.Error("a link is read")
	}
}

func FuzzLayoutIndex(f *testing.F) {
	for _, text := range hostileIndexes() {
		if len(text) < 1<<16 {
			f.Add([]byte(text))
		}
	}
	f.Add([]byte(foreignIndex))
	fresh, err := newIndex().encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(fresh)
	ours := descriptor{raw: json.RawMessage(`{"mediaType":"m","size":1,"digest":"` + someDigest +
		`","annotations":{"` + refName + `":"ours"}}`), mediaType: "m", digest: someDigest, size: 1, name: "ours"}
	nothing := dir(f.TempDir())
	f.Fuzz(func(t *testing.T, data []byte) {
		x, err := parseIndex(data)
		if err != nil {
			return
		}
		foreign := len(x.manifests)
		for _, d := range x.manifests {
			if !validDigest(d.digest) || strings.ContainsAny(d.digest, "/\\\x00") || strings.Contains(d.digest, "..") {
				t.Fatalf("digest %q", d.digest)
			}
			algorithm, encoded, _ := strings.Cut(d.digest, ":")
			if path := dir("l").join("blobs", algorithm, encoded); path != "l/blobs/"+algorithm+"/"+encoded {
				t.Fatalf("path of %q: %s", d.digest, path)
			}
			if d.name == ours.name {
				foreign--
			}
		}
		x.set(ours)
		out, err := x.encode()
		if err != nil {
			return // too large with ours
		}
		if !json.Valid(out) {
			t.Fatalf("invalid: %q", out)
		}
		again, err := parseIndex(out)
		if err != nil {
			t.Fatalf("read again: %v: %q", err, out)
		}
		if !again.names(ours) || len(again.manifests) != foreign+1 {
			t.Fatalf("%d descriptors of %d: %q", len(again.manifests), foreign+1, out)
		}
		for i, d := range x.manifests {
			if !bytes.Equal(d.raw, again.manifests[i].raw) {
				t.Fatalf("descriptor %d changed: %q, %q", i, d.raw, again.manifests[i].raw)
			}
		}
		second, err := again.encode()
		if err != nil || !bytes.Equal(second, out) {
			t.Fatalf("not stable: %v %q %q", err, out, second)
		}
		// The walk over it ends, whatever is (not) there.
		nothing.reached(again)
	})
}
