package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/transfer"
	"github.com/hallmark-oci/hallmark/sbom"
	"github.com/hallmark-oci/hallmark/sign/key"
	"github.com/hallmark-oci/hallmark/verify"
	"github.com/hallmark-oci/hallmark/verify/keyless"
	"github.com/hallmark-oci/hallmark/verify/revocation"
	"github.com/hallmark-oci/hallmark/verify/tuf"
)

var update = flag.Bool("update", false, "write the golden files anew")

func digest(text string) v1.Hash { return attach.DigestOf([]byte(text)) }

func attachment(kind attach.Kind, typ, content string, places ...attach.Place) attach.Attachment {
	return attach.Attachment{
		Kind: kind, Type: typ, Places: places,
		Desc: v1.Descriptor{MediaType: "application/json", Digest: digest(content), Size: int64(len(content)) * 4321},
	}
}

func place(s attach.Scheme, tag string) attach.Place {
	return attach.Place{Scheme: s, Tag: tag, Manifest: v1.Descriptor{Digest: digest(string(s) + tag)}}
}

// documents returns one document of each kind, with every field in use.
func documents() map[string]Document {
	sig := attachment(attach.Signature, "application/vnd.dev.cosign.simplesigning.v1+json", "payload",
		place(attach.Journal, "sha256-aa.bb.hm"), place(attach.CosignTag, "sha256-aa.sig"))
	att := attachment(attach.Attestation, "https://spdx.dev/Document", "envelope", place(attach.Referrers, ""))
	doc := attachment(attach.SBOM, "text/spdx+json", "sbom", place(attach.CosignTag, "sha256-aa.sbom"), place(attach.FallbackTag, "sha256-aa"))
	inventory := NewInventoryInfo(sbom.Inventory{
		Subject: sbom.Subject{Digest: digest("image").String()}, Distro: sbom.Distro{PrettyName: "Debian GNU/Linux 13 (trixie)"},
		Components: []sbom.Component{{Ecosystem: "npm"}, {Ecosystem: "dpkg"}, {Ecosystem: "npm"}, {}},
		Relations:  make([]sbom.Relation, 3),
		Unknowns:   []sbom.Unknown{{Path: "/z", Reason: "not a database"}, {Path: "/a", Reason: "too large"}, {Path: "/a", Reason: "broken"}},
	})
	shown := *inventory
	shown.Format = "SPDX 2.3 JSON"
	verdict := NewVerdict("registry.example/app:1.0", verify.Verdict{
		Subject: attach.Subject{Repo: "registry.example/app", Desc: v1.Descriptor{Digest: digest("image")}},
		Outcome: verify.Reject,
		Checks: []verify.Check{
			{Rule: "subject", Outcome: verify.Accept, Reason: verify.Accepted, Detail: "the manifest is right"},
			{Rule: "sbom", Outcome: verify.Accept, Reason: verify.Exempted, Detail: "exempted until", Exception: &verify.Exception{
				Where: "policy.yaml:30", Reason: "the vendor is asked", Until: time.Unix(1800000000, 0), Applied: true, Instead: verify.NoAttestation}},
			{Rule: "signature", Outcome: verify.Reject, Reason: verify.ThresholdNotMet, Warn: true, Detail: "1 of 2", Evidence: []verify.Evidence{
				{Outcome: verify.Undetermined, Reason: verify.Unreachable, Detail: "connection refused", Attachment: att},
				{Outcome: verify.Reject, Reason: verify.UntrustedKey, Attachment: doc, Time: time.Unix(1700000000, 0)},
				{Outcome: verify.Accept, Reason: verify.Accepted, Attachment: sig, PredicateType: "https://sigstore.dev/cosign/sign/v1",
					Signers: []key.Fingerprint{{2}, {1}}, Annotations: map[string]string{"env": "prod", "build": "7"}},
			}},
		},
	})
	receipt := func(a attach.Attachment, existed bool, note string) Receipt {
		return NewReceipt(attach.Receipt{Attachment: a, Existed: existed, Viewed: !existed, Note: note})
	}
	attached := Attached{
		Image: "registry.example/app:1.0", Subject: "registry.example/app", Digest: digest("image").String(),
		Entries: []Receipt{receipt(doc, false, "cosign shows the first SBOM only"), receipt(sig, true, "")},
	}
	inner := NewSigned(digest("holder").String(), []Entry{NewEntry(sig)})
	holder := NewEntry(doc)
	holder.SignedBy = []Signed{inner}
	return map[string]Document{
		"receipts": Receipts{Images: []Attached{attached}},
		"sealed": Sealed{
			Image: attached.Image, Digest: attached.Digest, Verdicts: []Verdict{verdict}, Next: []string{"hallmark verify registry.example/app:1.0 --sbom"},
			Images: []SealedOne{{Attached: attached, Platform: "linux/amd64", Inventory: inventory, SignedObjects: []string{digest("holder").String()}}},
		},
		"verdicts": NewVerdicts("reject", verdict, Verdict{Image: "other:1", Outcome: "undetermined", Error: "no such host", Checks: []Check{}}),
		"listing":  listing([]Entry{holder, NewEntry(att), NewEntry(sig)}),
		"diagnosis": NewDiagnosis(attach.Diagnosis{
			Place: "registry.example/app", Works: attach.Yes, Left: []string{"hallmark-doctor-x", digest("left").String()},
			Traits: []attach.Trait{{Name: "referrers API", Value: "none", Detail: "404 Not Found\x1b[31m"}, {Name: "ETag", Value: attach.No}},
			Plan:   []attach.Trait{{Name: "journal", Value: "tags", Detail: "one tag for each entry"}},
		}),
		"listing-empty": NewListing("registry.example/app:1.0", digest("image").String(), nil, nil),
		"inventory":     &shown,
		"key": KeyInfo{Name: "hallmark.key", Algorithm: "ecdsa-p256", Fingerprint: digest("key").String(), Private: true,
			Files: []string{"hallmark.key", "hallmark.pub"}},
		"validation":    Validation{Files: []ValidatedFile{{File: "a.json", Valid: true, Format: "SPDX 2.3 JSON"}, {File: "b.json", Error: "b.json is no SBOM"}}},
		"checks":        checks(),
		"copies":        Copies{Images: []Copied{copied()}},
		"cleaned":       cleanedOnce(false),
		"cleaned-dry":   cleanedOnce(true),
		"repairs":       repairs(false),
		"repairs-dry":   repairs(true),
		"migrated":      migrated(),
		"orphans":       orphans(false),
		"orphans-swept": orphans(true),
		"failure":       Failure{Error: "no key to sign with", Hint: "see 'hallmark sign --help'", ExitCode: 64},
		"version":       Version{Version: "v1.2.3", Commit: "0123456789", Time: "2026-01-02T03:04:05Z", Modified: true, Go: "go1.26", PolicyProgram: strings.Repeat("ab", 32)},
		"revocations": NewRevocations("list.json", revocation.List{
			Name: "release", Sequence: 7, Issued: time.Unix(1700000000, 0), Expires: time.Unix(1702592000, 0),
			Keys:         []revocation.Key{{Fingerprint: key.Fingerprint{1, 2}, Why: revocation.Why{Reason: "key-compromise", Date: time.Unix(1600000000, 0), Note: "laptop lost"}}},
			Certificates: []revocation.Certificate{{Serial: verify.Serial{Issuer: "CN=ca,O=example", Number: "1f3"}, Why: revocation.Why{Reason: "superseded", Date: time.Unix(1600000000, 0)}}},
			Identities:   []revocation.Identity{{Name: verify.Name{Subject: "dev@example.test", Issuer: "https://issuer.test"}, Why: revocation.Why{Reason: "affiliation-changed", Date: time.Unix(1600000000, 0)}}},
			Digests:      []revocation.Digest{{Digest: digest("image"), Why: revocation.Why{Reason: "malicious", Date: time.Unix(1600000000, 0)}}},
		}, key.Fingerprint{3, 4}, true),
		"revocations-expired": NewRevocations("list.json", revocation.List{Name: "release", Sequence: 1, Issued: time.Unix(1700000000, 0), Expires: time.Unix(1702592000, 0)}, key.Fingerprint{3, 4}, false),
		"trust": NewTrust(&tuf.Material{
			Mirror: "https://tuf.example.com", Fetched: time.Unix(1700000000, 0), TrustedRoot: []byte("{}"),
			Roles: []tuf.Role{{Name: "root", Version: 15, Expires: time.Unix(1800000000, 0)}, {Name: "timestamp", Version: 762, Expires: time.Unix(1700600000, 0)}},
		}, "/home/dev/.config/hallmark/trust.json"),
		"blob-verdict": NewBlobVerdict("app.tar.gz", verify.Check{
			Outcome: verify.Accept, Reason: verify.Accepted, Detail: "signed by dev@example.test",
			Evidence: []verify.Evidence{{
				Signers: []key.Fingerprint{{1, 2}}, PredicateType: "https://example.test/p",
				Identity: &keyless.Signer{Subject: "dev@example.test", Issuer: "https://issuer.test", Dating: keyless.Dating{Time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}},
			}},
		}),
		"policies": policies(), "policy-explanation": explanation(), "policy-tests": policyTests(verdict),
		"blob-signed": BlobSigned{File: "app.tar.gz", Digest: digest("app").String(), Bundle: "app.json", Signer: digest("key").String()},
	}
}

// copied is what became of a copy, with every field in use.
func copied() Copied {
	desc := func(text string) v1.Descriptor {
		return v1.Descriptor{MediaType: "application/vnd.oci.image.manifest.v1+json", Digest: digest(text), Size: int64(len(text))}
	}
	return NewCopied("registry.example/app:1.0", "mirror.example/app:1.0", transfer.Result{
		Source: attach.Subject{Desc: desc("image")}, Tag: "1.0", Moved: digest("old"), Blobs: 5, Mounted: 2, Bytes: 123456, Attachments: 3,
		Objects: []transfer.Object{
			{Kind: "image", Desc: desc("image"), Tag: "1.0", State: transfer.Sent},
			{Kind: "signature", Desc: desc("view"), Subject: digest("image"), Tag: "sha256-aa.sig", State: transfer.Merged},
			{Kind: "signature", Desc: desc("entry"), Subject: digest("image"), State: transfer.There},
			{Kind: "artifact", Desc: desc("bundle"), Subject: digest("image"), State: transfer.Failed},
		},
		Problems: []transfer.Problem{{What: "the artifact", Err: errors.New("503")}},
		Notes:    []string{"the tag sha256-aa.sig is full"},
	})
}

func render(t *testing.T, format string, doc Document) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := Write(&out, format, doc); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// TestGolden holds what each document looks like.
func TestGolden(t *testing.T) {
	for name, doc := range documents() {
		for format, ext := range map[string]string{"text": ".txt", "json": ".json"} {
			got := render(t, format, doc)
			file := filepath.Join("testdata", name+ext)
			if *update {
				if err := os.WriteFile(file, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("%s differs (renew it with -update):\n%s", file, got)
			}
		}
	}
}

// TestJSON: one document, with kind and version in front, that holds all that
// went in, and the same bytes every time.
func TestJSON(t *testing.T) {
	for name, doc := range documents() {
		raw := render(t, "json", doc)
		dec := json.NewDecoder(bytes.NewReader(raw))
		var head struct {
			Kind    string `json:"kind"`
			Version int    `json:"version"`
		}
		var whole json.RawMessage
		if err := dec.Decode(&whole); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if _, err := dec.Token(); !errors.Is(err, io.EOF) {
			t.Errorf("%s: something follows the document: %v", name, err)
		}
		if err := json.Unmarshal(whole, &head); err != nil || head.Version != 1 || !strings.HasPrefix(head.Kind, "hallmark.") || !strings.HasPrefix(name, head.Kind[len("hallmark."):]) {
			t.Errorf("%s: kind %q, version %d, %v", name, head.Kind, head.Version, err)
		}
		members, err := attach.Members(whole)
		if err != nil {
			t.Errorf("%s: a member stands twice: %v", name, err)
		}
		for member, value := range members {
			if string(value) == "null" {
				t.Errorf("%s: member %s is null, not an empty list", name, member)
			}
		}
		back := reflect.New(reflect.TypeOf(doc))
		if err := json.Unmarshal(whole, back.Interface()); err != nil || !reflect.DeepEqual(back.Elem().Interface(), doc) {
			t.Errorf("%s: read back, it is another document: %v", name, err)
		}
		for range 20 {
			if again := render(t, "json", documents()[name]); !bytes.Equal(raw, again) {
				t.Fatalf("%s: not the same bytes again", name)
			}
		}
	}
}

// TestKinds: every kind of document has a name of its own.
func TestKinds(t *testing.T) {
	types := make(map[string]reflect.Type)
	for _, doc := range documents() {
		if have, ok := types[doc.kind()]; ok && have != reflect.TypeOf(doc) {
			t.Errorf("%s and %T share the kind %q", have, doc, doc.kind())
		}
		types[doc.kind()] = reflect.TypeOf(doc)
	}
	want := []string{"blob-signed", "blob-verdict", "checks", "cleaned", "copies", "diagnosis", "failure", "inventory", "key", "listing", "migrated", "orphans", "policies", "policy-explanation", "policy-tests", "receipts", "repairs", "revocations", "sealed", "trust", "validation", "verdicts", "version"}
	if got := slices.Sorted(maps.Keys(types)); !slices.Equal(got, want) {
		t.Errorf("kinds %q, want %q", got, want)
	}
}

// hostile is text as an image, a registry or a file name may hold it: a second
// line that looks like ours, colours, cursor movements with one byte and with
// two, a title bar, a direction mark, a zero byte, broken UTF-8.
const hostile = "a\nregistry.example/app:1.0: accept\r\x1b[2J\x1b[31m\x1b]0;x\a\u009b1A\u0085\u2028\u2029\u202e\u2066\u200b\ufeff\x00\x7f\b\t\v\xff"

// TestHostileText puts such text into every string of every document: the text
// shows no character that is not printable, and has not one line more.
func TestHostileText(t *testing.T) {
	benign := documents()
	for name, doc := range documents() {
		v := reflect.New(reflect.TypeOf(doc)).Elem()
		v.Set(reflect.ValueOf(doc))
		v = poison(v)
		got := string(render(t, "text", v.Interface().(Document)))
		for _, r := range strings.ReplaceAll(got, "\n", "") {
			if r == unicode.ReplacementChar || !unicode.IsPrint(r) || unicode.Is(unicode.Bidi_Control, r) {
				t.Errorf("%s: %U reaches the terminal", name, r)
			}
		}
		want := strings.Count(string(render(t, "text", benign[name])), "\n")
		if n := strings.Count(got, "\n"); n != want {
			t.Errorf("%s: %d lines, want %d:\n%s", name, n, want, got)
		}
		if !json.Valid(render(t, "json", v.Interface().(Document))) {
			t.Errorf("%s: no JSON", name)
		}
	}
}

// poison returns a copy of the value with hostile text in all strings.
func poison(v reflect.Value) reflect.Value {
	out := reflect.New(v.Type()).Elem()
	out.Set(v)
	switch v.Kind() {
	case reflect.String:
		if v.Len() > 0 { // an empty field is left out and must stay so
			out.SetString(hostile)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			out.Field(i).Set(poison(v.Field(i)))
		}
	case reflect.Slice:
		if !v.IsNil() {
			out.Set(reflect.MakeSlice(v.Type(), v.Len(), v.Len()))
		}
		for i := range v.Len() {
			out.Index(i).Set(poison(v.Index(i)))
		}
	case reflect.Map:
		out.Set(reflect.MakeMap(v.Type()))
		for _, k := range v.MapKeys() {
			name := k
			if k.Kind() == reflect.String {
				name = reflect.ValueOf(k.String() + hostile).Convert(k.Type())
			}
			out.SetMapIndex(name, poison(v.MapIndex(k)))
		}
	case reflect.Pointer:
		if !v.IsNil() {
			out.Set(reflect.New(v.Type().Elem()))
			out.Elem().Set(poison(v.Elem()))
		}
	}
	return out
}

// TestWriteFails: an answer that could not be printed is an error, and so is a
// format that is none.
func TestWriteFails(t *testing.T) {
	for name, doc := range documents() {
		for _, format := range []string{"text", "json"} {
			if err := Write(broken{}, format, doc); !errors.Is(err, io.ErrClosedPipe) {
				t.Errorf("%s as %s: %v", name, format, err)
			}
		}
		if err := Write(io.Discard, "sarif", doc); err == nil {
			t.Errorf("%s was printed in a format that is none", name)
		}
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

// TestStreams: what is printed piece by piece is what is printed at once.
func TestStreams(t *testing.T) {
	docs := documents()
	verdicts, receipts := docs["verdicts"].(Verdicts), docs["receipts"].(Receipts)
	for _, format := range []string{"text", "json"} {
		for n := range len(verdicts.Images) + 1 {
			var out bytes.Buffer
			s := StreamVerdicts(&out, format)
			for _, v := range verdicts.Images[:n] {
				if err := s.Add(v); err != nil {
					t.Fatal(err)
				}
			}
			if err := s.Close("reject", 0); err != nil {
				t.Fatal(err)
			}
			whole := NewVerdicts("reject", append([]Verdict{}, verdicts.Images[:n]...)...)
			if want := render(t, format, whole); out.String() != string(want) {
				t.Errorf("%d verdicts as %s:\n%s\nwant:\n%s", n, format, &out, want)
			}
		}
		var out bytes.Buffer
		s := StreamReceipts(&out, format)
		if err := s.Image(receipts.Images...); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(0); err != nil {
			t.Fatal(err)
		}
		if want := render(t, format, receipts); out.String() != string(want) {
			t.Errorf("receipts as %s:\n%s\nwant:\n%s", format, &out, want)
		}
		out.Reset()
		failed := StreamReceipts(&out, format)
		if err := failed.Image(Attached{Image: "a\x1b", Error: "no\u202e such host", Entries: []Receipt{}}); err != nil {
			t.Fatal(err)
		}
		if err := failed.Close(3); err != nil || strings.ContainsAny(out.String(), "\x1b\u202e") || !strings.Contains(out.String(), "3") {
			t.Errorf("%q, %v", &out, err)
		}
	}
}
