// SPDX-License-Identifier: MIT OR Apache-2.0

package cargo

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
)

// Reasons of the messages that ReadMessages passes on.
const (
	CompilerArtifact    = "compiler-artifact"
	BuildScriptExecuted = "build-script-executed"
	BuildFinished       = "build-finished"
)

// Message is one line of cargo's --message-format=json-render-diagnostics.
type Message struct {
	Reason    string `json:"reason"`
	PackageID string `json:"package_id"` // see ParsePackageID

	// compiler-artifact: a unit that was compiled, or was found fresh
	Target struct {
		Kinds      []string `json:"kind"` // "bin", "lib", "proc-macro", "custom-build", "example", …
		CrateTypes []string `json:"crate_types"`
		Name       string   `json:"name"`
		Source     string   `json:"src_path"`
	} `json:"target"`
	Features   []string `json:"features"`
	Filenames  []string `json:"filenames"`
	Executable string   `json:"executable"` // "" for what is no program
	Fresh      bool     `json:"fresh"`

	// build-script-executed
	LinkedLibs  []string `json:"linked_libs"`  // "static=z", "ssl"
	LinkedPaths []string `json:"linked_paths"` // "native=/…"
	OutDir      string   `json:"out_dir"`

	// build-finished
	Success bool `json:"success"`
}

// messageLimit bounds one line, in bytes. A crate with thousands of features stays a hundred times below it.
const messageLimit = 64 << 20

// ErrLongMessage says that a line of cargo's was longer than any line of cargo's can be.
var ErrLongMessage = errors.New("read cargo messages: line longer than 64 MiB")

// ReadMessages reads cargo's stdout to its end and calls fn for every message of the three reasons above, in their
// order. Other lines are passed over: a build script or a wrapper may print what it likes. It ends early with an
// error of r, of fn, or ErrLongMessage.
func ReadMessages(r io.Reader, fn func(Message) error) error {
	return readMessages(r, messageLimit, fn)
}

func readMessages(r io.Reader, limit int, fn func(Message) error) error {
	s := bufio.NewScanner(r)
	s.Buffer(make([]byte, 0, min(64<<10, limit)), limit)
	for s.Scan() {
		m, ok := parseMessage(s.Bytes())
		if !ok {
			continue
		}
		if err := fn(m); err != nil {
			return err
		}
	}
	if errors.Is(s.Err(), bufio.ErrTooLong) {
		return ErrLongMessage
	}
	if err := s.Err(); err != nil {
		return fmt.Errorf("read cargo messages: %w", err)
	}
	return nil
}

// parseMessage reads one line, when it is one of ours.
func parseMessage(line []byte) (Message, bool) {
	line = bytes.TrimSpace(line)
	if !bytes.HasPrefix(line, []byte("{")) {
		return Message{}, false
	}
	var m Message
	if json.Unmarshal(line, &m) != nil {
		return Message{}, false
	}
	switch m.Reason {
	case CompilerArtifact, BuildScriptExecuted, BuildFinished:
		return m, true
	}
	return Message{}, false
}

// Unit is one thing that was compiled for a build, or was there from an earlier one.
type Unit struct {
	ID       string   `json:"id"` // cargo's package id
	Name     string   `json:"name"`
	Version  string   `json:"version"`
	Source   string   `json:"source"`   // "registry+https://…", "git+…", "path+file://…"
	Kinds    []string `json:"kinds"`    // kinds of its target
	Features []string `json:"features"` // as it was compiled
	Host     bool     `json:"host"`     // for the host: proc macros, build scripts, and what they are made of
	Fresh    bool     `json:"fresh"`    // nothing was compiled, an earlier result was used
}

// UnitOf reads a compiler-artifact message of a build for t into the folder targetDir (ws.TargetDir when "").
func (ws *Workspace) UnitOf(m Message, targetDir string, t Triple) Unit {
	if targetDir == "" {
		targetDir = ws.TargetDir
	}
	name, version, source := ParsePackageID(m.PackageID)
	u := Unit{
		ID: m.PackageID, Name: name, Version: version, Source: source,
		Kinds: m.Target.Kinds, Features: m.Features, Fresh: m.Fresh,
	}
	u.Host = !slices.ContainsFunc(m.Filenames, func(f string) bool {
		return under(f, targetDir, t) || under(f, ws.BuildDir, t)
	})
	return u
}

// under reports whether file lies in the part of cargo's folder dir that is for t.
func under(file, dir string, t Triple) bool {
	return dir != "" && strings.HasPrefix(file, filepath.Join(dir, string(t))+string(filepath.Separator))
}
