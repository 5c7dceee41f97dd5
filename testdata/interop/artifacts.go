package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hallmark-oci/hallmark/testdata/lab"
)

// artifactCases are the exchanges of files, of signatures that were made
// elsewhere, and of signatures over signatures.
func artifactCases() []testCase {
	return []testCase{
		{"files pushed by oras are pulled, signed and verified", orasPushes},
		{"files pushed by hallmark are pulled by oras", orasPulls},
		{"an artifact by hallmark is discovered by oras, and the other way round", orasDiscovers},
		{"a signature attached by hallmark is verified by cosign", cosignReadsGiven},
		{"a signature attached by cosign 2 is verified", cosignAttachesSignature},
		{"an attestation by cosign is attached to a copy", attestationMoves},
		{"cosign 2 verifies a signature over the sbom object, and the other way round", attachmentSBOM},
		{"a signature by cosign is counter-signed", counterSigned},
		{"a counter-signature by cosign counts", cosignCounterSigns},
	}
}

func (x *exchange) oras(args ...string) step {
	return step{cmd: x.bench.oras, args: append(args, "--plain-http")}
}

// scratch returns the name of a new directory or file of this case.
func (x *exchange) scratch(name string) string {
	return slug(x.reg.Name) + "-" + slug(x.repo) + "-" + name
}

// ref returns a reference in a repository of this case.
func (x *exchange) ref(name, tag string) string {
	return x.reg.Host + "/" + x.repo + "/" + name + ":" + tag
}

// same compares files below the folder of the exchange.
func (x *exchange) same(pairs ...string) error {
	for i := 0; i < len(pairs); i += 2 {
		a, err := os.ReadFile(filepath.Join(x.dir, pairs[i]))
		if err != nil {
			return err
		}
		b, err := os.ReadFile(filepath.Join(x.dir, pairs[i+1]))
		if err != nil {
			return err
		}
		if !bytes.Equal(a, b) {
			return fmt.Errorf("%s and %s differ", pairs[i], pairs[i+1])
		}
	}
	return nil
}

// keep writes what a command prints to a file.
func (x *exchange) keep(name string, cmd lab.Command, args ...string) error {
	r, err := cmd.Must(x.ctx, args...)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(x.dir, name), []byte(r.Out), 0o644)
}

// folder makes a directory of two files.
func (x *exchange) folder() (string, error) {
	name := x.scratch("docs")
	if err := os.MkdirAll(filepath.Join(x.dir, name, "sub"), 0o755); err != nil {
		return "", err
	}
	for _, file := range []string{"a.txt", "sub/b.txt"} {
		if err := os.WriteFile(filepath.Join(x.dir, name, file), []byte(file), 0o644); err != nil {
			return "", err
		}
	}
	return name, nil
}

func orasPushes(x *exchange) error {
	docs, err := x.folder()
	if err != nil {
		return err
	}
	ref, out := x.ref("files", "1"), x.scratch("out")
	if err := x.steps(
		x.oras("push", ref, "spdx.json:application/json", docs, "--artifact-type", "application/vnd.example.docs"),
		no(x.hm("pull", ref, "--key", "ecdsa-p256.pub", "-o", out)),
		x.hm("sign", "--key", "ecdsa-p256.key", ref),
		x.hm("pull", ref, "--key", "ecdsa-p256.pub", "-o", out),
		x.v2("verify", "ecdsa-p256.pub", ref), x.v3("verify", "ecdsa-p256.pub", ref),
	); err != nil {
		return err
	}
	return x.same(out+"/spdx.json", "spdx.json", out+"/"+docs+"/sub/b.txt", docs+"/sub/b.txt")
}

func orasPulls(x *exchange) error {
	docs, err := x.folder()
	if err != nil {
		return err
	}
	ref, image, out, out2 := x.ref("files", "1"), x.ref("files", "image"), x.scratch("out"), x.scratch("out2")
	if err := x.steps(
		x.hm("push", ref, "spdx.json:application/json", docs, "--as", "artifact", "--type", "application/vnd.example.docs"),
		x.oras("pull", ref, "-o", out),
		x.hm("push", image, "spdx.json", docs),
		x.oras("pull", image, "-o", out2),
		cosignWrites(x, 2, "sign", image),
		x.hm("pull", image, "--key", "cosign.pub", "-o", x.scratch("out3")),
	); err != nil {
		return err
	}
	return x.same(out+"/spdx.json", "spdx.json", out+"/"+docs+"/sub/b.txt", docs+"/sub/b.txt", out2+"/"+docs+"/a.txt", docs+"/a.txt")
}

func orasDiscovers(x *exchange) error {
	img, err := x.image()
	if err != nil {
		return err
	}
	if err := x.steps(
		x.hm("attach", "artifact", img, "spdx.json", "--type", "application/vnd.example.a"),
		x.oras("attach", img, "cdx.json:application/json", "--artifact-type", "application/vnd.example.b"),
		x.hm("attach", "artifact", img, "vex.json:application/json", "--as", "artifact", "--type", "application/vnd.example.c"),
		x.hm("get", "artifact", img, "--unverified", "--type", "application/vnd.example.b", "-o", x.scratch("b")),
		x.hm("get", "artifact", img, "--unverified", "--type", "application/vnd.example.a", "-o", x.scratch("a")),
	); err != nil {
		return err
	}
	var list struct {
		Entries []struct{ Type, Digest string }
	}
	r, err := x.hallmark.Must(x.ctx, "list", img, "-f", "json")
	if err != nil {
		return err
	}
	if err := json.Unmarshal([]byte(r.Out), &list); err != nil {
		return err
	}
	cmd := x.oras("discover", img, "--format", "json")
	found, err := cmd.cmd.Must(x.ctx, cmd.args...)
	if err != nil {
		return err
	}
	for _, t := range []string{"a", "b", "c"} {
		i := slices.IndexFunc(list.Entries, func(e struct{ Type, Digest string }) bool { return e.Type == "application/vnd.example."+t })
		if i < 0 {
			return fmt.Errorf("hallmark does not list type %s:\n%s", t, r.Out)
		}
		// The type is not asked for: one of the registries lists another.
		if !strings.Contains(found.Out, list.Entries[i].Digest) {
			return fmt.Errorf("oras does not show %s:\n%s", list.Entries[i].Digest, found.Out)
		}
	}
	return x.same(x.scratch("a")+"/spdx.json", "spdx.json", x.scratch("b")+"/cdx.json", "cdx.json")
}

// given writes the payload for the image and its signature by cosign's key.
func (x *exchange) given(img string) (payload, signature string, err error) {
	payload, signature = x.scratch("payload"), x.scratch("signature")
	if err := x.keep(payload, x.cosign2, "generate", img); err != nil {
		return "", "", err
	}
	return payload, signature, x.steps(x.c2("sign-blob", "--key", "cosign.key", "--tlog-upload=false", "-y", "--output-signature", signature, payload))
}

func cosignReadsGiven(x *exchange) error {
	img, err := x.image()
	if err != nil {
		return err
	}
	payload, signature, err := x.given(img)
	if err != nil {
		return err
	}
	return x.steps(
		no(x.v2("verify", "cosign.pub", img)),
		no(x.hm("attach", "signature", img, "--payload", payload, "--signature", signature, "--key", "ecdsa-p256.pub")),
		x.hm("attach", "signature", img, "--payload", payload, "--signature", signature, "--key", "cosign.pub"),
		x.v2("verify", "cosign.pub", img), x.v3("verify", "cosign.pub", img),
		x.hm("verify", "--key", "cosign.pub", img),
	)
}

func cosignAttachesSignature(x *exchange) error {
	img, err := x.image()
	if err != nil {
		return err
	}
	payload, signature, err := x.given(img)
	if err != nil {
		return err
	}
	return x.steps(
		x.hm("sign", "--key", "ecdsa-p256.key", img),
		x.c2("attach", "signature", "--payload", payload, "--signature", signature, img),
		x.hm("verify", "--key", "cosign.pub", img),
		x.hm("verify", "--key", "ecdsa-p256.pub", img),
	)
}

func attestationMoves(x *exchange) error {
	img, err := x.image()
	if err != nil {
		return err
	}
	envelope, moved := x.scratch("envelope"), x.ref("copy", "1")
	if err := x.steps(cosignWrites(x, 2, "attest", "--type", "custom", "--predicate", "custom.json", img)); err != nil {
		return err
	}
	if err := x.keep(envelope, x.cosign2, "download", "attestation", img); err != nil {
		return err
	}
	other, err := x.image()
	if err != nil {
		return err
	}
	return x.steps(
		step{cmd: x.bench.oras, args: []string{"cp", "--from-plain-http", "--to-plain-http", img, moved}},
		no(x.v2("verify-attestation", "cosign.pub", moved, "--type", "custom")),
		no(x.hm("attach", "attestation", other, "--attestation", envelope)),
		x.hm("attach", "attestation", moved, "--attestation", envelope, "--key", "cosign.pub"),
		x.v2("verify-attestation", "cosign.pub", moved, "--type", "custom"),
		x.hm("get", "attestation", "--key", "cosign.pub", "--type", "custom", moved),
	)
}

func attachmentSBOM(x *exchange) error {
	img, err := x.image()
	if err != nil {
		return err
	}
	return x.steps(
		x.hm("attach", "sbom", img, "spdx.json"),
		no(x.v2("verify", "ecdsa-p256.pub", img, "--attachment", "sbom")),
		x.hm("sign", "--attachment", "sbom", "--key", "ecdsa-p256.key", img),
		x.v2("verify", "ecdsa-p256.pub", img, "--attachment", "sbom"),
		no(x.hm("verify", "--attachment", "sbom", "--key", "cosign.pub", img)),
		cosignWrites(x, 2, "sign", "--attachment", "sbom", img),
		x.hm("verify", "--attachment", "sbom", "--key", "cosign.pub", img),
		x.hm("verify", "--attachment", "sbom", "--key", "ecdsa-p256.pub", img),
		no(x.hm("verify", "--key", "cosign.pub", img)),
	)
}

func counterSigned(x *exchange) error {
	img, err := x.image()
	if err != nil {
		return err
	}
	return x.steps(
		cosignWrites(x, 2, "sign", img),
		no(x.hm("verify", "--key", "cosign.pub", "--countersigned-by", "ed25519.pub", img)),
		x.hm("sign", "--countersign", "--key", "ed25519.key", img),
		x.hm("verify", "--key", "cosign.pub", "--countersigned-by", "ed25519.pub", img),
		x.v2("verify", "cosign.pub", img), x.v3("verify", "cosign.pub", img),
	)
}

func cosignCounterSigns(x *exchange) error {
	img, err := x.image()
	if err != nil {
		return err
	}
	r, err := x.hallmark.Must(x.ctx, "sign", "--key", "ecdsa-p256.key", "-f", "json", img)
	if err != nil {
		return err
	}
	var doc struct {
		Images []struct {
			Entries []struct {
				Places []struct{ Scheme, Digest string }
			}
		}
	}
	if err := json.Unmarshal([]byte(r.Out), &doc); err != nil {
		return err
	}
	entry := ""
	for _, p := range doc.Images[0].Entries[0].Places {
		if p.Scheme == "journal" {
			entry = p.Digest
		}
	}
	repo, _, _ := strings.Cut(img, "@")
	return x.steps(
		no(x.hm("verify", "--key", "ecdsa-p256.pub", "--countersigned-by", "cosign.pub", img)),
		cosignWrites(x, 2, "sign", repo+"@"+entry),
		x.hm("verify", "--key", "ecdsa-p256.pub", "--countersigned-by", "cosign.pub", img),
	)
}
