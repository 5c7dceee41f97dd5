package storetest

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/registry"
)

// keychain knows one user.
type keychain struct{}

// Resolve implements authn.Keychain.
func (keychain) Resolve(authn.Resource) (authn.Authenticator, error) {
	return &authn.Basic{Username: "user", Password: "secret"}, nil
}

// openRegistry opens a store that waits little before it tries again.
func openRegistry(t *testing.T, s *Server) attach.Store {
	t.Helper()
	return patient(t, s, 0)
}

// patient opens such a store that bears silence as long as is said.
func patient(t *testing.T, s *Server, patience time.Duration) attach.Store {
	t.Helper()
	store, err := registry.New(s.Host+"/r", registry.Options{
		Keychain: keychain{},
		Patience: patience,
		Sleep: func(ctx context.Context, d time.Duration) error {
			select {
			case <-time.After(min(d, 3*time.Millisecond)):
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return store
}

// TestRegistryContract holds the registry store to the contract, with and
// without the referrers API.
func TestRegistryContract(t *testing.T) {
	for title, quirks := range map[string][]Quirk{"without referrers": nil, "with referrers": {NativeReferrers()}} {
		t.Run(title, func(t *testing.T) {
			Run(t, func(t *testing.T) Place {
				s := Start(quirks...)
				t.Cleanup(s.Close)
				return Place{
					Open: func(t *testing.T) attach.Store { return openRegistry(t, s) },
					Put: func(t *testing.T, tag string, img v1.Image) {
						t.Helper()
						ref, err := name.NewTag(s.Host + "/r:" + tag)
						if err != nil {
							t.Fatal(err)
						}
						if err := remote.Write(ref, img, remote.WithTransport(http.DefaultTransport)); err != nil {
							t.Fatal(err)
						}
					},
				}
			})
		})
	}
}

// TestCrowd has eight writers at once meet a registry that refuses one of two
// concurrent puts, or loses its answers. A writer that is told of a failure
// tries again, as its user would; whoever is told of success is in for good.
func TestCrowd(t *testing.T) {
	const writers = 8
	for _, q := range []Quirk{
		ConcurrentPut(404, 2*time.Millisecond),
		ConcurrentPut(500, 2*time.Millisecond),
		ResetAfterPut(10),
		Flap(5, 502),
		TooMany(4, "0"),
	} {
		t.Run(q.Name, func(t *testing.T) {
			s := Start()
			defer s.Close()
			seed(t, s)
			sub, err := openRegistry(t, s).Resolve(t.Context(), "v1")
			if err != nil {
				t.Fatal(err)
			}
			s.Set(q)
			all := make([]attach.Content, writers)
			failures := make([]int, writers)
			var wg sync.WaitGroup
			for i := range writers {
				all[i] = NewSignature(sub, fmt.Sprint(i))
				store := openRegistry(t, s)
				wg.Go(func() { failures[i] = insist(t, store, sub, all[i]) })
			}
			wg.Wait()
			t.Logf("failed tries of each writer: %v", failures)
			s.Set()
			wanted(t, openRegistry(t, s), sub, all...)
		})
	}
}

// insist puts the content until that works, and returns how often it did not.
func insist(t *testing.T, s attach.Store, sub attach.Subject, c attach.Content) int {
	for try := range 40 {
		_, err := s.Put(t.Context(), attach.Parcel{Subject: sub, Content: c})
		if err == nil {
			return try
		}
		if try == 39 {
			t.Errorf("the last try: %v", err)
		}
		time.Sleep(time.Duration(try) * time.Millisecond)
	}
	return 40
}
