package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A testCase is one thing that must be so.
type testCase struct {
	name string
	run  func(*bench) error
}

// signing makes a key of each kind on the token, signs everything with it, and has
// hallmark and cosign verify.
func signing() []testCase {
	var all []testCase
	for _, kind := range []string{"ecdsa-p256", "ecdsa-p384", "ecdsa-p521", "rsa-2048", "rsa-3072", "ed25519"} {
		all = append(all, testCase{kind + ": made, signs image, SBOM, statement and file; cosign 2 and 3 verify", func(b *bench) error { return b.kind(kind) }})
	}
	return append(all,
		testCase{"rotation from one key on the token to another", (*bench).rotate},
		testCase{"the PIN from a file", (*bench).pinFile},
		testCase{"the URI with slashes, by id, by serial number", (*bench).names},
		testCase{"a revocation list, signed on the token", (*bench).revocations},
	)
}

func (b *bench) kind(kind string) error {
	if _, err := b.hm(0, "key", "generate", "--kms", uri(kind), "--algorithm", kind, "-o", kind+".key"); err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(b.dir, kind+".key")); err == nil {
		return fmt.Errorf("a private key was written")
	}
	pub, err := os.ReadFile(filepath.Join(b.dir, kind+".pub"))
	if err != nil {
		return err
	}
	if r, err := b.hm(0, "key", "public", uri(kind)); err != nil || r.Out != string(pub) {
		return fmt.Errorf("the token says another public key: %s, %w", r.Out, err)
	}
	img, err := b.registry.Push("hsm/"+kind, "1")
	if err != nil {
		return err
	}
	err = b.all(
		[]string{"sign", "--key", uri(kind), img},
		[]string{"verify", "--key", kind + ".pub", img},
		[]string{"verify", "--key", uri(kind), img},
		[]string{"attest", "--key", uri(kind), "--type", "custom", "--predicate", "predicate.json", img},
		[]string{"verify", "--key", kind + ".pub", "--type", "custom", img},
		[]string{"seal", "--key", uri(kind), img},
		[]string{"verify", "--key", kind + ".pub", "--sbom", img},
		[]string{"blob", "sign", "hello.txt", "--key", uri(kind), "--bundle", kind + ".json"},
		[]string{"blob", "verify", "hello.txt", "--key", kind + ".pub", "--bundle", kind + ".json"},
	)
	if err != nil {
		return err
	}
	for _, verb := range [][]string{{"verify"}, {"verify-attestation", "--type", "custom"}} {
		args := append(verb, "--key", kind+".pub", "--insecure-ignore-tlog", img)
		if _, err := b.cosign2.Must(b.ctx, args...); err != nil {
			return err
		}
		if _, err := b.cosign3.Must(b.ctx, args...); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) rotate() error {
	img, err := b.registry.Push("hsm/rotated", "1")
	if err != nil {
		return err
	}
	repo, digest, _ := strings.Cut(img, "@")
	if err := os.WriteFile(filepath.Join(b.dir, "approved.txt"), []byte(digest+"\n"), 0o600); err != nil {
		return err
	}
	return b.all(
		[]string{"sign", "--key", uri("ecdsa-p256"), img},
		[]string{"key", "rotate", repo, "--digests", "approved.txt", "--old", uri("ecdsa-p256"), "--new", uri("ecdsa-p384")},
		[]string{"verify", "--key", "ecdsa-p256.pub", "--key", "ecdsa-p384.pub", "--threshold", "2", img},
	)
}

func (b *bench) pinFile() error {
	name := uri("rsa-2048") + "?pin-source=file:" + filepath.Join(b.dir, "pin")
	_, err := b.as(b.hallmark.Env, 0, "blob", "sign", "hello.txt", "--key", name, "--bundle", "file.json")
	if err == nil {
		_, err = b.hm(0, "blob", "verify", "hello.txt", "--key", "rsa-2048.pub", "--bundle", "file.json")
	}
	return err
}

func (b *bench) names() error {
	if _, err := b.hm(0, "key", "generate", "--kms", uri("named")+";id=%01%02", "-o", "named.key"); err != nil {
		return err
	}
	for i, name := range []string{"pkcs11://token=hallmark;object=named", "pkcs11:token=hallmark;id=%01%02", "pkcs11:token=hallmark;model=SoftHSM%20v2;object=named;type=private"} {
		bundle := fmt.Sprintf("named%d.json", i)
		err := b.all([]string{"blob", "sign", "hello.txt", "--key", name, "--bundle", bundle}, []string{"blob", "verify", "hello.txt", "--key", "named.pub", "--bundle", bundle})
		if err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) revocations() error {
	img, err := b.registry.Push("hsm/revoked", "1")
	if err != nil {
		return err
	}
	err = b.all(
		[]string{"sign", "--key", uri("rsa-2048"), img},
		[]string{"revoke", "init", "list.json", "--key", uri("ecdsa-p384")},
		[]string{"verify", "--key", "rsa-2048.pub", "--revocations", "list.json", "--revocations-key", "ecdsa-p384.pub", img},
		[]string{"revoke", "add", "list.json", "--key", uri("ecdsa-p384"), "--revoke-key", uri("rsa-2048"), "--reason", "key-compromise"},
	)
	if err == nil {
		_, err = b.hm(1, "verify", "--key", "rsa-2048.pub", "--revocations", "list.json", "--revocations-key", "ecdsa-p384.pub", img)
	}
	return err
}

// refusing is what must fail, with a reason and without the PIN.
func refusing() []testCase {
	key := uri("ecdsa-p256")
	sign := func(name string) []string {
		return []string{"blob", "sign", "hello.txt", "--key", name, "--bundle", "never.json", "--force"}
	}
	refused := func(name, want string, code int, args []string, env ...string) testCase {
		return testCase{name, func(b *bench) error {
			all := append(slices.Clone(b.hallmark.Env), "HALLMARK_PKCS11_PIN="+pin)
			r, err := b.as(append(all, env...), code, args...)
			if err == nil && !strings.Contains(r.Err+r.Out, want) {
				err = fmt.Errorf("%q is not said: %s", want, r.Err+r.Out)
			}
			if _, serr := os.Stat(filepath.Join(b.dir, "never.json")); err == nil && serr == nil {
				err = fmt.Errorf("something was written")
			}
			return err
		}}
	}
	return []testCase{
		refused("a wrong PIN", "the PIN is wrong", 2, sign(key), "HALLMARK_PKCS11_PIN=11112222"),
		refused("no PIN", "HALLMARK_PKCS11_PIN", 2, sign(key), "HALLMARK_PKCS11_PIN="),
		refused("the PIN in the name", "pin-source", 2, sign(key+"?pin-value="+pin)),
		refused("a file of a PIN that is not there", "read the PIN", 2, sign(key+"?pin-source=/nowhere/pin")),
		refused("a key that is not there", "no such key", 2, sign(uri("none"))),
		refused("a token that is not there", "none of the module's", 2, sign("pkcs11:token=other;object=ecdsa-p256")),
		refused("a module that is not there", "cannot be loaded", 2, sign(key), "HALLMARK_PKCS11_MODULE=/nowhere/module.so"),
		refused("no module", "no module", 2, sign(key), "HALLMARK_PKCS11_MODULE="),
		refused("a module of the working directory", "absolute", 2, sign(key+"?module-path=module.so")),
		refused("a key that exists", "exists", 2, []string{"key", "generate", "--kms", key, "-o", "again.key"}),
		refused("an algorithm that the plug-in has not", "none that the plug-in makes keys of", 2, []string{"key", "generate", "--kms", uri("new"), "--algorithm", "rsa-pss-2048", "-o", "new.key"}),
		refused("a plug-in that may not be started", "none of those that may be started here", 2, sign(key), "HALLMARK_KMS_PLUGINS=hashivault"),
		refused("a private key of a token, to import", "stays in its key service", 64, []string{"key", "import", key}),
		refused("a policy file that names a token", "only key files are read", 64, []string{"verify", "--policy", "policy.yaml", "registry.example/app@sha256:" + strings.Repeat("a", 64)}),
	}
}
