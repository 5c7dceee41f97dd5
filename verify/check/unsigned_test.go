package check_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"iter"
	"strings"
	"testing"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/sbom/format"
	"github.com/hallmark-oci/hallmark/verify"
	"github.com/hallmark-oci/hallmark/verify/check"
)

// TestUnsigned takes any SBOM of the image, says so, and leaves out those of
// other images.
func TestUnsigned(t *testing.T) {
	store, a, b := place(t)
	stranger := newKey(t)
	o := check.Options{Unsigned: true}
	want(t, image(t, minimist(), o, store, a), check.Undetermined, check.NoSBOM)
	put(t, store, a, document(t, format.SPDXJSON, b, hit))
	res := image(t, minimist(), o, store, a)
	want(t, res, check.Undetermined, check.NoSBOM)
	if len(res.Notes) != 1 {
		t.Errorf("notes %v", res.Notes)
	}
	attest(t, store, b, "spdxjson", []byte(`{"spdxVersion":"SPDX-2.3","SPDXID":"SPDXRef-DOCUMENT","name":"names no image","packages":[]}`), stranger)
	transplant(t, store, b, a)
	if res = image(t, minimist(), o, store, a); len(res.SBOMs) != 0 {
		t.Errorf("the SBOM of another image is used: %+v", res.SBOMs)
	}
	put(t, store, a, document(t, format.SPDXJSON, a, miss))
	want(t, image(t, minimist(), o, store, a), check.NotAffected, check.NothingHits)
	attest(t, store, a, "slsaprovenance1", []byte(`{"buildDefinition":{"buildType":"https://x.example/t","externalParameters":{}},"runDetails":{"builder":{"id":"https://x.example/b"}}}`), stranger)
	attest(t, store, a, "spdxjson", document(t, format.SPDXJSON, a, hit), stranger)
	attest(t, store, a, "spdxjson", document(t, format.SPDXJSON, a, miss), stranger)
	res = image(t, minimist(), o, store, a)
	want(t, res, check.Affected, check.Found)
	if !res.Unsigned || len(res.SBOMs) != 2 || len(res.SBOMs[0].Signers)+len(res.SBOMs[1].Signers) != 0 || res.Verdict.Outcome == verify.Accept {
		t.Errorf("%+v", res)
	}
}

func TestDocument(t *testing.T) {
	_, a, _ := place(t)
	c, err := check.New(minimist(), check.Options{Unsigned: true})
	if err != nil {
		t.Fatal(err)
	}
	res, err := c.Document(t.Context(), "x.json", bytes.NewReader(document(t, format.CycloneDXJSON, a, hit)))
	if err != nil || !res.Unsigned || res.Name != "x.json" {
		t.Fatalf("%+v, %v", res, err)
	}
	want(t, res, check.Affected, check.Found)
	if res, err = c.Document(t.Context(), "x", strings.NewReader("no SBOM")); err != nil {
		t.Fatal(err)
	}
	want(t, res, check.Undetermined, check.SBOMUnreadable)
	if _, err = c.Document(t.Context(), "x", io.MultiReader(strings.NewReader("{"), failing{})); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("error %v", err)
	}
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, io.ErrClosedPipe }

// cut is a store that stops answering.
type cut struct {
	attach.Reader
	list bool
}

func (c cut) List(ctx context.Context, s attach.Subject, kinds ...attach.Kind) iter.Seq2[attach.Attachment, error] {
	if !c.list {
		return c.Reader.List(ctx, s, kinds...)
	}
	return func(yield func(attach.Attachment, error) bool) { yield(attach.Attachment{}, io.ErrClosedPipe) }
}

func (c cut) Open(context.Context, attach.Subject, attach.Attachment) (io.ReadCloser, error) {
	return nil, io.ErrClosedPipe
}

func TestUnreachable(t *testing.T) {
	store, a, _ := place(t)
	k := newKey(t)
	attest(t, store, a, "spdxjson", document(t, format.SPDXJSON, a, miss), k)
	put(t, store, a, document(t, format.SPDXJSON, a, miss))
	for _, r := range []cut{{store, true}, {store, false}} {
		want(t, image(t, minimist(), check.Options{Trust: trust(k)}, r, a), check.Undetermined, check.SBOMUnreachable)
		want(t, image(t, minimist(), check.Options{Unsigned: true}, r, a), check.Undetermined, check.SBOMUnreachable)
	}
}

func FuzzDocument(f *testing.F) {
	f.Add([]byte(`{"spdxVersion":"SPDX-2.3","SPDXID":"SPDXRef-DOCUMENT","name":"x","packages":[{"SPDXID":"SPDXRef-a","name":"a","versionInfo":"1"}]}`))
	f.Add([]byte(`"SPDXVersion: SPDX-2.3\nPackageName: a\nSPDXID: SPDXRef-a\n"`))
	f.Add([]byte(`{"bomFormat":"CycloneDX","specVersion":"1.6","components":[{"type":"library","name":"minimist","purl":"pkg:npm/minimist@1.2.5"}]}`))
	f.Add([]byte(`"`))
	c, err := check.New(minimist(), check.Options{Unsigned: true})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		res, err := c.Document(t.Context(), "x", bytes.NewReader(data))
		if err != nil || !res.Unsigned {
			t.Fatalf("%+v, %v", res, err)
		}
		if res.Outcome == check.NotAffected && (len(res.Findings) > 0 || len(res.Gaps) > 0 || res.Coverage.Mapped == 0) {
			t.Fatalf("not affected with %d findings, gaps %v", len(res.Findings), res.Gaps)
		}
	})
}
