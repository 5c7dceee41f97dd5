package spdx_test

import (
	"bytes"
	"errors"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	spdxjson "github.com/spdx/tools-golang/json"
	"github.com/spdx/tools-golang/spdxlib"

	"github.com/hallmark-oci/hallmark/sbom"
	"github.com/hallmark-oci/hallmark/sbom/purl"
	"github.com/hallmark-oci/hallmark/sbom/spdx"
)

const imageDigest = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

func inventory() sbom.Inventory {
	layer := "sha256:" + strings.Repeat("a", 64)
	deb := func(name string, licenses ...string) sbom.Component {
		return sbom.Component{Type: sbom.Library, Name: name, Version: "1:2.0-1+b1", Ecosystem: "dpkg", Licenses: licenses,
			PURL:       purl.PURL{Type: "deb", Namespace: "debian", Name: name, Version: "1:2.0-1+b1"},
			Supplier:   "The Team <team@example.org>",
			SourceName: "src-" + name, SourceVersion: "2.0",
			Locations: []sbom.Location{{Path: "var/lib/dpkg/status", Layer: layer}, {Path: "etc/" + name}}}
	}
	a, b := deb("a", "MIT", "GPL-2+ & friends <\"x\">"), deb("b", "MIT OR Apache-2.0", "GPL-2.0-only")
	c := deb("c")
	app := sbom.Component{ID: "app/1 ü", Type: sbom.Application, Name: "app\u2028", Ecosystem: "own", Supplier: "Just a name",
		Hashes:    []sbom.Hash{{Algorithm: "SHA-256", Value: strings.Repeat("b", 64)}},
		Locations: []sbom.Location{{Path: "opt/a\"pp\n", Layer: layer}}}
	return sbom.Inventory{
		Subject:    sbom.Subject{Name: "registry.example/team/app", Digest: imageDigest, Platform: "linux/arm64/v8"},
		Tool:       sbom.Tool{Name: "hall-mark", Version: "1.0-rc1"},
		Created:    time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		Distro:     sbom.Distro{ID: "debian", VersionID: "12", PrettyName: "Debian GNU/Linux 12"},
		Components: []sbom.Component{a, b, c, app},
		Relations: []sbom.Relation{{From: a.StableID(), To: b.StableID(), Type: sbom.DependsOn},
			{From: b.StableID(), To: a.StableID(), Type: sbom.DependsOn}, {From: app.ID, To: c.StableID(), Type: sbom.Contains}},
		Unknowns: []sbom.Unknown{{Path: "opt/x\"\n", Reason: "no \"idea\""}},
	}
}

func encode(t testing.TB, v sbom.Inventory) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := spdx.Encode(&out, v); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// TestEncodeValid holds the output against our own rules and against the
// reader of the SPDX project.
func TestEncodeValid(t *testing.T) {
	raw := encode(t, inventory())
	if err := spdx.Validate(bytes.NewReader(raw)); err != nil {
		t.Error(err)
	}
	doc, err := spdxjson.Read(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	if err := spdxlib.ValidateDocument(doc); err != nil {
		t.Error(err)
	}
	described, err := spdxlib.GetDescribedPackageIDs(doc)
	if err != nil || len(described) != 1 {
		t.Fatalf("described: %v, %v", described, err)
	}
	ids := regexp.MustCompile(`^[A-Za-z0-9.-]+$`)
	contained := make(map[string]bool)
	for _, r := range doc.Relationships {
		if r.RefA.ElementRefID == described[0] && r.Relationship == "CONTAINS" {
			contained[string(r.RefB.ElementRefID)] = true
		}
	}
	for _, p := range doc.Packages {
		if !ids.MatchString(string(p.PackageSPDXIdentifier)) || p.PackageName == "" || p.PackageDownloadLocation != "NOASSERTION" || p.FilesAnalyzed {
			t.Errorf("package %+v", p)
		}
		if p.PackageSPDXIdentifier != described[0] {
			if !contained[string(p.PackageSPDXIdentifier)] {
				t.Errorf("the image does not contain %s", p.PackageSPDXIdentifier)
			}
			continue
		}
		if p.PackageChecksums[0].Value != imageDigest[7:] || p.PackageVersion != imageDigest || p.PrimaryPackagePurpose != "CONTAINER" ||
			p.PackageExternalReferences[0].Locator != "pkg:oci/app@"+imageDigest+"?arch=arm64&repository_url=registry.example%2Fteam%2Fapp" {
			t.Errorf("the image is %+v", p)
		}
	}
	if !strings.HasPrefix(doc.DocumentNamespace, "https://spdx.org/spdxdocs/sha256-"+imageDigest[7:]+"-") || doc.CreationInfo.Created != "2026-01-02T03:04:05Z" {
		t.Errorf("namespace %s, created %s", doc.DocumentNamespace, doc.CreationInfo.Created)
	}
}

// TestLicenses holds how licenses are declared.
func TestLicenses(t *testing.T) {
	doc, err := spdxjson.Read(bytes.NewReader(encode(t, inventory())))
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[string]string)
	for _, p := range doc.Packages {
		got[p.PackageName] = p.PackageLicenseDeclared
	}
	if got["c"] != "NOASSERTION" || got["b"] != "GPL-2.0-only AND (MIT OR Apache-2.0)" {
		t.Errorf("got %v", got)
	}
	if len(doc.OtherLicenses) != 1 || got["a"] != doc.OtherLicenses[0].LicenseIdentifier+" AND MIT" ||
		doc.OtherLicenses[0].ExtractedText != "GPL-2+ & friends <\"x\">" {
		t.Errorf("got %v, %+v", got, doc.OtherLicenses)
	}
}

// TestRoundTrip reads back what was written: nothing is lost, and writing it
// again gives the same bytes.
func TestRoundTrip(t *testing.T) {
	want := inventory()
	raw := encode(t, want)
	doc, err := spdx.Decode(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	if len(doc.Lost) > 0 {
		t.Errorf("lost %+v", doc.Lost)
	}
	if d := cmp.Diff([]string{imageDigest}, doc.Subjects); d != "" {
		t.Error(d)
	}
	want.Sort()
	i := slices.IndexFunc(doc.Inventory.Components, func(c sbom.Component) bool { return c.Name == "app\u2028" })
	for k, r := range doc.Inventory.Relations { // SPDX has no spaces in identifiers
		if r.From == doc.Inventory.Components[i].ID {
			doc.Inventory.Relations[k].From = "app/1 ü"
		}
	}
	doc.Inventory.Components[i].ID = "app/1 ü"
	if d := cmp.Diff(want, doc.Inventory); d != "" {
		t.Error(d)
	}
	doc, _ = spdx.Decode(bytes.NewReader(raw))
	first := encode(t, doc.Inventory)
	if !bytes.Equal(raw, first) {
		t.Errorf("first\n%s\nthen\n%s", raw, first)
	}
}

func TestEncodeRefuses(t *testing.T) {
	for want, spoil := range map[string]func(*sbom.Inventory){
		"no subject":       func(v *sbom.Inventory) { v.Subject = sbom.Subject{} },
		"time of creation": func(v *sbom.Inventory) { v.Created = time.Time{} },
		"no name":          func(v *sbom.Inventory) { v.Components[0].Name = "" },
	} {
		v := inventory()
		spoil(&v)
		if err := spdx.Encode(&bytes.Buffer{}, v); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

const head = `{"spdxVersion":"SPDX-2.3","dataLicense":"CC0-1.0","SPDXID":"SPDXRef-DOCUMENT","name":"n","documentNamespace":"https://x/y",
"creationInfo":{"created":"2026-01-01T00:00:00Z","creators":["Tool: t-1"]}`

func TestRefuses(t *testing.T) {
	p := func(rest string) string {
		return head + `,"documentDescribes":["SPDXRef-a"],"packages":[{"SPDXID":"SPDXRef-a","name":"a","downloadLocation":"NONE"` + rest + `}`
	}
	cases := []struct {
		doc, decode, validate string
	}{
		{"", "empty", "empty"},
		{`{"hello":1}`, "spdxVersion", "spdxVersion"},
		{`{"bomFormat":"CycloneDX","specVersion":"1.6"}`, "spdxVersion", "spdxVersion"},
		{`{"spdxVersion":"SPDX-3.0"}`, "want SPDX-2.2", "want SPDX-2.2"},
		{`{"spdxVersion":2.3}`, "cannot unmarshal", "cannot unmarshal"},
		{`{"spdxVersion":"SPDX-2.3","spdxVersion":"SPDX-2.3"}`, "twice", "twice"},
		{p("") + `,{"SPDXID":"SPDXRef-a","name":"b"}]}`, "two packages", "taken"},
		{p("") + `,{"SPDXID":"SPDXRef-b","name":""}]}`, "no name", "name is missing"},
		{p("") + `,{"name":"x"}]}`, "no SPDXID", "SPDXID"},
		{p("") + `]}`, "", ""},
		{`{"spdxVersion":"SPDX-2.3"}`, "", "dataLicense"},
		{strings.Replace(p("")+`]}`, "2026-01-01T00", "today", 1), "RFC 3339", "created"},
		{strings.Replace(p("")+`]}`, "Tool: t-1", "me", 1), "", "creators[0]"},
		{strings.Replace(p("")+`]}`, "https://x/y", "y", 1), "", "documentNamespace"},
		{strings.Replace(p("")+`]}`, "https://x/y", "https://x/y#z", 1), "", "documentNamespace"},
		{strings.Replace(p("")+`]}`, "downloadLocation", "homepage", 1), "", "downloadLocation"},
		{strings.Replace(p("")+`]}`, "SPDX-2.3", "SPDX-2.2", 1), "", "which 2.2 asks for"},
		{p("") + `],"relationships":[{"spdxElementId":"SPDXRef-a","relationshipType":"LIKES","relatedSpdxElement":"SPDXRef-b"}]}`, "", "LIKES"},
		{p("") + `],"relationships":[{"spdxElementId":"SPDXRef-a","relationshipType":"CONTAINS","relatedSpdxElement":"SPDXRef-b"}]}`, "", "not in the document"},
		{p(`,"checksums":[{"algorithm":"SHA256","checksumValue":"ab"}]`) + `]}`, "", "checksum"},
		{p(`,"primaryPackagePurpose":"FUN"`) + `]}`, "", "FUN"},
		{p(`,"externalRefs":[{"referenceCategory":"X","referenceType":"purl","referenceLocator":"pkg:npm/a"}]`) + `]}`, "", "category"},
		{p("") + `],"hello":1}`, "", "no member"},
		{p("") + `],"files":[{"SPDXID":"SPDXRef-f","fileName":"f"}]}`, "", "checksums is empty"},
		{head + `,"packages":[{"SPDXID":"SPDXRef-a","name":"a","downloadLocation":"NONE"},{"SPDXID":"SPDXRef-b","name":"a","downloadLocation":"NONE"}]}`, "", "describes none"},
		{"SPDXVersion: SPDX-2.3\nPackageName", "tag-value", "tag-value"},
		{"SPDXVersion: SPDX-9\n", "tag-value", "tag-value"},
	}
	for _, c := range cases {
		_, err := spdx.Decode(strings.NewReader(c.doc))
		judge(t, "decode", c.doc, err, c.decode)
		judge(t, "validate", c.doc, spdx.Validate(strings.NewReader(c.doc)), c.validate)
	}
}

func judge(t *testing.T, verb, doc string, err error, want string) {
	t.Helper()
	if want == "" {
		if err != nil {
			t.Errorf("%s %.300q: %v", verb, doc, err)
		}
		return
	}
	if err == nil || !strings.Contains(err.Error(), want) || !errors.Is(err, sbom.ErrInvalid) {
		t.Errorf("%s %.300q: got %v, want an error with %q", verb, doc, err, want)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(encode(f, inventory()))
	f.Add([]byte(head + `,"packages":[{"SPDXID":"a","name":"b","licenseDeclared":"(MIT)) AND (","sourceInfo":"found at \"\""}]}`))
	f.Add([]byte("SPDXVersion: SPDX-2.3\nDataLicense: CC0-1.0\nPackageName: a\nSPDXID: SPDXRef-a\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		_ = spdx.Validate(bytes.NewReader(data))
		doc, err := spdx.Decode(bytes.NewReader(data))
		if err != nil {
			return
		}
		if doc.Inventory.Subject == (sbom.Subject{}) {
			doc.Inventory.Subject.Name = "x"
		}
		if doc.Inventory.Created.IsZero() {
			doc.Inventory.Created = time.Unix(1, 0).UTC()
		}
		first := encode(t, doc.Inventory)
		again, err := spdx.Decode(bytes.NewReader(first))
		if err != nil {
			t.Fatalf("%s\n%v", first, err)
		}
		if second := encode(t, again.Inventory); !bytes.Equal(first, second) {
			t.Fatalf("first\n%s\nthen\n%s", first, second)
		}
	})
}
