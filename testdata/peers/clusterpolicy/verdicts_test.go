// Package clusterpolicy holds hallmark's reading of ClusterImagePolicies against the
// policy-controller's own, over policies and images that one key signed. It is a module
// of its own, for what the policy-controller requires, and `make clusterpolicy` runs it.
package clusterpolicy

import (
	"context"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/sigstore/policy-controller/pkg/policy"
)

// theirs is what the policy-controller says: "accept", "reject", "invalid".
func theirs(ctx context.Context, text string, ref name.Digest) string {
	v := policy.Verification{NoMatchPolicy: "deny", Policies: &[]policy.Source{{Data: text}}}
	verifier, err := policy.Compile(ctx, v, func(string, ...any) {})
	if err != nil {
		return "invalid"
	}
	if err := verifier.Verify(ctx, ref, authn.DefaultKeychain); err != nil {
		return "reject"
	}
	return "accept"
}

// ours is what hallmark says, with "open" for what it cannot tell.
func ours(t *testing.T, hallmark, text string, ref name.Digest) string {
	file := filepath.Join(t.TempDir(), "policy.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(hallmark, "verify", "--policy", file, ref.String())
	cmd.Run()
	return map[int]string{0: "accept", 1: "reject", 2: "open", 64: "invalid"}[cmd.ProcessState.ExitCode()]
}

// A stage is a registry with three images, and the keys that policies name.
type stage struct {
	t        *testing.T
	hallmark string
	host     string
	dir      string
	images   map[string]name.Digest
}

func newStage(t *testing.T) *stage {
	s := &stage{t: t, hallmark: os.Getenv("HALLMARK"), dir: t.TempDir()}
	if s.hallmark == "" {
		t.Fatal("HALLMARK names no program: make clusterpolicy")
	}
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(server.Close)
	s.host = strings.TrimPrefix(server.URL, "http://")
	s.images = map[string]name.Digest{"signed": s.push("app"), "bare": s.push("bare"), "prefixed": s.push("prefixed")}
	s.run("key", "generate", "-o", "k.key")
	s.run("key", "generate", "-o", "o.key")
	s.run("sign", "--key", "k.key", s.images["signed"].String())
	s.must(os.WriteFile(filepath.Join(s.dir, "p.json"), []byte(`{"severity":"LOW"}`), 0o600))
	s.run("attest", "--key", "k.key", "--type", "https://example.com/scan", "--predicate", "p.json", s.images["signed"].String())
	s.run("sign", "--key", "k.key", s.images["prefixed"].String())
	s.prefix(s.images["prefixed"], "prod-")
	return s
}

func (s *stage) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// run has hallmark do something.
func (s *stage) run(args ...string) {
	s.t.Helper()
	cmd := exec.Command(s.hallmark, args...)
	cmd.Dir = s.dir
	cmd.Env = append(os.Environ(), "HALLMARK_PASSWORD=x")
	if out, err := cmd.CombinedOutput(); err != nil {
		s.t.Fatalf("%v: %v\n%s", args, err, out)
	}
}

// push puts an image into the repository.
func (s *stage) push(repo string) name.Digest {
	s.t.Helper()
	img, err := random.Image(100, 1)
	s.must(err)
	tag, err := name.NewTag(s.host + "/" + repo + ":1")
	s.must(err)
	s.must(remote.Write(tag, img))
	d, err := img.Digest()
	s.must(err)
	return tag.Context().Digest(d.String())
}

// prefix puts the image's signatures under a tag with a prefix too, as cosign has it.
func (s *stage) prefix(image name.Digest, prefix string) {
	s.t.Helper()
	from := image.Context().Tag(strings.Replace(image.DigestStr(), ":", "-", 1) + ".sig")
	sig, err := remote.Image(from)
	s.must(err)
	s.must(remote.Write(image.Context().Tag(prefix+from.TagStr()), sig))
}

// key returns a public key as a string of YAML.
func (s *stage) key(file string) string {
	s.t.Helper()
	raw, err := os.ReadFile(filepath.Join(s.dir, file))
	s.must(err)
	return `"` + strings.ReplaceAll(string(raw), "\n", `\n`) + `"`
}

// authorities are those of the policies for which both must say the same.
func authorities(host string) []string {
	return []string{
		"[{key: {data: KEY}}]", "[{key: {data: OTHER}}]", "[{key: {data: OTHER}}, {key: {data: KEY}}]",
		"[{key: {data: KEY, hashAlgorithm: sha256}}]", "[{key: {data: KEY, hashAlgorithm: SHA512}}]", "[{key: {data: KEY, hashAlgorithm: md5}}]",
		"[{static: {action: pass}}]", "[{static: {action: fail}}]", "[{static: {action: maybe}}]", "[{static: {action: fail}}, {key: {data: KEY}}]",
		"[{key: {data: KEY}, source: [{tagPrefix: prod-}]}]", "[{key: {data: KEY}, source: [{tagPrefix: test-}]}]", "[{key: {data: KEY}, source: [{tagPrefix: ''}]}]",
		"[{key: {data: KEY}, source: [{oci: " + host + "/bare}]}]", "[{key: {data: KEY}, source: [{oci: " + host + "/app}]}]",
		"[{key: {data: KEY}, attestations: [{name: scan, predicateType: 'https://example.com/scan'}]}]",
		"[{key: {data: KEY}, attestations: [{name: scan, predicateType: 'https://example.com/other'}]}]",
		"[{key: {data: OTHER}, attestations: [{name: scan, predicateType: 'https://example.com/scan'}]}]",
		"[]", "[{}]", "[{key: null}]", "[{key: {data: KEY}, static: null}]", "[{key: {}}]", "[{key: {data: x}}]", "[{key: {data: KEY}, static: {action: pass}}]",
		"[{key: {kms: 'awskms:///alias/x'}}]", "[{key: {kms: 'awskms:///1234abcd-12ab-34cd-56ef-1234567890ab'}}]",
		"[{keyless: {url: 'https://f.example'}}]", "[{keyless: {url: 'https://f.example', identities: [{issuer: i}]}}]",
		"[{keyless: {url: 'https://f.example', identities: [{issuer: i, issuerRegExp: i, subject: s}]}}]",
	}
}

// TestVerdicts: each policy is judged over each image by both, and both say the same.
func TestVerdicts(t *testing.T) {
	s := newStage(t)
	fill := strings.NewReplacer("KEY", s.key("k.pub"), "OTHER", s.key("o.pub"))
	counts := make(map[string]int)
	for _, spec := range authorities(s.host) {
		text := "apiVersion: policy.sigstore.dev/v1beta1\nkind: ClusterImagePolicy\nmetadata: {name: c}\nspec:\n  images: [{glob: '**'}]\n  authorities: " + fill.Replace(spec) + "\n"
		for what, ref := range s.images {
			a, b := theirs(t.Context(), text, ref), ours(t, s.hallmark, text, ref)
			if counts[b]++; a != b {
				t.Errorf("%s, image %s: the policy-controller says %s, hallmark %s", spec, what, a, b)
			}
		}
	}
	t.Log(counts)
}
