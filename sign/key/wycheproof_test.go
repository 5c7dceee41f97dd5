package key_test

import (
	"bytes"
	"crypto"
	"encoding/pem"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hallmark-oci/hallmark/sign/key"
	"github.com/hallmark-oci/hallmark/sign/key/wycheproof"
)

// A tally counts what became of vectors.
type tally struct{ accepted, rejected, foreign, keys, wrong int }

func (c *tally) add(o tally) {
	c.accepted += o.accepted
	c.rejected += o.rejected
	c.foreign += o.foreign
	c.keys += o.keys
	c.wrong += o.wrong
}

// TestWycheproof holds every vector against the keys of this package. One that is
// valid must verify and one that is invalid must not. What is signed in a way that
// hallmark does not accept, over another hash or as other than DER, must not verify
// however valid it is; nor must anything under a key that is refused.
func TestWycheproof(t *testing.T) {
	dir := wycheproof.Fetch(t)
	var all tally
	for _, pattern := range []string{
		"ecdsa_secp256r1_*", "ecdsa_secp384r1_*", "ecdsa_secp521r1_*", "ed25519_test*",
		"rsa_signature_*", "rsa_pss_*",
	} {
		files, err := filepath.Glob(filepath.Join(dir, "testvectors_v1", pattern))
		if err != nil || len(files) == 0 {
			t.Fatalf("no vectors of %s: %v", pattern, err)
		}
		var c tally
		for _, file := range files {
			name := filepath.Base(file)
			for _, g := range wycheproof.Read(t, dir, name) {
				c.add(wycheproofGroup(t, name, g))
			}
		}
		t.Logf("%-18s %3d files: %4d accepted, %4d rejected, %4d foreign ways rejected, %4d under refused keys, %d wrong",
			pattern, len(files), c.accepted, c.rejected, c.foreign, c.keys, c.wrong)
		all.add(c)
	}
	t.Logf("all: %+v", all)
	if all.accepted < 1000 || all.rejected < 2000 || all.wrong > 0 {
		t.Errorf("%+v: fewer vectors than there are, or wrong ones", all)
	}
}

// ourWay reports whether the group is signed in a way that a key of ours accepts.
func ourWay(name string, g wycheproof.Group) bool {
	switch {
	case strings.Contains(name, "p1363"):
		return false
	case strings.HasPrefix(name, "ed25519"), g.SHA == "SHA-256" && g.MGF == "":
		return true
	case g.MGF != "":
		return g.SHA == "SHA-256" && g.MGF == "MGF1" && g.MGFSHA == "SHA-256" && g.SaltLength == crypto.SHA256.Size()
	case strings.HasPrefix(name, "ecdsa_secp384r1"):
		return g.SHA == "SHA-384"
	case strings.HasPrefix(name, "ecdsa_secp521r1"):
		return g.SHA == "SHA-512"
	}
	return false
}

// refusedKey reports whether a key of the group is refused: a weak one, one that is
// too large, or one that is bound to a way of signing that is not ours.
func refusedKey(t *testing.T, name string, g wycheproof.Group, err error) bool {
	bound := strings.Contains(name, "_params_") && !ourWay(name, g) && errors.Is(err, key.ErrFormat)
	if err != nil && !bound && !errors.Is(err, key.ErrWeak) && !errors.Is(err, key.ErrLimit) {
		t.Errorf("%s: key: %v", name, err)
	}
	return err != nil
}

func wycheproofGroup(t *testing.T, name string, g wycheproof.Group) (c tally) {
	t.Helper()
	pub, err := key.ParsePublic([]byte(g.PEM))
	if refusedKey(t, name, g, err) {
		c.keys = len(g.Vectors)
		return c
	}
	if g.MGF != "" { // a key for PSS alone
		pub = marked(t, pub)
	}
	ours := ourWay(name, g)
	for _, v := range g.Vectors {
		err := pub.VerifyMessage(v.Signature, bytes.NewReader(v.Message))
		holds := err == nil
		switch {
		case err != nil && !errors.Is(err, key.ErrSignature):
			t.Errorf("%s %d (%s): an error of another kind: %v", name, v.ID, v.Comment, err)
			c.wrong++
		case !ours && holds && !inOurWay(g, v):
			t.Errorf("%s %d (%s, %s): verifies, and is not signed in a way that is accepted", name, v.ID, v.Comment, v.Result)
			c.wrong++
		case !ours:
			c.foreign++
		case holds && v.Result == "invalid", !holds && v.Result == "valid":
			t.Errorf("%s %d (%s): is %s, verifies: %v", name, v.ID, v.Comment, v.Result, holds)
			c.wrong++
		case holds:
			c.accepted++
		default:
			c.rejected++
		}
	}
	return c
}

// inOurWay reports whether a vector of a foreign group is a good signature as we
// take them: one with a salt as long as the hash, where the group has another, or
// one over SHA-256, where the group has another hash.
func inOurWay(g wycheproof.Group, v wycheproof.Vector) bool {
	if g.MGF == "" {
		return strings.HasPrefix(v.Comment, "The message is hashed with SHA-256 instead of")
	}
	return g.SHA == "SHA-256" && g.MGFSHA == "SHA-256" && v.Comment == "s_len changed to 32"
}

// marked returns the RSA key with the mark for PSS: what a PEM of ours holds for it.
func marked(t *testing.T, pub *key.Public) *key.Public {
	t.Helper()
	block, _ := pem.Decode(pub.PEM())
	rsaOID := []byte{0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01}
	if !bytes.Contains(block.Bytes, rsaOID) {
		return pub
	}
	block.Bytes = bytes.Replace(block.Bytes, rsaOID, append(bytes.Clone(rsaOID[:10]), 0x0a), 1)
	out, err := key.ParsePublic(pem.EncodeToMemory(block))
	if err != nil || !strings.HasPrefix(out.Algorithm(), "rsa-pss-") {
		t.Fatalf("mark a key for PSS: %v", err)
	}
	return out
}
