package registry

import "github.com/google/go-containerregistry/pkg/authn"

// keychain has one user for all registries.
type keychain struct{ user, password string }

func (k keychain) Resolve(authn.Resource) (authn.Authenticator, error) {
	return &authn.Basic{Username: k.user, Password: k.password}, nil
}
