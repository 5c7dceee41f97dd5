package main

// verifies is hallmark verifying what the peers signed, and refusing it for a reason.
func verifies() group {
	img := func(name string) string { return " $image_" + name }
	good := func(name, by, image string) step {
		return step{name: "hallmark verifies " + name, by: ours, args: "verify" + trusted + by + image}
	}
	bad := func(name, reason, args string) step {
		return step{name: "hallmark refuses " + name, by: ours, exit: 1, reason: reason, args: args + " -f json"}
	}
	const eve = " --certificate-identity eve@example.test --certificate-oidc-issuer $OIDC"
	const github = " --certificate-identity https://github.com/acme/app/.github/workflows/release.yaml@refs/heads/main --certificate-oidc-issuer $OIDC/github"
	const claims = " --certificate-github-workflow-repository acme/app --certificate-github-workflow-trigger push --certificate-github-workflow-ref refs/heads/main"
	const gitlab = " --certificate-identity-regexp https://gitlab.com/acme/.* --certificate-oidc-issuer-regexp .*/gitlab"
	steps := []step{
		good("bundles of Rekor 1", person, img("bundle_v1")),
		good("bundles of Rekor 2", person, img("bundle_v2")),
		good("attestations in bundles", person+" --type cyclonedx", img("bundle_v1")),
		good("bundles in a registry without referrers", person, " $plain_bundle"),
		good("cosign's tags and annotations", person, img("legacy")),
		good("cosign's annotations with a timestamp", person, img("legacy_tsa")),
		good("cosign's attestations", person+" --type cyclonedx", img("legacy")),
		good("a GitHub workflow and its claims", github+claims, img("github")),
		good("a GitLab pipeline by a pattern", gitlab, img("gitlab")),
		{name: "hallmark verifies by a policy", by: ours, args: "verify --policy policy.yaml" + img("bundle_v2")},
		bad("a workflow by that policy", "untrusted-identity", "verify --policy policy.yaml"+img("github")),
		bad("another trigger", "untrusted-identity", "verify"+trusted+github+" --certificate-github-workflow-trigger pull_request"+img("github")),
		bad("another identity", "untrusted-identity", "verify"+trusted+eve+img("bundle_v2")),
		bad("another identity in annotations", "untrusted-identity", "verify"+trusted+eve+img("legacy")),
		bad("an image that nobody signed", "no-signature", "verify"+trusted+person+img("unsigned")),
		{name: "hallmark verifies a blob of Rekor 1", by: ours, args: "blob verify blob --bundle blob.v1.json" + trusted + person},
		{name: "hallmark verifies a blob of Rekor 2", by: ours, args: "blob verify blob --bundle blob.v2.json" + trusted + person},
		bad("another blob", "digest-mismatch", "blob verify other --bundle blob.v2.json"+trusted+person),
	}
	for _, p := range [][2]string{
		{"fulcio", "certificate-untrusted"}, {"ctlog", "sct-missing"}, {"rekor", "log-entry-missing"}, {"tsa", "timestamp-invalid"}, {"all", "log-entry-missing"},
	} {
		steps = append(steps, bad("another "+p[0], p[1], "verify"+person+" --trusted-root $DIR/foreign/"+p[0]+".json"+img("bundle_v2")))
	}
	return group{"hallmark verifies", steps}
}

// trust is hallmark fetching the trusted root, from a mirror that is good, that
// fails, and that lies. Whatever it does, what was fetched before stays.
func trust() group {
	const again = "trust init -f json"
	steps := []step{
		{name: "nothing is trusted before", by: ours, exit: 2, reason: "trust-none", args: "trust show -f json"},
		{name: "hallmark fetches the root", by: ours, args: "trust init --mirror $TUF --root $DIR/root.json"},
		{name: "and again", by: ours, args: again},
		{name: "it shows what it holds", by: ours, args: "trust show -f json"},
		{name: "and prints it", by: ours, args: "trust show -f trusted-root -o fetched.json"},
		{name: "cosign 3 takes that", by: cosign3, args: "verify" + plain + person + " --trusted-root fetched.json $image_tuf"},
	}
	for _, f := range []struct{ name, fault, reason string }{
		{"not from a mirror that is gone", "tuf: drop", "trust-unreachable"},
		{"not from a broken one", "tuf: status status=503", "trust-unreachable"},
		{"not from one that refuses to tell of new roots", "tuf: status status=403 match=root.json", "trust-unreachable"},
		{"not from half a timestamp", "tuf: truncate match=timestamp.json", "trust-unreachable"},
		{"not from noise", "tuf: garbage match=timestamp.json", "trust-malformed"},
		{"not from another file", "tuf: other match=timestamp.json", "trust-malformed"},
		{"not from a document with one bit turned", "tuf: flip match=trusted_root.json", "trust-digest"},
		{"not from a document that is another", "tuf: other match=trusted_root.json", "trust-digest"},
	} {
		steps = append(steps, step{name: f.name, by: ours, exit: 2, reason: f.reason, fault: f.fault, args: again})
	}
	steps = append(steps,
		step{name: "a slow one will do", by: ours, fault: "tuf: delay delay=100ms", args: again},
		step{name: "what was fetched is there", by: ours, args: "trust show"},
	)
	return group{"hallmark and TUF", steps}
}
