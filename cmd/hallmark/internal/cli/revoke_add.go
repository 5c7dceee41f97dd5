package cli

import (
	"context"
	"crypto/sha256"
	"math/big"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/spf13/cobra"

	"github.com/hallmark-oci/hallmark/sign/key"
	"github.com/hallmark-oci/hallmark/verify"
	"github.com/hallmark-oci/hallmark/verify/revocation"
)

func newRevokeAddCmd(app *App) *cobra.Command {
	var job reissue
	var what revoked
	cmd := &cobra.Command{
		Use:   "add [flags] FILE",
		Short: "Revoke keys, certificates, identities and digests",
		Long: `Add to a list, and issue it with the next number. The list must be signed by
--key, or by --signed-by where another key signs it from now on.

What is revoked counts nowhere, whenever it was signed: reason, date and note
are for people. A revoked key takes all its signatures with it, good ones too:
let 'hallmark key rotate' sign again what a person approves. The digest of a
document is that of the predicate, as 'hallmark check' shows it.

An entry is not taken out again; to undo one begin the list anew (revoke init
--force --sequence N).`,
		Example: `  hallmark revoke add revocations.json --key security.key --revoke-key lost.pub --reason key-compromise
  hallmark revoke add revocations.json --key security.key --digest sha256:... --reason malicious --note infected
  hallmark revoke add revocations.json --key security.key --certificate leaf.pem --identity https://accounts.example=dev@example.com`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, cancel := app.context(cmd.Context())
			defer cancel()
			more, err := what.list(ctx, app)
			if err != nil {
				return err
			}
			if more.Len() == 0 {
				return usagef("nothing to revoke: give --revoke-key, --certificate, --serial, --identity or --digest; 'hallmark revoke renew' issues a list as it is")
			}
			return job.next(ctx, args[0], more)
		},
	}
	job.bind(cmd, app)
	what.bind(cmd)
	return cmd
}

// revoked is the group of flags that name what is revoked.
type revoked struct {
	keys, certificates, serials, identities, digests []string
	reason, note, date                               string
}

func (r *revoked) bind(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringArrayVar(&r.keys, "revoke-key", nil, "revoke this public key: a file, env://NAME, SCHEME://KEY or its fingerprint sha256:HEX; repeatable")
	flags.StringArrayVar(&r.certificates, "certificate", nil, "revoke the certificate in this PEM file; repeatable")
	flags.StringArrayVar(&r.serials, "serial", nil, "revoke the certificate with this number of this authority: 'HEX CN=...', the distinguished name as RFC 2253 writes it; repeatable")
	flags.StringArrayVar(&r.identities, "identity", nil, "revoke whoever signs under this name: ISSUER=SUBJECT, as --certificate-oidc-issuer and --certificate-identity take them; repeatable")
	flags.StringArrayVar(&r.digests, "digest", nil, "revoke the image, file or attested document with this digest: sha256:HEX; repeatable")
	enum(cmd, &r.reason, "reason", "", revocation.Reasons(), "why, for people")
	flags.StringVar(&r.note, "note", "", "more about it, for people")
	flags.StringVar(&r.date, "date", "", "since when, for people: a time of RFC 3339 (default: now)")
}

// list returns what the flags name.
func (r *revoked) list(ctx context.Context, app *App) (l revocation.List, err error) {
	why := revocation.Why{Reason: r.reason, Note: r.note, Date: app.Now().UTC().Truncate(time.Second)}
	if r.date != "" {
		if why.Date, err = time.Parse(time.RFC3339, r.date); err != nil {
			return l, usagef("--date %q is no time of RFC 3339, such as 2026-05-03T12:00:00Z", r.date)
		}
	}
	for _, name := range r.keys {
		f, err := app.revokedKey(ctx, name)
		if err != nil {
			return l, err
		}
		l.Keys = append(l.Keys, revocation.Key{Fingerprint: f, Why: why})
	}
	for _, path := range r.certificates {
		c, err := certificateIn(path)
		if err != nil {
			return l, err
		}
		c.Why = why
		l.Certificates = append(l.Certificates, c)
	}
	for _, text := range r.serials {
		number, authority, _ := strings.Cut(text, " ")
		n, ok := new(big.Int).SetString(strings.ReplaceAll(number, ":", ""), 16)
		if !ok || n.Sign() < 0 || authority == "" {
			return l, usagef("--serial %q: want 'HEX AUTHORITY', such as '1f3a CN=ca,O=example'", text)
		}
		l.Certificates = append(l.Certificates, revocation.Certificate{Serial: verify.Serial{Issuer: authority, Number: n.Text(16)}, Why: why})
	}
	for _, text := range r.identities {
		issuer, subject, ok := strings.Cut(text, "=")
		if !ok || issuer == "" || subject == "" {
			return l, usagef("--identity %q: want ISSUER=SUBJECT", text)
		}
		l.Identities = append(l.Identities, revocation.Identity{Name: verify.Name{Subject: subject, Issuer: issuer}, Why: why})
	}
	for _, text := range r.digests {
		d, err := v1.NewHash(text)
		if err != nil || d.Algorithm != "sha256" {
			return l, usagef("--digest %q is no SHA-256: want sha256:HEX", text)
		}
		l.Digests = append(l.Digests, revocation.Digest{Digest: d, Why: why})
	}
	return l, nil
}

// revokedKey reads a key, or its fingerprint where the key itself is not at hand.
func (app *App) revokedKey(ctx context.Context, name string) (key.Fingerprint, error) {
	if strings.HasPrefix(name, "sha256:") {
		f, err := key.ParseFingerprint(strings.ToLower(name))
		if err != nil {
			return f, usagef("--revoke-key: %v", err)
		}
		return f, nil
	}
	k, err := key.LoadPublic(ctx, name, app.keyOptions())
	if err != nil {
		return key.Fingerprint{}, err
	}
	return k.Fingerprint(), nil
}

// certificateIn reads the one certificate of a file.
func certificateIn(path string) (revocation.Certificate, error) {
	text, err := readFile(path, key.MaxPEM)
	if err != nil {
		return revocation.Certificate{}, usagef("--certificate: %v", err)
	}
	certs, err := key.ParseCertificates(string(text))
	if err != nil || len(certs) != 1 {
		return revocation.Certificate{}, usagef("--certificate %s: want one certificate in PEM, and %d are there: %v", path, len(certs), err)
	}
	c := certs[0]
	return revocation.Certificate{
		SHA256: sha256.Sum256(c.Raw), Serial: verify.Serial{Issuer: c.Issuer.String(), Number: c.SerialNumber.Text(16)},
	}, nil
}
