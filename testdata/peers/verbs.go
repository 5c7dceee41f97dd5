package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// A verb is a row of the table: commands on an image of its own, and what must
// come of them.
type verb struct {
	name string
	run  func(*exchange) error
}

// verbs returns all rows.
func verbs() []verb {
	return []verb{
		{"seal", sealed},
		{"seal again", sealedTwice},
		{"sign", signed},
		{"sign, in turn with cosign", otherWriters},
		{"attest", attested},
		{"attach sbom", attachedSBOM},
		{"verify", verified},
		{"verify, refusals", refused},
		{"get", got},
		{"list", listed},
		{"push and pull", pushed},
		{"attach artifact", attachedFiles},
		{"sign --countersign", countersigned},
		{"sign --storage referrers, both", stored},
		{"migrate", migrated},
		{"clean", cleaned},
		{"repair", repaired},
		{"list --orphans, clean --orphans", orphaned},
		{"copy", copied},
		{"pack and unpack", packed},
		{"doctor", diagnosed},
		{"index, recursive", recursive},
		{"attachments in a repository of their own", elsewhere},
		{"many processes at once", race},
	}
}

func sealed(x *exchange) error {
	img, err := x.with("seal --key k0.key", "verify --key k0.pub --sbom --deep")
	return errors.Join(err, x.cosign(true, "k0.pub", img, "verify"), x.cosign(true, "k0.pub", img, "verify-attestation", "--type", "spdxjson"))
}

func sealedTwice(x *exchange) error {
	img, err := x.with("seal --key k0.key", "seal --key k0.key")
	if err != nil {
		return err
	}
	return x.holds(img, map[string]int{"signature": 1, "attestation": 1, "sbom": 1})
}

func signed(x *exchange) error {
	img, err := x.with("sign --key k0.key")
	if err != nil {
		return err
	}
	if _, err := x.do(0, x.second(), "sign", "--key", "k1.key", "-a", "env=prod", img); err != nil {
		return err
	}
	return errors.Join(
		x.ok(words("verify --key k0.pub --key k1.pub --threshold 2", img), words("verify --key k1.pub -a env=prod", img)),
		x.cosign(true, "k0.pub", img, "verify"), x.cosign(false, "k1.pub", img, "verify"))
}

// otherWriters has cosign and hallmark write in turn. What cosign writes to a
// tag that cannot be written again is cosign's loss, and it says so.
func otherWriters(x *exchange) error {
	img, err := x.with("sign --key k0.key")
	if err != nil {
		return err
	}
	r, err := x.cosign2.Run(x.ctx, "sign", "--key", "cosign.key", "--tlog-upload=false", "-y", img)
	if err != nil {
		return err
	}
	if (r.Code == 0) == x.srv.keeps {
		return fmt.Errorf("cosign sign: exit code %d\n%s", r.Code, r.Err)
	}
	if _, err := x.do(0, x.second(), "sign", "--key", "k2.key", img); err != nil {
		return err
	}
	keys := "--key k0.pub --key k2.pub --threshold 2"
	if !x.srv.keeps {
		keys = "--key k0.pub --key cosign.pub --key k2.pub --threshold 3"
	}
	return x.ok(words("verify "+keys, img))
}

func attested(x *exchange) error {
	img, err := x.with("sign --key k0.key", "attest --key k0.key --type custom --predicate custom.json", "verify --key k0.pub --type custom")
	if err != nil {
		return err
	}
	if _, err := x.do(0, x.second(), "attest", "--key", "k1.key", "--type", "spdxjson", "--predicate", "spdx.json", img); err != nil {
		return err
	}
	return errors.Join(
		x.ok(words("get attestation -o - --key k1.pub --type spdxjson", img)),
		x.cosign(true, "k0.pub", img, "verify-attestation", "--type", "custom"),
		x.cosign(false, "k1.pub", img, "verify-attestation", "--type", "spdxjson"))
}

func attachedSBOM(x *exchange) error {
	img, err := x.image()
	if err != nil {
		return err
	}
	if err := x.ok(words("attach sbom", img, "spdx.json")); err != nil {
		return err
	}
	if r, err := x.cosign2.Must(x.ctx, "download", "sbom", img); err != nil || !strings.Contains(r.Out, "https://example.com/spdx/peers") {
		return fmt.Errorf("cosign download sbom: %v %q", err, r.Out)
	}
	if err := x.holds(img, map[string]int{"sbom": 1}); err != nil {
		return err
	}
	return x.ok(words("get sbom --unverified -o -", img))
}

func verified(x *exchange) error {
	img, err := x.with("seal --key k0.key", "sign --key k1.key")
	if err != nil {
		return err
	}
	repo, _, _ := strings.Cut(img, "@")
	return x.ok(
		words("verify --key k0.pub --sbom", img), words("verify --key k1.pub", repo+":v1"), words("verify --key k1.pub -f json", img))
}

func refused(x *exchange) error {
	img, err := x.with("sign --key k0.key")
	if err != nil {
		return err
	}
	bare, err := x.reg.Push(x.repo+"-bare", "v1")
	if err != nil {
		return err
	}
	repo, _, _ := strings.Cut(img, "@")
	for _, c := range []struct {
		code int
		says string
		line []string
	}{
		{1, "untrusted-key", words("verify --key k1.pub", img)},
		{1, "no-signature", words("verify --key k0.pub", bare)},
		{1, "", words("verify --key k0.pub --type custom", img)},
		{2, "404 Not Found", words("verify --key k0.pub", repo+":none")},
		{2, "404 Not Found", words("sign --key k0.key", repo+":none")},
		{2, "404 Not Found", words("verify --key k0.pub", x.reg.Host+"/absent/app:v1")},
	} {
		if _, err := x.do(c.code, []string{c.says}, c.line...); err != nil {
			return err
		}
	}
	return nil
}

func got(x *exchange) error {
	img, err := x.with("seal --key k0.key")
	if err != nil {
		return err
	}
	for _, kind := range []string{"sbom", "attestation", "signature"} {
		r, err := x.do(0, nil, words("get "+kind+" --key k0.pub -o -", img)...)
		if err != nil {
			return err
		}
		if len(r.Out) < 20 {
			return fmt.Errorf("get %s printed %q", kind, r.Out)
		}
	}
	return nil
}

func listed(x *exchange) error {
	img, err := x.with("seal --key k0.key", "sign --key k1.key", "attest --key k0.key --type custom --predicate custom.json")
	if err != nil {
		return err
	}
	return x.holds(img, map[string]int{"signature": 2, "attestation": 2, "sbom": 1})
}

// holds demands that list finds so many entries of each kind, all of them in the
// journal, and nothing that it could not read.
func (x *exchange) holds(img string, want map[string]int) error {
	l, err := x.list(img)
	if err != nil {
		return err
	}
	have := make(map[string]int)
	for _, e := range l.Entries {
		have[e.Kind]++
		if !slices.ContainsFunc(e.Places, func(p place) bool { return p.Scheme == "journal" }) {
			return fmt.Errorf("list %s: an entry of kind %s is not in the journal: %+v", img, e.Kind, e.Places)
		}
	}
	if fmt.Sprint(have) != fmt.Sprint(want) {
		return fmt.Errorf("list %s: %v, want %v", img, have, want)
	}
	return nil
}

type listing struct {
	Complete bool
	Entries  []struct {
		Kind, Digest string
		Places       []place
	}
}

type place struct{ Scheme, Tag string }

func (x *exchange) list(img string) (listing, error) {
	r, err := x.do(0, nil, "list", "-f", "json", img)
	var l listing
	if err == nil {
		err = json.Unmarshal([]byte(r.Out), &l)
	}
	if err == nil && !l.Complete {
		err = fmt.Errorf("list %s is not complete", img)
	}
	return l, err
}

func recursive(x *exchange) error {
	img, err := x.reg.PushIndex(x.repo, "v1", 3)
	if err != nil {
		return err
	}
	if err := x.ok(words("sign -r --key k0.key", img)); err != nil {
		return err
	}
	for i := range 3 {
		if err := x.ok(words(fmt.Sprintf("verify --key k0.pub --platform linux/arch%d", i), img)); err != nil {
			return err
		}
	}
	return x.cosign(true, "k0.pub", img, "verify")
}

func elsewhere(x *exchange) error {
	img, err := x.image()
	if err != nil {
		return err
	}
	other := "--attachment-repository " + x.reg.Host + "/signatures/store"
	if err := x.ok(words("sign --key k0.key "+other, img), words("verify --key k0.pub "+other, img)); err != nil {
		return err
	}
	_, err = x.do(1, []string{"no-signature"}, words("verify --key k0.pub", img)...)
	return err
}
