package key

import (
	"bytes"
	"context"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"fmt"
)

// The types of PEM block that are read.
const (
	pemSigstore   = "ENCRYPTED SIGSTORE PRIVATE KEY"
	pemCosign     = "ENCRYPTED COSIGN PRIVATE KEY"
	pemPKCS8      = "PRIVATE KEY"
	pemEncrypted  = "ENCRYPTED PRIVATE KEY"
	pemEC         = "EC PRIVATE KEY"
	pemRSA        = "RSA PRIVATE KEY"
	pemPublic     = "PUBLIC KEY"
	pemRSAPublic  = "RSA PUBLIC KEY"
	pemParameters = "EC PARAMETERS"
)

func isPrivate(pemType string) bool {
	switch pemType {
	case pemSigstore, pemCosign, pemPKCS8, pemEncrypted, pemEC, pemRSA:
		return true
	}
	return false
}

// decodePEM returns the one block of the text. White space around it is
// allowed, anything else is not: text that one reader skips and another takes
// for a key has no place in a key file.
func decodePEM(text []byte) (*pem.Block, error) {
	if len(text) > MaxPEM {
		return nil, fmt.Errorf("more than %d bytes: %w", MaxPEM, ErrLimit)
	}
	text = bytes.TrimSpace(text)
	if !bytes.HasPrefix(text, []byte("-----BEGIN ")) {
		return nil, fmt.Errorf("does not begin with a PEM block: %w", ErrFormat)
	}
	if n := bytes.Count(text, []byte("-----BEGIN ")); n > 1 {
		hint := ""
		if bytes.Contains(text, []byte("-----BEGIN "+pemParameters)) {
			hint = " (remove the block EC PARAMETERS, the key names its curve itself)"
		}
		return nil, fmt.Errorf("%d PEM blocks, one is expected%s: %w", n, hint, ErrFormat)
	}
	block, rest := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("damaged PEM block: %w", ErrFormat)
	}
	if len(bytes.TrimSpace(rest)) > 0 {
		return nil, fmt.Errorf("text behind the PEM block: %w", ErrFormat)
	}
	if len(block.Headers) > 0 {
		return nil, fmt.Errorf("PEM block with headers, the old encryption of OpenSSL: "+
			"convert it with `openssl pkcs8 -topk8`: %w", ErrFormat)
	}
	return block, nil
}

// parsePrivate opens the private key in the text, asking for a password if need be.
func parsePrivate(ctx context.Context, text []byte, name string, opts Options) (*Private, error) {
	block, err := decodePEM(text)
	if err != nil {
		return nil, err
	}
	switch block.Type {
	case pemPublic, pemRSAPublic, "CERTIFICATE":
		return nil, fmt.Errorf("this is a %s, a private key is wanted here: %w", block.Type, ErrKind)
	case pemSigstore, pemCosign, pemEncrypted:
		if block, err = decrypt(ctx, block, name, opts); err != nil {
			return nil, err
		}
	}
	signer, pss, err := parseDER(block)
	if err != nil {
		return nil, err
	}
	return newPrivate(signer, pss || opts.PSS && isRSA(signer))
}

// A lock is the checked outside of an encrypted key: what can be refused
// without the password was refused.
type lock struct {
	name string // cipher and key derivation, for people
	open func(pass []byte) (der []byte, err error)
}

// readLock checks the outside of an encrypted key.
func readLock(block *pem.Block) (lock, error) {
	read := readSigstore
	if block.Type == pemEncrypted {
		read = readPBES2
	}
	l, err := read(block.Bytes)
	if err != nil {
		return lock{}, refuse(block.Type, err)
	}
	return l, nil
}

// decrypt returns the PKCS #8 block inside an encrypted one.
func decrypt(ctx context.Context, block *pem.Block, name string, opts Options) (*pem.Block, error) {
	l, err := readLock(block)
	if err != nil {
		return nil, err
	}
	pass, err := opts.password(ctx, name)
	if err != nil {
		return nil, err
	}
	der, err := l.open(pass)
	if err != nil {
		return nil, err
	}
	return &pem.Block{Type: pemPKCS8, Bytes: der}, nil
}

// parseDER returns the key in a block that is not encrypted, and whether it is marked for PSS.
func parseDER(block *pem.Block) (signer crypto.Signer, pss bool, err error) {
	switch block.Type {
	case pemPKCS8:
		signer, pss, err = parsePKCS8(block.Bytes)
	case pemEC:
		signer, err = x509.ParseECPrivateKey(block.Bytes)
	case pemRSA:
		signer, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	default:
		return nil, false, fmt.Errorf("PEM block %q holds no private key: %w", block.Type, ErrFormat)
	}
	if err != nil {
		return nil, false, refuse(block.Type, err)
	}
	return signer, pss, nil
}
