// SPDX-License-Identifier: MIT OR Apache-2.0

// Package faulty is a registry that misbehaves as it is told: for tests only.
//
// A Store is a registry that is stricter than most: each repository has blobs of its own, a manifest is refused when
// what it names is not there. A Proxy stands before a registry, a Store or a real one, plays Faults and writes down
// every request. A Guard wants tokens. A Stranger is a host that nobody named: it keeps every byte that reaches it.
//
// Questions are asked of the Store, the Proxy and the Stranger, never of the client that is tested.
package faulty

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
)

// Store is a registry in memory (distribution specification 1.1). It lists referrers when it is told to.
type Store struct {
	Lists bool // referrers, and says so

	mu      sync.Mutex
	repos   map[string]*repo
	uploads map[string]string // repository by upload
	next    int
}

type repo struct {
	blobs     map[string][]byte
	manifests map[string]manifest // by digest
	tags      map[string]string
}

type manifest struct {
	mediaType string
	data      []byte
}

// NewStore makes an empty registry.
func NewStore() *Store { return &Store{repos: map[string]*repo{}, uploads: map[string]string{}} }

func (s *Store) repo(name string) *repo {
	r := s.repos[name]
	if r == nil {
		r = &repo{map[string][]byte{}, map[string]manifest{}, map[string]string{}}
		s.repos[name] = r
	}
	return r
}

// Tags gives the digests of a repository's tags.
func (s *Store) Tags(name string) map[string]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[string]string{}
	for k, v := range s.repo(name).tags {
		out[k] = v
	}
	return out
}

// Manifests counts a repository's manifests and indexes, Blobs its blobs.
func (s *Store) Manifests(name string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.repo(name).manifests)
}

// Blobs counts a repository's blobs.
func (s *Store) Blobs(name string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.repo(name).blobs)
}

// Drop loses a blob or a manifest, as a garbage collector does at the wrong moment.
func (s *Store) Drop(name, digest string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.repo(name).blobs, digest)
	delete(s.repo(name).manifests, digest)
}

// Whole says what is missing of an image: a stranger that reads it by digest would get every byte when it is nil.
func (s *Store) Whole(name, digest string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.repo(name)
	m, ok := r.manifests[digest]
	if !ok {
		return fmt.Errorf("%s: no manifest %s", name, digest)
	}
	if sum(m.data) != digest {
		return fmt.Errorf("%s: manifest %s has other bytes", name, digest)
	}
	var todo []string
	for _, want := range named(m.data) {
		if sub, ok := r.manifests[want]; ok && sum(sub.data) == want {
			todo = append(todo, named(sub.data)...)
			continue
		}
		todo = append(todo, want)
	}
	for _, want := range todo {
		data, ok := r.blobs[want]
		if !ok {
			return fmt.Errorf("%s: no blob %s", name, want)
		}
		if sum(data) != want {
			return fmt.Errorf("%s: blob %s has other bytes", name, want)
		}
	}
	return nil
}

func sum(data []byte) string {
	h := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(h[:])
}

// named are the digests that a manifest or an index names.
func named(data []byte) []string {
	type descriptor struct {
		Digest string `json:"digest"`
	}
	var m struct {
		Config    *descriptor  `json:"config"`
		Layers    []descriptor `json:"layers"`
		Manifests []descriptor `json:"manifests"`
	}
	if json.Unmarshal(data, &m) != nil {
		return nil
	}
	var out []string
	if m.Config != nil {
		out = append(out, m.Config.Digest)
	}
	for _, d := range append(m.Layers, m.Manifests...) {
		out = append(out, d.Digest)
	}
	return out
}

// Refuse writes an error as the distribution specification has it.
func Refuse(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"errors": []any{map[string]any{"code": code, "message": message}}})
}

// ServeHTTP answers as a registry.
func (s *Store) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	rest, ok := strings.CutPrefix(r.URL.Path, "/v2/")
	switch {
	case !ok:
		Refuse(w, http.StatusNotFound, "UNSUPPORTED", "no such address")
	case rest == "":
		w.WriteHeader(http.StatusOK)
	case strings.Contains(rest, "/blobs/uploads"):
		name, id, _ := strings.Cut(rest, "/blobs/uploads")
		s.upload(w, r, name, strings.Trim(id, "/"))
	case strings.Contains(rest, "/blobs/"):
		name, digest, _ := strings.Cut(rest, "/blobs/")
		s.blob(w, r, name, digest)
	case strings.Contains(rest, "/referrers/") && s.Lists:
		name, digest, _ := strings.Cut(rest, "/referrers/")
		w.Header().Set("Content-Type", "application/vnd.oci.image.index.v1+json")
		_ = json.NewEncoder(w).Encode(map[string]any{"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": s.listed(name, digest)})
	case strings.Contains(rest, "/manifests/"):
		name, ref, _ := strings.Cut(rest, "/manifests/")
		if r.Method == http.MethodPut {
			s.put(w, r, name, ref)
			return
		}
		s.manifest(w, r, name, ref)
	default:
		Refuse(w, http.StatusNotFound, "UNSUPPORTED", "no such address")
	}
}

func (s *Store) upload(w http.ResponseWriter, r *http.Request, name, id string) {
	q := r.URL.Query()
	if r.Method == http.MethodPost {
		s.mu.Lock()
		defer s.mu.Unlock()
		if from, digest := q.Get("from"), q.Get("mount"); from != "" {
			if data, ok := s.repo(from).blobs[digest]; ok {
				s.repo(name).blobs[digest] = data
				w.Header().Set("Location", "/v2/"+name+"/blobs/"+digest)
				w.WriteHeader(http.StatusCreated)
				return
			}
		}
		s.next++
		id := strconv.Itoa(s.next)
		s.uploads[id] = name
		w.Header().Set("Location", "/v2/"+name+"/blobs/uploads/"+id+"?state="+id)
		w.WriteHeader(http.StatusAccepted)
		return
	}
	data, err := io.ReadAll(r.Body)
	if err != nil {
		return // the sender is gone
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.uploads[id] != name || q.Get("state") != id {
		Refuse(w, http.StatusNotFound, "BLOB_UPLOAD_UNKNOWN", "no such upload")
		return
	}
	switch {
	case r.Method == http.MethodDelete:
		delete(s.uploads, id)
		w.WriteHeader(http.StatusNoContent)
	case r.Method != http.MethodPut:
		Refuse(w, http.StatusMethodNotAllowed, "UNSUPPORTED", r.Method)
	case sum(data) != q.Get("digest"):
		delete(s.uploads, id)
		Refuse(w, http.StatusBadRequest, "DIGEST_INVALID", "the bytes have another digest")
	default:
		delete(s.uploads, id)
		s.repo(name).blobs[q.Get("digest")] = data
		w.Header().Set("Docker-Content-Digest", q.Get("digest"))
		w.WriteHeader(http.StatusCreated)
	}
}

// Uploads counts places for uploads that are open.
func (s *Store) Uploads() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.uploads)
}

func (s *Store) blob(w http.ResponseWriter, r *http.Request, name, digest string) {
	s.mu.Lock()
	data, ok := s.repo(name).blobs[digest]
	s.mu.Unlock()
	if !ok {
		Refuse(w, http.StatusNotFound, "BLOB_UNKNOWN", digest)
		return
	}
	if from, ok := strings.CutPrefix(r.Header.Get("Range"), "bytes="); ok {
		at, err := strconv.Atoi(strings.TrimSuffix(from, "-"))
		if err != nil || at >= len(data) {
			Refuse(w, http.StatusRequestedRangeNotSatisfiable, "RANGE_INVALID", from)
			return
		}
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", at, len(data)-1, len(data)))
		w.Header().Set("Content-Length", strconv.Itoa(len(data)-at))
		w.WriteHeader(http.StatusPartialContent)
		_, _ = w.Write(data[at:])
		return
	}
	answer(w, r, digest, "application/octet-stream", data)
}

func (s *Store) manifest(w http.ResponseWriter, r *http.Request, name, ref string) {
	s.mu.Lock()
	digest := ref
	if d, ok := s.repo(name).tags[ref]; ok {
		digest = d
	}
	m, ok := s.repo(name).manifests[digest]
	s.mu.Unlock()
	if !ok {
		Refuse(w, http.StatusNotFound, "MANIFEST_UNKNOWN", ref)
		return
	}
	answer(w, r, digest, m.mediaType, m.data)
}

func answer(w http.ResponseWriter, r *http.Request, digest, mediaType string, data []byte) {
	w.Header().Set("Docker-Content-Digest", digest)
	w.Header().Set("Content-Type", mediaType)
	w.Header().Set("Content-Length", strconv.Itoa(len(data)))
	w.WriteHeader(http.StatusOK)
	if r.Method != http.MethodHead {
		_, _ = w.Write(data)
	}
}

func (s *Store) put(w http.ResponseWriter, r *http.Request, name, ref string) {
	data, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	digest := sum(data)
	if strings.HasPrefix(ref, "sha256:") && ref != digest {
		Refuse(w, http.StatusBadRequest, "DIGEST_INVALID", "the bytes have another digest")
		return
	}
	for _, want := range named(data) {
		_, isBlob := s.repo(name).blobs[want]
		_, isManifest := s.repo(name).manifests[want]
		if !isBlob && !isManifest {
			Refuse(w, http.StatusNotFound, "MANIFEST_BLOB_UNKNOWN", want)
			return
		}
	}
	s.repo(name).manifests[digest] = manifest{r.Header.Get("Content-Type"), data}
	if !strings.HasPrefix(ref, "sha256:") {
		s.repo(name).tags[ref] = digest
	}
	w.Header().Set("Docker-Content-Digest", digest)
	if of := subject(data); of != "" && s.Lists {
		w.Header().Set("OCI-Subject", of)
	}
	w.WriteHeader(http.StatusCreated)
}
