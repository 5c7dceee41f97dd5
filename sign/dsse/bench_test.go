package dsse_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/sign/dsse"
	"github.com/hallmark-oci/hallmark/sign/key"
	"github.com/hallmark-oci/hallmark/sign/payload"
)

// sbomSize is that of a large SPDX document, in bytes.
const sbomSize = 77 << 20

// writeSBOM writes a document like the ones that scanners make.
func writeSBOM(b *testing.B, path string) payload.Source {
	b.Helper()
	f, err := os.Create(path)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	var part bytes.Buffer
	size := int64(0)
	put := func() {
		n, err := f.Write(part.Bytes())
		if err != nil {
			b.Fatal(err)
		}
		size += int64(n)
		part.Reset()
	}
	part.WriteString("{\n \"spdxVersion\": \"SPDX-2.3\",\n \"SPDXID\": \"SPDXRef-DOCUMENT\",\n \"packages\": [\n")
	for i := 0; size < sbomSize; i++ {
		fmt.Fprintf(&part, "  {\n   \"name\": \"package-%d\",\n   \"SPDXID\": \"SPDXRef-Package-deb-%d\",\n   \"versionInfo\": \"1.%d.0-2\",\n"+
			"   \"downloadLocation\": \"NOASSERTION\",\n   \"licenseConcluded\": \"NOASSERTION\",\n   \"checksums\": [{\"algorithm\": \"SHA256\", \"checksumValue\": \"%064x\"}]\n  },\n", i, i, i%7, i)
		if part.Len() > 1<<16 {
			put()
		}
	}
	part.WriteString("  {}\n ]\n}\n")
	put()
	return payload.Source{Size: size, Open: func() (io.ReadCloser, error) { return os.Open(path) }}
}

// writeEnvelope writes a signed statement about an image with the document as predicate.
func writeEnvelope(b *testing.B, dir string, k *key.Private) attach.Body {
	b.Helper()
	subject := payload.Subject{Name: "registry.example/app", Digest: map[string]string{"sha256": fmt.Sprintf("%064x", 1)}}
	s, err := payload.NewStatement(payload.StatementV01, payload.SPDX, []payload.Subject{subject}, writeSBOM(b, filepath.Join(dir, "sbom")))
	if err != nil {
		b.Fatal(err)
	}
	p := dsse.Payload{Type: payload.MediaType, Size: s.Size, Open: s.Open}
	pae, err := p.PAE()
	if err != nil {
		b.Fatal(err)
	}
	defer pae.Close()
	sig, err := k.Sign(context.Background(), pae)
	if err != nil {
		b.Fatal(err)
	}
	sealed, err := dsse.Seal(p, dsse.Signature{Sig: sig})
	if err != nil {
		b.Fatal(err)
	}
	rc, err := sealed.Open()
	if err != nil {
		b.Fatal(err)
	}
	defer rc.Close()
	path := filepath.Join(dir, "envelope")
	f, err := os.Create(path)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	if n, err := io.Copy(f, rc); err != nil || n != sealed.Size {
		b.Fatal(n, err)
	}
	body, err := attach.File(path)
	if err != nil {
		b.Fatal(err)
	}
	return body
}

// BenchmarkVerifyLarge does all that a verifier does with the attestation of a
// large SBOM: check the blob's digest, read the envelope, verify the signature
// and read the statement's header. It reports the CPU time that an attestation
// takes and the largest memory of the process.
func BenchmarkVerifyLarge(b *testing.B) {
	dir := b.TempDir()
	k := generate(b)
	body := writeEnvelope(b, dir, k)
	b.SetBytes(body.Size)
	before, n := cpu(b), 0
	for b.Loop() {
		verifyLarge(b, dir, k.PublicKey(), body)
		n++
	}
	b.ReportMetric((cpu(b)-before)/float64(n), "cpu-s/op")
	b.ReportMetric(float64(usage(b).Maxrss)/1024, "max-RSS-MB")
}

func verifyLarge(b *testing.B, dir string, pub *key.Public, body attach.Body) {
	b.Helper()
	rc, err := body.Open()
	if err != nil {
		b.Fatal(err)
	}
	desc := attach.Attachment{}.Desc
	desc.Digest, desc.Size = body.Digest, body.Size
	checked, err := attach.Check(rc, desc)
	if err != nil {
		b.Fatal(err)
	}
	defer checked.Close()
	e, err := dsse.Open(checked, body.Size, dsse.Options{TempDir: dir})
	if err != nil {
		b.Fatal(err)
	}
	defer e.Close()
	sum, err := e.Sum()
	if err != nil {
		b.Fatal(err)
	}
	if decided, err := pub.VerifyDigest(e.Signatures()[0].Sig, sum); !decided || err != nil {
		b.Fatal(decided, err)
	}
	h, err := payload.ReadHeader(e.Payload())
	if err != nil || h.PredicateType != payload.SPDX || h.PredicateLength < sbomSize {
		b.Fatalf("%+v, %v", h, err)
	}
}

func usage(b *testing.B) syscall.Rusage {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return u
}

// cpu returns the CPU time of the process in seconds.
func cpu(b *testing.B) float64 {
	u := usage(b)
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}
