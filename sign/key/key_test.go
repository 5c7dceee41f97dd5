package key_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/sha256"
	"errors"
	"strings"
	"testing"

	"github.com/hallmark-oci/hallmark/sign/key"
	"github.com/sigstore/cosign/v2/pkg/cosign"
	"github.com/sigstore/sigstore/pkg/cryptoutils"
	"github.com/sigstore/sigstore/pkg/signature"
)

func TestSignVerify(t *testing.T) {
	message := []byte("assayed and found true")
	for _, algorithm := range key.Algorithms() {
		t.Run(string(algorithm), func(t *testing.T) {
			t.Parallel()
			k := generated(t, algorithm)
			pub := k.PublicKey()
			if pub.Algorithm() != string(algorithm) {
				t.Errorf("algorithm %q", pub.Algorithm())
			}
			sig, err := k.Sign(context.Background(), bytes.NewReader(message))
			if err != nil {
				t.Fatal(err)
			}
			again, err := k.Sign(context.Background(), bytes.NewReader(message))
			if err != nil {
				t.Fatal(err)
			}
			if pss := strings.Contains(string(algorithm), "pss"); bytes.Equal(sig, again) == pss {
				t.Errorf("same signature twice: %v", !pss)
			}
			if err := pub.VerifyMessage(sig, bytes.NewReader(message)); err != nil {
				t.Error(err)
			}
			decided, err := pub.VerifyDigest(sig, sha256.Sum256(message))
			if ed := algorithm == key.Ed25519; decided == ed || (err != nil) != ed {
				t.Errorf("by digest: decided %v, %v", decided, err)
			}
			oracle(t, pub, sig, message)
			flips(t, pub, sig, message)
		})
	}
}

// oracle lets the sigstore library verify, as cosign sets it up.
func oracle(t *testing.T, pub *key.Public, sig, message []byte) {
	t.Helper()
	if strings.Contains(pub.Algorithm(), "pss") {
		v, err := signature.LoadRSAPSSVerifier(mustRSA(t, pub), crypto.SHA256, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := v.VerifySignature(bytes.NewReader(sig), bytes.NewReader(message)); err != nil {
			t.Error(err)
		}
		return
	}
	parsed, err := cryptoutils.UnmarshalPEMToPublicKey(pub.PEM())
	if err != nil {
		t.Fatal(err)
	}
	v, err := signature.LoadVerifier(parsed, crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	if err := v.VerifySignature(bytes.NewReader(sig), bytes.NewReader(message)); err != nil {
		t.Error(err)
	}
}

// flips checks that no changed bit of signature or message verifies.
func flips(t *testing.T, pub *key.Public, sig, message []byte) {
	t.Helper()
	for i := 0; i < len(sig); i += 1 + len(sig)/64 {
		bad := bytes.Clone(sig)
		bad[i] ^= 1 << (i % 8)
		if err := pub.VerifyMessage(bad, bytes.NewReader(message)); !errors.Is(err, key.ErrSignature) {
			t.Errorf("bit of byte %d of the signature: %v", i, err)
		}
	}
	for i := range message {
		bad := bytes.Clone(message)
		bad[i] ^= 1 << (i % 8)
		if err := pub.VerifyMessage(sig, bytes.NewReader(bad)); !errors.Is(err, key.ErrSignature) {
			t.Errorf("bit of byte %d of the message: %v", i, err)
		}
		if _, err := pub.VerifyDigest(sig, sha256.Sum256(bad)); !errors.Is(err, key.ErrSignature) {
			t.Errorf("digest of a changed message: %v", err)
		}
	}
}

// TestCosignOpens has the cosign library open what was written, and sign.
func TestCosignOpens(t *testing.T) {
	for _, algorithm := range kinds() {
		if strings.Contains(string(algorithm), "pss") {
			continue // cosign knows no key that is marked for PSS
		}
		t.Run(string(algorithm), func(t *testing.T) {
			t.Parallel()
			k := generated(t, algorithm)
			text, err := k.Encode(key.FormatSigstore, []byte("pass phrase"))
			if err != nil {
				t.Fatal(err)
			}
			sv, err := cosign.LoadPrivateKey(text, []byte("pass phrase"), nil)
			if err != nil {
				t.Fatal(err)
			}
			sig, err := sv.SignMessage(strings.NewReader("by cosign"))
			if err != nil {
				t.Fatal(err)
			}
			if err := k.PublicKey().VerifyMessage(sig, strings.NewReader("by cosign")); err != nil {
				t.Error(err)
			}
		})
	}
}
