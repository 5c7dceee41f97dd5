package key

import (
	"crypto"
	"crypto/ed25519"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// TestEd25519Limit signs and verifies around a limit that is small enough to reach.
func TestEd25519Limit(t *testing.T) {
	k, err := Generate(Ed25519)
	if err != nil {
		t.Fatal(err)
	}
	priv, pub := k.signer.(ed25519.PrivateKey), k.public
	for n := 9; n <= 11; n++ {
		message := strings.Repeat("m", n)
		sig, err := signEd25519(priv, strings.NewReader(message), 10)
		if (n > 10) != errors.Is(err, ErrLimit) {
			t.Errorf("sign %d bytes: %v", n, err)
		}
		if sig == nil {
			sig = ed25519.Sign(priv, []byte(message))
		}
		err = pub.verifyEd25519(priv.Public().(ed25519.PublicKey), sig, strings.NewReader(message), 10)
		if (n > 10) != errors.Is(err, ErrLimit) || (n > 10) != errors.Is(err, ErrSignature) {
			t.Errorf("verify %d bytes: %v", n, err)
		}
		h := crypto.SHA512.New()
		io.WriteString(h, message)
		sig, err = priv.Sign(nil, h.Sum(nil), crypto.SHA512)
		if err != nil {
			t.Fatal(err)
		}
		if err := pub.verifyEd25519(priv.Public().(ed25519.PublicKey), sig, strings.NewReader(message), 10); err != nil {
			t.Errorf("verify Ed25519ph over %d bytes: %v", n, err)
		}
	}
}

// TestReaderErrors shows that a message that cannot be read is neither signed
// nor judged.
func TestReaderErrors(t *testing.T) {
	gone := errors.New("connection reset")
	for _, algorithm := range []Algorithm{ECDSAP256, ECDSAP384, Ed25519, RSA2048} {
		k, err := Generate(algorithm)
		if err != nil {
			t.Fatal(err)
		}
		message := func() io.Reader { return io.MultiReader(strings.NewReader("m"), iotest.ErrReader(gone)) }
		if _, err := k.Sign(t.Context(), message()); !errors.Is(err, gone) {
			t.Errorf("%s: sign: %v", algorithm, err)
		}
		if err := k.PublicKey().VerifyMessage([]byte("x"), message()); !errors.Is(err, gone) || errors.Is(err, ErrSignature) {
			t.Errorf("%s: verify: %v", algorithm, err)
		}
	}
}
