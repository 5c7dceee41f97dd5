package key_test

import (
	"crypto/rsa"
	"encoding/pem"
	"sync"
	"testing"

	"github.com/hallmark-oci/hallmark/sign/key"
)

// keys are made once for all tests of a run: large RSA keys take seconds.
var keys sync.Map

func generated(t testing.TB, algorithm key.Algorithm) *key.Private {
	t.Helper()
	once, _ := keys.LoadOrStore(algorithm, sync.OnceValues(func() (*key.Private, error) { return key.Generate(algorithm) }))
	k, err := once.(func() (*key.Private, error))()
	if err != nil {
		t.Fatalf("generate %s: %v", algorithm, err)
	}
	return k
}

// kinds returns the algorithms without the larger sizes of RSA.
// Under -short, which is for the race detector, those are few: to derive a key from a
// password takes ten times as long there.
func kinds() []key.Algorithm {
	if testing.Short() {
		return []key.Algorithm{key.ECDSAP256, key.Ed25519}
	}
	return []key.Algorithm{key.ECDSAP256, key.ECDSAP384, key.ECDSAP521, key.Ed25519, key.RSA2048, key.RSAPSS2048}
}

func decode(t *testing.T, text []byte) []byte {
	t.Helper()
	block, _ := pem.Decode(text)
	if block == nil {
		t.Fatal("no PEM block")
	}
	return block.Bytes
}

func mustRSA(t *testing.T, pub *key.Public) *rsa.PublicKey {
	t.Helper()
	k, ok := pub.Key().(*rsa.PublicKey)
	if !ok {
		t.Fatalf("key of type %T", pub.Key())
	}
	return k
}
