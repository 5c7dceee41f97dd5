package policy_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/hallmark-oci/hallmark/sign/key"
	"github.com/hallmark-oci/hallmark/verify"
	"github.com/hallmark-oci/hallmark/verify/policy"
	"github.com/hallmark-oci/hallmark/verify/revocation"
)

// TestLoad reads a key beside the policy, and tells policies apart by the keys
// in the files that they name.
func TestLoad(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, text []byte) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	path := write("policy.yaml", []byte(scope(`"keys": [{"file": "keys/a.pub"}]`)))
	if _, err := policy.Load(t.Context(), policy.Options{}, path); err == nil || !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("a missing key: %v", err)
	}
	hashes := make(map[[32]byte]bool)
	for range 2 {
		k, err := key.Generate(key.ECDSAP256)
		if err != nil {
			t.Fatal(err)
		}
		write("keys/a.pub", k.PublicKey().PEM())
		set, err := policy.Load(t.Context(), policy.Options{}, path)
		if err != nil {
			t.Fatal(err)
		}
		hashes[set.Match("r.example/a", nil).Hash()] = true
	}
	if len(hashes) != 2 {
		t.Error("the hash does not depend on the key in the file")
	}
	beside := policy.File{Name: "p", Text: []byte(scope(`"keys": [{"file": "a.pub"}]`))}
	if _, err := policy.Parse(policy.Options{}, beside); err == nil || !strings.Contains(err.Error(), "key files are not read here") {
		t.Errorf("a key file without a reader: %v", err)
	}
	if _, err := policy.Load(t.Context(), policy.Options{}, filepath.Join(dir, "none")); err == nil {
		t.Error("a missing policy was loaded")
	}
	if _, err := policy.Load(t.Context(), policy.Options{}); err == nil {
		t.Error("no policy at all was loaded")
	}
	big := write("big.yaml", make([]byte, policy.MaxFile+1))
	if _, err := policy.Load(t.Context(), policy.Options{}, big); err == nil || !strings.Contains(err.Error(), "more than") {
		t.Errorf("a large policy: %v", err)
	}
}

// TestPackageExample keeps the example in the package comment true.
func TestPackageExample(t *testing.T) {
	source, err := os.ReadFile("policy.go")
	if err != nil {
		t.Fatal(err)
	}
	var example strings.Builder
	for line := range strings.Lines(string(source)) {
		if rest, ok := strings.CutPrefix(line, "//\t"); ok {
			example.WriteString(rest)
		}
	}
	text := strings.ReplaceAll(example.String(), "{file: release.pub}", fmt.Sprintf(`{data: "%s"}`, pem))
	text = strings.NewReplacer("{file: auditor.pub}", fmt.Sprintf(`{data: "%s"}`, generated(t)), "{file: security.pub}", fmt.Sprintf(`{data: "%s"}`, pem), "{file: lost.pub}", fmt.Sprintf(`{fingerprint: "sha256:%064d"}`, 1), "<hex>", strings.Repeat("a", 64)).Replace(text)
	asked := ""
	set, err := policy.Parse(policy.Options{
		Now: func() time.Time { return time.Unix(0, 0) },
		ReadRevocations: func(path string, d revocation.Demand) (verify.Revocations, error) {
			asked = fmt.Sprint(path, " ", d.Name, " ", d.Least, " ", d.MaxAge, " ", len(d.Keys))
			return verify.Revocations{}, nil
		},
	}, policy.File{Name: "p.yaml", Text: []byte(text)})
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if asked != "revocations.json release 7 168h0m0s 1" {
		t.Errorf("list %s", asked)
	}
	if set.Len() != 2 {
		t.Errorf("%d scopes", set.Len())
	}
	var v any
	if err := yaml.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	if err := schema(t).Validate(undated(v)); err != nil {
		t.Error(err)
	}
}

// undated puts text where YAML 1.1 sees a date: in YAML 1.2, which editors read, it is one.
func undated(v any) any {
	switch v := v.(type) {
	case time.Time:
		return v.Format(time.RFC3339)
	case []any:
		for i := range v {
			v[i] = undated(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = undated(v[k])
		}
	}
	return v
}
