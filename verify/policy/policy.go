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
//	    # sbom: {formats: [{name: spdx, minVersion: "2.3"}], quality: {packages: 1, versions: 95%, purls: 90%}}
//	    attestations:
//	    - type: slsaprovenance1
//	      cel: predicate.runDetails.builder.id == "https://builder.example"   # see package condition
//	    checked: [{advisories: osv, maxAge: 24h, failOn: high}]   # a vulnerability report, see package scanned
//	    countersigned: {keys: [{file: auditor.pub}]}   # each entry that counts, by any of these
//	    checkReference: true                           # signed for this repository, not for a mirror's
//	  - name: base images
//	    images: ["registry.k8s.io/pause"]
//	    static: pass
//	  exceptions:                              # from rules of the scopes above
//	  - {rule: sbom, images: [registry.example/apps/old], until: 2027-01-31, reason: the vendor is asked}
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
// # What is asked of what was signed
//
// Beside who signed it, when, and of what type it is, a scope may ask what a statement
// says: with cel for a condition over the predicate (package condition), with sbom's
// formats and quality that an SBOM tells enough (package quality), and with checked that
// the image was held against a set of advisories that is new enough, and that nothing
// grave was found (package scanned). All of it is asked only of statements that an
// accepted signer made about the image. A statement that does not meet it does not
// count, and another one may. Findings are the exception: one report that tells of
// something as grave as failOn says denies the image, whoever found nothing.
//
// # Exceptions
//
// An exception takes a rule of the document's scopes, by its name in verdicts, back for
// some images, until a time: until: 2027-01-31 is the beginning of that day in UTC. It
// always has a reason. The rule is judged all the same; where it rejects, the check
// accepts with the code exempted, and its detail tells the exception's end and reason and
// what would be said without it. A gate hands that on as a warning. An exception that has
// ended counts for nothing, and is named where the rule rejects. None covers what nobody
// could tell, or what is revoked: where something that would have counted is revoked, the
// rule stays rejected.
//
// # ClusterImagePolicies
//
// What a ClusterImagePolicy refers to stands in documents beside it, in any of the
// files: TrustRoots, and Secrets and ConfigMaps of v1. A TrustRoot that is a remote
// repository is what was fetched from that mirror before. Only a log entry that did not
// come along and a part that stands at an address are asked for over the network, and
// only of hosts that are named (package network).
// A keyless authority without trustRootRef is judged by the root of [Options].
// Kubernetes objects, but no Policy, may be the items of a v1 List, and a field of
// theirs that is null is as absent.
//
// Who counts is as the policy-controller has it: issuerRegExp and subjectRegExp need
// only be found in the name, unlike the patterns of scopes, which are for the whole of
// it; [Set.Warnings] tells of those without ^ and $. A key alone asks for no log;
// identities ask for one log, one clock, and one certificate log unless
// insecureIgnoreSCT; a timestamp authority that is named takes the place of the log.
// Attestations are asked for in place of a signature, and one statement that its part
// takes is enough. Where source has a tagPrefix, what stands under PREFIXsha256-<hex>.sig
// and .att counts and nothing else does; bundles, which have no tags, are found
// without. A key with hashAlgorithm sha384 or sha512 accepts nothing over another hash.
// Different here, and told in warnings:
//
//   - signatures are looked for in cosign's form and as bundles, whatever
//     signatureFormat says, by keys too;
//   - an entry must come with the signature, or the log's host must be one that may be
//     asked;
//   - a certificate must have exactly one name;
//   - with trustRootRef and neither ctlog nor rfc3161timestamp the logs of that root are
//     asked for, where the policy-controller takes a signature without bundle only as
//     long as its certificate is valid;
//   - ctlog without url and trustRootRef asks the logs of the common root, there none;
//   - without hashAlgorithm a key accepts what is over the hash of its curve too, and
//     nobody verifies SHA-224;
//   - ca-cert is believed, where there no signature is accepted under it;
//   - a part of the whole policy is shown spec and metadata of the object as they were
//     sent, and where an authority could not tell, its yes is none.
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
// who may vouch for them; see package keyless. Where nobody counts of whom it would
// ask anything it is an error. A threshold counts identities as they stand here: a
// pattern is one, whoever fits it.
//
// # Evidence
//
// By default one certificate log, one transparency log and one clock must vouch for a
// signature by an identity, and nobody for one by a key. A document, and a scope for
// itself, may ask otherwise, number by number: of identities with evidence:
// {certificateLogs: 0, logs: 0, clocks: 1, timestamps: 1}, of which the last are those
// clocks that are no logs, and of keys with keyEvidence: {logs: 1, clocks: 1}.
// Every verdict names what the default asks and the policy does not. A key may count
// for a time, {file: release.pub, notBefore: 2026-01-01T00:00:00Z, notAfter:
// 2027-01-31T00:00:00Z}: what matters is when a trusted clock saw the signature or,
// where none tells, the present time.
//
// # What is not at hand
//
// What a policy names and nobody gave, a trusted root, a Secret, a key service, an
// object that asks for the image, leaves the question open: that part is read, checked
// for form, and "could not tell" under its name. It is never passed over. A field that
// is not known at all is an error.
//
// # CUE and Rego
//
// A ClusterImagePolicy may have parts in CUE or Rego. An [Evaluator] runs them; package
// program has one. A part says yes or no to one document, with the meaning that the
// policy-controller gives it: in CUE, that no value contradicts another, so that a field
// which the document lacks contradicts nothing; in Rego, what isCompliant of package
// sigstore is. A yes with a warning is a no. What a part did not finish, or wants from
// outside, is undetermined: policy-program, policy-unsupported. One that cannot be
// compiled refuses every image: policy-broken.
//
// # Warnings
//
// A policy in mode warn is judged like any other, and its outcome stands in the
// verdict. Its checks bear a mark by which [Gate] tells refusals that only warn
// from those that refuse.
//
// # For readers of the code
//
// policy.go reads files and tells the kinds of documents apart. scope.go, demand.go,
// exception.go and revoked.go read hallmark's kind; cluster.go, authority.go, vouch.go and
// trustroot.go read ClusterImagePolicies, and beside.go what they refer to; evidence.go,
// identity.go and key.go serve both. match.go judges an image by what was read, hearing.go
// by what must be asked first; part.go asks the parts in CUE and Rego, which are shown
// what input.go and statement.go make. describe.go and lint.go tell people what a set says.
package policy

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/verify"
	"github.com/hallmark-oci/hallmark/verify/keyless"
	"github.com/hallmark-oci/hallmark/verify/policy/condition"
	"github.com/hallmark-oci/hallmark/verify/policy/doc"
)

// ErrInvalid says that a policy file is wrong. The error's text names file,
// line and path.
var ErrInvalid = doc.ErrInvalid

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
	void    voided // what revoked holds

	now       func() time.Time
	evaluator Evaluator
	elsewhere func(image attach.Subject, at Source) (attach.Reader, error)
}

// An entry is one scope, or one ClusterImagePolicy.
type entry struct {
	name   string
	where  string // it stands: file and line
	images []glob
	repos  bool // images match the repository, not the reference
	warn   bool
	match  []resource
	any    []authority
	open   []verify.Check // what else must hold and cannot be told
	part   *Part          // judges what the authorities found; nil where none does
	show   wanted         // by the part
	notes  []Warning      // see lint
	// exceptions are those for rules of the scope, in the order of the document.
	exceptions []*exception
	hash       [32]byte
}

// Parse returns the policies of all files as one set. The error wraps
// [ErrInvalid] where a file is wrong: no policy in it, an unknown field, a
// field that stands twice, a value of the wrong type or without meaning, a
// name that is used twice, a key that cannot be used.
func Parse(o Options, files ...File) (*Set, error) {
	p := &parser{Options: o, names: make(map[string]string)}
	p.set.now, p.set.evaluator, p.set.elsewhere = o.clock(), o.Evaluator, o.Elsewhere
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
	var err error
	if p.set.revoked, err = p.revokedInAll(); err != nil {
		return nil, err
	}
	for _, d := range all {
		if d.aside {
			continue
		}
		p.dir = d.dir
		if err := p.document(d.Value); err != nil {
			return nil, err
		}
	}
	if len(p.set.entries) == 0 && !o.Partial {
		return nil, fmt.Errorf("no policy, nothing could be accepted: %w", ErrInvalid)
	}
	return &p.set, nil
}

// Len returns the number of scopes and ClusterImagePolicies in the set.
func (s *Set) Len() int { return len(s.entries) }

// Revoked returns how much the set revokes, by itself and by signed lists.
func (s *Set) Revoked() verify.Counts { return s.revoked.Counts() }

// parser collects the policies of several files.
type parser struct {
	Options
	set   Set
	names map[string]string // of policies, with where they stand
	dir   string            // of the file that is read
	root  *keyless.Root     // of the document that is read

	// What stands beside the policies, and the root that holds where none is named.
	signed   []signedList
	objects  []object
	roots    map[string]trustRoot
	common   *trustRoot
	evidence evidence // that it asks for
	counted  counted  // whom its scopes name

	conditions *condition.Compiler // made for the first condition
}

// A document is one of a file, and where that lies.
type document struct {
	doc.Value
	dir   string
	aside bool // it was read already
}

// file reads the documents of a file and what they revoke.
func (p *parser) file(f File) ([]document, error) {
	if len(f.Text) > MaxFile {
		return nil, fmt.Errorf("%s: more than %d bytes: %w", f.Name, MaxFile, ErrInvalid)
	}
	p.dir = filepath.Dir(f.Name)
	var all []document
	for d, err := range doc.Documents(strings.NewReader(string(f.Text)), f.Name, MaxDocument) {
		var each []doc.Value
		if err == nil {
			each, err = items(d)
		}
		for _, d := range each {
			ours := false
			if ours, err = p.aside(d); err == nil {
				err = p.revocations(d)
			}
			if err != nil {
				return nil, err
			}
			all = append(all, document{d, p.dir, ours})
		}
		if err != nil {
			return nil, err
		}
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
		return d.Errorf("%s", notRead(version, kind))
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
