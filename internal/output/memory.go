// SPDX-License-Identifier: MIT OR Apache-2.0

package output

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"path/filepath"
	"slices"

	"sampan/internal/durable"
	"sampan/internal/transport"
)

// memory remembers what was pushed where, so that doing it again need not ask about everything. Nothing that it says
// is believed: a registry is asked in each case, and what cannot be read or written is as if it were not there.
type memory struct{ dir string }

// maxSources bounds how many blobs of a registry are remembered.
const maxSources = 256

// note is what is remembered of one repository: the last push.
type note struct {
	Version    int      `json:"version"`
	Repository string   `json:"repository"`
	Digest     string   `json:"digest"`
	Tags       []string `json:"tags"`
}

// sources are the repositories of one registry that have a blob, the newest last.
type sources struct {
	Version int      `json:"version"`
	Host    string   `json:"host"`
	Blobs   []source `json:"blobs"`
}

type source struct {
	Digest string `json:"digest"`
	Path   string `json:"path"`
}

// memoryVersion is that of the files; others are not read.
const memoryVersion = 1

func (m memory) file(kind, of string) string {
	sum := sha256.Sum256([]byte(of))
	return filepath.Join(m.dir, kind+"-"+hex.EncodeToString(sum[:16])+".json")
}

func (m memory) read(path string, into any) bool {
	if m.dir == "" {
		return false
	}
	f, err := durable.OpenRegular(path)
	if err != nil {
		return false
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxJSON))
	return err == nil && json.Unmarshal(data, into) == nil
}

func (m memory) write(path string, v any) {
	if m.dir == "" || durable.MkdirPrivate(m.dir) != nil {
		return
	}
	if data, err := json.Marshal(v); err == nil {
		_ = durable.WriteFileLazily(path, data, 0o600) // the push is done without it
	}
}

// knows tells whether the last push to a repository was this one, with these tags among its own.
func (m memory) knows(n transport.Name, digest string, tags []string) bool {
	var have note
	if !m.read(m.file("push", n.String()), &have) || have.Version != memoryVersion || have.Repository != n.String() || have.Digest != digest {
		return false
	}
	return !slices.ContainsFunc(tags, func(t string) bool { return !slices.Contains(have.Tags, t) })
}

// source gives the path of a repository of a registry that had a blob, "" when none is remembered.
func (m memory) source(host, digest string) string {
	var have sources
	if !m.read(m.file("blobs", host), &have) || have.Version != memoryVersion || have.Host != host {
		return ""
	}
	for _, s := range slices.Backward(have.Blobs) {
		if s.Digest == digest {
			return s.Path
		}
	}
	return ""
}

// keep remembers a push.
func (m memory) keep(n transport.Name, digest string, tags []string, blobs []BlobReceipt) {
	if m.dir == "" {
		return
	}
	if m.knows(n, digest, tags) {
		return
	}
	old := note{}
	if m.read(m.file("push", n.String()), &old) && old.Digest == digest && old.Repository == n.String() {
		tags = slices.Compact(slices.Sorted(slices.Values(append(slices.Clone(tags), old.Tags...))))
	}
	m.write(m.file("push", n.String()), note{memoryVersion, n.String(), digest, tags})
	var have sources
	if !m.read(m.file("blobs", n.Host), &have) || have.Version != memoryVersion || have.Host != n.Host {
		have = sources{Version: memoryVersion, Host: n.Host}
	}
	for _, b := range blobs {
		have.Blobs = slices.DeleteFunc(have.Blobs, func(s source) bool { return s.Digest == b.Digest })
		have.Blobs = append(have.Blobs, source{b.Digest, n.Path})
	}
	if over := len(have.Blobs) - maxSources; over > 0 {
		have.Blobs = have.Blobs[over:]
	}
	m.write(m.file("blobs", n.Host), have)
}
