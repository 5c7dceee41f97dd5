package policy

import (
	"cmp"
	"strings"

	"github.com/hallmark-oci/hallmark/verify/keyless"
	"github.com/hallmark-oci/hallmark/verify/policy/doc"
	"github.com/hallmark-oci/hallmark/verify/tuf"
)

// A trustRoot is a TrustRoot document: who may vouch for identities, under a name that
// ClusterImagePolicies refer to.
type trustRoot struct {
	root *keyless.Root
	lack string // why there is none
}

// trustRootVersion is the version of the Sigstore policy-controller's TrustRoot.
func trustRootVersion() string { return clusterVersions()[0] }

// trustRoot reads a TrustRoot document, ours is false for others.
func (p *parser) trustRoot(d doc.Value) (ours bool, err error) {
	version, kind, err := typeOf(d)
	if err != nil || version != trustRootVersion() || kind != "TrustRoot" {
		return false, err
	}
	var name string
	var t trustRoot
	err = d.Sparse().Fields(fields{
		"apiVersion": ignore,
		"kind":       ignore,
		"status":     ignore,
		"metadata": func(v doc.Value) error {
			return v.Each(func(member string, v doc.Value) (err error) {
				if member == "name" {
					name, err = p.name(v, "TrustRoot")
				}
				return err
			})
		},
		"spec": func(v doc.Value) error {
			err := v.Fields(fields{
				"sigstoreKeys": doc.Into(&t.root, sigstoreKeys),
				"repository":   func(v doc.Value) error { return p.repository(v, &t) },
				"remote":       func(v doc.Value) error { return p.remote(v, &t) },
			})
			if err == nil {
				err = exactlyOne(v, "repository", "remote", "sigstoreKeys")
			}
			return err
		},
	}, "metadata", "spec")
	if err == nil && name == "" {
		err = d.Errorf("metadata.name is missing")
	}
	if p.roots == nil {
		p.roots = make(map[string]trustRoot)
	}
	p.roots[name] = t
	return true, err
}

// sigstoreKeys reads certificates and keys that are trusted as they stand here.
func sigstoreKeys(v doc.Value) (*keyless.Root, error) {
	var a keyless.Authorities
	err := v.Fields(fields{
		"certificateAuthorities": doc.Into(&a.Certificates, listOrNone(chain)),
		"timestampAuthorities":   doc.Into(&a.Timestamps, listOrNone(chain)),
		"tLogs":                  doc.Into(&a.Logs, listOrNone(logOf)),
		"ctLogs":                 doc.Into(&a.CertificateLogs, listOrNone(logOf)),
	})
	if err == nil && len(a.Certificates)+len(a.Timestamps) == 0 {
		err = v.Errorf("certificateAuthorities or timestampAuthorities are wanted")
	}
	if err != nil {
		return nil, err
	}
	root, err := keyless.NewRoot(a)
	if err != nil {
		return nil, v.Errorf("%w", err)
	}
	return root, nil
}

func chain(v doc.Value) (c keyless.Chain, err error) {
	return c, v.Fields(fields{
		// The certificates say this themselves.
		"subject": func(v doc.Value) error {
			return v.Fields(fields{"organization": doc.Into(new(string), text), "commonName": doc.Into(new(string), text)})
		},
		"uri":       doc.Into(&c.URI, text),
		"certChain": doc.Into(&c.PEM, encoded),
	}, "certChain")
}

func logOf(v doc.Value) (l keyless.Log, err error) {
	return l, v.Fields(fields{
		"baseURL":       doc.Into(&l.URL, text),
		"hashAlgorithm": func(v doc.Value) error { _, err := v.OneOf("sha-256", "sha256"); return err },
		"publicKey":     doc.Into(&l.PEM, encoded),
	}, "baseURL", "hashAlgorithm", "publicKey")
}

// repository reads a TUF repository that stands in the document. Where its metadata
// have expired it says nothing any more, which is no fault of the document.
func (p *parser) repository(v doc.Value, t *trustRoot) error {
	a := tuf.Archive{Name: "the repository in the TrustRoot"}
	err := v.Fields(fields{
		"root":              doc.Into(&a.Root, encoded),
		"mirrorFS":          doc.Into(&a.Files, encoded),
		"targets":           doc.Into(&a.Targets, text),
		"trustedRootTarget": doc.Into(&a.TrustedRoot, text),
	}, "root", "mirrorFS")
	switch {
	case err != nil:
		return err
	case p.Now == nil:
		return v.Errorf("no clock tells whether the metadata of the repository still hold")
	}
	a.Now = p.Now()
	m, err := tuf.Unpack(a)
	switch {
	case tuf.ReasonOf(err) == tuf.Expired:
		t.lack = err.Error() + "; a new state of the repository is wanted in its place"
		return nil
	case err != nil:
		return v.Errorf("%w", err)
	}
	if t.root, err = keyless.ParseRoot(m.TrustedRoot); err != nil {
		return v.Errorf("%w", err)
	}
	return nil
}

// remote reads where a TUF repository is. Nothing is fetched for a policy: what was
// fetched from the same mirror before will do.
func (p *parser) remote(v doc.Value, t *trustRoot) error {
	var mirror, document string
	err := v.Fields(fields{
		"root":              doc.Into(new([]byte), encoded),
		"mirror":            doc.Into(&mirror, text),
		"targets":           doc.Into(new(string), text),
		"trustedRootTarget": doc.Into(&document, text),
	}, "root", "mirror")
	if err != nil {
		return err
	}
	fetch := "run 'hallmark trust init --mirror " + mirror + " --root FILE' once, with the root of the TrustRoot as the file"
	if p.Fetched == nil {
		t.lack = "it is at " + mirror + ", and no policy has anything fetched"
		return nil
	}
	m, err := p.Fetched()
	switch {
	case tuf.ReasonOf(err) == tuf.None:
		t.lack = "it is at " + mirror + ", and nothing was fetched from there yet: " + fetch
	case err != nil:
		t.lack = err.Error()
	case !sameMirror(m.Mirror, mirror):
		t.lack = "it is at " + mirror + ", and what was fetched is from " + m.Mirror + ": " + fetch
	case cmp.Or(document, "trusted_root.json") != "trusted_root.json":
		t.lack = "of " + mirror + " only trusted_root.json is kept, not " + document
	default:
		if t.root, err = keyless.ParseRoot(m.TrustedRoot); err != nil {
			t.lack = err.Error()
		}
	}
	return nil
}

// sameMirror compares two names of a mirror, with a slash at the end or without.
func sameMirror(a, b string) bool { return strings.TrimRight(a, "/") == strings.TrimRight(b, "/") }

// rootOf returns the root that a reference names, where it is empty the one that
// holds where none is named. lack says why there is none.
func (p *parser) rootOf(ref string) (root *keyless.Root, lack string) {
	if ref == "" {
		return p.defaultRoot()
	}
	t, ok := p.roots[ref]
	switch {
	case !ok:
		return nil, "no TrustRoot " + ref + " stands beside the policies; add its document to the policy files"
	case t.lack != "":
		return nil, "TrustRoot " + ref + ": " + t.lack
	}
	return t.root, ""
}

// defaultRoot asks for the root once.
func (p *parser) defaultRoot() (root *keyless.Root, lack string) {
	if p.common == nil {
		p.common = &trustRoot{lack: "no trusted root says who may vouch for identities, and none is named with trustRootRef"}
		if p.Root != nil {
			root, err := p.Root()
			p.common = &trustRoot{root: root}
			if err != nil || root == nil {
				p.common.lack = cmp.Or(message(err), "no trusted root is at hand")
			}
		}
	}
	return p.common.root, p.common.lack
}

func message(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
