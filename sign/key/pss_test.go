package key_test

import (
	"crypto/rsa"
	"testing"

	"github.com/hallmark-oci/hallmark/sign/key"
)

func mustRSA(t *testing.T, pub *key.Public) *rsa.PublicKey {
	t.Helper()
	k, ok := pub.Key().(*rsa.PublicKey)
	if !ok {
		t.Fatalf("key of type %T", pub.Key())
	}
	return k
}
