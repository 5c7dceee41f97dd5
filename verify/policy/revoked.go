package policy

import (
	"encoding/hex"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/hallmark-oci/hallmark/sign/key"
	"github.com/hallmark-oci/hallmark/verify"
	"github.com/hallmark-oci/hallmark/verify/policy/doc"
)

// revocations adds what a Policy document revokes. They hold for the whole set,
// whichever document they stand in, so that they are read before any rule is made.
func (p *parser) revocations(d doc.Value) error {
	version, kind, err := typeOf(d)
	if err != nil || version != apiVersion || kind != "Policy" {
		return err
	}
	return d.Each(func(name string, v doc.Value) error {
		if name != "spec" {
			return nil
		}
		return v.Each(func(name string, v doc.Value) error {
			if name != "revoked" {
				return nil
			}
			var keys []key.Fingerprint
			var digests []v1.Hash
			err := v.Fields(fields{
				"keys": doc.Into(&keys, list(p.revokedKey)),
				"digests": doc.Into(&digests, func(v doc.Value) ([]v1.Hash, error) {
					return elements(v, maxRevoked, digest)
				}),
			})
			if err == nil && len(keys)+len(digests) == 0 {
				err = v.Errorf("keys or digests are wanted")
			}
			p.set.revokedKeys = append(p.set.revokedKeys, keys...)
			p.set.revokedDigests = append(p.set.revokedDigests, digests...)
			return err
		})
	})
}

// revokedKey reads one of {data: PEM}, {file: path} and {fingerprint: hex}.
func (p *parser) revokedKey(v doc.Value) (key.Fingerprint, error) {
	if !v.Has("fingerprint") {
		k, err := p.key(v)
		if err != nil {
			return key.Fingerprint{}, err
		}
		return k.Fingerprint(), nil
	}
	var f key.Fingerprint
	return f, v.Fields(fields{"fingerprint": func(v doc.Value) error {
		h, err := digest(v)
		if err != nil {
			return err
		}
		_, err = hex.Decode(f[:], []byte(h.Hex))
		return err
	}})
}

// digest reads "sha256:" and 64 hexadecimal digits.
func digest(v doc.Value) (v1.Hash, error) {
	s, err := v.String()
	if err != nil {
		return v1.Hash{}, err
	}
	h, err := v1.NewHash(s)
	if err != nil || h.Algorithm != "sha256" {
		return v1.Hash{}, v.Errorf("%.100q is no SHA-256 digest, sha256: and 64 hexadecimal digits", s)
	}
	return h, nil
}

// trust is that of the keys under the revocations of all documents.
func (p *parser) trust(keys []*key.Public) verify.Trust {
	return verify.Trust{Keys: keys, Revoked: p.set.revoked, Hosts: p.Hosts}
}
