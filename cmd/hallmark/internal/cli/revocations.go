package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/hallmark-oci/hallmark/sign/key"
	"github.com/hallmark-oci/hallmark/verify"
	"github.com/hallmark-oci/hallmark/verify/revocation"
)

// revocations is the group of flags that name a signed list of what counts no longer.
type revocations struct {
	app    *App
	file   string
	keys   []string
	least  int64
	maxAge age
}

func (r *revocations) bind(cmd *cobra.Command, app *App) {
	r.app = app
	flags := cmd.Flags()
	flags.StringVar(&r.file, "revocations", "", "file with a signed list of what counts no longer (see 'hallmark revoke')")
	flags.StringArrayVar(&r.keys, "revocations-key", nil, "public key that must have signed the list; repeat to accept several")
	flags.Int64Var(&r.least, "revocations-sequence", 0, "the lowest number that the list may have")
	flags.Var(&r.maxAge, "revocations-max-age", "how long after its issue the list is believed, such as 12h or 7d (default: until it expires)")
}

// given reports whether anything is asked of a list.
func (r *revocations) given() bool {
	return r.file != "" || len(r.keys) > 0 || r.least != 0 || r.maxAge.set
}

// load reads what the list revokes; nothing where none is named.
func (r *revocations) load(ctx context.Context) (verify.Revocations, error) {
	switch {
	case !r.given():
		return verify.Revocations{}, nil
	case r.file == "":
		return verify.Revocations{}, usagef("no list: give --revocations FILE, or leave the other flags of it away")
	case len(r.keys) == 0:
		return verify.Revocations{}, usagef("whose word is the list? give --revocations-key FILE, the public key that must have signed it")
	case r.least < 0 || r.maxAge.set && r.maxAge.d == 0:
		return verify.Revocations{}, usagef("--revocations-sequence is not negative, and with --revocations-max-age 0 no list would be believed")
	}
	d := revocation.Demand{Least: r.least, MaxAge: r.maxAge.d, Now: r.app.Now}
	for _, name := range r.keys {
		k, err := key.LoadPublic(ctx, name, r.app.keyOptions())
		if err != nil {
			return verify.Revocations{}, err
		}
		d.Keys = append(d.Keys, k)
	}
	_, revoked, err := r.app.revocationList(ctx, r.file, d)
	return revoked, err
}

// revocationList reads a signed list.
func (app *App) revocationList(ctx context.Context, path string, d revocation.Demand) (revocation.List, verify.Revocations, error) {
	signed, err := readFile(path, revocation.MaxFile)
	if err != nil {
		return revocation.List{}, verify.Revocations{}, usagef("revocation list: %v", err)
	}
	return revocation.Open(ctx, signed, d)
}
