package verify_test

import (
	"slices"
	"testing"

	"github.com/hallmark-oci/hallmark/verify"
)

// An item is one of the hundred things that hallmark must refuse. Its rows, in the
// tables of this package, are found by the number; beside them stand the tests that
// hold it elsewhere, each as "directory Test/row", and what they end in.
type item struct {
	section string // where a new section of the list begins
	what    string
	codes   []string
	held    []string
}

// ends is the code of an item that ends in a usage error, before anything is judged.
const ends = "exit code 64"

// items are the hundred, in order: item n stands at n-1.
func items() []item {
	return slices.Concat(bundleItems(), certificateItems(), timeItems(), logItems(), payloadItems(), imageItems(), trustItems())
}

func bundleItems() []item {
	return []item{
		{section: "Bundles", what: "a bundle that is no JSON", held: []string{"verify TestConformance/bundle-malformed-json_fail"}},
		{what: "an unknown media type or version", held: []string{"verify TestConformance/bundle-unknown-version_fail"}},
		{what: "snake_case names, numbers in place of words"},
		{what: "a negative place in the log", held: []string{"verify TestConformance/bundle-negative-log-index_fail"}},
		{what: "a chain without certificate", held: []string{"verify TestConformance/bundle-empty-certificate-chain_fail"}},
		{what: "a root certificate in a bundle of version 0.3", held: []string{"verify TestConformance/bundle-with-root-cert_fail"}},
		{what: "a signature that is not base64", held: []string{"verify TestConformance/bundle-invalid-base64-signature_fail"}},
		{what: "both a message and an envelope, or neither"},
		{what: "a member twice, something behind the document, deep nesting"},
		{what: "more entries, timestamps, subjects or bytes than are read"},
		{what: "version 0.1 without a promise, 0.2 and 0.3 without an inclusion proof", held: []string{"verify TestConformance/intoto-missing-inclusion-proof_fail"}},
		{what: "members and kinds of content that are not known"},
	}
}

func certificateItems() []item {
	return []item{
		{section: "Certificates and identities", what: "an identity that differs in one character, in case, in front or behind"},
		{what: "an issuer with a slash more, by http, in another case"},
		{what: "a pattern that fits a part of the name"},
		{what: "an identity without issuer, an issuer without identity", held: []string{"cmd/hallmark TestScript/blob: --certificate-oidc-issuer https://issuer.test"}},
		{what: "the right text as a name of another kind: address, URI, user name"},
		{what: "two issuers that differ, in the old and in the new extension"},
		{what: "another GitHub ref, repository, commit, event or name"},
		{what: "a certificate for two names, or for none"},
		{what: "a chain to another root", held: []string{"verify TestConformance/bundle-from-wrong-instance_fail"}},
		{what: "a certificate that is for issuing others, or not for signing code"},
		{what: "an authority's certificate that was over when the signature was made"},
		{what: "a certificate that was over, or not yet valid", held: []string{"verify TestConformance/intoto-expired-certificate_fail"}},
		{what: "a root outside of the time in which the trusted root lets it count"},
		{what: "names that the authority may not issue, a chain longer than allowed"},
		{what: "a certificate that signed itself"},
		{what: "another key than the certificate's made the signature", held: []string{"verify TestConformance/incorrect-public-key_fail"}},
		{what: "weak keys and curves that are not known", held: []string{"sign/key TestWeakKeys", "sign/key TestRefusedKeys/secp256k1"}},
		{what: "a key and an identity asked for at once", codes: []string{ends}, held: []string{"cmd/hallmark TestScript/blob: both a key and an identity"}},
		{section: "Certificate logs", what: "no certificate log saw the certificate"},
		{what: "only an unknown certificate log saw it", held: []string{"verify TestConformance/invalid-ct-key_fail"}},
		{what: "the certificate log saw another certificate"},
		{what: "the certificate log was not in use then"},
		{what: "one certificate log twice where two are asked for", codes: []string{string(verify.SCTMissing)}, held: []string{"verify TestThresholdsCountAuthorities/35 certificate logs"}},
		{what: "a certificate log's statement with a bit turned; with extensions it must be accepted", held: []string{"verify TestConformance/bundle-with-sct-with-extensions", "sign/keyless TestCertificateLies/an SCT with a flipped bit"}},
	}
}

func timeItems() []item {
	return []item{
		{section: "Time", what: "nobody who is trusted tells when the signature was made", held: []string{"verify TestConformance/rekor2-no-timestamp_fail"}},
		{what: "logged at a time when the certificate was not valid", held: []string{"verify TestConformance/integrated-time-in-future_fail"}},
		{what: "a time in an entry that no promise covers"},
		{what: "a time or a promise in an entry of Rekor 2, which has none"},
		{what: "a timestamp from outside of the certificate's time", held: []string{"verify TestConformance/intoto-tsa-timestamp-outside-cert-validity_fail"}},
		{what: "a timestamp from outside of the time of the clock or its certificate", held: []string{"verify TestConformance/rekor2-timestamp-outside-trust-root-tsa-validity_fail", "verify TestConformance/rekor2-timestamp-outside-tsa-cert-validity_fail"}},
		{what: "a timestamp over something else", held: []string{"verify TestConformance/rekor2-timestamp-payload-mismatch_fail"}},
		{what: "a timestamp by an unknown clock, with its certificate and without", held: []string{"verify TestConformance/rekor2-timestamp-untrusted-tsa-with-embedded-cert_fail", "verify TestConformance/rekor2-timestamp-untrusted-tsa-without-embedded-cert_fail"}},
		{what: "another certificate put in front of the clock's own"},
		{what: "a clock whose certificate is not for timestamps alone"},
		{what: "a timestamp for another request, or over a SHA-1", codes: []string{string(verify.TimestampInvalid)}, held: []string{"sign/keyless TestStampLies/another nonce", "cmd/hallmark TestScript/private: A timestamp over a SHA-1"}},
		{what: "one clock twice where two are asked for", codes: []string{string(verify.NoSigningTime)}, held: []string{"verify TestThresholdsCountAuthorities/48 clocks"}},
		{what: "a timestamp from outside of the time of a key"},
	}
}

func logItems() []item {
	return []item{
		{section: "Transparency logs", what: "an inclusion proof with another hash, root, size or place", held: []string{"verify TestConformance/inclusion-proof-corrupted-hash_fail", "verify TestConformance/invalid-inclusion-proof_fail"}},
		{what: "a checkpoint that is damaged, incomplete or by another key", held: []string{"verify TestConformance/invalid-checkpoint-signature_fail", "verify TestConformance/checkpoint-bad-keyhint_fail", "verify TestConformance/rekor2-checkpoint-missing-log-signature_fail"}},
		{what: "a checkpoint of another log", held: []string{"verify TestConformance/rekor2-checkpoint-no-matching-signature_fail"}},
		{what: "another root in the proof than in the checkpoint", held: []string{"verify TestConformance/checkpoint-wrong-roothash_fail"}},
		{what: "another size or place in the proof than in the checkpoint"},
		{what: "another kind or version than the body's"},
		{what: "an altered body whose hash was made anew"},
		{what: "a promise with a wrong signature", held: []string{"verify TestConformance/set-invalid-signature_fail"}},
		{what: "a promise for another body or time"},
		{what: "an entry of another file, signature, certificate or key", held: []string{"verify TestConformance/wrong-hashedrekord-artifact_fail", "verify TestConformance/wrong-hashedrekord-cert-and-sig_fail", "verify TestConformance/wrong-hashedrekord-entry_fail"}},
		{what: "an entry of an unknown kind or version"},
		{what: "a log that is not trusted, was not in use, or counts from no time on", held: []string{"verify TestConformance/trust-root-tlog-missing-validity-start_fail"}},
		{what: "one log twice where two are asked for", held: []string{"verify TestThresholdsCountAuthorities/62 logs"}},
		{what: "an entry of Rekor 1 as one of Rekor 2, and the reverse"},
		{what: "too few of the witnesses that are asked for", held: []string{"cmd/hallmark TestWitness"}},
		{what: "a socket opened while verifying offline", codes: []string{"no connection"}, held: []string{"verify TestOffline"}},
	}
}

func payloadItems() []item {
	return []item{
		{section: "Signature and payload", what: "a signature over another digest", held: []string{"verify TestConformance/signature-mismatch_fail"}},
		{what: "another digest beside the signature", held: []string{"verify TestConformance/message-digest-mismatch_fail"}},
		{what: "a weaker hash, or none"},
		{what: "PSS for PKCS #1, and the reverse; other hashes and paddings", held: []string{"verify TestScheme/PKCS #1 under a key for PSS", "sign/key TestOneAuthority"}},
		{what: "signatures in other forms than the one: r or s zero, BER, bytes behind"},
		{what: "another type than was signed, a boundary that was moved"},
		{what: "a signature over the bare payload"},
		{what: "an envelope without signature, or with two beside one log entry"},
		{what: "another payload", held: []string{"verify TestConformance/dsse-invalid-sig_fail"}},
		{what: "a payload that is no in-toto statement"},
		{what: "no subject, another subject, the right digest by a weak hash"},
		{what: "another predicate type than is asked for, a predicate that cannot be read", codes: []string{string(verify.PredicateType)}, held: []string{"verify TestAttestationRejects/type only claimed", "cmd/hallmark TestScript/blob: predicate-type"}},
		{what: "an unknown version of statements"},
	}
}

func imageItems() []item {
	return []item{
		{section: "Images", what: "a payload that names another image"},
		{what: "a signature that was copied to another image", held: []string{"verify TestCertifiedImages"}},
		{what: "a referrer of another image in the list of this one", held: []string{"verify TestBundleRejects/another image"}},
		{what: "an index for its images and the reverse, but for --recursive", codes: []string{string(verify.NoSignature)}, held: []string{"cmd/hallmark TestScript/index: --recursive"}},
		{what: "a tag that moves after it was looked up", codes: []string{string(verify.NoSignature)}, held: []string{"cmd/hallmark TestTagMoves/another, then signed"}},
		{what: "a manifest or a blob with another digest than was asked for", codes: []string{string(verify.SubjectDigest)}, held: []string{"cmd/hallmark TestScript/faulty-digests: subject-digest"}},
		{what: "another size than the descriptor says", held: []string{"verify TestFalseSizes"}},
		{what: "another media type on what holds the signature"},
		{what: "an annotation that was not signed", held: []string{"cmd/hallmark TestScript/sign-verify: annotation-mismatch"}},
		{what: "ten thousand signatures: bounded time, and the one that counts is found", held: []string{"cmd/hallmark TestScript/forged: Ten thousand forged entries"}},
		{what: "a signature for another repository, where --check-reference asks", codes: []string{string(verify.WrongReference)}, held: []string{"verify TestCheckReference/another repository", "cmd/hallmark TestScript/reference: wrong-reference"}},
		{what: "an SBOM that is stored beside the image and that nobody signed", held: []string{"cmd/hallmark TestScript/attest: no-attestation"}},
		{what: "nothing that fits is never a yes", held: []string{"cmd/hallmark TestScript/sign-verify: no-signature"}},
	}
}

func trustItems() []item {
	return []item{
		{section: "Trusted roots, keys, revocation", what: "TUF: expired, rolled back, a root left out, too few signatures, mixed, other digests, names that lead out",
			codes: []string{"trust-expired", "trust-rollback", "trust-signature", "trust-digest", "trust-malformed"},
			held:  []string{"verify/tuf TestAttacks", "verify/tuf TestNames", "verify/tuf TestRotation"}},
		{what: "a trusted root of unknown type, with a log twice or under a wrong name"},
		{what: "the root of another instance", held: []string{"verify/tuf TestPublicGood"}},
		{what: "a root that is too old while the network is gone", codes: []string{"trust-expired"}, held: []string{"verify/tuf TestLoad"}},
		{what: "a private key as public one, two keys, bytes behind, weak keys", codes: []string{ends}, held: []string{"sign/key TestRefusedPublicKeys/private", "sign/key TestRefusedPublicKeys/two", "sign/key TestRefusedKeys/text behind", "sign/key TestWeakKeys"}},
		{what: "a revoked key, certificate or document", held: []string{"verify TestRevokedKey", "verify TestRevokedDigest", "verify TestRevokedEntry"}},
		{section: "While signing", what: "Fulcio: a certificate of another key, name or chain, or that no log saw",
			codes: []string{"certificate-other-key", "certificate-other-identity", "certificate-untrusted", "certificate-unlogged"},
			held:  []string{"sign/keyless TestCertificateLies/another key", "sign/keyless TestCertificateLies/another name", "sign/keyless TestCertificateLies/another authority", "sign/keyless TestCertificateLies/no SCT", "testdata/keyless: fulcio: other"}},
		{what: "Rekor and clocks: an entry of something else, a timestamp of another imprint",
			codes: []string{"log-entry-mismatch", "log-entry-invalid", "timestamp-invalid"},
			held:  []string{"sign/keyless TestEntryLies/another digest", "sign/keyless TestEntryLies/another signature", "sign/keyless TestStampLies/another imprint", "testdata/keyless: rekor2: other", "testdata/keyless: tsa: other"}},
		{what: "a token for others, or one that is over, before anybody is asked",
			codes: []string{"token-audience", "token-expired", "token-identity", "token-malformed"},
			held:  []string{"sign/keyless TestToken/another audience", "sign/keyless TestToken/expired", "sign/keyless TestOldToken", "testdata/keyless: not with an expired token"}},
	}
}

// rowsOf returns what the tables of this package hold of each item: the codes in the
// order of the rows, each once, and the names of the tests.
func rowsOf(t testing.TB) (codes, held map[int][]string) {
	t.Helper()
	codes, held = make(map[int][]string), make(map[int][]string)
	add := func(n int, reason verify.Reason, test string) {
		code := string(reason)
		if reason == badRoot || reason == badIdentity {
			code = ends
		}
		if !slices.Contains(codes[n], code) {
			codes[n] = append(codes[n], code)
		}
		if !slices.Contains(held[n], test) {
			held[n] = append(held[n], test)
		}
	}
	for _, r := range mustReject(t) {
		add(r.n, r.reason, "verify TestMustReject")
	}
	for _, r := range imageRows() {
		add(r.n, r.reason, "verify TestMustRejectImages")
	}
	return codes, held
}

// TestHundred: the list is complete. Each item has a number of its own, a code that
// hallmark knows, and tests that are there.
func TestHundred(t *testing.T) {
	list, known := items(), knownCodes(t)
	if len(list) != 100 {
		t.Fatalf("%d items", len(list))
	}
	codes, held := rowsOf(t)
	rows := namesOfRows(t)
	for i, it := range list {
		n := i + 1
		tests := append(slices.Clone(held[n]), it.held...)
		all := append(slices.Clone(codes[n]), it.codes...)
		for _, code := range all {
			if code != ends && code != "no connection" && !slices.Contains(known, code) {
				t.Errorf("item %d: there is no code %q", n, code)
			}
		}
		for _, test := range tests {
			if err := rows.exists(t, test); err != nil {
				t.Errorf("item %d: %v", n, err)
			}
		}
		if missing := len(tests) == 0 || len(all) == 0; missing {
			t.Errorf("item %d, %s: %d tests, codes %q", n, it.what, len(tests), all)
		}
	}
	t.Logf("%d of 100 items, %d with rows in this package", len(list), len(held))
}
