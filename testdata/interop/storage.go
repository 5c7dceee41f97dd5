package main

// bundleWith signs with a Sigstore bundle among the referrers.
func bundleWith(alg string) func(*exchange) error {
	return func(x *exchange) error {
		img, err := x.image()
		if err != nil {
			return err
		}
		key, pub := alg+".key", alg+".pub"
		return x.steps(
			x.hm("sign", "--storage", "referrers", "--key", key, "-a", "env=prod", img),
			x.hm("verify", "--key", pub, "-a", "env=prod", img),
			x.v3("verify", pub, img, "-a", "env=prod"),
			no(x.v3("verify", pub, img, "-a", "env=test")),
			no(x.v3("verify", "cosign.pub", img)),
			no(x.hm("verify", "--key", "cosign.pub", img)),
			x.c3("tree", img),
		)
	}
}

func bundleAttests(kind, file string) func(*exchange) error {
	return func(x *exchange) error {
		img, err := x.image()
		if err != nil {
			return err
		}
		key, pub := "ecdsa-p256.key", "ecdsa-p256.pub"
		return x.steps(
			x.hm("attest", "--storage", "referrers", "--key", key, "--type", kind, "--predicate", file, img),
			x.v3("verify-attestation", pub, img, "--type", kind),
			no(x.v3("verify-attestation", "cosign.pub", img, "--type", kind)),
			no(x.hm("verify", "--key", pub, img)),
			x.hm("get", "attestation", "--key", pub, "--type", kind, img),
		)
	}
}

func sealedAsReferrers(x *exchange) error {
	img, err := x.image()
	if err != nil {
		return err
	}
	key, pub := "ecdsa-p256.key", "ecdsa-p256.pub"
	return x.steps(
		x.hm("seal", "--storage", "referrers", "--key", key, img),
		x.hm("verify", "--key", pub, "--sbom", "--deep", img),
		x.v3("verify", pub, img),
		x.v3("verify-attestation", pub, img, "--type", "spdxjson"),
	)
}

// sealedInBoth keeps everything under cosign's tags and as referrers. Cosign 2
// takes neither then: it finds the bundles and asks for a trusted root, whatever is
// under its own tags, which is what the command warns of.
func sealedInBoth(x *exchange) error {
	img, err := x.image()
	if err != nil {
		return err
	}
	key, pub := "ecdsa-p256.key", "ecdsa-p256.pub"
	return x.steps(
		x.hm("seal", "--storage", "both", "--key", key, img),
		x.hm("verify", "--key", pub, "--sbom", img),
		x.v3("verify", pub, img),
		x.v3("verify-attestation", pub, img, "--type", "spdxjson"),
		x.v3("verify", pub, img, "--new-bundle-format=false"),
		no(x.v2("verify", pub, img)),
	)
}

func bundlesSideBySide(x *exchange) error {
	img, err := x.image()
	if err != nil {
		return err
	}
	return x.steps(
		x.hm("sign", "--storage", "referrers", "--key", "ecdsa-p256.key", img),
		cosignWrites(x, 3, "sign", img),
		x.hm("sign", "--storage", "referrers", "--key", "ed25519.key", img),
		cosignWrites(x, 3, "attest", "--type", "custom", "--predicate", "custom.json", img),
		x.hm("verify", "--threshold", "3", "--key", "ecdsa-p256.pub", "--key", "cosign.pub", "--key", "ed25519.pub", img),
		x.v3("verify", "ecdsa-p256.pub", img), x.v3("verify", "ed25519.pub", img), x.v3("verify", "cosign.pub", img),
	)
}

// migratedToReferrers moves an attestation into a bundle without signing it again.
func migratedToReferrers(x *exchange) error {
	img, err := x.image()
	if err != nil {
		return err
	}
	key, pub := "ecdsa-p256.key", "ecdsa-p256.pub"
	return x.steps(
		x.hm("attest", "--key", key, "--type", "spdxjson", "--predicate", "spdx.json", img),
		x.hm("migrate", "--to", "referrers", "--delete-old", img),
		x.v3("verify-attestation", pub, img, "--type", "spdxjson"),
		no(x.v3("verify-attestation", "cosign.pub", img, "--type", "spdxjson")),
	)
}

// migratedToTags takes an attestation by cosign 3 out of its bundle: then cosign 2
// reads it.
func migratedToTags(x *exchange) error {
	img, err := x.image()
	if err != nil {
		return err
	}
	return x.steps(
		cosignWrites(x, 3, "attest", "--type", "spdxjson", "--predicate", "spdx.json", img),
		no(x.v2("verify-attestation", "cosign.pub", img, "--type", "spdxjson")),
		x.hm("migrate", "--to", "tags", "--delete-old", img),
		x.v2("verify-attestation", "cosign.pub", img, "--type", "spdxjson"),
		x.v3("verify-attestation", "cosign.pub", img, "--type", "spdxjson"),
		no(x.v2("verify-attestation", "ecdsa-p256.pub", img, "--type", "spdxjson")),
	)
}

// imageForm keeps a signature in a form that cosign does not read, and does not
// break what it reads.
func imageForm(x *exchange) error {
	img, err := x.image()
	if err != nil {
		return err
	}
	return x.steps(
		x.hm("sign", "--as", "image", "--key", "ecdsa-p256.key", img),
		x.hm("verify", "--key", "ecdsa-p256.pub", img),
		no(x.v2("verify", "ecdsa-p256.pub", img)),
		x.hm("sign", "--key", "ed25519.key", img),
		x.v2("verify", "ed25519.pub", img),
		x.v3("verify", "ed25519.pub", img),
		x.hm("verify", "--threshold", "2", "--key", "ed25519.pub", "--key", "ecdsa-p256.pub", img),
	)
}
