package main

import (
	"strings"
)

// elsewhere returns the image in another repository of the registry.
func (x *exchange) elsewhere(img string) string {
	_, digest, _ := strings.Cut(img, "@")
	return x.reg.Host + "/" + x.repo + "-copied@" + digest
}

// copied: what cosign 2 and hallmark signed and attested verifies with cosign 2,
// and with hallmark, where hallmark copied it to: another repository, a layout and
// a packed file, and back.
func copied(x *exchange) error {
	img, err := x.image()
	if err != nil {
		return err
	}
	dir := slug(x.reg.Name) + "-copied"
	to := x.elsewhere(img)
	repo, _, _ := strings.Cut(to, "@")
	verify := func(img string) []step {
		return []step{
			x.v2("verify", "cosign.pub", img), x.v2("verify", "ecdsa-p256.pub", img),
			x.v2("verify-attestation", "cosign.pub", img, "--type", "spdxjson"),
			x.hm("verify", "--key", "ecdsa-p256.pub", "--key", "cosign.pub", "--threshold", "2", img),
		}
	}
	steps := []step{
		cosignWrites(x, 2, "sign", img),
		x.hm("sign", "--key", "ecdsa-p256.key", img),
		cosignWrites(x, 2, "attest", "--type", "spdxjson", "--predicate", "spdx.json", img),
		x.hm("copy", x.reg.Host+"/"+x.repo+":1", repo+":1"),
	}
	steps = append(steps, verify(to)...)
	steps = append(steps,
		x.hm("copy", repo+":1", "oci:"+dir+":1"),
		x.hm("pack", "-o", dir+".tar", "oci:"+dir+":1"),
		x.hm("unpack", dir+".tar", repo+"-unpacked"),
	)
	_, digest, _ := strings.Cut(img, "@")
	return x.steps(append(steps, verify(repo+"-unpacked@"+digest)...)...)
}

// copiedBundle: a bundle of cosign 3 verifies where hallmark copied it to.
func copiedBundle(x *exchange) error {
	img, err := x.image()
	if err != nil {
		return err
	}
	to := x.elsewhere(img)
	repo, _, _ := strings.Cut(to, "@")
	return x.steps(
		cosignWrites(x, 3, "sign", img),
		x.hm("copy", x.reg.Host+"/"+x.repo+":1", repo+":1"),
		x.v3("verify", "cosign.pub", to),
	)
}

// saved: what "cosign save" wrote is unpacked, and verifies with cosign 2.
func saved(x *exchange) error {
	img, err := x.image()
	if err != nil {
		return err
	}
	dir := slug(x.reg.Name) + "-saved"
	to := x.elsewhere(img)
	repo, _, _ := strings.Cut(to, "@")
	return x.steps(
		cosignWrites(x, 2, "sign", img),
		cosignWrites(x, 2, "attest", "--type", "spdxjson", "--predicate", "spdx.json", img),
		x.c2("save", "--dir", dir, img),
		x.hm("unpack", dir, repo+":saved"),
		x.v2("verify", "cosign.pub", to),
		x.v2("verify-attestation", "cosign.pub", to, "--type", "spdxjson"),
		x.hm("verify", "--key", "cosign.pub", repo+":saved"),
	)
}
