package main

import "fmt"

// What the steps of cosign share.
const (
	trusted = " --trusted-root $DIR/trusted_root.json"
	person  = " --certificate-identity dev@example.test --certificate-oidc-issuer $OIDC"
	stamped = " --use-signed-timestamps --timestamp-certificate-chain $DIR/tsa-chain.pem"
	// workflow is the name in the certificate of a GitHub workflow.
	workflow = "https://github.com/acme/app/.github/workflows/release.yaml@refs/heads/main"
	email    = " --identity-token $DIR/tokens/email"
	plain    = " --allow-http-registry"
)

// groups returns all steps. What a group leaves in the registry or in files,
// later ones may use.
func groups() []group {
	return []group{
		bundles("v1"), bundles("v2"), foreign(), plainRegistry(), legacy(), workflows(), repository(), keyed(), faults(),
		verifies(), ourBundles("v1"), ourBundles("v2"), ourTags(), ourWorkflows(), ourTokens(), ourFaults(),
		logins(), strangeIssuers(), workloads(), trust(),
	}
}

// bundles is cosign 3 with Sigstore bundles as referrers, and cosign 2 reading them.
func bundles(v string) group {
	services := " --signing-config $DIR/signing_config." + v + ".json" + trusted
	img := " $registry_bundle_" + v
	blob := "blob." + v + ".json"
	// A Rekor v2 entry holds no time: only the timestamp tells it.
	times := map[string]string{"v1": "", "v2": " --use-signed-timestamps"}[v]
	steps := []step{
		{name: "cosign 3 signs", by: cosign3, args: "sign --yes" + plain + email + services + img},
		{name: "cosign 3 verifies: SCT, log entry, timestamp", by: cosign3, args: "verify" + plain + trusted + person + img},
		{name: "not another identity", by: cosign3, exit: refused, says: "expected SAN value", args: "verify" + plain + trusted + " --certificate-identity dev@example.tes --certificate-oidc-issuer $OIDC" + img},
		{name: "not another issuer", by: cosign3, exit: refused, says: "expected issuer value", args: "verify" + plain + trusted + " --certificate-identity dev@example.test --certificate-oidc-issuer $OIDC/" + img},
		{name: "not another image", by: cosign3, exit: refused, says: "no signatures found", args: "verify" + plain + trusted + person + " $registry_unsigned"},
		{name: "cosign 3 attests", by: cosign3, args: "attest --yes" + plain + email + services + " --type cyclonedx --predicate bom.json" + img},
		{name: "cosign 3 verifies the attestation", by: cosign3, args: "verify-attestation" + plain + trusted + person + " --type cyclonedx" + img},
		{name: "not as another type", by: cosign3, exit: refused, says: "none of the attestations matched the predicate type", args: "verify-attestation" + plain + trusted + person + " --type spdxjson" + img},
		{name: "cosign 3 signs a blob", by: cosign3, args: "sign-blob --yes" + email + services + " --bundle " + blob + " blob"},
		{name: "cosign 3 verifies the blob", by: cosign3, args: "verify-blob --bundle " + blob + trusted + person + " blob"},
		{name: "not another blob", by: cosign3, exit: refused, says: "invalid signature", args: "verify-blob --bundle " + blob + trusted + person + " other"},
		{name: "cosign 2 verifies the blob", by: cosign2, args: "verify-blob --new-bundle-format --bundle " + blob + trusted + person + times + " blob"},
		{name: "cosign 2 verifies the image", by: cosign2, args: "verify --new-bundle-format" + plain + trusted + person + times + img},
	}
	if v == "v2" {
		steps = append(steps, step{name: "cosign 2 wants a time", by: cosign2, exit: refused, says: "threshold not met for verified log entry integrated timestamps", args: "verify-blob --new-bundle-format --bundle " + blob + trusted + person + " blob"})
	}
	return group{fmt.Sprintf("bundles, Rekor %s", v), steps}
}

// legacyRoots tells cosign 2 whom to trust.
func legacyRoots() []string {
	return []string{"SIGSTORE_ROOT_FILE=$DIR/fulcio-root.pem", "SIGSTORE_REKOR_PUBLIC_KEY=$DIR/rekor1.pub", "SIGSTORE_CT_LOG_PUBLIC_KEY_FILE=$DIR/ctlog.pub"}
}

// job is the environment of a job that asks its runner for a token.
func job() []string {
	return []string{"ACTIONS_ID_TOKEN_REQUEST_URL=$ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN=$ACTIONS_ID_TOKEN_REQUEST_TOKEN"}
}

// legacy is cosign 2 with tags and annotations.
func legacy() group {
	roots := legacyRoots()
	const urls = " --fulcio-url $FULCIO --rekor-url $REKOR1 --oidc-issuer $OIDC"
	const tsa = " --timestamp-server-url $TSA/api/v1/timestamp"
	return group{"tags and annotations, Rekor v1", []step{
		{name: "cosign 2 signs", by: cosign2, env: roots, args: "sign --yes" + plain + email + urls + " $registry_legacy"},
		{name: "cosign 2 verifies offline", by: cosign2, env: roots, args: "verify --offline" + plain + person + " $registry_legacy"},
		{name: "cosign 2 verifies online", by: cosign2, env: roots, args: "verify --rekor-url $REKOR1" + plain + person + " $registry_legacy"},
		{name: "cosign 3 verifies", by: cosign3, args: "verify" + plain + trusted + person + " $registry_legacy"},
		{name: "not another identity", by: cosign2, exit: refused, says: "none of the expected identities matched", env: roots, args: "verify --offline" + plain + " --certificate-identity eve@example.test --certificate-oidc-issuer $OIDC $registry_legacy"},
		{name: "cosign 2 signs with a timestamp", by: cosign2, env: roots, args: "sign --yes" + plain + email + urls + tsa + " $registry_legacy_tsa"},
		{name: "cosign 2 verifies with the timestamp", by: cosign2, env: roots, args: "verify --offline" + stamped + plain + person + " $registry_legacy_tsa"},
		{name: "cosign 2 attests with a timestamp", by: cosign2, env: roots, args: "attest --yes" + plain + email + urls + tsa + " --type cyclonedx --predicate bom.json $registry_legacy_tsa"},
		{name: "cosign 2 verifies that", by: cosign2, env: roots, args: "verify-attestation --offline" + stamped + plain + person + " --type cyclonedx $registry_legacy_tsa"},
		{name: "cosign 2 attests", by: cosign2, env: roots, args: "attest --yes" + plain + email + urls + " --type cyclonedx --predicate bom.json $registry_legacy"},
		{name: "cosign 2 verifies the attestation", by: cosign2, env: roots, args: "verify-attestation --offline" + plain + person + " --type cyclonedx $registry_legacy"},
	}}
}

// workflows is signing by a GitHub workflow and a GitLab pipeline.
func workflows() group {
	const services = " --signing-config $DIR/signing_config.v2.json" + trusted
	const github = " --certificate-identity " + workflow + " --certificate-oidc-issuer $OIDC/github"
	const gitlab = " --certificate-identity https://gitlab.com/acme/app//.gitlab-ci.yml@refs/heads/main --certificate-oidc-issuer $OIDC/gitlab"
	return group{"workflows", []step{
		{name: "cosign 3 signs as a GitHub workflow", by: cosign3, args: "sign --yes" + plain + " --identity-token $DIR/tokens/github" + services + " $registry_github"},
		{name: "cosign 3 verifies its claims", by: cosign3, args: "verify" + plain + trusted + github + " --certificate-github-workflow-repository acme/app --certificate-github-workflow-trigger push --certificate-github-workflow-ref refs/heads/main $registry_github"},
		{name: "not with another trigger", by: cosign3, exit: refused, says: "expected GithubWorkflowTrigger", args: "verify" + plain + trusted + github + " --certificate-github-workflow-trigger pull_request $registry_github"},
		{name: "not as the same name of another issuer", by: cosign3, exit: refused, says: "expected issuer value", args: "verify" + plain + trusted + " --certificate-identity " + workflow + " --certificate-oidc-issuer $OIDC/gitlab $registry_github"},
		{name: "cosign 3 signs as a GitLab pipeline", by: cosign3, args: "sign --yes" + plain + " --identity-token $DIR/tokens/gitlab" + services + " $registry_gitlab"},
		{name: "cosign 3 verifies it", by: cosign3, args: "verify" + plain + trusted + gitlab + " $registry_gitlab"},
		{name: "cosign 3 signs as a job that asks its runner for the token", by: cosign3, env: job(), args: "sign --yes" + plain + services + " $registry_job"},
		{name: "cosign 3 verifies it like the first", by: cosign3, args: "verify" + plain + trusted + github + " $registry_job"},
		{name: "no signature with an expired token", by: cosign3, exit: refused, says: "error processing the identity token", args: "sign --yes" + plain + " --identity-token $DIR/tokens/bad/expired" + services + " $registry_none"},
		{name: "no signature with a token for others", by: cosign3, exit: refused, says: "error processing the identity token", args: "sign --yes" + plain + " --identity-token $DIR/tokens/bad/wrong-audience" + services + " $registry_none"},
		{name: "so that nothing verifies", by: cosign3, exit: refused, says: "no signatures found", args: "verify" + plain + trusted + person + " $registry_none"},
	}}
}

// repository is trust from a TUF repository instead of files.
func repository() group {
	return group{"trust from TUF", []step{
		{name: "cosign 3 fetches the root", by: cosign3, args: "initialize --mirror $TUF --root $DIR/root.json"},
		{name: "cosign 3 signs", by: cosign3, args: "sign --yes" + plain + email + " $registry_tuf"},
		{name: "cosign 3 verifies", by: cosign3, args: "verify" + plain + person + " $registry_tuf"},
	}}
}

// keyed is a key of one's own, with the log and the timestamp beside it.
func keyed() group {
	return group{"a key, the log and a timestamp", []step{
		{name: "cosign 3 signs", by: cosign3, args: "sign --yes" + plain + " --key cosign.key --signing-config $DIR/signing_config.v2.json" + trusted + " $registry_keyed"},
		{name: "cosign 3 verifies", by: cosign3, args: "verify" + plain + " --key cosign.pub" + trusted + " $registry_keyed"},
	}}
}

// foreign shows which parts of an instance are looked at: with one of them
// exchanged, nothing verifies.
func foreign() group {
	under := func(part, says string) step {
		return step{
			name: "not under another " + part, by: cosign3, exit: refused, says: says,
			args: "verify" + plain + person + " --trusted-root $DIR/foreign/" + part + ".json $registry_bundle_v2",
		}
	}
	return group{"bundles under other roots", []step{
		under("fulcio", "leaf certificate"), under("ctlog", "SCT"), under("rekor", "log"), under("tsa", "timestamp"), under("all", "log"),
	}}
}

// plainRegistry is a registry without the referrers API, where bundles stand in the
// index of a tag.
func plainRegistry() group {
	const services = " --signing-config $DIR/signing_config.v2.json" + trusted
	return group{"bundles in a registry without referrers", []step{
		{name: "cosign 3 signs", by: cosign3, args: "sign --yes" + plain + email + services + " $plain_bundle"},
		{name: "cosign 3 verifies", by: cosign3, args: "verify" + plain + trusted + person + " $plain_bundle"},
	}}
}

// faults shows that a fault of a service reaches its clients.
func faults() group {
	sign := func(name, fault, says string) step {
		s := step{name: name, by: cosign3, exit: refused, fault: fault, says: says}
		s.args = "sign --yes" + plain + email + " --signing-config $DIR/signing_config.v1.json" + trusted + " $registry_faulty"
		if says == "" {
			s.exit = 0
		}
		return s
	}
	return group{"faults", []step{
		sign("cosign 3 does not sign without Fulcio", "fulcio: drop", "signingCert"),
		sign("nor with another's certificate", "fulcio: replay", "could not verify envelope"),
		sign("nor without a CT log", "ctlog: status status=500", "error signing bundle"),
		sign("nor without Rekor", "rekor1: status status=400", "error signing bundle"),
		sign("nor with another's log entry", "rekor1: replay", "failed to verify log inclusion"),
		sign("nor with half a timestamp", "tsa: truncate", "unexpected EOF"),
		sign("it signs with a slow Rekor", "rekor1: delay delay=300ms", ""),
	}}
}
