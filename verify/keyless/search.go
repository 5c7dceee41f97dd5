package keyless

import (
	"context"
	"crypto"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	protocommon "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	protorekor "github.com/sigstore/protobuf-specs/gen/pb-go/rekor/v1"

	"github.com/hallmark-oci/hallmark/sign/key"
	"github.com/hallmark-oci/hallmark/verify/network"
)

// The paths at which Rekor 1 is searched. Rekor 2 cannot be.
const (
	indexPath   = "/api/v1/index/retrieve"
	entriesPath = "/api/v1/log/entries/retrieve"
)

// Logged reports whether any log entry came with the signature.
func (m Material) Logged() bool { return len(m.entries) > 0 }

// Search returns the material with the entries that the trusted logs of Rekor 1 hold of
// the signature, of those logs that may be asked: where its entry did not come with it.
// The key is the one that made it. What a log answers is believed no more than what came
// with the signature: it is judged in the same way. An error says that a log could not
// be asked, or that what it said cannot be told apart.
func (r *Root) Search(ctx context.Context, hosts *network.Hosts, m Material, s Signed, k *key.Public) (Material, error) {
	logs := r.trusted.RekorLogs()
	for _, id := range slices.Sorted(maps.Keys(logs)) {
		at := strings.TrimSuffix(logs[id].BaseURL, "/")
		if !hosts.Allows(at) {
			continue
		}
		found, err := search(ctx, hosts, at, m, s, k)
		if err != nil {
			return m, fmt.Errorf("look for the signature in the log %s: %w", at, err)
		}
		for _, e := range found {
			entry, err := e.parse()
			if err == nil && string(entry.Signature()) == string(s.Signature) && len(m.entries) < maxEntries {
				m.entries = append(slices.Clip(m.entries), e)
			}
		}
	}
	return m, nil
}

// search asks one log: for the entry of a message by what it would hold, for that of an
// envelope by the digest of the payload, under which others may have entries too.
func search(ctx context.Context, hosts *network.Hosts, at string, m Material, s Signed, k *key.Public) ([]logged, error) {
	if s.Payload == nil {
		proposed, err := proposal(m, s, k)
		if err != nil {
			return nil, err
		}
		return entries(ctx, hosts, at, map[string]any{"entries": []any{proposed}})
	}
	sum, err := s.Payload()
	if err != nil {
		return nil, err
	}
	ask, err := json.Marshal(map[string]string{"hash": "sha256:" + hex.EncodeToString(sum)})
	if err != nil {
		return nil, err
	}
	raw, err := hosts.Post(ctx, at+indexPath, ask, maxAnswer)
	if err != nil {
		return nil, err
	}
	var ids []string
	if err := json.Unmarshal(raw, &ids); err != nil {
		return nil, fmt.Errorf("its answer: %w", err)
	}
	switch {
	case len(ids) == 0:
		return nil, nil
	case len(ids) > maxFound:
		return nil, fmt.Errorf("it has %d entries under the digest of the payload, and no more than %d are asked for", len(ids), maxFound)
	}
	return entries(ctx, hosts, at, map[string]any{"entryUUIDs": ids})
}

// proposal is what Rekor 1 would be asked to record of a message.
func proposal(m Material, s Signed, k *key.Public) (any, error) {
	sum, err := s.Sum(crypto.SHA256)
	if err != nil {
		return nil, err
	}
	by := k.PEM()
	if len(m.Certificate) > 0 {
		by = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: m.Certificate})
	}
	type object = map[string]any
	return object{"apiVersion": "0.0.1", "kind": "hashedrekord", "spec": object{
		"signature": object{"content": s.Signature, "publicKey": object{"content": by}},
		"data":      object{"hash": object{"algorithm": "sha256", "value": hex.EncodeToString(sum)}},
	}}, nil
}

// entries asks for entries. A log that has none of them says so with an empty list.
func entries(ctx context.Context, hosts *network.Hosts, at string, ask any) ([]logged, error) {
	body, err := json.Marshal(ask)
	if err != nil {
		return nil, err
	}
	raw, err := hosts.Post(ctx, at+entriesPath, body, maxAnswer)
	if err != nil {
		return nil, err
	}
	var all []json.RawMessage
	if err := json.Unmarshal(raw, &all); err != nil {
		return nil, fmt.Errorf("its answer: %w", err)
	}
	if len(all) > maxFound {
		return nil, fmt.Errorf("its answer has %d entries, at most %d were asked for", len(all), maxFound)
	}
	var out []logged
	for _, one := range all {
		e, err := ReadRekor1(one)
		if err != nil {
			return nil, fmt.Errorf("its answer: %w", err)
		}
		out = append(out, logged{e})
	}
	return out, nil
}

// ReadRekor1 reads the JSON in which Rekor 1 answers with one entry: an object whose one
// member bears the entry's identifier as its name.
func ReadRekor1(raw []byte) (*protorekor.TransparencyLogEntry, error) {
	var all map[string]struct {
		Body         []byte `json:"body"`
		Time         int64  `json:"integratedTime"`
		LogID        string `json:"logID"`
		Index        int64  `json:"logIndex"`
		Verification struct {
			Proof struct {
				Checkpoint string   `json:"checkpoint"`
				Hashes     []string `json:"hashes"`
				Index      int64    `json:"logIndex"`
				Root       string   `json:"rootHash"`
				Size       int64    `json:"treeSize"`
			} `json:"inclusionProof"`
			Promise []byte `json:"signedEntryTimestamp"`
		} `json:"verification"`
	}
	if err := json.Unmarshal(raw, &all); err != nil {
		return nil, err
	}
	if len(all) != 1 {
		return nil, fmt.Errorf("%d entries, not one", len(all))
	}
	for _, a := range all {
		kind, version, err := kindOf(a.Body)
		if err != nil {
			return nil, err
		}
		proof := a.Verification.Proof
		hashes, err := unhex(append([]string{a.LogID, proof.Root}, proof.Hashes...))
		if err != nil {
			return nil, err
		}
		return &protorekor.TransparencyLogEntry{
			LogIndex: a.Index, LogId: &protocommon.LogId{KeyId: hashes[0]}, IntegratedTime: a.Time,
			KindVersion:      &protorekor.KindVersion{Kind: kind, Version: version},
			InclusionPromise: &protorekor.InclusionPromise{SignedEntryTimestamp: a.Verification.Promise},
			InclusionProof: &protorekor.InclusionProof{
				LogIndex: proof.Index, RootHash: hashes[1], TreeSize: proof.Size, Hashes: hashes[2:],
				Checkpoint: &protorekor.Checkpoint{Envelope: proof.Checkpoint},
			},
			CanonicalizedBody: a.Body,
		}, nil
	}
	return nil, errors.New("no entry")
}

// unhex reads hashes, of which a proof has at most maxProof.
func unhex(texts []string) ([][]byte, error) {
	if len(texts) > maxProof+2 {
		return nil, fmt.Errorf("an inclusion proof of %d hashes, at most %d are read", len(texts)-2, maxProof)
	}
	out := make([][]byte, len(texts))
	for i, t := range texts {
		b, err := hex.DecodeString(t)
		if err != nil {
			return nil, fmt.Errorf("%.100q is no hash: %w", t, err)
		}
		out[i] = b
	}
	return out, nil
}
