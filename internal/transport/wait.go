// SPDX-License-Identifier: MIT OR Apache-2.0

package transport

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// gate holds all requests to one host back until a moment.
type gate struct {
	mu    sync.Mutex
	until time.Time
	told  time.Time // the moment that was told of
}

// wait waits until the gate is open.
func (h *host) wait(ctx context.Context) error {
	for {
		h.gate.mu.Lock()
		d := h.gate.until.Sub(h.c.o.Now())
		h.gate.mu.Unlock()
		if d <= 0 {
			return ctx.Err()
		}
		if err := h.c.o.Sleep(ctx, d); err != nil {
			return err
		}
	}
}

// close shuts the gate for d and a little more, so that workers do not all come back at one moment, and says so once.
func (h *host) close(d time.Duration, why string) {
	now := h.c.o.Now()
	// Small, since it is waited for by a person; never below what was asked.
	until := now.Add(d + time.Duration(rand.Int64N(int64(d/20+50*time.Millisecond))))
	h.gate.mu.Lock()
	tell := false
	if until.After(h.gate.until) {
		h.gate.until = until
		// Workers that were refused together tell of one wait, not of one each.
		if tell = until.Sub(h.gate.told) > time.Second && !now.Before(h.gate.told); tell {
			h.gate.told = until
		}
	}
	h.gate.mu.Unlock()
	if tell && d >= time.Second {
		h.c.say(fmt.Sprintf("%s asks to wait %s (%s)", h.name, round(d), why))
	}
}

func round(d time.Duration) time.Duration {
	if d > 10*time.Second {
		return d.Round(time.Second)
	}
	return d.Round(100 * time.Millisecond)
}

// retryAfter reads the header of RFC 9110, section 10.2.3: seconds, or a date of which what is past is no wait. What
// cannot be read is as if it were not there.
func retryAfter(h http.Header, now time.Time) (time.Duration, bool) {
	word := strings.TrimSpace(h.Get("Retry-After"))
	if word == "" {
		return 0, false
	}
	if n, err := strconv.ParseInt(word, 10, 64); err == nil || errors.Is(err, strconv.ErrRange) && !strings.HasPrefix(word, "-") {
		if err == nil && n < 0 {
			return 0, false
		}
		if err != nil || n > int64(1<<31) {
			n = 1 << 31
		}
		return time.Duration(n) * time.Second, true
	}
	at, err := http.ParseTime(word)
	if err != nil {
		return 0, false
	}
	// Against the registry's own clock where it gives one: ours may be wrong.
	if date, err := http.ParseTime(h.Get("Date")); err == nil {
		now = date
	}
	return max(at.Sub(now), 0), true
}

// fault is one try that failed and may be worth another.
type fault struct {
	err     error
	wait    time.Duration // that was asked for
	asked   bool          // a wait was asked for
	limited bool          // the registry said that it is too much, and not that something broke
	weight  int           // how many tries it counts as; a stall has cost a minute already
}

// tries are those of one operation.
type tries struct {
	h     *host
	n     int // as they are counted against the bound
	done  int // as they are told
	began time.Time
	back  *backoff.ExponentialBackOff
}

func (h *host) tries() *tries {
	return &tries{h: h, began: h.c.o.Now(), back: &backoff.ExponentialBackOff{InitialInterval: 300 * time.Millisecond,
		RandomizationFactor: 0.5, Multiplier: 2, MaxInterval: 20 * time.Second}}
}

// again waits before another try, or says that there will be none.
func (t *tries) again(ctx context.Context, f *fault) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	o := t.h.c.o
	t.done++
	t.n += max(f.weight, 1)
	pause := t.back.NextBackOff()
	if f.limited && f.asked {
		t.n-- // who asks for a wait and gets it is not counted out, but by Patience
	}
	if f.asked && f.wait > o.Longest {
		return &WaitError{Host: t.h.name, Wait: f.wait, Longest: o.Longest, Err: f.err}
	}
	spent := o.Now().Sub(t.began)
	if t.n >= o.Attempts || spent+f.wait > o.Patience {
		return &GaveUpError{Attempts: t.done, Spent: spent, Err: f.err}
	}
	if f.asked {
		// A wait of nothing, again and again, is still no reason to hammer.
		t.h.close(max(f.wait, min(pause, time.Duration(t.done)*50*time.Millisecond)), reason(f.err))
		return nil
	}
	if f.limited {
		t.h.close(max(pause, 500*time.Millisecond), reason(f.err))
		return nil
	}
	return o.Sleep(ctx, pause)
}

// reason is an error's status in few words.
func reason(err error) string {
	if e, ok := errors.AsType[*StatusError](err); ok {
		return statusText(e.Status)
	}
	return err.Error()
}

// WaitError is a registry that asks for a longer wait than a push can be kept open for.
type WaitError struct {
	Host          string
	Wait, Longest time.Duration
	Err           error
}

func (e *WaitError) Error() string {
	return fmt.Sprintf("%s asks to wait %s before the next request: %v", e.Host, round(e.Wait), e.Err)
}

// Unwrap returns the answer that asked for it.
func (e *WaitError) Unwrap() error { return e.Err }

// Hint says when to come back.
func (e *WaitError) Hint() string {
	return fmt.Sprintf("run the same command in %s; a login may have a higher limit: sampan login %s", round(e.Wait), e.Host)
}

// GaveUpError is an operation that failed as often as it was tried.
type GaveUpError struct {
	Attempts int
	Spent    time.Duration
	Err      error // of the last try
}

func (e *GaveUpError) Error() string {
	return fmt.Sprintf("%v (attempts: %d in %s)", e.Err, e.Attempts, round(e.Spent))
}

// Unwrap returns the error of the last try.
func (e *GaveUpError) Unwrap() error { return e.Err }
