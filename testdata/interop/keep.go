package main

// cleaned: a signature that hallmark removed by its key cosign 2 accepts no more,
// and the other one it does.
func cleaned(x *exchange) error {
	img, err := x.image()
	if err != nil {
		return err
	}
	return x.steps(
		x.hm("sign", "--key", "ecdsa-p256.key", "--key", "ed25519.key", img),
		cosignWrites(x, 2, "sign", img),
		x.v2("verify", "ecdsa-p256.pub", img),
		x.hm("clean", "--key", "ecdsa-p256.pub", img),
		no(x.v2("verify", "ecdsa-p256.pub", img)), no(x.v3("verify", "ecdsa-p256.pub", img)),
		no(x.hm("verify", "--key", "ecdsa-p256.pub", img)),
		x.v2("verify", "ed25519.pub", img), x.v2("verify", "cosign.pub", img),
		x.hm("clean", "--key", "cosign.pub", img),
		no(x.v2("verify", "cosign.pub", img)),
		x.v2("verify", "ed25519.pub", img),
	)
}

// repaired: where a cosign that read the tag before others wrote it writes it
// back, cosign 2 sees no more than that; after repair it accepts all again.
func repaired(x *exchange) error {
	img, err := x.image()
	if err != nil {
		return err
	}
	if err := x.steps(cosignWrites(x, 2, "sign", img)); err != nil {
		return err
	}
	undo, err := x.reg.Keep(img, ".sig")
	if err != nil {
		return err
	}
	if err := x.steps(
		x.hm("sign", "--key", "ecdsa-p256.key", img),
		x.hm("sign", "--key", "ed25519.key", img),
	); err != nil {
		return err
	}
	if err := undo(); err != nil {
		return err
	}
	return x.steps(
		x.v2("verify", "cosign.pub", img), no(x.v2("verify", "ecdsa-p256.pub", img)), no(x.v2("verify", "ed25519.pub", img)),
		x.hm("verify", "--threshold", "3", "--key", "cosign.pub", "--key", "ecdsa-p256.pub", "--key", "ed25519.pub", img),
		no(x.hm("repair", "--dry-run", img)),
		x.hm("repair", img),
		x.v2("verify", "cosign.pub", img), x.v2("verify", "ecdsa-p256.pub", img), x.v2("verify", "ed25519.pub", img),
		x.hm("repair", "--dry-run", img),
	)
}
