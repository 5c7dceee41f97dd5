package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/hallmark-oci/hallmark/verify"
	"github.com/hallmark-oci/hallmark/verify/keyless"
	"github.com/hallmark-oci/hallmark/verify/tuf"
)

// identity is the group of flags that name whose certificates count. They have the
// names that cosign's users know.
type identity struct {
	subject, subjectRegexp string
	issuer, issuerRegexp   string
	workflow               workflow
	root                   string
	app                    *App
}

// workflow is what is asked of a run of GitHub Actions.
type workflow struct{ ref, repository, sha, trigger, name string }

func (i *identity) bind(cmd *cobra.Command, app *App) {
	i.app = app
	flags := cmd.Flags()
	w := &i.workflow
	flags.StringVar(&i.subject, "certificate-identity", "", "who may sign without a key: the e-mail address or URI in the certificate")
	flags.StringVar(&i.subjectRegexp, "certificate-identity-regexp", "", "the same as a regular expression for the whole text")
	flags.StringVar(&i.issuer, "certificate-oidc-issuer", "", "who vouches for that identity: the URL of the OpenID Connect issuer")
	flags.StringVar(&i.issuerRegexp, "certificate-oidc-issuer-regexp", "", "the same as a regular expression for the whole text")
	flags.StringVar(&w.ref, "certificate-github-workflow-ref", "", "git ref that the GitHub workflow must have run for")
	flags.StringVar(&w.repository, "certificate-github-workflow-repository", "", "repository that the GitHub workflow must be of")
	flags.StringVar(&w.sha, "certificate-github-workflow-sha", "", "commit that the GitHub workflow must have run for")
	flags.StringVar(&w.trigger, "certificate-github-workflow-trigger", "", "event that must have started the GitHub workflow")
	flags.StringVar(&w.name, "certificate-github-workflow-name", "", "name that the GitHub workflow must have")
	bindTrustedRoot(cmd, &i.root)
}

// names are what the flags name.
func (i *identity) names() keyless.Names {
	w := i.workflow
	return keyless.Names{
		Subject: i.subject, SubjectPattern: i.subjectRegexp, Issuer: i.issuer, IssuerPattern: i.issuerRegexp,
		Workflow: keyless.Workflow{Ref: w.ref, Repository: w.repository, SHA: w.sha, Trigger: w.trigger, Name: w.name},
	}
}

// given reports whether any identity is named.
func (i *identity) given() bool { return i.names() != keyless.Names{} }

// kept is the root that was fetched before.
func (i *identity) kept() (*keyless.Root, error) {
	dir, err := i.app.configDir()
	if err != nil {
		return nil, err
	}
	m, err := tuf.Load(dir, i.app.Now())
	if err != nil {
		return nil, fmt.Errorf("which authorities may issue certificates: %w", err)
	}
	return keyless.ParseRoot(m.TrustedRoot)
}

// load adds the identity and the root to the trust.
func (i *identity) load(t *verify.Trust) error {
	if i.root != "" {
		raw, err := readFile(i.root, keyless.MaxRoot)
		if err != nil {
			return usagef("--trusted-root %s: %v", i.root, err)
		}
		if t.Root, err = keyless.ParseRoot(raw); err != nil {
			return usagef("--trusted-root %s: %v", i.root, err)
		}
	}
	if !i.given() {
		return nil
	}
	n := i.names()
	if n.Subject == "" && n.SubjectPattern == "" || n.Issuer == "" && n.IssuerPattern == "" {
		return usagef("an identity is a name and who vouches for it: give --certificate-identity (or --certificate-identity-regexp) and --certificate-oidc-issuer (or --certificate-oidc-issuer-regexp)")
	}
	id, err := keyless.NewIdentity(n)
	if err != nil {
		return usagef("%v", err)
	}
	if t.Root == nil {
		if t.Root, err = i.kept(); err != nil {
			return err
		}
	}
	t.Identities = append(t.Identities, id)
	return nil
}
