package registry

import (
	"errors"
	"sync/atomic"
	"testing"

	"github.com/google/go-containerregistry/pkg/authn"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/storetest"
)

// keychain has one user for all registries.
type keychain struct{ user, password string }

func (k keychain) Resolve(authn.Resource) (authn.Authenticator, error) {
	return &authn.Basic{Username: k.user, Password: k.password}, nil
}

// changing has another password each time that it is asked.
type changing struct {
	passwords []string
	asked     *atomic.Int32
}

func (c changing) Resolve(authn.Resource) (authn.Authenticator, error) {
	n := int(c.asked.Add(1)) - 1
	return &authn.Basic{Username: "user", Password: c.passwords[min(n, len(c.passwords)-1)]}, nil
}

// TestPasswordChanges has a registry take a new password while the store is in
// use: the keychain is asked again, and once more only where it has no better one.
func TestPasswordChanges(t *testing.T) {
	for _, tt := range []struct {
		passwords []string
		asked     int32
		denied    bool
	}{
		{[]string{"old", "new"}, 2, false},
		{[]string{"old", "old"}, 2, true},
		{[]string{"old", "other"}, 2, true},
	} {
		s := start(t)
		push(t, s, "v1", newImage(t))
		s.Set(storetest.Credentials("user", "old"))
		kc := changing{tt.passwords, new(atomic.Int32)}
		store := open(t, s, Options{Keychain: kc})
		resolve(t, store, "v1")
		s.Set(storetest.Credentials("user", "new"))
		err := sign(t.Context(), store, 1)
		if tt.denied != errors.Is(err, attach.ErrDenied) || !tt.denied && err != nil {
			t.Errorf("%q: %v", tt.passwords, err)
		}
		if n := kc.asked.Load(); n != tt.asked {
			t.Errorf("%q: the keychain was asked %d times, want %d", tt.passwords, n, tt.asked)
		}
	}
}

// registryToken has a token that is for the registry itself.
type registryToken string

func (r registryToken) Resolve(authn.Resource) (authn.Authenticator, error) {
	return authn.FromConfig(authn.AuthConfig{RegistryToken: string(r)}), nil
}

// TestRegistryToken sends a token of the keychain's as it is, and to nobody else.
func TestRegistryToken(t *testing.T) {
	s := guarded(t, &storetest.Tokens{})
	_, err := open(t, s, Options{Keychain: registryToken("mine")}).Resolve(t.Context(), "v1")
	if !errors.Is(err, attach.ErrDenied) {
		t.Error(err)
	}
	if n := s.Count("/token"); n != 0 {
		t.Errorf("the token service was asked %d times", n)
	}
	sent := false
	for _, r := range s.Requests() {
		sent = sent || r.Authorization == "Bearer mine"
	}
	if !sent {
		t.Error("the token was not sent")
	}
}
