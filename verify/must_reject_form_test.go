package verify_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha512"
	"encoding/asn1"
	"io"
	"math/big"
	"slices"
	"testing"

	"github.com/hallmark-oci/hallmark/sign/key"
	"github.com/hallmark-oci/hallmark/verify"
)

// A pen is a key that writes its signatures in a way of its own.
type pen struct {
	crypto.Signer
	write func(digest []byte) []byte
}

// Sign implements crypto.Signer.
func (p pen) Sign(_ io.Reader, digest []byte, _ crypto.SignerOpts) ([]byte, error) {
	return p.write(digest), nil
}

// penned has the signature be written otherwise, by the certificate's own key.
func penned(k crypto.Signer, write func(digest []byte) []byte) func(*plot) {
	return func(p *plot) { p.order.key, p.signWith = k, pen{k, write} }
}

// formRows are about the forms of signatures: items 68 to 70. The keys are right, and
// so is what is signed.
func formRows(t testing.TB) []row {
	t.Helper()
	return slices.Concat(hashRows(t), rsaRows(t), ecdsaRows(t), ed25519Rows(t))
}

// hashRows sign over another hash than goes with the key.
func hashRows(t testing.TB) []row {
	t.Helper()
	var rows []row
	hello := []byte("hello\n")
	weak, long := sha1.Sum(hello), sha512.Sum512(hello)
	for _, curve := range []elliptic.Curve{elliptic.P256(), elliptic.P384()} {
		k, err := ecdsa.GenerateKey(curve, rand.Reader)
		must(t, err)
		over := func(sum []byte) func([]byte) []byte {
			return func([]byte) []byte {
				sig, err := ecdsa.SignASN1(rand.Reader, k, sum)
				must(t, err)
				return sig
			}
		}
		name := curve.Params().Name
		rows = append(rows, row{n: 68, name: name + " over a SHA-1", reason: verify.SignatureInvalid, spoil: penned(k, over(weak[:]))},
			row{n: 68, name: name + " over a SHA-512", reason: verify.SignatureInvalid, spoil: penned(k, over(long[:]))})
	}
	_, k, err := ed25519.GenerateKey(rand.Reader)
	must(t, err)
	return append(rows, row{n: 68, name: "Ed25519 over a SHA-512 as if it were the message", version: 2, reason: verify.SignatureInvalid,
		spoil: penned(k, func([]byte) []byte { return ed25519.Sign(k, long[:]) }),
		twin:  penned(k, func([]byte) []byte { return ed25519.Sign(k, hello) })})
}

// rsaRows write RSA signatures by other schemes and hashes (RFC 8017).
func rsaRows(t testing.TB) []row {
	t.Helper()
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	must(t, err)
	plain := func(h crypto.Hash, sum []byte) []byte {
		sig, err := rsa.SignPKCS1v15(nil, k, h, sum)
		must(t, err)
		return sig
	}
	pss := func(h crypto.Hash, sum []byte, salt int) []byte {
		sig, err := rsa.SignPSS(rand.Reader, k, h, sum, &rsa.PSSOptions{SaltLength: salt})
		must(t, err)
		return sig
	}
	hello := []byte("hello\n")
	twin := penned(k, func(sum []byte) []byte { return plain(crypto.SHA256, sum) })
	// A key without mark is for PKCS #1 alone.
	rows := []row{{n: 69, name: "PSS where PKCS #1 is due", reason: verify.SignatureInvalid, twin: twin,
		spoil: penned(k, func(sum []byte) []byte { return pss(crypto.SHA256, sum, 32) })}}
	for name, write := range map[string]func([]byte) []byte{
		"PKCS #1 over a SHA-1":          func([]byte) []byte { s := sha1.Sum(hello); return plain(crypto.SHA1, s[:]) },
		"PKCS #1 over a SHA-512":        func([]byte) []byte { s := sha512.Sum512(hello); return plain(crypto.SHA512, s[:]) },
		"PKCS #1 that names no hash":    func(sum []byte) []byte { return plain(0, sum) },
		"PSS over a SHA-512":            func([]byte) []byte { s := sha512.Sum512(hello); return pss(crypto.SHA512, s[:], 64) },
		"PSS over a SHA-1":              func([]byte) []byte { s := sha1.Sum(hello); return pss(crypto.SHA1, s[:], 20) },
		"PKCS #1 with a byte before it": func(sum []byte) []byte { return append([]byte{0}, plain(crypto.SHA256, sum)...) },
		"PKCS #1 with the modulus added": func(sum []byte) []byte {
			n := new(big.Int).SetBytes(plain(crypto.SHA256, sum))
			return n.Add(n, k.N).Bytes()
		},
		"no padding at all": func(sum []byte) []byte {
			n := new(big.Int).Exp(new(big.Int).SetBytes(sum), k.D, k.N)
			return n.FillBytes(make([]byte, 256))
		},
	} {
		rows = append(rows, row{n: 69, name: name, reason: verify.SignatureInvalid, spoil: penned(k, write), twin: twin})
	}
	return rows
}

// ecdsaRows write ECDSA signatures as no signer does (X9.62, in the DER of X.690).
func ecdsaRows(t testing.TB) []row {
	t.Helper()
	k := newNotary(t).key
	n := k.Curve.Params().N
	type pair struct{ R, S *big.Int }
	der := func(r, s *big.Int) []byte {
		raw, err := asn1.Marshal(pair{r, s})
		must(t, err)
		return raw
	}
	sign := func(sum []byte) pair {
		raw, err := ecdsa.SignASN1(rand.Reader, k, sum)
		must(t, err)
		var p pair
		_, err = asn1.Unmarshal(raw, &p)
		must(t, err)
		return p
	}
	of := func(fn func(p pair) []byte) func([]byte) []byte {
		return func(sum []byte) []byte { return fn(sign(sum)) }
	}
	zero, one := big.NewInt(0), big.NewInt(1)
	// The other signature that anyone can make of one, n - s, is as good: a signer is
	// counted once, however often it signed.
	twin := penned(k, of(func(p pair) []byte { return der(p.R, new(big.Int).Sub(n, p.S)) }))
	var rows []row
	for name, write := range map[string]func([]byte) []byte{
		"r and s are zero":      func([]byte) []byte { return der(zero, zero) },
		"r is zero":             of(func(p pair) []byte { return der(zero, p.S) }),
		"s is zero":             of(func(p pair) []byte { return der(p.R, zero) }),
		"r and s are the order": func([]byte) []byte { return der(n, n) },
		"r and s are one":       func([]byte) []byte { return der(one, one) },
		"r with the order":      of(func(p pair) []byte { return der(new(big.Int).Add(p.R, n), p.S) }),
		"s with the order":      of(func(p pair) []byte { return der(p.R, new(big.Int).Add(p.S, n)) }),
		"s is negative":         of(func(p pair) []byte { return der(p.R, new(big.Int).Neg(p.S)) }),
		"s less the order":      of(func(p pair) []byte { return der(p.R, new(big.Int).Sub(p.S, n)) }),
		"exchanged":             of(func(p pair) []byte { return der(p.S, p.R) }),
		"a byte behind":         of(func(p pair) []byte { return append(der(p.R, p.S), 0) }),
		"a value more": of(func(p pair) []byte {
			raw, err := asn1.Marshal(struct{ R, S, T *big.Int }{p.R, p.S, one})
			must(t, err)
			return raw
		}),
		"a length in two bytes": of(func(p pair) []byte {
			raw := der(p.R, p.S)
			return slices.Concat(raw[:1], []byte{0x81}, raw[1:])
		}),
		"no length (BER)": of(func(p pair) []byte {
			return slices.Concat([]byte{0x30, 0x80}, der(p.R, p.S)[2:], []byte{0, 0})
		}),
		"a zero before r (BER)": of(func(p pair) []byte {
			raw := der(p.R, p.S)
			raw[1]++
			return slices.Concat(raw[:3], []byte{raw[3] + 1, 0}, raw[4:])
		}),
		"r and s side by side": of(func(p pair) []byte {
			return append(p.R.FillBytes(make([]byte, 32)), p.S.FillBytes(make([]byte, 32))...)
		}),
	} {
		rows = append(rows, row{n: 70, name: name, reason: verify.SignatureInvalid, spoil: penned(k, write), twin: twin})
	}
	return rows
}

// ed25519Rows write Ed25519 signatures that are not the one of RFC 8032.
func ed25519Rows(t testing.TB) []row {
	t.Helper()
	_, k, err := ed25519.GenerateKey(rand.Reader)
	must(t, err)
	sig := ed25519.Sign(k, []byte("hello\n"))
	// The order of the group, 2^252 + 27742317777372353535851937790883648493.
	order, _ := new(big.Int).SetString("27742317777372353535851937790883648493", 10)
	order.Add(order, new(big.Int).Lsh(big.NewInt(1), 252))
	added := bytes.Clone(sig)
	slices.Reverse(added[32:])
	s := new(big.Int).SetBytes(added[32:])
	s.Add(s, order).FillBytes(added[32:])
	slices.Reverse(added[32:])
	small := append(append([]byte{1}, make([]byte, 31)...), sig[32:]...) // R is the neutral element
	var rows []row
	for name, sig := range map[string][]byte{
		"s with the order of the group": added, "a small point": small,
		"half a signature": sig[:32], "a byte more": append(bytes.Clone(sig), 0), "zeros": make([]byte, 64),
	} {
		rows = append(rows, row{n: 70, name: "Ed25519, " + name, version: 2, reason: verify.SignatureInvalid, spoil: penned(k, func([]byte) []byte { return sig }),
			twin: penned(k, func([]byte) []byte { return ed25519.Sign(k, []byte("hello\n")) })})
	}
	return rows
}

// TestScheme: a key that is marked for PSS takes no signature of the other scheme, nor
// does one without mark.
func TestScheme(t *testing.T) {
	load := func(pss bool) *key.Private {
		k, err := key.Load(t.Context(), "../sign/key/testdata/rsa-2048.pkcs1.pem", key.Options{PSS: pss})
		must(t, err)
		return k
	}
	pss, plain := load(true), load(false)
	for name, c := range map[string]struct {
		by, trusted *key.Private
		want        verify.Reason
	}{
		"PKCS #1 under a key for PSS": {plain, pss, verify.UntrustedKey},
		"PSS under a key for PSS":     {pss, pss, verify.Accepted},
		"PKCS #1 under any RSA key":   {plain, plain, verify.Accepted},
		"PSS under any RSA key":       {pss, plain, verify.UntrustedKey},
	} {
		t.Run(name, func(t *testing.T) {
			s := newShelf()
			sub := s.image(t, "app")
			s.put(t, signature(t, c.by, sub.Desc.Digest.String(), nil))
			verdict, check := judge(t, s, sub, signatureRule(1), c.trusted)
			if check.Evidence[0].Reason != c.want || (verdict.Outcome == verify.Accept) != (c.want == verify.Accepted) {
				t.Errorf("%s: %+v", verdict.Outcome, check.Evidence[0])
			}
		})
	}
}
