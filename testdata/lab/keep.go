package lab

import (
	"fmt"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// Keep notes what is under the tag of an image's attachments that ends in the
// suffix. The function that it returns writes that over what is there then, as a
// tool does that read the tag before others wrote it.
func (r *Registry) Keep(img, suffix string) (undo func() error, err error) {
	repo, digest, _ := strings.Cut(img, "@")
	tag, err := name.NewTag(repo + ":" + strings.Replace(digest, ":", "-", 1) + suffix)
	if err != nil {
		return nil, err
	}
	old, err := remote.Get(tag)
	if err != nil {
		return nil, fmt.Errorf("keep %s: %w", tag, err)
	}
	return func() error { return remote.Put(tag, old) }, nil
}

// Delete deletes the manifest repo@digest.
func (r *Registry) Delete(img string) error {
	ref, err := name.NewDigest(img)
	if err != nil {
		return err
	}
	return remote.Delete(ref)
}
