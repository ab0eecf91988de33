// SPDX-License-Identifier: MIT OR Apache-2.0

package faulty

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
)

// Guard lets only those to a registry who show a token of its own, which its /token gives for a password.
type Guard struct {
	Behind   http.Handler
	User     string
	Password string
	Realm    string                               // "" is /token at the address that was asked
	Uses     int                                  // of one token; 0 is any number
	Basic    bool                                 // wants the password itself, and no token
	Answer   func(word string) (string, []string) // the token server's answer and headers; nil is an ordinary one

	mu     sync.Mutex
	left   map[string]int
	given  int
	scopes []string
}

// Revoke makes all tokens that were given worthless.
func (g *Guard) Revoke() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.left = nil
}

// Given counts the tokens that were given, Scopes are those that they were asked for.
func (g *Guard) Given() (n int, scopes []string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.given, slices.Clone(g.scopes)
}

// ServeHTTP checks who asks.
func (g *Guard) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/token" {
		g.token(w, r)
		return
	}
	if g.Basic {
		if user, password, ok := r.BasicAuth(); ok && user == g.User && password == g.Password {
			g.Behind.ServeHTTP(w, r)
			return
		}
		w.Header().Set("WWW-Authenticate", `Basic realm="here"`)
		Refuse(w, http.StatusUnauthorized, "UNAUTHORIZED", "authentication required")
		return
	}
	word, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	g.mu.Lock()
	left, ok := g.left[word]
	if ok && g.Uses > 0 {
		if left == 1 {
			delete(g.left, word)
		} else {
			g.left[word] = left - 1
		}
	}
	g.mu.Unlock()
	if ok {
		g.Behind.ServeHTTP(w, r)
		return
	}
	realm := g.Realm
	if realm == "" {
		scheme := "http"
		if r.TLS != nil {
			scheme = "https"
		}
		realm = scheme + "://" + r.Host + "/token"
	}
	name, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/v2/"), "/blobs/")
	name, _, _ = strings.Cut(name, "/manifests/")
	challenge := fmt.Sprintf(`Bearer realm="%s",service="test"`, realm)
	if name != "" {
		challenge += fmt.Sprintf(`,scope="repository:%s:pull,push"`, name)
	}
	w.Header().Set("WWW-Authenticate", challenge)
	Refuse(w, http.StatusUnauthorized, "UNAUTHORIZED", "authentication required")
}

func (g *Guard) token(w http.ResponseWriter, r *http.Request) {
	user, password, _ := r.BasicAuth()
	if r.Method == http.MethodPost { // as OAuth 2 has it
		user, password = r.PostFormValue("username"), r.PostFormValue("password")
	}
	if user != g.User || password != g.Password {
		Refuse(w, http.StatusUnauthorized, "UNAUTHORIZED", "wrong name or password")
		return
	}
	_ = r.ParseForm() // of what cannot be read nothing is noted
	g.mu.Lock()
	g.given++
	g.scopes = append(g.scopes, r.Form["scope"]...)
	word := fmt.Sprintf("token-%d-of-many", g.given)
	if g.left == nil {
		g.left = map[string]int{}
	}
	g.left[word] = g.Uses
	g.mu.Unlock()
	if g.Answer != nil {
		body, headers := g.Answer(word)
		Status(http.StatusOK, body, headers...)(w, r, nil)
		return
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"token": word, "access_token": word, "expires_in": 300})
}

// Stranger is a host that nobody named. It keeps all that reaches it.
type Stranger struct {
	Host   string
	server *httptest.Server
	mu     sync.Mutex
	heard  strings.Builder
	count  int
}

// NewStranger starts one that answers as answers does; nil is "200 OK" to everything.
func NewStranger(answers http.Handler) *Stranger {
	s := &Stranger{}
	s.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, _ := httputil.DumpRequest(r, strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded"))
		s.mu.Lock()
		s.heard.Write(text)
		s.count++
		s.mu.Unlock()
		if answers != nil {
			answers.ServeHTTP(w, r)
		}
	}))
	u, _ := url.Parse(s.server.URL)
	s.Host = u.Host
	return s
}

// Close ends it.
func (s *Stranger) Close() { s.server.Close() }

// Heard is the head of every request that reached it, with the words of forms, and how many there were.
func (s *Stranger) Heard() (string, int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.heard.String(), s.count
}
