package transfer

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/hallmark-oci/hallmark/attach"
)

// ErrTagTaken says that two images of one archive would have one tag.
var ErrTagTaken = errors.New("two images would have one tag")

// A Packer gathers images, with everything that hangs from them, for an archive:
// an OCI layout in a tar file. It is made by NewPacker.
type Packer struct {
	options Options
	entries map[string]entry // of index.json, by tag, or by the bytes of the digest where there is none
	blobs   map[[32]byte]packed
	results []Result
	buffer  []byte // for what goes into the archive
}

// An entry is a descriptor of index.json.
type entry struct {
	listing
	tagged bool
}

// A packed is one blob of an archive: a part of the object, or its manifest where at
// is below zero.
type packed struct {
	object *object
	at     int
}

// desc returns the descriptor of the blob.
func (b packed) desc() v1.Descriptor {
	if b.at < 0 {
		return b.object.desc
	}
	return b.object.parts.blobs[b.at].desc()
}

// NewPacker returns a packer of nothing.
func NewPacker(o Options) *Packer {
	return &Packer{options: o, entries: make(map[string]entry), blobs: make(map[[32]byte]packed), buffer: make([]byte, 64<<10)}
}

// Add reads all manifests of the subject and of what hangs from it, and gives the
// image the tag, or none where that is empty. No content is read yet. Attachments
// that cannot be read are problems of the result that Write returns. It returns
// an error that wraps [ErrTagTaken] when another image has the tag.
func (p *Packer) Add(ctx context.Context, src Place, subject attach.Subject, tag string) error {
	images, attachments := src.Media()
	root, err := images.Manifest(ctx, subject.Desc.Digest.String())
	if err == nil && root.Desc.Digest != subject.Desc.Digest {
		err = fmt.Errorf("it has digest %s: %w", root.Desc.Digest, attach.ErrDigest)
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", subject, err)
	}
	t, err := newWalker(subject.Repo, images, attachments, p.options.kinds()).walk(ctx, root)
	if err != nil {
		return fmt.Errorf("read %s: %w", subject, err)
	}
	r := Result{Source: subject, Destination: attach.Subject{Desc: subject.Desc}, Tag: tag, Problems: t.problems}
	if p.options.image() {
		if err := p.enter(tag, listing{part: plain(t.root.desc)}); err != nil {
			return fmt.Errorf("pack %s: %w", subject, err)
		}
	}
	keys := make(map[[sha256.Size]byte]bool)
	for _, o := range t.objects {
		if o.image && !p.options.image() {
			continue
		}
		if o.broken != nil {
			what := fmt.Sprintf("the object %s, whole, with %d entries", o.desc.Digest, len(o.keys()))
			r.Problems = append(r.Problems, Problem{What: what, Err: o.broken})
			continue
		}
		if err := p.take(o, &r); err != nil {
			return fmt.Errorf("pack %s: %w", subject, err)
		}
		for k := range o.keys() {
			keys[sha256.Sum256([]byte(k))] = true
		}
		o.hangs, o.entries = nil, nil // the blobs are all that is needed of it from now on
	}
	r.Attachments = len(keys)
	p.results = append(p.results, r)
	return nil
}

// take notes an object with its blobs, and what index.json says of it.
func (p *Packer) take(o *object, r *Result) error {
	for _, h := range o.hangs {
		if err := p.enter(h.tag, listing{plain(o.desc), h.artifactType, h.annotations}); err != nil {
			return err
		}
		r.Objects = append(r.Objects, Object{Kind: string(h.kind), Desc: o.desc, Subject: h.subject, Tag: h.tag, State: Sent})
	}
	if len(o.hangs) == 0 || o.image {
		kind, tag := string(attach.Artifact), ""
		if o.image {
			kind = "image"
		}
		if o.desc.Digest == r.Source.Desc.Digest {
			tag = r.Tag
		}
		r.Objects = append(r.Objects, Object{Kind: kind, Desc: o.desc, Tag: tag, State: Sent})
	}
	p.blobs[plain(o.desc).sum] = packed{o, -1}
	for i, d := range o.parts.blobs {
		if _, there := p.blobs[d.sum]; !there {
			p.blobs[d.sum] = packed{o, i}
			r.Blobs++
			r.Bytes += d.size
		}
	}
	return nil
}

// enter makes index.json name what the listing describes.
func (p *Packer) enter(tag string, l listing) error {
	key := tag
	if tag == "" {
		key = string(l.sum[:])
	}
	if old, taken := p.entries[key]; taken {
		if old.sum != l.sum {
			return fmt.Errorf("%s is sha256:%x and sha256:%x: %w", tag, old.sum, l.sum, ErrTagTaken)
		}
		return nil
	}
	l.data = nil
	p.entries[key] = entry{l, tag != ""}
	return nil
}

// Write writes the archive: the same bytes for the same content, whatever the time
// and the order. Content goes from its source straight into the archive, checked
// on the way. On an error what was written is of no use.
func (p *Packer) Write(ctx context.Context, w io.Writer) ([]Result, error) {
	t := tar.NewWriter(w)
	var size counter
	if err := p.index(&size); err != nil {
		return nil, err
	}
	if n := len(p.blobs); n+2 > attach.MaxFiles || size > attach.MaxIndex {
		return nil, fmt.Errorf("%d blobs and an index.json of %d bytes; a reader takes %d and %d: pack them into several files: %w",
			n, size, attach.MaxFiles, attach.MaxIndex, attach.ErrLimit)
	}
	marker := `{"imageLayoutVersion":"1.0.0"}`
	if err := p.member(t, "oci-layout", int64(len(marker)), strings.NewReader(marker)); err != nil {
		return nil, err
	}
	if err := p.header(t, "index.json", int64(size)); err != nil {
		return nil, err
	}
	if err := p.index(t); err != nil {
		return nil, err
	}
	sums := make([][32]byte, 0, len(p.blobs))
	for s := range p.blobs {
		sums = append(sums, s)
	}
	slices.SortFunc(sums, func(a, b [32]byte) int { return bytes.Compare(a[:], b[:]) })
	if p.options.Planned != nil {
		p.options.Planned(len(sums))
	}
	for _, s := range sums {
		if err := p.writeBlob(ctx, t, p.blobs[s]); err != nil {
			return nil, fmt.Errorf("pack sha256:%x: %w", s, err)
		}
		if p.options.Step != nil {
			p.options.Step()
		}
	}
	for i := range p.results {
		slices.SortFunc(p.results[i].Objects, compareObjects)
	}
	return p.results, t.Close()
}

// index writes index.json. Entries are in the order of their tags, those without one
// last. Each is encoded by itself: there may be many.
func (p *Packer) index(w io.Writer) error {
	keys := slices.SortedFunc(maps.Keys(p.entries), func(a, b string) int {
		if one, two := p.entries[a].tagged, p.entries[b].tagged; one != two {
			return map[bool]int{true: -1, false: 1}[one]
		}
		return strings.Compare(a, b)
	})
	begin := fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"manifests":[`, types.OCIImageIndex)
	for i, key := range keys {
		if i > 0 {
			begin = ","
		}
		raw, err := json.Marshal(p.entries[key].desc(key))
		if err != nil {
			return err
		}
		if _, err := w.Write(append([]byte(begin), raw...)); err != nil {
			return err
		}
	}
	if len(keys) > 0 {
		begin = ""
	}
	_, err := io.WriteString(w, begin+"]}")
	return err
}

// desc returns the entry as index.json has it, under a key of the entries.
func (e entry) desc(key string) v1.Descriptor {
	d := e.listing.desc()
	if d.Annotations = attach.Unnaming(d.Annotations); e.tagged {
		d.ArtifactType, d.Annotations = "", map[string]string{attach.RefNameAnnotation: key}
	}
	return d
}

// A counter counts what is written to it.
type counter int64

// Write implements io.Writer.
func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}

// writeBlob copies a blob into the archive. A connection that breaks is made anew,
// and what came already is read past, still under one digest.
func (p *Packer) writeBlob(ctx context.Context, t *tar.Writer, b packed) error {
	d, o := b.desc(), b.object
	open := body(ctx, d, o.from).Open
	if b.at < 0 {
		open = func() (io.ReadCloser, error) {
			raw := o.raw
			if raw == nil {
				m, err := o.from.Manifest(ctx, d.Digest.String())
				if err != nil {
					return nil, err
				}
				raw = m.Raw
			}
			return attach.Check(io.NopCloser(bytes.NewReader(raw)), d)
		}
	}
	return p.writeChecked(ctx, t, "blobs/sha256/"+d.Digest.Hex, d, open)
}

// writeChecked writes a file of the archive. What comes of several connections is
// checked together: each of them alone may be well, and the first part of another.
func (p *Packer) writeChecked(ctx context.Context, t *tar.Writer, name string, d v1.Descriptor, open func() (io.ReadCloser, error)) error {
	rc, err := attach.Check(&again{ctx: ctx, open: open}, d)
	if err != nil {
		return err
	}
	defer rc.Close()
	return p.member(t, name, d.Size, rc)
}

// maxAgain is how often a blob is opened anew.
const maxAgain = 3

// again reads content that can be opened anew where it breaks off.
type again struct {
	ctx   context.Context
	open  func() (io.ReadCloser, error)
	rc    io.ReadCloser
	read  int64
	tries int
}

// Read implements io.Reader.
func (a *again) Read(p []byte) (int, error) {
	for {
		n, err := a.try(p)
		a.read += int64(n)
		if err == nil || errors.Is(err, io.EOF) || attach.Judged(err) || errors.Is(err, attach.ErrNotFound) ||
			errors.Is(err, attach.ErrDenied) || a.ctx.Err() != nil || a.tries == maxAgain {
			return n, err
		}
		a.tries++
		a.Close()
		if n > 0 {
			return n, nil
		}
	}
}

func (a *again) try(p []byte) (int, error) {
	if a.rc == nil {
		rc, err := a.open()
		if err != nil {
			return 0, err
		}
		a.rc = rc
		if _, err := io.CopyN(io.Discard, rc, a.read); err != nil {
			return 0, err
		}
	}
	return a.rc.Read(p)
}

// Close implements io.Closer.
func (a *again) Close() error {
	if a.rc != nil {
		a.rc.Close()
		a.rc = nil
	}
	return nil
}

// header begins one file of the archive, with nothing in it that another run would
// make otherwise.
func (p *Packer) header(t *tar.Writer, name string, size int64) error {
	return t.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Size: size, Mode: 0o644, Format: tar.FormatPAX})
}

// member writes one file of the archive.
func (p *Packer) member(t *tar.Writer, name string, size int64, r io.Reader) error {
	if err := p.header(t, name, size); err != nil {
		return err
	}
	n, err := io.CopyBuffer(t, r, p.buffer)
	if err == nil && n != size {
		err = fmt.Errorf("%s: %d of %d bytes: %w", name, n, size, io.ErrUnexpectedEOF)
	}
	return err
}
