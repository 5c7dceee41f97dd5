package keyless

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	protobundle "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"
	protocommon "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	protorekor "github.com/sigstore/protobuf-specs/gen/pb-go/rekor/v1"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/hallmark-oci/hallmark/sign/jsonscan"
	"github.com/hallmark-oci/hallmark/sign/key"
)

// FromBundle reads the verification material of a Sigstore bundle: the JSON of its
// member of that name. The media type is that of the bundle, which says what must be
// there: 0.1 a promise in each log entry, later ones an inclusion proof; from 0.3 on
// the certificate stands alone.
func FromBundle(mediaType string, text io.Reader) (Material, error) {
	raw, err := io.ReadAll(io.LimitReader(text, MaxMaterial+1))
	switch {
	case err != nil:
		return Material{}, err
	case len(raw) > MaxMaterial:
		return Material{}, refuse(Malformed, "verification material of more than %d bytes", MaxMaterial)
	}
	if err := plain(bytes.NewReader(raw)); err != nil {
		return Material{}, refuse(Malformed, "the verification material: %.300v", err)
	}
	var p protobundle.VerificationMaterial
	if err := protojson.Unmarshal(raw, &p); err != nil {
		return Material{}, refuse(Malformed, "the verification material: %.300v", err)
	}
	var m Material
	first := strings.Contains(mediaType, "0.1")
	switch {
	case p.GetCertificate() != nil:
		m.Certificate = p.GetCertificate().GetRawBytes()
	case p.GetX509CertificateChain() != nil:
		if strings.Contains(mediaType, "0.3") {
			return Material{}, refuse(Malformed, "a chain of certificates in a bundle of version 0.3")
		}
		if list := p.GetX509CertificateChain().GetCertificates(); len(list) > 0 {
			m.Certificate = list[0].GetRawBytes()
		}
	}
	if p.GetPublicKey() == nil && len(m.Certificate) == 0 {
		return Material{}, refuse(Malformed, "an empty certificate")
	}
	for _, t := range p.GetTimestampVerificationData().GetRfc3161Timestamps() {
		m.Timestamps = append(m.Timestamps, t.GetSignedTimestamp())
	}
	for i, e := range p.GetTlogEntries() {
		switch {
		case first && len(e.GetInclusionPromise().GetSignedEntryTimestamp()) == 0:
			return Material{}, refuse(Malformed, "log entry %d has no promise, which version 0.1 asks for", i)
		case !first && e.GetInclusionProof() == nil:
			return Material{}, refuse(Malformed, "log entry %d has no inclusion proof", i)
		}
		m.entries = append(m.entries, logged{e})
	}
	return m, nil
}

// Annotations are what cosign keeps beside a signature in annotations: texts in PEM
// and JSON, empty where there is none.
type Annotations struct{ Certificate, Bundle, Timestamp string }

// rekorBundle is the JSON of cosign's annotation of the log entry.
type rekorBundle struct {
	SignedEntryTimestamp []byte
	Payload              struct {
		Body           string `json:"body"`
		IntegratedTime int64  `json:"integratedTime"`
		LogIndex       int64  `json:"logIndex"`
		LogID          string `json:"logID"`
	}
}

// FromAnnotations reads what stands in cosign's annotations. The log entry there has
// a promise and no inclusion proof. The chain that cosign also keeps is of no use: a
// trusted root names the authorities above the certificate.
func FromAnnotations(a Annotations) (Material, error) {
	var m Material
	if a.Certificate != "" {
		certs, err := key.ParseCertificates(a.Certificate)
		if err != nil {
			return Material{}, refuse(CertificateMalformed, "the certificate: %v", err)
		}
		m.Certificate = certs[0].Raw
	}
	if a.Bundle != "" {
		e, err := legacyEntry(a.Bundle)
		if err != nil {
			return Material{}, refuse(Malformed, "the log entry: %v", err)
		}
		m.entries = []logged{e}
	}
	if a.Timestamp != "" {
		var t struct{ SignedRFC3161Timestamp []byte }
		if err := strict(a.Timestamp, &t, "SignedRFC3161Timestamp"); err != nil {
			return Material{}, refuse(Malformed, "the timestamp: %v", err)
		}
		m.Timestamps = [][]byte{t.SignedRFC3161Timestamp}
	}
	return m, nil
}

// legacyEntry turns cosign's form of a log entry into that of bundles.
func legacyEntry(text string) (logged, error) {
	var b rekorBundle
	if err := strict(text, &b, "SignedEntryTimestamp", "Payload", "body", "integratedTime", "logIndex", "logID"); err != nil {
		return logged{}, err
	}
	body, err := base64.StdEncoding.Strict().DecodeString(b.Payload.Body)
	if err != nil {
		return logged{}, fmt.Errorf("the body is not base64: %w", err)
	}
	id, err := hex.DecodeString(b.Payload.LogID)
	if err != nil || len(id) == 0 {
		return logged{}, errors.New("the log's identifier is not hexadecimal")
	}
	if len(b.SignedEntryTimestamp) == 0 {
		return logged{}, errors.New("it has no promise")
	}
	kind, version, err := kindOf(body)
	if err != nil {
		return logged{}, err
	}
	return logged{&protorekor.TransparencyLogEntry{
		LogIndex:          b.Payload.LogIndex,
		LogId:             &protocommon.LogId{KeyId: id},
		KindVersion:       &protorekor.KindVersion{Kind: kind, Version: version},
		IntegratedTime:    b.Payload.IntegratedTime,
		InclusionPromise:  &protorekor.InclusionPromise{SignedEntryTimestamp: b.SignedEntryTimestamp},
		CanonicalizedBody: body,
	}}, nil
}

// strict decodes a small JSON text that has these members, by these exact names and
// each once, and no others.
func strict(text string, into any, names ...string) error {
	if len(text) > MaxMaterial {
		return fmt.Errorf("%d bytes, at most %d are read", len(text), MaxMaterial)
	}
	err := walk(strings.NewReader(text), func(s *jsonscan.Scanner, name string) error {
		for _, n := range names {
			if n == name {
				return nil
			}
		}
		return fmt.Errorf("member %.100q is not known", name)
	})
	if err != nil {
		return err
	}
	return json.Unmarshal([]byte(text), into)
}

// plain refuses what protobuf's JSON form lets pass and other readers may read in
// another way: names in another form, members that stand twice, numbers for words.
func plain(text io.Reader) error {
	return walk(text, func(s *jsonscan.Scanner, name string) error {
		switch {
		case strings.Contains(name, "_"):
			return fmt.Errorf("member %.100q, which some readers take for another", name)
		case (name == "keyDetails" || name == "hashAlgorithm" || name == "algorithm") && s.Peek() != '"':
			return fmt.Errorf("member %q is no word", name)
		}
		return nil
	})
}

// walk visits the members of all objects of a text; visit does not read the value.
func walk(text io.Reader, visit func(s *jsonscan.Scanner, name string) error) error {
	s := jsonscan.New(text)
	if err := walkValue(s, visit, 0); err != nil {
		return err
	}
	return s.End()
}

func walkValue(s *jsonscan.Scanner, visit func(*jsonscan.Scanner, string) error, depth int) error {
	if depth > 32 {
		return errors.New("objects nested more than 32 deep")
	}
	switch s.Peek() {
	case '{':
		return s.Object(func(name string) error {
			if err := visit(s, name); err != nil {
				return err
			}
			return walkValue(s, visit, depth+1)
		})
	case '[':
		return s.Array(func(int) error { return walkValue(s, visit, depth+1) })
	}
	return s.Skip()
}
