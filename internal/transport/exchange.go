// SPDX-License-Identifier: MIT OR Apache-2.0

package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// request is one thing to ask of a registry. It may be sent any number of times.
type request struct {
	method string
	url    url.URL
	header http.Header
	open   func() (io.ReadCloser, error) // the body; nil for none
	size   int64
	scope  []string // what a token must allow: "repository:app:pull,push"
	bare   bool     // no credential goes with it: who asks gives its own
	limit  int64    // of the answer's body in bytes; 0 is maxJSON

	// sink reads the body of an answer that is no error, in place of reply.body; nil for none. What goes wrong on its own
	// side is a *localError.
	sink func(got *reply, body io.Reader) error
}

// reply is an answer, its body read whole.
type reply struct {
	status int
	header http.Header
	body   []byte
	url    url.URL // that answered
}

// send asks until there is an answer that another try would not change. Statuses are the caller's to judge.
func (h *host) send(ctx context.Context, r *request) (*reply, error) {
	t := h.tries()
	for {
		got, f, err := h.try(ctx, r)
		if err != nil || f == nil {
			return got, err
		}
		if err := t.again(ctx, f); err != nil {
			return nil, err
		}
	}
}

// renewals bounds how often one request gets a new token. Others use the same one, so it may be spent again and again.
const renewals = 8

// maxFresh bounds how often a token that was fetched for this very request may be refused: others may have used it up,
// but not again and again.
const maxFresh = 3

// try asks once, and again with a new token as long as that is what is wanted.
func (h *host) try(ctx context.Context, r *request) (*reply, *fault, error) {
	for n, fresh := 0, 0; ; n++ {
		if err := h.wait(ctx); err != nil {
			return nil, nil, err
		}
		var pass pass
		if !r.bare {
			var f *fault
			var err error
			if pass, f, err = h.authorize(ctx, r.scope, fresh > 0); f != nil || err != nil {
				return nil, f, err
			}
		}
		got, err := h.once(ctx, r, pass.header)
		if err != nil {
			if cause := ctx.Err(); cause != nil {
				return nil, nil, cause
			}
			if local, ok := errors.AsType[*localError](err); ok {
				return nil, nil, local.err
			}
			if _, ok := errors.AsType[*RefusedError](err); ok {
				return nil, nil, err
			}
			f, err := h.netError(err)
			if err != nil && h.lax && r.url.Scheme == "https" && errors.Is(err, errPlain) {
				h.plain()
				r.url.Scheme = "http"
				continue
			}
			return nil, f, err
		}
		if got.status == http.StatusUnauthorized && !r.bare {
			if pass.fresh {
				fresh++
			}
			if err := h.challenged(ctx, got, pass, n >= renewals || fresh >= maxFresh); err != nil {
				return nil, nil, err
			}
			continue
		}
		return h.judge(r, got)
	}
}

// judge sorts answers into those that the caller wants and those that are worth another try.
func (h *host) judge(r *request, got *reply) (*reply, *fault, error) {
	if got.status < 400 {
		return got, nil, nil
	}
	says := parseAnswer(got.header, got.body)
	limited := got.status == http.StatusTooManyRequests || says.has("TOOMANYREQUESTS")
	broken := got.status == http.StatusRequestTimeout || got.status >= 500 && got.status <= 504 && got.status != http.StatusNotImplemented
	if !limited && !broken {
		return got, nil, nil
	}
	wait, asked := retryAfter(got.header, h.c.o.Now())
	return got, &fault{err: h.statusError(r, got), wait: wait, asked: asked && wait >= 0, limited: limited}, nil
}

// statusError is an answer as an error.
func (h *host) statusError(r *request, got *reply) *StatusError {
	says := parseAnswer(got.header, got.body)
	return &StatusError{Host: h.name, Method: r.method, Where: h.badge.hide(shown(&got.url)), Status: got.status, Codes: says.codes, Text: h.badge.hide(says.text)}
}

// once sends a request and follows where it leads.
func (h *host) once(ctx context.Context, r *request, credential string) (*reply, error) {
	home, at := h.base(), r.url
	for hops := 0; ; hops++ {
		if hops > maxHops {
			return nil, &RefusedError{Host: h.name, Why: fmt.Sprintf("more than %d redirects", maxHops)}
		}
		header := r.header.Clone()
		if header == nil {
			header = http.Header{}
		}
		switch {
		case r.bare:
		case credential != "" && sameOrigin(&at, &home):
			header.Set("Authorization", credential)
		default:
			header.Del("Authorization")
		}
		got, err := h.exchange(ctx, r, at, header)
		if err != nil {
			return nil, err
		}
		location := got.header.Get("Location")
		if got.status < 301 || got.status > 308 || got.status == 304 || location == "" {
			return got, nil
		}
		next, err := h.follow(r, &at, location, got.status)
		if err != nil {
			return nil, err
		}
		at = *next
	}
}

// follow decides whether to go where an answer points.
func (h *host) follow(r *request, from *url.URL, location string, status int) (*url.URL, error) {
	next, err := from.Parse(location)
	refuse := func(why string) (*url.URL, error) { return nil, &RefusedError{Host: h.name, Why: why} }
	if err != nil {
		return refuse("it redirects to what is no address")
	}
	if why := h.outside(from, next); why != "" {
		return refuse("it redirects to " + shown(next) + ": " + why)
	}
	reads := r.method == http.MethodGet || r.method == http.MethodHead
	if !reads {
		if !sameOrigin(from, next) {
			return refuse("it redirects what is written to another host, " + foreign(next.Host))
		}
		if status != http.StatusTemporaryRedirect && status != http.StatusPermanentRedirect {
			return refuse(fmt.Sprintf("it redirects what is written with %s, which would drop it", statusText(status)))
		}
	}
	if r.bare && !sameOrigin(from, next) {
		return refuse("a token server redirects to another host, " + foreign(next.Host))
	}
	return next, nil
}

// outside says what is wrong with an address that somebody else chose; "" when nothing is.
func (h *host) outside(from, next *url.URL) string {
	home := h.base()
	switch {
	case next.Scheme != "http" && next.Scheme != "https":
		return "only http and https are followed"
	case next.Host == "" || next.User != nil:
		return "it has no host, or a user in it"
	case next.Scheme == "http" && (from.Scheme == "https" || home.Scheme == "https"):
		return "HTTPS is not left for plain HTTP"
	case sameOrigin(next, &home):
		return ""
	case inward(next.Hostname()) && !inward(home.Hostname()):
		return "it leads into this machine or its network"
	}
	return ""
}

// sameOrigin compares scheme, host and port.
func sameOrigin(a, b *url.URL) bool {
	return a.Scheme == b.Scheme && strings.EqualFold(a.Hostname(), b.Hostname()) && portOf(a) == portOf(b)
}

func portOf(u *url.URL) string {
	if p := u.Port(); p != "" {
		return p
	}
	if u.Scheme == "http" {
		return "80"
	}
	return "443"
}

// exchange is one request on the wire and its answer, whole. It ends when nothing moves any more.
func (h *host) exchange(ctx context.Context, r *request, at url.URL, header http.Header) (*reply, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	w := &watch{stall: h.c.o.Stall, timer: time.AfterFunc(h.c.o.Stall, func() { cancel(errStalled) })}
	defer w.timer.Stop()
	req, err := h.request(ctx, r, at, header, w)
	if err != nil {
		return nil, err
	}
	tripper, err := h.c.tripper(at.Host)
	if err != nil {
		return nil, err
	}
	resp, err := tripper.RoundTrip(req)
	if err != nil {
		if errors.Is(context.Cause(ctx), errStalled) {
			return nil, errStalled
		}
		return nil, err
	}
	defer resp.Body.Close()
	w.timer.Reset(h.c.o.Stall) // the answer's body has that much time, all of it
	got := &reply{status: resp.StatusCode, header: resp.Header, url: at}
	if r.sink != nil && resp.StatusCode < 300 {
		if err = r.sink(got, &watched{body: resp.Body, w: w, reads: true}); err != nil && errors.Is(context.Cause(ctx), errStalled) {
			err = errStalled
		}
		return got, err
	}
	limit := r.limit
	if limit == 0 {
		limit = maxJSON
	}
	if resp.StatusCode >= 400 {
		limit = maxError
	}
	got.body, err = io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if err != nil {
		if errors.Is(context.Cause(ctx), errStalled) {
			return nil, errStalled
		}
		return nil, fmt.Errorf("read the answer: %w", err)
	}
	if int64(len(got.body)) > limit {
		if resp.StatusCode >= 400 {
			got.body = got.body[:limit]
			return got, nil
		}
		return nil, &RefusedError{Host: h.name, Why: fmt.Sprintf("the answer to %s %s is larger than %d bytes", r.method, shown(&at), limit), hint: "is it a registry?"}
	}
	return got, nil
}

func (h *host) request(ctx context.Context, r *request, at url.URL, header http.Header, w *watch) (*http.Request, error) {
	req := &http.Request{Method: r.method, URL: &at, Header: header, Host: at.Host, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1}
	if h.c.o.Agent != "" {
		req.Header.Set("User-Agent", h.c.o.Agent)
	}
	if r.open != nil && r.size > 0 {
		body, err := r.open()
		if err != nil {
			return nil, &localError{err}
		}
		req.Body = &watched{body: body, w: w}
		req.ContentLength = r.size
	} else if r.open != nil {
		req.Body = http.NoBody
	}
	return req.WithContext(ctx), nil
}

// localError is a body of ours that cannot be read: no registry is to blame.
type localError struct{ err error }

func (e *localError) Error() string { return e.err.Error() }
func (e *localError) Unwrap() error { return e.err }

// progress is how much has to move within Options.Stall to count: a server that takes a byte a second is none.
const progress = 4 << 10

// watch ends a request when nothing moves.
type watch struct {
	stall time.Duration
	timer *time.Timer
}

// watched is a body on its way out, or in.
type watched struct {
	body  io.ReadCloser
	w     *watch
	moved int
	reads bool // it is the registry's
}

func (b *watched) Read(p []byte) (int, error) {
	n, err := b.body.Read(p)
	b.moved += n
	if b.moved >= progress || err == io.EOF {
		b.moved = 0
		b.w.timer.Reset(b.w.stall)
	}
	if err != nil && err != io.EOF && !b.reads {
		err = &localError{err}
	}
	return n, err
}

func (b *watched) Close() error { return b.body.Close() }
