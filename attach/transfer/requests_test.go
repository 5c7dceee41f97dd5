package transfer

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"testing"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/registry"
	"github.com/hallmark-oci/hallmark/attach/storetest"
)

// TestRequests counts what it takes to copy an image of a config and two layers
// with a signature and an SBOM, everything included, at both ends together.
// Measured on distribution: cosign 36, oras 40, regctl 54, and the first two
// leave a part behind.
//
// What two-step uploads take is the least that this order can do with: eleven requests
// read the source (four of them blobs, of which one is the SBOM), twenty write seven
// blobs and six manifests, and seven look. Those see what is there before anything is
// written, whether referrers are listed, what is there before the first view is, what
// others put into the journal meanwhile, and that both views and the tag name what they
// should.
func TestRequests(t *testing.T) {
	tests := []struct {
		name   string
		quirks []storetest.Quirk
		same   bool
		most   int
	}{
		{"same registry", []storetest.Quirk{storetest.Mounts()}, true, 29},
		{"same registry, copied again", []storetest.Quirk{storetest.Mounts()}, true, 18},
		{"other registry", nil, false, 31},
		{"same registry that mounts nothing", nil, true, 31},
		{"other registry, uploads in two steps", []storetest.Quirk{storetest.TwoStepUploads()}, false, 38},
		{"same registry with referrers", []storetest.Quirk{storetest.Mounts(), storetest.NativeReferrers()}, true, 32},
		{"other registry with referrers", []storetest.Quirk{storetest.NativeReferrers()}, false, 33},
	}
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newServer(t, tt.quirks...)
			to := s
			if !tt.same {
				to = newServer(t, tt.quirks...)
			}
			st := small(t, onRegistry(t, s, "from"))
			hosts := registry.NewHosts(registry.Options{Sleep: quick})
			src, dst := sharing(t, s, "from", hosts), sharing(t, to, "to", hosts)
			if i == 1 {
				clean(t, transfer(t, onRegistry(t, s, "from"), onRegistry(t, to, "to"), st, "v1", Options{}))
			}
			s.Forget()
			to.Forget()
			r := transfer(t, src, dst, st, "v1", Options{})
			clean(t, r)
			all := s.Requests()
			if !tt.same {
				all = append(all, to.Requests()...)
			}
			t.Logf("%s: %d requests: %s", tt.name, len(all), summary(all))
			if len(all) > tt.most {
				t.Errorf("%d requests, more than %d", len(all), tt.most)
			}
			if tt.same && tt.quirks != nil && r.Bytes != 0 {
				t.Errorf("%d bytes were sent within one registry", r.Bytes)
			}
		})
	}
}

// small puts an image with a signature and an SBOM into the place.
func small(t *testing.T, s site) stock {
	t.Helper()
	p := s.open(t)
	m, _ := p.Media()
	sub := attach.Subject{Repo: s.repo, Desc: putImage(t, m, "v1", "small")}
	put(t, p, sub, storetest.NewSignature(sub, "one"), sbom("small"))
	return stock{root: sub, subjects: []attach.Subject{sub}}
}

// summary counts requests by what they are for.
func summary(all []storetest.Request) string {
	counts := make(map[string]int)
	for _, r := range all {
		path := regexp.MustCompile(`^/v2/[a-z]+/`).ReplaceAllString(r.Path, "")
		path = regexp.MustCompile(`sha256([-:])[0-9a-f]{64}`).ReplaceAllString(path, "D")
		path = regexp.MustCompile(`[0-9a-f]{32}\.hm|uploads/[0-9]+`).ReplaceAllString(path, "*")
		counts[fmt.Sprintf("%s %s %d", r.Method, path, r.Status)]++
	}
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(counts)) {
		parts = append(parts, fmt.Sprintf("%dx %s", counts[k], k))
	}
	return fmt.Sprint(parts)
}
