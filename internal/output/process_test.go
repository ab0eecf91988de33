// SPDX-License-Identifier: MIT OR Apache-2.0

package output

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// kills is how often TestKills kills; `-kills 200` for the long ring.
var kills = flag.Int("kills", 60, "how many runs TestKills kills")

// childRole, when set, makes this test binary one of the processes that the tests below start.
const childRole = "SAMPAN_OUTPUT_CHILD"

func TestMain(m *testing.M) {
	var err error
	switch role := os.Getenv(childRole); role {
	case "":
		os.Exit(m.Run())
	case "tag":
		err = tagChild(os.Args[1], os.Args[2])
	case "limited":
		err = limitedChild(os.Args[1])
	case "forever":
		err = foreverChild(os.Args[1])
	default:
		err = errors.New(role)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

func child(role string, args ...string) *exec.Cmd {
	c := exec.Command(os.Args[0], args...)
	c.Env = append(os.Environ(), childRole+"="+role)
	return c
}

// tagChild delivers an image of its own under a tag of its own, when its stdin ends.
func tagChild(dir, tag string) error {
	seed, err := strconv.ParseInt(tag, 10, 64)
	if err != nil {
		return err
	}
	img, err := makeImage(seed, "amd64")
	if err != nil {
		return err
	}
	o, err := Machine{}.Parse("oci:" + dir)
	if err != nil {
		return err
	}
	fmt.Println("ready")
	io.Copy(io.Discard, os.Stdin)
	_, err = o.Write(context.Background(), []Payload{{Name: "a", Tags: []string{tag}, Images: []v1.Image{img}}})
	return err
}

// start starts a child and waits until it is ready.
func start(t *testing.T, c *exec.Cmd) (stdin io.Closer) {
	t.Helper()
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	c.Stderr = &bytes.Buffer{}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatal(line, err, c.Stderr)
	}
	return in
}

func TestSixteenProcessesKeepSixteenTags(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "l") // nobody made it before: the first moments are part of the race
	var children []*exec.Cmd
	var gates []io.Closer
	for i := range 16 {
		c := child("tag", dir, strconv.Itoa(i))
		children = append(children, c)
		gates = append(gates, start(t, c))
	}
	for _, g := range gates {
		g.Close()
	}
	for _, c := range children {
		if err := c.Wait(); err != nil {
			t.Error(err, c.Stderr)
		}
	}
	tags := tagsIn(t, dir)
	var ps []Payload
	for i := range 16 {
		p := payloadOf(t, "a", int64(i))
		ps = append(ps, p)
		c, _ := gather(p)
		if tags[strconv.Itoa(i)] != c.top.Digest.String() {
			t.Errorf("tag %d: %q", i, tags[strconv.Itoa(i)])
		}
	}
	if got, want := blobsIn(t, dir), digestsOf(t, ps...); strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("%d blobs, not %d", len(got), len(want))
	}
	if left := temps(t, dir); len(tags) != 16 || left != nil {
		t.Error(len(tags), left)
	}
}

// One process, many goroutines: the same promise.
func TestSixteenGoroutinesKeepSixteenTags(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "l")
	var group sync.WaitGroup
	for i := range 16 {
		p := payloadOf(t, "a", int64(i%3), strconv.Itoa(i))
		o := mustParse(t, "oci:"+dir)
		group.Go(func() {
			if _, err := o.Write(t.Context(), []Payload{p}); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if tags := tagsIn(t, dir); len(tags) != 16 {
		t.Error(tags)
	}
}

// killSpecs are the places that foreverChild writes into, below a folder.
var killSpecs = []string{"oci:%s/l", "oci-archive:%s/o.tar", "docker-archive:%s/d.tar"}

// killPayload is what a run that gets killed delivers: every second image streams, the others come from files.
func killPayload(folder string, n int64) (Payload, error) {
	img, err := makeImage(n%4, "amd64")
	if err != nil {
		return Payload{}, err
	}
	p := Payload{Name: "a", Tags: []string{"latest", strconv.FormatInt(n%2, 10)}, Images: []v1.Image{img}}
	if n%2 == 0 {
		files, err := inFiles(img, filepath.Join(folder, "cache"), new(int))
		if err != nil {
			return p, err
		}
		p.Images = []v1.Image{files}
	}
	return p, nil
}

// foreverChild delivers one image after another to every place until it is killed.
func foreverChild(folder string) error {
	var ps []Payload
	for n := range int64(4) {
		p, err := killPayload(folder, n)
		if err != nil {
			return err
		}
		ps = append(ps, p)
	}
	fmt.Println("ready")
	for n := 0; ; n++ {
		for _, spec := range killSpecs {
			o, err := Machine{}.Parse(fmt.Sprintf(spec, folder))
			if err != nil {
				return err
			}
			if _, err := o.Write(context.Background(), []Payload{ps[n%len(ps)]}); err != nil {
				return err
			}
		}
	}
}

func TestKills(t *testing.T) {
	folder := t.TempDir()
	os.Mkdir(filepath.Join(folder, "cache"), 0o755)
	known := map[string]bool{}
	var ps []Payload
	for n := range int64(4) {
		p, err := killPayload(folder, n) // fills the cache, so that no child dies in the test's own writing
		if err != nil {
			t.Fatal(err)
		}
		ps = append(ps, p)
		c, err := gather(p)
		if err != nil {
			t.Fatal(err)
		}
		known[c.top.Digest.String()] = true
	}
	random := rand.New(rand.NewSource(1))
	seen := 0
	for i := range *kills {
		if i%20 == 0 { // also from nothing
			for _, name := range []string{"l", "o.tar", "d.tar"} {
				os.RemoveAll(filepath.Join(folder, name))
			}
			seen = 0
		}
		c := child("forever", folder)
		start(t, c)
		time.Sleep(time.Duration(random.Intn(12_000)) * time.Microsecond)
		c.Process.Kill()
		if err := c.Wait(); err == nil || c.Stderr.(*bytes.Buffer).Len() > 0 {
			t.Fatal(err, c.Stderr)
		}
		seen = max(seen, checkKilled(t, folder, known, seen))
	}
	if seen == 0 {
		t.Error("no run lived long enough to deliver anything")
	}
	for _, spec := range killSpecs {
		for _, p := range ps {
			write1(t, fmt.Sprintf(spec, folder), p)
		}
	}
	if left := temps(t, folder); left != nil {
		t.Error("the next run left", left)
	}
	if got := blobsIn(t, filepath.Join(folder, "l")); len(got) != len(digestsOf(t, ps[2], ps[3])) {
		t.Errorf("garbage: %d blobs", len(got))
	}
}

// checkKilled reads every place as it is after a kill: each is absent (if it never was there) or whole. It gives the
// number of places that are there, which may not become less.
func checkKilled(t *testing.T, folder string, known map[string]bool, before int) int {
	t.Helper()
	there := 0
	if _, err := os.Stat(filepath.Join(folder, "l", "index.json")); err == nil {
		there++
		for name, digest := range tagsIn(t, filepath.Join(folder, "l")) {
			if !known[digest] {
				t.Fatalf("%s is %s", name, digest)
			}
		}
	}
	if data, err := os.ReadFile(filepath.Join(folder, "l", "oci-layout")); err == nil && string(data) != layoutFile {
		t.Fatalf("oci-layout: %q", data)
	}
	for _, name := range []string{"o.tar", "d.tar"} {
		if f, err := os.Open(filepath.Join(folder, name)); err == nil {
			there++
			checkTar(t, f, known, 2)
			f.Close()
		}
	}
	if there < before {
		t.Fatalf("%d places of %d are left", there, before)
	}
	return there
}

// checkTar reads an archive of one image to its end and hashes every blob.
func checkTar(t *testing.T, f *os.File, known map[string]bool, tags int) {
	t.Helper()
	r := tar.NewReader(f)
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(f.Name(), err)
		}
		data, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(f.Name(), err)
		}
		if want, ok := strings.CutPrefix(h.Name, "blobs/sha256/"); ok && want != "" {
			if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) != want {
				t.Fatal(f.Name(), h.Name)
			}
		}
		if h.Name == "index.json" {
			x, err := parseIndex(data)
			if err != nil || len(x.manifests) != tags || !known[x.manifests[0].digest] {
				t.Fatalf("%s: %v %s", f.Name(), err, data)
			}
		}
	}
}

func BenchmarkNoop(b *testing.B) {
	for _, spec := range killSpecs {
		b.Run(strings.SplitN(spec, ":", 2)[0], func(b *testing.B) {
			folder := b.TempDir()
			img, err := inFiles(testImage(b, 1), folder, new(int))
			if err != nil {
				b.Fatal(err)
			}
			ps := []Payload{{Name: "a", Tags: []string{"latest"}, Images: []v1.Image{img}}}
			o := mustParse(b, fmt.Sprintf(spec, folder))
			write1(b, fmt.Sprintf(spec, folder), ps...)
			for b.Loop() {
				rs, err := o.Write(b.Context(), ps)
				if err != nil || rs[0].Written != 0 {
					b.Fatal(rs, err)
				}
			}
		})
	}
}
