package policy

import (
	"crypto"
	"net"
	"regexp"
	"strings"

	"github.com/hallmark-oci/hallmark/sign/key"
	"github.com/hallmark-oci/hallmark/verify"
	"github.com/hallmark-oci/hallmark/verify/policy/doc"
)

// keyed reads the key of an authority, or why it is not at hand.
func (p *parser) keyed(v doc.Value, d *demands) error {
	var k *key.Public
	var lack string
	err := v.Fields(fields{
		"data": doc.Into(&k, public),
		"secretRef": func(v doc.Value) (err error) {
			k, lack, err = p.secretKey(v)
			return err
		},
		"kms": func(v doc.Value) (err error) {
			k, lack, err = p.serviceKey(v)
			return err
		},
		"hashAlgorithm": ignore, // read below, whatever its place
	})
	if err == nil {
		err = exactlyOne(v, "data", "secretRef", "kms")
	}
	if err != nil {
		return err
	}
	hash, err := hashAlgorithm(v)
	switch {
	case err != nil:
		return err
	case lack != "":
		d.lack(verify.ReferenceMissing, "key."+lack)
	case hash == crypto.SHA224:
		d.lack(verify.AuthorityUnsupported, "key.hashAlgorithm: signatures over SHA-224 are not verified; sign with SHA-256")
	case hash != crypto.SHA256: // where it is, nothing else needs to be said of a key
		if k, err = k.ForHash(hash); err != nil {
			return v.Errorf("%w", err)
		}
	}
	if k != nil {
		d.keys = []*key.Public{k}
	}
	return nil
}

// hashAlgorithm reads the member of that name, in whatever case it is written. Without
// one it is SHA-256.
func hashAlgorithm(v doc.Value) (hash crypto.Hash, err error) {
	known := map[string]crypto.Hash{"": crypto.SHA256, "sha224": crypto.SHA224, "sha256": crypto.SHA256, "sha384": crypto.SHA384, "sha512": crypto.SHA512}
	hash = crypto.SHA256
	err = v.Each(func(name string, v doc.Value) error {
		if name != "hashAlgorithm" || v.Null() {
			return nil
		}
		s, err := v.String()
		if err != nil {
			return err
		}
		var ok bool
		if hash, ok = known[strings.ToLower(strings.TrimSpace(s))]; !ok {
			err = v.Errorf("%.40q is none of sha224, sha256, sha384, sha512", s)
		}
		return err
	})
	return hash, err
}

// serviceKey fetches the public key of a key in a key service, where the user lets
// policies do so.
func (p *parser) serviceKey(v doc.Value) (k *key.Public, lack string, err error) {
	name, err := text(v)
	switch {
	case err != nil:
		return nil, "", err
	case !key.IsRemote(name):
		return nil, "", v.Errorf("%.100q is no key in a key service, which is named as SCHEME://KEY", name)
	case strings.HasPrefix(name, "awskms://") && !isARN(name):
		return nil, "", v.Errorf("%.300q leaves it to whoever asks which key that is: wanted is the ARN of a key or an alias, as awskms://[HOST:PORT]/arn:aws:kms:REGION:ACCOUNT:key/ID or alias/NAME at its end", name)
	case p.ReadService == nil:
		return nil, "kms: no key service is asked for a policy here", nil
	}
	if k, err = p.ReadService(name); err != nil {
		return nil, "kms: " + err.Error(), nil
	}
	return k, "", nil
}

// isARN reports whether the name of a key in AWS KMS is one that the policy-controller
// takes: an ARN, which says whose key it is and where, behind an endpoint with a port or
// none at all.
func isARN(name string) bool {
	const id = `(?:mrk-)?[A-Fa-f0-9]{8}-?(?:[A-Fa-f0-9]{4}-?){3}[A-Fa-f0-9]{12}`
	arn := regexp.MustCompile(`^awskms://([^/]*)/arn:(?:aws|aws-us-gov|aws-cn):kms:[a-z0-9-]+:[0-9]{12}:(?:key/` + id + `|alias/.+)$`)
	m := arn.FindStringSubmatch(name)
	if m == nil {
		return false
	}
	_, _, err := net.SplitHostPort(m[1])
	return m[1] == "" || err == nil
}
