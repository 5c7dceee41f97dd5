// Package policy reads files that say what an image must have to be accepted,
// and judges images by them.
//
// A file holds one or more documents, YAML or JSON, of two kinds that may be
// mixed. Hallmark's own:
//
//	apiVersion: hallmark.dev/v1alpha1
//	kind: Policy
//	metadata: {name: production}
//	spec:
//	  scopes:
//	  - name: apps
//	    images: ["registry.example/apps/**"]   # repositories: * stays in one segment, ** does not
//	    keys: [{file: release.pub}]            # or {data: "-----BEGIN PUBLIC KEY-----..."}
//	    threshold: 1                           # distinct keys and identities that must have signed
//	    signature: {annotations: {env: prod}}  # asked for unless required: false
//	    sbom: {maxAge: 90d}                    # an SPDX or CycloneDX attestation
//	    attestations: [{type: slsaprovenance1}]
//	    countersigned: {keys: [{file: auditor.pub}]}   # each entry that counts, by any of these
//	  - name: base images
//	    images: ["registry.k8s.io/pause"]
//	    static: pass
//	  revoked:                                 # counts nowhere, in no policy of the set
//	    keys: [{file: lost.pub}]               # or data, or {fingerprint: "sha256:<hex>"}
//	    digests: ["sha256:<hex>"]              # of images, and of attested documents
//	    lists: # signed and bound in time, see package revocation
//	    - {file: revocations.json, keys: [{file: security.pub}], name: release, minSequence: 7, maxAge: 7d}
//
// and the ClusterImagePolicy of the Sigstore policy-controller
// (policy.sigstore.dev v1alpha1 and v1beta1), read unchanged. The file
// schema.json beside this code describes the former.
//
// # How they are combined
//
// Every scope and every ClusterImagePolicy whose images match must accept. An
// image that none matches is rejected: no-policy. Of the authorities of one
// ClusterImagePolicy any one is enough; of the rules of a scope all must hold.
//
// # Revocation
//
// What one document revokes is revoked for all policies that are loaded with it.
// A signature by a revoked key counts nowhere. An image with a revoked digest,
// and an index that lists one, is rejected by every policy, by one that exempts
// or only warns too; only an image that a policy exempts by name and that is
// named by tag alone is not looked at. A revoked document, its digest being that
// of the predicate as `hallmark check` shows it, counts as if it were not there.
// A document may hold revocations alone.
//
// A signed list is refused, and with it the set, where no key that the policy names
// for it made it, or where its number is below minSequence. From the day on that it
// expires, or that it is older than maxAge, every verdict that would accept is
// undetermined: who hands out the list could be keeping the present one back.
//
// # Identities
//
// Where a scope, or what it asks for, names keys it may name identities beside them:
// persons and workloads with short-lived certificates. The document's trustedRoot says
// who may vouch for them; see package keyless. Where no identity counts it would ask
// for nothing, and is an error: signatures by keys are not looked up in logs. A
// threshold counts identities as they stand here: a pattern is one, whoever fits it.
//
// # What cannot be verified here
//
// A ClusterImagePolicy may ask for identities and certificates, KMS keys,
// secrets, transparency logs, timestamps, or have a part in CUE or Rego. Such a
// part is read, checked for form, and leaves the question open under its name:
// authority-unsupported or policy-unsupported. It is never passed over. A field
// that is not known at all is an error.
//
// # Warnings
//
// A policy in mode warn is judged like any other, and its outcome stands in the
// verdict. Its checks bear a mark by which [Gate] tells refusals that only warn
// from those that refuse.
package policy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/hallmark-oci/hallmark/sign/key"
	"github.com/hallmark-oci/hallmark/verify"
	"github.com/hallmark-oci/hallmark/verify/keyless"
	"github.com/hallmark-oci/hallmark/verify/policy/doc"
	"github.com/hallmark-oci/hallmark/verify/revocation"
)

// ErrInvalid says that a policy file is wrong. The error's text names file,
// line and path.
var ErrInvalid = doc.ErrInvalid

// Options are what reading a policy needs from outside.
type Options struct {
	// Now tells the time. Policies with a maximum age are refused without it.
	Now func() time.Time
	// ReadKey returns the public key in a file that a policy names. Load reads
	// files where it is nil, Parse refuses such policies.
	ReadKey func(path string) (*key.Public, error)
	// ReadRoot returns the trusted root in a file that a policy names, as ReadKey does.
	ReadRoot func(path string) (*keyless.Root, error)
	// ReadRevocations returns what the signed list in a file revokes, as ReadKey does.
	ReadRevocations func(path string, d revocation.Demand) (verify.Revocations, error)
}

// A File is a policy file. Key files are named relative to where Name lies.
type File struct {
	Name string
	Text []byte
}

// A Set is a number of policies, ready to judge. It is safe for concurrent use
// and never changes.
type Set struct {
	entries []*entry
	// pins says that some glob can match a reference only by its digest.
	pins    bool
	revoked verify.Revocations
}

// An entry is one scope, or one ClusterImagePolicy.
type entry struct {
	name   string
	images []glob
	repos  bool // images match the repository, not the reference
	warn   bool
	match  []resource
	any    []authority
	open   []verify.Check // what else must hold and cannot be told
	hash   [32]byte
}

// Load reads policy files, each of at most [MaxFile] bytes.
func Load(ctx context.Context, o Options, paths ...string) (*Set, error) {
	files := make([]File, len(paths))
	for i, p := range paths {
		text, err := read(p)
		if err != nil {
			return nil, err
		}
		files[i] = File{Name: p, Text: text}
	}
	if o.ReadKey == nil {
		o.ReadKey = func(path string) (*key.Public, error) { return key.LoadPublic(ctx, path, key.Options{}) }
	}
	if o.ReadRoot == nil {
		o.ReadRoot = readRoot
	}
	if o.ReadRevocations == nil {
		o.ReadRevocations = readRevocations(ctx)
	}
	return Parse(o, files...)
}

func read(path string) ([]byte, error) {
	text, err := upTo(path, MaxFile)
	if err != nil {
		return nil, fmt.Errorf("read policy: %w", err)
	}
	return text, nil
}

func readRoot(path string) (*keyless.Root, error) {
	text, err := upTo(path, keyless.MaxRoot)
	if err != nil {
		return nil, fmt.Errorf("read trusted root: %w", err)
	}
	return keyless.ParseRoot(text)
}

// upTo reads a file, of a larger one so much that it can be told.
func upTo(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, limit+1))
}

// Parse returns the policies of all files as one set. The error wraps
// [ErrInvalid] where a file is wrong: no policy in it, an unknown field, a
// field that stands twice, a value of the wrong type or without meaning, a
// name that is used twice, a key that cannot be used.
func Parse(o Options, files ...File) (*Set, error) {
	p := &parser{Options: o, names: make(map[string]string)}
	var all []document
	for _, f := range files {
		documents, err := p.file(f)
		if err != nil {
			return nil, err
		}
		if len(documents) == 0 {
			return nil, fmt.Errorf("%s: no policy in it: %w", f.Name, ErrInvalid)
		}
		all = append(all, documents...)
	}
	p.set.revoked = p.void.revocations()
	for _, d := range all {
		p.dir = d.dir
		if err := p.document(d.Value); err != nil {
			return nil, err
		}
	}
	if len(p.set.entries) == 0 {
		return nil, fmt.Errorf("no policy, nothing could be accepted: %w", ErrInvalid)
	}
	return &p.set, nil
}

// Len returns the number of scopes and ClusterImagePolicies in the set.
func (s *Set) Len() int { return len(s.entries) }

// parser collects the policies of several files.
type parser struct {
	Options
	set   Set
	names map[string]string // of policies, with where they stand
	dir   string            // of the file that is read
	root  *keyless.Root     // of the document that is read

	void voided // what the documents revoke
}

// A document is one of a file, and where that lies.
type document struct {
	doc.Value
	dir string
}

// file reads the documents of a file and what they revoke.
func (p *parser) file(f File) ([]document, error) {
	if len(f.Text) > MaxFile {
		return nil, fmt.Errorf("%s: more than %d bytes: %w", f.Name, MaxFile, ErrInvalid)
	}
	p.dir = filepath.Dir(f.Name)
	var all []document
	for d, err := range doc.Documents(strings.NewReader(string(f.Text)), f.Name, MaxDocument) {
		if err == nil {
			err = p.revocations(d)
		}
		if err != nil {
			return nil, err
		}
		all = append(all, document{d, p.dir})
	}
	return all, nil
}

// document reads a policy of either kind.
func (p *parser) document(d doc.Value) error {
	version, kind, err := typeOf(d)
	if err != nil {
		return err
	}
	var entries []*entry
	switch {
	case version == apiVersion && kind == "Policy":
		entries, err = p.scopes(d)
	case isCluster(version) && kind == "ClusterImagePolicy":
		entries, err = p.cluster(d)
	default:
		return d.Errorf("kind %.100q of %.100q is not read; %s Policy and %s ClusterImagePolicy are", kind, version, apiVersion, clusterVersions()[1])
	}
	if err != nil {
		return err
	}
	if len(p.set.entries)+len(entries) > MaxPolicies {
		return d.Errorf("more than %d policies", MaxPolicies)
	}
	p.set.entries = append(p.set.entries, entries...)
	return nil
}

// apiVersion is the version of hallmark's own policies.
const apiVersion = "hallmark.dev/v1alpha1"

func clusterVersions() []string {
	return []string{"policy.sigstore.dev/v1alpha1", "policy.sigstore.dev/v1beta1"}
}

func isCluster(version string) bool {
	return version == clusterVersions()[0] || version == clusterVersions()[1]
}

// typeOf returns apiVersion and kind, whatever else the document holds.
func typeOf(d doc.Value) (version, kind string, err error) {
	err = d.Each(func(name string, v doc.Value) (err error) {
		switch name {
		case "apiVersion":
			version, err = v.String()
		case "kind":
			kind, err = v.String()
		}
		return err
	})
	if err == nil && (version == "" || kind == "") {
		err = d.Errorf("apiVersion or kind is missing")
	}
	return version, kind, err
}

// name registers the name of a policy, which must be used once only.
func (p *parser) name(v doc.Value, kind string) (string, error) {
	s, err := text(v)
	if err != nil {
		return "", err
	}
	if before, twice := p.names[kind+" "+s]; twice {
		return "", v.Errorf("%q is also the name of the one at %s", s, before)
	}
	p.names[kind+" "+s] = fmt.Sprintf("line %d", v.Line())
	return s, nil
}

// text reads a text that is not empty and has no control characters.
func text(v doc.Value) (string, error) {
	s, err := v.String()
	if err == nil && (s == "" || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f })) {
		err = v.Errorf("%.100q is empty or has control characters", s)
	}
	return s, err
}

// list reads a list with one function for its elements.
func list[T any](read func(doc.Value) (T, error)) func(doc.Value) ([]T, error) {
	return func(v doc.Value) ([]T, error) { return elements(v, maxList, read) }
}

// elements reads a list of at most limit elements.
func elements[T any](v doc.Value, limit int, read func(doc.Value) (T, error)) ([]T, error) {
	values, err := v.List(limit)
	if err != nil {
		return nil, err
	}
	out := make([]T, len(values))
	for i, e := range values {
		if out[i], err = read(e); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// ignore takes any value: for what is no part of a policy.
func ignore(doc.Value) error { return nil }

// public reads the text of a key.
func public(v doc.Value) (*key.Public, error) {
	s, err := v.String()
	if err != nil {
		return nil, err
	}
	k, err := key.ParsePublic([]byte(s))
	if err != nil {
		return nil, v.Errorf("%w", err)
	}
	return k, nil
}

// keyFile reads the key in a file, relative to the policy's place.
func (p *parser) keyFile(v doc.Value) (*key.Public, error) {
	path, err := p.path(v, p.ReadKey != nil, "key")
	if err != nil {
		return nil, err
	}
	k, err := p.ReadKey(path)
	if err == nil && k == nil {
		err = errors.New("no key")
	}
	if err != nil {
		return nil, v.Errorf("%w", err)
	}
	return k, nil
}

// path reads the name of a file, relative to the policy's place.
func (p *parser) path(v doc.Value, reads bool, what string) (string, error) {
	path, err := text(v)
	switch {
	case err != nil:
		return "", err
	case !reads:
		return "", v.Errorf("%s files are not read here, give the %s as data", what, what)
	case strings.Contains(path, "://") || key.IsRemote(path):
		return "", v.Errorf("%q is no file; only %s files are read", path, what)
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(p.dir, path)
	}
	return path, nil
}
