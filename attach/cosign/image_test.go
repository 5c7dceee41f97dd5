package cosign

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/hallmark-oci/hallmark/attach"
)

const (
	helloDigest = "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824" // sha256sum of "hello"
	goodLayer   = `{"mediaType":"m","size":5,"digest":"` + helloDigest + `","annotations":{"a":"b"},"x-unknown":[1]}`
)

func manifestOf(layers ...string) []byte {
	return []byte(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","layers":[` + strings.Join(layers, ",") + `]}`)
}

// TestParseLayers shows that a bad layer is reported and its neighbours stand.
func TestParseLayers(t *testing.T) {
	many := make([]string, attach.MaxAnnotations+1)
	for i := range many {
		many[i] = fmt.Sprintf(`"k%d":""`, i)
	}
	layer := func(rest string) string {
		return `{"mediaType":"m","size":5,"digest":"` + helloDigest + `"` + rest + `}`
	}
	tests := []struct {
		name, layer string
		want        error
	}{
		{"plain", layer(""), nil},
		{"good data", layer(`,"data":"aGVsbG8="`), nil},
		{"other data", layer(`,"data":"aGVsbE8="`), attach.ErrDigest},
		{"short data", layer(`,"data":"aGVs"`), attach.ErrDigest},
		{"empty data", layer(`,"data":""`), attach.ErrDigest},
		{"data is no base64", layer(`,"data":"?"`), attach.ErrMalformed},
		{"no size", `{"mediaType":"m","digest":"` + helloDigest + `"}`, attach.ErrMalformed},
		{"negative size", `{"mediaType":"m","size":-1,"digest":"` + helloDigest + `"}`, attach.ErrMalformed},
		{"broken size", `{"mediaType":"m","size":1e99,"digest":"` + helloDigest + `"}`, attach.ErrMalformed},
		{"size in text", `{"mediaType":"m","size":"5","digest":"` + helloDigest + `"}`, attach.ErrMalformed},
		{"no digest", `{"mediaType":"m","size":5}`, attach.ErrMalformed},
		{"other algorithm", `{"mediaType":"m","size":5,"digest":"sha512:00"}`, attach.ErrMalformed},
		{"other case", `{"mediaType":"m","size":5,"Digest":"` + helloDigest + `"}`, attach.ErrMalformed},
		{"number", `7`, attach.ErrMalformed},
		{"null", `null`, attach.ErrMalformed},
		{"many annotations", layer(`,"annotations":{` + strings.Join(many, ",") + `}`), attach.ErrLimit},
		{"long annotation", layer(`,"annotations":{"a":"` + strings.Repeat("x", attach.MaxAnnotation) + `"}`), attach.ErrLimit},
		{"annotation is a number", layer(`,"annotations":{"a":1}`), attach.ErrMalformed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			img, err := Parse(manifestOf(goodLayer, tt.layer, goodLayer))
			if err != nil || len(img.Entries) != 3 {
				t.Fatalf("%+v, %v", img, err)
			}
			if got := img.Entries[1].Err; !errors.Is(got, tt.want) || tt.want == nil && got != nil {
				t.Errorf("got %v, want %v", got, tt.want)
			}
			if img.Entries[0].Err != nil || img.Entries[2].Err != nil || img.Entries[0].ID() != img.Entries[2].ID() {
				t.Error("its neighbours suffer")
			}
			raw, config, err := img.Encode()
			if err != nil || !bytes.Contains(raw, []byte(tt.layer)) || !bytes.Contains(raw, []byte(`"x-unknown":[1]`)) {
				t.Errorf("layers do not come back as they were: %s, %v", raw, err)
			}
			if n := bytes.Count(config, []byte("sha256:")); n != 3 {
				t.Errorf("%d diff IDs for 3 layers", n)
			}
		})
	}
}

// TestParseRefuses shows what spoils a manifest as a whole.
func TestParseRefuses(t *testing.T) {
	for name, tt := range map[string]struct {
		raw  string
		want error
	}{
		"empty":           {"", attach.ErrMalformed},
		"cut off":         {`{"layers":[`, attach.ErrMalformed},
		"array":           {`[]`, attach.ErrMalformed},
		"two documents":   {`{"layers":[]}{}`, attach.ErrMalformed},
		"index":           {`{"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}`, attach.ErrMalformed},
		"no type":         {`{}`, attach.ErrMalformed},
		"layers twice":    {`{"layers":[],"layers":[]}`, attach.ErrMalformed},
		"twice, escaped":  {`{"layers":[],"l\u0061yers":[]}`, attach.ErrMalformed},
		"twice, deep":     {`{"layers":[{"annotations":{"a":"","a":""}}]}`, attach.ErrMalformed},
		"no UTF-8":        {"{\"layers\":[],\"a\":\"\xff\"}", attach.ErrMalformed},
		"deep":            {`{"layers":[],"a":` + strings.Repeat("[", 200) + strings.Repeat("]", 200) + `}`, attach.ErrMalformed},
		"layers no array": {`{"layers":{}}`, attach.ErrMalformed},
		"broken subject":  {`{"layers":[],"subject":{}}`, attach.ErrMalformed},
		"too many layers": {string(manifestOf(strings.Repeat(`{},`, attach.MaxEntries) + `{}`)), attach.ErrLimit},
		"too large":       {`{"layers":[]}` + strings.Repeat(" ", attach.MaxManifest), attach.ErrLimit},
	} {
		if _, err := Parse([]byte(tt.raw)); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", name, err, tt.want)
		}
	}
}

func TestEncodeLimit(t *testing.T) {
	var img Image
	for i := range 100 {
		c := NewSignature([]byte("p"), fmt.Append(nil, i))
		c.Annotations[CertificateAnnotation] = strings.Repeat("x", attach.MaxAnnotation-100)
		img.Entries = append(img.Entries, entry(t, c))
	}
	if _, _, err := img.Encode(); !errors.Is(err, attach.ErrLimit) {
		t.Errorf("%v", err)
	}
}

func TestNewEntry(t *testing.T) {
	for size, inline := range map[int]bool{0: false, 1: true, attach.MaxData: true, attach.MaxData + 1: false} {
		e := entry(t, NewSBOM(attach.Bytes(make([]byte, size)), SPDXJSON, "all"))
		if (e.Desc.Data != nil) != inline || e.Desc.Annotations[ScopeAnnotation] != "all" {
			t.Errorf("%d bytes: %+v", size, e.Desc)
		}
		if e.WithoutData().Desc.Data != nil || e.WithoutData().ID() != e.ID() {
			t.Errorf("%d bytes: without data it is another entry", size)
		}
	}
	body := attach.Bytes([]byte("hello"))
	body.Digest = attach.DigestOf([]byte("other"))
	if _, err := NewEntry(NewSBOM(body, SPDXJSON, "")); !errors.Is(err, attach.ErrDigest) {
		t.Errorf("content that is not that of the digest: %v", err)
	}
	if c := NewSBOM(body, SPDXJSON, ""); c.Annotations != nil {
		t.Errorf("annotations of an SBOM without scope: %v", c.Annotations)
	}
}

// TestNames takes the payload of cosign's SIGNATURE_SPEC.md, spelled as cosign
// spells it, and a statement of the in-toto specification.
func TestNames(t *testing.T) {
	h, _ := v1.NewHash(helloDigest)
	other := attach.DigestOf(nil)
	payload := func(digest string) string {
		return `{"critical":{"identity":{"docker-reference":"gcr.io/x"},"image":{"docker-manifest-digest":"` + digest + `"},"type":"cosign container image signature"},"optional":null}`
	}
	envelope := func(statement string) string {
		return `{"payloadType":"application/vnd.in-toto+json","payload":"` + base64.StdEncoding.EncodeToString([]byte(statement)) + `","signatures":[]}`
	}
	statement := func(hex string) string {
		return `{"_type":"https://in-toto.io/Statement/v0.1","subject":[{"name":"a","digest":{"sha256":"` + other.Hex + `"}},{"name":"b","digest":{"sha256":"` + hex + `"}}],"predicate":{}}`
	}
	for _, tt := range []struct {
		kind    attach.Kind
		content string
		ok      bool
	}{
		{attach.Signature, payload(h.String()), true},
		{attach.Signature, payload(other.String()), false},
		{attach.Signature, payload(h.Hex), false},
		{attach.Signature, strings.Replace(payload(h.String()), `"image":`, `"image":{},"image":`, 1), false},
		{attach.Signature, strings.Replace(payload(h.String()), "docker-manifest", "Docker-manifest", 1), false},
		{attach.Signature, `{"critical":null}`, false},
		{attach.Signature, ``, false},
		{attach.Attestation, envelope(statement(h.Hex)), true},
		{attach.Attestation, envelope(statement("00")), false},
		{attach.Attestation, envelope(`{"subject":{}}`), false},
		{attach.Attestation, envelope(`{}`), false},
		{attach.Attestation, envelope(`x`), false},
		{attach.Attestation, `{"payload":"?"}`, false},
		{attach.Attestation, payload(h.String()), false},
		{attach.SBOM, "anything", true},
	} {
		err := Names(tt.kind, []byte(tt.content), h)
		if (err == nil) != tt.ok || err != nil && !errors.Is(err, attach.ErrMalformed) {
			t.Errorf("%s %s: %v", tt.kind, tt.content, err)
		}
	}
}

// FuzzParse looks for panics, for limits that do not hold, and for images that
// change when they are written and read again.
func FuzzParse(f *testing.F) {
	f.Add(manifestOf(goodLayer))
	f.Add(manifestOf(goodLayer, `{}`, `null`))
	f.Add([]byte(`{"layers":[],"layers":[]}`))
	f.Add([]byte(`{"layers":null,"subject":null,"annotations":{"a":"\ud800"},"artifactType":"t"}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		img, err := Parse(raw)
		if err != nil {
			if !attach.Judged(err) {
				t.Errorf("not a judgement: %v", err)
			}
			return
		}
		if len(img.Entries) > attach.MaxEntries {
			t.Fatalf("%d entries", len(img.Entries))
		}
		written, _, err := img.Encode()
		if err != nil {
			return
		}
		again, err := Parse(written)
		if err != nil || len(again.Entries) != len(img.Entries) {
			t.Fatalf("%s\nbecame\n%s: %v", raw, written, err)
		}
		for i := range img.Entries {
			if (img.Entries[i].Err == nil) != (again.Entries[i].Err == nil) {
				t.Fatalf("entry %d of %s changed", i, raw)
			}
			if img.Entries[i].Err == nil && img.Entries[i].ID() != again.Entries[i].ID() {
				t.Fatalf("entry %d of %s has another identity", i, raw)
			}
		}
	})
}

// FuzzNames looks for panics.
func FuzzNames(f *testing.F) {
	f.Add([]byte(`{"critical":{"image":{"docker-manifest-digest":"x"}}}`))
	f.Add([]byte(`{"payload":"e30="}`))
	h, _ := v1.NewHash(helloDigest)
	f.Fuzz(func(t *testing.T, content []byte) {
		for _, k := range []attach.Kind{attach.Signature, attach.Attestation} {
			if err := Names(k, content, h); err == nil && !bytes.Contains(content, []byte(h.Hex[:8])) && k == attach.Signature && !bytes.Contains(content, []byte(`\u`)) {
				t.Errorf("%s does not name the subject", content)
			}
		}
	})
}
