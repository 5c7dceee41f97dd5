package policy_test

import (
	"strings"
	"testing"
)

// indented returns a document as the element of a list.
func indented(text string) string {
	return "- " + strings.ReplaceAll(strings.TrimSuffix(strings.TrimPrefix(text, "---\n"), "\n"), "\n", "\n  ") + "\n"
}

// TestItems has what "kubectl get -o yaml" writes: several objects in one List, with
// members that are null.
func TestItems(t *testing.T) {
	f := newFixture(t)
	head := "apiVersion: v1\nkind: List\nmetadata: {resourceVersion: ''}\nitems:\n"
	secret := "apiVersion: v1\nkind: Secret\nmetadata: {name: k, namespace: null, creationTimestamp: null}\nstringData: {cosign.pub: K1}\ndata: null\ntype: Opaque\n"
	other := func(text string) string { return strings.Replace(text, "name: c", "name: d", 1) }
	for text, want := range map[string]string{
		head + indented(cluster(bySecret)) + indented(secret):                                                    "accept subject=accepted c/authority-0/signature=accepted",
		head + indented(secret) + indented(cluster("authorities: [{key: {data: K2, secretRef: null}}]")):         "reject c/authority-0/signature=none-accepted",
		head + indented(cluster("authorities: [{static: {action: pass}}]")) + "---\n" + secret:                   "accept c/authority-0/static=static-pass",
		head + indented(cluster(bySecret)) + indented(other(cluster("authorities: [{static: {action: fail}}]"))): "reject c/authority-0/authority=reference-missing d/authority-0/static=static-fail",
		cluster("mode: null\n  match: null\n  policy: null\n  authorities: [{key: {data: K1, hashAlgorithm: null}, keyless: null, static: null, source: null, attestations: null, ctlog: null, signatureFormat: null}]"): "accept subject=accepted c/authority-0/signature=accepted",
	} {
		v, err := f.policy(t, made, text).Verify(t.Context(), f.store, f.good, "r.example/app")
		if err != nil {
			t.Fatal(err)
		}
		if got := say(v); got != want {
			t.Errorf("%s\n%s, want %s", text, got, want)
		}
	}
	pass := cluster("authorities: [{static: {action: pass}}]")
	for text, want := range map[string]string{
		head[:len(head)-len("items:\n")]:         "field items is missing",
		head:                                     "field items is missing",
		strings.TrimSuffix(head, "\n") + " []\n": "the list is empty",
		head + "- null\n":                        "p.yaml:5: items[0]: nothing where a mapping is wanted",
		head + indented(strings.Replace(pass, "static", "satic", 1)):                                  "items[0].spec.authorities[0].satic: unknown field",
		head + indented(pass) + indented(pass):                                                        "is also the name of the one",
		head + indented(scope(`"static": "pass"`)):                                                    "stands in no List",
		head + indented(head+"- {apiVersion: v1, kind: x}"):                                           `kind "List" of "v1" is not read`,
		head + indented("apiVersion: v1\nkind: Pod\n"):                                                `kind "Pod" of "v1" is not read`,
		head + "nodes: []\n":                                                                          "nodes: unknown field",
		cluster("authorities: null"):                                                                  "field authorities is missing",
		cluster("authorities: [null]"):                                                                "nothing where a mapping is wanted",
		cluster("authorities: [{key: null}]"):                                                         "exactly one of key, keyless, static",
		cluster("authorities: [{key: {data: null}}]"):                                                 "exactly one of data, secretRef, kms",
		cluster("authorities: [{keyless: {identities: [{issuer: i, subject: null}]}}]"):               "exactly one of subject, subjectRegExp",
		cluster("authorities: [{static: {action: pass}}]\n  nothing: null"):                           "unknown field",
		cluster(bySecret) + "---\n" + strings.Replace(secret, "data: null", "data: {other: null}", 1): "nothing where text is wanted",
		scope(`"static": "pass", "mode": null`):                                                       "nothing where text is wanted",
	} {
		refused(t, text, want)
	}
}

// TestItemsApart: of two policies in one List each has a fingerprint of its own.
func TestItemsApart(t *testing.T) {
	one := cluster("authorities: [{static: {action: pass}}]")
	two := strings.NewReplacer("name: c", "name: d", "'**'", "'r.example/**'").Replace(one)
	set, err := parse("apiVersion: v1\nkind: List\nitems:\n" + indented(one) + indented(two))
	if err != nil || set.Len() != 2 {
		t.Fatal(set, err)
	}
	if set.Match("r.example/a", nil).Hash() == set.Match("q.example/a", nil).Hash() {
		t.Error("both have one hash")
	}
}
