package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
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
