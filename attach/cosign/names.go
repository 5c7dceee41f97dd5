package cosign

import (
	"encoding/base64"
	"encoding/json"
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/hallmark-oci/hallmark/attach"
)

// MaxPayload is the size of the largest simple signing payload, in bytes.
const MaxPayload = 64 << 10

// maxSubjects is how many subjects of one statement are looked at.
const maxSubjects = 10000

// Names checks that the content of an entry is well-formed for its kind and
// speaks of the subject: a simple signing payload of that
// docker-manifest-digest, or a DSSE envelope around an in-toto statement with
// that digest among its subjects. It says nothing of who signed. Contents of
// other kinds name no subject and are accepted. The error wraps
// [attach.ErrMalformed].
func Names(k attach.Kind, content []byte, subject v1.Hash) error {
	switch k {
	case attach.Signature:
		return payloadNames(content, subject)
	case attach.Attestation:
		return envelopeNames(content, subject)
	}
	return nil
}

// descend follows a path of objects.
func descend(raw []byte, path ...string) (map[string]json.RawMessage, error) {
	m, err := attach.Members(raw)
	for _, name := range path {
		if err != nil {
			return nil, err
		}
		m, err = attach.Members(m[name])
	}
	return m, err
}

func payloadNames(content []byte, subject v1.Hash) error {
	image, err := descend(content, "critical", "image")
	if err != nil {
		return fmt.Errorf("simple signing payload: %w", err)
	}
	var digest string
	if err := attach.Member(image, "docker-manifest-digest", &digest); err != nil {
		return fmt.Errorf("simple signing payload: %w", err)
	}
	if digest != subject.String() {
		return fmt.Errorf("simple signing payload speaks of %q, not of %s: %w", digest, subject, attach.ErrMalformed)
	}
	return nil
}

func envelopeNames(content []byte, subject v1.Hash) error {
	envelope, err := attach.Members(content)
	if err != nil {
		return fmt.Errorf("DSSE envelope: %w", err)
	}
	var payload string
	if err := attach.Member(envelope, "payload", &payload); err != nil {
		return fmt.Errorf("DSSE envelope: %w", err)
	}
	body, err := base64.StdEncoding.DecodeString(payload)
	if err != nil {
		return fmt.Errorf("payload of the DSSE envelope: %v: %w", err, attach.ErrMalformed)
	}
	statement, err := attach.Members(body)
	if err != nil {
		return fmt.Errorf("in-toto statement: %w", err)
	}
	found := false
	err = attach.Elements(statement["subject"], maxSubjects, func(e json.RawMessage) {
		digests, err := descend(e, "digest")
		if err != nil {
			return
		}
		var hex string
		if attach.Member(digests, subject.Algorithm, &hex) == nil && hex == subject.Hex {
			found = true
		}
	})
	if err != nil {
		return fmt.Errorf("subjects of the in-toto statement: %w", err)
	}
	if !found {
		return fmt.Errorf("in-toto statement does not speak of %s: %w", subject, attach.ErrMalformed)
	}
	return nil
}
