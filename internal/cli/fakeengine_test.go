// SPDX-License-Identifier: MIT OR Apache-2.0

package cli

import (
	"archive/tar"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// fakePodman is podman as far as loading and running go. What it holds is in $FAKE/podman.json: names to ids. A program
// is "run" by telling its words, and ends with $FAKE_CODE.
func fakePodman() {
	note("podman")
	path := filepath.Join(os.Getenv("FAKE"), "podman.json")
	held := map[string]string{}
	if data, err := os.ReadFile(path); err == nil {
		if err := json.Unmarshal(data, &held); err != nil {
			die(err)
		}
	}
	words := os.Args[1:]
	switch {
	case words[0] == "image" && words[1] == "inspect":
		id := strings.TrimPrefix(held[words[2]], "sha256:")
		if id == "" && slices.Contains(values(held), "sha256:"+words[2]) {
			id = words[2]
		}
		if id == "" {
			fmt.Println("[]")
			fmt.Fprintln(os.Stderr, "Error: inspecting object: "+words[2]+": image not known")
			os.Exit(125)
		}
		names := []string{}
		for n, other := range held {
			if other == "sha256:"+id {
				names = append(names, n)
			}
		}
		_ = json.NewEncoder(os.Stdout).Encode([]map[string]any{{"Id": id, "RepoTags": names}})
	case words[0] == "load":
		podmanLoad(held)
	case words[0] == "tag":
		for _, n := range words[2:] {
			held[n] = "sha256:" + words[1]
		}
	case words[0] == "run":
		fmt.Println(strings.Join(words, " "))
		_, _ = io.Copy(os.Stdout, os.Stdin)
		if os.Getenv("FAKE_CODE") != "" {
			os.Exit(9)
		}
	default:
		die(fmt.Errorf("unknown words: %q", words))
	}
	data, err := json.Marshal(held)
	if err != nil {
		die(err)
	}
	if err := os.WriteFile(path, data, 0o644); err != nil {
		die(err)
	}
}

func values(m map[string]string) (out []string) {
	for _, v := range m {
		out = append(out, v)
	}
	return out
}

func podmanLoad(held map[string]string) {
	if text := os.Getenv("FAKE_LOAD"); text != "" {
		fmt.Fprintln(os.Stderr, "time=x level=warning msg=\"nothing to see\"\nError: "+text)
		os.Exit(125)
	}
	var list []struct {
		Config   string
		RepoTags []string
	}
	r := tar.NewReader(os.Stdin)
	for {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			die(err)
		}
		if h.Name == "manifest.json" {
			if err := json.NewDecoder(r).Decode(&list); err != nil {
				die(err)
			}
		}
	}
	for _, im := range list {
		for _, n := range im.RepoTags {
			held["docker.io/library/"+n] = "sha256:" + filepath.Base(im.Config)
		}
	}
}

// fakeKubectl keeps what it is given in $FAKE/applied, and ends with 9 when $FAKE_CODE is set.
func fakeKubectl() {
	note("kubectl")
	data, err := io.ReadAll(os.Stdin)
	if err != nil {
		die(err)
	}
	if err := os.WriteFile(filepath.Join(os.Getenv("FAKE"), "applied"), data, 0o644); err != nil {
		die(err)
	}
	fmt.Println("deployment.apps/api configured")
	if os.Getenv("FAKE_CODE") != "" {
		fmt.Fprintln(os.Stderr, "error: no context")
		os.Exit(9)
	}
}
