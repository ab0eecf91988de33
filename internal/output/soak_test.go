// SPDX-License-Identifier: MIT OR Apache-2.0

package output

import (
	"errors"
	"flag"
	"fmt"
	"runtime"
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

// TestSoak plays random schedules. Whatever they are: a push that says that it is done is whole, one that is not says
// why, no stranger hears a secret, and it ends.
func TestSoak(t *testing.T) {
	done, failed, before := 0, 0, runtime.NumGoroutine()
	for i := range *soak {
		seed := *soakSeed + uint64(i)
		w := newWharf(t, &faulty.Guard{}, func(o *transport.Options) { o.Stall = 100 * time.Millisecond })
		s := faulty.NewStranger(nil)
		faults, told := faulty.Schedule(seed, w.guard, s)
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
		w.proxy.Close()
		s.Close()
	}
	for range 100 { // what was closed ends a moment later
		if runtime.NumGoroutine() <= before {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if n := runtime.NumGoroutine(); n > before {
		t.Errorf("%d goroutines before, %d after", before, n)
	}
	t.Logf("%d pushes were done, %d failed and said why", done, failed)
}
