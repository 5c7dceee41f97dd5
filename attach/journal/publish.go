package journal

import (
	"context"
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sync/errgroup"

	"github.com/hallmark-oci/hallmark/attach"
)

// Publish does the work of [attach.Publisher] on a medium: blobs first, several
// at a time, then the manifest that names them, under the tag or by its digest.
// The repo stands in errors.
func Publish(ctx context.Context, m Medium, repo, tag string, mf attach.Manifest, parts ...attach.Body) (attach.Subject, error) {
	s := attach.Subject{Repo: repo, Desc: v1.Descriptor{
		MediaType: mf.Desc.MediaType, Size: int64(len(mf.Raw)), Digest: attach.DigestOf(mf.Raw),
	}}
	if stated, err := attach.ManifestType(mf.Raw); err != nil || stated != s.Desc.MediaType || !attach.IsManifest(stated) {
		return s, fmt.Errorf("put a manifest into %s: media type %q, the manifest says %q: %w", repo, s.Desc.MediaType, stated, attach.ErrMalformed)
	}
	ref := tag
	if ref == "" {
		ref = s.Desc.Digest.String()
	}
	unlock, err := m.Lock(ctx)
	if err != nil {
		return s, fmt.Errorf("lock %s: %w", repo, err)
	}
	defer unlock()
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(requests)
	had := make(map[v1.Hash]bool)
	for _, b := range parts {
		if had[b.Digest] {
			continue
		}
		had[b.Digest] = true
		g.Go(func() error {
			if err := m.PutBlob(gctx, b); err != nil {
				return fmt.Errorf("put the blob %s of %d bytes into %s: %w", b.Digest, b.Size, repo, err)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return s, err
	}
	if err := m.PutManifest(ctx, ref, string(s.Desc.MediaType), mf.Raw); err != nil {
		return s, fmt.Errorf("put %s into %s: %w", ref, repo, err)
	}
	return s, nil
}
