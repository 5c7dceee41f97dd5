package main

import (
	"errors"
	"fmt"
	"strings"
)

// cleaned removes one signature by its key. All else stays: only a registry whose
// tags cannot be written again still shows cosign what is gone.
func cleaned(x *exchange) error {
	img, err := x.with("seal --key k0.key", "sign --key k1.key")
	if err != nil {
		return err
	}
	code, says := 0, []string{"removed: signature", "kept: 3"}
	if x.srv.keeps {
		code, says = 2, append(says, "may not be written again")
	}
	if _, err := x.do(code, says, words("clean --key k0.pub --kind signature", img)...); err != nil {
		return err
	}
	if err := x.ok(words("verify --key k1.pub", img), words("get sbom -o - --key k0.pub", img)); err != nil || x.srv.keeps {
		return err
	}
	if _, err := x.do(1, []string{"untrusted-key"}, words("verify --key k0.pub", img)...); err != nil {
		return err
	}
	_, refusal := x.cosign2.Must(x.ctx, words("verify --insecure-ignore-tlog --key k0.pub", img)...)
	if refusal == nil {
		return fmt.Errorf("cosign 2 accepts a signature that was removed from %s", img)
	}
	return errors.Join(
		x.cosign(true, "k1.pub", img, "verify"), x.cosign(true, "k0.pub", img, "verify-attestation", "--type", "spdxjson"),
		x.holds(img, map[string]int{"signature": 1, "attestation": 1, "sbom": 1}))
}

// repaired mends a tag that another tool wrote over, which knew of the first
// signature alone.
func repaired(x *exchange) error {
	img, err := x.with("sign --key k0.key")
	if err != nil {
		return err
	}
	undo, err := x.reg.Keep(img, ".sig")
	if err != nil {
		return err
	}
	if err := x.ok(words("sign --key k1.key", img), words("sign --key k2.key", img)); err != nil {
		return err
	}
	if x.srv.keeps { // nobody writes over a tag there, and it never showed them
		_, err := x.do(2, []string{"shown again: signature", "may not be written again"}, words("repair", img)...)
		return errors.Join(err, x.ok(words("verify --threshold 3 --key k0.pub --key k1.pub --key k2.pub", img)))
	}
	if err := undo(); err != nil {
		return err
	}
	for _, key := range []string{"k1.pub", "k2.pub"} {
		if _, err := x.cosign2.Must(x.ctx, words("verify --insecure-ignore-tlog --key "+key, img)...); err == nil {
			return fmt.Errorf("cosign 2 accepts %s, which is not under the tag of %s", key, img)
		}
	}
	if _, err := x.do(1, []string{"missing in its view: signature"}, words("repair --dry-run", img)...); err != nil {
		return err
	}
	if _, err := x.do(0, []string{"shown again: signature"}, words("repair", img)...); err != nil {
		return err
	}
	return errors.Join(
		x.cosign(true, "k0.pub", img, "verify"), x.cosign(true, "k1.pub", img, "verify"), x.cosign(true, "k2.pub", img, "verify"),
		x.holds(img, map[string]int{"signature": 3}))
}

// orphaned deletes an image below its signature, finds what hangs in the air, and
// deletes it where the registry lets it.
func orphaned(x *exchange) error {
	img, err := x.with("sign --key k0.key")
	if err != nil {
		return err
	}
	repo, digest, _ := strings.Cut(img, "@")
	if _, err := x.do(0, []string{"no orphans"}, words("list --orphans", repo)...); err != nil {
		return err
	}
	err = x.reg.Delete(img)
	switch {
	case x.srv.stays && err == nil:
		return fmt.Errorf("%s could be deleted", img)
	case x.srv.stays: // what stays leaves no orphans
		return nil
	case err != nil:
		return err
	}
	if _, err := x.do(0, []string{"gone: " + digest}, words("list --orphans", repo)...); err != nil {
		return err
	}
	if err := x.ok(words("clean --orphans", repo)); err != nil {
		return err
	}
	_, err = x.do(0, []string{"no orphans"}, words("list --orphans", repo)...)
	return err
}
