package verify_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"path/filepath"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/cosign"
	"github.com/hallmark-oci/hallmark/attach/layout"
	"github.com/hallmark-oci/hallmark/sign"
	"github.com/hallmark-oci/hallmark/sign/key"
	"github.com/hallmark-oci/hallmark/sign/payload"
	"github.com/hallmark-oci/hallmark/verify"
	"github.com/hallmark-oci/hallmark/verify/keyless"
)

// A chain is an image in a layout with keys to sign and counter-sign.
type chain struct {
	*layout.Store
	t             *testing.T
	image         attach.Subject
	a, b, counter *key.Private
}

func newChain(t *testing.T) *chain {
	t.Helper()
	store, err := layout.Create(t.Context(), filepath.Join(t.TempDir(), "layout"), layout.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	img, err := random.Image(16, 1)
	if err != nil {
		t.Fatal(err)
	}
	c := &chain{Store: store, t: t, a: newKey(t, key.ECDSAP256), b: newKey(t, key.Ed25519), counter: newKey(t, key.ECDSAP256)}
	if c.image, err = store.PutImage(t.Context(), "1", img); err != nil {
		t.Fatal(err)
	}
	return c
}

// sign signs a manifest and returns the attachment.
func (c *chain) sign(d v1.Descriptor, again bool, k *key.Private) attach.Attachment {
	c.t.Helper()
	s := attach.Subject{Repo: c.image.Repo, Desc: d}
	r, err := sign.Image(c.t.Context(), c, []attach.Subject{s}, []sign.Signer{k}, sign.ImageOptions{Again: again})
	if err != nil {
		c.t.Fatal(err)
	}
	return r[0].Attachment
}

// place returns the manifest of the entry's place of that scheme.
func (c *chain) place(a attach.Attachment, s attach.Scheme) v1.Descriptor {
	c.t.Helper()
	p, ok := a.Found(s)
	if !ok {
		c.t.Fatalf("not found by %s: %+v", s, a.Places)
	}
	return p.Manifest
}

func public(keys ...*key.Private) []*key.Public {
	var list []*key.Public
	for _, k := range keys {
		list = append(list, k.PublicKey())
	}
	return list
}

// judge verifies the image, by the keys and counter-keys given.
func (c *chain) judge(r attach.Reader, keys, by []*key.Public, threshold int) verify.Check {
	c.t.Helper()
	v, err := verify.New(verify.Trust{Keys: keys}, verify.Policy{Rules: []verify.Rule{{
		Name: "signature", Kind: attach.Signature, Threshold: 1, Counter: &verify.Counter{Keys: by, Threshold: threshold},
	}}})
	if err != nil {
		c.t.Fatal(err)
	}
	verdict, err := v.Verify(c.t.Context(), r, c.image)
	if err != nil {
		c.t.Fatal(err)
	}
	return verdict.Checks[1]
}

// rejected demands a rejection for want of a counter-signature.
func (c *chain) rejected(check verify.Check) {
	c.t.Helper()
	if check.Outcome != verify.Reject || check.Reason != verify.NoCountersignature {
		c.t.Errorf("%s (%s): %s", check.Outcome, check.Reason, check.Detail)
	}
}

func TestCounterAccepts(t *testing.T) {
	c := newChain(t)
	entry := c.sign(c.image.Desc, false, c.a)
	c.rejected(c.judge(c, public(c.a), public(c.counter), 1))
	journal := c.place(entry, attach.Journal)
	c.sign(journal, false, c.counter)
	check := c.judge(c, public(c.a), public(c.counter), 1)
	if check.Outcome != verify.Accept || len(check.Evidence) != 1 {
		t.Fatalf("%+v", check)
	}
	got := check.Evidence[0].Counter
	if len(got) != 1 || got[0].Manifest != journal.Digest || got[0].Check.Outcome != verify.Accept ||
		len(got[0].Check.Evidence) != 1 || got[0].Check.Evidence[0].Signers[0] != c.counter.PublicKey().Fingerprint() {
		t.Errorf("evidence %+v", got)
	}
}

// TestCounterRejects: nothing but a signature by a key that is to counter-sign,
// over the journal entry of the signature that is counted, makes the chain.
func TestCounterRejects(t *testing.T) {
	for name, forge := range map[string]func(*chain, attach.Attachment){
		"nobody": func(*chain, attach.Attachment) {},
		"another key": func(c *chain, e attach.Attachment) {
			c.sign(c.place(e, attach.Journal), false, c.b)
		},
		"the view": func(c *chain, e attach.Attachment) {
			c.sign(c.place(e, attach.CosignTag), false, c.counter)
		},
		"the image": func(c *chain, _ attach.Attachment) {
			c.sign(c.image.Desc, false, c.counter)
		},
		"the entry of a stranger, same payload": func(c *chain, _ attach.Attachment) {
			c.sign(c.place(c.sign(c.image.Desc, false, c.b), attach.Journal), false, c.counter)
		},
		"the counter-signature itself": func(c *chain, _ attach.Attachment) {
			c.sign(c.place(c.sign(c.image.Desc, false, c.counter), attach.Journal), false, c.counter)
		},
		"a payload that names the image, on the journal entry": func(c *chain, e attach.Attachment) {
			wrong := signature(c.t, c.counter, c.image.Desc.Digest.String(), nil)
			s := attach.Subject{Repo: c.image.Repo, Desc: c.place(e, attach.Journal)}
			if _, err := c.Put(c.t.Context(), attach.Parcel{Subject: s, Content: wrong}); err != nil {
				c.t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := newChain(t)
			entry := c.sign(c.image.Desc, false, c.a)
			forge(c, entry)
			c.rejected(c.judge(c, public(c.a), public(c.counter), 1))
		})
	}
}

// TestCounterIsOfOneEntry: of two signatures by one key only the one that was
// counter-signed counts.
func TestCounterIsOfOneEntry(t *testing.T) {
	c := newChain(t)
	first, second := c.sign(c.image.Desc, false, c.a), c.sign(c.image.Desc, true, c.a)
	c.sign(c.place(first, attach.Journal), false, c.counter)
	check := c.judge(c, public(c.a), public(c.counter), 1)
	if check.Outcome != verify.Accept || len(check.Evidence) != 2 {
		t.Fatalf("%+v", check)
	}
	for _, e := range check.Evidence {
		want := verify.Reject
		if e.Attachment.ID() == first.ID() {
			want = verify.Accept
		}
		if e.Outcome != want {
			t.Errorf("first %t, second %t: %s", e.Attachment.ID() == first.ID(), e.Attachment.ID() == second.ID(), e.Outcome)
		}
	}
}

// TestCounterThreshold: distinct keys count, and the one that signed does not.
func TestCounterThreshold(t *testing.T) {
	c := newChain(t)
	other := newKey(t, key.ECDSAP384)
	journal := c.place(c.sign(c.image.Desc, false, c.a), attach.Journal)
	c.sign(journal, false, c.counter)
	c.sign(journal, true, c.counter)
	c.sign(journal, false, c.a)
	c.rejected(c.judge(c, public(c.a), public(c.counter, other, c.a), 2))
	c.rejected(c.judge(c, public(c.a, c.b), public(c.a), 1))
	c.sign(journal, false, other)
	if check := c.judge(c, public(c.a), public(c.counter, other), 2); check.Outcome != verify.Accept {
		t.Errorf("%+v", check)
	}
}

// TestCounterByItsOwnCertificate: the key in the certificate of an entry made it, and
// vouches for nothing by signing it again.
func TestCounterByItsOwnCertificate(t *testing.T) {
	c, p := newChain(t), newPlot(t, true, 1)
	p.order.key = privateSigner{c.a}
	content := signature(t, c.a, c.image.Desc.Digest.String(), nil)
	sig := unb64(t, content.Annotations[cosign.SignatureAnnotation])
	for n, v := range p.legacy(sig, readAll(t, content.Body), sig, nil) {
		content.Annotations[n] = v
	}
	put, err := c.Put(t.Context(), attach.Parcel{Subject: c.image, Content: content})
	must(t, err)
	id, err := keyless.NewIdentity(p.names)
	must(t, err)
	judge := func() verify.Check {
		v, err := verify.New(verify.Trust{Root: p.parsed(t), Identities: []keyless.Identity{id}}, verify.Policy{Rules: []verify.Rule{{
			Name: "signature", Kind: attach.Signature, Threshold: 1, Counter: &verify.Counter{Keys: public(c.a, c.counter), Threshold: 1},
		}}})
		must(t, err)
		verdict, err := v.Verify(t.Context(), c, c.image)
		must(t, err)
		return verdict.Checks[1]
	}
	journal := c.place(put[0].Attachment, attach.Journal)
	c.sign(journal, false, c.a)
	c.rejected(judge())
	c.sign(journal, false, c.counter)
	if check := judge(); check.Outcome != verify.Accept || check.Evidence[0].Identity == nil {
		t.Errorf("by another key: %+v", check)
	}
}

func TestCounterConfig(t *testing.T) {
	c := newChain(t)
	for name, counter := range map[string]*verify.Counter{
		"itself alone":   {Keys: public(c.a), Threshold: 1},
		"no key":         {Threshold: 1},
		"no threshold":   {Keys: public(c.counter)},
		"one key twice":  {Keys: public(c.counter, c.counter), Threshold: 2},
		"itself for two": {Keys: public(c.counter, c.a), Threshold: 2},
	} {
		_, err := verify.New(verify.Trust{Keys: public(c.a)}, verify.Policy{Rules: []verify.Rule{{
			Name: "signature", Kind: attach.Signature, Threshold: 1, Counter: counter,
		}}})
		if !errors.Is(err, verify.ErrConfig) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCounterOfAttestation(t *testing.T) {
	c := newChain(t)
	doc := attach.Bytes([]byte(`{"a":1}`))
	r, err := sign.Statement(t.Context(), c, c.image, sign.StatementOptions{
		PredicateType: "https://example.com/p", Predicate: payload.Source{Size: doc.Size, Open: doc.Open},
	}, []sign.Signer{c.a})
	if err != nil {
		t.Fatal(err)
	}
	judge := func() verify.Verdict {
		v, err := verify.New(verify.Trust{Keys: public(c.a)}, verify.Policy{Rules: []verify.Rule{{
			Name: "p", Kind: attach.Attestation, PredicateTypes: []string{"https://example.com/p"}, Threshold: 1,
			Counter: &verify.Counter{Keys: public(c.counter), Threshold: 1},
		}}})
		if err != nil {
			t.Fatal(err)
		}
		verdict, err := v.Verify(t.Context(), c, c.image)
		if err != nil {
			t.Fatal(err)
		}
		return verdict
	}
	c.rejected(judge().Checks[1])
	c.sign(c.place(r[0].Attachment, attach.Journal), false, c.counter)
	if v := judge(); v.Outcome != verify.Accept {
		t.Errorf("%+v", v)
	}
}

// blind is a reader for whom some places of some subjects cannot be read.
type blind struct {
	attach.Reader
	subject v1.Hash
	tags    bool // cosign's tags can be read all the same
}

func (b blind) List(ctx context.Context, s attach.Subject, kinds ...attach.Kind) iter.Seq2[attach.Attachment, error] {
	if s.Desc.Digest != b.subject {
		return b.Reader.List(ctx, s, kinds...)
	}
	return func(yield func(attach.Attachment, error) bool) {
		for a, err := range b.Reader.List(ctx, s, kinds...) {
			if _, tag := a.Found(attach.CosignTag); b.tags && tag && !yield(a, err) {
				return
			}
		}
		yield(attach.Attachment{}, errors.New("registry did not answer"))
	}
}

// TestCounterUndetermined: what could not be read is no missing counter-signature.
func TestCounterUndetermined(t *testing.T) {
	c := newChain(t)
	journal := c.place(c.sign(c.image.Desc, false, c.a), attach.Journal)
	for name, r := range map[string]attach.Reader{
		"signatures of the entry": blind{Reader: c, subject: journal.Digest},
		"journal of the image":    blind{Reader: c, subject: c.image.Desc.Digest, tags: true},
	} {
		check := c.judge(r, public(c.a), public(c.counter), 1)
		if check.Outcome != verify.Undetermined || !strings.Contains(check.Detail, "registry did not answer") {
			t.Errorf("%s: %s (%s): %s", name, check.Outcome, check.Reason, check.Detail)
		}
	}
}

// TestCounterOfCosign: a signature that cosign made has no journal entry until
// somebody puts it again.
func TestCounterOfCosign(t *testing.T) {
	c := newChain(t)
	content := signature(t, c.a, c.image.Desc.Digest.String(), nil)
	entry, err := cosign.NewEntry(content)
	if err != nil {
		t.Fatal(err)
	}
	foreign := foreignView{Reader: c, entry: entry}
	c.rejected(c.judge(foreign, public(c.a), public(c.counter), 1))
}

// foreignView is a reader that finds one entry under cosign's tag alone.
type foreignView struct {
	attach.Reader
	entry cosign.Entry
}

func (f foreignView) List(context.Context, attach.Subject, ...attach.Kind) iter.Seq2[attach.Attachment, error] {
	return func(yield func(attach.Attachment, error) bool) {
		yield(f.entry.Attachment(attach.Signature, attach.Place{Scheme: attach.CosignTag}), nil)
	}
}

// TestCounterRevoked: a key that is revoked counter-signs nothing.
func TestCounterRevoked(t *testing.T) {
	c := newChain(t)
	journal := c.place(c.sign(c.image.Desc, false, c.a), attach.Journal)
	c.sign(journal, false, c.counter)
	for name, revoked := range map[string]verify.Revocations{
		"the key":   verify.Revoke([]key.Fingerprint{c.counter.ID()}, nil),
		"the entry": verify.Revoke(nil, []v1.Hash{journal.Digest}),
	} {
		v, err := verify.New(verify.Trust{Keys: public(c.a), Revoked: revoked}, verify.Policy{Rules: []verify.Rule{{
			Name: "signature", Kind: attach.Signature, Threshold: 1, Counter: &verify.Counter{Keys: public(c.counter), Threshold: 1},
		}}})
		if err != nil {
			t.Fatal(err)
		}
		verdict, err := v.Verify(t.Context(), c, c.image)
		if err != nil || verdict.Outcome != verify.Reject {
			t.Errorf("%s: %s, %v", name, verdict.Outcome, err)
		}
	}
}

// crowded is a reader that finds each entry of one image in many places beside those
// where it stands.
type crowded struct {
	attach.Reader
	subject v1.Hash
	places  int
	size    int64 // of their manifests
	asked   *int
}

func (r crowded) List(ctx context.Context, s attach.Subject, kinds ...attach.Kind) iter.Seq2[attach.Attachment, error] {
	if s.Desc.Digest != r.subject {
		*r.asked++
		return r.Reader.List(ctx, s, kinds...)
	}
	return func(yield func(attach.Attachment, error) bool) {
		for a, err := range r.Reader.List(ctx, s, kinds...) {
			for i := range r.places {
				more := a
				more.Places = []attach.Place{{Scheme: attach.Journal, Manifest: v1.Descriptor{
					MediaType: types.OCIManifestSchema1, Size: r.size, Digest: attach.DigestOf(fmt.Append(nil, i)),
				}}}
				if !yield(more, nil) {
					return
				}
			}
			if !yield(a, err) {
				return
			}
		}
	}
}

// TestCounterLimit: whoever stores a good entry again and again, to hide the place
// that was counter-signed, costs a bounded number of questions and gets no answer
// that is not true.
func TestCounterLimit(t *testing.T) {
	for _, test := range []struct {
		name   string
		places int
		size   int64
		want   verify.Outcome
		reason verify.Reason
	}{
		{"a few, smaller", 40, 10, verify.Accept, verify.Accepted},
		{"many, larger", 10_000, 1 << 20, verify.Accept, verify.Accepted},
		{"many, smaller", 10_000, 10, verify.Undetermined, verify.CounterLimit},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := newChain(t)
			c.sign(c.place(c.sign(c.image.Desc, false, c.a), attach.Journal), false, c.counter)
			asked := 0
			r := crowded{Reader: c, subject: c.image.Desc.Digest, places: test.places, size: test.size, asked: &asked}
			check := c.judge(r, public(c.a), public(c.counter), 1)
			if check.Outcome != test.want || check.Reason != test.reason {
				t.Errorf("%s (%s): %s", check.Outcome, check.Reason, check.Detail)
			}
			if asked > 64 {
				t.Errorf("asked %d times", asked)
			}
		})
	}
}
