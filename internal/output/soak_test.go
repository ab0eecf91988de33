// SPDX-License-Identifier: MIT OR Apache-2.0

package output

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"sampan/internal/faulty"
	"sampan/internal/transport"
)

var (
	soak     = flag.Int("soak", 60, "how many random schedules of faults TestSoak plays")
	soakSeed = flag.Uint64("soak.seed", 1, "the first of them")
)

// schedule is one to four faults, made of a seed alone.
func schedule(seed uint64, w *wharf, s *faulty.Stranger) (faults []faulty.Fault, told []string) {
	r := rand.New(rand.NewPCG(seed, 0))
	digest := "Docker-Content-Digest: sha256:" + strings.Repeat("0", 64)
	statuses := []int{301, 307, 400, 401, 403, 404, 408, 409, 413, 429, 500, 502, 503, 504, 507}
	acts := []struct {
		name string
		act  faulty.Act
	}{
		{"lose", faulty.Lose},
		{"swallow 201", faulty.Swallow(201)},
		{"swallow 200", faulty.Swallow(200)},
		{"silence", faulty.Silence(true)},
		{"drip", faulty.Drip(time.Millisecond, false)},
		{"another digest", faulty.Alter(digest)},
		{"mangle", faulty.Mangle(func(b string) string { return strings.ToUpper(b) })},
		{"revoke", func(rw http.ResponseWriter, r *http.Request, next http.Handler) {
			w.guard.Revoke()
			next.ServeHTTP(rw, r)
		}},
		{"to a stranger", func(rw http.ResponseWriter, r *http.Request, _ http.Handler) {
			http.Redirect(rw, r, "http://"+s.Host+r.URL.Path, http.StatusTemporaryRedirect)
		}},
		{"a stranger's realm", faulty.Status(401, "", `WWW-Authenticate: Bearer realm="http://`+s.Host+`/token",service="x"`)},
		{"upload at a stranger's", func(rw http.ResponseWriter, r *http.Request, next http.Handler) {
			next.ServeHTTP(&moved{ResponseWriter: rw, to: "http://" + s.Host}, r)
		}},
	}
	for range 1 + r.IntN(4) {
		f := faulty.Fault{Kind: steps[r.IntN(len(steps))], Skip: r.IntN(3), Times: []int{1, 1, 2, 3, -1}[r.IntN(5)]}
		what := ""
		switch n := r.IntN(3); {
		case n == 0:
			status, wait := statuses[r.IntN(len(statuses))], []string{"", "2", "garbage"}[r.IntN(3)]
			what = fmt.Sprintf("%d, Retry-After %q", status, wait)
			if wait != "" {
				f.Act = faulty.Status(status, "", "Retry-After: "+wait, "Location: http://"+s.Host+"/x")
			} else {
				f.Act = faulty.Status(status, "<html>")
			}
		case n == 1 && r.IntN(2) == 0:
			after, reset := r.Int64N(40_000), r.IntN(2) == 0
			what, f.Act = fmt.Sprintf("cut after %d, reset %t", after, reset), faulty.Cut(after, reset)
		default:
			a := acts[r.IntN(len(acts))]
			what, f.Act = a.name, a.act
		}
		faults, told = append(faults, f), append(told, fmt.Sprintf("%s, skip %d, times %d: %s", f.Kind, f.Skip, f.Times, what))
	}
	return faults, told
}

// TestSoak plays random schedules. Whatever they are: a push that says that it is done is whole, one that is not says
// why, no stranger hears a secret, and it ends.
func TestSoak(t *testing.T) {
	done, failed := 0, 0
	for i := range *soak {
		seed := *soakSeed + uint64(i)
		w := newWharf(t, &faulty.Guard{}, func(o *transport.Options) { o.Stall = 100 * time.Millisecond })
		s := faulty.NewStranger(nil)
		faults, told := schedule(seed, w, s)
		w.proxy.Play(faults...)
		p := platforms(t, "app", 1, "v1")
		p.Repository = w.proxy.Host + "/app"
		began := time.Now()
		rs, err := w.reg.Write(t.Context(), []Payload{p})
		name := fmt.Sprintf("seed %d (%s)", seed, strings.Join(told, "; "))
		if err == nil {
			done++
			if bad := w.store.Whole("app", rs[0].Digest); bad != nil {
				t.Errorf("%s: it says that it is done: %v", name, bad)
			}
			if got := w.store.Tags("app")["v1"]; got != rs[0].Digest {
				t.Errorf("%s: the tag points at %q", name, got)
			}
		} else {
			failed++
			var h interface{ Hint() string }
			if !errors.As(err, &h) || h.Hint() == "" || strings.Contains(err.Error(), secret) || len(err.Error()) > 3000 {
				t.Errorf("%s: %.3000v", name, err)
			}
		}
		if took := time.Since(began); took > 20*time.Second || w.clock.total() > 2*time.Hour {
			t.Errorf("%s: took %s, and waited %s", name, took, w.clock.total())
		}
		clean(t, name, s)
		w.reg.Client.Close()
		s.Close()
	}
	t.Logf("%d pushes were done, %d failed and said why", done, failed)
}
