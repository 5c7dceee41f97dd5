package keyless

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"path"
	"strconv"
	"strings"

	protocommon "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	protorekor "github.com/sigstore/protobuf-specs/gen/pb-go/rekor/v1"
	"github.com/sigstore/sigstore-go/pkg/root"
	"google.golang.org/protobuf/encoding/protojson"

	judge "github.com/hallmark-oci/hallmark/verify/keyless"
)

// The paths of the logs' servers.
const (
	rekor1Path = "/api/v1/log/entries"
	rekor2Path = "/api/v2/log/entries"
)

// record brings the signature to a log and returns its entry, checked to be of this
// signature. Its proof is verified with the whole.
func (s *Signer) record(ctx context.Context, at root.Service, w *work) (*protorekor.TransparencyLogEntry, error) {
	ask, place := w.rekor1(s), rekor1Path
	if at.MajorAPIVersion == 2 {
		ask, place = w.rekor2(s), rekor2Path
	}
	body, err := json.Marshal(ask)
	if err != nil {
		return nil, err
	}
	a, err := s.client.ask(ctx, call{
		method: http.MethodPost, url: join(at.URL, place), body: body,
		contentType: "application/json", accept: "application/json",
		ok: []int{http.StatusCreated, http.StatusOK, http.StatusConflict},
	})
	if err != nil {
		return nil, err
	}
	from := bare(at.URL)
	entry, err := s.given(ctx, at, place, a)
	var r *Refusal
	if err != nil && !errors.As(err, &r) {
		err = refuse(Malformed, err, "the entry from the log %s", from)
	}
	if err != nil {
		return nil, err
	}
	if err := w.recordedIn(entry, s); err != nil {
		return nil, refuse(OtherEntry, err, "the entry from the log %s is not that of this signature", from)
	}
	if err := coherent(entry, at.MajorAPIVersion); err != nil {
		return nil, refuse(BadEntry, err, "the entry from the log %s", from)
	}
	return entry, nil
}

// given returns the entry that an answer holds or, with the status 409, speaks of: it
// was recorded by an earlier request, whose answer was lost. Rekor 1 tells its name in
// Location, Rekor 2 its index. That it is of this signature is checked as of a new one.
func (s *Signer) given(ctx context.Context, at root.Service, place string, a answer) (*protorekor.TransparencyLogEntry, error) {
	name := path.Base(a.header.Get("Location"))
	id, noName := hex.DecodeString(name)
	index, noIndex := strconv.ParseInt(a.header.Get("X-Log-Index"), 10, 64)
	switch {
	case a.status != http.StatusConflict && at.MajorAPIVersion == 1:
		return readRekor1(a.body)
	case a.status != http.StatusConflict:
		return readRekor2(a.body)
	case at.MajorAPIVersion == 1 && noName == nil && (len(id) == sha256.Size || len(id) == sha256.Size+8):
		s.client.net.note("the log %s has the entry already", bare(at.URL))
		raw, err := s.client.do(ctx, call{method: http.MethodGet, url: join(at.URL, rekor1Path+"/"+name), accept: "application/json", ok: []int{http.StatusOK}})
		if err != nil {
			return nil, err
		}
		return readRekor1(raw)
	case at.MajorAPIVersion == 2 && noIndex == nil && index >= 0:
		s.client.net.note("the log %s has the entry already", bare(at.URL))
		return s.inTiles(ctx, at, index)
	}
	return nil, refuse(Denied, nil, "POST %s: status %d %s", bare(join(at.URL, place)), a.status, s.client.quote(a.body))
}

// object is a JSON object.
type object map[string]any

// rekor1 is what Rekor 1 is asked to record: of a message the digest (hashedrekord
// 0.0.1), of an envelope the whole (dsse 0.0.1).
func (w *work) rekor1(s *Signer) any {
	verifier := s.leafPEM()
	if w.envelope != nil {
		return object{"apiVersion": "0.0.1", "kind": "dsse", "spec": object{
			"proposedContent": object{"envelope": string(w.envelope), "verifiers": [][]byte{verifier}},
		}}
	}
	return object{"apiVersion": "0.0.1", "kind": "hashedrekord", "spec": object{
		"signature": object{"content": w.signature, "publicKey": object{"content": verifier}},
		"data":      object{"hash": object{"algorithm": "sha256", "value": hex.EncodeToString(w.sum[:])}},
	}}
}

// rekor2 is what Rekor 2 is asked to record: always the digest of what was signed
// (hashedrekord 0.0.2).
func (w *work) rekor2(s *Signer) any {
	return object{"hashedRekordRequestV002": object{
		"digest": w.sum[:],
		"signature": object{"content": w.signature, "verifier": object{
			"x509Certificate": object{"rawBytes": s.leaf.Raw},
			"keyDetails":      protocommon.PublicKeyDetails_PKIX_ECDSA_P256_SHA_256.String(),
		}},
	}}
}

// leafPEM is the certificate as Rekor 1 and cosign have it.
func (s *Signer) leafPEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.leaf.Raw})
}

// readRekor1 reads an answer of Rekor 1.
func readRekor1(raw []byte) (*protorekor.TransparencyLogEntry, error) { return judge.ReadRekor1(raw) }

// readRekor2 reads an answer of Rekor 2.
func readRekor2(raw []byte) (*protorekor.TransparencyLogEntry, error) {
	var e protorekor.TransparencyLogEntry
	if err := protojson.Unmarshal(raw, &e); err != nil {
		return nil, err
	}
	return &e, nil
}

// kindOf returns the kind that a body says it is of.
func kindOf(body []byte) (*protorekor.KindVersion, error) {
	var k struct {
		Kind    string `json:"kind"`
		Version string `json:"apiVersion"`
	}
	if err := json.Unmarshal(body, &k); err != nil {
		return nil, fmt.Errorf("the body: %w", err)
	}
	return &protorekor.KindVersion{Kind: k.Kind, Version: k.Version}, nil
}

// body is the body of an entry, of the three kinds that are asked for.
type body struct {
	Spec struct {
		// hashedrekord 0.0.1
		Signature struct {
			Content   []byte `json:"content"`
			PublicKey struct {
				Content []byte `json:"content"`
			} `json:"publicKey"`
		} `json:"signature"`
		Data struct {
			Hash hash `json:"hash"`
		} `json:"data"`
		// dsse 0.0.1
		PayloadHash hash `json:"payloadHash"`
		Signatures  []struct {
			Signature []byte `json:"signature"`
			Verifier  []byte `json:"verifier"`
		} `json:"signatures"`
		// hashedrekord 0.0.2
		HashedRekord struct {
			Data struct {
				Algorithm string `json:"algorithm"`
				Digest    []byte `json:"digest"`
			} `json:"data"`
			Signature struct {
				Content  []byte `json:"content"`
				Verifier struct {
					Certificate struct {
						Raw []byte `json:"rawBytes"`
					} `json:"x509Certificate"`
				} `json:"verifier"`
			} `json:"signature"`
		} `json:"hashedRekordV002"`
	} `json:"spec"`
}

type hash struct {
	Algorithm string `json:"algorithm"`
	Value     string `json:"value"`
}

// recordedIn says whether the body of the entry is that of this work, of the kind
// that the entry says and that was asked for.
func (w *work) recordedIn(e *protorekor.TransparencyLogEntry, s *Signer) error {
	kind, err := kindOf(e.GetCanonicalizedBody())
	if err != nil {
		return err
	}
	if kind.Kind != e.GetKindVersion().GetKind() || kind.Version != e.GetKindVersion().GetVersion() {
		return fmt.Errorf("its body is of kind %.50q %.50q, it says %.50q %.50q", kind.Kind, kind.Version, e.GetKindVersion().GetKind(), e.GetKindVersion().GetVersion())
	}
	var b body
	if err := json.Unmarshal(e.GetCanonicalizedBody(), &b); err != nil {
		return fmt.Errorf("its body: %w", err)
	}
	certificate := func(raw []byte) []byte { // one in PEM
		if block, _ := pem.Decode(raw); block != nil {
			return block.Bytes
		}
		return nil
	}
	var sig, leaf, sum []byte
	want := w.sum
	switch kind.Kind + " " + kind.Version {
	case "hashedrekord 0.0.1":
		sig, leaf, sum = b.Spec.Signature.Content, certificate(b.Spec.Signature.PublicKey.Content), b.Spec.Data.Hash.sha256()
	case "dsse 0.0.1":
		if len(b.Spec.Signatures) != 1 {
			return fmt.Errorf("it has %d signatures, not one", len(b.Spec.Signatures))
		}
		sig, leaf, sum = b.Spec.Signatures[0].Signature, certificate(b.Spec.Signatures[0].Verifier), b.Spec.PayloadHash.sha256()
		want = sha256.Sum256(w.payload)
	case "hashedrekord 0.0.2":
		h := b.Spec.HashedRekord
		sig, leaf, sum = h.Signature.Content, h.Signature.Verifier.Certificate.Raw, h.Data.Digest
	default:
		return fmt.Errorf("it is of the kind %.50q %.50q", kind.Kind, kind.Version)
	}
	switch {
	case !bytes.Equal(sig, w.signature):
		return errors.New("it has another signature")
	case !bytes.Equal(leaf, s.leaf.Raw):
		return errors.New("it has another certificate")
	case !bytes.Equal(sum, want[:]):
		return errors.New("it has another digest")
	}
	return nil
}

// sha256 returns the digest, nil where it is of another algorithm.
func (h hash) sha256() []byte {
	b, err := hex.DecodeString(h.Value)
	if err != nil || h.Algorithm != "sha256" {
		return nil
	}
	return b
}

// coherent checks that Rekor 1 gave its promise, and that the proof speaks of the tree that the checkpoint signs: its
// second line is the size, its third the hash (C2SP tlog-checkpoint).
func coherent(e *protorekor.TransparencyLogEntry, version uint32) error {
	if version == 1 && len(e.GetInclusionPromise().GetSignedEntryTimestamp()) == 0 {
		return errors.New("it has no promise of the log (SET)")
	}
	proof := e.GetInclusionProof()
	lines := strings.SplitN(proof.GetCheckpoint().GetEnvelope(), "\n", 4)
	if len(lines) < 4 {
		return errors.New("it has no checkpoint")
	}
	top, err := base64.StdEncoding.DecodeString(lines[2])
	if err != nil || lines[1] != strconv.FormatInt(proof.GetTreeSize(), 10) || !bytes.Equal(top, proof.GetRootHash()) {
		return fmt.Errorf("its proof is of a tree of size %d, its checkpoint of another (%.30q)", proof.GetTreeSize(), lines[1])
	}
	if version == 2 && proof.GetLogIndex() != e.GetLogIndex() {
		return fmt.Errorf("its proof is of the index %d, it says %d", proof.GetLogIndex(), e.GetLogIndex())
	}
	return nil
}
