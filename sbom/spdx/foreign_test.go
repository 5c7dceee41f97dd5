package spdx_test

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	spdxjson "github.com/spdx/tools-golang/json"
	spdxdoc "github.com/spdx/tools-golang/spdx"
	"github.com/spdx/tools-golang/tagvalue"

	"github.com/hallmark-oci/hallmark/sbom"
	"github.com/hallmark-oci/hallmark/sbom/purl"
	"github.com/hallmark-oci/hallmark/sbom/spdx"
)

// samples returns the folder of documents that the SPDX project publishes with
// its library.
func samples(t testing.TB) string {
	t.Helper()
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/spdx/tools-golang").Output()
	if err != nil {
		t.Fatalf("find the sample documents: %v", err)
	}
	return filepath.Join(strings.TrimSpace(string(dir)), "examples", "sample-docs")
}

// TestSamples reads the documents that show every field of SPDX.
func TestSamples(t *testing.T) {
	for name, read := range map[string]func(io.Reader) (*spdxdoc.Document, error){
		"json/SPDXJSONExample-v2.2.spdx.json": spdxjson.Read, "json/SPDXJSONExample-v2.3.spdx.json": spdxjson.Read,
		"tv/hello.spdx": tagvalue.Read, "tv/SPDXTagExample-v2.3.spdx": tagvalue.Read,
	} {
		raw, err := os.ReadFile(filepath.Join(samples(t), filepath.FromSlash(name)))
		if err != nil {
			t.Fatal(err)
		}
		doc, err := spdx.Decode(bytes.NewReader(raw))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		reference, err := read(bytes.NewReader(raw))
		if err != nil {
			t.Fatal(err)
		}
		n, want := len(doc.Inventory.Components), len(reference.Packages)
		if doc.Inventory.Subject != (sbom.Subject{}) {
			n++
		}
		if n != want || len(doc.Lost) == 0 {
			t.Errorf("%s: %d packages, want %d, lost %v", name, n, want, doc.Lost)
		}
		if err := spdx.Validate(bytes.NewReader(raw)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestTagValue writes our output as tag-value with the SPDX project's library
// and reads it back.
func TestTagValue(t *testing.T) {
	raw := encode(t, inventory())
	doc, err := spdxjson.Read(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	var tv bytes.Buffer
	if err := tagvalue.Write(doc, &tv); err != nil {
		t.Fatal(err)
	}
	if !spdx.IsTagValue(tv.Bytes()) || spdx.IsTagValue(raw) {
		t.Error("tag-value is not told from JSON")
	}
	got, err := spdx.Decode(&tv)
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Inventory.Components) != 5 || len(got.Inventory.Relations) != 3 || !slices.Equal(got.Subjects, []string{imageDigest}) {
		t.Errorf("got %+v", got)
	}
}

// TestDecodeForeign reads the spellings of other tools.
func TestDecodeForeign(t *testing.T) {
	in := head + `,"relationships":[{"spdxElementId":"SPDXRef-DOCUMENT","relationshipType":"DESCRIBES","relatedSpdxElement":"SPDXRef-i"},
	{"spdxElementId":"SPDXRef-b","relationshipType":"DEPENDENCY_OF","relatedSpdxElement":"SPDXRef-a"},
	{"spdxElementId":"SPDXRef-a","relationshipType":"OTHER","relatedSpdxElement":"SPDXRef-b"}],
	"packages":[{"SPDXID":"SPDXRef-i","name":"app","versionInfo":"` + imageDigest + `","primaryPackagePurpose":"CONTAINER","downloadLocation":"NOASSERTION"},
	{"SPDXID":"SPDXRef-a","name":"a","supplier":"Microsoft/GitHub","licenseDeclared":"MIT AND LicenseRef-x","sourceInfo":"by hand","downloadLocation":"https://x"},
	{"SPDXID":"SPDXRef-b","name":"b","supplier":"Person: Jo (jo@example.org)","externalRefs":[
	{"referenceCategory":"PACKAGE_MANAGER","referenceType":"purl","referenceLocator":"pkg:npm/b@1"}],"downloadLocation":"NONE"}],
	"hasExtractedLicensingInfos":[{"licenseId":"LicenseRef-x","name":"X License","extractedText":"Long text"}]}`
	doc, err := spdx.Decode(strings.NewReader(in))
	if err != nil {
		t.Fatal(err)
	}
	want := []sbom.Component{
		{ID: "a", Type: sbom.Library, Name: "a", Supplier: "Microsoft/GitHub", Licenses: []string{"MIT", "X License"}},
		{ID: "b", Type: sbom.Library, Name: "b", Supplier: "Jo <jo@example.org>", Ecosystem: "npm",
			PURL: purl.PURL{Type: "npm", Name: "b", Version: "1"}},
	}
	if d := cmp.Diff(want, doc.Inventory.Components); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]sbom.Relation{{From: "a", To: "b", Type: sbom.DependsOn}}, doc.Inventory.Relations); d != "" {
		t.Error(d)
	}
	if doc.Inventory.Subject.Digest != imageDigest || len(doc.Lost) != 5 {
		t.Errorf("subject %+v, lost %+v", doc.Inventory.Subject, doc.Lost)
	}
}
