// SPDX-License-Identifier: MIT OR Apache-2.0

package faulty

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"
)

// Steps are the kinds of requests of a cold push, of which each can go wrong.
var Steps = []string{Look, Start, Body, Manifest, Read, Tag, Token}

// Revoke makes all tokens worthless at the moment of a request, and lets it go on.
func Revoke(g *Guard) Act {
	return func(w http.ResponseWriter, r *http.Request, behind http.Handler) {
		g.Revoke()
		behind.ServeHTTP(w, r)
	}
}

// Schedule is one to four faults, made of a seed alone, before a registry with a guard; some of them name a stranger.
// told says in words what they are.
func Schedule(seed uint64, guard *Guard, s *Stranger) (faults []Fault, told []string) {
	r := rand.New(rand.NewPCG(seed, 0))
	digest := "Docker-Content-Digest: sha256:" + strings.Repeat("0", 64)
	statuses := []int{301, 307, 400, 401, 403, 404, 408, 409, 413, 429, 500, 502, 503, 504, 507}
	acts := []struct {
		name string
		act  Act
	}{
		{"lose", Lose},
		{"swallow 201", Swallow(201)},
		{"swallow 200", Swallow(200)},
		{"silence", Silence(true)},
		{"drip", Drip(time.Millisecond, false)},
		{"another digest", Alter(digest)},
		{"mangle", Mangle(strings.ToUpper)},
		{"revoke", Revoke(guard)},
		{"to a stranger", func(rw http.ResponseWriter, r *http.Request, _ http.Handler) {
			http.Redirect(rw, r, "http://"+s.Host+r.URL.Path, http.StatusTemporaryRedirect)
		}},
		{"a stranger's realm", Status(401, "", `WWW-Authenticate: Bearer realm="http://`+s.Host+`/token",service="x"`)},
		{"upload at a stranger's", Move("http://" + s.Host)},
	}
	for range 1 + r.IntN(4) {
		f := Fault{Kind: Steps[r.IntN(len(Steps))], Skip: r.IntN(3), Times: []int{1, 1, 2, 3, -1}[r.IntN(5)]}
		what := ""
		switch n := r.IntN(3); {
		case n == 0:
			status, wait := statuses[r.IntN(len(statuses))], []string{"", "2", "garbage"}[r.IntN(3)]
			what = fmt.Sprintf("%d, Retry-After %q", status, wait)
			f.Act = Status(status, "<html>")
			if wait != "" {
				f.Act = Status(status, "", "Retry-After: "+wait, "Location: http://"+s.Host+"/x")
			}
		case n == 1 && r.IntN(2) == 0:
			after, reset := r.Int64N(40_000), r.IntN(2) == 0
			what, f.Act = fmt.Sprintf("cut after %d, reset %t", after, reset), Cut(after, reset)
		default:
			a := acts[r.IntN(len(acts))]
			what, f.Act = a.name, a.act
		}
		faults, told = append(faults, f), append(told, fmt.Sprintf("%s, skip %d, times %d: %s", f.Kind, f.Skip, f.Times, what))
	}
	return faults, told
}
