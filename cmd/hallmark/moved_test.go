package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/hallmark-oci/hallmark/attach/storetest"
)

// twoFaced is a registry in which the tag names one image when it is asked for first,
// and the other one ever after.
type twoFaced struct {
	*storetest.Server
	images [2]v1.Image
}

// newTwoFaced starts it with two images, of which the first is signed.
func newTwoFaced(t *testing.T, dir string) *twoFaced {
	t.Helper()
	f := &twoFaced{Server: storetest.Start()}
	t.Cleanup(f.Close)
	for i := range f.images {
		img, err := random.Image(256, 1)
		if err != nil {
			t.Fatal(err)
		}
		ref, err := name.NewTag(fmt.Sprintf("%s/app:image%d", f.Host, i))
		if err != nil {
			t.Fatal(err)
		}
		if err := remote.Write(ref, img); err != nil {
			t.Fatal(err)
		}
		f.images[i] = img
	}
	must(t, dir, "sign", "--key", "k.key", f.Host+"/app:image0")
	return f
}

// show has the tag 1.0 name the image of the one number first, and then the other.
func (f *twoFaced) show(first int) *atomic.Int64 {
	var asked atomic.Int64
	f.Set(storetest.Only(`^(GET|HEAD) /v2/app/manifests/1\.0$`, storetest.Answer("another image behind the tag", func(w http.ResponseWriter, r *http.Request) {
		img := f.images[first]
		if asked.Add(1) > 1 {
			img = f.images[1-first]
		}
		raw, _ := img.RawManifest()
		digest, _ := img.Digest()
		mediaType, _ := img.MediaType()
		w.Header().Set("Content-Type", string(mediaType))
		w.Header().Set("Docker-Content-Digest", digest.String())
		w.Header().Set("Content-Length", fmt.Sprint(len(raw)))
		if r.Method == http.MethodGet {
			w.Write(raw)
		}
	})))
	return &asked
}

// TestTagMoves: a tag that names another image as soon as it was looked up changes
// nothing. What was resolved first is what is judged, and what is printed.
func TestTagMoves(t *testing.T) {
	dir := t.TempDir()
	must(t, dir, "key", "generate", "--key-format", "pkcs8", "-o", "k.key")
	if err := os.WriteFile(filepath.Join(dir, "policy.yaml"), []byte("apiVersion: hallmark.dev/v1alpha1\nkind: Policy\nmetadata: {name: p}\nspec: {scopes: [{name: s, images: ['**'], keys: [{file: k.pub}]}]}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	f := newTwoFaced(t, dir)
	for name, c := range map[string]struct {
		args  string
		first int
		exit  int
	}{
		"signed, then another":           {"--key k.pub", 0, 0},
		"signed, then another, deep":     {"--key k.pub --deep --all", 0, 0},
		"signed, then another, a policy": {"--policy policy.yaml", 0, 0},
		"another, then signed":           {"--key k.pub", 1, 1},
		"another, then signed, a policy": {"--policy policy.yaml", 1, 1},
	} {
		t.Run(name, func(t *testing.T) {
			asked := f.show(c.first)
			want, err := f.images[c.first].Digest()
			if err != nil {
				t.Fatal(err)
			}
			cmd, out, errs := hallmark(t, dir, append(strings.Fields("verify -f json "+c.args), f.Host+"/app:1.0")...)
			_ = cmd.Run()
			var doc struct {
				Images []struct{ Digest string }
			}
			if err := json.Unmarshal(out.Bytes(), &doc); err != nil {
				t.Fatalf("%v\n%s%s", err, out, errs)
			}
			if got := cmd.ProcessState.ExitCode(); got != c.exit || len(doc.Images) != 1 || doc.Images[0].Digest != want.String() || asked.Load() != 1 {
				t.Errorf("exit code %d, want %d, for %s; the tag was asked for %d times\n%s%s", got, c.exit, want, asked.Load(), out, errs)
			}
		})
	}
}
