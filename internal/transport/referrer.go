// SPDX-License-Identifier: MIT OR Apache-2.0

package transport

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// ReferrersTag is the tag under which the referrers of a subject are listed where a registry does not list them by
// itself (distribution specification 1.1, "Referrers Tag Schema").
func ReferrersTag(subject string) string { return strings.Replace(subject, ":", "-", 1) }

// PutReferrer stores a manifest that names a subject, under its digest. Listed is when the registry says that it lists
// it among the subject's referrers (distribution specification 1.1, "Pushing Manifests with Subject"); where it does
// not, the index at ReferrersTag has to. Errors are those of PutManifest.
func (r *Repository) PutReferrer(ctx context.Context, subject, mediaType string, data []byte) (listed bool, err error) {
	got, err := r.putManifest(ctx, digestOf(data), mediaType, data)
	if err != nil {
		return false, err
	}
	return got.header.Get("OCI-Subject") == subject, nil
}

// TagManifest reads the manifest or index that a tag points at; nil when there is no such tag.
func (r *Repository) TagManifest(ctx context.Context, tag string) ([]byte, error) {
	return r.readManifest(ctx, tag)
}

// maxPages bounds how many answers a list of referrers may have.
const maxPages = 64

// Referrers lists the descriptors of what refers to a subject, as the registry has them, or, where it does not list
// them by itself, as the index at ReferrersTag has them. None is no error.
func (r *Repository) Referrers(ctx context.Context, subject string) ([]json.RawMessage, error) {
	if !IsDigest(subject) {
		return nil, badDigest(subject)
	}
	var out []json.RawMessage
	q := r.ask(http.MethodGet, "referrers/"+subject)
	q.header.Set("Accept", "application/vnd.oci.image.index.v1+json")
	for range maxPages {
		got, err := r.h.send(ctx, q)
		switch {
		case err != nil:
			return nil, err
		case got.status == http.StatusNotFound && out == nil:
			return r.taggedReferrers(ctx, subject)
		case got.status != http.StatusOK:
			return nil, r.fail(q, got)
		}
		page, err := r.descriptors(got.body)
		if err != nil {
			return nil, err
		}
		out = append(out, page...)
		next, err := r.next(got)
		if err != nil || next == nil {
			return out, err
		}
		q.url = *next
	}
	return nil, &RefusedError{Host: r.h.name, Why: fmt.Sprintf("the referrers of %s have more than %d pages", subject, maxPages)}
}

// taggedReferrers is Referrers by the tag.
func (r *Repository) taggedReferrers(ctx context.Context, subject string) ([]json.RawMessage, error) {
	data, err := r.readManifest(ctx, ReferrersTag(subject))
	if err != nil || data == nil {
		return nil, err
	}
	return r.descriptors(data)
}

// descriptors are the members of an index that somebody else wrote.
func (r *Repository) descriptors(index []byte) ([]json.RawMessage, error) {
	var x struct {
		Manifests []json.RawMessage `json:"manifests"`
	}
	if err := json.Unmarshal(index, &x); err != nil {
		return nil, &RefusedError{Host: r.h.name, Why: "its list of referrers is no index: " + foreign(err.Error())}
	}
	return x.Manifests, nil
}

// next is the address of the following page, nil when there is none (RFC 8288, relation "next").
func (r *Repository) next(got *reply) (*url.URL, error) {
	for _, link := range got.header.Values("Link") {
		target, params, ok := strings.Cut(strings.TrimPrefix(strings.TrimSpace(link), "<"), ">")
		if !ok || !strings.Contains(strings.ReplaceAll(params, `"`, ""), "rel=next") {
			continue
		}
		next, err := got.url.Parse(target)
		home := r.h.base()
		if err != nil || !sameOrigin(next, &home) {
			return nil, &RefusedError{Host: r.h.name, Why: "the next page of its list of referrers is elsewhere, " + foreign(target)}
		}
		return next, nil
	}
	return nil, nil
}
