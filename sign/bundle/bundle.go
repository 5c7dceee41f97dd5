// Package bundle reads Sigstore bundles: one JSON document that holds what was
// signed, the signature, and what is needed to check it (cosign's
// specs/BUNDLE_SPEC.md and sigstore's protobuf-specs, sigstore_bundle.proto).
//
// Here a bundle is only taken apart. A key that a bundle names is a hint and
// never trust.
package bundle

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// MediaTypePrefix begins the media type of every version of the format:
// "application/vnd.dev.sigstore.bundle.v0.3+json" and the older
// "application/vnd.dev.sigstore.bundle+json;version=0.2".
const MediaTypePrefix = "application/vnd.dev.sigstore.bundle"

// MaxLogEntries and MaxTimestamps bound what one bundle may carry: each is work
// for whoever verifies it.
const (
	MaxLogEntries = 32
	MaxTimestamps = 32
)

// ErrMalformed says that bytes are no bundle.
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
	// bundle over a plain message.
	Envelope []byte
	// LogEntries and Timestamps count what the bundle carries of each.
	LogEntries, Timestamps int
}

type wire struct {
	MediaType string `json:"mediaType"`
	Material  *struct {
		PublicKey *struct {
			Hint string `json:"hint"`
		} `json:"publicKey"`
		Certificate     json.RawMessage   `json:"certificate"`
		Chain           json.RawMessage   `json:"x509CertificateChain"`
		LogEntries      []json.RawMessage `json:"tlogEntries"`
		TimestampHolder *struct {
			Timestamps []json.RawMessage `json:"rfc3161Timestamps"`
		} `json:"timestampVerificationData"`
	} `json:"verificationMaterial"`
	Envelope json.RawMessage `json:"dsseEnvelope"`
	Message  json.RawMessage `json:"messageSignature"`
}

// Parse takes a bundle apart. The caller bounds raw. Errors wrap ErrMalformed.
func Parse(raw []byte) (*Bundle, error) {
	var w wire
	dec := json.NewDecoder(bytes.NewReader(raw))
	if err := dec.Decode(&w); err != nil {
		return nil, fmt.Errorf("%w: %v", ErrMalformed, err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%w: something follows the document", ErrMalformed)
	}
	if err := onceEach(raw); err != nil {
		return nil, err
	}
	switch {
	case !strings.HasPrefix(w.MediaType, MediaTypePrefix):
		return nil, fmt.Errorf("%w: media type %q", ErrMalformed, w.MediaType)
	case w.Material == nil:
		return nil, fmt.Errorf("%w: no verification material", ErrMalformed)
	case (w.Envelope == nil) == (w.Message == nil):
		return nil, fmt.Errorf("%w: it must hold a DSSE envelope or a message signature, not both or none", ErrMalformed)
	case len(w.Material.LogEntries) > MaxLogEntries:
		return nil, fmt.Errorf("%w: more than %d log entries", ErrMalformed, MaxLogEntries)
	}
	b := &Bundle{MediaType: w.MediaType, Envelope: w.Envelope, LogEntries: len(w.Material.LogEntries)}
	if w.Material.TimestampHolder != nil {
		b.Timestamps = len(w.Material.TimestampHolder.Timestamps)
	}
	if b.Timestamps > MaxTimestamps {
		return nil, fmt.Errorf("%w: more than %d timestamps", ErrMalformed, MaxTimestamps)
	}
	if w.Material.PublicKey != nil {
		b.Hint = w.Material.PublicKey.Hint
	}
	b.HasCertificate = w.Material.Certificate != nil || w.Material.Chain != nil
	return b, nil
}

// onceEach refuses a document whose outermost keys are given twice, or in
// another case: two readers would see two documents.
func onceEach(raw []byte) error {
	dec := json.NewDecoder(bytes.NewReader(raw))
	if _, err := dec.Token(); err != nil {
		return fmt.Errorf("%w: %v", ErrMalformed, err)
	}
	seen := make(map[string]bool)
	for dec.More() {
		tok, err := dec.Token()
		if err != nil {
			return fmt.Errorf("%w: %v", ErrMalformed, err)
		}
		name := strings.ToLower(fmt.Sprint(tok))
		if seen[name] {
			return fmt.Errorf("%w: key %q is given twice", ErrMalformed, tok)
		}
		seen[name] = true
		var skip json.RawMessage
		if err := dec.Decode(&skip); err != nil {
			return fmt.Errorf("%w: %v", ErrMalformed, err)
		}
	}
	return nil
}
