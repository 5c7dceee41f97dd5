package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// decoders are what reads data from outside that decides on trust, each with the fuzz
// targets that feed it anything.
var decoders = map[string]string{
	"Sigstore bundles":                           "sign/bundle FuzzOpen, verify FuzzCertifiedBundle",
	"certificate and log entry of cosign":        "verify FuzzCertificateAnnotations",
	"timestamps":                                 "verify FuzzTimestamp",
	"trusted roots":                              "verify FuzzTrustedRoot, sign/keyless FuzzTrusted",
	"signing configurations":                     "sign/keyless FuzzServices",
	"TUF metadata and what is kept of it":        "verify/tuf FuzzMetadata, verify/tuf FuzzKept, verify/tuf FuzzUnpack",
	"policies, ClusterImagePolicy and TrustRoot": "verify/policy FuzzParse, verify/policy FuzzTrustRoot, verify/policy/doc FuzzDocuments, verify/policy/condition FuzzCondition",
	"admission reviews and manifests":            "verify/admit FuzzHandler, verify/admit FuzzManifests",
	"signatures and attestations":                "verify FuzzVerify, sign/dsse FuzzOpen, sign/payload FuzzReadHeader, sign/payload FuzzParseSimpleSigning",
	"names of repositories":                      "verify FuzzReference",
	"witnesses and their signatures":             "verify FuzzWitness",
	"keys":                                       "sign/key FuzzInspect",
	"answers of plug-ins":                        "sign/key/plugin FuzzAnswer, sign/key/plugin FuzzServe",
	"tokens, certificates, entries":              "sign/keyless FuzzToken, sign/keyless FuzzCertificates, sign/keyless FuzzEntry",
	"journals and views":                         "attach/journal FuzzReadRecord, attach/journal FuzzReadIndex, attach/cosign FuzzParse",
	"referrers and tags":                         "attach FuzzParseReferrers, attach/registry FuzzReadTags, attach/registry FuzzNextPage",
	"archives":                                   "attach/layout FuzzArchive, attach/artifact FuzzUnpack",
	"SBOMs and advisories":                       "sbom/spdx FuzzDecode, sbom/cyclonedx FuzzDecode, verify/advisory/osv FuzzParse",
}

// TestDecoders: the targets are there.
func TestDecoders(t *testing.T) {
	for what, targets := range decoders {
		for _, target := range strings.Split(targets, ", ") {
			dir, name, _ := strings.Cut(target, " ")
			files, err := filepath.Glob(filepath.Join("..", "..", filepath.FromSlash(dir), "*_test.go"))
			if err != nil {
				t.Fatal(err)
			}
			found := false
			for _, f := range files {
				raw, err := os.ReadFile(f)
				if err != nil {
					t.Fatal(err)
				}
				found = found || strings.Contains(string(raw), "\nfunc "+name+"(f *testing.F) {")
			}
			if !found {
				t.Errorf("%s: there is no %s in %s", what, name, dir)
			}
		}
	}
}
