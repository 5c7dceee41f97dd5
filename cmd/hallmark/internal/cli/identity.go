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
	roots, intermediates   string
	clock                  string
	quorum                 keyless.Quorum
	told                   bool // what is not asked for stands in the answer
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
	flags.StringVar(&i.roots, "ca-roots", "", "who may issue certificates, in place of those of --trusted-root: a file of PEM certificates")
	flags.StringVar(&i.intermediates, "ca-intermediates", "", "certificates between those of --ca-roots and the ones that they issue: a PEM file")
	flags.StringVar(&i.clock, "timestamp-certificate-chain", "", "who tells the time, in place of those of --trusted-root: the PEM chain of a timestamp authority, its root last")
	bindQuorum(cmd, &i.quorum)
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
			ours := strings.HasPrefix(f.Name, "certificate-") || strings.HasPrefix(f.Name, "ca-") || f.Name == "trusted-root" || f.Name == "timestamp-certificate-chain"
			if ours && f.Value.String() == "" {
				name = f.Name
			}
		})
	}
	return name
}

// given reports whether any identity is named.
func (i *identity) given() bool { return i.names() != keyless.Names{} }

// asked reports whether it is said who vouches for signatures, or how many must.
func (i *identity) asked() bool {
	return i.root != "" || i.roots != "" || i.intermediates != "" || i.clock != "" || i.quorum != keyless.Quorum{}
}

// asksWitnesses reports whether witnesses are asked for.
func (i *identity) asksWitnesses() bool { return len(i.witnesses) > 0 || i.witnessed != 0 }

// load adds the identity and the root to the trust. For an identity the root that
// was fetched will do; for a key a root counts only where something is said of it.
func (i *identity) load(t *verify.Trust) error {
	switch {
	case !i.given() && !i.asked() && i.asksWitnesses():
		return usagef("--witness and --witness-threshold are about log entries, which identities need, and a key only where it is asked for: give --certificate-identity, --trusted-root or --evidence")
	case !i.given() && !i.asked():
		return nil
	case i.asksWitnesses() && i.quorum.Logs == keyless.None:
		return usagef("witnesses are asked for what logs show, and --evidence logs=0 asks for no log: leave one of them away")
	}
	n := i.names()
	if i.given() && (n.Subject == "" && n.SubjectPattern == "" || n.Issuer == "" && n.IssuerPattern == "") {
		return usagef("an identity is a name and who vouches for it: give --certificate-identity (or --certificate-identity-regexp) and --certificate-oidc-issuer (or --certificate-oidc-issuer-regexp)")
	}
	var err error
	if t.Root, err = i.believed(); err != nil {
		return err
	}
	if t.Root, err = i.witnessedBy(t.Root); err != nil {
		return err
	}
	if !i.given() {
		// A root is named, or numbers are: then a log and a clock are asked of keys too.
		t.KeyQuorum = i.quorum.Or(keyless.Quorum{Logs: 1, Clocks: 1})
		return nil
	}
	id, err := keyless.NewIdentity(n)
	if err != nil {
		return usagef("%v", err)
	}
	t.Identities, t.Quorum = append(t.Identities, id), i.quorum
	if waived := i.quorum.Waived(); len(waived) > 0 && !i.told {
		i.app.notef("not asked for, by --evidence: %s", strings.Join(waived, ", "))
	}
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
