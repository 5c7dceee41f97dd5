// Package bundle reads Sigstore bundles: one JSON document that holds what was
// signed, the signature, and what is needed to check it (cosign's
// specs/BUNDLE_SPEC.md and sigstore's protobuf-specs, sigstore_bundle.proto).
//
// Here a bundle is only taken apart. A key that a bundle names is a hint and
// never trust.
//
// The reader is strict, because a bundle must mean the same to everyone who
// reads it: a member that stands twice on any level, a name that another reader
// takes for a known one (protobuf's JSON form also knows "dsse_envelope" for
// "dsseEnvelope"), two values where the format has a choice of one, and a
// version that is not known are refused. Members that are null count as absent,
// as protobuf has it.
//
// Anybody may hang a bundle from an image, so reading one costs little whatever
// is in it: [Open] keeps the text in memory up to [MaxMemory] and else in a
// temporary file, and only notes where the envelope stands in it.
package bundle

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/hallmark-oci/hallmark/sign/jsonscan"
	"github.com/hallmark-oci/hallmark/sign/spool"
)

// MediaTypePrefix begins the media type of every version of the format:
// "application/vnd.dev.sigstore.bundle.v0.3+json" and the older
// "application/vnd.dev.sigstore.bundle+json;version=0.2".
const MediaTypePrefix = "application/vnd.dev.sigstore.bundle"

// MaxLogEntries and MaxTimestamps bound what one bundle may carry: each is work
// for whoever verifies it. MaxCertificates bounds a chain, MaxHint the hint, in
// bytes.
const (
	MaxLogEntries   = 32
	MaxTimestamps   = 32
	MaxCertificates = 16
	MaxHint         = 4 << 10
)

const (
	// MaxMemory is the size of the largest bundle that is held in memory, in bytes.
	MaxMemory = 8 << 20
	// MaxNames bounds the member names of all objects that stand inside each
	// other, in bytes. They are kept to find those that stand twice. Each counts
	// 64 bytes more than it is long.
	MaxNames = 2 << 20
)

// ErrMalformed says that bytes arrived whole but are no bundle that is accepted,
// or one beyond the limits. Errors of the underlying reader and of temporary
// files do not wrap it.
var ErrMalformed = errors.New("malformed bundle")

// A Bundle is a Sigstore bundle in its parts.
type Bundle struct {
	MediaType string
	// Hint names the public key that the signer says was used, empty where a
	// certificate is given instead.
	Hint string
	// HasCertificate says that the bundle carries a certificate.
	HasCertificate bool
	// LogEntries and Timestamps count what the bundle carries of each.
	LogEntries, Timestamps int

	text                        *spool.Spool
	envelope, message, material span
}

// A span is where a part stands in the text; its length is 0 where there is none.
type span struct{ offset, length int64 }

func (b *Bundle) part(s span) *io.SectionReader {
	if s.length == 0 {
		return nil
	}
	return io.NewSectionReader(b.text, s.offset, s.length)
}

// Envelope returns the DSSE envelope's JSON as it stands in the bundle, from its
// beginning and until Close, nil for a bundle over a plain message.
func (b *Bundle) Envelope() *io.SectionReader { return b.part(b.envelope) }

// Message returns the JSON of the message signature as it stands in the bundle, nil
// for a bundle with an envelope.
func (b *Bundle) Message() *io.SectionReader { return b.part(b.message) }

// Material returns the JSON of the verification material as it stands in the bundle.
func (b *Bundle) Material() *io.SectionReader { return b.part(b.material) }

// Close lets go of the bundle and removes the temporary file.
func (b *Bundle) Close() error { return b.text.Close() }

// mediaTypes returns the media types that a reader must know
// (sigstore_bundle.proto, Bundle.media_type).
func mediaTypes() []string {
	return []string{
		MediaTypePrefix + ".v0.3+json",
		MediaTypePrefix + "+json;version=0.1",
		MediaTypePrefix + "+json;version=0.2",
		MediaTypePrefix + "+json;version=0.3",
	}
}

// Open reads a bundle of exactly size bytes to its end and takes it apart. It is
// judged once it arrived whole: a failing reader is never taken for a malformed
// bundle, whose errors wrap [ErrMalformed]. The caller bounds size. Close must
// be called; it removes the temporary file.
func Open(r io.Reader, size int64) (*Bundle, error) {
	text, err := keep(r, size)
	if err != nil {
		return nil, err
	}
	p := parser{Scanner: jsonscan.New(io.NewSectionReader(text, 0, size)), out: Bundle{text: text}}
	if err := p.bundle(); err != nil {
		return nil, errors.Join(malformed(err), text.Close())
	}
	out := p.out // without the scanner and what it holds
	return &out, nil
}

// refuse returns the error for what is read but not accepted.
func refuse(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrMalformed, fmt.Sprintf(format, args...))
}

// malformed marks what the scanner refuses, and leaves other errors as they are.
func malformed(err error) error {
	if errors.Is(err, jsonscan.ErrSyntax) || errors.Is(err, jsonscan.ErrLimit) {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return err
}

// check looks at the bundle as a whole once it is read.
func (p *parser) check() error {
	switch {
	case !slices.Contains(mediaTypes(), p.out.MediaType):
		return refuse("media type %.100q is none that is known", p.out.MediaType)
	case p.materials == 0:
		return refuse("no verification material")
	case p.contents != 1:
		return refuse("it must hold a DSSE envelope or a message signature, it holds %d of them", p.contents)
	case p.keys != 1:
		return refuse("it must name a public key, a certificate or a chain, it names %d of them", p.keys)
	}
	return nil
}
