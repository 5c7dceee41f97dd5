package payload_test

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/hallmark-oci/hallmark/sign/payload"
	sigstore "github.com/sigstore/sigstore/pkg/signature/payload"
)

const digest = "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"

// theirs is what cosign signs.
func theirs(t *testing.T, repo string, annotations map[string]any) []byte {
	t.Helper()
	ref, err := name.NewDigest(repo + "@" + digest)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := sigstore.Cosign{Image: ref, Annotations: annotations}.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestSimpleSigningIsCosigns(t *testing.T) {
	for _, annotations := range []map[string]string{
		nil, {}, {"env": "prod"}, {"b": "2", "a": "1", "c": "<&>\u2028 é \"\\\n"}, {"empty": ""},
	} {
		var loose map[string]any
		for k, v := range annotations {
			if loose == nil {
				loose = make(map[string]any)
			}
			loose[k] = v
		}
		want := theirs(t, "registry.example/app/web", loose)
		got, err := payload.NewSimpleSigning("registry.example/app/web", digest, annotations)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%v: %v\n got %s\nwant %s", annotations, err, got, want)
		}
		p, err := payload.ParseSimpleSigning(want)
		if err != nil {
			t.Fatal(err)
		}
		if p.Reference != "registry.example/app/web" || p.Digest != digest || !reflect.DeepEqual(p.Optional, loose) {
			t.Errorf("parsed %+v", p)
		}
	}
}

func TestNewSimpleSigningRefuses(t *testing.T) {
	cases := map[string]struct {
		ref, digest string
		annotations map[string]string
	}{
		"no digest":       {"r/a", "", nil},
		"short digest":    {"r/a", digest[:70], nil},
		"capitals":        {"r/a", strings.ToUpper(digest), nil},
		"capital digits":  {"r/a", "sha256:" + strings.ToUpper(digest[7:]), nil},
		"sha512":          {"r/a", "sha512:" + digest[7:], nil},
		"bad reference":   {"r/\xff", digest, nil},
		"bad name":        {"r/a", digest, map[string]string{"\xff": "x"}},
		"bad value":       {"r/a", digest, map[string]string{"x": "\xff"}},
		"empty name":      {"r/a", digest, map[string]string{"": "x"}},
		"too large":       {"r/a", digest, map[string]string{"x": strings.Repeat("y", payload.MaxSimpleSigning)}},
		"not hexadecimal": {"r/a", "sha256:" + strings.Repeat("g", 64), nil},
	}
	for what, c := range cases {
		if raw, err := payload.NewSimpleSigning(c.ref, c.digest, c.annotations); !errors.Is(err, payload.ErrMalformed) {
			t.Errorf("%s: %s, %v", what, raw, err)
		}
	}
}

func TestParseSimpleSigningRefuses(t *testing.T) {
	good := `{"critical":{"identity":{"docker-reference":"r/a"},"image":{"docker-manifest-digest":"` + digest +
		`"},"type":"cosign container image signature"},"optional":{"a":"1"}}`
	if _, err := payload.ParseSimpleSigning([]byte(good)); err != nil {
		t.Fatal(err)
	}
	swap := func(old, new string) string {
		if !strings.Contains(good, old) {
			t.Fatalf("%q is not in the payload", old)
		}
		return strings.Replace(good, old, new, 1)
	}
	cases := map[string]string{
		"empty":                  "",
		"null":                   "null",
		"array":                  "[" + good + "]",
		"trailing bytes":         good + "x",
		"second document":        good + good,
		"byte order mark":        "\ufeff" + good,
		"capital Critical":       swap(`"critical"`, `"Critical"`),
		"capital member":         swap(`"docker-manifest-digest"`, `"Docker-manifest-digest"`),
		"capital twin":           swap(`"type":`, `"Type":"x","type":`),
		"critical twice":         swap(`"optional"`, `"critical":{},"optional"`),
		"digest twice":           swap(`{"docker-manifest`, `{"docker-manifest-digest":"`+digest+`","docker-manifest`),
		"digest twice, escaped":  swap(`{"docker-manifest`, `{"docker-manifest-dige\u0073t":"`+digest+`","docker-manifest`),
		"annotation twice":       swap(`"a":"1"`, `"a":"1","a":"1"`),
		"annotation twice, deep": swap(`"a":"1"`, `"a":[{"b":1,"b":2}]`),
		"unknown top member":     swap(`"optional"`, `"extra":1,"optional"`),
		"unknown critical":       swap(`"type"`, `"extra":1,"type"`),
		"no type":                swap(`,"type":"cosign container image signature"`, ``),
		"atomic":                 swap(`cosign container image`, `atomic container`),
		"type, case":             swap(`cosign container`, `Cosign container`),
		"type, space":            swap(`signature"`, `signature "`),
		"no critical":            `{"optional":null}`,
		"no digest":              swap(`"docker-manifest-digest":"`+digest+`"`, ``),
		"digest null":            swap(`"`+digest+`"`, `null`),
		"digest of sha512":       swap(`sha256:`, `sha512:`),
		"digest with a space":    swap(`sha256:9`, `sha256: 9`),
		"digest in capitals":     swap(digest, "sha256:"+strings.ToUpper(digest[7:])),
		"optional is a list":     swap(`{"a":"1"}`, `[]`),
		"invalid UTF-8":          swap(`"1"`, "\"\xff\""),
		"half a surrogate":       swap(`"1"`, `"\ud800"`),
		"deep":                   swap(`"1"`, strings.Repeat("[", 600)+strings.Repeat("]", 600)),
		"large":                  good + strings.Repeat(" ", payload.MaxSimpleSigning),
	}
	for what, text := range cases {
		if p, err := payload.ParseSimpleSigning([]byte(text)); !errors.Is(err, payload.ErrMalformed) {
			t.Errorf("%s: %+v, %v", what, p, err)
		}
	}
	for what, text := range map[string]string{
		"null optional": swap(`{"a":"1"}`, `null`), "no optional": swap(`,"optional":{"a":"1"}`, ``), "empty optional": swap(`{"a":"1"}`, `{}`),
	} {
		if p, err := payload.ParseSimpleSigning([]byte(text)); err != nil || p.Optional != nil {
			t.Errorf("%s: %+v, %v", what, p, err)
		}
	}
}

// FuzzParseSimpleSigning checks that whatever is accepted means the same to the
// sigstore library, and survives being written again.
func FuzzParseSimpleSigning(f *testing.F) {
	for _, annotations := range []map[string]string{nil, {"a": "1"}, {"é": "\u2028<"}} {
		raw, err := payload.NewSimpleSigning("registry.example/app", digest, annotations)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Add([]byte(`{"critical":{"type":"cosign container image signature"}}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		p, err := payload.ParseSimpleSigning(raw)
		if err != nil {
			if !errors.Is(err, payload.ErrMalformed) {
				t.Fatalf("error of no kind: %v", err)
			}
			return
		}
		var c sigstore.Cosign
		if err := c.UnmarshalJSON(raw); err != nil {
			return // it also parses the reference
		}
		if c.Image.DigestStr() != p.Digest || c.ClaimedIdentity != p.Reference || len(c.Annotations) != len(p.Optional) {
			t.Fatalf("%+v differs from %+v", p, c)
		}
	})
}
