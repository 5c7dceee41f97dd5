package main

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"time"

	"github.com/sigstore/sigstore/pkg/signature"
	"github.com/theupdateframework/go-tuf/v2/metadata"
)

// newRepository makes the files of a TUF repository of the targets, by path. One
// key has all the roles.
func newRepository(targets map[string][]byte) (map[string][]byte, error) {
	pub, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	key, err := metadata.KeyFromPublicKey(pub)
	if err != nil {
		return nil, err
	}
	signer, err := signature.LoadSigner(private, crypto.Hash(0))
	if err != nil {
		return nil, err
	}
	end := time.Now().AddDate(0, 1, 0).UTC()
	root, list, snapshot, stamp := metadata.Root(end), metadata.Targets(end), metadata.Snapshot(end), metadata.Timestamp(end)
	for _, role := range []string{metadata.ROOT, metadata.TARGETS, metadata.SNAPSHOT, metadata.TIMESTAMP} {
		if err := root.Signed.AddKey(key, role); err != nil {
			return nil, err
		}
	}
	files := make(map[string][]byte)
	for name, data := range targets {
		t, err := metadata.TargetFile().FromBytes(name, data, "sha256")
		if err != nil {
			return nil, err
		}
		list.Signed.Targets[name] = t
		files["targets/"+t.Hashes["sha256"].String()+"."+name] = data
	}
	for name, m := range map[string]signed{"1.root.json": root, "1.targets.json": list, "1.snapshot.json": snapshot, "timestamp.json": stamp} {
		if _, err := m.Sign(signer); err != nil {
			return nil, err
		}
		if files[name], err = m.ToBytes(false); err != nil {
			return nil, err
		}
	}
	return files, nil
}

// signed is metadata of any role.
type signed interface {
	Sign(signature.Signer) (*metadata.Signature, error)
	ToBytes(pretty bool) ([]byte, error)
}
