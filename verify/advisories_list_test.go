package verify_test

import "testing"

// An advisory is one against a verifier, a signer or a library of the same family: what
// went wrong there, and the tests that hold that it does not here. Where the attack has
// no place to be, note says why, and the tests are those that are nearest.
type advisory struct {
	ids, of, what string
	held          []string
	note          string
}

// advisories are all that are known against the family, oldest component first.
func advisories() []advisory {
	return []advisory{
		{"CVE-2022-23649, GHSA-ccxc-vr6p-4858", "cosign < 1.5.2", "a log entry of one signature pasted onto another",
			[]string{"verify TestAdvisoryAnnotations/CVE-2022-23649 the log entry of another signature", "verify TestAdvisoryAnnotations/CVE-2022-23649 certificate and log entry of another signature", "verify TestMustReject/59 an entry of another signature"}, ""},
		{"CVE-2022-35929, GHSA-vjxv-45g9-9296", "cosign < 1.10.1", "an attestation of another type than was asked for counts",
			[]string{"verify TestMustRejectImages/91 no statement of the type that is asked for (CVE-2022-35929)", "verify TestAttestationRejects/type only claimed"}, ""},
		{"CVE-2022-35930, GHSA-739f-hw6h-7wq8", "policy-controller < 0.2.1", "the same at admission", []string{`verify/policy TestScopes/"keys": [{"data": K1}], "attestations": [{"type": "vuln"}]`}, ""},
		{"CVE-2022-36056, GHSA-8gw7-4j42-w388", "cosign < 1.12.0", "files: a bundle of another signature, an identity that nobody compared, an unreadable or a bad log entry that is passed over",
			[]string{"verify TestConformance/wrong-hashedrekord-entry_fail", "verify TestMustReject/13 one character off", "verify TestMustReject/19 GitHub repository", "verify TestAdvisoryAnnotations/CVE-2022-36056 a log entry that cannot be read",
				"verify TestAdvisoryAnnotations/CVE-2022-36056 no log entry", "verify TestAdvisoryRows/CVE-2022-36056 a log entry that does not hold beside one that does", "verify TestAdvisoryRows/CVE-2022-36056 a log entry of something else beside one of this"}, ""},
		{"CVE-2023-46737, GHSA-vfp6-jrw2-99g9", "cosign < 2.2.1", "a registry that lists signatures without end",
			[]string{"cmd/hallmark TestScript/hostile-registry: Answers without end", "cmd/hallmark TestScript/faulty-digests: faulty endless", "attach/registry TestFlood", "verify TestMustRejectImages/88 ten thousand signatures by strangers"}, ""},
		{"CVE-2024-29902, GHSA-88jx-383q-w4qc", "cosign < 2.2.4", "a huge attachment is read into memory",
			[]string{"cmd/hallmark TestScript/hostile-entries: An entry of 10 GB", "verify TestBundleRejects/bundle too large", "verify TestBundleMemory", "attach/cosign TestStrictBomb"}, ""},
		{"CVE-2024-29903, GHSA-95pr-fxf5-86gv", "cosign < 2.2.4", "memory by counts that a manifest states",
			[]string{"cmd/hallmark TestScript/hostile-entries: Manifests without end", "attach/registry TestHostileManifests"}, ""},
		{"CVE-2026-22703, GHSA-whqx-f9j3-ch6m", "cosign < 2.6.2, < 3.0.4", "the log entry is not compared with digest, signature and key",
			[]string{"verify TestMustReject/59 an entry of a key (CVE-2026-22703)", "verify TestMustReject/59 an entry of another file", "verify TestMustReject/59 an entry of another certificate"}, ""},
		{"CVE-2026-24122, GHSA-wfqv-66vq-46rm, GO-2026-4529", "cosign < 3.0.5, all of 2", "an authority's certificate that was over",
			[]string{"verify TestMustReject/23 the authority's certificate was over (CVE-2026-24122)"}, ""},
		{"CVE-2026-39395, GHSA-w6c6-c85g-mmv6", "cosign < 2.6.3, < 3.0.6", "a signed payload that cannot be read, or is of another type, is verified",
			[]string{"verify TestAttestationRejects/payload not JSON", "verify TestAttestationRejects/payload type", "verify TestMustReject/77 a statement that is none", "verify TestMustReject/75 signed as something else"}, ""},
		{"GHSA-fx35-mq7g-6g98", "cosign < 2.6.5, < 3.1.3", "a public key in the place of the certificate replaces the one that was named",
			[]string{"verify TestSignatureRejects/public key in the place of a certificate", "verify TestAdvisoryAnnotations/GHSA-fx35-mq7g-6g98 a key in the place of the certificate",
				"verify TestAdvisoryRows/GHSA-fx35-mq7g-6g98 a key in the place of the certificate", "verify TestAdvisoryRows/GHSA-fx35-mq7g-6g98 the hint of a key in the place of the certificate"}, ""},
		{"none, security-profiles-operator#3449", "cosign 3", "any attestation counts as a signature of the image",
			[]string{"verify TestAttestationIsNoSignature", "verify TestMustRejectImages/91 a bundle of a statement, which is no signature"}, ""},
		{"none, conforma/cli#3269", "cosign 2 and 3", "an entry by a stranger breaks the verification of a good one",
			[]string{"verify TestStrangersChangeNothing", "cmd/hallmark TestScript/hostile-entries: none makes a good signature fail"}, ""},
		{"none, policy-controller#1971", "policy-controller", "an envelope that nobody signed is admitted",
			[]string{"verify TestAttestationRejects/nobody signed", "verify TestMustReject/73 no signature", "verify TestBundleRejects/envelope is garbage", "cmd/hallmark TestScript/hostile-content: Attestations that nobody signed"}, ""},
		{"CVE-2024-45395, GHSA-cq38-jh5f-37mq", "sigstore-go < 0.6.1", "log entries, timestamps and subjects without number",
			[]string{"verify TestMustReject/10 too many log entries", "verify TestMustReject/10 too many timestamps", "verify TestAdvisoryRows/CVE-2024-45395 a hundred thousand log entries",
				"verify TestAdvisoryRows/CVE-2024-45395 a hundred thousand timestamps", "verify TestAdvisoryRows/CVE-2024-45395 a hundred thousand subjects", "sign/payload TestReadHeaderRefuses/many subjects"}, ""},
		{"CVE-2026-49834, GHSA-9vcr-p3rj-q5q6", "sigstore-go < 1.2.0", "one log or one certificate log that speaks twice meets a threshold of two",
			[]string{"verify TestThresholdsCountAuthorities/35 certificate logs", "verify TestThresholdsCountAuthorities/48 clocks", "verify TestThresholdsCountAuthorities/62 logs"}, ""},
		{"CVE-2026-54787, GHSA-wqqc-jjcq-vfxm", "sigstore-go < 1.2.1", "the time in which a key counts is not compared with that of the signature",
			[]string{"verify TestMustReject/49 stamped when the key was over", "verify TestMustReject/49 stamped before the key began", "verify TestMustReject/61 a log that was not in use any more", "verify TestMustReject/42 stamped when the clock did not count any more"}, ""},
		{"CVE-2026-39984, GHSA-xm5m-wgh2-rrg3", "timestamp-authority < 2.0.6", "name and purpose are read from another certificate of the bag than the one that signed",
			[]string{"verify TestAdvisoryRows/CVE-2026-39984 a forged certificate before the one that signed", "verify TestMustReject/45 another clock's signature under the known certificate (CVE-2026-39984)"}, ""},
		{"none, timestamp-authority#1384", "timestamp-authority 2.1", "a clock's chain is judged at the present time, not at that of the timestamp",
			[]string{"verify TestConformance/rekor2-timestamp-with-expired-cert-chain", "verify TestMustReject/42 stamped before the clock's certificate was valid", "verify TestConformance/rekor2-timestamp-outside-tsa-cert-validity_fail"}, ""},
		{"CVE-2026-24137, GHSA-fcv2-xgw5-pqxf", "sigstore < 1.10.4", "a file name from a repository leads out of the folder",
			[]string{"verify/tuf TestNames", "attach/artifact TestUnpackRefuses", "attach/artifact TestUnpackFollowsNoLinkOut", "cmd/hallmark TestScript/hostile-files: a path that leads out of the folder"}, ""},
		{"CVE-2024-51746, GHSA-8pmp-678w-c8xx", "gitsign < 0.11", "any log entry that a search finds counts",
			[]string{"verify TestMustReject/59 an entry of another signature", "verify TestOffline"}, "Nothing is searched for: entries come with the signature."},
		{"CVE-2023-47122", "gitsign < 0.8", "the key of the log is fetched from the log",
			[]string{"verify TestMustReject/61 a log that is not trusted", "verify TestOffline"}, "Keys of logs stand in the trusted root alone."},
		{"CVE-2026-44310, GHSA-7c37-gx6w-8vc5", "gitsign < 0.15", "no certificate where one is read: a panic that ends in exit code 0",
			[]string{"verify TestMustReject/05 empty chain", "verify TestAdvisoryAnnotations/CVE-2026-44310 a certificate that is none", "cmd/hallmark/internal/cli TestPanic", "verify/admit TestPanic"}, ""},
		{"CVE-2026-44309", "gitsign < 0.16", "other bytes are verified than are stored",
			[]string{"verify TestFlippedBytes", "cmd/hallmark TestScript/hostile-json: two readers may disagree", "verify TestAdvisoryAnnotations/CVE-2026-44309 a signature with white space in it", "verify TestAdvisoryAnnotations/CVE-2026-44309 a signature without its end", "sign/dsse TestOpenRefuses"}, ""},
		{"CVE-2023-33957, CVE-2023-33958", "notation < 1.0.0-rc.6", "signatures without end while listing and verifying",
			[]string{"cmd/hallmark TestScript/hostile-registry: hallmark list", "attach/registry TestFlood"}, ""},
		{"CVE-2023-33959, GHSA-xhg5-42rf-296r; CVE-2022-47633", "notation-go < rc.6; kyverno", "the tag is resolved twice: one image is checked, another one pulled",
			[]string{"cmd/hallmark TestTagMoves/signed, then another", "cmd/hallmark TestTagMoves/another, then signed", "verify TestSubject", "cmd/hallmark TestScript/faulty-digests: subject-digest"}, ""},
		{"CVE-2023-25656", "notation-go < rc.3", "a name in a policy that costs memory without bound", []string{"verify TestPatternCost", "verify/policy FuzzParse"}, ""},
		{"CVE-2024-23332, GHSA-57wx-m636-g3g8", "notation", "an old image that was signed is offered again",
			[]string{"verify TestAge", "verify TestRevokedDigest"}, "A signature tells no time without a clock: what is old is told by statements (maxAge) or by revocation."},
		{"CVE-2024-56138, CVE-2024-51491", "notation-go < 1.3.0-rc.2", "revocation that cannot be read is not asked",
			[]string{"verify/admit TestRevoke", "verify/policy TestRevoked", "cmd/hallmark TestScript/revoke: revocations-stale", "verify/admit TestRegistryDown"}, "Revocation stands in files that are named; one that cannot be read is an error before anything is judged."},
		{"CVE-2022-29173, GHSA-3633-5h82-39pq, CVE-2024-47534, CVE-2026-23991, CVE-2026-23992, CVE-2026-24686", "go-tuf", "rollback, a key counted under two names, a threshold of nothing, names that lead out",
			[]string{"verify/tuf TestAttacks", "verify/tuf TestSpelling", "verify/tuf TestNames", "verify TestNewRefuses/threshold zero", "verify TestNewRefuses/one key twice for two"}, ""},
		{"CVE-2021-41087, GO-2026-5547", "in-toto-golang", "patterns of layouts match other paths than they say",
			[]string{"verify/policy TestGlob"}, "Layouts are not read; the nearest patterns are those of policies."},
		{"CVE-2023-30551, CVE-2023-33199, CVE-2026-23831, CVE-2026-24117, CVE-2026-48702; CVE-2025-66506, CVE-2026-49478; CVE-2026-49835", "rekor, fulcio, timestamp-authority", "servers: memory without bound, panics, requests to inner networks",
			[]string{"cmd/hallmark TestNoServers"}, "No server is linked; what servers answer is limited (`sign/keyless` TestFaults)."},
		{"CVE-2025-66564", "timestamp-authority", "memory without bound while a timestamp is read",
			[]string{"verify TestAdvisoryRows/CVE-2025-66564 a timestamp of a megabyte", "verify TestAdvisoryRows/CVE-2025-66564 a timestamp of values without end inside each other", "verify TestAdvisoryRows/CVE-2025-66564 an object identifier of sixty thousand bytes", "verify FuzzTimestamp"}, ""},
		{"CVE-2026-22772, GHSA-59jp-pj84-45mr; GHSA-f5mr-q85p-6hh6", "fulcio", "a pattern for issuers that is not anchored; discovery that follows to another host",
			[]string{"verify TestMustReject/15 a pattern for part of the issuer", "verify TestMustReject/15 an alternative that would reach beyond", "sign/keyless TestFaults"}, ""},
		{"GHSA-4c4x-jm2x-pf9j", "rekor", "an address in a document is fetched as a key", []string{"sign/key TestNames", "verify TestOffline"}, "No address in a document is followed; keys are named by the user alone, and not by https."},
	}
}

// TestAdvisories: each advisory has tests, and they are there.
func TestAdvisories(t *testing.T) {
	list := advisories()
	if len(list) != 35 {
		t.Errorf("%d rows", len(list))
	}
	rows := namesOfRows(t)
	for _, a := range list {
		if len(a.held) == 0 {
			t.Errorf("%s: no test", a.ids)
		}
		for _, test := range a.held {
			if err := rows.exists(t, test); err != nil {
				t.Errorf("%s: %v", a.ids, err)
			}
		}
	}
}
