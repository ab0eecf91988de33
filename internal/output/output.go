// SPDX-License-Identifier: MIT OR Apache-2.0

// Package output delivers images.
//
// Parse turns a word like "oci:DIR" into an Output; an Output writes finished images to one kind of place. Three
// kinds of files are here: an OCI image layout in a folder, the same in one tar file, and a tar file that Docker loads
// too. A Registry pushes: blobs first, then manifests, then it reads back what it pushed, and puts tags last.
//
// The room promises: what stands at the final name is the old content or the new one, whole, whenever a run is
// killed; content that is there already is not written again; no byte goes out whose digest was not computed from
// the bytes themselves; several processes may deliver into one layout and none loses its tag.
//
// It refuses: a folder that holds something else than a layout, a file that is no archive, digests that are no
// digests, and links where content should be.
//
//	o, err := output.Parse("oci:target/sampan/{name}")
//	receipts, err := o.Write(ctx, []output.Payload{{Name: "hello", Tags: []string{"latest"}, Images: images}})
package output

import (
	"context"
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Payload is one image, for one or several platforms, ready to be delivered.
type Payload struct {
	// Name is the image's name; it takes the place of "{name}" in a path.
	Name string
	// Repository is where a Registry pushes the image: "ghcr.io/team/hello". Other outputs do not look at it.
	Repository string
	// Tags are the tags that shall lead to the image; none means "latest". The first is the main one.
	Tags []string
	// Digest and MediaType describe what the tags point at: the index, or the one image. Both may be zero; a
	// Digest that is there is compared with the content before anything is written.
	Digest    v1.Hash
	MediaType types.MediaType
	// Images holds one image for each platform.
	Images []v1.Image
	// Index names all Images, and nothing else; it is nil when there is one image and no index.
	Index v1.ImageIndex
	// Referrers are artifacts about the images or the index. A Registry pushes them, before any tag; other outputs do
	// not look at them.
	Referrers []Referrer
}

// Receipt says what was delivered where.
type Receipt struct {
	// Image is the payload's name.
	Image string `json:"image"`
	// Output is the kind of place and the place: "oci:target/sampan/hello".
	Output string `json:"output"`
	// Reference is the place and the digest: "oci:target/sampan/hello@sha256:…".
	Reference string `json:"reference"`
	// Digest is that of the image, or of the index of several.
	Digest string `json:"digest"`
	// MediaType belongs to Digest.
	MediaType string `json:"media-type"`
	// Size counts the bytes of all blobs, configs and manifests of the image, each digest once.
	Size int64 `json:"size"`
	// Tags are the reference names under which the place now knows the image.
	Tags []string `json:"tags"`
	// Written counts the bytes that the place lacked before. A blob that was hard-linked counts in full. Files that
	// several images of one call share (index.json, an archive) count for the first image that made them change.
	// It is 0 when nothing at all was touched.
	Written int64 `json:"written"`
	// Blobs says what became of each blob of a push, layers and configs, in the order of the manifests.
	Blobs []BlobReceipt `json:"blobs,omitempty"`
	// Referrers are the artifacts about the image that a push brought, in the order of the payload.
	Referrers []ReferrerReceipt `json:"referrers,omitempty"`
}

// BlobReceipt is what became of one blob of a push.
type BlobReceipt struct {
	Digest string `json:"digest"`
	Size   int64  `json:"size"`
	// How is "pushed", "there" (the repository had it), or "mounted" (the registry took it over from another
	// repository of its own).
	How string `json:"how"`
}

// Output delivers images to one kind of place.
//
// Write returns one Receipt per Payload, in their order. When it fails midway it returns the receipts of what was
// delivered before, with the error.
type Output interface {
	Write(ctx context.Context, ps []Payload) ([]Receipt, error)
}

// Opener is an Output that can begin before the images are whole. Open is called when all project code has stopped;
// until then no credential may be looked at.
type Opener interface {
	Open(ctx context.Context) Delivery
}

// Delivery is one delivery that has begun.
type Delivery interface {
	// Soon says that a layer of the image is being made, and how many blobs that nobody has yet will follow.
	Soon(p Payload, blobs int)
	// Layer gives a layer of an image that is not whole yet. Fresh is one that was made just now.
	Layer(p Payload, l v1.Layer, fresh bool)
	// Write delivers, as Output does.
	Write(ctx context.Context, ps []Payload) ([]Receipt, error)
	// Close ends what is still under way. It may be called after Write, and without it.
	Close()
}

// Preflighter is an Output that can tell early, before anything is compiled, that Write would fail. Only Name and
// Tags of each Payload are looked at. Preflight changes nothing.
type Preflighter interface {
	Preflight(ctx context.Context, ps []Payload) error
}

// PlaceError says that a place cannot take an image, or that what is there cannot be trusted.
type PlaceError struct {
	Place  string // the scheme and the path
	Reason string // what is wrong
	Err    error  // the cause, if another error is behind it
	hint   string
}

// Error names the place and the reason.
func (e *PlaceError) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("write %s: %s: %v", e.Place, e.Reason, e.Err)
	}
	return fmt.Sprintf("write %s: %s", e.Place, e.Reason)
}

// Unwrap returns the cause.
func (e *PlaceError) Unwrap() error { return e.Err }

// Hint says what to type.
func (e *PlaceError) Hint() string { return e.hint }

// ContentError says that the bytes of a blob are not those that its descriptor names.
type ContentError struct {
	Digest v1.Hash // as promised
	Got    string  // what was found instead
}

// Error names the digest and what came instead of it.
func (e *ContentError) Error() string {
	return fmt.Sprintf("read blob %s: got %s", e.Digest, e.Got)
}

// NameError says that an image's name or tag cannot be used where it would have to be.
type NameError struct {
	What string // "name" or "tag"
	Text string
	Why  string
	hint string
}

// Error quotes the word and says why it cannot be used.
func (e *NameError) Error() string {
	return fmt.Sprintf("use %s %q: %s", e.What, e.Text, e.Why)
}

// Hint says what to type.
func (e *NameError) Hint() string { return e.hint }
