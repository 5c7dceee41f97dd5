package cli

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/sign/key"
	"github.com/hallmark-oci/hallmark/verify/keyless"
	"github.com/hallmark-oci/hallmark/verify/network"
	"github.com/hallmark-oci/hallmark/verify/policy"
)

// policyFiles is the group of flags that name policies, and what they may refer to.
type policyFiles struct {
	app     *App
	target  *target // where images are; nil where none is looked at
	paths   []string
	root    string                 // file with the trusted root
	kms     []string               // schemes of key services that policies may have asked
	fetched map[string]*key.Public // from them, by name
	network networked              // hosts that may be asked
	remote  map[string][]byte      // what was fetched from them, by address
	now     time.Time              // that is judged at; zero for the present
	partial bool                   // scopes may be missing
}

func (p *policyFiles) bind(cmd *cobra.Command, app *App, t *target) {
	p.app, p.target = app, t
	cmd.Flags().StringArrayVar(&p.paths, "policy", nil, "policy file (hallmark's, or ClusterImagePolicy with what it refers to); repeatable")
	p.bindServices(cmd)
}

// bindServices declares --policy-kms and --network.
func (p *policyFiles) bindServices(cmd *cobra.Command) {
	p.network.bind(cmd, p.app)
	cmd.Flags().StringArrayVar(&p.kms, "policy-kms", nil, "scheme of a key service, such as awskms, that policies may have asked for public keys; repeatable (default none)")
}

// load reads the policies.
func (p *policyFiles) load(ctx context.Context) (*policy.Set, error) {
	if len(p.paths) == 0 {
		return nil, usagef("no policy: give --policy FILE")
	}
	now := p.app.Now
	if !p.now.IsZero() {
		now = func() time.Time { return p.now }
	}
	o := policy.Options{Now: now, Partial: p.partial, Root: p.trustedRoot, Fetched: p.app.fetched}
	hosts, err := p.network.hosts()
	if err != nil {
		return nil, err
	}
	o.Hosts = hosts
	o.Remote = func(address string, sum [sha256.Size]byte) ([]byte, error) {
		return p.remotePart(ctx, hosts, address, sum)
	}
	o.ReadService = func(name string) (*key.Public, error) { return p.serviceKey(ctx, name) }
	if p.app.Evaluator != nil {
		o.Evaluator = p.app.Evaluator(now)
	}
	if p.target != nil {
		o.Elsewhere = func(image attach.Subject, at policy.Source) (attach.Reader, error) {
			return p.target.elsewhere(image.Repo, at)
		}
	}
	set, err := policy.Load(ctx, o, p.paths...)
	if errors.Is(err, policy.ErrInvalid) || errors.Is(err, fs.ErrNotExist) {
		return nil, usagef("%v", err)
	}
	return set, err
}

// trustedRoot returns the root for identities of policies that name none.
func (p *policyFiles) trustedRoot() (*keyless.Root, error) {
	raw, name, err := p.app.trustedRoot(p.root)
	if err != nil {
		return nil, err
	}
	root, err := keyless.ParseRoot(raw)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return root, nil
}

// remotePart fetches a part of a policy, once: a server that reads its policies again
// does not ask again for what has the digest that they name.
func (p *policyFiles) remotePart(ctx context.Context, hosts *network.Hosts, address string, sum [sha256.Size]byte) ([]byte, error) {
	if raw, ok := p.remote[address]; ok && sha256.Sum256(raw) == sum {
		return raw, nil
	}
	raw, err := hosts.Get(ctx, address, policy.MaxPart)
	if err != nil {
		return nil, err
	}
	if p.remote == nil {
		p.remote = make(map[string][]byte)
	}
	p.remote[address] = raw
	return raw, nil
}

// serviceKey fetches a public key from a key service that policies may have asked,
// once: a server that reads its policies again does not ask again.
func (p *policyFiles) serviceKey(ctx context.Context, name string) (*key.Public, error) {
	if k := p.fetched[name]; k != nil {
		return k, nil
	}
	scheme, _, _ := strings.Cut(name, "://")
	if !slices.Contains(p.kms, scheme) {
		return nil, fmt.Errorf("key %s: no policy has a key service asked unless the command says so: add --policy-kms %s", name, scheme)
	}
	o := p.app.keyOptions()
	if !slices.Contains(o.Plugins, key.AnyPlugin) && !slices.Contains(o.Plugins, scheme) {
		return nil, fmt.Errorf("key %s: %s does not name %s", name, pluginVariable, scheme)
	}
	o.Plugins = []string{scheme}
	k, err := key.LoadPublic(ctx, name, o)
	if err != nil {
		return nil, err
	}
	if p.fetched == nil {
		p.fetched = make(map[string]*key.Public)
	}
	p.fetched[name] = k
	return k, nil
}
