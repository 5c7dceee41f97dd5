package key

import (
	"encoding/json"
	"fmt"

	"github.com/secure-systems-lab/go-securesystemslib/encrypted"
)

// sigstoreBox is the JSON in an ENCRYPTED SIGSTORE PRIVATE KEY, as far as it is
// looked at before the password is known.
type sigstoreBox struct {
	KDF struct {
		Name   string `json:"name"`
		Params struct {
			N int64 `json:"N"`
			R int64 `json:"r"`
			P int64 `json:"p"`
		} `json:"params"`
		Salt []byte `json:"salt"`
	} `json:"kdf"`
	Cipher struct {
		Name  string `json:"name"`
		Nonce []byte `json:"nonce"`
	} `json:"cipher"`
	Ciphertext []byte `json:"ciphertext"`
}

// secretbox has nonces of 24 bytes and adds 16 to what it encrypts.
const (
	boxNonce    = 24
	boxOverhead = 16
)

// readSigstore checks the box. Only the three sets of scrypt parameters that
// are ever written are worked through.
func readSigstore(body []byte) (lock, error) {
	box, err := readBox(body)
	if err != nil {
		return lock{}, err
	}
	p := box.KDF.Params
	switch {
	case box.KDF.Name != "scrypt":
		return lock{}, fmt.Errorf("key derivation %q, only scrypt is known: %w", box.KDF.Name, ErrFormat)
	case box.Cipher.Name != "nacl/secretbox":
		return lock{}, fmt.Errorf("cipher %q, only nacl/secretbox is known: %w", box.Cipher.Name, ErrFormat)
	case p.R != 8 || p.P != 1 || p.N != 1<<15 && p.N != 1<<16 && p.N != 1<<17:
		return lock{}, fmt.Errorf("scrypt with N=%d r=%d p=%d, known are N=2^15 to 2^17, r=8, p=1: %w", p.N, p.R, p.P, ErrLimit)
	case len(box.Cipher.Nonce) != boxNonce:
		return lock{}, fmt.Errorf("nonce of %d bytes, not %d: %w", len(box.Cipher.Nonce), boxNonce, ErrFormat)
	case len(box.Ciphertext) < boxOverhead:
		return lock{}, fmt.Errorf("ciphertext of %d bytes: %w", len(box.Ciphertext), ErrFormat)
	}
	open := func(pass []byte) ([]byte, error) {
		der, err := encrypted.Decrypt(body, pass)
		if err != nil {
			return nil, wrong(pass)
		}
		return der, nil
	}
	return lock{fmt.Sprintf("NaCl secretbox, scrypt N=%d r=%d p=%d", p.N, p.R, p.P), open}, nil
}

func readBox(body []byte) (sigstoreBox, error) {
	var box sigstoreBox
	if err := json.Unmarshal(body, &box); err != nil {
		return box, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	return box, nil
}

// sealSigstore encrypts a PKCS #8 key the way cosign does.
func sealSigstore(der, pass []byte) ([]byte, error) { return encrypted.Encrypt(der, pass) }
