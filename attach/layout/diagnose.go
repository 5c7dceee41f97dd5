package layout

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/journal"
)

// Diagnose finds out whether the directory can be written to as it has to be: it
// takes the lock, writes an image that nobody has under a tag that begins with
// "hallmark-doctor-", overwrites the tag, reads, lists and removes it. With deep it
// also writes a manifest of 4 MiB. An error says that there is no diagnosis.
func (s *Store) Diagnose(ctx context.Context, deep bool) (d attach.Diagnosis, err error) {
	p := &probe{medium: s.medium, name: "hallmark-doctor-" + strings.ToLower(rand.Text()), d: &d}
	d.Place, d.Works = s.medium.dir.name, attach.No
	err = p.run(ctx, deep)
	p.clean(context.WithoutCancel(ctx))
	if err != nil {
		return d, fmt.Errorf("diagnose %s: %w", d.Place, err)
	}
	d.Intend("journal", "tags", "one entry of index.json for each attachment, which no other writer that takes the lock displaces")
	d.Intend("form", "cosign", "image manifests with cosign's layer types")
	d.Intend("view", "rewritten", "cosign's tags are written anew with each attachment and show all of them")
	d.Works = attach.Yes
	return d, nil
}

// A probe is one diagnosis under way.
type probe struct {
	*medium
	name  string
	d     *attach.Diagnosis
	refs  []string
	blobs []v1.Hash
}

func (p *probe) run(ctx context.Context, deep bool) error {
	unlock, err := p.Lock(ctx)
	if err != nil {
		return fmt.Errorf("take the lock: %w", err)
	}
	unlock()
	p.d.Note("lock", attach.Yes, "writers wait for each other")
	config := attach.Bytes(fmt.Appendf(nil, `{"comment":%q}`, p.name))
	p.blobs = append(p.blobs, config.Digest)
	if err := p.PutBlob(ctx, config); err != nil {
		return err
	}
	var last []byte
	for _, what := range []string{"image", "overwrite a tag"} {
		if last, err = p.put(ctx, p.name, config, what, ""); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		p.d.Note(what, attach.Yes, "")
	}
	m, err := p.Manifest(ctx, p.name)
	if err == nil && m.Desc.Digest != attach.DigestOf(last) {
		err = fmt.Errorf("the tag %s reads as %s, not as it was written: %w", p.name, m.Desc.Digest, attach.ErrDigest)
	}
	if err != nil {
		return err
	}
	p.d.Note("tags read as written", attach.Yes, "")
	tags, err := p.Tags(ctx, p.name)
	if err != nil || len(tags) != 1 {
		return fmt.Errorf("list the tag that was written: %d tags: %w", len(tags), errors.Join(err, attach.ErrUnfinished))
	}
	p.d.Note("list tags", attach.Yes, "")
	sample := journal.SampleTag(attach.DigestOf(last))
	if _, err := p.put(ctx, sample, config, "journal", ""); err != nil {
		return fmt.Errorf("journal tag: %w", err)
	}
	p.d.Note("journal tag", attach.Yes, "")
	if deep {
		if _, err := p.put(ctx, p.name+"-large", config, "large", strings.Repeat("x", attach.MaxManifest-1024)); err != nil {
			return fmt.Errorf("manifest of 4 MiB: %w", err)
		}
		p.d.Note("manifest of 4 MiB", attach.Yes, "")
	}
	if err := p.Delete(ctx, sample); err != nil {
		return fmt.Errorf("delete a tag: %w", err)
	}
	p.d.Note("delete by tag", attach.Yes, "")
	return nil
}

// put writes a manifest that nobody has.
func (p *probe) put(ctx context.Context, tag string, config attach.Body, what, padding string) ([]byte, error) {
	const manifest = "application/vnd.oci.image.manifest.v1+json"
	raw := fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"config":{"mediaType":"application/vnd.oci.image.config.v1+json","size":%d,"digest":%q},"layers":[],"annotations":{"dev.hallmark.probe":"%s %s%s"}}`,
		manifest, config.Size, config.Digest, p.name, what, padding)
	p.refs = append(p.refs, tag)
	p.blobs = append(p.blobs, attach.DigestOf(raw))
	return raw, p.PutManifest(ctx, tag, manifest, raw)
}

// clean removes what was written. Nobody else has these bytes.
func (p *probe) clean(ctx context.Context) {
	for _, ref := range p.refs {
		if err := p.Delete(ctx, ref); err != nil {
			p.d.Left = append(p.d.Left, ref)
		}
	}
	for _, h := range p.blobs {
		if err := p.removeBlob(h); err != nil {
			p.d.Left = append(p.d.Left, h.String())
		}
	}
}
