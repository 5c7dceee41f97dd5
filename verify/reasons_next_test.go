package verify_test

// A step says what an answer with a code ends in, and what to do next.
type step struct{ exit, next string }

// verifyNext is for the codes of package verify, verifyExit for what they end in where
// that is not 1: the entry that a code is about does not count, and without another
// one the answer is no.
func verifyNext() map[string]string {
	const (
		signAgain = "Sign again; what is stored was damaged or made by something that does not keep to the format."
		whoSigned = "Ask who signs for this image; if it is right, accept that key or identity."
		instance  = "Check that the trusted root is the one of the instance that signed (`hallmark trust show`), and sign again."
		registry  = "Push the image again from where it was built; report it if a registry or a mirror changed it."
		retry     = "Try again when the registry answers."
	)
	const list = "Get the present list from who keeps it (`hallmark revoke show`), signed by the key that is named."
	return map[string]string{
		"accepted":              "Nothing.",
		"revocations-stale":     list,
		"revocations-untrusted": list,
		"revocations-old":       list,
		"revocations-malformed": list,
		"no-signature":          "Sign the image (`hallmark sign`), or check the tag: it may have moved to one that nobody signed.",
		"no-attestation":        "Make the statement that is asked for (`hallmark attest`, `hallmark seal`).",
		"no-attachment":         "Attach it, or name an image that has it (`hallmark list`).",
		"none-accepted":         "Look at the reasons of the entries (`--all -f json`): each says why it does not count.",
		"threshold-not-met":     "Have more of the accepted signers sign.",
		"subject-missing":       "Check name and digest.",
		"subject-digest":        registry,
		"blob-missing":          registry,
		"blob-digest":           registry,
		"content-limit":         "Verify the images of the index one by one.",
		"untrusted-key":         whoSigned,
		"signature-malformed":   signAgain,
		"certificate-malformed": signAgain,
		"certificate-mismatch":  "Ask for the identity if a certificate was meant, or for the key if that was; remove what does not belong to the signature.",
		"bundle-malformed":      signAgain,
		"entry-malformed":       signAgain,
		"entry-limit":           "Keep what is attested smaller, or attach it by reference.",
		"entry-digest":          "`hallmark repair`, or sign again: the registry holds other bytes than were stored.",
		"payload-malformed":     signAgain,
		"payload-type":          "Sign the image: a statement about it is no signature of it.",
		"predicate-type":        "Ask for the type that is attached, or attest the one that is asked for.",
		"wrong-subject":         "Sign this image: the signature was made for another one and copied here.",
		"wrong-reference":       "Verify where it was signed for, sign it here, or leave `--check-reference` out if this is a mirror.",
		"annotation-mismatch":   "Sign with the annotation that is asked for (`-a`), or ask for the one that was signed.",
		"unsupported-format":    "Sign with hallmark or cosign.",
		"too-old":               "Make the statement anew.",
		"no-time":               "Use a type of statement that tells when it was made, or ask for no age.",
		"from-future":           "Set the clocks of the machine that signed and of this one.",
		"revoked":               "Replace the image, or have it signed with a key that is not revoked.",
		"removed":               "Find out who removed the entry; `hallmark sign --again` makes a new one.",
		"no-countersignature":   "Have the second party counter-sign (`hallmark sign --countersign`).",
		"condition-not-met":     "Look at the condition: it names what the predicate must say.",
		"condition-failed":      "Correct the condition, or ask it of a type that says what it reads.",
		"sbom-format":           "Attest an SBOM in the format and version that are asked for.",
		"sbom-quality":          "Take the SBOM with a tool that tells more of the components; the detail says what is missing.",
		"sbom-unreadable":       "Attest an SBOM in SPDX 2.3 or CycloneDX.",
		"other-advisories":      "Scan again with the advisories that are asked for.",
		"scan-unreadable":       "Attest a vulnerability report that keeps to its format.",
		"scan-findings":         "Update what is affected and scan again, or write an exception into the policy.",
		"exempted":              "Mend it before the exception ends.",
		"untrusted-identity":    whoSigned,
		"certificate-unfit":     "Sign with a certificate by Fulcio, or by an authority that issues the same kind.",
		"certificate-untrusted": instance,
		"certificate-expired":   "Sign again: nothing that counts dates the signature within the certificate's time.",
		"sct-missing":           instance,
		"signature-invalid":     "Sign again; if it verified before, treat what is stored as tampered with.",
		"no-signing-time":       "Sign with a timestamp authority, which Rekor 2 needs, or with Rekor 1.",
		"timestamp-invalid":     instance,
		"log-entry-missing":     instance,
		"log-entry-invalid":     "Sign again; if it verified before, treat what is stored as tampered with.",
		"log-entry-mismatch":    "Sign again; the log entry beside the signature is of another one.",
		"log-unwitnessed":       "Wait until the log's checkpoints are witnessed and sign again, or ask for witnesses that the log has.",
		"log-expired":           instance,
		"key-expired":           "Sign with a key that counts now, or have a clock date what an older one signs.",
		"no-trusted-root":       "`hallmark trust init`, or name the file (`--trusted-root`; in a policy `trustedRoot`, or a TrustRoot document beside it).",
		"reference-missing":     "Give the Secret or ConfigMap that the policy refers to along with it, as a file.",
		"policy-not-met":        "Look at the detail: it names the part of the policy that says no.",
		"policy-broken":         "Correct the part of the policy in CUE or Rego.",
		"policy-program":        "Put hallmark-policy beside hallmark, or on the PATH.",
		"digest-mismatch":       "Check that file and bundle belong together.",
		"digest-only":           "Name the file in place of its digest, or give the digest by the hash that was signed.",
		"no-policy":             "Write a scope that speaks of the image.",
		"bad-reference":         "Correct the name of the image.",
		"digest-required":       "Name the image by digest, or let `/mutate` write the digest.",
		"static-pass":           "Nothing.",
		"static-fail":           "Use another image: a policy forbids this one.",
		"authority-unsupported": "Take the authority out of the policy, or judge that image elsewhere.",
		"policy-unsupported":    "Say it in CEL, or judge that image elsewhere.",
		"object-unknown":        "Judge the object, not the image alone (`hallmark admit test`).",
		"unreachable":           retry,
		"access-denied":         "Log in to the registry, and check that the account may read.",
		"deadline":              "Try again, or raise `--timeout`.",
		"network-limit":         "Remove entries that nobody needs (`hallmark clean`), or attach the log entries to the signatures.",
		"counter-limit":         "Remove entries that nobody needs (`hallmark clean`).",
		"content-absent":        "`hallmark repair`, or push the missing object again.",
		"overloaded":            "Try again later, or run more webhooks.",
		"internal-error":        "Report it: this is a fault in hallmark.",
	}
}

func verifyExit() map[string]string {
	exits := map[string]string{"accepted": "0", "static-pass": "0", "exempted": "0", "content-absent": "1 or 2", "policy-not-met": "1 or 2"}
	for _, open := range []string{
		"revocations-stale", "revocations-untrusted", "revocations-old", "revocations-malformed",
		"no-trusted-root", "reference-missing", "policy-program", "digest-only", "authority-unsupported", "policy-unsupported", "object-unknown", "unreachable", "access-denied", "deadline",
		"counter-limit", "network-limit", "overloaded", "internal-error",
	} {
		exits[open] = "2"
	}
	return exits
}

// signNext is for the codes of package sign/keyless: nothing was signed or stored.
func signNext() map[string]string {
	const service = "Try again; if it stays, ask who runs the service: what it answered would not have verified."
	return map[string]string{
		"token-unavailable":          "Give `--identity-token` or `--oidc-provider`, and allow the job to ask for tokens.",
		"token-malformed":            "Check that the file holds the token and nothing else.",
		"token-expired":              "Fetch a new token; check the clock of this machine.",
		"token-audience":             "Ask for a token for the audience `sigstore`.",
		"token-identity":             "Use an account whose address is verified.",
		"configuration-unusable":     "Correct the signing configuration or the trusted root, or fetch both (`hallmark trust init`).",
		"service-unreachable":        "Try again when the service answers.",
		"service-denied":             "Check that the issuer of the token is known to the service, and what the service says.",
		"answer-malformed":           service,
		"certificate-other-key":      service,
		"certificate-other-identity": service,
		"certificate-untrusted":      "Check that the trusted root and the signing configuration are of one instance.",
		"certificate-unlogged":       service,
		"log-entry-mismatch":         service,
		"log-entry-invalid":          service,
		"timestamp-invalid":          service,
		"signature-unverifiable":     service,
		"payload-too-large":          "Sign a smaller document, or use a log of version 2.",
		"login-denied":               "Log in as somebody who may sign, or allow it at the issuer.",
		"login-expired":              "Log in again, in time.",
		"login-invalid":              "Log in again, in one window; if it stays, ask who runs the issuer.",
	}
}

// trustNext is for the codes of package verify/tuf: what was kept before stays.
func trustNext() map[string]string {
	const mirror = "Try again; if it stays, ask who runs the mirror, and do not trust what it offers."
	return map[string]string{
		"trust-none":        "`hallmark trust init`.",
		"trust-usage":       "Give `--mirror` together with `--root`.",
		"trust-unreachable": "Try again when the mirror answers.",
		"trust-unreadable":  "Check the folder and its rights.",
		"trust-malformed":   mirror,
		"trust-limit":       mirror,
		"trust-expired":     "`hallmark trust init`; if that is no help, the mirror is behind.",
		"trust-rollback":    mirror,
		"trust-signature":   mirror,
		"trust-digest":      mirror,
		"trust-absent":      "Name a mirror of a Sigstore instance.",
	}
}

// checkNext is for the codes of package verify/check, with what they end in.
func checkNext() map[string]step {
	return map[string]step{
		"found":            {"1", "Update what is affected."},
		"nothing-hits":     {"0", "Nothing."},
		"below-threshold":  {"0", "Nothing now; `--fail-on` says from which severity on it counts."},
		"no-sbom":          {"2", "`hallmark seal`, or attest an SBOM."},
		"sbom-unverified":  {"2", "Have the SBOM attested by a key that counts, or accept the key that did."},
		"sbom-unreachable": {"2", "Try again when the registry answers."},
		"sbom-unreadable":  {"2", "Attest an SBOM in SPDX 2.3 or CycloneDX."},
		"nothing-mapped":   {"2", "Take the SBOM with a tool that writes package URLs."},
		"no-advisories":    {"2", "Name a file, folder or archive of OSV records (`--advisories`)."},
		"bad-advisories":   {"2", "Fetch the advisories again."},
		"in-doubt":         {"2", "Look at the components that are named: their version or release is not known."},
		"unrated":          {"2", "Look at the finding: its advisory names no severity."},
		"deadline":         {"2", "Try again, or raise `--timeout`."},
	}
}
