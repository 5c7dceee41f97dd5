package registry

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/hallmark-oci/hallmark/attach"
)

// probeName is what the tags begin with that a diagnosis writes.
const probeName = "hallmark-doctor-"

// cleanWithin is how long the removal of what was written may take at most. When the
// time for the diagnosis itself is up, it may take no longer than that took: a user
// who waits for seconds does not wait for a minute.
const cleanWithin = time.Minute

// Diagnose finds out what the registry does with attachments in the repository
// that they are kept in: it writes images that nobody has, under tags that begin
// with "hallmark-doctor-", asks for them in every way, and removes them. With deep
// it also writes a manifest of 4 MiB. What the registry refuses is part of the
// diagnosis; an error says that there is none, since the registry could not be
// asked, or this account may not push. What was written by then is removed all the
// same, and stands in Left where it could not be.
func (s *Store) Diagnose(ctx context.Context, deep bool) (attach.Diagnosis, error) {
	p := &probe{
		medium: medium{s.attachments},
		ctx:    ctx,
		d:      &attach.Diagnosis{Place: s.attachments.repo.Name(), Works: attach.Unknown},
		name:   probeName + strings.ToLower(rand.Text()),
	}
	begin := s.attachments.options.Now()
	err := p.run(deep)
	within := cleanWithin
	if ctx.Err() != nil {
		within = min(within, max(s.attachments.options.Now().Sub(begin), time.Second))
	}
	clean, cancel := context.WithTimeout(context.WithoutCancel(ctx), within)
	defer cancel()
	p.ctx = clean
	p.clean()
	var se *statusError
	switch {
	case err == nil:
		p.plan()
		return *p.d, nil
	case errors.As(err, &se) && (answer{status: se.status}).says() == attach.No && !errors.Is(err, attach.ErrDenied):
		p.d.Note("push", attach.No, err.Error())
		p.d.Works = attach.No
		return *p.d, nil
	}
	return *p.d, fmt.Errorf("diagnose %s: %w", p.d.Place, err)
}

// A probe is one diagnosis under way.
type probe struct {
	medium
	ctx     context.Context
	d       *attach.Diagnosis
	name    string
	config  v1.Descriptor
	layer   v1.Descriptor
	subject attach.Manifest
	native  bool     // the registry listed a referrer that was put
	tags    []string // that were written
	digests []string // of the manifests that were written
}

// An answer is what the registry said to one request.
type answer struct {
	status int
	header http.Header
	body   []byte
	err    error // why there is none
}

// ok reports whether the answer is a yes.
func (a answer) ok() bool { return a.err == nil && a.status/100 == 2 }

// says returns Yes or No as the registry said, and Unknown where it did not, or
// may say something else the next time.
func (a answer) says() attach.Answer {
	switch {
	case a.ok():
		return attach.Yes
	case a.err != nil || retryable(a.status) || a.status == http.StatusUnauthorized:
		return attach.Unknown
	}
	return attach.No
}

// String returns what was answered, for people.
func (a answer) String() string {
	if a.err != nil {
		return a.err.Error()
	}
	if e := a.refusal(); e != nil {
		return e.Error()
	}
	return (&statusError{status: a.status}).Error()
}

// refusal returns what was said where the answer is one and no yes, else nil.
func (a answer) refusal() *statusError {
	if a.err != nil || a.ok() {
		return nil
	}
	return &statusError{a.status, message(a.body[:min(len(a.body), maxMessage)])}
}

// ask sends a request and reads the whole answer.
func (p *probe) ask(r request) answer {
	resp, err := p.do(p.ctx, r)
	if err != nil {
		return answer{err: err}
	}
	b, err := p.readAll(p.ctx, resp, maxPage)
	return answer{resp.StatusCode, resp.Header, b, err}
}

func (p *probe) get(path string) answer {
	accept := acceptManifests()
	if strings.HasPrefix(path, "referrers/") {
		accept = string(types.OCIImageIndex)
	}
	return p.ask(request{method: http.MethodGet, url: p.url(path, nil), header: http.Header{"Accept": {accept}}})
}

// put puts a manifest under the tag, or by its digest where the tag is "", and
// remembers that it is to be removed. What is refused for a moment is put again,
// as [medium.PutManifest] does.
func (p *probe) put(tag string, raw []byte) answer {
	digest := attach.DigestOf(raw).String()
	ref := tag
	if tag == "" {
		ref = digest
	}
	m, err := attach.ManifestType(raw)
	if err != nil {
		return answer{err: err}
	}
	r := request{
		method: http.MethodPut, url: p.url("manifests/"+ref, nil), body: attach.Bytes(raw), write: true,
		header: http.Header{"Content-Type": {string(m)}},
	}
	a := p.ask(r)
	for try := 0; a.refusal() != nil && momentary(a.refusal()) && try < maxRetries; try++ {
		if err := p.options.Sleep(p.ctx, firstRetry<<try); err != nil {
			return answer{err: err}
		}
		a = p.ask(r)
	}
	if a.ok() || a.err != nil { // an answer that was lost may have been a yes
		if tag != "" {
			p.tags = append(p.tags, tag)
		}
		p.digests = append(p.digests, digest)
	}
	return a
}

// holds reports whether the reference leads to these bytes.
func (p *probe) holds(ref string, raw []byte) (bool, answer) {
	a := p.get("manifests/" + ref)
	return a.ok() && bytes.Equal(a.body, raw), a
}

// manifest returns an image manifest that nobody has, with these members in place
// of those of a plain image.
func (p *probe) manifest(what string, change map[string]any) []byte {
	m := map[string]any{
		"schemaVersion": 2,
		"mediaType":     types.OCIManifestSchema1,
		"config":        p.config,
		"layers":        []v1.Descriptor{p.layer},
		"annotations":   map[string]string{"dev.hallmark.probe": p.name + " " + what},
	}
	for k, v := range change {
		m[k] = v
	}
	raw, err := json.Marshal(m)
	if err != nil {
		panic(err) // a map of strings and descriptors
	}
	return raw
}

// as returns the descriptor with another media type.
func as(d v1.Descriptor, mediaType string) v1.Descriptor {
	d.MediaType = types.MediaType(mediaType)
	return d
}

// errProbe says that the registry does not even take an image.
var errProbe = errors.New("the probe image could not be stored")

func (p *probe) run(deep bool) error {
	if err := p.access(); err != nil {
		return err
	}
	if err := p.blobs(); err != nil {
		return err
	}
	if err := p.image(); err != nil {
		return err
	}
	p.overwriting()
	p.mediaTypes()
	p.fallbackTag()
	p.referrers()
	p.journalTag()
	p.lists()
	if deep {
		p.large()
	}
	p.deleting()
	return p.ctx.Err()
}

// access tells what the registry asks for.
func (p *probe) access() error {
	ping, err := p.pinged(p.ctx)
	if err != nil {
		return fmt.Errorf("reach the registry %s: %w", p.host.name, authError(err))
	}
	kind, detail := attach.Answer(strings.ToLower(ping.Scheme)), ""
	switch {
	case kind == "bearer":
		detail = "tokens of " + ping.Parameters["realm"]
	case kind == "":
		kind = "none"
	}
	p.d.Note("authentication", kind, detail)
	return nil
}

// blobs puts the config and the layer of the probe images.
func (p *probe) blobs() error {
	layer, diffID, err := probeLayer(p.name)
	if err != nil {
		return err
	}
	config := fmt.Appendf(nil, `{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[%q]},"history":[{"comment":%q}]}`, diffID, p.name)
	describe := func(b []byte, t types.MediaType) v1.Descriptor {
		return v1.Descriptor{MediaType: t, Size: int64(len(b)), Digest: attach.DigestOf(b)}
	}
	p.config, p.layer = describe(config, types.OCIConfigJSON), describe(layer, types.OCILayer)
	whole, err := p.postBlob(p.ctx, attach.Bytes(config))
	if err == nil && whole != nil {
		err = p.finishBlob(p.ctx, whole, attach.Bytes(config))
	}
	if err != nil {
		return fmt.Errorf("put a blob: %w", err)
	}
	if whole == nil {
		p.d.Note("upload in one request", attach.Yes, "")
	} else {
		p.d.Note("upload in one request", attach.No, "it wants two for each blob")
	}
	if err := p.PutBlob(p.ctx, attach.Bytes(layer)); err != nil {
		return fmt.Errorf("put a blob: %w", err)
	}
	if err := p.PutBlob(p.ctx, attach.Bytes([]byte("{}"))); err != nil { // the empty descriptor's
		return fmt.Errorf("put a blob: %w", err)
	}
	return nil
}

// probeLayer returns a layer with one file, and the digest of it unpacked.
func probeLayer(text string) (layer []byte, diffID string, err error) {
	var plain, packed bytes.Buffer
	tw := tar.NewWriter(&plain)
	if err := tw.WriteHeader(&tar.Header{Name: "probe", Mode: 0o644, Size: int64(len(text)), Typeflag: tar.TypeReg}); err != nil {
		return nil, "", err
	}
	if _, err := io.WriteString(tw, text); err != nil {
		return nil, "", err
	}
	if err := tw.Close(); err != nil {
		return nil, "", err
	}
	zw := gzip.NewWriter(&packed)
	if _, err := zw.Write(plain.Bytes()); err != nil {
		return nil, "", err
	}
	return packed.Bytes(), attach.DigestOf(plain.Bytes()).String(), errors.Join(zw.Close())
}

// image puts the subject of all that follows, and reads it.
func (p *probe) image() error {
	raw := p.manifest("subject", nil)
	stored := p.put(p.name, raw)
	if !stored.ok() {
		if stored.err != nil {
			return stored.err
		}
		return fmt.Errorf("%w: %w", errProbe, stored.refusal())
	}
	p.subject = attach.Manifest{Raw: raw, Desc: v1.Descriptor{
		MediaType: types.OCIManifestSchema1, Size: int64(len(raw)), Digest: attach.DigestOf(raw),
	}}
	same, a := p.holds(p.name, raw)
	if !same && a.ok() {
		return fmt.Errorf("what was put as the tag %s reads as other bytes: %w", p.name, attach.ErrDigest)
	}
	p.d.Note("image", a.says(), a.String())
	if !a.ok() {
		p.d.Note("tags read as written", attach.No, fmt.Sprintf("right after it was put the tag %s is answered with %s", p.name, a))
	}
	p.claims(stored, a)
	if etag := a.header.Get("ETag"); etag == "" {
		p.d.Note("ETag", attach.No, "")
	} else {
		p.d.Note("ETag", attach.Yes, etag)
	}
	return nil
}
