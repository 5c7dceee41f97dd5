package keyless

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"slices"

	prototrust "github.com/sigstore/protobuf-specs/gen/pb-go/trustroot/v1"
	"github.com/sigstore/rekor-tiles/v2/pkg/note"
	"github.com/sigstore/sigstore-go/pkg/root"
	"google.golang.org/protobuf/encoding/protojson"
)

// ErrRoot says that a trusted root cannot be used.
var ErrRoot = errors.New("unusable trusted root")

// A Root names the authorities that are believed: who issues certificates, which
// logs record them and the signatures, who tells the time, each with the time in
// which it counts. It is safe for concurrent use.
type Root struct {
	trusted root.TrustedMaterial
	sum     [sha256.Size]byte

	witnesses []Witness // see Witnessed
	threshold int       // of the witnesses; 0 asks for none
}

// ParseRoot reads a trusted root in the JSON form of Sigstore, media type
// application/vnd.dev.sigstore.trustedroot+json;version=0.1. A root that names one
// log twice, or a log by an identifier that is not that of its key, is refused with
// [ErrRoot].
func ParseRoot(raw []byte) (*Root, error) {
	if len(raw) > MaxRoot {
		return nil, fmt.Errorf("%d bytes, at most %d are read: %w", len(raw), MaxRoot, ErrRoot)
	}
	if err := plain(bytes.NewReader(raw)); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRoot, err)
	}
	var p prototrust.TrustedRoot
	if err := protojson.Unmarshal(raw, &p); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRoot, err)
	}
	if err := checkRoot(&p); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRoot, err)
	}
	trusted, err := root.NewTrustedRootFromProtobuf(&p)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRoot, err)
	}
	return &Root{trusted: trusted, sum: sha256.Sum256(raw)}, nil
}

// Hash tells roots apart: the SHA-256 of the root's text, or of those that it is
// composed of.
func (r *Root) Hash() [sha256.Size]byte { return r.sum }

// checkRoot refuses what would make the root mean less than it seems to.
func checkRoot(p *prototrust.TrustedRoot) error {
	for what, n := range map[string]int{
		"certificate authorities": len(p.GetCertificateAuthorities()),
		"timestamp authorities":   len(p.GetTimestampAuthorities()),
		"transparency logs":       len(p.GetTlogs()),
		"certificate logs":        len(p.GetCtlogs()),
	} {
		if n > maxAuthorities {
			return fmt.Errorf("%d %s, at most %d are read", n, what, maxAuthorities)
		}
	}
	if err := checkLogs("transparency log", p.GetTlogs()); err != nil {
		return err
	}
	return checkLogs("certificate log", p.GetCtlogs())
}

// checkLogs checks that each log is there once and called by its own key.
func checkLogs(what string, logs []*prototrust.TransparencyLogInstance) error {
	var seen [][]byte
	for _, l := range logs {
		id := l.GetLogId().GetKeyId()
		if slices.ContainsFunc(seen, func(o []byte) bool { return bytes.Equal(o, id) }) {
			return fmt.Errorf("%s %x stands there twice", what, id)
		}
		seen = append(seen, id)
		if !calledByKey(l, id) {
			return fmt.Errorf("%s %s: the identifier %x is not that of its key", what, l.GetBaseUrl(), id)
		}
	}
	return nil
}

// calledByKey reports whether the identifier is the SHA-256 of the log's key, as in
// RFC 6962 and Rekor 1, or the hash of its name and key, as in Rekor 2 (C2SP
// signed-note), of which the first four bytes stand in checkpoints.
func calledByKey(l *prototrust.TransparencyLogInstance, id []byte) bool {
	der := l.GetPublicKey().GetRawBytes()
	if sum := sha256.Sum256(der); bytes.Equal(id, sum[:]) {
		return true
	}
	pub, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		// A bare PKCS #1 key: what identifies it is the hash of its other form.
		k, err := x509.ParsePKCS1PublicKey(der)
		if err != nil {
			return false
		}
		pub = k
		if der, err = x509.MarshalPKIXPublicKey(k); err != nil {
			return false
		}
		if sum := sha256.Sum256(der); bytes.Equal(id, sum[:]) {
			return true
		}
	}
	u, err := url.Parse(l.GetBaseUrl())
	if err != nil || u.Hostname() == "" {
		return false
	}
	_, named, err := note.KeyHash(u.Hostname(), pub)
	return err == nil && bytes.Equal(id, named)
}
