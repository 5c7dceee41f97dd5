package keyless_test

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"io"
	"testing"
	"time"

	"github.com/digitorus/timestamp"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/cosign"
	"github.com/hallmark-oci/hallmark/sign"
	"github.com/hallmark-oci/hallmark/sign/keyless"
	"github.com/hallmark-oci/hallmark/sign/payload"
)

// TestAttestationStamp: in annotations, the timestamp of an attestation is over the
// envelope as it is stored, which is what cosign 2 holds it against.
func TestAttestationStamp(t *testing.T) {
	w := newWorld(t)
	s, err := keyless.New(context.Background(), w.options(1))
	if err != nil {
		t.Fatal(err)
	}
	var kept shelf
	opts := sign.StatementOptions{PredicateType: "https://example.com/predicate", Predicate: payload.Bytes([]byte(`{"a":1}`)), Now: time.Now(), Storage: attach.InBoth}
	if _, err := sign.Statement(context.Background(), &kept, subject, opts, []sign.Signer{s}); err != nil {
		t.Fatal(err)
	}
	var note struct{ SignedRFC3161Timestamp []byte }
	c := kept.parcels[0].Content
	if err := json.Unmarshal([]byte(c.Annotations[cosign.TimestampAnnotation]), &note); err != nil {
		t.Fatal(err)
	}
	stamp, err := timestamp.ParseResponse(note.SignedRFC3161Timestamp)
	if err != nil {
		t.Fatal(err)
	}
	rc, err := c.Body.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer rc.Close()
	envelope, err := io.ReadAll(rc)
	if err != nil {
		t.Fatal(err)
	}
	if sum := sha256.Sum256(envelope); string(stamp.HashedMessage) != string(sum[:]) {
		t.Errorf("the timestamp is over %x, the envelope has %x", stamp.HashedMessage, sum)
	}
	paths := w.paths()
	if last := paths[len(paths)-1]; last == tsaPath {
		t.Errorf("asked %q: the permanent record comes last", paths)
	}
}
