// SPDX-License-Identifier: MIT OR Apache-2.0

package cli

import (
	"archive/tar"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/validate"
	"github.com/rogpeppe/go-internal/testscript"
)

// codeCommand runs a command and wants its exit code: code 2 sampan build.
func codeCommand(ts *testscript.TestScript, neg bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	var ended *exec.ExitError
	got := 0
	if errors.As(err, &ended) {
		got = ended.ExitCode()
	} else if err != nil {
		got = -1
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d (%v)", got, want, err)
	}
}

// layoutCommand checks a layout with another's reader and lists it on a file: layout DIR FILE.
func layoutCommand(ts *testscript.TestScript, neg bool, args []string) {
	p, err := layout.FromPath(ts.MkAbs(args[0]))
	ts.Check(err)
	idx, err := p.ImageIndex()
	ts.Check(err)
	m, err := idx.IndexManifest()
	ts.Check(err)
	var out strings.Builder
	for _, d := range m.Manifests {
		fmt.Fprintf(&out, "%s %s\n", d.Annotations["org.opencontainers.image.ref.name"], d.MediaType)
		if d.MediaType.IsIndex() {
			sub, err := idx.ImageIndex(d.Digest)
			ts.Check(err)
			ts.Check(validate.Index(sub))
			continue
		}
		im, err := idx.Image(d.Digest)
		ts.Check(err)
		ts.Check(validate.Image(im))
		ts.Check(listImage(&out, im))
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(out.String()), 0o644))
}

func listImage(out io.Writer, im v1.Image) error {
	cf, err := im.ConfigFile()
	if err != nil {
		return err
	}
	c, err := json.MarshalIndent(cf.Config, "", "  ")
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "created %s, %s\n%s\n", cf.Created.UTC().Format("2006-01-02T15:04:05Z"), cf.Platform(), c)
	layers, err := im.Layers()
	if err != nil {
		return err
	}
	for i, l := range layers {
		mt, _ := l.MediaType()
		fmt.Fprintf(out, "layer %d %s: %s\n", i, mt, cf.History[i].CreatedBy)
		rc, err := l.Uncompressed()
		if err != nil {
			return err
		}
		tr := tar.NewReader(rc)
		for {
			h, err := tr.Next()
			if err == io.EOF {
				break
			}
			if err != nil {
				return err
			}
			fmt.Fprintf(out, "%s %d:%d %s %s\n", h.FileInfo().Mode(), h.Uid, h.Gid, h.Name, h.Linkname)
		}
		rc.Close()
	}
	return nil
}

// callsCommand wants the number of calls of a tool, less those before: calls cargo 1.
func callsCommand(ts *testscript.TestScript, neg bool, args []string) {
	data, err := os.ReadFile(ts.Getenv("FAKE") + "/calls")
	if errors.Is(err, os.ErrNotExist) {
		data, err = nil, nil
	}
	ts.Check(err)
	n := 0
	for _, l := range strings.Split(string(data), "\n") {
		if strings.HasPrefix(l, args[0]+" ") || l == args[0] {
			n++
		}
	}
	want, err := strconv.Atoi(args[1])
	ts.Check(err)
	if n != want {
		ts.Fatalf("%d calls of %s, want %d:\n%s", n, args[0], want, data)
	}
	ts.Check(os.RemoveAll(ts.Getenv("FAKE") + "/calls"))
}
