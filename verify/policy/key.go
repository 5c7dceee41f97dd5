package policy

import (
	"errors"
	"path/filepath"
	"strings"
	"time"

	"github.com/hallmark-oci/hallmark/sign/key"
	"github.com/hallmark-oci/hallmark/verify/keyless"
	"github.com/hallmark-oci/hallmark/verify/policy/doc"
)

// key reads one of {data: PEM} and {file: path}.
func (p *parser) key(v doc.Value) (*key.Public, error) { return p.keyWith(v, fields{}) }

// keyWith reads a key with more fields beside it.
func (p *parser) keyWith(v doc.Value, more fields) (*key.Public, error) {
	if v.Has("data") == v.Has("file") {
		return nil, v.Errorf("a key has either data or file")
	}
	var k *key.Public
	more["data"], more["file"] = doc.Into(&k, public), doc.Into(&k, p.keyFile)
	return k, v.Fields(more)
}

// validities are when keys count, for those that do not count always.
type validities = map[key.Fingerprint]keyless.Validity

// moment reads a time, of which the first one of all would say that there is none.
func moment(v doc.Value) (time.Time, error) {
	t, err := v.Date()
	if err == nil && t.Year() < 1970 {
		err = v.Errorf("no key is as old as %s", t.Format(time.RFC3339))
	}
	return t, err
}

// timedKeys reads keys, and when they count: notBefore and notAfter.
func (p *parser) timedKeys(when *validities) func(doc.Value) ([]*key.Public, error) {
	seen := make(validities)
	return list(func(v doc.Value) (*key.Public, error) {
		var valid keyless.Validity
		k, err := p.keyWith(v, fields{
			"notBefore": doc.Into(&valid.NotBefore, moment),
			"notAfter":  doc.Into(&valid.NotAfter, moment),
		})
		if err != nil {
			return nil, err
		}
		if err := valid.Check(); err != nil {
			return nil, v.Errorf("%w", err)
		}
		if was, twice := seen[k.Fingerprint()]; twice && was != valid {
			return nil, v.Errorf("the key stands there twice, and counts %s and %s", was, valid)
		}
		seen[k.Fingerprint()] = valid
		if valid != (keyless.Validity{}) {
			if *when == nil {
				*when = make(validities)
			}
			(*when)[k.Fingerprint()] = valid
		}
		return k, nil
	})
}

// public reads the text of a key.
func public(v doc.Value) (*key.Public, error) {
	s, err := v.String()
	if err != nil {
		return nil, err
	}
	k, err := key.ParsePublic([]byte(s))
	if err != nil {
		return nil, v.Errorf("%w", err)
	}
	return k, nil
}

// keyFile reads the key in a file, relative to the policy's place.
func (p *parser) keyFile(v doc.Value) (*key.Public, error) {
	path, err := p.path(v, p.ReadKey != nil, "key")
	if err != nil {
		return nil, err
	}
	k, err := p.ReadKey(path)
	if err == nil && k == nil {
		err = errors.New("no key")
	}
	if err != nil {
		return nil, v.Errorf("%w", err)
	}
	return k, nil
}

// path reads the name of a file, relative to the policy's place.
func (p *parser) path(v doc.Value, reads bool, what string) (string, error) {
	path, err := text(v)
	switch {
	case err != nil:
		return "", err
	case !reads:
		return "", v.Errorf("%s files are not read here, give the %s as data", what, what)
	case strings.Contains(path, "://") || key.IsRemote(path):
		return "", v.Errorf("%q is no file; only %s files are read", path, what)
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(p.dir, path)
	}
	return path, nil
}
