package layout

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hallmark-oci/hallmark/attach"
)

// TestHostile reads blobs that are not what they should be.
func TestHostile(t *testing.T) {
	ctx := t.Context()
	s := create(t)
	sub := putRandom(t, s, "v1")
	blob := filepath.Join(path(s), blobsDir, sub.Desc.Digest.Hex)
	good, err := os.ReadFile(blob)
	if err != nil {
		t.Fatal(err)
	}
	outside := filepath.Join(t.TempDir(), "outside")
	if err := os.WriteFile(outside, good, 0o644); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		do   func() error
		want error
	}{
		{"truncated", func() error { return os.WriteFile(blob, good[:len(good)/2], 0o644) }, attach.ErrDigest},
		{"longer", func() error { return os.WriteFile(blob, append(slices.Clone(good), ' '), 0o644) }, attach.ErrDigest},
		{"flipped", func() error { return os.WriteFile(blob, bytes.ToUpper(good), 0o644) }, attach.ErrDigest},
		{"huge", func() error { return os.Truncate(blob, 10<<30) }, attach.ErrLimit},
		{"missing", func() error { return nil }, attach.ErrNotFound},
		{"directory", func() error { return os.Mkdir(blob, 0o755) }, attach.ErrMalformed},
		{"link outside", func() error { return os.Symlink(outside, blob) }, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if err := os.RemoveAll(blob); err != nil {
				t.Fatal(err)
			}
			if tt.name == "huge" {
				if err := os.WriteFile(blob, nil, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if err := tt.do(); err != nil {
				t.Fatal(err)
			}
			_, err := s.Resolve(ctx, "v1")
			if err == nil || tt.want != nil && !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
	// Putting the manifest again repairs what can be repaired.
	if err := os.RemoveAll(blob); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(blob, bytes.ToUpper(good), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := s.medium.PutManifest(ctx, "v1", string(sub.Desc.MediaType), good); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Resolve(ctx, "v1"); err != nil {
		t.Error(err)
	}
}

// TestPutRefuses puts what does not belong into a layout.
func TestPutRefuses(t *testing.T) {
	ctx := t.Context()
	s := create(t)
	const mt = "application/vnd.oci.image.manifest.v1+json"
	ok := []byte(`{"schemaVersion":2,"layers":[]}`)
	tests := []struct {
		name, ref, mt string
		raw           []byte
		want          error
	}{
		{"wrong digest", "sha256:" + strings.Repeat("0", 64), mt, ok, attach.ErrDigest},
		{"empty tag", "", mt, ok, attach.ErrMalformed},
		{"tag with newline", "a\nb", mt, ok, attach.ErrMalformed},
		{"long tag", strings.Repeat("a", 256), mt, ok, attach.ErrMalformed},
		{"no JSON", "x", mt, []byte("{"), attach.ErrMalformed},
		{"no manifest", "x", mt, []byte("{}"), attach.ErrMalformed},
		{"two types", "x", mt, []byte(`{"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}`), attach.ErrMalformed},
		{"too large", "x", mt, append(bytes.Repeat([]byte(" "), attach.MaxManifest), ok...), attach.ErrLimit},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if err := s.medium.PutManifest(ctx, tt.ref, tt.mt, tt.raw); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
	short := attach.Bytes([]byte("abc"))
	short.Size = 4
	if err := s.medium.PutBlob(ctx, short); !errors.Is(err, attach.ErrDigest) {
		t.Errorf("short body: %v", err)
	}
	bad := attach.Bytes([]byte("abc"))
	bad.Digest.Hex = "../../../../tmp/x"
	if err := s.medium.PutBlob(ctx, bad); !errors.Is(err, attach.ErrMalformed) {
		t.Errorf("digest with path: %v", err)
	}
	if names := list(t, filepath.Join(path(s), blobsDir)); len(names) != 0 {
		t.Errorf("refused content left %v", names)
	}
	if names := list(t, filepath.Join(path(s), ours)); !slices.Equal(names, []string{"lock"}) {
		t.Errorf("refused content left %v", names)
	}
}

// TestBodyFails puts a body whose reader breaks off: the blob that is there stays.
func TestBodyFails(t *testing.T) {
	s := create(t)
	b := attach.Bytes(bytes.Repeat([]byte("x"), 100))
	broken := errors.New("cable pulled")
	b.Open = func() (io.ReadCloser, error) {
		return io.NopCloser(io.MultiReader(strings.NewReader("xxxxx"), iotestErr{broken})), nil
	}
	if err := s.medium.PutBlob(t.Context(), b); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	if names := list(t, filepath.Join(path(s), blobsDir)); len(names) != 0 {
		t.Errorf("left %v", names)
	}
}

type iotestErr struct{ err error }

func (r iotestErr) Read([]byte) (int, error) { return 0, r.err }

func TestLock(t *testing.T) {
	s := create(t)
	other, err := Open(path(s), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	release, err := s.medium.Lock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for name, waiter := range map[string]*Store{"same store": s, "other store": other} {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
		if _, err := waiter.medium.Lock(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v", name, err)
		}
		cancel()
	}
	// What the holder does under its lock does not wait for it.
	if err := s.medium.PutManifest(t.Context(), "x", "application/vnd.oci.image.manifest.v1+json", []byte(`{"layers":[]}`)); err != nil {
		t.Error(err)
	}
	release()
	release()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	again, err := other.medium.Lock(ctx)
	if err != nil {
		t.Fatal(err)
	}
	again()
}
