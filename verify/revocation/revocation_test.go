package revocation_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/hallmark-oci/hallmark/sign"
	"github.com/hallmark-oci/hallmark/sign/key"
	"github.com/hallmark-oci/hallmark/verify"
	"github.com/hallmark-oci/hallmark/verify/revocation"
)

func newKey(t testing.TB) *key.Private {
	t.Helper()
	k, err := key.Generate(key.ECDSAP256)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// issued is when the lists of the tests are issued.
func issued() time.Time { return time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC) }

// at is a clock that stands still, that long after the issue.
func at(after time.Duration) func() time.Time {
	return func() time.Time { return issued().Add(after) }
}

func sum(fill string) v1.Hash {
	return v1.Hash{Algorithm: "sha256", Hex: strings.Repeat(fill, 64)}
}

// full is a list with an entry of each kind.
func full() revocation.List {
	why := revocation.Why{Reason: "key-compromise", Date: issued().Add(-time.Hour), Note: "laptop lost"}
	return revocation.List{
		Name: "release", Sequence: 7, Issued: issued(), Expires: issued().Add(30 * 24 * time.Hour),
		Keys: []revocation.Key{{Fingerprint: key.Fingerprint{1, 2, 3}, Why: why}},
		Certificates: []revocation.Certificate{
			{SHA256: [32]byte{4, 5}, Why: why},
			{Serial: verify.Serial{Issuer: "CN=ca,O=example", Number: "1f"}, Why: why},
		},
		Identities: []revocation.Identity{{Name: verify.Name{Subject: "a@example.com", Issuer: "https://id.example"}, Why: why}},
		Digests:    []revocation.Digest{{Digest: sum("a"), Why: revocation.Why{Reason: "malicious", Date: issued()}}},
	}
}

func signed(t testing.TB, l revocation.List, k *key.Private) []byte {
	t.Helper()
	text, err := revocation.Sign(t.Context(), l, k)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// TestRoundTrip: what is made is read, signed and not.
func TestRoundTrip(t *testing.T) {
	k := newKey(t)
	text, err := full().Encode()
	if err != nil {
		t.Fatal(err)
	}
	if l, err := revocation.Parse(text); err != nil || !reflect.DeepEqual(l, full()) {
		t.Errorf("%+v, %v", l, err)
	}
	l, r, err := revocation.Open(t.Context(), signed(t, full(), k), revocation.Demand{Keys: []*key.Public{k.PublicKey()}, Name: "release", Least: 7, Now: at(0)})
	if err != nil || !reflect.DeepEqual(l, full()) {
		t.Errorf("%+v, %v", l, err)
	}
	if c := r.Image(sum("a")); c.Reason != verify.Revoked {
		t.Errorf("a revoked digest: %+v", c)
	}
	if c := r.Image(sum("b")); c.Outcome != verify.Accept || !c.Until.Equal(full().Expires) || !strings.Contains(c.Detail, "release (number 7)") {
		t.Errorf("another one: %+v", c)
	}
}

// TestAdd: what is there already is not there twice.
func TestAdd(t *testing.T) {
	l := full()
	if n := l.Add(full()).Len(); n != l.Len() {
		t.Errorf("%d entries of %d", n, l.Len())
	}
	more := full()
	more.Keys[0].Fingerprint[0]++
	if n := l.Add(more).Len(); n != l.Len()+1 || l.Len() != full().Len() {
		t.Errorf("%d entries", n)
	}
}

// TestOpen: each way in which a list is not the one that is asked for, and beside it
// the nearest one that is.
func TestOpen(t *testing.T) {
	k, other := newKey(t), newKey(t)
	good := signed(t, full(), k)
	for name, c := range map[string]struct {
		text   []byte
		demand revocation.Demand
		want   verify.Reason // empty: it is read
	}{
		"as asked for":             {good, revocation.Demand{Name: "release", Least: 7}, ""},
		"one of two keys":          {good, revocation.Demand{Keys: []*key.Public{other.PublicKey(), k.PublicKey()}}, ""},
		"by another key":           {good, revocation.Demand{Keys: []*key.Public{other.PublicKey()}}, verify.RevocationsUntrusted},
		"another list":             {good, revocation.Demand{Name: "releases"}, verify.RevocationsMalformed},
		"a lower number":           {good, revocation.Demand{Least: 8}, verify.RevocationsOld},
		"issued a little later":    {good, revocation.Demand{Now: at(-5 * time.Minute)}, ""},
		"issued later":             {good, revocation.Demand{Now: at(-5*time.Minute - time.Second)}, verify.RevocationsStale},
		"changed":                  {bytes.Replace(good, []byte(`"payload":"ew`), []byte(`"payload":"fw`), 1), revocation.Demand{}, verify.RevocationsUntrusted},
		"not signed":               {unsigned(t, good), revocation.Demand{}, verify.RevocationsMalformed},
		"the bare document":        {bare(t), revocation.Demand{}, verify.RevocationsMalformed},
		"a signed file":            {overFile(t, k), revocation.Demand{}, verify.RevocationsMalformed},
		"signed as something else": {as(t, k, "application/vnd.in-toto+json", bare(t)), revocation.Demand{}, verify.RevocationsMalformed},
		"signed and no list":       {as(t, k, revocation.Type, []byte(`{}`)), revocation.Demand{}, verify.RevocationsMalformed},
		"too large":                {bytes.Repeat([]byte(" "), revocation.MaxFile+1), revocation.Demand{}, verify.RevocationsMalformed},
		"empty":                    {nil, revocation.Demand{}, verify.RevocationsMalformed},
	} {
		if c.demand.Keys == nil {
			c.demand.Keys = []*key.Public{k.PublicKey()}
		}
		if c.demand.Now == nil {
			c.demand.Now = at(0)
		}
		l, r, err := revocation.Open(t.Context(), c.text, c.demand)
		var refusal *revocation.Refusal
		switch {
		case c.want == "" && err == nil:
		case c.want == "" || !errors.As(err, &refusal) || refusal.Reason != c.want:
			t.Errorf("%s: %v", name, err)
		case l.Len() > 0 || r.Hash() != [32]byte{}:
			t.Errorf("%s: refused, and something came of it", name)
		}
	}
	if _, _, err := revocation.Open(t.Context(), good, revocation.Demand{Keys: []*key.Public{k.PublicKey()}}); !errors.Is(err, verify.ErrConfig) {
		t.Errorf("no clock: %v", err)
	}
	if _, _, err := revocation.Open(t.Context(), good, revocation.Demand{Now: at(0)}); !errors.Is(err, verify.ErrConfig) {
		t.Errorf("no key: %v", err)
	}
}

// TestAge: a list is believed until it expires or is older than may be, whichever
// comes first. Then what it revokes is revoked still, and nothing else is known.
func TestAge(t *testing.T) {
	k := newKey(t)
	text := signed(t, full(), k)
	day := 24 * time.Hour
	for _, c := range []struct {
		age, now time.Duration
		want     verify.Outcome
	}{
		{0, 30*day - time.Second, verify.Accept},
		{0, 30 * day, verify.Undetermined},
		{7 * day, 7*day - time.Second, verify.Accept},
		{7 * day, 7 * day, verify.Undetermined},
		{60 * day, 30*day - time.Second, verify.Accept},
		{60 * day, 30 * day, verify.Undetermined},
	} {
		_, r, err := revocation.Open(t.Context(), text, revocation.Demand{Keys: []*key.Public{k.PublicKey()}, MaxAge: c.age, Now: at(c.now)})
		if err != nil {
			t.Fatal(err)
		}
		if got := r.Image(sum("b")); got.Outcome != c.want {
			t.Errorf("%v old, %v allowed: %+v", c.now, c.age, got)
		}
		if got := r.Image(sum("a")); got.Outcome != verify.Reject {
			t.Errorf("%v old: a revoked digest: %+v", c.now, got)
		}
	}
}

// unsigned returns the bundle without its signature.
func unsigned(t *testing.T, text []byte) []byte {
	t.Helper()
	var b map[string]any
	if err := json.Unmarshal(text, &b); err != nil {
		t.Fatal(err)
	}
	b["dsseEnvelope"].(map[string]any)["signatures"] = []any{}
	out, err := json.Marshal(b)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// bare is the document without anything around it.
func bare(t *testing.T) []byte {
	t.Helper()
	text, err := full().Encode()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// as signs a text as a document of that type.
func as(t *testing.T, k *key.Private, typ string, text []byte) []byte {
	t.Helper()
	out, err := sign.Document(t.Context(), typ, text, k)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// overFile signs the document as a file.
func overFile(t *testing.T, k *key.Private) []byte {
	t.Helper()
	text := bare(t)
	s, err := sign.Blob(t.Context(), func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(text)), nil }, k)
	if err != nil {
		t.Fatal(err)
	}
	return s.Bundle
}

// TestParseRefuses: what is no list, or means different things to different readers.
func TestParseRefuses(t *testing.T) {
	good := string(bare(t))
	if _, err := revocation.Parse([]byte(good)); err != nil {
		t.Fatal(err)
	}
	change := func(old, new string) string {
		if !strings.Contains(good, old) {
			t.Fatalf("%s is not there", old)
		}
		return strings.Replace(good, old, new, 1)
	}
	for name, text := range map[string]string{
		"empty":                     "",
		"an array":                  "[]",
		"text behind":               good + "{}",
		"a member twice":            change(`"name": "release"`, `"name": "release", "name": "release"`),
		"a member by another case":  change(`"keys"`, `"Keys"`),
		"a member of the future":    change(`"keys"`, `"authorities"`),
		"an entry of the future":    change(`"note": "laptop lost"`, `"from": "2026-01-01T00:00:00Z"`),
		"no name":                   change(`"name": "release"`, `"name": ""`),
		"a name with a line break":  change(`"name": "release"`, `"name": "re\nlease"`),
		"sequence 0":                change(`"sequence": 7`, `"sequence": 0`),
		"a negative sequence":       change(`"sequence": 7`, `"sequence": -7`),
		"a broken sequence":         change(`"sequence": 7`, `"sequence": 7.5`),
		"a sequence beyond numbers": change(`"sequence": 7`, `"sequence": 99999999999999999999`),
		"a sequence in words":       change(`"sequence": 7`, `"sequence": "7"`),
		"no issue":                  change(`"issued": "2026-11-30T12:00:00Z",`, ``),
		"no expiry":                 change(`"expires": "2026-12-30T12:00:00Z",`, ``),
		"expired before its issue":  change(`"2026-12-30T12:00:00Z"`, `"2026-11-30T12:00:00Z"`),
		"for ever":                  change(`"2026-12-30T12:00:00Z"`, `"2028-12-30T12:00:00Z"`),
		"no time":                   change(`"2026-12-30T12:00:00Z"`, `"tomorrow"`),
		"a fingerprint of MD5":      change(`"sha256:0102`, `"md5:0102`),
		"a short fingerprint":       change(`"sha256:0102`, `"sha256:02`),
		"no fingerprint":            change(`"fingerprint"`, `"note2"`),
		"an upper-case digest":      change(strings.Repeat("a", 64), strings.Repeat("A", 64)),
		"no reason":                 change(`"reason": "malicious",`, ``),
		"a reason of its own":       change(`"malicious"`, `"because"`),
		"no date":                   change(`"date": "2026-11-30T11:00:00Z",`, ``),
		"a certificate without":     change(`"sha256": "0405`+strings.Repeat("00", 30)+`",`, ``),
		"a number without name":     change(`"authority": "CN=ca,O=example",`, ``),
		"a number with zeros":       change(`"serial": "1f"`, `"serial": "01f"`),
		"a decimal number":          change(`"serial": "1f"`, `"serial": "1F"`),
		"an identity without":       change(`"subject": "a@example.com",`, ``),
		"an identity of anybody":    change(`"issuer": "https://id.example",`, ``),
		"a long note":               change(`laptop lost`, strings.Repeat("x", revocation.MaxText+1)),
		"deep":                      change(`"laptop lost"`, strings.Repeat("[", 10000)),
		"too large":                 good + strings.Repeat(" ", revocation.MaxList),
	} {
		if l, err := revocation.Parse([]byte(text)); !errors.Is(err, revocation.ErrMalformed) {
			t.Errorf("%s: %+v, %v", name, l, err)
		}
	}
}

// TestMany: as many entries as there may be are read, and one more is not.
func TestMany(t *testing.T) {
	l := full()
	l.Keys, l.Certificates, l.Identities = nil, nil, nil
	for len(l.Digests) < revocation.MaxEntries {
		l.Digests = append(l.Digests, revocation.Digest{Digest: v1.Hash{Algorithm: "sha256", Hex: fmt.Sprintf("%064x", len(l.Digests))}, Why: l.Digests[0].Why})
	}
	text, err := l.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := revocation.Parse(text); err != nil || got.Len() != revocation.MaxEntries {
		t.Errorf("%d entries, %v", got.Len(), err)
	}
	more := bytes.Replace(text, []byte(`"digests": [`), []byte(`"digests": [{"digest":"sha256:`+strings.Repeat("f", 64)+`","reason":"malicious","date":"2026-11-30T12:00:00Z"},`), 1)
	if _, err := revocation.Parse(more); !errors.Is(err, revocation.ErrMalformed) {
		t.Errorf("one more: %v", err)
	}
	l.Digests = append(l.Digests, l.Digests[0])
	if _, err := l.Encode(); !errors.Is(err, revocation.ErrMalformed) {
		t.Errorf("encode one more: %v", err)
	}
}

// FuzzParse: whatever a list holds, it is refused or comes out again as it went in.
func FuzzParse(f *testing.F) {
	text, err := full().Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(`{"name":"x","sequence":1,"issued":"2026-11-30T12:00:00+01:00","expires":"2026-12-01T00:00:00Z"}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		l, err := revocation.Parse(text)
		if err != nil {
			if !errors.Is(err, revocation.ErrMalformed) {
				t.Errorf("an error of no kind: %v", err)
			}
			return
		}
		again, err := l.Encode()
		if err != nil {
			t.Fatalf("read and not written: %v", err)
		}
		if back, err := revocation.Parse(again); err != nil || back.Len() != l.Len() || back.Sequence != l.Sequence {
			t.Errorf("%+v, %v", back, err)
		}
	})
}

// FuzzOpen: no change to a signed list is accepted as it, or as another.
func FuzzOpen(f *testing.F) {
	k := newKey(f)
	good := signed(f, full(), k)
	f.Add(good)
	d := revocation.Demand{Keys: []*key.Public{k.PublicKey()}, Now: at(0)}
	f.Fuzz(func(t *testing.T, text []byte) {
		l, _, err := revocation.Open(context.Background(), text, d)
		var refusal *revocation.Refusal
		if err == nil && !reflect.DeepEqual(l, full()) || err != nil && !errors.As(err, &refusal) {
			t.Errorf("%+v, %v", l, err)
		}
	})
}
