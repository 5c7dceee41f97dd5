package transfer

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/journal"
	"github.com/hallmark-oci/hallmark/attach/storetest"
)

// TestBadBlobs has referrers that share blobs, of which one comes with other bytes
// and one is said to have another size. What needs those is missing, by name, and
// all else is there.
func TestBadBlobs(t *testing.T) {
	s := newServer(t, storetest.NativeReferrers())
	src, dst := onRegistry(t, s, "from"), onRegistry(t, s, "to")
	p := src.open(t)
	m, _ := p.Media()
	root := putImage(t, m, "v1", "bad blobs")
	blobs := map[string][]byte{"bad": []byte("will be other bytes"), "shared": []byte("in several"), "misnamed": []byte("of that size"), "config": []byte("{}")}
	refer := func(note string, wrong bool, names ...string) v1.Descriptor {
		var layers []v1.Descriptor
		var content [][]byte
		for _, n := range names {
			d := blobDesc("text/plain", blobs[n])
			if wrong && n == "misnamed" {
				d.Size++
			}
			layers, content = append(layers, d), append(content, blobs[n])
		}
		return putRaw(t, m, "", types.OCIManifestSchema1, marshal(t, map[string]any{
			"schemaVersion": 2, "mediaType": types.OCIManifestSchema1, "artifactType": "text/plain", "annotations": map[string]string{"note": note},
			"config": blobDesc("application/vnd.oci.empty.v1+json", blobs["config"]), "layers": layers, "subject": root,
		}), append(content, blobs["config"])...)
	}
	bad := []v1.Descriptor{
		refer("bad", false, "shared", "bad"), refer("bad too", false, "bad", "misnamed"), refer("wrong size", true, "misnamed", "shared"),
	}
	var good []v1.Descriptor
	for i := range 20 {
		good = append(good, refer(fmt.Sprint("good ", i), false, "shared", "misnamed"))
	}
	other := storetest.Only("GET .*/from/blobs/"+attach.DigestOf(blobs["bad"]).String(), storetest.WrongBytes())
	s.Set(storetest.NativeReferrers(), other)
	r := transfer(t, src, dst, stock{root: attach.Subject{Repo: src.repo, Desc: root}}, "v1", Options{})
	said := fmt.Sprint(r.Problems)
	s.Set(storetest.NativeReferrers())
	to, _ := dst.open(t).Media()
	for _, d := range bad {
		if _, err := to.Manifest(t.Context(), d.Digest.String()); !errors.Is(err, attach.ErrNotFound) || !strings.Contains(said, d.Digest.String()) {
			t.Errorf("%s: %v, or is not named in %s", d.Digest, err, said)
		}
	}
	for _, d := range good {
		if _, err := to.Manifest(t.Context(), d.Digest.String()); err != nil || strings.Contains(said, d.Digest.String()) {
			t.Errorf("%s: %v, or is named in %s", d.Digest, err, said)
		}
	}
}

// TestStoppedBlob has the context end of who sends a blob while another waits for
// it: the other sends it then.
func TestStoppedBlob(t *testing.T) {
	from, to := newLayout(t).open(t), newLayout(t).open(t)
	m, _ := from.Media()
	content := []byte("wanted twice")
	must(t, m.PutBlob(t.Context(), attach.Bytes(content)))
	c, err := newCopier(from, to, Options{})
	must(t, err)
	d := blobDesc("text/plain", content)
	slow := &stopping{Carrier: c.attachments, begun: make(chan struct{})}
	ctx, cancel := context.WithCancel(t.Context())
	first, second := make(chan error), make(chan error)
	go func() { first <- c.sendBlob(ctx, d, m, slow) }()
	<-slow.begun
	go func() { second <- c.sendBlob(t.Context(), d, m, slow) }()
	cancel()
	if err := <-first; !errors.Is(err, context.Canceled) {
		t.Errorf("the first: %v", err)
	}
	if err := <-second; err != nil {
		t.Errorf("the second: %v", err)
	}
}

// stopping is a carrier whose first blob never arrives.
type stopping struct {
	Carrier
	begun chan struct{}
	again bool
}

func (s *stopping) CopyBlob(ctx context.Context, b attach.Body, from journal.Medium) (bool, error) {
	if s.again {
		return s.Carrier.CopyBlob(ctx, b, from)
	}
	s.again = true
	close(s.begun)
	<-ctx.Done()
	return false, context.Cause(ctx)
}
