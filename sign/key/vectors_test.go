package key_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/asn1"
	"encoding/hex"
	"math/big"
	"strings"
	"testing"

	"github.com/hallmark-oci/hallmark/sign/key"
)

// TestRFC6979 checks the deterministic signatures over SHA-256 of RFC 6979,
// sections A.2.5 to A.2.7.
func TestRFC6979(t *testing.T) {
	cases := []struct {
		curve            elliptic.Curve
		x, message, r, s string
	}{
		{elliptic.P256(), "C9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721", "sample",
			"EFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716",
			"F7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8"},
		{elliptic.P256(), "C9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721", "test",
			"F1ABB023518351CD71D881567B1EA663ED3EFCF6C5132B354F28D3B0B7D38367",
			"019F4113742A2B14BD25926B49C649155F267E60D3814B4C0CC84250E46F0083"},
		{elliptic.P384(), "6B9D3DAD2E1B8C1C05B19875B6659F4DE23C3B667BF297BA9AA47740787137D896D5724E4C70A825F872C9EA60D2EDF5", "sample",
			"21B13D1E013C7FA1392D03C5F99AF8B30C570C6F98D4EA8E354B63A21D3DAA33BDE1E888E63355D92FA2B3C36D8FB2CD",
			"F3AA443FB107745BF4BD77CB3891674632068A10CA67E3D45DB2266FA7D1FEEBEFDC63ECCD1AC42EC0CB8668A4FA0AB0"},
		{elliptic.P521(), "00FAD06DAA62BA3B25D2FB40133DA757205DE67F5BB0018FEE8C86E1B68C7E75CAA896EB32F1F47C70855836A6D16FCC1466F6D8FBEC67DB89EC0C08B0E996B83538", "sample",
			"01511BB4D675114FE266FC4372B87682BAECC01D3CC62CF2303C92B3526012659D16876E25C7C1E57648F23B73564D67F61C6F14D527D54972810421E7D87589E1A7",
			"004A171143A83163D6DF460AAF61522695F207A58B95C0644D87E52AA1A347916E4F7A72930B1BC06DBE22CE3F58264AFD23704CBB63B29B931F7DE6C9D949A7ECFC"},
	}
	for _, c := range cases {
		d, err := hex.DecodeString(c.x)
		if err != nil {
			t.Fatal(err)
		}
		priv, err := ecdsa.ParseRawPrivateKey(c.curve, d)
		if err != nil {
			t.Fatal(err)
		}
		k, err := key.NewPrivate(priv)
		if err != nil {
			t.Fatal(err)
		}
		sig, err := k.Sign(t.Context(), strings.NewReader(c.message))
		if err != nil {
			t.Fatal(err)
		}
		var got struct{ R, S *big.Int }
		if rest, err := asn1.Unmarshal(sig, &got); err != nil || len(rest) > 0 {
			t.Fatal(rest, err)
		}
		number := func(s string) *big.Int { n, _ := new(big.Int).SetString(s, 16); return n }
		if got.R.Cmp(number(c.r)) != 0 || got.S.Cmp(number(c.s)) != 0 {
			t.Errorf("%s %q: r=%X s=%X", c.curve.Params().Name, c.message, got.R, got.S)
		}
	}
}

// TestForms takes a good ECDSA signature and writes it in ways that others read
// too, or once did. Only DER counts, and only with r and s inside the order.
func TestForms(t *testing.T) {
	k := load(t, "ec-p256.sec1.pem")
	sig, err := k.Sign(t.Context(), strings.NewReader("m"))
	if err != nil {
		t.Fatal(err)
	}
	var rs struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(sig, &rs); err != nil {
		t.Fatal(err)
	}
	order := elliptic.P256().Params().N
	der := func(r, s *big.Int) []byte {
		out, err := asn1.Marshal(struct{ R, S *big.Int }{r, s})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	zero := new(big.Int)
	for what, bad := range map[string][]byte{
		"empty":        {},
		"trailing":     append(append([]byte{}, sig...), 0),
		"long length":  append([]byte{0x30, 0x81, sig[1]}, sig[2:]...),
		"r and s raw":  append(rs.R.FillBytes(make([]byte, 32)), rs.S.FillBytes(make([]byte, 32))...),
		"r zero":       der(zero, rs.S),
		"s zero":       der(rs.R, zero),
		"both zero":    der(zero, zero),
		"r too large":  der(new(big.Int).Add(rs.R, order), rs.S),
		"s too large":  der(rs.R, new(big.Int).Add(rs.S, order)),
		"r negative":   der(new(big.Int).Neg(rs.R), rs.S),
		"order":        der(order, order),
		"half of it":   sig[:len(sig)/2],
		"wrong tag":    append([]byte{0x31}, sig[1:]...),
		"r and s swap": der(rs.S, rs.R),
	} {
		if err := k.PublicKey().VerifyMessage(bad, strings.NewReader("m")); err == nil {
			t.Errorf("%s: verifies", what)
		}
	}
}
