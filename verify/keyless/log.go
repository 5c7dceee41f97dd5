package keyless

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	protorekor "github.com/sigstore/protobuf-specs/gen/pb-go/rekor/v1"
	"github.com/sigstore/rekor-tiles/v2/pkg/note"
	tiles "github.com/sigstore/rekor-tiles/v2/pkg/verify"
	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore-go/pkg/tlog"
	"github.com/sigstore/sigstore/pkg/signature"

	"github.com/hallmark-oci/hallmark/sign/jsonscan"
	"github.com/hallmark-oci/hallmark/sign/key"
)

// logged is an entry of a transparency log as it came.
type logged struct {
	*protorekor.TransparencyLogEntry
}

// standing is what the trusted logs say.
type standing struct {
	// seen are the logs that hold the signature.
	seen map[string]*root.TransparencyLog
	// promised are the times that a promise covers, by log.
	promised map[string]time.Time
}

// distinct returns how many logs hold the signature. A root may have one Ed25519 key under
// the names of several hosts, as which Rekor 2 signs: whoever has the key can sign in each
// of these names, so that it is one log that vouches.
func (l standing) distinct() int {
	var keys []crypto.PublicKey
	for _, log := range l.seen {
		k, ok := log.PublicKey.(interface{ Equal(crypto.PublicKey) bool }) // as all of Go's have
		if ok && !slices.ContainsFunc(keys, k.Equal) {
			keys = append(keys, log.PublicKey)
		}
	}
	return len(keys)
}

// logs judges the entries. Those of logs that the root does not know are passed over.
func (r *Root) logs(entries []logged, s Signed, a author) (standing, error) {
	out := standing{make(map[string]*root.TransparencyLog), make(map[string]time.Time)}
	if len(entries) > maxEntries {
		return out, refuse(Malformed, "%d log entries, at most %d are read", len(entries), maxEntries)
	}
	places := make(map[string]bool)
	for i, e := range entries {
		entry, err := e.parse()
		if err != nil {
			return out, named(i, err)
		}
		id := hex.EncodeToString([]byte(entry.LogKeyID()))
		if place := fmt.Sprintf("%s %d", id, entry.LogIndex()); places[place] {
			return out, refuse(BadLogEntry, "log entry %d stands there twice", i)
		} else {
			places[place] = true
		}
		log, known := r.trusted.RekorLogs()[id]
		if !known {
			continue
		}
		if err := holds(entry, log, r.trusted.RekorLogs()); err != nil {
			return out, named(i, err)
		}
		if err := speaksOf(entry, s, a); err != nil {
			return out, named(i, err)
		}
		if err := r.cosigned(entry); err != nil {
			return out, named(i, err)
		}
		out.seen[id] = log
		if t, twice := out.promised[id]; entry.HasInclusionPromise() && (!twice || entry.IntegratedTime().Before(t)) {
			out.promised[id] = entry.IntegratedTime()
		}
	}
	return out, nil
}

// within checks that the logs were in use when the signature was made. Where there is
// a promise, its own time was checked with it.
func (l standing) within(times []time.Time) error {
	for id, log := range l.seen {
		if _, promised := l.promised[id]; promised {
			continue
		}
		for _, t := range times {
			if err := inUse(log, t); err != nil {
				return err
			}
		}
	}
	return nil
}

// inUse checks that the log's key was in use at the time, both ends included.
func inUse(log *root.TransparencyLog, t time.Time) error {
	switch {
	case log.ValidityPeriodStart.IsZero():
		return refuse(LogExpired, "the root does not say from when on the log %s counts", log.BaseURL)
	case t.Before(log.ValidityPeriodStart), !log.ValidityPeriodEnd.IsZero() && t.After(log.ValidityPeriodEnd):
		return refuse(LogExpired, "the log %s was not in use at %s", log.BaseURL, t.UTC().Format(time.RFC3339))
	}
	return nil
}

// named adds to a refusal which entry it is about.
func named(i int, err error) error {
	if r, ok := err.(*Refusal); ok {
		return refuse(r.Code, "log entry %d: %s", i, r.Detail)
	}
	return err
}

// parse reads the entry and its body. The kind that the entry says it is of must be
// that of the body, which is what was logged.
func (e logged) parse() (*tlog.Entry, error) {
	kind, version, err := kindOf(e.GetCanonicalizedBody())
	if err != nil {
		return nil, refuse(Malformed, "%v", err)
	}
	if kv := e.GetKindVersion(); kv.GetKind() != kind || kv.GetVersion() != version {
		return nil, refuse(OtherLogEntry, "said to be of kind %q, version %q, but the body is of kind %q, version %q", kv.GetKind(), kv.GetVersion(), kind, version)
	}
	switch kind + " " + version {
	case "hashedrekord 0.0.1", "hashedrekord 0.0.2", "dsse 0.0.1", "intoto 0.0.2":
	default:
		return nil, refuse(Unsupported, "an entry of kind %q, version %q", kind, version)
	}
	switch {
	case e.GetLogIndex() < 0:
		return nil, refuse(Malformed, "the place in the log is %d", e.GetLogIndex())
	case len(e.GetLogId().GetKeyId()) == 0:
		return nil, refuse(Malformed, "it does not say of which log it is")
	}
	if n := len(e.GetInclusionProof().GetHashes()); n > maxProof {
		return nil, refuse(BadLogEntry, "an inclusion proof of %d hashes, at most %d are read", n, maxProof)
	}
	entry, err := tlog.ParseTransparencyLogEntry(e.TransparencyLogEntry)
	if err == nil {
		err = tlog.ValidateEntry(entry)
	}
	if err != nil {
		return nil, refuse(BadLogEntry, "%v", err)
	}
	if v2 := version == "0.0.2" && kind == "hashedrekord"; entry.IsRekorV2() != v2 {
		return nil, refuse(OtherLogEntry, "the body is not in the form of kind %q, version %q", kind, version)
	}
	return entry, nil
}

// kindOf returns what the body of an entry says that it is.
func kindOf(body []byte) (kind, version string, err error) {
	if err := walk(bytes.NewReader(body), func(*jsonscan.Scanner, string) error { return nil }); err != nil {
		return "", "", fmt.Errorf("the body: %w", err)
	}
	var b struct {
		Kind    string `json:"kind"`
		Version string `json:"apiVersion"`
	}
	if err := json.Unmarshal(body, &b); err != nil {
		return "", "", fmt.Errorf("the body: %w", err)
	}
	return b.Kind, b.Version, nil
}

// holds judges promise and proof of an entry, one of which must be there.
func holds(e *tlog.Entry, log *root.TransparencyLog, logs map[string]*root.TransparencyLog) error {
	if !e.HasInclusionPromise() && !e.HasInclusionProof() {
		return refuse(BadLogEntry, "neither a promise nor an inclusion proof")
	}
	if e.HasInclusionPromise() {
		if err := inUse(log, e.IntegratedTime()); err != nil {
			return err
		}
		if err := tlog.VerifySET(e, logs); err != nil {
			return refuse(BadLogEntry, "the promise: %v", err)
		}
	}
	switch {
	case e.HasInclusionProof():
		return included(e, log)
	case e.IsRekorV2():
		return refuse(BadLogEntry, "no inclusion proof")
	}
	return nil
}

// included judges the inclusion proof and the checkpoint that it leads to. What the
// proof says of the tree must be what the checkpoint says, which is signed.
func included(e *tlog.Entry, log *root.TransparencyLog) error {
	verifier, err := signature.LoadVerifier(log.PublicKey, log.SignatureHashFunc)
	if err != nil {
		return refuse(BadLogEntry, "the key of the log: %v", err)
	}
	entry := e.TransparencyLogEntry()
	proof := entry.GetInclusionProof()
	if e.IsRekorV2() {
		u, err := url.Parse(log.BaseURL)
		if err != nil || u.Hostname() == "" {
			return refuse(BadLogEntry, "the root gives no address of the log")
		}
		named, err := note.NewNoteVerifier(u.Hostname(), verifier)
		if err != nil {
			return refuse(BadLogEntry, "the key of the log: %v", err)
		}
		if err := tiles.VerifyLogEntry(entry, named); err != nil {
			return refuse(BadLogEntry, "%v", err)
		}
		if proof.GetLogIndex() != entry.GetLogIndex() {
			return refuse(BadLogEntry, "the proof is for place %d, the entry says %d", proof.GetLogIndex(), entry.GetLogIndex())
		}
	} else if err := tlog.VerifyInclusion(e, verifier); err != nil {
		return refuse(BadLogEntry, "%v", err)
	}
	size, hash, err := tree(proof.GetCheckpoint().GetEnvelope())
	switch {
	case err != nil:
		return refuse(BadLogEntry, "the checkpoint: %v", err)
	case size != proof.GetTreeSize():
		return refuse(BadLogEntry, "the proof is for a tree of %d entries, the checkpoint for one of %d", proof.GetTreeSize(), size)
	case !bytes.Equal(hash, proof.GetRootHash()):
		return refuse(BadLogEntry, "the proof is for another tree than the checkpoint")
	}
	return nil
}

// tree reads what a checkpoint says: its name, the size, the hash (C2SP tlog-checkpoint).
func tree(checkpoint string) (size int64, hash []byte, err error) {
	lines := strings.SplitN(checkpoint, "\n", 4)
	if len(lines) < 4 {
		return 0, nil, fmt.Errorf("it has %d lines", len(lines))
	}
	if size, err = strconv.ParseInt(lines[1], 10, 64); err != nil {
		return 0, nil, err
	}
	hash, err = base64.StdEncoding.DecodeString(lines[2])
	return size, hash, err
}

// speaksOf checks that the body is about this signature, by this key, over this.
func speaksOf(e *tlog.Entry, s Signed, a author) error {
	if !bytes.Equal(e.Signature(), s.Signature) {
		return refuse(OtherLogEntry, "the log holds another signature")
	}
	if !a.is(e.PublicKey()) {
		return refuse(OtherLogEntry, "the log holds a signature by another key or certificate")
	}
	if logged, ok := e.GetDssePayloadHash(); ok {
		if s.Payload == nil {
			return refuse(OtherLogEntry, "the log holds the signature of an envelope, and this is none")
		}
		sum, err := s.Payload()
		if err == nil && !bytes.Equal(sum, logged) {
			err = refuse(OtherLogEntry, "the log holds a signature over another payload")
		}
		return err
	}
	if s.Payload != nil && !e.IsRekorV2() {
		return refuse(OtherLogEntry, "the log holds the signature of a plain message, and this is an envelope")
	}
	logged, name, ok := e.GetHashedRekordDigest()
	if !ok {
		return refuse(OtherLogEntry, "the log holds no digest")
	}
	h, ok := hashNamed(name)
	if !ok {
		return refuse(OtherLogEntry, "the log holds a digest by %q, which is not accepted", name)
	}
	sum, err := s.Sum(h)
	if err == nil && !bytes.Equal(sum, logged) {
		err = refuse(OtherLogEntry, "the log holds a signature over something else")
	}
	return err
}

// hashNamed returns the hash that a log calls by this name.
func hashNamed(name string) (crypto.Hash, bool) {
	switch strings.ToLower(name) {
	case "sha256", "sha2_256":
		return crypto.SHA256, true
	case "sha384", "sha2_384":
		return crypto.SHA384, true
	case "sha512", "sha2_512":
		return crypto.SHA512, true
	}
	return 0, false
}

// is reports whether what the log calls the signer is the author: the very
// certificate, or the very key.
func (a author) is(who any) bool {
	if cert, ok := who.(*x509.Certificate); ok {
		return a.leaf != nil && cert.Equal(a.leaf)
	}
	if a.leaf != nil && !a.either || who == nil {
		return false
	}
	k, err := key.NewPublic(who)
	return err == nil && k.Fingerprint() == a.key.Fingerprint()
}
