package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/hallmark-oci/hallmark/testdata/lab"
)

// A testCase is one exchange.
type testCase struct {
	name string
	run  func(*exchange) error
}

// An exchange is a case at work: one registry, one repository of its own.
type exchange struct {
	*bench
	ctx  context.Context
	reg  *lab.Registry
	repo string
}

func slug(s string) string {
	return strings.Trim(strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, strings.ToLower(s)), "-")
}

// image pushes a fresh image and returns it by digest.
func (x *exchange) image() (string, error) { return x.reg.Push(x.repo, "1") }

// steps runs commands until one does not end with exit code 0.
func (x *exchange) steps(steps ...step) error {
	for _, s := range steps {
		r, err := s.cmd.Run(x.ctx, s.args...)
		if err != nil {
			return err
		}
		if s.refuse {
			if r.Code == 0 {
				return fmt.Errorf("%s %s: accepted what it must refuse", filepath.Base(s.cmd.Path), strings.Join(s.args, " "))
			}
			continue
		}
		if r.Code != 0 {
			return fmt.Errorf("%s %s: exit code %d: %s", filepath.Base(s.cmd.Path), strings.Join(s.args, " "), r.Code, strings.TrimSpace(r.Err+r.Out))
		}
	}
	return nil
}

// A step is one command; refuse means that it must fail.
type step struct {
	cmd    lab.Command
	args   []string
	refuse bool
}

func (x *exchange) hm(args ...string) step { return step{cmd: x.hallmark, args: args} }

// c2 and c3 are cosign's commands that sign or write.
func (x *exchange) c2(args ...string) step { return step{cmd: x.cosign2, args: args} }
func (x *exchange) c3(args ...string) step { return step{cmd: x.cosign3, args: args} }

// no turns a step into one that must fail.
func no(s step) step { s.refuse = true; return s }

// v2 and v3 are cosign's verify commands, without a transparency log.
func (x *exchange) v2(verb, key, img string, more ...string) step {
	return x.c2(append([]string{verb, "--key", key, "--insecure-ignore-tlog", img}, more...)...)
}

func (x *exchange) v3(verb, key, img string, more ...string) step {
	return x.c3(append([]string{verb, "--key", key, "--insecure-ignore-tlog", img}, more...)...)
}

// algorithms are the kinds of key that hallmark signs with and cosign verifies.
func algorithms() []string {
	return []string{"ecdsa-p256", "ecdsa-p384", "ecdsa-p521", "ed25519", "rsa-2048", "rsa-3072", "rsa-4096"}
}

// predicates are the attestation types with a predicate file for each.
func predicates() [][2]string {
	return [][2]string{
		{"spdxjson", "spdx.json"}, {"cyclonedx", "cdx.json"}, {"slsaprovenance1", "slsa1.json"},
		{"vuln", "vuln.json"}, {"openvex", "vex.json"}, {"custom", "custom.json"},
		{"https://example.com/predicate/v1", "custom.json"},
	}
}

// cases returns every exchange.
func cases() []testCase {
	var all []testCase
	for _, alg := range algorithms() {
		all = append(all,
			testCase{"hallmark signs with " + alg, signWith(alg)},
			testCase{"hallmark signs a bundle with " + alg, bundleWith(alg)})
	}
	for _, p := range predicates() {
		all = append(all,
			testCase{"hallmark attests " + p[0], hallmarkAttests(p[0], p[1])},
			testCase{"hallmark attests " + p[0] + " in a bundle", bundleAttests(p[0], p[1])},
			testCase{"cosign 2 attests " + p[0], cosignAttests(2, p[0], p[1])},
			testCase{"cosign 3 attests " + p[0], cosignAttests(3, p[0], p[1])})
	}
	return append(all,
		testCase{"cosign 2 signs", cosignSigns(2)},
		testCase{"cosign 3 signs in the old format", cosignSigns(3, "--new-bundle-format=false")},
		testCase{"cosign 3 signs a bundle", cosignSigns(3)},
		testCase{"signatures by all three stand side by side", sideBySide},
		testCase{"an sbom by hallmark is read by cosign 2", hallmarkSBOM},
		testCase{"an sbom by cosign 2 is listed and kept", cosignSBOM},
		testCase{"cosign signs with a key of hallmark's", cosignWithOurKey},
		testCase{"what hallmark seals cosign accepts", sealed},
		testCase{"an attestation is no signature", attestationIsNoSignature},
		testCase{"index and images are signed recursively", recursive},
		testCase{"attachments in a repository of their own", ownRepository},
		testCase{"what hallmark seals as referrers cosign 3 accepts", sealedAsReferrers},
		testCase{"bundles by hallmark and by cosign 3 stand side by side", bundlesSideBySide},
		testCase{"what hallmark seals in both storages cosign 3 accepts", sealedInBoth},
		testCase{"what hallmark copies cosign 2 accepts", copied},
		testCase{"a bundle that hallmark copies cosign 3 accepts", copiedBundle},
		testCase{"what cosign 2 saved is unpacked", saved},
		testCase{"an attestation that hallmark moved to the referrers cosign 3 accepts", migratedToReferrers},
		testCase{"an attestation by cosign 3 that hallmark moved to the tags cosign 2 accepts", migratedToTags},
		testCase{"what hallmark cleans by key cosign 2 accepts no more", cleaned},
		testCase{"what a foreign cosign wrote over hallmark repairs for cosign 2", repaired},
		testCase{"the image form stands beside what cosign reads", imageForm},
	)
}

func signWith(alg string) func(*exchange) error {
	return func(x *exchange) error {
		img, err := x.image()
		if err != nil {
			return err
		}
		key, pub := alg+".key", alg+".pub"
		return x.steps(
			x.hm("sign", "--key", key, "-a", "env=prod", img),
			x.hm("verify", "--key", pub, "-a", "env=prod", img),
			x.v2("verify", pub, img, "-a", "env=prod"),
			x.v3("verify", pub, img, "-a", "env=prod"),
			no(x.v2("verify", "cosign.pub", img)),
			no(x.hm("verify", "--key", "cosign.pub", img)),
		)
	}
}

func hallmarkAttests(kind, file string) func(*exchange) error {
	return func(x *exchange) error {
		img, err := x.image()
		if err != nil {
			return err
		}
		key, pub := "ecdsa-p256.key", "ecdsa-p256.pub"
		return x.steps(
			x.hm("sign", "--key", key, img),
			x.hm("attest", "--key", key, "--type", kind, "--predicate", file, img),
			x.hm("verify", "--key", pub, "--type", kind, img),
			x.v2("verify-attestation", pub, img, "--type", kind),
			x.v3("verify-attestation", pub, img, "--type", kind),
			no(x.v2("verify-attestation", "cosign.pub", img, "--type", kind)),
			no(x.hm("verify", "--key", pub, "--type", "link", img)),
		)
	}
}

// cosignWrites are the flags that keep cosign from its public log.
func cosignWrites(x *exchange, version int, verb string, args ...string) step {
	all := []string{verb, "--key", "cosign.key", "--tlog-upload=false", "-y"}
	if version == 3 {
		return x.c3(append(append(all, "--use-signing-config=false"), args...)...)
	}
	return x.c2(append(all, args...)...)
}

func cosignAttests(version int, kind, file string) func(*exchange) error {
	return func(x *exchange) error {
		img, err := x.image()
		if err != nil {
			return err
		}
		return x.steps(
			cosignWrites(x, version, "attest", "--type", kind, "--predicate", file, img),
			no(x.hm("verify", "--key", "cosign.pub", img)),
			x.hm("get", "attestation", "--key", "cosign.pub", "--type", kind, img),
			no(x.hm("get", "attestation", "--key", "ecdsa-p256.pub", "--type", kind, img)),
			cosignWrites(x, version, "sign", img),
			x.hm("verify", "--key", "cosign.pub", "--type", kind, img),
		)
	}
}

func cosignSigns(version int, flags ...string) func(*exchange) error {
	return func(x *exchange) error {
		img, err := x.image()
		if err != nil {
			return err
		}
		return x.steps(
			cosignWrites(x, version, "sign", append(flags, "-a", "env=prod", img)...),
			x.hm("verify", "--key", "cosign.pub", img),
			x.hm("verify", "--key", "cosign.pub", "-a", "env=prod", img),
			no(x.hm("verify", "--key", "cosign.pub", "-a", "env=test", img)),
			no(x.hm("verify", "--key", "ecdsa-p256.pub", img)),
		)
	}
}

func sideBySide(x *exchange) error {
	img, err := x.image()
	if err != nil {
		return err
	}
	return x.steps(
		x.hm("sign", "--key", "ecdsa-p256.key", img),
		cosignWrites(x, 2, "sign", img),
		x.hm("sign", "--key", "rsa-2048.key", img),
		cosignWrites(x, 3, "sign", "--new-bundle-format=false", "-a", "by=3", img),
		x.hm("sign", "--key", "ed25519.key", img),
		x.hm("verify", "--threshold", "4", "--key", "ecdsa-p256.pub", "--key", "cosign.pub", "--key", "rsa-2048.pub", "--key", "ed25519.pub", img),
		x.v2("verify", "ecdsa-p256.pub", img), x.v2("verify", "rsa-2048.pub", img), x.v2("verify", "cosign.pub", img),
		x.v2("verify", "cosign.pub", img, "-a", "by=3"),
		x.v3("verify", "ed25519.pub", img), x.v3("verify", "rsa-2048.pub", img), x.v3("verify", "cosign.pub", img),
	)
}

func hallmarkSBOM(x *exchange) error {
	img, err := x.image()
	if err != nil {
		return err
	}
	if err := x.steps(x.hm("attach", "sbom", img, "spdx.json")); err != nil {
		return err
	}
	r, err := x.cosign2.Must(x.ctx, "download", "sbom", img)
	if err != nil {
		return err
	}
	want, err := os.ReadFile(filepath.Join(x.dir, "spdx.json"))
	if err != nil {
		return err
	}
	if !bytes.Equal(bytes.TrimSpace([]byte(r.Out)), bytes.TrimSpace(want)) {
		return fmt.Errorf("cosign downloads another document: %q", r.Out)
	}
	return x.steps(x.c2("tree", img), x.c3("tree", img))
}

func cosignSBOM(x *exchange) error {
	img, err := x.image()
	if err != nil {
		return err
	}
	if err := x.steps(
		x.c2("attach", "sbom", "--sbom", "spdx.json", "--type", "spdx", "--input-format", "json", img),
		x.hm("attach", "sbom", img, "cdx.json"),
		no(x.hm("verify", "--key", "cosign.pub", "--sbom", img)),
	); err != nil {
		return err
	}
	r, err := x.hallmark.Must(x.ctx, "list", "-f", "json", img)
	if err != nil {
		return err
	}
	for _, mt := range []string{"text/spdx+json", "application/vnd.cyclonedx+json"} {
		if !strings.Contains(r.Out, mt) {
			return fmt.Errorf("%s is not listed:\n%s", mt, r.Out)
		}
	}
	return nil
}

func cosignWithOurKey(x *exchange) error {
	img, err := x.image()
	if err != nil {
		return err
	}
	for _, c := range []lab.Command{x.cosign2, x.cosign3} {
		r, err := c.Must(x.ctx, "public-key", "--key", "ecdsa-p256.key")
		if err != nil {
			return err
		}
		pub, err := os.ReadFile(filepath.Join(x.dir, "ecdsa-p256.pub"))
		if err != nil {
			return err
		}
		if strings.TrimSpace(r.Out) != strings.TrimSpace(string(pub)) {
			return fmt.Errorf("%s reads another public key out of our private key", filepath.Base(c.Path))
		}
	}
	return x.steps(
		x.c2("sign", "--key", "ecdsa-p256.key", "--tlog-upload=false", "-y", img),
		x.hm("verify", "--key", "ecdsa-p256.pub", img),
		x.hm("sign", "--key", "cosign.key", img),
		x.v3("verify", "cosign.pub", img),
	)
}

func sealed(x *exchange) error {
	img, err := x.image()
	if err != nil {
		return err
	}
	key, pub := "ecdsa-p256.key", "ecdsa-p256.pub"
	return x.steps(
		x.hm("seal", "--key", key, img),
		x.hm("verify", "--key", pub, "--sbom", "--deep", img),
		x.v2("verify", pub, img), x.v3("verify", pub, img),
		x.v2("verify-attestation", pub, img, "--type", "spdxjson"),
		x.v3("verify-attestation", pub, img, "--type", "spdxjson"),
		x.v2("verify", pub, img, "--attachment", "sbom"),
		x.c2("download", "sbom", img),
	)
}

func attestationIsNoSignature(x *exchange) error {
	img, err := x.image()
	if err != nil {
		return err
	}
	return x.steps(
		x.hm("attest", "--key", "ecdsa-p256.key", "--type", "custom", "--predicate", "custom.json", img),
		no(x.hm("verify", "--key", "ecdsa-p256.pub", img)),
		cosignWrites(x, 3, "attest", "--type", "custom", "--predicate", "custom.json", img),
		no(x.hm("verify", "--key", "cosign.pub", img)),
	)
}

func recursive(x *exchange) error {
	img, err := x.reg.PushIndex(x.repo, "1", 3)
	if err != nil {
		return err
	}
	if err := x.steps(x.hm("sign", "--recursive", "--key", "ecdsa-p256.key", img), x.v2("verify", "ecdsa-p256.pub", img)); err != nil {
		return err
	}
	for i := range 3 {
		if err := x.steps(x.hm("verify", "--key", "ecdsa-p256.pub", "--platform", fmt.Sprintf("linux/arch%d", i), img)); err != nil {
			return err
		}
	}
	r, err := x.hallmark.Must(x.ctx, "list", "-f", "json", "--platform", "linux/arch1", img)
	if err != nil {
		return err
	}
	_, rest, _ := strings.Cut(r.Out, `"digest": "`)
	child, _, _ := strings.Cut(rest, `"`)
	repo, _, _ := strings.Cut(img, "@")
	return x.steps(x.v2("verify", "ecdsa-p256.pub", repo+"@"+child), x.v3("verify", "ecdsa-p256.pub", repo+"@"+child))
}

func ownRepository(x *exchange) error {
	img, err := x.image()
	if err != nil {
		return err
	}
	moved := x.hallmark
	moved.Env = append(append([]string(nil), moved.Env...), "COSIGN_REPOSITORY="+x.reg.Host+"/signatures/store")
	cosign := x.cosign2
	cosign.Env = moved.Env
	return x.steps(
		step{cmd: moved, args: []string{"sign", "--key", "ecdsa-p256.key", img}},
		no(x.hm("verify", "--key", "ecdsa-p256.pub", img)),
		step{cmd: moved, args: []string{"verify", "--key", "ecdsa-p256.pub", img}},
		step{cmd: cosign, args: []string{"verify", "--key", "ecdsa-p256.pub", "--insecure-ignore-tlog", img}},
		step{cmd: cosign, args: []string{"sign", "--key", "cosign.key", "--tlog-upload=false", "-y", img}},
		step{cmd: moved, args: []string{"verify", "--threshold", "2", "--key", "ecdsa-p256.pub", "--key", "cosign.pub", img}},
	)
}
