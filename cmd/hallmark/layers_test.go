package main

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/hallmark-oci/hallmark"

// layers holds every package, bottom up. A package may import only packages of
// rows above its own row in this list. A trailing /* stands for all packages
// directly below.
var layers = [][]string{
	{"sign/jsonscan", "sign/spool", "sign/apart", "verify/policy/doc"},
	{"sign/key/plugin", "sign/key/wycheproof", "sbom/purl", "attach", "verify/version", "verify/advisory", "verify/tuf", "verify/network", "cmd/hallmark/internal/term"},
	{"sbom", "attach/cosign", "attach/inflate", "sign/key", "sign/payload", "sign/dsse", "sign/bundle"},
	{"sign/key/hashivault", "sign/key/awskms", "sign/key/pkcs11", "sign/key/kmstest", "sbom/spdx", "sbom/cyclonedx", "sbom/scan/extract", "attach/journal", "attach/artifact"},
	{"sbom/format", "sbom/scan/*", "attach/registry", "attach/layout", "attach/transfer", "sign", "verify/advisory/osv", "verify/match", "verify/keyless"},
	{"verify", "sbom/scan", "attach/storetest", "sign/keyless"},
	{"verify/policy/condition", "verify/policy/quality", "verify/policy/scanned", "verify/revocation"}, // a list is verified, and policies name lists
	{"verify/policy", "verify/check", "cmd/hallmark/internal/seal", "cmd/hallmark/internal/migrate", "cmd/hallmark/internal/serve"},
	{"verify/admit", "verify/policy/trial", "verify/policy/program"},
	{"cmd/hallmark/internal/report"},
	{"cmd/hallmark/internal/cli"},
	{"cmd/hallmark", "cmd/sigstore-kms-hashivault", "cmd/sigstore-kms-awskms", "cmd/sigstore-kms-pkcs11"},
	{"cmd/hallmark-policy"}, // a module of its own, which imports nothing of this one
}

// owners names the packages that may import a heavy or fateful module. Tests
// may import anything.
var owners = map[string][]string{
	"github.com/sigstore/cosign/v2":                        {"attach/cosign"},
	"github.com/sigstore/sigstore":                         {"sign/key", "verify/keyless"},
	"github.com/sigstore/sigstore-go":                      {"verify/keyless", "sign/keyless", "verify/tuf"},
	"github.com/sigstore/protobuf-specs":                   {"verify/keyless", "sign/keyless"},
	"github.com/sigstore/rekor-tiles":                      {"verify/keyless"},
	"github.com/secure-systems-lab":                        {"sign/key"},
	"github.com/miekg/pkcs11":                              {"sign/key/pkcs11"}, // cgo, and so in no other program
	"github.com/youmark/pkcs8":                             {"sign/key"},
	"github.com/sigstore/sigstore-go/pkg/tuf":              {"verify/tuf"},
	"github.com/theupdateframework/go-tuf":                 {"verify/tuf"},
	"github.com/spdx/tools-golang":                         {"sbom/spdx"},
	"github.com/CycloneDX/cyclonedx-go":                    {"sbom/cyclonedx"},
	"github.com/spf13/cobra":                               {"cmd/hallmark/internal/cli"},
	"github.com/google/osv-scalibr":                        {"verify/version"},
	"golang.org/x/term":                                    {"cmd/hallmark/internal/term"},
	"go.yaml.in/yaml/v3":                                   {"verify/policy/doc"},
	"github.com/google/cel-go":                             {"verify/policy/condition"},
	"github.com/klauspost/compress":                        {"attach/inflate"},
	"github.com/google/go-containerregistry/pkg/v1/remote": {"attach/registry"},
	"github.com/google/go-containerregistry/pkg/authn":     {"attach/registry"},
	"cuelang.org/go":                                       {"cmd/hallmark-policy"},
	"github.com/open-policy-agent/opa":                     {"cmd/hallmark-policy"},
	"os/exec":                                              {"sign/apart", "sign/key/plugin", "sign/key/wycheproof", "verify/policy/program", "cmd/hallmark/internal/term"},
}

// TestLayers keeps the map in README true: imports go down only, and each heavy
// module has one owner.
func TestLayers(t *testing.T) {
	seen := 0
	walkImports(t, func(pkg, file, imported string) {
		seen++
		for mod, pkgs := range owners {
			if imported == mod || strings.HasPrefix(imported, mod+"/") {
				if !contains(pkgs, pkg) {
					t.Errorf("%s imports %s, which only %v may", file, imported, pkgs)
				}
			}
		}
		inner, ok := strings.CutPrefix(imported, module+"/")
		if !ok {
			return
		}
		from, to := rank(pkg), rank(inner)
		switch {
		case from < 0:
			t.Errorf("package %s stands in no layer", pkg)
		case to < 0:
			t.Errorf("package %s, imported by %s, stands in no layer", inner, file)
		case to >= from:
			t.Errorf("%s imports %s, which is not below it", file, inner)
		}
	})
	if seen == 0 {
		t.Fatal("no import was looked at")
	}
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}

// rank returns the row of the package, -1 when it has none. An exact row wins over a pattern.
func rank(pkg string) int {
	pattern := -1
	for i, row := range layers {
		for _, p := range row {
			if p == pkg {
				return i
			}
			if ok, _ := path.Match(p, pkg); ok {
				pattern = i
			}
		}
	}
	return pattern
}

// walkImports calls visit for each import of each production file in the module.
func walkImports(t *testing.T, visit func(pkg, file, imported string)) {
	t.Helper()
	root := filepath.Join("..", "..")
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(root, p)
		rel = filepath.ToSlash(rel)
		if d.IsDir() && rel != "." && (strings.HasPrefix(d.Name(), ".") || rel == "testdata") {
			return fs.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(p, ".go") || strings.HasSuffix(p, "_test.go") {
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), p, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, im := range f.Imports {
			name, err := strconv.Unquote(im.Path.Value)
			if err != nil {
				return err
			}
			visit(path.Dir(rel), rel, name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
