package cosign

import (
	"archive/tar"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"strconv"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/hallmark-oci/hallmark/attach"
)

// The annotations of a layer in strict image form, beside those that the layer has
// in cosign's form: what its one file is, and the digest of the archive without its
// compression. They are no part of the entry's identity.
const (
	innerTypeAnnotation   = "dev.hallmark.inner.type"
	innerDigestAnnotation = "dev.hallmark.inner.digest"
	innerSizeAnnotation   = "dev.hallmark.inner.size"
	innerTarAnnotation    = "dev.hallmark.inner.tar"
)

// maxPadding is how many bytes an archive of one file may have beside the file: its
// header, what a longer name or time needs, and the zeros at the end.
const maxPadding = 64 << 10

// Strict returns the content in strict image form: a layer of the media type that
// layers of images have, which holds the one file in an archive. Equal contents give
// equal bytes. The content is read once, to learn the digest, and again whenever the
// new one is read; it is never in memory whole.
func Strict(c attach.Content) (attach.Content, error) {
	if _, ok := inner(c.Annotations); ok || len(c.Annotations)+4 > attach.MaxAnnotations {
		return attach.Content{}, fmt.Errorf("annotations that leave no room for those of the image form: %w", attach.ErrMalformed)
	}
	outer, plain := sha256.New(), sha256.New()
	n := &counter{w: outer}
	if err := pack(n, plain, c); err != nil {
		return attach.Content{}, err
	}
	annotations := maps.Clone(c.Annotations)
	if annotations == nil {
		annotations = make(map[string]string)
	}
	annotations[innerTypeAnnotation] = c.MediaType
	annotations[innerDigestAnnotation] = c.Body.Digest.String()
	annotations[innerSizeAnnotation] = strconv.FormatInt(c.Body.Size, 10)
	annotations[innerTarAnnotation] = "sha256:" + hex.EncodeToString(plain.Sum(nil))
	out := c
	out.MediaType, out.Annotations = string(types.OCILayer), annotations
	out.Body = attach.Body{
		Digest: v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(outer.Sum(nil))},
		Size:   n.n,
		Open: func() (io.ReadCloser, error) {
			r, w := io.Pipe()
			go func() { w.CloseWithError(pack(w, io.Discard, c)) }()
			return r, nil
		},
	}
	return out, nil
}

// pack writes the archive: to plain as it is, to w compressed.
func pack(w, plain io.Writer, c attach.Content) error {
	d := v1.Descriptor{Digest: c.Body.Digest, Size: c.Body.Size}
	rc, err := c.Body.Open()
	if err != nil {
		return fmt.Errorf("open the content %s: %w", d.Digest, err)
	}
	if rc, err = attach.Check(rc, d); err != nil {
		return err
	}
	defer rc.Close()
	z := gzip.NewWriter(w)
	t := tar.NewWriter(io.MultiWriter(plain, z))
	err = t.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: fileName(c.MediaType), Mode: 0o644, Size: d.Size})
	if err == nil {
		_, err = io.Copy(t, rc)
	}
	if err == nil {
		err = t.Close()
	}
	if err == nil {
		err = z.Close()
	}
	if err != nil {
		return fmt.Errorf("pack the content %s: %w", d.Digest, err)
	}
	return nil
}

// fileName returns the name that content of the type has in an archive, for people
// who unpack it.
func fileName(mediaType string) string {
	switch mediaType {
	case SimpleSigning:
		return "payload.json"
	case DSSE:
		return "envelope.dsse.json"
	case SPDXJSON:
		return "sbom.spdx.json"
	case SPDXText:
		return "sbom.spdx"
	case CycloneDXJSON:
		return "sbom.cdx.json"
	case CycloneDXXML:
		return "sbom.cdx.xml"
	case SyftJSON:
		return "sbom.syft.json"
	}
	return "content"
}

type counter struct {
	w io.Writer
	n int64
}

// Write implements io.Writer.
func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

// inner returns what the annotations of a layer say of the file in it, and whether
// they say it: all of it, and well-formed.
func inner(annotations map[string]string) (v1.Descriptor, bool) {
	size, err := strconv.ParseInt(annotations[innerSizeAnnotation], 10, 64)
	if err != nil || size < 0 {
		return v1.Descriptor{}, false
	}
	digest, err := v1.NewHash(annotations[innerDigestAnnotation])
	if err != nil || digest.Algorithm != "sha256" || annotations[innerTypeAnnotation] == "" {
		return v1.Descriptor{}, false
	}
	return v1.Descriptor{MediaType: types.MediaType(annotations[innerTypeAnnotation]), Size: size, Digest: digest}, true
}

// Inner returns what the entry holds: of an entry in strict image form the
// descriptor of the file in it, with the annotations that it has in cosign's form,
// and true; else that of the layer. A layer that is much larger than the file is not
// in strict image form: all of it would have to be read to see that it is bad.
func (e Entry) Inner() (v1.Descriptor, bool) {
	if e.Desc.MediaType != types.OCILayer {
		return e.Desc, false
	}
	d, ok := inner(e.Desc.Annotations)
	if !ok || e.Desc.Size > d.Size+d.Size/64+maxPadding {
		return e.Desc, false
	}
	d.Annotations = maps.Clone(e.Desc.Annotations)
	for _, name := range []string{innerTypeAnnotation, innerDigestAnnotation, innerSizeAnnotation, innerTarAnnotation} {
		delete(d.Annotations, name)
	}
	if len(d.Annotations) == 0 {
		d.Annotations = nil
	}
	return d, true
}

// diffID returns the digest that the config of the image lists for the layer: of an
// entry in strict image form that of the archive, as far as the entry can be
// believed, else that of the layer.
func (e Entry) diffID() v1.Hash {
	if _, strict := e.Inner(); strict {
		if h, err := v1.NewHash(e.Desc.Annotations[innerTarAnnotation]); err == nil && h.Algorithm == "sha256" {
			return h
		}
	}
	return e.Desc.Digest
}

// OpenStrict returns a reader of the one file in a layer in strict image form. The
// reader of the layer must check it against its own descriptor, as [attach.Check]
// does; the file is checked against d. Both are read to their ends, and of the
// archive no more than the file's size and the little that surrounds it. A layer
// that holds something else yields [attach.ErrMalformed], whatever else it says.
func OpenStrict(layer io.ReadCloser, d v1.Descriptor) (io.ReadCloser, error) {
	s := &strict{layer: layer, want: d}
	return attach.Check(s, d)
}

// strict reads the file in an archive.
type strict struct {
	layer  io.ReadCloser
	want   v1.Descriptor
	err    error // of the layer, save its end
	zip    *gzip.Reader
	plain  *io.LimitedReader
	tar    *tar.Reader
	opened bool
}

// Read implements io.Reader.
func (s *strict) Read(p []byte) (int, error) {
	if !s.opened {
		if err := s.open(); err != nil {
			return 0, s.bad(err)
		}
		s.opened = true
	}
	n, err := s.tar.Read(p)
	switch {
	case errors.Is(err, io.EOF):
		return n, s.end()
	case err != nil:
		return n, s.bad(err)
	}
	return n, nil
}

// source is the layer as the decompressor reads it, and notes why it ended early.
type source struct{ s *strict }

// Read implements io.Reader.
func (r source) Read(p []byte) (int, error) {
	n, err := r.s.layer.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		r.s.err = err
	}
	return n, err
}

func (s *strict) open() error {
	var err error
	if s.zip, err = gzip.NewReader(source{s}); err != nil {
		return err
	}
	s.plain = &io.LimitedReader{R: s.zip, N: s.want.Size + maxPadding}
	s.tar = tar.NewReader(s.plain)
	h, err := s.tar.Next()
	if err != nil {
		return err
	}
	if h.Typeflag != tar.TypeReg || h.Size != s.want.Size {
		return fmt.Errorf("the first file has type %q and %d bytes, not %d", h.Typeflag, h.Size, s.want.Size)
	}
	return nil
}

// end is reached when the file was read: there must be no other, and what is left
// of the layer must be what its digest says.
func (s *strict) end() error {
	if _, err := s.tar.Next(); !errors.Is(err, io.EOF) {
		if err == nil {
			err = errors.New("it holds more than one file")
		}
		return s.bad(err)
	}
	if _, err := io.Copy(io.Discard, s.plain); err != nil {
		return s.bad(err)
	}
	if s.plain.N == 0 {
		return s.bad(fmt.Errorf("it has more than %d bytes beside the file", maxPadding))
	}
	if _, err := io.Copy(io.Discard, source{s}); err != nil {
		return s.bad(err)
	}
	return io.EOF
}

// bad returns the error for an archive that is none, or, where the layer itself
// could not be read, what that failed with.
func (s *strict) bad(err error) error {
	if s.err != nil {
		return s.err
	}
	return fmt.Errorf("layer in image form: %v: %w", err, attach.ErrMalformed)
}

// Close implements io.Closer.
func (s *strict) Close() error { return s.layer.Close() }
