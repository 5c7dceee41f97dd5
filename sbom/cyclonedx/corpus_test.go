package cyclonedx_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/hallmark-oci/hallmark/sbom"
	"github.com/hallmark-oci/hallmark/sbom/cyclonedx"
)

// corpora returns a folder of the shared test data.
func corpora(t testing.TB, parts ...string) string {
	t.Helper()
	root := os.Getenv("HALLMARK_CORPORA")
	if root == "" {
		root = filepath.Join("..", "..", "..", "shared", "corpora")
	}
	dir := filepath.Join(append([]string{root}, parts...)...)
	if _, err := os.Stat(dir); err != nil {
		t.Fatalf("test data is missing, set HALLMARK_CORPORA to its folder: %v", err)
	}
	return dir
}

// schema compiles the published JSON schema of a version, formats asserted.
func schema(t testing.TB, version string) *jsonschema.Schema {
	t.Helper()
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	dir := corpora(t, "cyclonedx", "schema")
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		f, err := os.Open(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		doc, err := jsonschema.UnmarshalJSON(f)
		f.Close()
		if err != nil {
			t.Fatal(err)
		}
		if err := c.AddResource("http://cyclonedx.org/schema/"+e.Name(), doc); err != nil {
			t.Fatal(err)
		}
	}
	s, err := c.Compile("http://cyclonedx.org/schema/bom-" + version + ".schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// notSeen lists documents that are not valid for a reason that lies outside of
// what is looked into: see Validate. In XML it is what conversion to JSON drops.
func notSeen(name string) bool {
	return strings.HasPrefix(name, "invalid-service-data-") && strings.HasSuffix(name, ".xml")
}

// TestCorpus decodes and validates the documents of the CycloneDX project.
func TestCorpus(t *testing.T) {
	score := make(map[string]int)
	for _, version := range []string{"1.4", "1.6"} {
		for _, kind := range []string{"json", "xml"} {
			files, err := filepath.Glob(filepath.Join(corpora(t, "cyclonedx", version), "*."+kind))
			if err != nil || len(files) < 20 {
				t.Fatalf("%d files, %v", len(files), err)
			}
			for _, file := range files {
				raw, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				checkCorpusFile(t, file, kind+" "+version, raw, score)
			}
		}
	}
	t.Logf("%v", score)
}

func checkCorpusFile(t *testing.T, file, group string, raw []byte, score map[string]int) {
	name := filepath.Base(file)
	validity := cyclonedx.Validate(bytes.NewReader(raw))
	doc, err := cyclonedx.Decode(bytes.NewReader(raw))
	if strings.HasPrefix(name, "valid-") {
		score[group+" valid"]++
		if err != nil || validity != nil {
			t.Errorf("%s: decode: %v, validate: %v", name, err, validity)
		}
		if err := doc.Inventory.Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		return
	}
	score[group+" invalid"]++
	if validity != nil {
		score[group+" invalid refused"]++
		if !errors.Is(validity, sbom.ErrInvalid) {
			t.Errorf("%s: %v does not say that the document is invalid", name, validity)
		}
	}
	if (validity == nil) != notSeen(name) {
		t.Errorf("%s: %v", name, validity)
	}
}
