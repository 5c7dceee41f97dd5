package registry

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/hallmark-oci/hallmark/attach"
)

// A carrier is a registry that answers to mounts as it is told to, and forgets
// what is sent to it.
type carrier struct {
	mount int  // status
	has   bool // whether it has the blob already
	mu    sync.Mutex
	log   []string
}

// ServeHTTP implements http.Handler.
func (c *carrier) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	io.Copy(io.Discard, r.Body)
	c.mu.Lock()
	defer c.mu.Unlock()
	if r.URL.Path != "/v2/" {
		c.log = append(c.log, r.Method+" "+strings.TrimPrefix(r.URL.Path, "/v2/to/blobs/"))
	}
	switch {
	case r.URL.Path == "/v2/":
	case r.Method == http.MethodHead && !c.has:
		w.WriteHeader(http.StatusNotFound)
	case r.URL.Query().Has("mount"):
		w.Header().Set("Location", "/v2/to/blobs/uploads/1")
		w.WriteHeader(c.mount)
	case r.Method == http.MethodPost && !r.URL.Query().Has("digest"):
		w.Header().Set("Location", "/v2/to/blobs/uploads/2")
		w.WriteHeader(http.StatusAccepted)
	case r.Method == http.MethodPost, r.Method == http.MethodPut:
		w.WriteHeader(http.StatusCreated)
	case r.Method == http.MethodDelete:
		w.WriteHeader(http.StatusNoContent)
	}
}

// open returns the media of two repositories of the registry.
func (c *carrier) open(t *testing.T) (from, to medium) {
	t.Helper()
	s := httptest.NewServer(c)
	t.Cleanup(s.Close)
	host := strings.TrimPrefix(s.URL, "http://")
	hosts := NewHosts(Options{})
	media := make([]medium, 2)
	for i, repo := range []string{"/from", "/to"} {
		store, err := New(host+repo, Options{Hosts: hosts})
		if err != nil {
			t.Fatal(err)
		}
		m, _ := store.Media()
		media[i] = m.(medium)
	}
	return media[0], media[1]
}

// TestMount: an upload that the registry opened in place of mounting is used, or
// given up where the blob is there; one that it did not open is begun.
func TestMount(t *testing.T) {
	small, big := attach.Bytes([]byte("x")), attach.Bytes(bytes.Repeat([]byte("y"), bigBlob))
	tests := []struct {
		name    string
		mount   int
		has     bool
		body    attach.Body
		mounted bool
		want    string
	}{
		{"mounted", 201, false, small, true, "POST uploads/"},
		{"upload opened", 202, false, small, false, "POST uploads/, PUT uploads/1"},
		{"upload opened for a big blob", 202, false, big, false, "POST uploads/, HEAD D, PUT uploads/1"},
		{"upload opened for what is there", 202, true, big, true, "POST uploads/, HEAD D, DELETE uploads/1"},
		{"refused", 405, false, small, false, "POST uploads/, POST uploads/"},
		{"not found", 404, false, big, false, "POST uploads/, HEAD D, POST uploads/, PUT uploads/2"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := &carrier{mount: tt.mount, has: tt.has}
			from, to := c.open(t)
			mounted, err := to.CopyBlob(t.Context(), tt.body, from)
			if err != nil || mounted != tt.mounted {
				t.Errorf("mounted %v, %v", mounted, err)
			}
			got := strings.ReplaceAll(strings.Join(c.log, ", "), tt.body.Digest.String(), "D")
			if got != tt.want {
				t.Errorf("it asked %s, want %s", got, tt.want)
			}
		})
	}
}

// TestMountLearned: of a registry that opens uploads where it is asked to mount,
// small blobs are not asked for again; big ones are, since much is to be won.
func TestMountLearned(t *testing.T) {
	c := &carrier{mount: 202}
	from, to := c.open(t)
	for _, b := range []attach.Body{
		attach.Bytes([]byte("x")), attach.Bytes([]byte("y")), attach.Bytes(bytes.Repeat([]byte("z"), bigBlob)),
	} {
		if mounted, err := to.CopyBlob(t.Context(), b, from); mounted || err != nil {
			t.Errorf("mounted %v, %v", mounted, err)
		}
	}
	digest := regexp.MustCompile(`sha256:[0-9a-f]{64}|uploads/[0-9]+`)
	got := digest.ReplaceAllString(strings.Join(c.log, ", "), "N")
	if want := "POST uploads/, PUT N, POST uploads/, POST uploads/, HEAD N, PUT N"; got != want {
		t.Errorf("it asked %s, want %s", got, want)
	}
}

// nothings are so many bytes of zero.
type nothings struct{ left int64 }

// Read implements io.Reader.
func (z *nothings) Read(p []byte) (int, error) {
	if z.left == 0 {
		return 0, io.EOF
	}
	n := min(int64(len(p)), z.left)
	clear(p[:n])
	z.left -= n
	return int(n), nil
}

// TestCopyMemory: the size of a blob costs no memory.
func TestCopyMemory(t *testing.T) {
	const size = 512 << 20
	c := &carrier{mount: 202}
	from, to := c.open(t)
	b := attach.Body{
		Digest: v1.Hash{Algorithm: "sha256", Hex: strings.Repeat("0", 64)}, Size: size,
		Open: func() (io.ReadCloser, error) { return io.NopCloser(&nothings{size}), nil },
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, err := to.CopyBlob(t.Context(), b, from); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; took > 8<<20 {
		t.Errorf("%d bytes of memory were taken for a blob of %d", took, int64(size))
	}
}
