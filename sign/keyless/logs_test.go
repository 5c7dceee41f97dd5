package keyless_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"time"

	"github.com/cyberphone/json-canonicalization/go/src/webpki.org/jsoncanonicalizer"
	"github.com/digitorus/timestamp"
	"github.com/secure-systems-lab/go-securesystemslib/dsse"
	rekornote "github.com/sigstore/rekor-tiles/v2/pkg/note"
	"github.com/sigstore/rekor/pkg/util"
	"github.com/sigstore/sigstore/pkg/signature"
	"golang.org/x/mod/sumdb/note"
)

// canonical is JSON as logs store it (RFC 8785).
func canonical(v any) []byte { return must(jsoncanonicalizer.Transform(must(json.Marshal(v)))) }

// leafHash is the hash of a tree of one entry (RFC 6962, section 2.1).
func leafHash(body []byte) []byte {
	sum := sha256.Sum256(append([]byte{0}, body...))
	return sum[:]
}

func digestOf(b []byte) map[string]any {
	sum := sha256.Sum256(b)
	return map[string]any{"algorithm": "sha256", "value": hex.EncodeToString(sum[:])}
}

// log1 is Rekor 1: it logs hashedrekord and dsse 0.0.1, gives a promise and a proof.
func (w *world) log1(rw http.ResponseWriter, r *http.Request) {
	var q map[string]any
	if err := json.NewDecoder(r.Body).Decode(&q); err != nil {
		http.Error(rw, err.Error(), http.StatusBadRequest)
		return
	}
	entry := q
	if q["kind"] == "dsse" {
		proposed := q["spec"].(map[string]any)["proposedContent"].(map[string]any)
		text := []byte(proposed["envelope"].(string))
		var e dsse.Envelope
		if err := json.Unmarshal(text, &e); err != nil {
			http.Error(rw, err.Error(), http.StatusBadRequest)
			return
		}
		entry = map[string]any{"apiVersion": "0.0.1", "kind": "dsse", "spec": map[string]any{
			"envelopeHash": digestOf(text), "payloadHash": digestOf(must(e.DecodeB64Payload())),
			"signatures": []any{map[string]any{"signature": e.Signatures[0].Sig, "verifier": proposed["verifiers"].([]any)[0]}},
		}}
	}
	if w.lies.body != nil {
		w.lies.body(entry)
	}
	key := w.rekor1
	if w.lies.otherLog {
		key = newKey()
	}
	signer := must(signature.LoadECDSASignerVerifier(key, crypto.SHA256))
	body := canonical(entry)
	said := map[string]any{
		"body": base64.StdEncoding.EncodeToString(body), "integratedTime": time.Now().Unix(), "logIndex": 7, "logID": hex.EncodeToString(logID(w.rekor1)),
	}
	promise := must(signer.SignMessage(bytes.NewReader(canonical(said))))
	checkpoint := must(util.CreateAndSignCheckpoint(context.Background(), "rekor.localhost", 42, 1, leafHash(body), signer))
	said["verification"] = map[string]any{
		"signedEntryTimestamp": promise,
		"inclusionProof": map[string]any{
			"checkpoint": string(checkpoint), "hashes": []string{}, "logIndex": 0, "rootHash": hex.EncodeToString(leafHash(body)), "treeSize": 1,
		},
	}
	if w.lies.entry1 != nil {
		w.lies.entry1(said)
	}
	answer(rw, http.StatusCreated, map[string]any{"24296fb24b8ad77a": said})
}

// log2 is Rekor 2: it logs hashedrekord 0.0.2 and gives a proof.
func (w *world) log2(rw http.ResponseWriter, r *http.Request) {
	var q struct {
		HashedRekordRequestV002 struct {
			Digest    []byte
			Signature map[string]any
		}
	}
	if err := json.NewDecoder(r.Body).Decode(&q); err != nil {
		http.Error(rw, err.Error(), http.StatusBadRequest)
		return
	}
	entry := map[string]any{"apiVersion": "0.0.2", "kind": "hashedrekord", "spec": map[string]any{"hashedRekordV002": map[string]any{
		"data":      map[string]any{"algorithm": "SHA2_256", "digest": q.HashedRekordRequestV002.Digest},
		"signature": q.HashedRekordRequestV002.Signature,
	}}}
	if w.lies.body != nil {
		w.lies.body(entry)
	}
	key := w.rekor2
	if w.lies.otherLog {
		key = newKey()
	}
	body := canonical(entry)
	signer := must(rekornote.NewNoteSigner(context.Background(), "rekor.localhost", must(signature.LoadECDSASignerVerifier(key, crypto.SHA256))))
	text := "rekor.localhost\n1\n" + base64.StdEncoding.EncodeToString(leafHash(body)) + "\n"
	checkpoint := must(note.Sign(&note.Note{Text: text}, signer))
	said := map[string]any{
		"logIndex": "0", "logId": map[string]any{"keyId": logID(w.rekor2)}, "kindVersion": map[string]any{"kind": "hashedrekord", "version": "0.0.2"},
		"integratedTime": "0", "canonicalizedBody": body,
		"inclusionProof": map[string]any{
			"logIndex": "0", "rootHash": leafHash(body), "treeSize": "1", "hashes": []string{}, "checkpoint": map[string]any{"envelope": string(checkpoint)},
		},
	}
	if w.lies.entry2 != nil {
		w.lies.entry2(said)
	}
	answer(rw, http.StatusCreated, said)
}

// stamp is the timestamp authority.
func (w *world) stamp(rw http.ResponseWriter, r *http.Request) {
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(rw, err.Error(), http.StatusBadRequest)
		return
	}
	q, err := timestamp.ParseRequest(raw)
	if err != nil || r.Header.Get("Content-Type") != "application/timestamp-query" {
		http.Error(rw, "no request for a timestamp", http.StatusBadRequest)
		return
	}
	t := timestamp.Timestamp{
		HashAlgorithm: q.HashAlgorithm, HashedMessage: q.HashedMessage, Time: time.Now(), AddTSACertificate: q.Certificates,
		Policy: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 57264, 2}, Nonce: q.Nonce,
	}
	if w.lies.nonce != nil {
		t.Nonce = w.lies.nonce(t.Nonce)
	}
	if w.lies.imprint != nil {
		t.HashedMessage = w.lies.imprint(t.HashedMessage)
	}
	if !w.lies.at.IsZero() {
		t.Time = w.lies.at
	}
	leaf, key := w.tsa, w.tsaKey
	if w.lies.otherTSA {
		leaf, key = w.strangeTSA()
	}
	rw.Write(must(t.CreateResponseWithOpts(leaf, key, crypto.SHA256)))
}

// strangeTSA is an authority that nobody trusts.
func (w *world) strangeTSA() (*x509.Certificate, *ecdsa.PrivateKey) {
	other := newWorld(w.t)
	return other.tsa, other.tsaKey
}

// sum of random bytes, for what is of something else.
func anotherSum([]byte) []byte {
	b := make([]byte, sha256.Size)
	rand.Read(b)
	return b
}
