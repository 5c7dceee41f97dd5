package main

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/hallmark-oci/hallmark/testdata/lab"
)

// The advisories are written for this demonstration: names and versions are
// those of the records at osv.dev, the words are ours.
const (
	lodash = `{"schema_version":"1.6.0","id":"GHSA-jf85-cpcp-j695","aliases":["CVE-2019-10744"],"modified":"2024-01-01T00:00:00Z",
"summary":"lodash lets a caller change the prototype of all objects",
"severity":[{"type":"CVSS_V3","score":"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:H/A:H"}],
"affected":[{"package":{"ecosystem":"npm","name":"lodash"},"ranges":[{"type":"SEMVER","events":[{"introduced":"0"},{"fixed":"4.17.12"}]}]}]}`
	ssh = `{"schema_version":"1.6.0","id":"GO-2024-3321","aliases":["CVE-2024-45337"],"modified":"2024-12-12T00:00:00Z",
"summary":"an SSH server may authorize a key that was offered but not proven",
"affected":[{"package":{"ecosystem":"Go","name":"golang.org/x/crypto"},"ranges":[{"type":"SEMVER","events":[{"introduced":"0"},{"fixed":"0.31.0"}]}]}]}`
)

// write puts a file into the demonstration's folder.
func (d *demo) write(name, text string) error {
	return os.WriteFile(filepath.Join(d.dir, name), []byte(text), 0o600)
}

// advisories is the security team's question.
func (d *demo) advisories() error {
	d.say("The security team: is the sealed image affected by GHSA-jf85-cpcp-j695 (record after osv.dev)? Its verified SBOM says yes.")
	for name, text := range map[string]string{"lodash.json": lodash, "ssh.json": ssh} {
		if err := d.write(name, text); err != nil {
			return err
		}
	}
	image := d.host + "/demo/app:good"
	if err := d.hallmark(1, "check", image, "--key", "hallmark.pub", "--advisories", "lodash.json"); err != nil {
		return err
	}
	d.say("And by GO-2024-3321? Its copy of golang.org/x/crypto is newer than the fix: no.")
	if err := d.hallmark(0, "check", image, "--key", "hallmark.pub", "--advisories", "ssh.json"); err != nil {
		return err
	}
	d.say("An image without a verified SBOM is no 'no': exit code 2.")
	return d.hallmark(2, "check", d.host+"/demo/app:3.0", "--key", "hallmark.pub", "--advisories", "lodash.json")
}

// policies is the same judgement by a file.
func (d *demo) policies() error {
	d.say("A policy file: images of this registry's demo folder must be signed by the key and have an attested SBOM.")
	policy := fmt.Sprintf(`apiVersion: hallmark.dev/v1alpha1
kind: Policy
metadata: {name: demo}
spec:
  scopes:
  - name: demo
    images: ["%s/demo/**"]
    keys: [{file: hallmark.pub}]
    sbom: {}
`, d.host)
	fmt.Print(policy)
	if err := d.write("policy.yaml", policy); err != nil {
		return err
	}
	if err := d.hallmark(0, "verify", d.host+"/demo/app:good", "--policy", "policy.yaml"); err != nil {
		return err
	}
	return d.hallmark(1, "verify", d.host+"/demo/app:2.0", "--policy", "policy.yaml")
}

// admission runs the webhook and asks it as a cluster does.
func (d *demo) admission() error {
	d.say("The cluster: the admission webhook with the same policy, asked over TLS about two Pods.")
	pool, err := d.certify()
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(d.ctx, d.bin, "admit", "serve", "--policy", "policy.yaml",
		"--tls-cert", "tls.crt", "--tls-key", "tls.key", "--addr", "127.0.0.1:0")
	cmd.Dir, cmd.Stderr = d.dir, os.Stdout
	cmd.Env = []string{"HOME=" + d.dir}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return fmt.Errorf("the webhook did not start: %w", err)
	}
	url := "https://" + strings.TrimSpace(line) + "/validate"
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}, Timeout: time.Minute}
	for ref, want := range map[string]bool{"demo/app:good": true, "demo/app:3.0": false} {
		if err := d.review(client, url, ref, want); err != nil {
			return err
		}
	}
	return nil
}

// review sends one AdmissionReview about a Pod with the image, by digest.
func (d *demo) review(client *http.Client, url, ref string, want bool) error {
	tag, err := name.NewTag(d.host + "/" + ref)
	if err != nil {
		return err
	}
	desc, err := remote.Head(tag)
	if err != nil {
		return err
	}
	image := tag.Context().Digest(desc.Digest.String()).String()
	body := fmt.Sprintf(`{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"demo","kind":{"group":"","version":"v1","kind":"Pod"},"resource":{"group":"","version":"v1","resource":"pods"},"operation":"CREATE","namespace":"default","object":{"apiVersion":"v1","kind":"Pod","metadata":{"name":"demo"},"spec":{"containers":[{"name":"app","image":%q}]}}}}`, image)
	resp, err := client.Post(url, "application/json", strings.NewReader(body))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return err
	}
	var answer struct {
		Response struct {
			Allowed bool `json:"allowed"`
			Status  struct {
				Message string `json:"message"`
			} `json:"status"`
		} `json:"response"`
	}
	if err := json.Unmarshal(raw, &answer); err != nil {
		return fmt.Errorf("the webhook answers %q: %w", raw, err)
	}
	word := "refused"
	if answer.Response.Allowed {
		word = "admitted"
	}
	fmt.Printf("Pod with %s: %s\n", image, word)
	if m := answer.Response.Status.Message; m != "" {
		fmt.Printf("  %s\n", m)
	}
	if answer.Response.Allowed != want {
		return fmt.Errorf("the webhook answers otherwise than expected: %s", raw)
	}
	return nil
}

// certify writes a certificate for the loopback address.
func (d *demo) certify() (*x509.CertPool, error) {
	cert, err := lab.Certify(d.dir)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(cert) {
		return nil, fmt.Errorf("the new certificate cannot be used")
	}
	return pool, nil
}
