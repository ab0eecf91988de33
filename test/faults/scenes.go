// SPDX-License-Identifier: MIT OR Apache-2.0

//go:build linux

package main

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"sampan/internal/faulty"
)

// What became of a push.
const (
	right   = "Y" // it says that it is done, and a stranger can read every byte
	refuses = "n" // it ends with an error
	hasty   = "w" // it is done, and came back sooner than it was asked to
	wrong   = "!" // it says that it is done and is not, or shows a credential, or does not end
)

// scene is a fault and what may become of a push.
type scene struct {
	id, what string
	want     string        // the verdicts that are right
	asked    time.Duration // how long nobody may come back after a refusal
	limit    time.Duration // 0 is the usual one
	guarded  bool          // the registry wants a token
	uses     int           // of a token; 0 is any number
	realm    bool          // the token server is a stranger
	faults   func(c *cell) []faulty.Fault
}

// usualLimit is how long a push of 8 MiB may take in all. docker tries five times, with pauses of 50 s together.
const usualLimit = 75 * time.Second

// manifests are the requests that store a manifest: some clients do it by digest first, some by tag alone.
const manifests = faulty.Manifest + "," + faulty.Tag

// calm is the scene without any fault. It tells what a client pushes, and is not counted.
var calm = scene{id: "–", what: "nothing; a token is wanted", want: right, guarded: true}

func one(f faulty.Fault) func(*cell) []faulty.Fault {
	return func(*cell) []faulty.Fault { return []faulty.Fault{f} }
}

func limited(kind string, times int, header string) func(*cell) []faulty.Fault {
	return one(faulty.Fault{Kind: kind, Times: times, Act: faulty.Status(http.StatusTooManyRequests, "", header)})
}

func revoked(kind string) func(*cell) []faulty.Fault {
	return func(c *cell) []faulty.Fault {
		return []faulty.Fault{{Kind: kind, Act: faulty.Revoke(c.guard)}}
	}
}

const half = 4 << 20 // of the large layer

// pushFaults are the eighteen of which it is known what other clients made of them.
var pushFaults = []scene{
	{id: "P01", what: "429, Retry-After 3 s, twice, manifest", want: right, asked: 3 * time.Second, faults: limited(manifests, 2, "Retry-After: 3")},
	{id: "P02", what: "429, Retry-After 8 s, manifest", want: right, asked: 8 * time.Second, faults: limited(manifests, 1, "Retry-After: 8")},
	{id: "P03", what: "429, Retry-After 2 s, twice, start of an upload", want: right, asked: 2 * time.Second, faults: limited(faulty.Start, 2, "Retry-After: 2")},
	{id: "P04", what: "500, twice, body of a blob", want: right, faults: one(faulty.Fault{Kind: faulty.Body, Times: 2, Act: faulty.Status(500, "")})},
	{id: "P05", what: "503, twice, manifest", want: right, faults: one(faulty.Fault{Kind: manifests, Times: 2, Act: faulty.Status(503, "")})},
	{id: "P06", what: "reset in the middle of a body, once", want: right,
		faults: one(faulty.Fault{Kind: faulty.Body, Large: half, Act: faulty.Cut(half, true)})},
	{id: "P07", what: "reset in the middle of a body, three times", want: right,
		faults: one(faulty.Fault{Kind: faulty.Body, Large: half, Times: 3, Act: faulty.Cut(half, true)})},
	{id: "P08", what: "blob stored, reply lost", want: right, faults: one(faulty.Fault{Kind: faulty.Body, Match: "digest=", Act: faulty.Lose})},
	{id: "P09", what: "HEAD says that blobs are there; they are not", want: right, faults: func(c *cell) []faulty.Fault {
		return []faulty.Fault{{Kind: faulty.Look, Times: -1, Act: lie(c.sizes)}}
	}},
	{id: "P10", what: "manifest changed on its way in; the reply names what was stored", want: refuses,
		faults: one(faulty.Fault{Kind: manifests, Times: -1, Act: faulty.Mangle(func(s string) string { return s + "\n" })})},
	{id: "P11", what: "manifest: 201, and nothing is stored", want: right + refuses, faults: one(faulty.Fault{Kind: manifests, Times: -1, Act: swallowManifest})},
	{id: "P12", what: "token revoked at the start of an upload", want: right, guarded: true, faults: revoked(faulty.Start)},
	{id: "P13", what: "token revoked at the body of a blob", want: right, guarded: true, faults: revoked(faulty.Body)},
	{id: "P14", what: "token revoked at the manifest", want: right, guarded: true, faults: revoked(manifests)},
	{id: "P15", what: "every token good for 3 requests", want: right, guarded: true, uses: 3},
	{id: "P16", what: "uploads at another host", want: right + refuses, guarded: true, faults: func(c *cell) []faulty.Fault {
		return []faulty.Fault{{Kind: faulty.Start, Times: -1, Act: faulty.Move("http://" + c.stranger.Host)}}
	}},
	{id: "P17", what: "token server at another host", want: refuses, guarded: true, realm: true},
	{id: "P18", what: "body taken, never answered, once", want: right, limit: 120 * time.Second,
		faults: one(faulty.Fault{Kind: faulty.Body, Large: half, Act: faulty.Silence(true)})},
}

// moreFaults are others of the table of docs/faults.md that fit before a real registry.
var moreFaults = []scene{
	{id: "R01", what: "429, Retry-After 2 s, three times, HEAD of blobs", want: right, asked: 2 * time.Second, faults: limited(faulty.Look, 3, "Retry-After: 2")},
	{id: "R02", what: "429, Retry-After a date 4 s ahead, manifest", want: right, asked: 3 * time.Second, faults: func(c *cell) []faulty.Fault {
		return []faulty.Fault{{Kind: manifests, Act: func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			faulty.Status(429, "", "Retry-After: "+time.Now().Add(4*time.Second).UTC().Format(http.TimeFormat))(w, r, next)
		}}}
	}},
	{id: "R02b", what: "429, Retry-After a day, for ever", want: refuses, faults: limited(faulty.Start, -1, "Retry-After: 86400")},
	{id: "R03", what: "429 without a time, three times, body", want: right, faults: one(faulty.Fault{Kind: faulty.Body, Times: 3, Act: faulty.Status(429, "")})},
	{id: "R04", what: "502, three times, start of an upload", want: right,
		faults: one(faulty.Fault{Kind: faulty.Start, Times: 3, Act: faulty.Status(502, "<html>bad gateway</html>")})},
	{id: "R05", what: "500 for ever, body", want: refuses, limit: 120 * time.Second,
		faults: one(faulty.Fault{Kind: faulty.Body, Times: -1, Act: faulty.Status(500, "")})},
	{id: "R06", what: "connection closed in the middle of a body, twice", want: right,
		faults: one(faulty.Fault{Kind: faulty.Body, Large: half, Times: 2, Act: faulty.Cut(half, false)})},
	{id: "R07", what: "manifest stored, reply lost", want: right, faults: one(faulty.Fault{Kind: manifests, Act: faulty.Lose})},
	{id: "R09", what: "blob: 201, and nothing is stored, once", want: right + refuses,
		faults: one(faulty.Fault{Kind: faulty.Body, Match: "digest=", Act: faulty.Swallow(201)})},
	{id: "R11", what: "token server answers 503, twice", want: right, guarded: true, faults: one(faulty.Fault{Kind: faulty.Token, Times: 2, Act: faulty.Status(503, "")})},
	{id: "R14", what: "redirects without end, HEAD of blobs", want: right + refuses, faults: one(faulty.Fault{Kind: faulty.Look, Times: -1, Act: around})},
	{id: "R17", what: "reply to the manifest of 64 MiB", want: right + refuses, faults: one(faulty.Fault{Kind: manifests, Times: -1, Act: giant})},
	{id: "R22", what: "413, body", want: refuses, faults: one(faulty.Fault{Kind: faulty.Body, Times: -1, Act: faulty.Status(413, "<html>too large</html>")})},
	{id: "R22b", what: "403, manifest", want: refuses, faults: one(faulty.Fault{Kind: manifests, Times: -1,
		Act: faulty.Status(403, `{"errors":[{"code":"DENIED","message":"immutable"}]}`)})},
}

// chooseScenes returns those that a list of ids names.
func chooseScenes(list string) ([]scene, error) {
	all := slices.Concat(pushFaults, moreFaults)
	if list == "" {
		return all, nil
	}
	var out []scene
	for _, id := range words(list) {
		i := slices.IndexFunc(all, func(s scene) bool { return strings.EqualFold(s.id, id) })
		if i < 0 {
			return nil, fmt.Errorf("choose scenes: no %s", id)
		}
		out = append(out, all[i])
	}
	return out, nil
}

// lie says that every blob is there, with the size that it should have.
func lie(sizes map[string]int64) faulty.Act {
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		digest := r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]
		size, known := sizes[digest]
		if r.Method != http.MethodHead || !known {
			next.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Docker-Content-Digest", digest)
		w.Header().Set("Content-Type", "application/octet-stream")
		w.Header().Set("Content-Length", strconv.FormatInt(size, 10))
		w.WriteHeader(http.StatusOK)
	}
}

// swallowManifest says that a manifest is stored, with its digest, as a registry would.
func swallowManifest(w http.ResponseWriter, r *http.Request, next http.Handler) {
	digest := faulty.DigestOfBody(r)
	faulty.Status(http.StatusCreated, "", "Docker-Content-Digest: "+digest, "Location: "+r.URL.Path)(w, r, next)
}

// around redirects to itself.
func around(w http.ResponseWriter, r *http.Request, _ http.Handler) {
	http.Redirect(w, r, r.URL.Path, http.StatusTemporaryRedirect)
}

// giant lets the registry do its work, and answers with more than anyone wants to read.
func giant(w http.ResponseWriter, r *http.Request, next http.Handler) {
	faulty.Alter()(quietWriter{w}, r, next)
	piece := make([]byte, 1<<20)
	for range 64 {
		if _, err := w.Write(piece); err != nil {
			return
		}
	}
}

// quietWriter drops the length that an answer was to have.
type quietWriter struct{ http.ResponseWriter }

func (q quietWriter) WriteHeader(status int) {
	q.Header().Del("Content-Length")
	q.ResponseWriter.WriteHeader(status)
}
