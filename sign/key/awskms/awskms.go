// Package awskms uses keys in AWS KMS, over plain HTTP requests. It is what the
// plug-in sigstore-kms-awskms consists of.
//
// A key is named as Sigstore has it: [ENDPOINT]/KEY, where KEY is the identifier of a
// key, alias/NAME, or the ARN of either, so that awskms:///alias/release is a key
// name as a whole. Region and credentials come from where the AWS tools look:
// AWS_REGION, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, or a
// profile in ~/.aws; AWS_CA_BUNDLE and AWS_ENDPOINT_URL are known too.
//
// A key of P-384 or P-521 signs in AWS only the hash that fits its curve, which
// cosign does not verify; P-256 and RSA keys have no such trouble.
package awskms

import (
	"context"
	"crypto"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	_ "crypto/sha256" // for plugin.Message
	_ "crypto/sha512"

	"github.com/hallmark-oci/hallmark/sign/key"
	"github.com/hallmark-oci/hallmark/sign/key/plugin"
)

// Options are what the world around the plug-in has.
type Options struct {
	LookupEnv func(string) (string, bool)
	// ReadFile reads a file of at most MaxFile bytes.
	ReadFile func(name string) ([]byte, error)
	Now      func() time.Time
	// Transport carries the requests; nil means one as the environment has it.
	Transport http.RoundTripper
}

// A name is the name of a key, in its parts.
type name struct{ host, key, region string }

// names are the names of keys: endpoint, then identifier, alias or ARN.
var names = regexp.MustCompile(`^([A-Za-z0-9.:\[\]-]*)/((?:arn:aws[a-z-]*:kms:([a-z0-9-]+):[0-9]{12}:)?(?:key/)?(?:alias/[A-Za-z0-9/_-]{1,250}|(?:mrk-)?[A-Fa-f0-9-]{32,36}))$`)

func parseName(resource string) (name, error) {
	m := names.FindStringSubmatch(strings.TrimPrefix(resource, "awskms://"))
	if m == nil {
		return name{}, fmt.Errorf("key %q: want [ENDPOINT]/KEY, where KEY is the identifier of a key, alias/NAME, or an ARN, such as awskms:///alias/release", resource)
	}
	return name{host: m[1], key: m[2], region: m[3]}, nil
}

// A Service is one key of KMS.
type Service struct {
	api *client
	key string
}

// Open returns the key that is asked for. Nothing is asked of the service yet.
func Open(r plugin.Request, opts Options) (*Service, error) {
	n, err := parseName(r.Resource)
	if err != nil {
		return nil, err
	}
	if r.Version != "" {
		return nil, fmt.Errorf("key %s: keys of AWS KMS have no versions to ask for", n.key)
	}
	c, err := opts.load(n)
	if err != nil {
		return nil, err
	}
	transport, err := opts.transport()
	if err != nil {
		return nil, err
	}
	refuse := func(*http.Request, []*http.Request) error { return errors.New("the service sends elsewhere") }
	return &Service{key: n.key, api: &client{config: c, now: opts.Now, http: &http.Client{Transport: transport, CheckRedirect: refuse}}}, nil
}

// specs are the kinds of keys, by our names and by those of AWS.
func specs() [][2]string {
	return [][2]string{
		{"ecdsa-p256", "ECC_NIST_P256"}, {"ecdsa-p384", "ECC_NIST_P384"}, {"ecdsa-p521", "ECC_NIST_P521"},
		{"rsa-2048", "RSA_2048"}, {"rsa-3072", "RSA_3072"}, {"rsa-4096", "RSA_4096"},
	}
}

// Algorithms implements plugin.Service.
func (*Service) Algorithms() []string {
	var all []string
	for _, s := range specs() {
		all = append(all, s[0])
	}
	return all
}

// described is what the service tells about a key. Not all that speak its protocol
// tell the algorithms.
type described struct {
	ID         string   `json:"KeyId"`
	Spec       string   `json:"KeySpec"`
	OldSpec    string   `json:"CustomerMasterKeySpec"`
	Usage      string   `json:"KeyUsage"`
	Algorithms []string `json:"SigningAlgorithms"`
	Public     []byte   `json:"PublicKey"`
}

func (d described) spec() string {
	if d.Spec == "" {
		return d.OldSpec
	}
	return d.Spec
}

// CreateKey implements plugin.Service: it makes a key and gives it the alias. A key
// that has the alias already is used where it is of that kind, else it is an error.
func (s *Service) CreateKey(ctx context.Context, algorithm string) ([]byte, error) {
	spec := ""
	for _, one := range specs() {
		if slices.Contains(one[:], algorithm) {
			spec = one[1]
		}
	}
	switch {
	case spec == "":
		return nil, fmt.Errorf("algorithm %q is none of %s", algorithm, strings.Join(s.Algorithms(), ", "))
	case !strings.HasPrefix(s.key, "alias/"):
		return nil, fmt.Errorf("key %s: AWS chooses the identifier of a new key; name it by an alias, such as awskms:///alias/release", s.key)
	}
	var made struct {
		KeyMetadata described
	}
	err := s.api.do(ctx, "DescribeKey", map[string]string{"KeyId": s.key}, &made)
	switch {
	case err == nil && made.KeyMetadata.spec() != spec:
		return nil, fmt.Errorf("there is a key %s already, of kind %s and not %s; nothing was made", s.key, made.KeyMetadata.spec(), spec)
	case err == nil:
		return s.PublicKey(ctx)
	case !errors.Is(err, errNotFound):
		return nil, err
	}
	if err := s.api.do(ctx, "CreateKey", map[string]string{"KeySpec": spec, "KeyUsage": "SIGN_VERIFY", "Description": "made for signing by sigstore-kms-awskms"}, &made); err != nil {
		return nil, err
	}
	id := made.KeyMetadata.ID
	if err := s.api.do(ctx, "CreateAlias", map[string]string{"AliasName": s.key, "TargetKeyId": id}, nil); err != nil {
		return nil, fmt.Errorf("the key %s was made, and did not get the alias %s: %w", id, s.key, err)
	}
	return s.PublicKey(ctx)
}

func (s *Service) describe(ctx context.Context) (described, error) {
	var d described
	err := s.api.do(ctx, "GetPublicKey", map[string]string{"KeyId": s.key}, &d)
	if err == nil && d.Usage != "" && d.Usage != "SIGN_VERIFY" {
		err = fmt.Errorf("key %s is for %s, not for signing", s.key, d.Usage)
	}
	return d, err
}

// PublicKey implements plugin.Service.
func (s *Service) PublicKey(ctx context.Context) ([]byte, error) {
	d, err := s.describe(ctx)
	if err != nil {
		return nil, err
	}
	if len(d.Public) == 0 {
		return nil, fmt.Errorf("the answer about key %s has no public key", s.key)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: d.Public})
	if !slices.Contains(d.Algorithms, "RSASSA_PSS_SHA_256") || slices.Contains(d.Algorithms, "RSASSA_PKCS1_V1_5_SHA_256") {
		return text, nil
	}
	p, err := key.ParsePublic(text)
	if err != nil {
		return nil, fmt.Errorf("the public key of %s: %w", s.key, err)
	}
	return p.ForPSS().PEM(), nil // it signs with PSS alone, see choose
}

// Sign implements plugin.Service.
func (s *Service) Sign(ctx context.Context, m plugin.Message) ([]byte, error) {
	d, err := s.describe(ctx)
	if err != nil {
		return nil, err
	}
	algorithm, hash, err := choose(d, m)
	if err != nil {
		return nil, fmt.Errorf("key %s: %w", s.key, err)
	}
	digest := m.Digest
	if digest == nil {
		h := hash.New()
		if _, err := io.Copy(h, m.Text); err != nil {
			return nil, fmt.Errorf("read message: %w", err)
		}
		digest = h.Sum(nil)
	}
	in := struct {
		KeyID     string `json:"KeyId"`
		Message   []byte
		Kind      string `json:"MessageType"`
		Algorithm string `json:"SigningAlgorithm"`
	}{s.key, digest, "DIGEST", algorithm}
	var out struct{ Signature []byte }
	if err := s.api.do(ctx, "Sign", in, &out); err != nil {
		return nil, err
	}
	return out.Signature, nil
}

// choose returns how the key signs that digest, or the message where there is none.
// Where the service does not tell what the key can do, it follows from its kind.
func choose(d described, m plugin.Message) (string, crypto.Hash, error) {
	want := m.Hash
	if m.Digest == nil {
		want = crypto.SHA256
	}
	only := map[string]crypto.Hash{"ECC_NIST_P256": crypto.SHA256, "ECC_NIST_P384": crypto.SHA384, "ECC_NIST_P521": crypto.SHA512}
	bits := map[crypto.Hash]string{crypto.SHA256: "256", crypto.SHA384: "384", crypto.SHA512: "512"}
	if own, ok := only[d.spec()]; ok {
		if m.Digest != nil && want != own {
			return "", 0, fmt.Errorf("a key of kind %s signs SHA-%s digests only", d.spec(), bits[own])
		}
		return "ECDSA_SHA_" + bits[own], own, nil
	}
	if !strings.HasPrefix(d.spec(), "RSA_") || bits[want] == "" {
		return "", 0, fmt.Errorf("a key of kind %q, or a hash %d, that is not known here", d.spec(), want)
	}
	// The public key that others get says nothing of PSS, so that they would take no such
	// signature.
	if scheme := "RSASSA_PKCS1_V1_5_SHA_" + bits[want]; len(d.Algorithms) == 0 || slices.Contains(d.Algorithms, scheme) {
		return scheme, want, nil
	}
	return "", 0, fmt.Errorf("the key signs with %s only", strings.Join(d.Algorithms, ", "))
}
