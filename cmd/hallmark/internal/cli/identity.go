package cli

import (
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/hallmark-oci/hallmark/verify"
	"github.com/hallmark-oci/hallmark/verify/keyless"
)

// identity is the group of flags that name whose certificates count. They have the
// names that cosign's users know.
type identity struct {
	app                    *App
	flags                  *pflag.FlagSet
	subject, subjectRegexp string
	issuer, issuerRegexp   string
	workflow               workflow
	root                   string
	witnesses              []string
	witnessed              int
}

// workflow is what is asked of a run of GitHub Actions.
type workflow struct{ ref, repository, sha, trigger, name string }

func (i *identity) bind(cmd *cobra.Command, app *App) {
	i.app = app
	flags := cmd.Flags()
	i.flags = flags
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
	flags.StringArrayVar(&i.witnesses, "witness", nil, "key of a witness, NAME+HASH+KEY, that must have co-signed the log's checkpoint; repeatable")
	flags.IntVar(&i.witnessed, "witness-threshold", 0, "how many of the witnesses must have co-signed it (default all)")
}

// names are what the flags name.
func (i *identity) names() keyless.Names {
	w := i.workflow
	return keyless.Names{
		Subject: i.subject, SubjectPattern: i.subjectRegexp, Issuer: i.issuer, IssuerPattern: i.issuerRegexp,
		Workflow: keyless.Workflow{Ref: w.ref, Repository: w.repository, SHA: w.sha, Trigger: w.trigger, Name: w.name},
	}
}

// empty returns the name of a flag that was given without a value, as a variable of a
// script that is not set leaves it; "" where there is none.
func (i *identity) empty() string {
	name := ""
	if i.flags != nil {
		i.flags.Visit(func(f *pflag.Flag) {
			if (strings.HasPrefix(f.Name, "certificate-") || f.Name == "trusted-root") && f.Value.String() == "" {
				name = f.Name
			}
		})
	}
	return name
}

// given reports whether any identity is named.
func (i *identity) given() bool { return i.names() != keyless.Names{} }

// asksWitnesses reports whether witnesses are asked for.
func (i *identity) asksWitnesses() bool { return len(i.witnesses) > 0 || i.witnessed != 0 }

// load adds the identity and the root to the trust. For an identity the root that
// was fetched will do; for a key a root counts only where it is named.
func (i *identity) load(t *verify.Trust) error {
	t.Now = i.app.Now
	if !i.given() && i.asksWitnesses() {
		return usagef("--witness and --witness-threshold are about the log entries that an identity needs: give --certificate-identity")
	}
	if !i.given() && i.root == "" {
		return nil
	}
	n := i.names()
	if i.given() && (n.Subject == "" && n.SubjectPattern == "" || n.Issuer == "" && n.IssuerPattern == "") {
		return usagef("an identity is a name and who vouches for it: give --certificate-identity (or --certificate-identity-regexp) and --certificate-oidc-issuer (or --certificate-oidc-issuer-regexp)")
	}
	raw, name, err := i.app.trustedRoot(i.root)
	if err != nil {
		return err
	}
	if t.Root, err = keyless.ParseRoot(raw); err != nil {
		return usagef("%s: %v", name, err)
	}
	if !i.given() {
		return nil
	}
	if t.Root, err = i.witnessedBy(t.Root); err != nil {
		return err
	}
	id, err := keyless.NewIdentity(n)
	if err != nil {
		return usagef("%v", err)
	}
	t.Identities = append(t.Identities, id)
	return nil
}

// witnessedBy adds what the flags ask of witnesses to the root.
func (i *identity) witnessedBy(root *keyless.Root) (*keyless.Root, error) {
	if !i.asksWitnesses() {
		return root, nil
	}
	var list []keyless.Witness
	for _, text := range i.witnesses {
		w, err := keyless.ParseWitness(text)
		if err != nil {
			return nil, usagef("%v", err)
		}
		list = append(list, w)
	}
	n := i.witnessed
	if n == 0 {
		n = len(list)
	}
	witnessed, err := root.Witnessed(n, list)
	if err != nil {
		return nil, usagef("%v", err)
	}
	return witnessed, nil
}
