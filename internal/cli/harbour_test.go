// SPDX-License-Identifier: MIT OR Apache-2.0

package cli

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"sampan/internal/faulty"
)

// harbour is the registry of one script, at $REGISTRY.
type harbour struct {
	store *faulty.Store
	guard atomic.Pointer[faulty.Guard] // nil until a script wants one
	proxy *faulty.Proxy
}

type harbourKey struct{}

func newHarbour(e *testscript.Env) {
	h := &harbour{store: faulty.NewStore()}
	h.proxy = faulty.NewProxy(h, false, time.Now)
	e.Setenv("REGISTRY", h.proxy.Host)
	_, port, _ := strings.Cut(h.proxy.Host, ":")
	e.Setenv("OTHER", "localhost:"+port) // the same by another name, which for clients is another registry
	e.Values[harbourKey{}] = h
	e.Defer(h.proxy.Close)
}

// ServeHTTP asks the guard, if there is one.
func (h *harbour) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if g := h.guard.Load(); g != nil {
		g.ServeHTTP(w, r)
		return
	}
	h.store.ServeHTTP(w, r)
}

func harbourOf(ts *testscript.TestScript) *harbour { return ts.Value(harbourKey{}).(*harbour) }

// guardCommand wants a login from now on: guard token|basic USER PASSWORD.
func guardCommand(ts *testscript.TestScript, _ bool, args []string) {
	h := harbourOf(ts)
	h.guard.Store(&faulty.Guard{Behind: h.store, User: args[1], Password: args[2], Basic: args[0] == "basic"})
}

// faultCommand answers requests of a kind with a status: fault KIND STATUS TIMES [BODY].
func faultCommand(ts *testscript.TestScript, _ bool, args []string) {
	status, err := strconv.Atoi(args[1])
	ts.Check(err)
	times, err := strconv.Atoi(args[2])
	ts.Check(err)
	body := ""
	if len(args) > 3 {
		body = args[3]
	}
	harbourOf(ts).proxy.Play(faulty.Fault{Kind: args[0], Times: times, Act: faulty.Status(status, body)})
}

// loginsCommand writes docker's file: logins FILE USER PASSWORD, or logins FILE helper|store NAME.
func loginsCommand(ts *testscript.TestScript, _ bool, args []string) {
	host := harbourOf(ts).proxy.Host
	doc := map[string]any{"auths": map[string]any{host: map[string]string{"auth": base64.StdEncoding.EncodeToString([]byte(args[1] + ":" + args[2]))}}}
	switch args[1] {
	case "helper":
		doc = map[string]any{"credHelpers": map[string]string{host: args[2]}}
	case "store":
		doc = map[string]any{"auths": map[string]any{host: map[string]string{}}, "credsStore": args[2]}
	}
	data, err := json.Marshal(doc)
	ts.Check(err)
	path := ts.MkAbs(args[0])
	ts.Check(os.MkdirAll(filepath.Dir(path), 0o700))
	ts.Check(os.WriteFile(path, data, 0o600))
}

// pushedCommand wants a whole image at a tag: pushed REPOSITORY TAG [DIGEST-FILE]. With !, the tag must not be there.
func pushedCommand(ts *testscript.TestScript, neg bool, args []string) {
	store := harbourOf(ts).store
	digest, ok := store.Tags(args[0])[args[1]]
	if ok == neg {
		ts.Fatalf("tags of %s: %v", args[0], store.Tags(args[0]))
	}
	if neg {
		return
	}
	ts.Check(store.Whole(args[0], digest))
	if len(args) > 2 && !strings.Contains(ts.ReadFile(args[2]), digest) {
		ts.Fatalf("%s is not in %q", digest, ts.ReadFile(args[2]))
	}
}

// requestsCommand wants the number of requests since it was last asked, of one kind or all: requests N [KIND].
func requestsCommand(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	proxy := harbourOf(ts).proxy
	kind := ""
	if len(args) > 1 {
		kind = args[1]
	}
	if n := proxy.Count(kind); n != want {
		ts.Fatalf("%d requests, want %d: %v", n, want, proxy.Requests())
	}
	proxy.Forget()
}

// fakeHelper is a credential helper that knows one login: $FAKE/secret holds "USER PASSWORD" or an error's text.
func fakeHelper() {
	note("docker-credential-fake")
	data, err := os.ReadFile(filepath.Join(os.Getenv("FAKE"), "secret"))
	user, password, ok := strings.Cut(strings.TrimSpace(string(data)), " ")
	switch os.Args[1] {
	case "get":
		if err != nil || !ok {
			fmt.Println("credentials not found in native keychain")
			os.Exit(1)
		}
		_ = json.NewEncoder(os.Stdout).Encode(map[string]string{"Username": user, "Secret": password})
	case "store":
		var doc struct{ ServerURL, Username, Secret string }
		if err := json.NewDecoder(os.Stdin).Decode(&doc); err != nil {
			die(err)
		}
		if err := os.WriteFile(filepath.Join(os.Getenv("FAKE"), "secret"), []byte(doc.Username+" "+doc.Secret), 0o600); err != nil {
			die(err)
		}
	case "erase":
		_ = os.Remove(filepath.Join(os.Getenv("FAKE"), "secret"))
	}
}

// hurtCommand changes a byte in the middle of the largest file of a folder.
func hurtCommand() {
	entries, err := os.ReadDir(os.Args[1])
	if err != nil {
		die(err)
	}
	var path string
	var size int64
	for _, e := range entries {
		if info, err := e.Info(); err == nil && info.Size() > size {
			path, size = filepath.Join(os.Args[1], e.Name()), info.Size()
		}
	}
	data, err := os.ReadFile(path)
	if err != nil {
		die(err)
	}
	data[len(data)/2] ^= 1
	if err := os.Remove(path); err != nil { // it may be a link to the cache's
		die(err)
	}
	if err := os.WriteFile(path, data, 0o644); err != nil {
		die(err)
	}
}
