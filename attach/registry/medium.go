package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/journal"
)

// medium makes a client what the journal writes to.
type medium struct{ *client }

var _ journal.Medium = medium{}

// acceptManifests are the media types of manifests that are asked for.
func acceptManifests() string {
	return strings.Join([]string{
		string(types.OCIManifestSchema1), string(types.OCIImageIndex),
		string(types.DockerManifestSchema2), string(types.DockerManifestList),
	}, ", ")
}

// checkRef refuses what is neither a tag nor a sha256 digest.
func checkRef(ref string) error {
	hex, isDigest := strings.CutPrefix(ref, "sha256:")
	if isDigest && len(hex) == 64 && strings.Trim(hex, "0123456789abcdef") == "" || attach.IsTag(ref) {
		return nil
	}
	return fmt.Errorf("reference %q is neither a tag nor a sha256 digest: %w", ref, attach.ErrMalformed)
}

// Manifest implements [journal.Medium].
func (m medium) Manifest(ctx context.Context, ref string) (attach.Manifest, error) {
	got, _, err := m.manifest(ctx, ref)
	return got, err
}

// manifest reads a manifest. The media type is what the manifest states, or
// else what the registry does; the latter is returned too.
func (c *client) manifest(ctx context.Context, ref string) (attach.Manifest, types.MediaType, error) {
	if err := checkRef(ref); err != nil {
		return attach.Manifest{}, "", err
	}
	if m, ok := c.remembered(ref); ok {
		return m, m.Desc.MediaType, nil
	}
	resp, raw, err := c.bytes(ctx, request{
		method: http.MethodGet,
		url:    c.url("manifests/"+ref, nil),
		header: http.Header{"Accept": {acceptManifests()}},
	}, c.options.MaxManifest)
	if err != nil {
		return attach.Manifest{}, "", err
	}
	digest := attach.DigestOf(raw)
	claims := []string{resp.Header.Get("Docker-Content-Digest")}
	if strings.Contains(ref, ":") {
		claims = append(claims, ref)
	}
	for _, claim := range claims {
		if strings.HasPrefix(claim, "sha256:") && claim != digest.String() {
			return attach.Manifest{}, "", fmt.Errorf("manifest %s has digest %s, not %s: %w", ref, digest, claim, attach.ErrDigest)
		}
	}
	header := mediaType(resp.Header)
	d := v1.Descriptor{MediaType: header, Size: int64(len(raw)), Digest: digest}
	if stated, err := attach.ManifestType(raw); err == nil && stated != "" {
		d.MediaType = stated
	}
	m := attach.Manifest{Desc: d, Raw: raw}
	if strings.Contains(ref, ":") {
		c.remember(m) // a digest has one content
	}
	return m, header, nil
}

// mediaType returns the content type without its parameters.
func mediaType(h http.Header) types.MediaType {
	t, _, _ := strings.Cut(h.Get("Content-Type"), ";")
	return types.MediaType(strings.TrimSpace(t))
}

// PutManifest implements [journal.Medium].
func (m medium) PutManifest(ctx context.Context, ref, mediaType string, raw []byte) error {
	if err := checkRef(ref); err != nil {
		return err
	}
	r := request{
		method: http.MethodPut,
		url:    m.url("manifests/"+ref, nil),
		header: http.Header{"Content-Type": {mediaType}},
		body:   attach.Bytes(raw),
		write:  true,
	}
	for try := 0; ; try++ {
		resp, err := m.do(ctx, r)
		if err != nil {
			return err
		}
		if resp.StatusCode/100 == 2 {
			resp.Body.Close()
			claim := resp.Header.Get("Docker-Content-Digest")
			if strings.HasPrefix(claim, "sha256:") && claim != r.body.Digest.String() {
				return fmt.Errorf("put %s: the registry stored %s, not %s: %w", ref, claim, r.body.Digest, attach.ErrDigest)
			}
			return nil
		}
		se := newStatusError(resp)
		if !momentary(se) || try == maxRetries {
			return fmt.Errorf("%s %s: %w", r.method, r.url.Redacted(), putError(se))
		}
		if err := m.options.Sleep(ctx, firstRetry<<try); err != nil {
			return err
		}
	}
}

// OpenBlob implements [journal.Medium].
func (m medium) OpenBlob(ctx context.Context, d v1.Descriptor) (io.ReadCloser, error) {
	return m.openBlob(ctx, d)
}

// Lock implements [journal.Medium]. A registry has no locks.
func (m medium) Lock(ctx context.Context) (func(), error) { return func() {}, ctx.Err() }

// openBlob opens a blob. Registries often send on to a store of another host,
// which gets no credentials.
func (c *client) openBlob(ctx context.Context, d v1.Descriptor) (io.ReadCloser, error) {
	if err := checkRef(d.Digest.String()); err != nil {
		return nil, err
	}
	r := request{method: http.MethodGet, url: c.url("blobs/"+d.Digest.String(), nil), follow: true}
	resp, err := c.do(ctx, r)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, refusal(r, resp)
	}
	if resp.ContentLength >= 0 && resp.ContentLength != d.Size {
		resp.Body.Close()
		return nil, fmt.Errorf("blob %s has %d bytes, not %d: %w", d.Digest, resp.ContentLength, d.Size, attach.ErrDigest)
	}
	return resp.Body, nil
}

// bigBlob is the size from which it pays to ask first whether a blob is there.
const bigBlob = 1 << 20

// PutBlob implements [journal.Medium]. A blob is sent in one request; where the
// registry answers that it wants two (202), it is sent so, and so are all later
// ones.
func (m medium) PutBlob(ctx context.Context, b attach.Body) error {
	_, err := m.store(ctx, b)
	return err
}

// store stores a blob, unless it is large and the registry says that it is there.
func (m medium) store(ctx context.Context, b attach.Body) (there bool, err error) {
	if b.Size >= bigBlob {
		if there, err := m.hasBlob(ctx, b.Digest); err != nil || there {
			return there, err
		}
	}
	return false, m.SendBlob(ctx, b)
}

// SendBlob sends a blob without asking whether it is there.
func (m medium) SendBlob(ctx context.Context, b attach.Body) error {
	if !m.takesTwoSteps() && b.Size < bigBlob {
		b, err := inMemory(b)
		if err != nil {
			return err
		}
		location, err := m.postBlob(ctx, b)
		if location == nil || err != nil {
			return err
		}
		return m.finishBlob(ctx, location, b)
	}
	location, err := m.postBlob(ctx, attach.Body{})
	if err != nil {
		return err
	}
	return m.finishBlob(ctx, location, b)
}

// maxHeld is the size of the largest blob that is kept in memory while it is sent, in
// bytes.
const maxHeld = 64 << 10

// inMemory returns the body with its content in memory, if that is small: where the
// registry wants it in two steps it is sent twice, and need not be fetched twice.
func inMemory(b attach.Body) (attach.Body, error) {
	if b.Size > maxHeld {
		return b, nil
	}
	rc, err := b.Open()
	if err != nil {
		return b, fmt.Errorf("open the content %s: %w", b.Digest, err)
	}
	d := v1.Descriptor{Digest: b.Digest, Size: b.Size}
	if rc, err = attach.Check(rc, d); err != nil {
		return b, err
	}
	raw, err := attach.ReadAll(rc, d, maxHeld)
	if err != nil {
		return b, fmt.Errorf("read the content %s: %w", b.Digest, err)
	}
	return attach.Bytes(raw), nil
}

// postBlob begins an upload, with the whole content when b is not empty. It
// returns where to send the content, nil when it was taken.
func (m medium) postBlob(ctx context.Context, b attach.Body) (*url.URL, error) {
	r := request{method: http.MethodPost, url: m.url("blobs/uploads/", nil), write: true}
	whole := b.Open != nil
	if whole {
		r.url = m.url("blobs/uploads/", url.Values{"digest": {b.Digest.String()}})
		r.header = http.Header{"Content-Type": {"application/octet-stream"}}
		r.body = b
	}
	resp, err := m.do(ctx, r)
	if err != nil {
		return nil, err
	}
	switch {
	case resp.StatusCode == http.StatusCreated && whole:
		resp.Body.Close()
		return nil, storedAs(resp, b.Digest)
	case resp.StatusCode == http.StatusAccepted:
		resp.Body.Close()
		if whole {
			m.wantsTwoSteps()
		}
		return m.uploadAt(r, resp)
	case whole && refusesWhole(resp.StatusCode):
		resp.Body.Close()
		m.wantsTwoSteps()
		return m.postBlob(ctx, attach.Body{})
	}
	return nil, refusal(r, resp)
}

// takesTwoSteps reports whether the registry lately wanted an upload in two steps.
func (m medium) takesTwoSteps() bool {
	m.host.mu.Lock()
	defer m.host.mu.Unlock()
	return m.options.Now().Before(m.host.twoStep)
}

func (m medium) wantsTwoSteps() {
	m.host.mu.Lock()
	defer m.host.mu.Unlock()
	m.host.twoStep = m.options.Now().Add(learnedFor)
}

// uploadAt returns where the registry wants the content of an upload that it
// opened.
func (m medium) uploadAt(r request, resp *http.Response) (*url.URL, error) {
	location, err := r.url.Parse(resp.Header.Get("Location"))
	if err != nil || resp.Header.Get("Location") == "" {
		return nil, fmt.Errorf("upload location %q: %w", resp.Header.Get("Location"), attach.ErrMalformed)
	}
	if !m.home(location) && !m.mayUse(location) {
		return nil, fmt.Errorf("the registry %s wants the upload at %s by %s: %w", m.host.name, location.Host, location.Scheme, attach.ErrDenied)
	}
	return location, nil
}

// refusesWhole reports whether the status may mean that the registry does not
// know uploads in one request.
func refusesWhole(status int) bool {
	switch status {
	case http.StatusBadRequest, http.StatusMethodNotAllowed, http.StatusLengthRequired,
		http.StatusUnsupportedMediaType, http.StatusNotImplemented:
		return true
	}
	return false
}

// finishBlob sends the content to where the registry wants it.
func (m medium) finishBlob(ctx context.Context, location *url.URL, b attach.Body) error {
	to := *location
	query := to.Query()
	query.Set("digest", b.Digest.String())
	to.RawQuery = query.Encode()
	r := request{
		method: http.MethodPut,
		url:    &to,
		header: http.Header{"Content-Type": {"application/octet-stream"}},
		body:   b,
		write:  true,
	}
	resp, err := m.do(ctx, r)
	if err != nil {
		return err
	}
	if resp.StatusCode/100 != 2 {
		return refusal(r, resp)
	}
	resp.Body.Close()
	if resp.StatusCode == http.StatusAccepted { // it is being stored, or is not
		if there, err := m.hasBlob(ctx, b.Digest); err != nil || !there {
			return fmt.Errorf("the registry answered 202 to the content of blob %s, and does not have it: %w", b.Digest, errors.Join(attach.ErrUnconfirmed, err))
		}
	}
	return storedAs(resp, b.Digest)
}

// storedAs returns an error when the registry says that it stored something else.
func storedAs(resp *http.Response, digest v1.Hash) error {
	claim := resp.Header.Get("Docker-Content-Digest")
	if strings.HasPrefix(claim, "sha256:") && claim != digest.String() {
		return fmt.Errorf("the registry stored the blob %s as %s: %w", digest, claim, attach.ErrDigest)
	}
	return nil
}
