package keyless

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"testing"

	"github.com/sigstore/sigstore-go/pkg/root"
)

// TestDistinct: logs are counted by their keys, not by the identifiers under which a
// root has them: that of Rekor 2 is made of the host's name and the key (C2SP
// signed-note), so that one key may have several.
func TestDistinct(t *testing.T) {
	made := func() crypto.PublicKey {
		public, _, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return public
	}
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	a, b, c := made(), made(), crypto.PublicKey(&private.PublicKey)
	for name, tt := range map[string]struct {
		seen map[string]crypto.PublicKey
		want int
	}{
		"none":             {nil, 0},
		"one":              {map[string]crypto.PublicKey{"1": a}, 1},
		"two":              {map[string]crypto.PublicKey{"1": a, "2": b}, 2},
		"of two kinds":     {map[string]crypto.PublicKey{"1": a, "2": c}, 2},
		"one, two names":   {map[string]crypto.PublicKey{"1": a, "2": a}, 1},
		"two, three names": {map[string]crypto.PublicKey{"1": c, "2": a, "3": a}, 2},
	} {
		l := standing{seen: make(map[string]*root.TransparencyLog)}
		for id, k := range tt.seen {
			l.seen[id] = &root.TransparencyLog{PublicKey: k}
		}
		if got := l.distinct(); got != tt.want {
			t.Errorf("%s: %d, want %d", name, got, tt.want)
		}
	}
}
