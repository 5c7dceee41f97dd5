package policy

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/hallmark-oci/hallmark/sign/key"
	"github.com/hallmark-oci/hallmark/verify"
	"github.com/hallmark-oci/hallmark/verify/policy/doc"
	"github.com/hallmark-oci/hallmark/verify/revocation"
)

// voided is what all documents of a set revoke.
type voided struct {
	keys    []key.Fingerprint
	digests []v1.Hash
	listed  verify.Revocations // by signed lists
}

func (v voided) revocations() verify.Revocations {
	return verify.Revoke(v.keys, v.digests).And(v.listed)
}

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
				"lists": p.lists,
			})
			if err == nil && len(keys)+len(digests) == 0 && !v.Has("lists") {
				err = v.Errorf("keys, digests or lists are wanted")
			}
			p.set.void.keys = append(p.set.void.keys, keys...)
			p.set.void.digests = append(p.set.void.digests, digests...)
			return err
		})
	})
}

// A signed list that a document names, and what is asked of it.
type signedList struct {
	at     doc.Value
	path   string
	demand revocation.Demand
}

// lists reads which signed lists there are, each by the file that it lies in and whose
// word it is.
func (p *parser) lists(v doc.Value) error {
	all, err := elements(v, maxLists, p.signedList)
	p.signed = append(p.signed, all...)
	return err
}

func (p *parser) signedList(v doc.Value) (signedList, error) {
	l := signedList{at: v, demand: revocation.Demand{Now: p.Now}}
	if p.ReadRevocations == nil {
		return l, v.Errorf("lists lie in files, which are not read here")
	}
	return l, v.Fields(fields{
		"file": doc.Into(&l.path, func(v doc.Value) (string, error) { return p.path(v, true, "list") }),
		"keys": doc.Into(&l.demand.Keys, list(p.key)),
		"name": doc.Into(&l.demand.Name, text),
		"minSequence": func(v doc.Value) error {
			n, err := v.Int(1, math.MaxInt32)
			l.demand.Least = int64(n)
			return err
		},
		"maxAge": doc.Into(&l.demand.MaxAge, duration),
	}, "file", "keys")
}

// revokedInAll reads the signed lists, once it is known which keys the documents revoke:
// those sign no list either. It returns all that is revoked.
func (p *parser) revokedInAll() (verify.Revocations, error) {
	for _, l := range p.signed {
		l.demand.Keys = slices.DeleteFunc(l.demand.Keys, func(k *key.Public) bool {
			return slices.Contains(p.set.void.keys, k.Fingerprint())
		})
		if len(l.demand.Keys) == 0 {
			return verify.Revocations{}, l.at.Errorf("all keys that may sign the list are revoked")
		}
		r, err := p.ReadRevocations(l.path, l.demand)
		var refusal *revocation.Refusal
		switch {
		case errors.As(err, &refusal):
			// The policy is right: what is revoked cannot be told.
			return r, fmt.Errorf("%s, line %d, %s: %w", l.path, l.at.Line(), l.at.Path(), err)
		case err != nil:
			return r, l.at.Errorf("%w", err)
		}
		p.set.void.listed = p.set.void.listed.And(r)
	}
	return p.set.void.revocations(), nil
}

// readRevocations returns what opens a signed list in a file.
func readRevocations(ctx context.Context) func(string, revocation.Demand) (verify.Revocations, error) {
	return func(path string, d revocation.Demand) (verify.Revocations, error) {
		signed, err := upTo(path, revocation.MaxFile)
		if err != nil {
			return verify.Revocations{}, fmt.Errorf("read revocation list: %w", err)
		}
		_, r, err := revocation.Open(ctx, signed, d)
		return r, err
	}
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
		s, err := v.String()
		if err != nil {
			return err
		}
		if f, err = key.ParseFingerprint(s); err != nil {
			err = v.Errorf("%w", err)
		}
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
