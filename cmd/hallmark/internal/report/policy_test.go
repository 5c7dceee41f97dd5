package report

// policyScopes are a scope and a ClusterImagePolicy, with every field in use.
func policyScopes() []PolicyScope {
	return []PolicyScope{{
		Name: "production/apps", Kind: "Policy", Where: "policy.yaml:6", Images: []string{"registry.example/apps/**"}, Mode: "enforce",
		Exceptions: []PolicyException{
			{Rule: "sbom", For: []string{"registry.example/apps/old"}, Where: "policy.yaml:14", Reason: "the vendor is asked", Until: "2027-01-01T00:00:00Z"},
			{Rule: "signature", For: []string{digest("image").String()}, Where: "policy.yaml:17", Reason: "before we signed", Until: "2026-01-01T00:00:00Z", Expired: true},
		},
		Authorities: []PolicyAuthority{{Asks: []PolicyAsk{
			{Rule: "signature", What: "a signature of the image", Signers: []string{"key sha256:" + digest("key").Hex}, Threshold: 1},
			{Rule: "sbom", What: "a signed statement", Signers: []string{"key a", `identity "dev@example.test" by "https://issuer.test"`}, Threshold: 2, Conditions: []string{"at most 30d old"}},
		}}},
	}, {
		Name: "cluster", Kind: "ClusterImagePolicy", Where: "policy.yaml:20", Images: []string{"**"}, Mode: "warn",
		Objects:     []string{"v1 pods"},
		Authorities: []PolicyAuthority{{Name: "a", Static: "pass", Message: "not ours"}, {Name: "b", Unsupported: []string{"kms"}}},
		Unsupported: []string{"a part in another language"},
	}}
}

func policies() Policies {
	return Policies{
		Files: []string{"policy.yaml", "revoked.yaml"}, Revoked: Revoked{Keys: 1, Certificates: 3, Identities: 1, Digests: 2}, Scopes: policyScopes(),
		Warnings: []PolicyWarning{{Policy: "cluster", Where: "policy.yaml:20", Text: "mode warn"}},
	}
}

func explanation() Explanation {
	return Explanation{Image: "registry.example/apps/web:1.0", Decided: "accept", Reason: "static-pass", Detail: "not ours", Scopes: policyScopes()}
}

func policyTests(v Verdict) PolicyTests {
	return PolicyTests{Outcome: "fail", Cases: []PolicyTest{
		{Name: "a release", Where: "tests.yaml:5", Image: "oci:images:1.0", As: "registry.example/apps/web:1.0", Passed: true, Verdict: v},
		{Where: "tests.yaml:9", Image: "oci:images:2.0", As: "registry.example/apps/web:2.0", Verdict: v,
			Differences: []PolicyDifference{{What: "outcome", Want: "accept", Got: "reject (signature: threshold-not-met: 1 of 2)"}}},
	}}
}
