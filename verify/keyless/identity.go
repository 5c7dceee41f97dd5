package keyless

import (
	"crypto/x509"
	"errors"
	"fmt"
	"regexp"
	"slices"

	"github.com/sigstore/sigstore-go/pkg/fulcio/certificate"
)

// An Identity is somebody whose certificates count: exactly one of Subject and
// SubjectPattern is set, and exactly one of Issuer and IssuerPattern. Patterns are
// regular expressions (RE2) for the whole text, unless [Names] says otherwise: "foo"
// is not found in "xfoox".
// Made by [NewIdentity]; the zero value matches nobody.
type Identity struct {
	Names
	subject, issuer *regexp.Regexp
}

// Names are what an [Identity] is made from.
type Names struct {
	Subject, SubjectPattern string
	Issuer, IssuerPattern   string
	// Found says that patterns need only be found in the text, and that what the whole
	// of it is they say themselves, with ^ and $. Sigstore's policy-controller reads
	// them so, and whoever forgets the ^ accepts names that only hold the wanted one.
	Found bool
	// Workflow asks for what GitHub Actions says of the run; empty members ask nothing.
	Workflow Workflow
}

// Workflow is what a certificate for a run of GitHub Actions says of it.
type Workflow struct{ Ref, Repository, SHA, Trigger, Name string }

// NewIdentity checks the names and returns the identity. A subject without issuer
// is nobody: every issuer may vouch for every name.
func NewIdentity(n Names) (Identity, error) {
	id := Identity{Names: n}
	var err error
	if id.subject, err = pattern("subject", n.Subject, n.SubjectPattern, n.Found); err != nil {
		return Identity{}, err
	}
	id.issuer, err = pattern("issuer", n.Issuer, n.IssuerPattern, n.Found)
	return id, err
}

// pattern compiles the pattern, nil for an exact text.
func pattern(what, exact, expr string, found bool) (*regexp.Regexp, error) {
	switch {
	case exact == "" && expr == "":
		return nil, fmt.Errorf("an identity without %s", what)
	case exact != "" && expr != "":
		return nil, fmt.Errorf("an identity with both the %s %q and the pattern %q", what, exact, expr)
	case expr == "":
		return nil, nil
	case len(expr) > maxPattern:
		return nil, fmt.Errorf("a pattern of %d bytes, at most %d are read", len(expr), maxPattern)
	}
	// Alone first: what is no expression by itself must not become one in brackets.
	alone, err := regexp.Compile(expr)
	if err != nil {
		return nil, fmt.Errorf("the %s: %w", what, err)
	}
	if found {
		return alone, nil
	}
	return regexp.Compile(`\A(?:` + expr + `)\z`)
}

// ID tells identities apart, as thresholds count them: a name with its issuer is one,
// whatever else is asked of it, and a pattern is one, whoever fits it.
func (id Identity) ID() string {
	if id.Subject != "" && id.Issuer != "" {
		return "name " + Signer{Subject: id.Subject, Issuer: id.Issuer}.ID()
	}
	return fmt.Sprintf("pattern %#v", id.Names)
}

// String names the identity for messages.
func (id Identity) String() string {
	s, i := fmt.Sprintf("%q", id.Subject), fmt.Sprintf("%q", id.Issuer)
	if id.Subject == "" {
		s = "/" + id.SubjectPattern + "/"
	}
	if id.Issuer == "" {
		i = "/" + id.IssuerPattern + "/"
	}
	return s + " by " + i
}

// match tells why the signer is not the identity, nil when it is.
func (id Identity) match(s Signer, ext certificate.Extensions) error {
	fits := func(re *regexp.Regexp, exact, text string) bool {
		if re != nil {
			return re.MatchString(text)
		}
		return exact != "" && exact == text
	}
	switch {
	case !fits(id.subject, id.Subject, s.Subject):
		return fmt.Errorf("the certificate is for %q", s.Subject)
	case !fits(id.issuer, id.Issuer, s.Issuer):
		return fmt.Errorf("the certificate is for %q, but %q vouches for it", s.Subject, s.Issuer)
	}
	w := id.Workflow
	for _, c := range []struct{ what, want, got string }{
		{"ref", w.Ref, ext.GithubWorkflowRef},
		{"repository", w.Repository, ext.GithubWorkflowRepository},
		{"commit", w.SHA, ext.GithubWorkflowSHA},
		{"trigger", w.Trigger, ext.GithubWorkflowTrigger},
		{"name", w.Name, ext.GithubWorkflowName},
	} {
		if c.want != "" && c.want != c.got {
			return fmt.Errorf("the certificate is for %q, but the %s of the GitHub workflow is %q, not %q", s.Subject, c.what, c.got, c.want)
		}
	}
	return nil
}

// workflow returns what the certificate says of a run of GitHub Actions.
func workflow(leaf *x509.Certificate) Workflow {
	ext, err := certificate.ParseExtensions(leaf.Extensions)
	if err != nil {
		return Workflow{}
	}
	return Workflow{
		Ref: ext.GithubWorkflowRef, Repository: ext.GithubWorkflowRepository, SHA: ext.GithubWorkflowSHA,
		Trigger: ext.GithubWorkflowTrigger, Name: ext.GithubWorkflowName,
	}
}

// matches returns which of the identities the certificate is, and refuses one that is none.
func matches(wanted []Identity, s Signer, leaf *x509.Certificate) (fits []string, err error) {
	ext, err := certificate.ParseExtensions(leaf.Extensions)
	if err != nil {
		return nil, refuse(CertificateMalformed, "the extensions of the certificate: %v", err)
	}
	why := errors.New("no identity is accepted")
	for _, id := range wanted {
		if err := id.match(s, ext); err != nil {
			why = err
		} else if !slices.Contains(fits, id.ID()) {
			fits = append(fits, id.ID())
		}
	}
	if len(fits) == 0 {
		return nil, refuse(NotWanted, "%v", why)
	}
	return fits, nil
}
