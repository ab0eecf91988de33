// SPDX-License-Identifier: MIT OR Apache-2.0

package transport

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
)

// Repository is one repository of a registry, to push to or to read from.
type Repository struct {
	Name    Name
	h       *host
	actions string // that a token has to allow
}

// Repository begins to speak of a repository. Nothing goes out.
func (c *Client) Repository(n Name) *Repository {
	return &Repository{Name: n, h: c.host(n), actions: "pull,push"}
}

// Source is Repository for one that is only read: more users may do that.
func (c *Client) Source(n Name) *Repository {
	return &Repository{Name: n, h: c.host(n), actions: "pull"}
}

// Blob is something to upload. Open may be called several times, also while an earlier reader is in use.
type Blob struct {
	Digest string
	Size   int64
	Open   func() (io.ReadCloser, error)
}

// Upload is a place that the registry has opened for one blob.
type Upload struct{ at url.URL }

// ask makes a request about the repository: path is what follows /v2/<name>/.
func (r *Repository) ask(method, path string) *request {
	u := r.h.base()
	u.Path = "/v2/" + r.Name.repository() + "/" + path
	return &request{method: method, url: u, header: http.Header{}, scope: []string{r.scope(r.actions)}}
}

func (r *Repository) reads() bool { return r.actions == "pull" }

func (r *Repository) scope(actions string) string {
	return "repository:" + r.Name.repository() + ":" + actions
}

// fail is an answer that nobody wants, as an error.
func (r *Repository) fail(q *request, got *reply) error {
	e := r.h.statusError(q, got)
	says := answer{codes: e.Codes}
	if got.status == http.StatusForbidden || says.has("DENIED") && got.status < 500 && got.status != http.StatusNotFound {
		b := &r.h.badge
		b.mu.Lock()
		who := b.who
		b.mu.Unlock()
		refused := &AuthError{Host: r.h.name, Status: got.status, Text: e.Text, Origin: who.Origin, User: who.User}
		if r.reads() {
			refused.hint = "may this user read it? for another one: " + login(r.h.name)
		}
		return refused
	}
	if r.reads() && got.status == http.StatusNotFound {
		e.hint = "is the repository's name right, and may you read it? " + login(r.h.name)
	}
	return e
}

// HasBlob asks whether the repository has a blob.
func (r *Repository) HasBlob(ctx context.Context, digest string) (bool, error) {
	if !IsDigest(digest) {
		return false, badDigest(digest)
	}
	q := r.ask(http.MethodHead, "blobs/"+digest)
	got, err := r.h.send(ctx, q)
	if err != nil {
		return false, err
	}
	switch {
	case got.status == http.StatusOK:
		return true, nil
	case got.status == http.StatusNotFound:
		return false, nil
	}
	if home := r.h.base(); !sameOrigin(&got.url, &home) {
		return true, nil // the registry has it elsewhere, at an address that may be good for reading alone
	}
	return false, r.fail(q, got)
}

func badDigest(digest string) error {
	return errors.New("use digest " + foreign(digest) + ": not a SHA-256 digest")
}

// Begin opens a place for a blob whose digest need not be known yet.
func (r *Repository) Begin(ctx context.Context) (*Upload, error) {
	t := r.h.tries()
	for {
		u, f, err := r.begin(ctx, "")
		if err != nil || f == nil {
			return u, err
		}
		if err := t.again(ctx, f); err != nil {
			return nil, err
		}
	}
}

func (r *Repository) begin(ctx context.Context, query string) (*Upload, *fault, error) {
	q := r.ask(http.MethodPost, "blobs/uploads/")
	q.url.RawQuery = query
	q.open = func() (io.ReadCloser, error) { return http.NoBody, nil }
	got, f, err := r.h.try(ctx, q)
	if f != nil || err != nil {
		return nil, f, err
	}
	if got.status != http.StatusAccepted {
		return nil, nil, r.fail(q, got)
	}
	u, err := r.place(got)
	return u, nil, err
}

// place reads where the registry wants a blob. Another host may be named: the bytes go there, the credential does not.
func (r *Repository) place(got *reply) (*Upload, error) {
	location := got.header.Get("Location")
	at, err := got.url.Parse(location)
	if location == "" || err != nil {
		return nil, &RefusedError{Host: r.h.name, Why: "it opened an upload and does not say where", hint: "is it a registry?"}
	}
	if why := r.h.outside(&got.url, at); why != "" {
		return nil, &RefusedError{Host: r.h.name, Why: "it wants an upload at " + shown(at) + ": " + why}
	}
	return &Upload{at: *at}, nil
}

// PutBlob uploads a blob, from its beginning as often as it takes. u is a place that was opened before, or nil.
func (r *Repository) PutBlob(ctx context.Context, b Blob, u *Upload) error {
	if !IsDigest(b.Digest) {
		return badDigest(b.Digest)
	}
	t := r.h.tries()
	for {
		f, err := r.putOnce(ctx, b, &u)
		if err != nil || f == nil {
			return err
		}
		u = nil // what is left of it is unknown
		if err := t.again(ctx, f); err != nil {
			return err
		}
		// The reply may be all that was lost. An answer that is not clear is no reason to stop: the upload tells.
		if there, err := r.HasBlob(ctx, b.Digest); err == nil && there {
			return nil
		}
	}
}

// putOnce is one upload: a place, if there is none, and the bytes.
func (r *Repository) putOnce(ctx context.Context, b Blob, u **Upload) (*fault, error) {
	if *u == nil {
		var f *fault
		var err error
		if *u, f, err = r.begin(ctx, ""); f != nil || err != nil {
			return f, err
		}
	}
	q := r.ask(http.MethodPut, "")
	q.url = (*u).at
	query := q.url.Query()
	query.Set("digest", b.Digest)
	q.url.RawQuery = query.Encode()
	q.header.Set("Content-Type", "application/octet-stream")
	q.open, q.size = b.Open, b.Size
	got, f, err := r.h.try(ctx, q)
	if f != nil || err != nil {
		return f, err
	}
	switch {
	case got.status == http.StatusCreated || got.status == http.StatusOK || got.status == http.StatusNoContent:
		if said := got.header.Get("Docker-Content-Digest"); said != "" && said != b.Digest {
			return nil, &DigestError{Host: r.h.name, What: "blob", Want: b.Digest, Got: foreign(said)}
		}
		return nil, nil
	case spent(got):
		return &fault{err: r.h.statusError(q, got), weight: max(r.h.c.o.Attempts/4, 1)}, nil
	}
	return nil, r.fail(q, got)
}

// spent tells of an upload that the registry no longer knows, or whose bytes did not arrive as they were sent: a new
// one may do.
func spent(got *reply) bool {
	says := parseAnswer(got.header, got.body)
	return says.has("BLOB_UPLOAD_UNKNOWN", "BLOB_UPLOAD_INVALID", "DIGEST_INVALID", "SIZE_INVALID", "RANGE_INVALID") ||
		got.status == http.StatusNotFound && !says.has("NAME_UNKNOWN") || got.status == http.StatusRequestedRangeNotSatisfiable
}

// Mount asks the registry to take a blob over from another of its repositories. Where it will not, it may have opened
// a place for an upload instead; that is given back.
func (r *Repository) Mount(ctx context.Context, digest, from string) (bool, *Upload, error) {
	if !IsDigest(digest) {
		return false, nil, badDigest(digest)
	}
	source := Name{Host: r.Name.Host, Path: from}
	q := r.ask(http.MethodPost, "blobs/uploads/")
	q.url.RawQuery = url.Values{"mount": {digest}, "from": {source.repository()}}.Encode()
	q.scope = append(q.scope, "repository:"+source.repository()+":pull")
	q.open = func() (io.ReadCloser, error) { return http.NoBody, nil }
	got, err := r.h.send(ctx, q)
	if err != nil {
		return false, nil, err
	}
	switch got.status {
	case http.StatusCreated:
		return true, nil, nil
	case http.StatusAccepted:
		u, err := r.place(got)
		return false, u, err
	}
	return false, nil, r.fail(q, got)
}

// Cancel gives a place back that is not needed. Who does not take it back forgets it in time.
func (r *Repository) Cancel(ctx context.Context, u *Upload) {
	q := r.ask(http.MethodDelete, "")
	q.url = u.at
	_, _, _ = r.h.try(ctx, q)
}
