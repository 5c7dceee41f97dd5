package main

// verifies is hallmark on what the peers signed in the groups before: Sigstore
// bundles and annotations, with both logs. It asks no service but the registry.
func verifies() group {
	const github = " --certificate-identity " + workflow + " --certificate-oidc-issuer $OIDC/github"
	const gitlab = " --certificate-identity https://gitlab.com/acme/app//.gitlab-ci.yml@refs/heads/main --certificate-oidc-issuer $OIDC/gitlab"
	var steps []step
	accept := func(name, args string) {
		steps = append(steps, step{name: "hallmark accepts " + name, by: ours, alone: true, reason: "accepted", args: "verify -f json" + trusted + args})
	}
	refuse := func(name, reason, args string) {
		steps = append(steps, step{name: "not " + name, by: ours, alone: true, exit: 1, reason: reason, args: "verify -f json" + args})
	}
	accept("a bundle of cosign 3, Rekor v1", person+" $registry_bundle_v1")
	accept("a bundle of cosign 3, Rekor v2", person+" $registry_bundle_v2")
	accept("a bundle under a tag", person+" $plain_bundle")
	accept("annotations of cosign 2", person+" $registry_legacy")
	accept("annotations of cosign 2 with a timestamp", person+" $registry_legacy_tsa")
	accept("an attestation, Rekor v1", person+" --type cyclonedx $registry_bundle_v1")
	accept("an attestation, Rekor v2", person+" --type cyclonedx $registry_bundle_v2")
	accept("an attestation of cosign 2", person+" --type cyclonedx $registry_legacy")
	accept("an attestation of cosign 2 with a timestamp", person+" --type cyclonedx $registry_legacy_tsa")
	accept("a name by a pattern", " --certificate-identity-regexp .*@example\\.test --certificate-oidc-issuer-regexp http://127.* $registry_bundle_v2")
	accept("a GitHub workflow", github+" --certificate-github-workflow-repository acme/app --certificate-github-workflow-trigger push --certificate-github-workflow-ref refs/heads/main --certificate-github-workflow-name release --certificate-github-workflow-sha 2222222222222222222222222222222222222222 $registry_github")
	accept("a GitLab pipeline", gitlab+" $registry_gitlab")
	steps = append(steps, step{name: "hallmark accepts by a policy", by: ours, alone: true, args: "verify --policy policy.yaml $registry_bundle_v2"})
	refuse("a workflow by that policy", "untrusted-identity", " --policy policy.yaml $registry_github")
	for _, x := range [][2]string{{"bundle, Rekor v1", " $registry_bundle_v1"}, {"bundle, Rekor v2", " $registry_bundle_v2"}, {"annotations", " $registry_legacy"}} {
		kind, img := x[0], x[1]
		refuse("another name: "+kind, "untrusted-identity", trusted+" --certificate-identity dev@example.tes --certificate-oidc-issuer $OIDC"+img)
		refuse("the name in capitals: "+kind, "untrusted-identity", trusted+" --certificate-identity DEV@example.test --certificate-oidc-issuer $OIDC"+img)
		refuse("a part of the name: "+kind, "untrusted-identity", trusted+" --certificate-identity-regexp ev@example --certificate-oidc-issuer $OIDC"+img)
		refuse("another issuer: "+kind, "untrusted-identity", trusted+" --certificate-identity dev@example.test --certificate-oidc-issuer $OIDC/"+img)
		refuse("another authority: "+kind, "certificate-untrusted", foreignRoot("fulcio")+person+img)
		refuse("another certificate log: "+kind, "sct-missing", foreignRoot("ctlog")+person+img)
		refuse("another instance: "+kind, "none-accepted", foreignRoot("all")+person+img)
	}
	refuse("another log, Rekor v1", "log-entry-missing", foreignRoot("rekor")+person+" $registry_bundle_v1")
	refuse("another log, Rekor v2", "log-entry-missing", foreignRoot("rekor")+person+" $registry_bundle_v2")
	refuse("another clock", "timestamp-invalid", foreignRoot("tsa")+person+" $registry_bundle_v2")
	refuse("what nobody signed", "no-signature", trusted+person+" $registry_unsigned")
	refuse("another type", "no-attestation", trusted+person+" --type spdxjson $registry_bundle_v2")
	refuse("another event", "untrusted-identity", trusted+github+" --certificate-github-workflow-trigger pull_request $registry_github")
	refuse("another commit", "untrusted-identity", trusted+github+" --certificate-github-workflow-sha 1111111111111111111111111111111111111111 $registry_github")
	refuse("the workflow of another issuer", "untrusted-identity", trusted+" --certificate-identity "+workflow+" --certificate-oidc-issuer $OIDC/gitlab $registry_github")
	return group{"hallmark verifies what the peers signed", steps}
}

// foreignRoot is the trusted root with a part of another instance.
func foreignRoot(part string) string { return " --trusted-root $DIR/foreign/" + part + ".json" }

// trust is hallmark fetching the trusted root, from a mirror that is good, that
// fails, and that lies. Whatever it does, what was fetched before stays.
func trust() group {
	const again = "trust init -f json"
	steps := []step{
		{name: "nothing is trusted before", by: ours, exit: 2, reason: "trust-none", args: "trust show -f json"},
		{name: "so that nobody verifies", by: ours, exit: 64, says: "hallmark trust init", args: "verify" + person + " $registry_tuf"},
		{name: "or signs", by: ours, exit: 64, says: "hallmark trust init", barren: true, args: "sign" + email + " $registry_ours_tuf"},
		{name: "hallmark fetches the root", by: ours, args: "trust init --mirror $TUF --root $DIR/root.json"},
		{name: "and again", by: ours, args: again},
		{name: "it verifies with that", by: ours, alone: true, args: "verify" + person + " $registry_tuf"},
		{name: "and signs with that", by: ours, args: "sign --storage referrers" + email + " $registry_ours_tuf"},
		{name: "which cosign 3 verifies, with trust from TUF too", by: cosign3, args: "verify" + plain + person + " $registry_ours_tuf"},
		{name: "and hallmark, but not for another", by: ours, alone: true, exit: 1, reason: "untrusted-identity", args: "verify -f json --certificate-identity eve@example.test --certificate-oidc-issuer $OIDC $registry_ours_tuf"},
		{name: "it shows what it holds", by: ours, args: "trust show -f json"},
		{name: "and prints it", by: ours, args: "trust show -f trusted-root -o fetched.json"},
		{name: "cosign 3 takes that", by: cosign3, args: "verify" + plain + person + " --trusted-root fetched.json $registry_tuf"},
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
