package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// folder makes a folder for files that are fetched.
func (x *exchange) folder() (string, error) { return os.MkdirTemp(x.dir, "got-") }

// same demands that the file in the folder is as it was before it was stored.
func (x *exchange) same(dir, file string) error {
	want, err := os.ReadFile(filepath.Join(x.dir, file))
	if err != nil {
		return err
	}
	have, err := os.ReadFile(filepath.Join(dir, file))
	if err == nil && !bytes.Equal(have, want) {
		err = fmt.Errorf("%s came back changed", file)
	}
	return err
}

// pushed stores files in both forms, signs and verifies them, and fetches them.
func pushed(x *exchange) error {
	for i, form := range []string{"image", "artifact"} {
		ref := fmt.Sprintf("%s/%s:%s", x.reg.Host, x.repo, form)
		dir, err := x.folder()
		if err != nil {
			return err
		}
		key := fmt.Sprintf("k%d", i)
		err = x.ok(
			words("push --as "+form+" --type application/vnd.example.files", ref, "spdx.json", "custom.json"),
			words("sign --key "+key+".key", ref),
			words("pull --key "+key+".pub -o "+dir, ref))
		if err := errors.Join(err, x.same(dir, "spdx.json"), x.same(dir, "custom.json"), x.cosign(true, key+".pub", ref, "verify")); err != nil {
			return err
		}
	}
	return nil
}

// attachedFiles attaches files to an image and fetches them.
func attachedFiles(x *exchange) error {
	img, err := x.image()
	if err != nil {
		return err
	}
	for i, form := range []string{"image", "artifact"} {
		if _, err := x.do(0, nil, "attach", "artifact", "--as", form, "--type", fmt.Sprintf("application/vnd.example.n%d", i), img, "spdx.json"); err != nil {
			return err
		}
		dir, err := x.folder()
		if err != nil {
			return err
		}
		err = x.ok(words(fmt.Sprintf("get artifact --unverified --type application/vnd.example.n%d -o %s", i, dir), img))
		if err := errors.Join(err, x.same(dir, "spdx.json")); err != nil {
			return err
		}
	}
	return nil
}

// countersigned signs a stored signature, and demands the chain.
func countersigned(x *exchange) error {
	img, err := x.with("sign --key k0.key")
	if err != nil {
		return err
	}
	if _, err := x.do(1, nil, words("verify --key k0.pub --countersigned-by k1.pub", img)...); err != nil {
		return err
	}
	return x.ok(words("sign --countersign --key k1.key", img), words("verify --key k0.pub --countersigned-by k1.pub", img))
}

// stored keeps signatures as bundles among the referrers, or as a list of them
// under a tag where the registry has no referrers, and beside cosign's tag.
func stored(x *exchange) error {
	img, err := x.with("sign --storage referrers --key k0.key", "verify --key k0.pub")
	if err != nil {
		return err
	}
	return x.ok(words("sign --storage both --key k1.key", img), words("verify --key k0.pub --key k1.pub --threshold 2", img))
}

// migrated moves an attestation and an SBOM to the referrers without signing.
func migrated(x *exchange) error {
	_, err := x.with("seal --key k0.key", "migrate --to referrers", "verify --key k0.pub --sbom")
	return err
}

// copied copies an image with all that hangs from it to another repository of
// the registry, and completes the copy.
func copied(x *exchange) error {
	img, err := x.with("seal --key k0.key", "sign --key k1.key")
	if err != nil {
		return err
	}
	dst := x.reg.Host + "/" + x.repo + "-copy:v1"
	if err := x.ok(words("copy", img, dst), words("copy", img, dst), words("verify --key k0.pub --sbom --deep", dst), words("verify --key k1.pub", dst)); err != nil {
		return err
	}
	_, digest, _ := strings.Cut(img, "@")
	there := x.reg.Host + "/" + x.repo + "-copy@" + digest
	return errors.Join(x.holds(there, map[string]int{"signature": 2, "attestation": 1, "sbom": 1}), x.cosign(true, "k0.pub", there, "verify"))
}

// packed takes an image through a file and back to another repository.
func packed(x *exchange) error {
	img, err := x.with("seal --key k0.key")
	if err != nil {
		return err
	}
	dir, err := x.folder()
	if err != nil {
		return err
	}
	file, dst := filepath.Join(dir, "image.tar"), x.reg.Host+"/"+x.repo+"-unpacked:v1"
	return x.ok(words("pack -o "+file, img), words("unpack", file, dst), words("verify --key k0.pub --sbom", dst))
}

// diagnosed has doctor look at the registry, which works as hallmark needs it.
func diagnosed(x *exchange) error {
	if _, err := x.image(); err != nil {
		return err
	}
	return x.ok(words("doctor", x.reg.Host+"/"+x.repo))
}
