package policy_test

import (
	"strings"
	"testing"

	"github.com/hallmark-oci/hallmark/verify"
	"github.com/hallmark-oci/hallmark/verify/policy"
)

// cluster returns a ClusterImagePolicy with the rest of its spec.
func cluster(spec string) string {
	return "apiVersion: policy.sigstore.dev/v1beta1\nkind: ClusterImagePolicy\nmetadata: {name: c, labels: {a: b}}\nspec:\n  images: [{glob: '**'}]\n  " + strings.ReplaceAll(spec, "DATA", `data: "`+pem+`"`) + "\n"
}

// TestClusterForm has what is read and what is refused.
func TestClusterForm(t *testing.T) {
	for _, text := range []string{
		cluster("authorities: [{key: {DATA}}]"),
		cluster("authorities: [{key: {DATA, hashAlgorithm: sha256}}]\n  mode: enforce"),
		cluster("authorities: [{key: {DATA}, ctlog: {url: 'https://rekor.sigstore.dev'}}]"),
		cluster("authorities: [{name: a, key: {secretRef: {name: n}}}, {key: {kms: 'gcpkms://x'}}]"),
		cluster("authorities: [{keyless: {url: 'https://fulcio', identities: [{issuerRegExp: .*, subject: s}], trustRootRef: r, insecureIgnoreSCT: true}, rfc3161timestamp: {trustRootRef: r}, signatureFormat: bundle}]"),
		cluster("authorities: [{key: {DATA}, source: [{oci: r.example/s, tagPrefix: p, signaturePullSecrets: [{name: n}]}]}]"),
		cluster("authorities: [{key: {DATA}, attestations: [{name: n, predicateType: custom, policy: {type: cue, data: x}}]}]\n  policy: {type: rego, data: x, includeSpec: true, fetchConfigFile: false}"),
		cluster("authorities: [{static: {action: fail, message: m}}]\n  match: [{group: apps, version: v1, resource: deployments, selector: {matchLabels: {a: b}, matchExpressions: [{key: k, operator: In, values: [v]}]}}]"),
		strings.Replace(cluster("authorities: [{static: {action: pass}}]"), "v1beta1", "v1alpha1", 1) + "status: {conditions: []}\n",
	} {
		if _, err := parse(text); err != nil {
			t.Errorf("%s\n%v", text, err)
		}
	}
	for text, want := range map[string]string{
		cluster("authorities: []"):   "p.yaml:6: spec.authorities: the list is empty",
		cluster("mode: warn"):        "field authorities is missing",
		cluster("authorities: [{}]"): "exactly one of key, keyless, static",
		cluster("authorities: [{key: {DATA}, static: {action: pass}}]"):                                                            "exactly one of",
		cluster("authorities: [{key: {}}]"):                                                                                        "exactly one of data, secretRef, kms",
		cluster("authorities: [{key: {data: x}}]"):                                                                                 "spec.authorities[0].key.data",
		cluster("authorities: [{key: {DATA, hashAlgorithm: md5}}]"):                                                                "none of sha224",
		cluster("authorities: [{keyless: {url: u, ca-cert: {DATA}, identities: [{issuer: i, subject: s}]}}]"):                      "either url or ca-cert",
		cluster("authorities: [{keyless: {ca-cert: {data: ''}, insecureIgnoreSCT: true, identities: [{issuer: i, subject: s}]}}]"): "keyless.ca-cert: there is no certificate in it",
		cluster("authorities: [{keyless: {ca-cert: {secretRef: {name: s}}, insecureIgnoreSCT: true, identities: [{issuer: i, subject: s}]}}]\n---\napiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {ca: ''}"): "keyless.ca-cert: there is no certificate in it",
		cluster("authorities: [{key: {DATA}, attestations: [{name: n, predicateType: custom, policy: {type: cue, data: ''}}]}]"):                                                                                             "attestations[0].policy: the part is empty",
		cluster("authorities: [{key: {DATA}}]\n  policy: {type: cue, data: \"\\n \"}"):                                                                                                                                       "spec.policy: the part is empty",
		cluster("authorities: [{keyless: {url: u}}]"):                                                                        "field identities is missing",
		cluster("authorities: [{keyless: {identities: [{issuer: i}]}}]"):                                                     "exactly one of subject, subjectRegExp",
		cluster("authorities: [{keyless: {identities: [{issuer: i, subjectRegExp: '('}]}}]"):                                 "missing closing )",
		cluster("authorities: [{static: {action: maybe}}]"):                                                                  "none of pass, fail",
		cluster("authorities: [{static: {action: pass}, ctlog: {url: u}}]"):                                                  "either static or ctlog",
		cluster("authorities: [{static: {action: pass}, attestations: [{name: n, predicateType: custom}]}]"):                 "either static or attestations",
		cluster("authorities: [{key: {DATA}, atestations: []}]"):                                                             "unknown field",
		cluster("authorities: [{name: a, static: {action: pass}}, {name: a, static: {action: pass}}]"):                       "another authority",
		cluster("authorities: [{static: {action: pass}}]\n  mode: audit"):                                                    "none of enforce, warn",
		cluster("authorities: [{static: {action: pass}}]\n  match: [{group: '', version: v1, resource: nodes}]"):             "none of pods",
		cluster("authorities: [{static: {action: pass}}]\n  policy: {type: lua, data: x}"):                                   "none of cue, rego",
		strings.Replace(cluster("authorities: [{static: {action: pass}}]"), "'**'", "'[a-z]*'", 1):                           "is no glob",
		strings.Replace(cluster("authorities: [{static: {action: pass}}]"), "name: c", "nam: c", 1):                          "metadata.name is missing",
		strings.Replace(cluster("authorities: [{static: {action: pass}}]"), "policy.sigstore.dev", "config.openshift.io", 1): "is not read",
		cluster("authorities: [{static: {action: pass}}]") + "---\n" + cluster("authorities: [{static: {action: pass}}]"):    "is also the name of the one at line 3",
	} {
		refused(t, text, want)
	}
}

// TestGlob follows the examples that the policy-controller tests its globs
// with, and references with a tag and a digest.
func TestGlob(t *testing.T) {
	digest := "@sha256:" + strings.Repeat("a", 64)
	for _, c := range []struct {
		glob, image string
		want        bool
	}{
		{"index.docker.io/library/foo:latest", "foo", true},
		{"index.docker.io/library/*", "foo", true},
		{"index.docker.io/*/*", "foo", true},
		{"inde**", "foo", true},
		{"**", "foo", true},
		{"foo", "foo", true},
		{"foo*", "foo", true},
		{"*", "foo", true},
		{"*", "myuser/myapp", false},
		{"*/*", "myuser/myapp", true},
		{"*/*", "ghcr.io/foo", false},
		{"myuser/myapp", "myuser/myapp", true},
		{"index.docker.io/myuser/*:latest", "myuser/myapp", true},
		{"ghcr.io/*/*", "ghcr.io/foo/bar", true},
		{"ghcr.io/*/*", "ghcr.io/foo", false},
		{"*/**", "ghcr.io/foo", true},
		{"ghcr.io/foo", "prefix-ghcr.io/foo", false},
		{"ghcr.io/foo", "ghcr.io/foo-suffix", false},
		{"ghcr.io/**", "ghcrxio/foo", false},
		{"ghcr.io/***", "ghcr.io/a/b/c", true},
		{"ghcr.io/foo:1", "ghcr.io/foo:1", true},
		{"ghcr.io/foo:1", "ghcr.io/foo:1" + digest, false},
		{"ghcr.io/foo" + digest, "ghcr.io/foo:1" + digest, true},
		{"ghcr.io/foo@*", "ghcr.io/foo" + digest, true},
		{"ghcr.io/foo:1@**", "ghcr.io/foo:1" + digest, true},
		{"GHCR.io/foo**", "ghcr.io/foo", false},
	} {
		set, err := parse(strings.Replace(cluster("authorities: [{static: {action: pass}}]"), "'**'", "'"+c.glob+"'", 1))
		if err != nil {
			t.Fatal(err)
		}
		v, ok := set.Match(c.image, nil).Static()
		if got := ok && v.Outcome == verify.Accept; got != c.want {
			t.Errorf("%s for %s: %v (%v)", c.glob, c.image, got, v.Checks)
		}
	}
}

// TestRepository has the globs of scopes, which match repositories.
func TestRepository(t *testing.T) {
	digest := "@sha256:" + strings.Repeat("a", 64)
	for _, c := range []struct {
		glob, image string
		want        bool
	}{
		{"r.example/**", "r.example/a/b:1", true},
		{"r.example/*", "r.example/a/b:1", false},
		{"r.example/*", "r.example/b:1" + digest, true},
		{"r.example/a", "r.example/a" + digest, true},
		{"r.example/a", "r.example/ab", false},
		{"docker.io/nginx", "nginx:1", true},
		{"docker.io/nginx", "docker.io/library/nginx", true},
		{"docker.io/*", "nginx", true},
		{"docker.io/*", "team/app", false},
		{"docker.io/team/*", "team/app", true},
		{"index.docker.io/team/*", "docker.io/team/app", true},
		{"**", "nginx", true},
		{"*.example/a", "r.example/a", true},
		{"*.example/a", "evil/x.example/a", false},
		{"localhost:5000/a", "localhost:5000/a", true},
		{"oci:**", "oci:dir", false}, // the image docker.io/library/oci, tag dir
		{"docker.io/**", "oci:dir", true},
	} {
		set, err := parse(strings.Replace(scope(`"static": "pass"`), "r.example/**", c.glob, 1))
		if err != nil {
			t.Fatal(err)
		}
		v, ok := set.Match(c.image, nil).Static()
		if got := ok && v.Outcome == verify.Accept; got != c.want {
			t.Errorf("%s for %s: %v (%v)", c.glob, c.image, got, v.Checks)
		}
	}
}

// TestDigestGlob: where some glob can match by digest, nothing is decided
// before the digest is known.
func TestDigestGlob(t *testing.T) {
	text := strings.Replace(cluster("authorities: [{static: {action: pass}}]"), "'**'", "'r.example/a:*'", 1) + "---\n" +
		strings.NewReplacer("name: c", "name: d", "'**'", "'r.example/a@**'").Replace(cluster("authorities: [{static: {action: fail}}]"))
	set, err := parse(text)
	if err != nil {
		t.Fatal(err)
	}
	if v, ok := set.Match("r.example/a:1", nil).Static(); ok {
		t.Errorf("decided by tag: %+v", v)
	}
	v, ok := set.Match("r.example/a:1@sha256:"+strings.Repeat("a", 64), nil).Static()
	if !ok || v.Outcome != verify.Reject {
		t.Errorf("%v %+v", ok, v)
	}
}

// TestObject has policies that are for some objects only.
func TestObject(t *testing.T) {
	set, err := parse(cluster("authorities: [{static: {action: pass}}]\n  match: [{group: apps, version: v1, resource: deployments}, {group: '', version: '*', resource: pods, selector: {matchLabels: {a: b}, matchExpressions: [{key: x, operator: NotIn, values: [y]}, {key: z, operator: DoesNotExist}]}}]"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		object *policy.Object
		want   verify.Reason
	}{
		{&policy.Object{Group: "apps", Version: "v1", Resource: "deployments"}, verify.StaticPass},
		{&policy.Object{Group: "apps", Version: "v1beta1", Resource: "deployments"}, verify.NoPolicy},
		{&policy.Object{Group: "", Version: "v1", Resource: "deployments"}, verify.NoPolicy},
		{&policy.Object{Version: "v1", Resource: "pods"}, verify.NoPolicy},
		{&policy.Object{Version: "v9", Resource: "pods", Labels: map[string]string{"a": "b"}}, verify.StaticPass},
		{&policy.Object{Version: "v1", Resource: "pods", Labels: map[string]string{"a": "b", "x": "y"}}, verify.NoPolicy},
		{&policy.Object{Version: "v1", Resource: "pods", Labels: map[string]string{"a": "b", "x": "z"}}, verify.StaticPass},
		{&policy.Object{Version: "v1", Resource: "pods", Labels: map[string]string{"a": "b", "z": ""}}, verify.NoPolicy},
	} {
		v, ok := set.Match("a", c.object).Static()
		if !ok || v.Checks[0].Reason != c.want {
			t.Errorf("%+v: %+v", c.object, v)
		}
	}
	if v, ok := set.Match("a", nil).Static(); ok {
		t.Errorf("decided without an object: %+v", v)
	}
}
