// SPDX-License-Identifier: MIT OR Apache-2.0

//go:build linux

package main

import (
	"errors"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"sampan/internal/faulty"
)

func TestScenes(t *testing.T) {
	if len(pushFaults) != 18 {
		t.Errorf("%d push faults", len(pushFaults))
	}
	seen := map[string]bool{}
	for _, s := range slices.Concat(pushFaults, moreFaults) {
		if seen[s.id] || s.what == "" || s.want == "" || strings.Trim(s.want, right+refuses) != "" {
			t.Errorf("%+v", s)
		}
		seen[s.id] = true
		if s.faults == nil && s.uses == 0 && !s.realm {
			t.Errorf("%s plays nothing", s.id)
		}
	}
	if got, err := chooseScenes("p07,R14"); err != nil || len(got) != 2 {
		t.Error(got, err)
	}
	if _, err := chooseScenes("P99"); err == nil {
		t.Error("P99 is there")
	}
}

func TestJudge(t *testing.T) {
	for want, e := range map[string]evidence{
		right:                       {early: -1},
		right + " ":                 {early: 3 * time.Second, asked: 3 * time.Second},
		hasty + " 1.0 s":            {early: time.Second, asked: 3 * time.Second},
		refuses:                     {code: 1, incomplete: errors.New("no manifest")},
		wrong + " no end":           {code: -1},
		wrong + " says done":        {incomplete: errors.New("no manifest")},
		wrong + " password shown":   {leaked: "password"},
		wrong + " token shown":      {code: 1, leaked: "token"},
		wrong + " says done" + "  ": {incomplete: errors.New("no manifest"), early: time.Second, asked: 3 * time.Second},
	} {
		verdict, why := judge(e)
		if got := strings.TrimSpace(verdict + " " + why); got != strings.TrimSpace(want) {
			t.Errorf("%+v: %q, not %q", e, got, want)
		}
	}
}

func TestEarly(t *testing.T) {
	at := func(s float64) time.Time {
		return time.Unix(1_800_000_000, 0).Add(time.Duration(s * float64(time.Second)))
	}
	rs := []faulty.Request{
		{Kind: faulty.Start, Began: at(0), Ended: at(0.01), Played: true},
		{Kind: faulty.Start, Began: at(0.1), Ended: at(0.2)}, // was on its way
		{Kind: faulty.Look, Began: at(0.5), Ended: at(0.6)},
		{Kind: faulty.Start, Began: at(2.11), Ended: at(2.2)},
	}
	if got := early(rs, 2*time.Second).Round(time.Millisecond); got != 2100*time.Millisecond {
		t.Errorf("waited %s", got)
	}
	if got := early(rs[:2], 2*time.Second).Round(time.Millisecond); got != 90*time.Millisecond {
		t.Errorf("all came back at once, and yet after %s", got)
	}
	if got := early(rs[:1], 2*time.Second); got >= 0 {
		t.Errorf("nobody came back, and yet after %s", got)
	}
}

// The reader believes no header and no tag.
func TestWhole(t *testing.T) {
	store := faulty.NewStore()
	server := httptest.NewServer(store)
	defer server.Close()
	r := newReader(strings.TrimPrefix(server.URL, "http://"))
	put := func(path, body string) {
		t.Helper()
		w := httptest.NewRecorder()
		store.ServeHTTP(w, httptest.NewRequest("PUT", "/v2/app/"+path, strings.NewReader(body)))
		if w.Code != 201 {
			t.Fatalf("%s: %d %s", path, w.Code, w.Body)
		}
	}
	blob := func(body, digest string) {
		w := httptest.NewRecorder()
		store.ServeHTTP(w, httptest.NewRequest("POST", "/v2/app/blobs/uploads/", nil))
		w2 := httptest.NewRecorder()
		store.ServeHTTP(w2, httptest.NewRequest("PUT", w.Header().Get("Location")+"&digest="+digest, strings.NewReader(body)))
		if w2.Code != 201 {
			t.Fatal(w2.Code)
		}
	}
	config := faulty.DigestOfBody(httptest.NewRequest("PUT", "/", strings.NewReader("{}")))
	blob("{}", config)
	text := `{"config":{"digest":"` + config + `","size":2}}`
	digest := faulty.DigestOfBody(httptest.NewRequest("PUT", "/", strings.NewReader(text)))
	put("manifests/v1", text)
	if err := r.whole("app", "v1", digest); err != nil {
		t.Error(err)
	}
	if err := r.whole("app", "v1", config); err == nil {
		t.Error("the tag points at what it does not point at")
	}
	if err := r.whole("app", "v2", digest); err == nil {
		t.Error("there is no such tag")
	}
	store.Drop("app", config)
	if err := r.whole("app", "v1", digest); err == nil {
		t.Error("the config is gone")
	}
}

func TestStrays(t *testing.T) {
	dir := t.TempDir()
	if _, err := surroundings(dir, "{}"); err != nil {
		t.Fatal(err)
	}
	if err := strays(dir); err != nil {
		t.Error(err)
	}
	for _, name := range []string{"tmp/x", "home/x", "cache/x.tmp"} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := strays(dir); err == nil {
			t.Errorf("%s is no stray file", name)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
}

func TestLeak(t *testing.T) {
	for heard, want := range map[string]string{
		"GET / HTTP/1.1":                            "",
		"Authorization: Basic " + credential():      "password",
		"username=user&password=" + password:        "password",
		"Authorization: Bearer token-3-of-many":     "token",
		"Authorization: Bearer of-a-stranger-it-is": "",
	} {
		if got := leak(heard); got != want {
			t.Errorf("%q: %q", heard, got)
		}
	}
}
