package attach

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// TestInIndexAttestations reads an index with the annotations that BuildKit's
// documentation gives ("Image attestation storage").
func TestInIndexAttestations(t *testing.T) {
	hex := func(c string) string { return "sha256:" + strings.Repeat(c, 64) }
	entry := func(digest, os, arch, annotations string) string {
		return fmt.Sprintf(`{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":%q,"size":1,"platform":{"os":%q,"architecture":%q},"annotations":{%s}}`, digest, os, arch, annotations)
	}
	raw := `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[` + strings.Join([]string{
		entry(hex("a"), "linux", "amd64", ""),
		entry(hex("b"), "unknown", "unknown", `"vnd.docker.reference.type":"attestation-manifest","vnd.docker.reference.digest":"`+hex("a")+`"`),
		entry(hex("c"), "unknown", "unknown", `"vnd.docker.reference.type":"attestation-manifest","vnd.docker.reference.digest":"no digest"`),
		entry(hex("d"), "linux", "arm64", `"vnd.docker.reference.type":"attestation-manifest"`),
		entry(hex("e"), "unknown", "unknown", ""),
		entry(hex("f"), "linux", "s390x", `"vnd.docker.reference.digest":"`+hex("a")+`"`),
	}, ",") + `]}`
	s := Subject{Repo: "r", Desc: v1.Descriptor{MediaType: types.OCIImageIndex}}
	children, err := Children(t.Context(), oneManifest{[]byte(raw)}, s)
	if err != nil || len(children) != 6 {
		t.Fatalf("%d children, %v", len(children), err)
	}
	attests := []bool{false, true, true, true, true, false}
	for i, c := range children {
		about, ok := c.About()
		if c.Attests() != attests[i] || ok != (i == 1) || ok && about.String() != hex("a") {
			t.Errorf("child %d: attests %t, about %s, %t", i, c.Attests(), about, ok)
		}
	}
	for platform, want := range map[string]string{"linux/amd64": hex("a"), "linux/s390x": hex("f"), "unknown/unknown": "", "linux/arm64": ""} {
		p, err := v1.ParsePlatform(platform)
		if err != nil {
			t.Fatal(err)
		}
		c, err := Select(children, *p)
		if want == "" && !errors.Is(err, ErrNotFound) || want != "" && c.Subject.Desc.Digest.String() != want {
			t.Errorf("%s: %s, %v", platform, c.Subject.Desc.Digest, err)
		}
	}
}

func TestStatements(t *testing.T) {
	layer := `{"mediaType":"application/vnd.in-toto+json","size":1,"digest":"sha256:` + strings.Repeat("a", 64) + `","annotations":{"in-toto.io/predicate-type":"https://spdx.dev/Document"}}`
	list, err := Statements(t.Context(), oneManifest{[]byte(`{"layers":[` + layer + `,` + layer + `]}`)}, Child{})
	if err != nil || len(list) != 2 || list[0].Annotations[PredicateAnnotation] != "https://spdx.dev/Document" {
		t.Errorf("%+v, %v", list, err)
	}
	for name, raw := range map[string]string{"no JSON": `x`, "bad layer": `{"layers":[{}]}`, "no list": `{"layers":{}}`} {
		if list, err := Statements(t.Context(), oneManifest{[]byte(raw)}, Child{}); !errors.Is(err, ErrMalformed) || list != nil {
			t.Errorf("%s: %+v, %v", name, list, err)
		}
	}
	many := `{"layers":[` + strings.Repeat(layer+",", MaxEntries) + layer + `]}`
	if _, err := Statements(t.Context(), oneManifest{[]byte(many)}, Child{}); !errors.Is(err, ErrLimit) {
		t.Error(err)
	}
}
