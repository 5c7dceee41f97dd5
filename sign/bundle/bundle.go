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
package bundle

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"github.com/hallmark-oci/hallmark/sign/jsonscan"
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

// ErrMalformed says that bytes are no bundle that is accepted, or one beyond
// the limits.
var ErrMalformed = errors.New("malformed bundle")

// A Bundle is a Sigstore bundle in its parts.
type Bundle struct {
	MediaType string
	// Hint names the public key that the signer says was used, empty where a
	// certificate is given instead.
	Hint string
	// HasCertificate says that the bundle carries a certificate.
	HasCertificate bool
	// Envelope is the DSSE envelope's JSON as it stands in the bundle, nil for a
	// bundle over a plain message. It shares the memory of what was parsed.
	Envelope []byte
	// LogEntries and Timestamps count what the bundle carries of each.
	LogEntries, Timestamps int
}

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

// Parse takes a bundle apart. The caller bounds raw and must not change it
// while the envelope is in use. Errors wrap [ErrMalformed].
func Parse(raw []byte) (*Bundle, error) {
	p := parser{raw: raw, Scanner: jsonscan.New(bytes.NewReader(raw))}
	if err := p.bundle(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return &p.out, nil
}

// check looks at the bundle as a whole once it is read.
func (p *parser) check() error {
	switch {
	case !slices.Contains(mediaTypes(), p.out.MediaType):
		return fmt.Errorf("media type %.100q is none that is known", p.out.MediaType)
	case p.materials == 0:
		return errors.New("no verification material")
	case p.contents != 1:
		return fmt.Errorf("it must hold a DSSE envelope or a message signature, it holds %d of them", p.contents)
	case p.keys != 1:
		return fmt.Errorf("it must name a public key, a certificate or a chain, it names %d of them", p.keys)
	}
	return nil
}
