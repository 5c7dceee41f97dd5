package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/random"
)

// certify writes a certificate for 127.0.0.1 and returns a pool that trusts it.
func certify(t *testing.T, dir string) *x509.CertPool {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &k.PublicKey, k)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	for name, text := range map[string][]byte{
		"tls.crt": cert, "tls.key": pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(cert)
	return pool
}

// TestAdmitServe runs the webhook as a process: it admits what is sealed,
// refuses what is not, pins tags, keeps its policy when a broken one comes,
// takes a better one, and stops when it is told to.
func TestAdmitServe(t *testing.T) {
	dir := t.TempDir()
	f := newFront(t, false)
	img, err := random.Image(256, 1)
	if err != nil {
		t.Fatal(err)
	}
	tag := f.empty(t, img)
	host, _, _ := strings.Cut(tag, "/")
	must(t, dir, "key", "generate")
	must(t, dir, "key", "generate", "-o", "other.key")
	must(t, dir, "sign", "--key", "hallmark.key", tag)
	pool := certify(t, dir)
	write := func(key string) {
		text := fmt.Sprintf("apiVersion: hallmark.dev/v1alpha1\nkind: Policy\nmetadata: {name: p}\nspec:\n  scopes:\n  - {name: all, images: ['%s/**'], keys: [{file: %s}]}\n", host, key)
		if err := os.WriteFile(filepath.Join(dir, "policy.yaml"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("hallmark.pub")
	cmd, _, errs := hallmark(t, dir, "admit", "serve", "--policy", "policy.yaml", "--tls-cert", "tls.crt", "--tls-key", "tls.key", "--addr", "127.0.0.1:0", "--reload", "1s")
	cmd.Stdout = nil
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var addr string
	if _, err := fmt.Fscanln(out, &addr); err != nil {
		t.Fatalf("no address: %v\n%s", err, errs)
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}, Timeout: 20 * time.Second}
	review := func(path, ref string) (allowed bool, text string) {
		t.Helper()
		body := fmt.Sprintf(`{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"1","kind":{"group":"","version":"v1","kind":"Pod"},"resource":{"group":"","version":"v1","resource":"pods"},"operation":"CREATE","namespace":"default","object":{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p"},"spec":{"containers":[{"name":"c","image":%q}]}}}}`, ref)
		resp, err := client.Post("https://"+addr+path, "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		raw, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		var answer struct {
			Response struct {
				UID     string `json:"uid"`
				Allowed bool   `json:"allowed"`
				Patch   []byte `json:"patch"`
			} `json:"response"`
		}
		if err := json.Unmarshal(raw, &answer); err != nil || answer.Response.UID != "1" {
			t.Fatalf("%v: %s", err, raw)
		}
		return answer.Response.Allowed, string(raw) + string(answer.Response.Patch)
	}
	digest, err := img.Digest()
	if err != nil {
		t.Fatal(err)
	}
	pinned := host + "/app@" + digest.String()
	if ok, text := review("/validate", pinned); !ok {
		t.Errorf("a signed image is refused: %s", text)
	}
	if ok, text := review("/validate", tag); ok || !strings.Contains(text, "digest-required") {
		t.Errorf("a tag: %v %s", ok, text)
	}
	if ok, text := review("/mutate", tag); !ok || !strings.Contains(text, digest.String()) {
		t.Errorf("mutate: %v %s", ok, text)
	}
	if ok, text := review("/validate", "registry.invalid/app@"+digest.String()); ok || !strings.Contains(text, "no-policy") {
		t.Errorf("an image of nobody's: %v %s", ok, text)
	}
	if err := os.WriteFile(filepath.Join(dir, "policy.yaml"), []byte("kind: Nonsense\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	time.Sleep(1500 * time.Millisecond)
	if ok, text := review("/validate", pinned); !ok {
		t.Errorf("a broken policy took the place of a good one: %s", text)
	}
	write("other.pub")
	deadline := time.Now().Add(20 * time.Second)
	for ok := true; ok; ok, _ = review("/validate", pinned) {
		if time.Now().After(deadline) {
			t.Fatal("the new policy never came into force")
		}
		time.Sleep(200 * time.Millisecond)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("stopped with %v\n%s", err, errs)
	}
	if !bytes.Contains(errs.Bytes(), []byte("the policies stay as they were")) {
		t.Errorf("the broken policy was not named:\n%s", errs)
	}
}
