package policy

import (
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/verify"
)

// An Object is what asks for an image: the kind of a Kubernetes object and its
// labels. Policies that are for some kinds of object only look at it.
type Object struct {
	Group, Version, Resource string // apps, v1, deployments
	Labels                   map[string]string
	// Kind is that of the object; Metadata and Spec are its members of that name, as
	// encoding/json decodes them. Parts of policies can ask for them; without a Kind
	// nothing is known of any.
	Kind           string
	Metadata, Spec any
}

// Forget drops what only policies ask for that [Set.ShowsObjects] tells of.
func (o *Object) Forget() {
	if o != nil {
		o.Kind, o.Metadata, o.Spec = "", nil, nil
	}
}

// ShowsObjects reports whether some policy judges not only images but also the objects
// that ask for them.
func (s *Set) ShowsObjects() bool {
	return slices.ContainsFunc(s.entries, func(e *entry) bool { return e.show.object() })
}

// Matched are the policies of a set that speak of one image. The zero value
// rejects: no policy speaks of it.
type Matched struct {
	set     *Set
	object  *Object
	repo    string // that scopes know the image by
	entries []*entry
	digest  v1.Hash // that the image is named by; may be zero
	bad     string  // why the name of the image could not be read
	unknown bool    // there is no object, and a policy is for some objects only
	loose   bool    // the image is named without digest, and a policy wants one
}

// Match returns the policies for an image, by the reference as it is used:
// "registry/repo:tag", "registry/repo@sha256:...", or both. Scopes match the
// repository; ClusterImagePolicies match the full reference, in which a digest
// takes the place of the tag, and then the text as it is. The object may be nil
// where nothing asks for the image but a person.
func (s *Set) Match(image string, object *Object) Matched {
	ref, err := name.ParseReference(image)
	if err != nil {
		return Matched{bad: err.Error()}
	}
	var digest v1.Hash
	if d, ok := ref.(name.Digest); ok {
		if digest, err = v1.NewHash(d.DigestStr()); err != nil {
			return Matched{bad: err.Error()}
		}
	}
	return s.match(ref.Context().Name(), []string{ref.Name(), image}, object, digest)
}

// MatchLayout returns the policies for images in an OCI layout directory, which go by
// its name: only the globs of scopes match "oci:DIR".
func (s *Set) MatchLayout(dir string) Matched {
	return s.match("oci:"+dir, nil, nil, v1.Hash{})
}

// match finds the policies for a repository and the references by which
// ClusterImagePolicies may know the image.
func (s *Set) match(repo string, references []string, object *Object, digest v1.Hash) Matched {
	m := Matched{set: s, object: object, repo: repo, digest: digest, loose: s.pins && digest == (v1.Hash{})}
	for _, e := range s.entries {
		if !e.matches(repo, references) {
			continue
		}
		switch {
		case len(e.match) == 0:
		case object == nil:
			m.unknown = true
		case !slices.ContainsFunc(e.match, func(r resource) bool { return r.is(object) }):
			continue
		}
		m.entries = append(m.entries, e)
	}
	return m
}

func (e *entry) matches(repo string, references []string) bool {
	return slices.ContainsFunc(e.images, func(g glob) bool {
		if e.repos {
			return g.match(repo)
		}
		return slices.ContainsFunc(references, g.match)
	})
}

// WarnOnly reports whether all matched policies only warn.
func (m Matched) WarnOnly() bool {
	return len(m.entries) > 0 && !slices.ContainsFunc(m.entries, func(e *entry) bool { return !e.warn })
}

// Hash identifies the matched policies with everything that they depend on:
// their text, the keys that they name, what they want to be shown of the object, and
// all that is revoked. Two images with
// the same hash are judged by the same rules.
func (m Matched) Hash() [32]byte {
	h := sha256.New()
	for _, e := range m.entries {
		h.Write(e.hash[:])
		m.object.hash(h, e.show)
		for i, x := range e.exceptions {
			if x.named(m.repo) { // those for digests are the same for all names
				fmt.Fprintf(h, "exception %d\n", i)
			}
		}
	}
	if m.set != nil {
		sum := m.set.revoked.Hash()
		h.Write(sum[:])
	}
	if m.bad != "" || m.unknown || m.loose {
		h.Write([]byte("not to be told"))
	}
	var sum [32]byte
	h.Sum(sum[:0])
	return sum
}

// Static returns the verdict where no evidence is needed for it: no policy, a
// name that cannot be read, a digest that is revoked, or policies that pass or
// fail these images whatever they hold. No registry need be asked then. An image that is
// named by its digest and passes is looked at all the same where digests are revoked: it
// may be an index that lists one. A static verdict is not to be kept: it is about a name,
// not about content.
func (m Matched) Static() (verify.Verdict, bool) {
	var v verify.Verdict
	switch {
	case m.bad != "":
		return decided(v, verify.Check{Rule: "reference", Outcome: verify.Reject, Reason: verify.BadReference, Detail: m.bad}), true
	case m.set != nil && m.set.revoked.Image(m.digest).Outcome != verify.Accept:
		return decided(v, m.set.revoked.Image(m.digest)), true
	case m.unknown || m.loose:
		return v, false
	case len(m.entries) == 0:
		return decided(v, verify.Check{Rule: "policy", Outcome: verify.Reject, Reason: verify.NoPolicy, Detail: "no policy speaks of this image"}), true
	}
	for _, e := range m.entries {
		checks, ok := e.static()
		if !ok {
			return verify.Verdict{}, false
		}
		v.Checks = append(v.Checks, checks...)
	}
	if v = decided(v); v.Outcome != verify.Reject && m.digest != (v1.Hash{}) && m.set.revoked.Lists() {
		return verify.Verdict{}, false
	}
	return v, true
}

// decided adds checks to a verdict and sums it up.
func decided(v verify.Verdict, more ...verify.Check) verify.Verdict {
	v.Checks = append(v.Checks, more...)
	v.Outcome = outcome(v.Checks)
	return v
}

// Verify judges the subject by the matched policies: all of them must accept.
// Each check of the verdict is named after its policy. The error is for a
// caller's mistake; what cannot be obtained leaves the verdict open.
func (m Matched) Verify(ctx context.Context, r attach.Reader, s attach.Subject) (verify.Verdict, error) {
	v, static := m.Static()
	v.Subject = s
	switch {
	case static:
		return v, nil
	case m.unknown:
		v.Checks = append(v.Checks, open("object", verify.ObjectUnknown, "a policy for this image is for some kinds of Kubernetes objects only, and none was given"))
	case m.loose:
		v.Checks = append(v.Checks, verify.Check{Rule: "reference", Outcome: verify.Reject, Reason: verify.DigestRequired, Detail: "the image was matched with policies before its digest was known"})
	}
	for _, e := range m.entries {
		checks, err := e.check(ctx, &question{set: m.set, reader: r, subject: s, object: m.object})
		if err != nil {
			return verify.Verdict{Subject: s}, err
		}
		v.Checks = append(v.Checks, m.except(e, s.Desc.Digest, checks)...)
	}
	looked := slices.ContainsFunc(v.Checks, func(c verify.Check) bool { return c.Rule == verify.SubjectRule })
	if !looked && m.set.revoked.Lists() { // no policy asked for evidence
		v.Checks = append(m.set.revoked.Subject(ctx, r, s), v.Checks...)
	}
	v.Checks = once(once(v.Checks, verify.RevocationRule), verify.SubjectRule)
	return decided(v), nil
}

// once keeps one of the checks that every policy makes of the image itself, in
// front: the worst that refuses.
func once(checks []verify.Check, rule string) []verify.Check {
	var same, rest []verify.Check
	for _, c := range checks {
		if c.Rule == rule {
			same = append(same, c)
		} else {
			rest = append(rest, c)
		}
	}
	if len(same) == 0 {
		return rest
	}
	worst := slices.MinFunc(same, func(a, b verify.Check) int {
		return cmp.Compare(weight(a), weight(b))
	})
	return append([]verify.Check{worst}, rest...)
}

func weight(c verify.Check) int {
	w := map[verify.Outcome]int{verify.Reject: 0, verify.Undetermined: 1, verify.Accept: 4}[c.Outcome]
	if c.Warn {
		w += 2
	}
	return w
}

// Verify judges the subject by the policies for the image, named as in
// [Set.Match]. Where the name has no digest the subject's is added. A name that
// begins with "oci:" is that of a layout directory: the subject goes by its
// Repo, "oci:DIR", which only the globs of scopes match.
func (s *Set) Verify(ctx context.Context, r attach.Reader, sub attach.Subject, image string) (verify.Verdict, error) {
	if strings.HasPrefix(image, "oci:") {
		return s.match(sub.Repo, nil, nil, sub.Desc.Digest).Verify(ctx, r, sub)
	}
	if !strings.Contains(image, "@") {
		image += "@" + sub.Desc.Digest.String()
	}
	return s.Match(image, nil).Verify(ctx, r, sub)
}

// Gate reports whether a gate may let the verdict pass: where it accepts, or
// where every check that does not accept comes from a policy that only warns.
// The warnings are those checks, and those that an exception makes accept.
func Gate(v verify.Verdict) (pass bool, warnings []verify.Check) {
	pass = len(v.Checks) > 0
	for _, c := range v.Checks {
		switch {
		case c.Outcome == verify.Accept && c.Exception != nil && c.Exception.Applied:
			warnings = append(warnings, c)
		case c.Outcome == verify.Accept:
		case c.Warn:
			warnings = append(warnings, c)
		default:
			pass = false
		}
	}
	return pass, warnings
}
