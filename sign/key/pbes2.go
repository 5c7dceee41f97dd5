package key

import (
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha1" // HMAC-SHA1 is the default of PBKDF2 and unbroken as such
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"hash"

	pkcs8box "github.com/youmark/pkcs8"
)

// The structures of an ENCRYPTED PRIVATE KEY, RFC 5958 section 3 and RFC 8018.
type encryptedInfo struct {
	Algorithm pkix.AlgorithmIdentifier
	Data      []byte
}

type pbes2Params struct{ KDF, Cipher pkix.AlgorithmIdentifier }

type pbkdf2Params struct {
	Salt       []byte
	Iterations int
	KeyLength  int                      `asn1:"optional"`
	PRF        pkix.AlgorithmIdentifier `asn1:"optional"`
}

type scryptParams struct {
	Salt      []byte
	N, R, P   int
	KeyLength int `asn1:"optional"`
}

// Object identifiers in their dotted form.
const (
	oidPBES2  = "1.2.840.113549.1.5.13"
	oidPBKDF2 = "1.2.840.113549.1.5.12"
	oidScrypt = "1.3.6.1.4.1.11591.4.11"
	oidSHA1   = "1.2.840.113549.2.7"
	oidSHA256 = "1.2.840.113549.2.9"
	oidSHA384 = "1.2.840.113549.2.10"
	oidSHA512 = "1.2.840.113549.2.11"
	oidAES128 = "2.16.840.1.101.3.4.1.2"
	oidAES192 = "2.16.840.1.101.3.4.1.22"
	oidAES256 = "2.16.840.1.101.3.4.1.42"
)

// A derivation makes a cipher key of the given size from a password.
type derivation struct {
	name string
	key  func(pass []byte, size int) ([]byte, error)
}

// readPBES2 checks the structure and the cost of an encrypted key. The ciphers
// are AES in CBC mode, the derivations PBKDF2 and scrypt.
func readPBES2(der []byte) (lock, error) {
	var info encryptedInfo
	if rest, err := asn1.Unmarshal(der, &info); err != nil || len(rest) > 0 {
		return lock{}, fmt.Errorf("not an encrypted PKCS #8 key: %w", ErrFormat)
	}
	if oid := info.Algorithm.Algorithm.String(); oid != oidPBES2 {
		return lock{}, fmt.Errorf("encryption scheme %s, only PBES2 is known: %w", oid, ErrFormat)
	}
	var params pbes2Params
	if rest, err := asn1.Unmarshal(info.Algorithm.Parameters.FullBytes, &params); err != nil || len(rest) > 0 {
		return lock{}, fmt.Errorf("parameters of PBES2: %w", ErrFormat)
	}
	derive, err := readDerivation(params.KDF)
	if err != nil {
		return lock{}, err
	}
	size, iv, err := readCipher(params.Cipher)
	if err != nil {
		return lock{}, err
	}
	if n := len(info.Data); n == 0 || n%aes.BlockSize != 0 {
		return lock{}, fmt.Errorf("%d bytes are not whole blocks: %w", n, ErrFormat)
	}
	open := func(pass []byte) ([]byte, error) {
		k, err := derive.key(pass, size)
		if err != nil {
			return nil, refuse("derive key", err)
		}
		return decryptCBC(k, iv, info.Data, pass)
	}
	return lock{fmt.Sprintf("AES-%d-CBC, %s", 8*size, derive.name), open}, nil
}

// readCipher returns the size of the cipher's key and the initialization vector.
func readCipher(a pkix.AlgorithmIdentifier) (size int, iv []byte, err error) {
	switch oid := a.Algorithm.String(); oid {
	case oidAES128:
		size = 16
	case oidAES192:
		size = 24
	case oidAES256:
		size = 32
	default:
		return 0, nil, fmt.Errorf("cipher %s, only AES-CBC is known: %w", oid, ErrFormat)
	}
	rest, err := asn1.Unmarshal(a.Parameters.FullBytes, &iv)
	if err != nil || len(rest) > 0 || len(iv) != aes.BlockSize {
		return 0, nil, fmt.Errorf("initialization vector: %w", ErrFormat)
	}
	return size, iv, nil
}

func readDerivation(a pkix.AlgorithmIdentifier) (derivation, error) {
	switch oid := a.Algorithm.String(); oid {
	case oidPBKDF2:
		return readPBKDF2(a.Parameters.FullBytes)
	case oidScrypt:
		return readScrypt(a.Parameters.FullBytes)
	default:
		return derivation{}, fmt.Errorf("key derivation %s, only PBKDF2 and scrypt are known: %w", oid, ErrFormat)
	}
}

func readPBKDF2(der []byte) (derivation, error) {
	var p pbkdf2Params
	if rest, err := asn1.Unmarshal(der, &p); err != nil || len(rest) > 0 {
		return derivation{}, fmt.Errorf("parameters of PBKDF2: %w", ErrFormat)
	}
	if p.Iterations < 1 || p.Iterations > MaxPBKDF2 {
		return derivation{}, fmt.Errorf("PBKDF2 with %d iterations, 1 to %d are worked: %w", p.Iterations, MaxPBKDF2, ErrLimit)
	}
	var prf func() hash.Hash
	switch oid := p.PRF.Algorithm.String(); oid {
	case "", oidSHA1:
		prf = sha1.New
	case oidSHA256:
		prf = sha256.New
	case oidSHA384:
		prf = sha512.New384
	case oidSHA512:
		prf = sha512.New
	default:
		return derivation{}, fmt.Errorf("PBKDF2 with hash %s: %w", oid, ErrFormat)
	}
	return derivation{fmt.Sprintf("PBKDF2 with %d iterations", p.Iterations), func(pass []byte, size int) ([]byte, error) {
		return pbkdf2.Key(prf, string(pass), p.Salt, p.Iterations, size)
	}}, nil
}

func readScrypt(der []byte) (derivation, error) {
	var p scryptParams
	if rest, err := asn1.Unmarshal(der, &p); err != nil || len(rest) > 0 {
		return derivation{}, fmt.Errorf("parameters of scrypt: %w", ErrFormat)
	}
	const most = 1 << 21
	if p.N < 2 || p.N > most || p.R < 1 || p.R > most || p.P < 1 || p.P > most ||
		128*int64(p.N)*int64(p.R) > MaxScrypt || int64(p.N)*int64(p.R) > MaxScryptWork/int64(p.P) {
		return derivation{}, fmt.Errorf("scrypt with N=%d r=%d p=%d: %w", p.N, p.R, p.P, ErrLimit)
	}
	return derivation{fmt.Sprintf("scrypt N=%d r=%d p=%d", p.N, p.R, p.P), func(pass []byte, size int) ([]byte, error) {
		opts := pkcs8box.ScryptOpts{CostParameter: p.N, BlockSize: p.R, ParallelizationParameter: p.P}
		k, _, err := opts.DeriveKey(pass, p.Salt, size)
		return k, err
	}}, nil
}

// decryptCBC returns the plaintext without its padding. Padding that is wrong,
// or a content that is no structure, says that the password was.
func decryptCBC(k, iv, data, pass []byte) ([]byte, error) {
	block, err := aes.NewCipher(k)
	if err != nil {
		return nil, fmt.Errorf("cipher: %w", err)
	}
	plain := make([]byte, len(data))
	cipher.NewCBCDecrypter(block, iv).CryptBlocks(plain, data)
	pad := int(plain[len(plain)-1])
	if pad < 1 || pad > aes.BlockSize {
		return nil, wrong(pass)
	}
	for _, b := range plain[len(plain)-pad:] {
		if int(b) != pad {
			return nil, wrong(pass)
		}
	}
	plain = plain[:len(plain)-pad]
	var raw asn1.RawValue
	if rest, err := asn1.Unmarshal(plain, &raw); err != nil || len(rest) > 0 {
		return nil, wrong(pass)
	}
	return plain, nil
}

// sealPBES2 encrypts a PKCS #8 key with AES-256-CBC under PBKDF2 with
// HMAC-SHA256 and 600,000 iterations, which every current OpenSSL reads.
func sealPBES2(der, pass []byte) ([]byte, error) {
	opts := pkcs8box.PBKDF2Opts{SaltSize: 16, IterationCount: 600_000, HMACHash: crypto.SHA256}
	salt, iv := make([]byte, opts.SaltSize), make([]byte, aes.BlockSize)
	if _, err := rand.Read(salt); err != nil {
		return nil, err
	}
	if _, err := rand.Read(iv); err != nil {
		return nil, err
	}
	box := pkcs8box.AES256CBC
	k, params, err := opts.DeriveKey(pass, salt, box.KeySize())
	if err != nil {
		return nil, err
	}
	data, err := box.Encrypt(k, iv, der)
	if err != nil {
		return nil, err
	}
	kdf, err := identifier(opts.OID(), params)
	if err != nil {
		return nil, err
	}
	enc, err := identifier(box.OID(), iv)
	if err != nil {
		return nil, err
	}
	scheme, err := identifier(asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 13}, pbes2Params{kdf, enc})
	if err != nil {
		return nil, err
	}
	return asn1.Marshal(encryptedInfo{scheme, data})
}

func identifier(oid asn1.ObjectIdentifier, params any) (pkix.AlgorithmIdentifier, error) {
	der, err := asn1.Marshal(params)
	return pkix.AlgorithmIdentifier{Algorithm: oid, Parameters: asn1.RawValue{FullBytes: der}}, err
}
