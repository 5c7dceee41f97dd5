package policy_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hallmark-oci/hallmark/sign/key"
	"github.com/hallmark-oci/hallmark/verify/policy"
	"github.com/hallmark-oci/hallmark/verify/tuf"
)

// root is a TrustRoot with the rest of its spec.
func root(spec string) string {
	return "---\napiVersion: policy.sigstore.dev/v1alpha1\nkind: TrustRoot\nmetadata: {name: t}\nspec: {" + spec + "}\nstatus: {conditions: []}\n"
}

// ref is a policy that refers to what stands beside it.
const (
	byIdentity = "authorities: [{keyless: {identities: [{issuer: i, subject: s}], trustRootRef: t}}]"
	bySecret   = "authorities: [{key: {secretRef: {name: k}}}]"
)

func b64(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

// TestBeside has documents that policies refer to, and what is wrong with others.
func TestBeside(t *testing.T) {
	plain := strings.ReplaceAll(pem, `\n`, "\n")
	secret := func(rest string) string {
		return "---\napiVersion: v1\nkind: Secret\nmetadata: {name: k, namespace: a, labels: {x: y}}\n" + rest + "\n"
	}
	log := "{baseURL: 'https://l', hashAlgorithm: sha-256, publicKey: " + b64(plain) + "}"
	for _, text := range []string{
		cluster(bySecret) + secret("type: Opaque\nimmutable: true\ndata: {cosign.pub: "+b64(plain)+"}"),
		cluster(bySecret) + secret(`stringData: {cosign.pub: "`+pem+`"}`),
		secret("data: {cosign.pub: "+b64(plain)+"}") + "---\n" + cluster(bySecret),                                    // whatever the order
		cluster(bySecret) + secret(`stringData: {cosign.pub: "`+pem+`"}`+"\ndata: {cosign.pub: "+b64("hunter22")+"}"), // stringData overwrites data
		cluster(bySecret) + secret("data: {cosign.pub: "+b64("hunter22")+"}\n"+`stringData: {cosign.pub: "`+pem+`"}`), // wherever it stands
		cluster(bySecret), // stays open
		cluster("match: []\n  authorities: [{key: {DATA}, source: [], attestations: []}]"),
		cluster("authorities: [{key: {DATA}, source: [{tagPrefix: " + strings.Repeat("x", 52) + "}]}]"),
		cluster(byIdentity) + root("remote: {root: "+b64("{}")+", mirror: 'https://tuf.example', targets: targets}"),
		cluster(byIdentity),
	} {
		if _, err := parse(text); err != nil {
			t.Errorf("%s\n%v", text, err)
		}
	}
	for text, want := range map[string]string{
		cluster(bySecret) + secret("data: {cosign.pub: '%%%'}"):                                                                             "illegal base64",
		cluster(bySecret) + secret("data: {cosign.pub: "+b64("hunter22")+"}"):                                                               "no public key",
		cluster(bySecret) + secret("data: {a: "+b64("x")+", b: "+b64("y")+"}"):                                                              "has 2 entries",
		cluster(bySecret) + secret("stringData: {a: x}\ndata: {b: "+b64("y")+"}"):                                                           "has 2 entries",
		cluster(bySecret) + secret("stringData: {a: x}") + secret("stringData: {a: x}"):                                                     "another Secret",
		cluster(bySecret) + secret("stringData: {a: x}") + strings.Replace(secret("stringData: {a: x}"), "namespace: a", "namespace: b", 1): "in several namespaces",
		cluster(bySecret) + secret("date: {}"):                                                                                              "unknown field",
		cluster(bySecret) + strings.Replace(secret("data: {}"), "name: k", "nam: k", 1):                                                     "metadata.name is missing",
		cluster("authorities: [{key: {DATA}, attestations: [{name: n, predicateType: custom, policy: {type: cue, configMapRef: {name: m, key: k}}}]}]") + "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: m}\ndata: {j: x}\n": "no entry \"k\"",
		cluster("authorities: [{key: {DATA}, attestations: [{name: n, predicateType: custom, policy: {type: cue, configMapRef: {name: m}}}]}]"):                                                                                       "field key is missing",
		cluster("authorities: [{key: {DATA}, attestations: [{name: n, predicateType: custom, policy: {type: cue, data: '" + strings.Repeat("x", policy.MaxPart+1) + "'}}]}]"):                                                         "at most",
		cluster("authorities: [{key: {kms: awskms}}]"):                                                  "SCHEME://KEY",
		cluster("authorities: [{key: {DATA}, source: [{oci: 'http://x y'}]}]"):                          "source[0].oci",
		cluster("authorities: [{key: {DATA}, source: [{tagPrefix: -x}]}]"):                              "source[0].tagPrefix: \"-x\" begins no tag",
		cluster("authorities: [{key: {DATA}, source: [{tagPrefix: a/b}]}]"):                             "begins no tag",
		cluster("authorities: [{key: {DATA}, source: [{tagPrefix: " + strings.Repeat("x", 53) + "}]}]"): "begins no tag: 1 to 52",
		cluster("authorities: [{key: {DATA}, source: [{oci: r.example/a}, {oci: r.example/b}]}]"):       "2 elements, at most one",
		root("sigstoreKeys: {}"):                     "are wanted",
		root("sigstoreKeys: {tLogs: [" + log + "]}"): "are wanted",
		root("sigstoreKeys: {certificateAuthorities: [{uri: u, certChain: " + b64("x") + "}]}"):                                             "the certificates",
		root("sigstoreKeys: {certificateAuthorities: [{uri: u, certChain: " + b64(plain) + "}]}"):                                           "the certificates",
		root("sigstoreKeys: {timestampAuthorities: [{uri: u, certChain: '%'}]}"):                                                            "illegal base64",
		root("sigstoreKeys: {certificateAuthorities: [{uri: u, certChain: ''}], tLogs: [{baseURL: u, hashAlgorithm: sha1, publicKey: x}]}"): "none of sha-256",
		root("remote: {mirror: m}"):                               "field root is missing",
		root("remote: {root: e30=, mirror: m}, sigstoreKeys: {}"): "are wanted",
		root("repository: {root: e30=, mirrorFS: e30=}"):          "unpack the repository",
		root(""):          "exactly one of",
		root("mirror: x"): "unknown field",
		strings.Replace(root("remote: {root: e30=, mirror: m}"), "v1alpha1", "v1beta1", 1):                 "the versions that are known",
		strings.Replace(cluster(bySecret), "v1beta1", "v1", 1):                                             "the versions that are known",
		strings.Replace(cluster(bySecret), "policy.sigstore.dev/v1beta1", "config.openshift.io/v1", 1):     "of another project",
		strings.Replace(cluster(bySecret), "policy.sigstore.dev/v1beta1", "portieris.cloud.ibm.com/v1", 1): "policy.sigstore.dev/v1beta1",
		root("remote: {root: e30=, mirror: m}") + root("remote: {root: e30=, mirror: m}"):                  "is also the name",
	} {
		if !strings.Contains(text, "ClusterImagePolicy") {
			text = cluster(byIdentity) + text
		}
		_, err := parse(text)
		switch {
		case err == nil || !errors.Is(err, policy.ErrInvalid) || !strings.Contains(err.Error(), want):
			t.Errorf("%.600s\n%v, want %s", text, err, want)
		case strings.Contains(err.Error(), "hunter22"):
			t.Errorf("a secret: %v", err)
		}
	}
}

// TestRemote: what was fetched from the same mirror before is the TrustRoot; nothing
// else is, and nothing is fetched.
func TestRemote(t *testing.T) {
	const trusted = `{"mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1"}`
	remote := cluster(byIdentity) + root("remote: {root: e30=, mirror: 'https://tuf.example/'}")
	for _, c := range []struct {
		text    string
		fetched func() (*tuf.Material, error)
		want    string // what stays open
	}{
		{remote, func() (*tuf.Material, error) {
			return &tuf.Material{Mirror: "https://tuf.example", TrustedRoot: []byte(trusted)}, nil
		}, ""},
		{remote, func() (*tuf.Material, error) {
			return &tuf.Material{Mirror: "https://tuf.example", TrustedRoot: []byte("{")}, nil
		}, "unusable trusted root"},
		{remote, func() (*tuf.Material, error) {
			return &tuf.Material{Mirror: "https://tuf.test", TrustedRoot: []byte(trusted)}, nil
		}, "what was fetched is from https://tuf.test"},
		{remote, func() (*tuf.Material, error) { return tuf.Load(t.TempDir(), time.Unix(0, 0)) }, "hallmark trust init --mirror https://tuf.example/"},
		{remote, func() (*tuf.Material, error) { return nil, errors.New("it expired") }, "it expired"},
		{remote, nil, "no policy has anything fetched"},
		{strings.Replace(remote, "example/'", "example/', trustedRootTarget: other.json", 1), func() (*tuf.Material, error) {
			return &tuf.Material{Mirror: "https://tuf.example", TrustedRoot: []byte(trusted)}, nil
		}, "not other.json"},
	} {
		set, err := policy.Parse(policy.Options{Now: func() time.Time { return time.Unix(0, 0) }, Fetched: c.fetched}, policy.File{Name: "p.yaml", Text: []byte(c.text)})
		if err != nil {
			t.Fatal(err)
		}
		open := set.Describe()[0].Authorities[0].Open
		if got := strings.Join(open, "; "); (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("open is %q, want %q", got, c.want)
		}
	}
}

// TestService: a key in a key service counts where the caller lets it be fetched.
func TestService(t *testing.T) {
	f := newFixture(t)
	text := cluster("authorities: [{key: {kms: 'x://k1'}}]")
	for name, c := range map[string]struct {
		read func(string) (*key.Public, error)
		want string
	}{
		"nobody": {nil, "undetermined c/authority-0/authority=reference-missing"},
		"denied": {func(name string) (*key.Public, error) { return nil, fmt.Errorf("key %s: not here", name) }, "undetermined c/authority-0/authority=reference-missing"},
		"theirs": {func(string) (*key.Public, error) { return f.k1.PublicKey(), nil }, "accept subject=accepted c/authority-0/signature=accepted"},
		"other":  {func(string) (*key.Public, error) { return f.none.PublicKey(), nil }, "reject c/authority-0/signature=none-accepted"},
	} {
		set, err := policy.Parse(policy.Options{ReadService: c.read}, policy.File{Name: "p.yaml", Text: []byte(text)})
		if err != nil {
			t.Fatal(err)
		}
		v, err := set.Verify(t.Context(), f.store, f.good, "r.example/app")
		if err != nil || say(v) != c.want {
			t.Errorf("%s: %s, %v", name, say(v), err)
		}
	}
}

// TestClusterWarnings: what is often not what is meant is told, and what is meant is not.
func TestClusterWarnings(t *testing.T) {
	identity := func(s string) string { return cluster("authorities: [{keyless: {identities: [{" + s + "}]}}]") }
	for text, want := range map[string]string{
		identity("issuer: 'https://i', subject: 's@x.y'"):                                                                                              "",
		identity("issuer: 'https://i', subject: 'https://github.com/o/*'"):                                                                             "nobody has that name",
		identity("issuer: 'https://*', subject: s"):                                                                                                    "issuer \"https://*\" is compared as it stands",
		identity("issuer: i, subjectRegExp: 'https://github.com/o/r'"):                                                                                 "need only be found somewhere",
		identity("issuer: i, subjectRegExp: '^https://github.com/o/'"):                                                                                 "has no $ behind it",
		identity("issuer: i, subjectRegExp: 'https://github.com/o/.*'"):                                                                                "has no ^ before it",
		identity("issuer: i, subjectRegExp: '^https://github.com/o/.*'"):                                                                               "",
		identity("issuer: i, subjectRegExp: '^https://github.com/o/[^/]+$'"):                                                                           "",
		identity("issuer: i, subjectRegExp: '^(a|b)$'"):                                                                                                "",
		identity("issuer: i, subjectRegExp: '^a|b$'"):                                                                                                  "need only be found somewhere",
		identity("issuer: i, subjectRegExp: '(?i)^a$'"):                                                                                                "",
		identity("issuer: i, subjectRegExp: '(?m)^a$'"):                                                                                                "need only be found somewhere", // of a line
		identity("issuerRegExp: 'accounts', subject: s"):                                                                                               "issuerRegExp",
		strings.Replace(cluster("authorities: [{static: {action: pass}}]"), "'**'", "'r.example/a:1'", 1):                                              "fits none",
		strings.Replace(cluster("authorities: [{static: {action: fail}}]"), "'**'", "'r.example:5000/a'", 1):                                           "",
		strings.Replace(cluster("authorities: [{static: {action: fail}}]"), "'**'", "'r.example/a:1*'", 1):                                             "",
		strings.Replace(cluster("authorities: [{static: {action: fail}}]"), "labels: {a: b}", "annotations: {policy.sigstore.dev/include: 'true'}", 1): "a label (no annotation)",
		cluster("authorities: [{key: {DATA}, ctlog: {}}]"):                                                                                             "names no log",
		cluster("authorities: [{key: {DATA}, ctlog: {url: 'https://r'}, rfc3161timestamp: {}}]"):                                                       "no log is asked",
		cluster("authorities: [{keyless: {identities: [{issuer: i, subject: s}], insecureIgnoreSCT: true}}]"):                                          "insecureIgnoreSCT",
		cluster(byIdentity): "as long as their certificate is valid",
	} {
		set, err := parse(text)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, w := range set.Warnings() {
			if strings.Contains(w.Text, "stays open") || strings.Contains(w.Text, "static pass for") {
				continue
			}
			if w.Policy != "c" || !strings.HasPrefix(w.Where, "p.yaml:") {
				t.Errorf("a warning from nowhere: %+v", w)
			}
			got = append(got, w.Text)
		}
		if all := strings.Join(got, "\n"); (all == "") != (want == "") || !strings.Contains(all, want) {
			t.Errorf("%s\ngot %q, want %q", text, got, want)
		}
	}
}

// TestServiceNames follows the examples in the comments of the policy-controller's check
// of AWS keys, and its rule that the name is an ARN: what a name without an account
// stands for depends on who asks.
func TestServiceNames(t *testing.T) {
	const id, arn = "1234abcd-12ab-34cd-56ef-1234567890ab", "arn:aws:kms:us-east-2:111122223333:"
	for name, want := range map[string]bool{
		"awskms:///" + arn + "key/" + id:                                         true,
		"awskms://localhost:4566/" + arn + "key/" + id:                           true,
		"awskms:///" + arn + "alias/ExampleAlias":                                true,
		"awskms://localhost:4566/" + arn + "alias/ExampleAlias":                  true,
		"awskms:///" + arn + "key/mrk-1234abcd12ab34cd56ef1234567890ab":          true,
		"awskms:///arn:aws-cn:kms:cn-north-1:111122223333:alias/a/b":             true,
		"gcpkms://projects/p/locations/l/keyRings/r/cryptoKeys/k/versions/1":     true,
		"hashivault://key/path":                                                  true,
		"azurekms://vault.vault.azure.net/key":                                   true,
		"awskms:///" + id:                                                        false,
		"awskms://localhost:4566/" + id:                                          false,
		"awskms:///alias/ExampleAlias":                                           false,
		"awskms://localhost:4566/alias/ExampleAlias":                             false,
		"awskms://" + arn + "key/" + id:                                          false,
		"awskms://localhost/" + arn + "key/" + id:                                false,
		"awskms:///" + arn + "key/" + id[1:]:                                     false,
		"awskms:///" + arn + "grant/" + id:                                       false,
		"awskms:///" + strings.Replace(arn, "kms", "iam", 1) + "key/" + id:       false,
		"awskms:///" + strings.Replace(arn, "111122223333", "", 1) + "key/" + id: false,
	} {
		_, err := parse(cluster("authorities: [{key: {kms: '" + name + "'}}]"))
		if (err == nil) != want || err != nil && !strings.Contains(err.Error(), "p.yaml:6: spec.authorities[0].key.kms: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
