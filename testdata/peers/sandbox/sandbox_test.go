package main

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sigstore/sigstore-go/pkg/fulcio/certificate"
)

// TestMain lets the test's program be the sandbox and Rekor v2 as well.
func TestMain(m *testing.M) {
	if os.Getenv("BE_SANDBOX") != "" || len(os.Args) > 1 && os.Args[1] == rekor2Role {
		main()
		return
	}
	os.Exit(m.Run())
}

// running is a sandbox as its users start it.
type running struct {
	cmd   *exec.Cmd
	stdin io.Closer
	ended chan error
	dir   string
	env   map[string]string
}

func start(t *testing.T, args ...string) *running {
	t.Helper()
	r := &running{dir: t.TempDir(), ended: make(chan error, 1), env: make(map[string]string)}
	r.cmd = exec.Command(os.Args[0], append([]string{"-dir", r.dir}, args...)...)
	r.cmd.Env = append(os.Environ(), "BE_SANDBOX=1")
	r.cmd.Stderr = os.Stderr
	in, err := r.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	r.stdin = in
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { r.ended <- r.cmd.Wait() }()
	t.Cleanup(func() { r.cmd.Process.Kill() })
	for range 3000 {
		raw, err := os.ReadFile(filepath.Join(r.dir, "env"))
		if err == nil && bytes.Contains(raw, []byte("SANDBOX_ADMIN")) {
			for line := range strings.Lines(string(raw)) {
				k, v, _ := strings.Cut(strings.TrimSpace(line), "=")
				r.env[k] = v
			}
			return r
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("not ready after 30 s")
	return nil
}

func (r *running) awaitEnd(t *testing.T) {
	t.Helper()
	select {
	case err := <-r.ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(20 * time.Second):
		t.Error("still there after 20 s")
	}
}

func (r *running) read(t *testing.T, name string) []byte {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(r.dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// TestEnds: the sandbox goes when its input ends, on a signal, and in time, and
// Rekor v2 with it.
func TestEnds(t *testing.T) {
	for name, end := range map[string]struct {
		args []string
		do   func(*running)
	}{
		"input":  {nil, func(r *running) { r.stdin.Close() }},
		"signal": {nil, func(r *running) { r.cmd.Process.Signal(os.Interrupt) }},
		"life":   {[]string{"-life", "3s"}, func(*running) {}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := start(t, end.args...)
			end.do(r)
			r.awaitEnd(t)
			for name, at := range r.env {
				if strings.HasPrefix(at, "http://") {
					if res, err := http.Get(at); err == nil {
						res.Body.Close()
						t.Errorf("%s still answers", name)
					}
				}
			}
		})
	}
}

// certify asks Fulcio for a certificate with an identity token.
func (r *running) certify(ctx context.Context, token string) (*x509.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return nil, err
	}
	var claims struct{ Sub, Email string }
	payload := strings.Split(token, ".")[1]
	if err := decode(payload, &claims); err != nil {
		return nil, err
	}
	proves := claims.Sub
	if claims.Email != "" {
		proves = claims.Email
	}
	sum := sha256.Sum256([]byte(proves))
	proof, err := key.Sign(rand.Reader, sum[:], crypto.SHA256)
	if err != nil {
		return nil, err
	}
	body, err := json.Marshal(map[string]any{
		"credentials": map[string]any{"oidcIdentityToken": token},
		"publicKeyRequest": map[string]any{
			"publicKey":         map[string]any{"algorithm": "ECDSA", "content": string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))},
			"proofOfPossession": proof,
		},
	})
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.env["SANDBOX_FULCIO"]+"/api/v2/signingCert", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, err
	}
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", res.Status, raw)
	}
	var answer struct {
		SignedCertificateEmbeddedSct struct {
			Chain struct{ Certificates []string }
		}
	}
	if err := json.Unmarshal(raw, &answer); err != nil {
		return nil, err
	}
	chain := answer.SignedCertificateEmbeddedSct.Chain.Certificates
	if len(chain) != 3 {
		return nil, fmt.Errorf("%d certificates in %s", len(chain), raw)
	}
	block, _ := pem.Decode([]byte(chain[0]))
	return x509.ParseCertificate(block.Bytes)
}

// TestIssuers: Fulcio makes certificates of each issuer's tokens, with the claims
// in them, and refuses every bad token.
func TestIssuers(t *testing.T) {
	r := start(t)
	good := map[string]certificate.Summary{
		"email":  {SubjectAlternativeName: "dev@example.test", Extensions: certificate.Extensions{Issuer: r.env["SANDBOX_OIDC"]}},
		"github": {SubjectAlternativeName: "https://github.com/acme/app/.github/workflows/release.yaml@refs/heads/main", Extensions: certificate.Extensions{Issuer: r.env["SANDBOX_OIDC"] + "/github", GithubWorkflowTrigger: "push", GithubWorkflowRepository: "acme/app", SourceRepositoryRef: "refs/heads/main"}},
		"gitlab": {SubjectAlternativeName: "https://gitlab.com/acme/app//.gitlab-ci.yml@refs/heads/main", Extensions: certificate.Extensions{Issuer: r.env["SANDBOX_OIDC"] + "/gitlab", SourceRepositoryURI: "https://gitlab.com/acme/app"}},
	}
	for name, want := range good {
		c, err := r.certify(t.Context(), string(r.read(t, "tokens/"+name)))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got, err := certificate.SummarizeCertificate(c)
		if err != nil || got.SubjectAlternativeName != want.SubjectAlternativeName || got.Issuer != want.Issuer {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
		for _, pair := range [][2]string{
			{got.GithubWorkflowTrigger, want.GithubWorkflowTrigger}, {got.GithubWorkflowRepository, want.GithubWorkflowRepository},
			{got.SourceRepositoryRef, want.SourceRepositoryRef}, {got.SourceRepositoryURI, want.SourceRepositoryURI},
		} {
			if pair[1] != "" && pair[0] != pair[1] {
				t.Errorf("%s: %q instead of %q", name, pair[0], pair[1])
			}
		}
	}
	bad, err := os.ReadDir(filepath.Join(r.dir, "tokens/bad"))
	if err != nil || len(bad) != 7 {
		t.Fatalf("%d bad tokens, %v", len(bad), err)
	}
	for _, b := range bad {
		c, err := r.certify(t.Context(), string(r.read(t, "tokens/bad/"+b.Name())))
		if err == nil {
			t.Errorf("%s: a certificate for %v", b.Name(), c.EmailAddresses)
		} else if !strings.HasPrefix(err.Error(), "400") && !strings.HasPrefix(err.Error(), "401") {
			t.Errorf("%s: refused by something else: %v", b.Name(), err)
		}
	}
	res, err := http.Get(r.env["SANDBOX_OIDC"] + "/token?email=eve@example.test&sub=eve")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	token, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if c, err := r.certify(t.Context(), string(token)); err != nil || c.EmailAddresses[0] != "eve@example.test" {
		t.Errorf("a token for eve: %v, %v", c, err)
	}
}

func decode(payload string, into any) error {
	raw, err := base64.RawURLEncoding.DecodeString(payload)
	if err != nil {
		return err
	}
	return json.Unmarshal(raw, into)
}
