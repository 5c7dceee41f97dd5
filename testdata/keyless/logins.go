package main

// people log in to sign, with a browser and a device; workloads have their identity
// from where they run. That the sandbox's issuer is like others is seen by cosign 3,
// which logs in there too.

// signingAs are the flags to sign as somebody who logs in.
const signingAs = " --storage referrers --signing-config $DIR/signing_config.v2.json" + trusted

func logins() group {
	const device = "sign -v --yes --oidc-flow device" + signingAs
	return group{"logins", []step{
		{name: "hallmark signs after a login with a browser", by: ours, logins: 1, says: "(from your login)", args: "sign --yes --oidc-flow browser" + signingAs + " $registry_login_browser"},
		{name: "cosign 3 verifies", by: cosign3, args: "verify" + plain + trusted + person + " $registry_login_browser"},
		{name: "hallmark signs after a login with a device", by: ours, logins: 1, says: "and enter the code", args: device + " $registry_login_device"},
		{name: "cosign 3 verifies", by: cosign3, args: "verify" + plain + trusted + person + " $registry_login_device"},
		{name: "without a terminal the device is what is asked for", by: ours, logins: 1, says: "and enter the code", args: "sign --yes" + signingAs + " $registry_login_auto"},
		{name: "one login is for many images", by: ours, logins: 1, args: "sign --yes --oidc-flow browser" + signingAs + " $registry_login_a $registry_login_b $registry_login_c"},
		{name: "and for a seal, with all that it signs", by: ours, logins: 1, prints: "is accept", args: "seal --yes --oidc-flow browser" + signingAs + " $registry_login_seal"},
		{name: "cosign 3 logs in the same way", by: cosign3, logins: 1, args: "sign --yes --fulcio-auth-flow device --signing-config $DIR/signing_config.v2.json" + plain + trusted + " $registry_login_peer"},
		{name: "hallmark accepts that", by: ours, alone: true, args: "verify" + trusted + person + " $registry_login_peer"},
		{name: "another issuer, which no authority knows", by: ours, logins: 1, exit: 2, barren: true, says: "(service-denied)", args: "sign --yes --oidc-flow browser --oidc-issuer $OIDC/odd/honest" + signingAs + " $registry_login_none"},
		{name: "not where nobody can be asked", by: ours, exit: 64, barren: true, alone: true, says: "give --yes", args: "sign --oidc-flow browser" + signingAs + " $registry_login_none"},
		{name: "not in a job, where nobody is", by: ours, exit: 64, barren: true, alone: true, says: "CI job", env: []string{"CI=true"}, args: "sign --yes" + signingAs + " $registry_login_none"},
		{name: "not when nobody comes with a browser", by: ours, exit: 2, barren: true, says: "(login-expired)", args: "sign --yes --timeout 1s --oidc-flow browser" + signingAs + " $registry_login_none"},
		{name: "nor with a device", by: ours, exit: 2, barren: true, says: "(login-expired)", args: "sign --yes --timeout 3s --oidc-flow device" + signingAs + " $registry_login_none"},
		{name: "the issuer is busy, then not", by: ours, logins: 1, fault: "oidc: status status=503 count=2", args: "sign --yes --oidc-flow browser" + signingAs + " $registry_login_busy"},
		{name: "the issuer is gone", by: ours, exit: 2, barren: true, fault: "oidc: drop", says: "(service-unreachable)", args: "sign --yes --oidc-flow browser" + signingAs + " $registry_login_none"},
		{name: "the issuer answers too late", by: ours, exit: 2, barren: true, fault: "oidc: delay delay=5s", says: "(service-unreachable)", args: "sign --yes --timeout 1s --oidc-flow device" + signingAs + " $registry_login_none"},
		{name: "the answer with the token is lost, and the code not sent again", by: ours, logins: 1, exit: 2, barren: true, fault: "oidc: lose match=POST", says: "(service-unreachable)", args: "sign --yes --oidc-flow browser" + signingAs + " $registry_login_none"},
		{name: "so that nothing is stored", by: cosign3, exit: refused, says: "no signatures found", args: "verify" + plain + trusted + person + " $registry_login_none"},
	}}
}

// strangeIssuers are those that are not honest: nothing is signed then.
func strangeIssuers() group {
	var steps []step
	for _, x := range []struct {
		how, flow, says string
		logins          int
	}{
		{"other-state", "browser", "(login-invalid)", 1},
		{"other-nonce", "browser", "(login-invalid)", 1},
		{"other-issuer", "browser", "(login-invalid)", 1},
		{"other-issuer", "device", "(login-invalid)", 1},
		{"other-audience", "browser", "(token-audience)", 1},
		{"other-audience", "device", "(token-audience)", 1},
		{"other-access", "browser", "(login-invalid)", 1},
		{"other-access", "device", "(login-invalid)", 1},
		{"refusal", "browser", "(login-denied)", 1},
		{"refusal", "device", "(login-denied)", 1},
		{"expiry", "device", "(login-expired)", 1},
		{"endless", "browser", "not followed", 0},
		{"endless", "device", "not followed", 0},
		{"round", "browser", "(login-expired)", 1},
	} {
		steps = append(steps, step{name: "hallmark does not sign: " + x.how + " with a " + x.flow, by: ours, exit: 2, says: x.says, logins: x.logins, barren: true,
			args: "sign --yes --timeout 4s --oidc-flow " + x.flow + " --oidc-issuer $OIDC/odd/" + x.how + signingAs + " $registry_strange"})
	}
	return group{"issuers that are not honest", append(steps,
		step{name: "an issuer under another name", by: ours, exit: 2, says: "(login-invalid)", barren: true, args: "sign --yes --oidc-flow device --oidc-issuer $OIDC/" + signingAs + " $registry_strange"},
		step{name: "an issuer in the clear", by: ours, exit: 64, says: "in the clear", barren: true, alone: true, args: "sign --yes --oidc-flow device --oidc-issuer http://issuer.invalid" + signingAs + " $registry_strange"},
		step{name: "so that nothing is stored", by: cosign3, exit: refused, says: "no signatures found", args: "verify" + plain + trusted + person + " $registry_strange"},
	)}
}

// workloads are jobs of Buildkite and workloads of SPIFFE. Cosign has its identity
// from the same places with the clients of their makers.
func workloads() group {
	const buildkite = " --certificate-identity https://buildkite.com/acme/app --certificate-oidc-issuer $OIDC/buildkite"
	const spiffe = " --certificate-identity spiffe://sandbox.test/signer --certificate-oidc-issuer $OIDC/spiffe"
	agent := []string{"BUILDKITE_AGENT_ENDPOINT=$BUILDKITE_AGENT_ENDPOINT", "BUILDKITE_AGENT_ACCESS_TOKEN=sandbox-job", "BUILDKITE_JOB_ID=47"}
	other := []string{agent[0], "BUILDKITE_AGENT_ACCESS_TOKEN=another-job", agent[2], "SPIFFE_ENDPOINT_SOCKET=unix://$SOCKET"}
	const peer = "sign --yes --signing-config $DIR/signing_config.v2.json" + plain + trusted
	return group{"workloads", []step{
		{name: "hallmark signs as a job of Buildkite", by: ours, env: agent, says: "(from buildkite-agent)", args: "sign" + signingAs + " $registry_work_buildkite"},
		{name: "cosign 3 verifies", by: cosign3, args: "verify" + plain + trusted + buildkite + " $registry_work_buildkite"},
		{name: "cosign 3 signs as that job", by: cosign3, env: agent, args: peer + " $registry_work_buildkite3"},
		{name: "hallmark verifies", by: ours, alone: true, args: "verify" + trusted + buildkite + " $registry_work_buildkite3"},
		{name: "hallmark signs as a workload of SPIFFE", by: ours, env: []string{"SPIFFE_ENDPOINT_SOCKET=unix://$SOCKET"}, says: "(from spiffe)", args: "sign" + signingAs + " $registry_work_spiffe"},
		{name: "cosign 3 verifies", by: cosign3, args: "verify" + plain + trusted + spiffe + " $registry_work_spiffe"},
		{name: "cosign 3 signs as that workload", by: cosign3, env: []string{"SPIFFE_ENDPOINT_SOCKET=$SOCKET"}, args: peer + " $registry_work_spiffe3"},
		{name: "hallmark verifies", by: ours, alone: true, args: "verify" + trusted + spiffe + " $registry_work_spiffe3"},
		{name: "a name of cosign's for where the token is", by: ours, env: []string{"SIGSTORE_ID_TOKEN="}, exit: 2, barren: true, says: "(token-unavailable)", args: "sign --oidc-provider envvar" + signingAs + " $registry_work_none"},
		{name: "a provider that fails leads to no other", by: ours, env: other, exit: 2, barren: true, says: "(service-denied)", args: "sign" + signingAs + " $registry_work_none"},
		{name: "a workload that is for somebody else", by: ours, env: []string{"SPIFFE_ENDPOINT_SOCKET=unix://$SOCKET"}, exit: 2, barren: true, says: "(service-denied)", args: "sign --oidc-client-id other" + signingAs + " $registry_work_none"},
		{name: "no agent", by: ours, env: []string{"SPIFFE_ENDPOINT_SOCKET=unix://$SOCKET.gone"}, exit: 2, barren: true, says: "(service-unreachable)", args: "sign" + signingAs + " $registry_work_none"},
		{name: "so that nothing is stored", by: cosign3, exit: refused, says: "no signatures found", args: "verify" + plain + trusted + spiffe + " $registry_work_none"},
	}}
}
