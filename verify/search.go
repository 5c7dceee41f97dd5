package verify

import (
	"context"
	"errors"
	"fmt"

	"github.com/hallmark-oci/hallmark/sign/key"
	"github.com/hallmark-oci/hallmark/verify/keyless"
)

// errSearches says that logs were asked often enough.
var errSearches = errors.New("logs were asked for the entries of too many signatures")

// searches counts the signatures whose entries logs were asked for, under one rule.
type searches int

// ofIdentity returns the material with the entries that logs hold of a signature with a
// certificate, where it brought none, the rule asks for one and somebody may be asked.
// Nobody is asked about a certificate that is not wanted, or that no trusted authority
// issued.
func (n *searches) ofIdentity(ctx context.Context, a authorities, m keyless.Material, s keyless.Signed) (keyless.Material, error) {
	if a.hosts == nil || m.Logged() || !a.quorum.AsksLogs() {
		return m, nil
	}
	if err := keyless.Wanted(m, a.identities); err != nil {
		return m, err
	}
	k, err := a.root.Issued(m)
	if err != nil {
		return m, err
	}
	return n.search(ctx, a, m, s, k)
}

// ofKey does so for a signature by an accepted key.
func (n *searches) ofKey(ctx context.Context, a authorities, m keyless.Material, s keyless.Signed, k *key.Public) (keyless.Material, error) {
	if a.hosts == nil || m.Logged() || !a.keyQuorum.AsksLogsOfKeys() {
		return m, nil
	}
	return n.search(ctx, a, m, s, k)
}

func (n *searches) search(ctx context.Context, a authorities, m keyless.Material, s keyless.Signed, k *key.Public) (keyless.Material, error) {
	if err := s.MadeBy(k); err != nil {
		return m, nil // which is refused for that
	}
	if *n++; *n > maxSearches {
		return m, fmt.Errorf("%w: the limit is %d for one rule", errSearches, maxSearches)
	}
	return a.root.Search(ctx, a.hosts, m, s, k)
}
