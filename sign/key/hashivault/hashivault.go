// Package hashivault uses keys in the transit secrets engine of HashiCorp Vault and
// of OpenBao, over plain HTTP requests. It is what the plug-in
// sigstore-kms-hashivault consists of.
//
// A key is named KEY or KEY?version=N; where no version is named, the newest counts.
// What else is needed is in the environment, under the names that vault and bao
// themselves use: VAULT_ADDR, VAULT_TOKEN (or the file .vault-token in the home
// directory), VAULT_NAMESPACE, VAULT_CACERT, VAULT_CLIENT_CERT, VAULT_CLIENT_KEY,
// VAULT_TLS_SERVER_NAME, each also with BAO_ in front, and as Sigstore has it
// TRANSIT_SECRET_ENGINE_PATH. VAULT_SKIP_VERIFY is refused.
package hashivault

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	_ "crypto/sha256" // for plugin.Message
	_ "crypto/sha512"

	"github.com/hallmark-oci/hallmark/sign/key/plugin"
)

// Options are what the world around the plug-in has.
type Options struct {
	LookupEnv func(string) (string, bool)
	// ReadFile reads a file of at most MaxFile bytes.
	ReadFile func(name string) ([]byte, error)
	// Transport carries the requests; nil means one as the environment has it.
	Transport http.RoundTripper
}

// keyNames are the names of keys, as Sigstore has them.
var keyNames = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9_.-]{0,254}[A-Za-z0-9_])?$`)

// mounts are the paths of secrets engines.
var mounts = regexp.MustCompile(`^[A-Za-z0-9_-][A-Za-z0-9_./-]{0,254}$`)

// A Service is one key of a transit engine.
type Service struct {
	api     *client
	mount   string
	name    string
	version int // 0 is the newest
}

// Open returns the key that is asked for. Nothing is asked of the server yet.
func Open(r plugin.Request, opts Options) (*Service, error) {
	name := r.Resource
	for _, scheme := range []string{"hashivault://", "openbao://"} {
		name = strings.TrimPrefix(name, scheme)
	}
	name, version, found := strings.Cut(name, "?version=")
	if !found {
		version = r.Version
	}
	s := Service{name: name, mount: "transit"}
	if !keyNames.MatchString(name) {
		return nil, fmt.Errorf("key %q: want KEY or KEY?version=N, the name of a key of the transit engine", r.Resource)
	}
	if version != "" {
		n, err := strconv.Atoi(version)
		if err != nil || n < 0 || n > maxVersion {
			return nil, fmt.Errorf("key %s: version %q is no number from 1 on", name, version)
		}
		s.version = n
	}
	if m, ok := opts.LookupEnv("TRANSIT_SECRET_ENGINE_PATH"); ok && m != "" {
		s.mount = strings.Trim(m, "/")
	}
	if !mounts.MatchString(s.mount) || strings.Contains(s.mount, "..") {
		return nil, fmt.Errorf("TRANSIT_SECRET_ENGINE_PATH %q is no path of a secrets engine", s.mount)
	}
	var err error
	s.api, err = newClient(opts)
	return &s, err
}

// Algorithms implements plugin.Service.
func (*Service) Algorithms() []string {
	return []string{"ecdsa-p256", "ecdsa-p384", "ecdsa-p521", "ed25519", "rsa-2048", "rsa-3072", "rsa-4096"}
}

// CreateKey implements plugin.Service. A key of that name that exists already is
// an error where it is of another algorithm; else it is used.
func (s *Service) CreateKey(ctx context.Context, algorithm string) ([]byte, error) {
	known := false
	for _, a := range s.Algorithms() {
		known = known || a == algorithm
	}
	if !known {
		return nil, fmt.Errorf("algorithm %q is none of %s", algorithm, strings.Join(s.Algorithms(), ", "))
	}
	err := s.api.do(ctx, http.MethodPost, s.path("keys"), map[string]any{"type": algorithm, "exportable": false}, nil)
	if err != nil {
		return nil, err
	}
	k, err := s.read(ctx)
	if err != nil {
		return nil, err
	}
	if k.Type != algorithm {
		return nil, fmt.Errorf("there is a key %s already, of type %s and not %s; nothing was made", s.name, k.Type, algorithm)
	}
	return s.public(k)
}

// PublicKey implements plugin.Service.
func (s *Service) PublicKey(ctx context.Context) ([]byte, error) {
	k, err := s.read(ctx)
	if err != nil {
		return nil, err
	}
	return s.public(k)
}

// Sign implements plugin.Service.
func (s *Service) Sign(ctx context.Context, m plugin.Message) ([]byte, error) {
	path, body := s.path("sign"), map[string]any{"key_version": s.version}
	if m.Digest != nil {
		hash, err := hashName(m.Hash)
		if err != nil {
			return nil, err
		}
		path += "/" + hash
		body["input"] = base64.StdEncoding.EncodeToString(m.Digest)
		body["prehashed"] = true
		body["signature_algorithm"] = "pkcs1v15"
		body["marshaling_algorithm"] = "asn1"
	} else if err := s.whole(ctx, m, body); err != nil {
		return nil, err
	}
	var out struct {
		Signature string `json:"signature"`
	}
	if err := s.api.do(ctx, http.MethodPost, path, body, &out); err != nil {
		return nil, err
	}
	return decodeSignature(out.Signature)
}

// whole puts the message itself into the request, for a key that signs no digest;
// for other keys its digest.
func (s *Service) whole(ctx context.Context, m plugin.Message, body map[string]any) error {
	k, err := s.read(ctx)
	if err != nil {
		return err
	}
	raw, err := io.ReadAll(io.LimitReader(m.Text, MaxMessage+1))
	if err != nil {
		return fmt.Errorf("read message: %w", err)
	}
	if len(raw) > MaxMessage {
		return fmt.Errorf("a message of more than %d bytes: this is the most that the server takes", MaxMessage)
	}
	if k.Type != "ed25519" {
		h := m.Hash
		if !h.Available() {
			h = crypto.SHA256
		}
		name, err := hashName(h)
		if err != nil {
			return err
		}
		sum := h.New()
		sum.Write(raw)
		raw = sum.Sum(nil)
		body["prehashed"], body["hash_algorithm"], body["signature_algorithm"] = true, name, "pkcs1v15"
	}
	body["input"] = base64.StdEncoding.EncodeToString(raw)
	return nil
}

// decodeSignature takes the signature out of "vault:v3:BASE64".
func decodeSignature(text string) ([]byte, error) {
	parts := strings.Split(text, ":")
	if len(parts) != 3 || !strings.HasPrefix(parts[1], "v") {
		return nil, errors.New("the server's signature is not of the form vault:vN:BASE64")
	}
	sig, err := base64.StdEncoding.DecodeString(parts[2])
	if err != nil {
		return nil, fmt.Errorf("the server's signature: %w", err)
	}
	return sig, nil
}

func hashName(h crypto.Hash) (string, error) {
	switch h {
	case crypto.SHA256:
		return "sha2-256", nil
	case crypto.SHA384:
		return "sha2-384", nil
	case crypto.SHA512:
		return "sha2-512", nil
	}
	return "", fmt.Errorf("hash %d is none of SHA-256, SHA-384, SHA-512", h)
}

func (s *Service) path(verb string) string {
	return s.mount + "/" + verb + "/" + url.PathEscape(s.name)
}

// A transitKey is what the engine tells about a key.
type transitKey struct {
	Type   string `json:"type"`
	Latest int    `json:"latest_version"`
	Keys   map[string]struct {
		Public string `json:"public_key"`
	} `json:"keys"`
}

func (s *Service) read(ctx context.Context) (transitKey, error) {
	var k transitKey
	err := s.api.do(ctx, http.MethodGet, s.path("keys"), nil, &k)
	return k, err
}

// public returns the public key of the version that is asked for as PEM. That of an
// Ed25519 key comes as the base64 of its 32 bytes.
func (s *Service) public(k transitKey) ([]byte, error) {
	version := s.version
	if version == 0 {
		version = k.Latest
	}
	one, ok := k.Keys[strconv.Itoa(version)]
	switch {
	case !ok:
		return nil, fmt.Errorf("key %s has no version %d; the newest is %d", s.name, version, k.Latest)
	case one.Public == "":
		return nil, fmt.Errorf("key %s of type %q has no public key: it cannot sign", s.name, k.Type)
	case k.Type != "ed25519":
		return []byte(one.Public), nil
	}
	raw, err := base64.StdEncoding.DecodeString(one.Public)
	if err != nil || len(raw) != ed25519.PublicKeySize {
		return nil, fmt.Errorf("the public key of %s is no Ed25519 key of %d bytes in base64", s.name, ed25519.PublicKeySize)
	}
	der, err := x509.MarshalPKIXPublicKey(ed25519.PublicKey(raw))
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), nil
}
