package registry

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"golang.org/x/sync/errgroup"

	"github.com/hallmark-oci/hallmark/attach"
)

const (
	// maxLooks is at how many tags a client looks before it deletes a manifest by
	// its digest, to see that none of them names it.
	maxLooks = 10000
	// parallelLooks is how many of these requests are under way at once.
	parallelLooks = 16
)

// Delete implements [journal.Medium]. A tag is deleted by tag where the registry
// does that. Where it deletes by digest alone (distribution 2.8 answers 400 to a
// tag, others 404 or 405), the manifest is deleted by its digest once all tags of
// the repository were looked at and no other names it, nor an index that one names.
func (m medium) Delete(ctx context.Context, refs ...string) error {
	d := &deletion{medium: m, going: make(map[string]bool), digests: make(map[string]string)}
	for _, ref := range refs {
		if err := checkRef(ref); err != nil {
			return err
		}
		d.going[ref] = true
	}
	for _, ref := range refs {
		d.note(ref, d.first(ctx, ref))
		if ctx.Err() != nil {
			break
		}
	}
	if len(d.digests) > 0 && ctx.Err() == nil {
		d.byDigest(ctx)
	}
	return errors.Join(d.errs...)
}

// A deletion is one call of Delete under way.
type deletion struct {
	medium
	going    map[string]bool   // all references that are to be deleted
	digests  map[string]string // what is left to be deleted by digest, and the reference that wants it so
	digestly bool              // the registry refused to delete by tag
	errs     []error
}

func (d *deletion) note(ref string, err error) {
	if err != nil {
		d.errs = append(d.errs, attach.Left{Ref: ref, Err: err})
	}
}

// first deletes by tag, or notes what is to be deleted by digest.
func (d *deletion) first(ctx context.Context, ref string) error {
	if strings.Contains(ref, ":") {
		d.digests[ref] = ref
		return nil
	}
	if hex, ok := strings.CutPrefix(ref, "sha256-"); ok && len(hex) == 64 {
		// There are registries that take this tag for the digest. What they would
		// delete is the image.
		digest, err := d.digestOf(ctx, ref)
		if digest == "" || digest == "sha256:"+hex {
			return err
		}
	}
	if !d.digestly {
		resp, err := d.do(ctx, d.deleteRequest(ref))
		if err != nil {
			return err
		}
		if resp.StatusCode/100 == 2 {
			resp.Body.Close()
			return nil
		}
		se := newStatusError(resp)
		switch se.status {
		case http.StatusBadRequest, http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusNotImplemented:
		default:
			return deleteError(se)
		}
		if strings.Contains(strings.ToLower(se.text), "immutable") {
			return deleteError(se)
		}
		d.digestly = se.status != http.StatusNotFound
	}
	digest, err := d.digestOf(ctx, ref)
	if err != nil || digest == "" {
		return err // "" says that it is gone
	}
	d.digests[digest] = ref
	return nil
}

func (c *client) deleteRequest(ref string) request {
	return request{method: http.MethodDelete, url: c.url("manifests/"+ref, nil), write: true}
}

// byDigest deletes what is left, save what a tag names that is to stay.
func (d *deletion) byDigest(ctx context.Context) {
	err := d.probe(ctx)
	var named map[string]string
	if err == nil {
		named, err = d.names(ctx)
	}
	for digest, ref := range d.digests {
		switch {
		case err != nil:
			d.note(ref, err)
		case named[digest] != "":
			d.note(ref, fmt.Errorf("the registry deletes by digest, and the tag %q names %s too, or an index that lists it: %w", named[digest], digest, attach.ErrUndeletable))
		default:
			d.note(ref, d.one(ctx, digest))
		}
	}
}

// probe asks whether the registry deletes by digest, with a digest that nothing
// has, so that tags are looked at only where that leads somewhere.
func (d *deletion) probe(ctx context.Context) error {
	nothing := attach.DigestOf([]byte(rand.Text())).String()
	return d.one(ctx, nothing)
}

// one deletes a manifest by its digest. One that is gone is no error.
func (d *deletion) one(ctx context.Context, digest string) error {
	resp, err := d.do(ctx, d.deleteRequest(digest))
	if err != nil {
		return err
	}
	d.forget(digest)
	if resp.StatusCode/100 == 2 || resp.StatusCode == http.StatusNotFound {
		resp.Body.Close()
		return nil
	}
	return deleteError(newStatusError(resp))
}

// deleteError says what the refusal of a deletion means.
func deleteError(e *statusError) error {
	text := strings.ToLower(e.text)
	switch {
	case e.status == http.StatusMethodNotAllowed, e.status == http.StatusNotImplemented,
		e.status == http.StatusBadRequest && strings.Contains(text, "unsupported"):
		return fmt.Errorf("this registry does not delete: %w: %w", e, attach.ErrUndeletable)
	case e.status == http.StatusConflict, e.status == http.StatusPreconditionFailed, strings.Contains(text, "immutable"):
		return fmt.Errorf("the registry keeps it: %w: %w: %w", e, attach.ErrImmutable, attach.ErrUndeletable)
	}
	return e
}

// names returns what the tags name that are to stay, each digest with one such tag,
// and what the indexes list that these tags name. Who has put a tag of the journal
// on one image of an index has not deleted the image.
func (d *deletion) names(ctx context.Context) (map[string]string, error) {
	tags, err := d.Tags(ctx, "")
	if err != nil {
		return nil, fmt.Errorf("see which tags name it: %w", err)
	}
	if len(tags) > maxLooks {
		return nil, fmt.Errorf("see which tags name it: there are %d tags, the limit is %d: %w", len(tags), maxLooks, attach.ErrLimit)
	}
	named := make(map[string]string)
	var mu sync.Mutex
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallelLooks)
	for _, tag := range tags {
		if d.going[tag] {
			continue
		}
		g.Go(func() error {
			digest, t, err := d.lookUp(ctx, tag)
			var listed []string
			if err == nil && t.IsIndex() && attach.NamesImage(tag) {
				listed, err = d.listed(ctx, digest, 0)
			}
			if err != nil {
				return fmt.Errorf("see what the tag %q names: %w", tag, err)
			}
			mu.Lock()
			defer mu.Unlock()
			for _, digest := range append(listed, digest) {
				named[digest] = tag
			}
			return nil
		})
	}
	return named, g.Wait()
}

// maxNested is how deep indexes list each other that are looked into.
const maxNested = 4

// listed returns the digests of all that an index lists, and of what the indexes
// list that are among them. One that is gone or broken lists nothing.
func (c *client) listed(ctx context.Context, digest string, depth int) ([]string, error) {
	m, _, err := c.manifest(ctx, digest)
	var list []v1.Descriptor
	if err == nil {
		list, err = attach.ParseReferrers(m.Raw, attach.MaxTags)
	}
	var bad attach.Spoiled
	switch {
	case errors.Is(err, attach.ErrNotFound), errors.Is(err, attach.ErrDigest), errors.Is(err, attach.ErrMalformed) && !errors.As(err, &bad):
		return nil, nil
	case err != nil && !errors.As(err, &bad):
		return nil, err
	case depth == maxNested:
		return nil, fmt.Errorf("indexes list each other over more than %d levels: %w", maxNested, attach.ErrLimit)
	}
	var all []string
	for _, d := range list {
		all = append(all, d.Digest.String())
		if !d.MediaType.IsIndex() {
			continue
		}
		more, err := c.listed(ctx, d.Digest.String(), depth+1)
		if err != nil {
			return nil, err
		}
		all = append(all, more...)
	}
	return all, nil
}

// digestOf returns the digest of what a tag names, "" when there is no such tag.
func (c *client) digestOf(ctx context.Context, tag string) (string, error) {
	digest, _, err := c.lookUp(ctx, tag)
	return digest, err
}

// lookUp returns the digest and the media type of what a tag names, "" when there is
// no such tag. It is asked for with HEAD; where the answer does not say, the
// manifest is read.
func (c *client) lookUp(ctx context.Context, tag string) (string, types.MediaType, error) {
	r := request{method: http.MethodHead, url: c.url("manifests/"+tag, nil), header: http.Header{"Accept": {acceptManifests()}}}
	resp, err := c.do(ctx, r)
	if err != nil {
		return "", "", err
	}
	resp.Body.Close()
	switch {
	case resp.StatusCode == http.StatusNotFound:
		return "", "", nil
	case resp.StatusCode != http.StatusOK:
		return "", "", refusal(r, resp)
	}
	claim, t := resp.Header.Get("Docker-Content-Digest"), mediaType(resp.Header)
	if checkRef(claim) == nil && strings.Contains(claim, ":") && isManifestType(t) {
		return claim, t, nil
	}
	m, _, err := c.manifest(ctx, tag)
	if errors.Is(err, attach.ErrNotFound) {
		return "", "", nil
	}
	return m.Desc.Digest.String(), m.Desc.MediaType, err
}

// exists reports whether the repository has the manifest. It is asked for with
// HEAD, which registries that count do not count; a no is asked for once more with
// GET, since things are deleted for it.
func (c *client) exists(ctx context.Context, digest v1.Hash) (bool, error) {
	r := request{method: http.MethodHead, url: c.url("manifests/"+digest.String(), nil), header: http.Header{"Accept": {acceptManifests()}}}
	resp, err := c.do(ctx, r)
	if err != nil {
		return false, err
	}
	resp.Body.Close()
	if resp.StatusCode == http.StatusOK {
		return true, nil
	}
	_, _, err = c.manifest(ctx, digest.String())
	if errors.Is(err, attach.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// forget drops a manifest that was deleted from what is remembered.
func (c *client) forget(digest string) {
	c.hosts.manifests.drop(c.repo.Name() + "@" + digest)
}
