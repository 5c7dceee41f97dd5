package verify_test

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"runtime/metrics"
	"strings"
	"sync"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/sign/dsse"
	"github.com/hallmark-oci/hallmark/sign/key"
	"github.com/hallmark-oci/hallmark/sign/payload"
	"github.com/hallmark-oci/hallmark/verify"
)

const (
	// hugeBundle is about the size of the bundles in these tests, in bytes.
	hugeBundle = 60 << 20
	// mayGrow is by how much the heap may grow while one is judged, in bytes.
	mayGrow = 40 << 20
)

// cellar is a shelf whose large blobs are files.
type cellar struct {
	*shelf
	files map[v1.Hash]string
}

// Blob implements attach.Reader.
func (c *cellar) Blob(ctx context.Context, s attach.Subject, d v1.Descriptor) (io.ReadCloser, error) {
	name, large := c.files[d.Digest]
	if !large {
		return c.shelf.Blob(ctx, s, d)
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	return attach.Check(f, d)
}

// hang writes a blob of any size and hangs it from the image as a bundle.
func (c *cellar) hang(t *testing.T, write func(w io.Writer)) {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "blob"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	sum := sha256.New()
	w := bufio.NewWriter(io.MultiWriter(f, sum))
	write(w)
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	d := v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(sum.Sum(nil))}
	c.files[d] = f.Name()
	c.referrer(bundleType, fmt.Sprintf(`[{"mediaType":%q,"size":%d,"digest":%q}]`, bundleType, info.Size(), d))
}

// signedHuge writes the envelope of a statement with a large predicate.
func signedHuge(t *testing.T, w io.Writer, k *key.Private, d v1.Hash) {
	t.Helper()
	head := strings.TrimSuffix(string(statement(d, payload.SPDX)), `{"a":1}}`)
	p := dsse.Payload{Type: payload.MediaType, Open: func() (io.ReadCloser, error) {
		return io.NopCloser(io.MultiReader(strings.NewReader(head+`"`), io.LimitReader(letters{}, hugeBundle/4*3), strings.NewReader(`"}`))), nil
	}}
	p.Size = int64(len(head)) + hugeBundle/4*3 + 3
	rc := sealed(t, k, p)
	defer rc.Close()
	if _, err := io.Copy(w, rc); err != nil {
		t.Fatal(err)
	}
}

// letters yields the letter a without end.
type letters struct{}

// Read implements io.Reader.
func (letters) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'a'
	}
	return len(p), nil
}

// peak runs f and returns by how many bytes the heap grew at most meanwhile.
func peak(f func()) uint64 {
	heap := func() uint64 {
		s := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
		metrics.Read(s)
		return s[0].Value.Uint64()
	}
	runtime.GC()
	runtime.GC()
	idle, most := heap(), uint64(0)
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			most = max(most, heap())
			select {
			case <-done:
				return
			case <-time.After(200 * time.Microsecond):
			}
		}
	})
	f()
	close(done)
	wg.Wait()
	return most - min(idle, most)
}

// TestBundleMemory judges large bundles, honest and hostile ones, while looking
// at the heap, and finds no temporary file left.
func TestBundleMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("what is measured is the memory of the race detector")
	}
	ours, theirs := newKey(t, key.ECDSAP256), newKey(t, key.ECDSAP256)
	head := `{"mediaType":"` + bundleType + `","verificationMaterial":{"publicKey":{"hint":"` +
		base64.StdEncoding.EncodeToString([]byte("hint")) + `"}},`
	small := `"dsseEnvelope":{"payload":"e30=","payloadType":"t","signatures":[{"sig":"AA=="}]}}`
	fill := func(w io.Writer) { io.CopyN(w, letters{}, hugeBundle) }
	for name, c := range map[string]struct {
		write func(w io.Writer, d v1.Hash)
		want  verify.Reason
	}{
		"ours": {func(w io.Writer, d v1.Hash) {
			io.WriteString(w, head+`"dsseEnvelope":`)
			signedHuge(t, w, ours, d)
			io.WriteString(w, "}")
		}, verify.Accepted},
		"a stranger's": {func(w io.Writer, d v1.Hash) {
			io.WriteString(w, head+`"dsseEnvelope":`)
			signedHuge(t, w, theirs, d)
			io.WriteString(w, "}")
		}, verify.UntrustedKey},
		"long text": {func(w io.Writer, _ v1.Hash) {
			io.WriteString(w, head+`"later":"`)
			fill(w)
			io.WriteString(w, `",`+small)
		}, verify.UntrustedKey},
		"long hint": {func(w io.Writer, _ v1.Hash) {
			io.WriteString(w, `{"verificationMaterial":{"publicKey":{"hint":"`)
			fill(w)
			io.WriteString(w, `"}},`+small)
		}, verify.BundleMalformed},
		"long member name": {func(w io.Writer, _ v1.Hash) {
			io.WriteString(w, head+`"`)
			fill(w)
			io.WriteString(w, `":1,`+small)
		}, verify.BundleMalformed},
		"long names on all levels": {func(w io.Writer, _ v1.Hash) {
			const levels, members, length = 500, 120, 1000
			io.WriteString(w, head+`"later":{`)
			for range levels {
				for i := range members {
					fmt.Fprintf(w, `"%0*d":1,`, length, i)
				}
				io.WriteString(w, `"a":{`)
			}
			io.WriteString(w, strings.Repeat("}", levels+1)+","+small)
		}, verify.BundleMalformed},
		"many small objects": {func(w io.Writer, _ v1.Hash) {
			io.WriteString(w, head+`"later":[{}`)
			for range 4 << 20 {
				io.WriteString(w, `,{"a":{"b":1}}`)
			}
			io.WriteString(w, "],"+small)
		}, verify.UntrustedKey},
	} {
		t.Run(name, func(t *testing.T) {
			s := &cellar{shelf: newShelf(), files: make(map[v1.Hash]string)}
			sub := s.image(t, "app")
			s.hang(t, func(w io.Writer) { c.write(w, sub.Desc.Digest) })
			temp := t.TempDir()
			t.Setenv("TMPDIR", temp)
			var check verify.Check
			grown := peak(func() { _, check = judge(t, s, sub, attestationRule(payload.SPDX), ours) })
			if len(check.Evidence) != 1 || check.Evidence[0].Attachment.Desc.MediaType != types.OCIManifestSchema1 ||
				(c.want != verify.Accepted && check.Evidence[0].Reason != c.want) || (check.Outcome == verify.Accept) != (c.want == verify.Accepted) {
				t.Errorf("%s %+v, want %s", check.Reason, check.Evidence, c.want)
			}
			t.Logf("the heap grew by %.1f MB", float64(grown)/1e6)
			if grown > mayGrow {
				t.Errorf("the heap grew by %d bytes, it may by %d", grown, mayGrow)
			}
			if left, err := os.ReadDir(temp); err != nil || len(left) != 0 {
				t.Errorf("left behind: %v, %v", left, err)
			}
		})
	}
}
