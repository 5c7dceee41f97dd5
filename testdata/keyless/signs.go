package main

import "fmt"

// hallmark signs without a key, and cosign 2 and 3 verify.

// services are hallmark's flags for the services with a log of that version.
func services(v string) string {
	return email + " --signing-config $DIR/signing_config." + v + ".json" + trusted
}

// ourBundles is hallmark with Sigstore bundles as referrers.
func ourBundles(v string) group {
	img := " $registry_ours_" + v
	times := map[string]string{"v1": "", "v2": " --use-signed-timestamps"}[v]
	with := " --storage referrers" + services(v) + img
	return group{fmt.Sprintf("bundles of hallmark, Rekor %s", v), []step{
		{name: "hallmark signs", by: ours, args: "sign" + with},
		{name: "hallmark verifies", by: ours, alone: true, args: "verify" + trusted + person + img},
		{name: "cosign 3 verifies: SCT, log entry, timestamp", by: cosign3, args: "verify" + plain + trusted + person + img},
		{name: "cosign 2 verifies", by: cosign2, args: "verify --new-bundle-format" + plain + trusted + person + times + img},
		{name: "not another identity", by: cosign3, exit: refused, says: "expected SAN value", args: "verify" + plain + trusted + " --certificate-identity dev@example.tes --certificate-oidc-issuer $OIDC" + img},
		{name: "hallmark seals another image, and verifies its work", by: ours, prints: "is accept", args: "seal --storage referrers" + services(v) + " $registry_sealed_" + v},
		{name: "hallmark attests", by: ours, args: "attest --type cyclonedx --predicate bom.json" + with},
		{name: "hallmark verifies the attestation", by: ours, alone: true, args: "verify" + trusted + person + " --type cyclonedx" + img},
		{name: "cosign 3 verifies the attestation", by: cosign3, args: "verify-attestation" + plain + trusted + person + " --type cyclonedx" + img},
		{name: "cosign 2 verifies the attestation", by: cosign2, args: "verify-attestation --new-bundle-format" + plain + trusted + person + times + " --type cyclonedx" + img},
	}}
}

// ourTags is hallmark with cosign's tags and annotations.
func ourTags() group {
	roots := legacyRoots()
	const img = " $registry_ours_tags"
	return group{"tags and annotations of hallmark, Rekor v1", []step{
		{name: "hallmark signs", by: ours, args: "sign" + services("v1") + img},
		{name: "hallmark verifies", by: ours, alone: true, args: "verify" + trusted + person + img},
		{name: "cosign 2 verifies offline", by: cosign2, env: roots, args: "verify --offline" + plain + person + img},
		{name: "cosign 2 verifies online", by: cosign2, env: roots, args: "verify --rekor-url $REKOR1" + plain + person + img},
		{name: "cosign 2 verifies with the timestamp", by: cosign2, env: roots, args: "verify --offline" + stamped + plain + person + img},
		{name: "cosign 3 verifies", by: cosign3, args: "verify" + plain + trusted + person + img},
		{name: "not another identity", by: cosign2, exit: refused, says: "none of the expected identities matched", env: roots, args: "verify --offline" + plain + " --certificate-identity eve@example.test --certificate-oidc-issuer $OIDC" + img},
		{name: "hallmark attests", by: ours, args: "attest --type cyclonedx --predicate bom.json" + services("v1") + img},
		{name: "hallmark verifies the attestation", by: ours, alone: true, args: "verify" + trusted + person + " --type cyclonedx" + img},
		{name: "cosign 2 verifies the attestation", by: cosign2, env: roots, args: "verify-attestation --offline" + plain + person + " --type cyclonedx" + img},
		{name: "cosign 2 verifies it with the timestamp", by: cosign2, env: roots, args: "verify-attestation --offline" + stamped + plain + person + " --type cyclonedx" + img},
		{name: "cosign 3 verifies the attestation", by: cosign3, args: "verify-attestation" + plain + trusted + person + " --type cyclonedx" + img},
		{name: "hallmark seals, and verifies its work", by: ours, prints: "is accept", args: "seal" + services("v1") + " $registry_ours_sealed"},
		{name: "hallmark verifies the SBOM", by: ours, alone: true, args: "verify --sbom" + trusted + person + " $registry_ours_sealed"},
		{name: "cosign 2 verifies the sealed image", by: cosign2, env: roots, args: "verify --offline" + plain + person + " $registry_ours_sealed"},
		{name: "hallmark signs in both places", by: ours, args: "sign --storage both" + services("v1") + " $registry_ours_both"},
		{name: "hallmark verifies both", by: ours, alone: true, args: "verify" + trusted + person + " $registry_ours_both"},
		{name: "cosign 3 verifies the bundle", by: cosign3, args: "verify" + plain + trusted + person + " $registry_ours_both"},
		{name: "entries of Rekor 2 do not fit into annotations", by: ours, exit: 64, says: "--storage referrers", args: "sign" + services("v2") + " $registry_ours_none"},
	}}
}

// ourWorkflows is hallmark in a GitHub workflow and a GitLab pipeline.
func ourWorkflows() group {
	const with = " --storage referrers --signing-config $DIR/signing_config.v2.json" + trusted
	const github = " --certificate-identity " + workflow + " --certificate-oidc-issuer $OIDC/github"
	const gitlab = " --certificate-identity https://gitlab.com/acme/app//.gitlab-ci.yml@refs/heads/main --certificate-oidc-issuer $OIDC/gitlab"
	return group{"workflows with hallmark", []step{
		{name: "hallmark signs as a GitHub workflow", by: ours, args: "sign --identity-token $DIR/tokens/github" + with + " $registry_ours_github"},
		{name: "cosign 3 verifies its claims", by: cosign3, args: "verify" + plain + trusted + github + " --certificate-github-workflow-repository acme/app --certificate-github-workflow-trigger push $registry_ours_github"},
		{name: "hallmark signs as a GitLab pipeline", by: ours, args: "sign --identity-token $DIR/tokens/gitlab" + with + " $registry_ours_gitlab"},
		{name: "cosign 3 verifies it", by: cosign3, args: "verify" + plain + trusted + gitlab + " $registry_ours_gitlab"},
		{name: "hallmark signs as a job that asks its runner for the token", by: ours, env: job(), args: "sign --oidc-provider github-actions" + with + " $registry_ours_job"},
		{name: "cosign 3 verifies its claims", by: cosign3, args: "verify" + plain + trusted + github + " --certificate-github-workflow-trigger push $registry_ours_job"},
		{name: "hallmark signs in a registry without referrers", by: ours, args: "sign" + email + with + " $plain_ours"},
		{name: "cosign 3 verifies", by: cosign3, args: "verify" + plain + trusted + person + " $plain_ours"},
	}}
}

// ourTokens are tokens that are shown to nobody, so that nothing is asked for or stored.
func ourTokens() group {
	bad := func(name, file, says string) step {
		return step{name: name, by: ours, exit: 2, says: says, barren: true, args: "sign --storage referrers --identity-token $DIR/tokens/bad/" + file + " --signing-config $DIR/signing_config.v2.json" + trusted + " $registry_ours_none"}
	}
	return group{"bad tokens with hallmark", []step{
		bad("not with an expired token", "expired", "(token-expired)"),
		bad("not with a token for others", "wrong-audience", "(token-audience)"),
		bad("not with an address that is not verified", "unverified-email", "(token-identity)"),
		bad("not with a token of tomorrow", "not-yet-valid", "(token-expired)"),
		bad("not with a token of an unknown issuer", "foreign-issuer", "(service-denied)"),
		bad("not with a token of a stranger", "foreign-key", "(service-denied)"),
		{name: "so that nothing is stored", by: cosign3, exit: refused, says: "no signatures found", args: "verify" + plain + trusted + person + " $registry_ours_none"},
	}}
}

// flap is a fault that passes, so that hallmark signs.
func flap(fault, version string) step {
	return step{name: "it signs: " + fault, by: ours, fault: fault, args: "sign --storage referrers" + services(version) + " $registry_ours_flaps"}
}

// ourFaults shows that whatever a service does wrong ends in no signature, for a
// reason that is told, and in nothing in the registry.
func ourFaults() group {
	var steps []step
	for _, f := range []struct{ fault, version, says string }{
		{"fulcio: drop", "v2", "(service-unreachable)"},
		{"fulcio: lose", "v2", "(service-unreachable)"},
		{"fulcio: status status=500", "v2", "(service-unreachable)"},
		{"fulcio: garbage", "v2", "(answer-malformed)"},
		{"fulcio: truncate", "v2", "(service-unreachable)"},
		{"fulcio: flip at=10", "v2", "fulcio"}, // in the signer's certificate; those above it are known
		{"fulcio: replay", "v2", "(certificate-other-key)"},
		{"fulcio: other", "v2", "(certificate-other-key)"},
		{"ctlog: status status=500", "v2", "(service-unreachable)"},
		{"ctlog: drop", "v2", "(service-unreachable)"},
		{"ctlog: garbage", "v2", "(service-unreachable)"},
		{"ctlog: replay", "v2", "(certificate-unlogged)"},
		{"ctlog: other", "v2", "(certificate-unlogged)"},
		{"rekor1: drop", "v1", "(service-unreachable)"},
		{"rekor1: lose", "v1", "(service-unreachable)"},
		{"rekor1: status status=400", "v1", "(service-denied)"},
		{"rekor1: garbage", "v1", "(answer-malformed)"},
		{"rekor1: truncate", "v1", "(service-unreachable)"},
		{"rekor1: flip", "v1", ""},
		{"rekor1: replay", "v1", "(log-entry-mismatch)"},
		{"rekor1: other", "v1", "(log-entry-mismatch)"},
		{"rekor2: drop", "v2", "(service-unreachable)"},
		{"rekor2: lose", "v2", "(service-unreachable)"},
		{"rekor2: status status=500", "v2", "(service-unreachable)"},
		{"rekor2: garbage", "v2", "(answer-malformed)"},
		{"rekor2: truncate", "v2", "(service-unreachable)"},
		{"rekor2: flip", "v2", ""},
		{"rekor2: replay", "v2", "(log-entry-mismatch)"},
		{"rekor2: other", "v2", "(log-entry-mismatch)"},
		{"tsa: drop", "v2", "(service-unreachable)"},
		{"tsa: lose", "v2", "(service-unreachable)"},
		{"tsa: status status=500", "v2", "(service-unreachable)"},
		{"tsa: garbage", "v2", "(timestamp-invalid)"},
		{"tsa: truncate", "v2", "(service-unreachable)"},
		{"tsa: flip", "v2", "(timestamp-invalid)"},
		{"tsa: replay", "v2", "(timestamp-invalid)"},
		{"tsa: other", "v2", "(timestamp-invalid)"},
	} {
		says := f.says
		if says == "fulcio" || says == "" {
			says = "hallmark: error: sign" // which bit is turned decides what is wrong
		}
		steps = append(steps, step{name: "hallmark does not sign: " + f.fault, by: ours, exit: 2, fault: f.fault, says: says, barren: true,
			args: "sign --storage referrers" + services(f.version) + " $registry_ours_faulty"})
	}
	return group{"faults with hallmark", append(steps,
		step{name: "so that nothing is stored", by: cosign3, exit: refused, says: "no signatures found", args: "verify" + plain + trusted + person + " $registry_ours_faulty"},
		step{name: "nor listed", by: ours, prints: `"entries": []`, args: "list -f json $registry_ours_faulty"},
		flap("fulcio: drop count=1", "v2"), flap("fulcio: status status=429 count=2", "v2"), flap("fulcio: truncate count=1", "v2"),
		flap("rekor1: status status=503 count=2", "v1"), flap("rekor1: drop count=1", "v1"),
		flap("rekor1: lose count=1", "v1"), // which has the entry then, and says so
		flap("rekor2: status status=502 count=1", "v2"), flap("rekor2: lose count=1", "v2"),
		flap("tsa: drop count=2", "v2"), flap("tsa: status status=504 count=1", "v2"),
		step{name: "it signs where others of each service are gone", by: ours, says: "in its place", args: "sign -v --storage referrers" + services("spare") + " $registry_ours_spare"},
		step{name: "which cosign 3 verifies", by: cosign3, args: "verify" + plain + trusted + person + " $registry_ours_spare"},
		step{name: "but not where all are wanted", by: ours, exit: 2, says: "(service-unreachable)", barren: true, args: "sign --storage referrers" + services("every") + " $registry_ours_every"},
		step{name: "it signs with a slow log", by: ours, fault: "rekor2: delay delay=300ms", args: "sign --storage referrers" + services("v2") + " $registry_ours_faulty"},
		step{name: "which cosign 3 verifies", by: cosign3, args: "verify" + plain + trusted + person + " $registry_ours_faulty"},
		step{name: "and what passing faults held up", by: cosign3, args: "verify" + plain + trusted + person + " $registry_ours_flaps"},
	)}
}
