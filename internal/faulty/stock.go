// SPDX-License-Identifier: MIT OR Apache-2.0

package faulty

import (
	"encoding/json"
	"slices"
	"strings"
)

// subject is what a manifest refers to, "" for nothing.
func subject(data []byte) string {
	var m struct {
		Subject struct {
			Digest string `json:"digest"`
		} `json:"subject"`
	}
	_ = json.Unmarshal(data, &m)
	return m.Subject.Digest
}

// listed are the descriptors of what refers to a digest, found by looking at every manifest.
func (s *Store) listed(name, digest string) []map[string]any {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := []map[string]any{}
	for own, m := range s.repo(name).manifests {
		if subject(m.data) == digest {
			out = append(out, map[string]any{"mediaType": m.mediaType, "digest": own, "size": len(m.data)})
		}
	}
	return out
}

// Referrers are the digests of what a stranger finds that refers to a digest: in the registry's own list, or in the
// index at the tag that stands for it.
func (s *Store) Referrers(name, digest string) []string {
	var out []string
	if s.Lists {
		for _, d := range s.listed(name, digest) {
			out = append(out, d["digest"].(string))
		}
	} else {
		s.mu.Lock()
		r := s.repo(name)
		out = named(r.manifests[r.tags[strings.Replace(digest, ":", "-", 1)]].data)
		s.mu.Unlock()
	}
	slices.Sort(out)
	return out
}

// Put stores a manifest under a tag, as another client would at that moment.
func (s *Store) Put(name, tag, mediaType string, data []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.repo(name)
	r.manifests[sum(data)] = manifest{mediaType, data}
	r.tags[tag] = sum(data)
}

// PutBlob stores a blob, as another client would at that moment.
func (s *Store) PutBlob(name, data string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.repo(name).blobs[sum([]byte(data))] = []byte(data)
}
