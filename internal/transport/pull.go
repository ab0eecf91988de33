// SPDX-License-Identifier: MIT OR Apache-2.0

package transport

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"strings"
)

// File is where a blob is written to.
type File interface {
	io.Writer
	Truncate(size int64) error // to 0, and writing goes on there
}

// renews is how many bytes have to arrive in one try for the next ones to count anew: a long download over a bad line
// gets on.
const renews = 1 << 20

// GetBlob reads a blob into an empty file. What is cut is resumed where the registry can do that, else read again from the
// beginning; so is what arrives with other bytes. When it ends without an error, the file has just the bytes that the digest
// and the size name.
func (r *Repository) GetBlob(ctx context.Context, digest string, size int64, to File) error {
	if !IsDigest(digest) {
		return badDigest(digest)
	}
	d := &download{to: to, sum: sha256.New(), size: size}
	t := r.h.tries()
	for {
		before := d.n
		f, err := r.getOnce(ctx, digest, d)
		if err != nil {
			return err
		}
		if f == nil {
			got := "sha256:" + hex.EncodeToString(d.sum.Sum(nil))
			if got == digest && d.n == size {
				return nil
			}
			if d.n != size {
				got = fmt.Sprintf("%d bytes, of %d that were said", d.n, size)
			}
			f = &fault{err: &DigestError{Host: r.h.name, What: "blob", Want: digest, Got: got}, weight: max(r.h.c.o.Attempts/2, 1)}
			if err := d.restart(); err != nil {
				return err
			}
		}
		if d.n-before >= renews {
			t = r.h.tries()
		}
		if err := t.again(ctx, f); err != nil {
			return err
		}
	}
}

// getOnce reads what is still missing of a blob.
func (r *Repository) getOnce(ctx context.Context, digest string, d *download) (*fault, error) {
	q := r.ask(http.MethodGet, "blobs/"+digest)
	q.sink = d.read
	if d.n > 0 {
		q.header.Set("Range", fmt.Sprintf("bytes=%d-", d.n))
	}
	got, f, err := r.h.try(ctx, q)
	if f != nil || err != nil {
		return f, err
	}
	switch {
	case got.status == http.StatusOK || got.status == http.StatusPartialContent:
		return nil, nil
	case got.status == http.StatusRequestedRangeNotSatisfiable && d.n > 0:
		return &fault{err: r.h.statusError(q, got)}, d.restart()
	}
	return nil, r.fail(q, got)
}

// download is a blob on its way in.
type download struct {
	to   File
	sum  hash.Hash
	n    int64
	size int64
}

func (d *download) restart() error {
	d.n = 0
	d.sum.Reset()
	return d.to.Truncate(0)
}

// errCut is a body that ended early without the connection saying so.
var errCut = errors.New("the answer ends early")

// read takes a body: the rest of the blob, or all of it from a registry that does not resume.
func (d *download) read(got *reply, body io.Reader) error {
	if d.n > 0 && !(got.status == http.StatusPartialContent && strings.HasPrefix(got.header.Get("Content-Range"), fmt.Sprintf("bytes %d-", d.n))) {
		if err := d.restart(); err != nil {
			return &localError{err}
		}
		if got.status == http.StatusPartialContent {
			return errCut // of another part: ask for all of it
		}
	}
	// One byte more than promised is enough to know that there are too many.
	limited := io.LimitReader(body, d.size-d.n+1)
	buf := make([]byte, 64<<10)
	for {
		n, err := limited.Read(buf)
		if n > 0 {
			d.sum.Write(buf[:n])
			d.n += int64(n)
			if _, err := d.to.Write(buf[:n]); err != nil {
				return &localError{err}
			}
		}
		switch {
		case err == io.EOF && d.n < d.size:
			return errCut
		case err == io.EOF:
			return nil
		case err != nil:
			return fmt.Errorf("read the answer: %w", err)
		}
	}
}
