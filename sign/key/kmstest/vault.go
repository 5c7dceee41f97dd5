package kmstest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"

	_ "crypto/sha256" // for crypto.Hash
	_ "crypto/sha512"
)

// VaultToken is the token that a [Vault] wants.
const VaultToken = "hvs.stand-in-token-4711"

// A Vault is a stand-in for the transit engine of Vault or OpenBao, at the path
// "transit".
type Vault struct {
	*httptest.Server
	// Namespace is what X-Vault-Namespace must say.
	Namespace string

	mu   sync.Mutex
	keys map[string]*vaultKey
	away string // where to send who asks
}

type vaultKey struct {
	kind     string
	versions []crypto.Signer
}

// Redirect sends who asks elsewhere from now on.
func (v *Vault) Redirect(to string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.away = to
}

// StartVault starts the server. With tls it serves HTTPS with a certificate of its
// own, [httptest.Server.Certificate].
func StartVault(tls bool) *Vault {
	v := &Vault{keys: make(map[string]*vaultKey)}
	v.Server = httptest.NewUnstartedServer(http.HandlerFunc(v.serve))
	if tls {
		v.StartTLS()
	} else {
		v.Start()
	}
	return v
}

// vaultFailure is an error with the status that the server gives it.
type vaultFailure struct {
	status int
	text   string
}

// Error implements error.
func (f vaultFailure) Error() string { return f.text }

func (v *Vault) serve(w http.ResponseWriter, r *http.Request) {
	v.mu.Lock()
	away := v.away
	v.mu.Unlock()
	if away != "" {
		http.Redirect(w, r, away, http.StatusTemporaryRedirect)
		return
	}
	data, err := v.answer(r)
	w.Header().Set("Content-Type", "application/json")
	var f vaultFailure
	switch {
	case errors.As(err, &f):
		w.WriteHeader(f.status)
		_ = json.NewEncoder(w).Encode(map[string]any{"errors": []string{f.text}})
	case err != nil:
		w.WriteHeader(http.StatusBadRequest)
		_ = json.NewEncoder(w).Encode(map[string]any{"errors": []string{err.Error()}})
	case data == nil:
		w.WriteHeader(http.StatusNoContent)
	default:
		_ = json.NewEncoder(w).Encode(map[string]any{"request_id": "1", "lease_duration": 0, "data": data})
	}
}

func (v *Vault) answer(r *http.Request) (any, error) {
	if r.Header.Get("X-Vault-Token") != VaultToken || r.Header.Get("X-Vault-Namespace") != v.Namespace {
		return nil, vaultFailure{http.StatusForbidden, "permission denied"}
	}
	rest, ok := strings.CutPrefix(r.URL.Path, "/v1/transit/")
	parts := strings.Split(rest, "/")
	if !ok || len(parts) < 2 {
		return nil, vaultFailure{http.StatusNotFound, "no handler for route " + r.URL.Path}
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	verb, name := parts[0], parts[1]
	var body map[string]any
	if r.Method != http.MethodGet {
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			return nil, vaultFailure{http.StatusBadRequest, "failed to parse JSON input"}
		}
	}
	switch {
	case r.Method == http.MethodGet && verb == "keys":
		return v.show(name)
	case verb == "keys" && len(parts) == 3 && parts[2] == "rotate":
		return nil, v.rotate(name)
	case verb == "keys":
		return nil, v.create(name, fmt.Sprint(body["type"]))
	case verb == "sign":
		hash := "sha2-256"
		if h, ok := body["hash_algorithm"].(string); ok {
			hash = h
		}
		if len(parts) == 3 {
			hash = parts[2]
		}
		return v.sign(name, hash, body)
	}
	return nil, vaultFailure{http.StatusMethodNotAllowed, "unsupported operation"}
}

func (v *Vault) create(name, kind string) error {
	if v.keys[name] != nil {
		return nil
	}
	k, err := newKey(kind)
	if err != nil {
		return err
	}
	v.keys[name] = &vaultKey{kind, []crypto.Signer{k}}
	return nil
}

// Rotate gives the key a new version.
func (v *Vault) Rotate(name string) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.rotate(name)
}

func (v *Vault) rotate(name string) error {
	k := v.keys[name]
	if k == nil {
		return vaultFailure{http.StatusNotFound, ""}
	}
	next, err := newKey(k.kind)
	if err == nil {
		k.versions = append(k.versions, next)
	}
	return err
}

func (v *Vault) show(name string) (any, error) {
	k := v.keys[name]
	if k == nil {
		return nil, vaultFailure{http.StatusNotFound, ""}
	}
	versions := make(map[string]any)
	for i, one := range k.versions {
		var text string
		if pub, ok := one.Public().(ed25519.PublicKey); ok {
			text = base64.StdEncoding.EncodeToString(pub)
		} else {
			der, err := x509.MarshalPKIXPublicKey(one.Public())
			if err != nil {
				return nil, err
			}
			text = string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
		}
		versions[strconv.Itoa(i+1)] = map[string]any{"name": k.kind, "public_key": text, "creation_time": "2024-01-01T00:00:00Z"}
	}
	return map[string]any{"type": k.kind, "name": name, "latest_version": len(k.versions), "min_decryption_version": 1, "keys": versions}, nil
}

func (v *Vault) sign(name, hash string, body map[string]any) (any, error) {
	k := v.keys[name]
	if k == nil {
		return nil, vaultFailure{http.StatusBadRequest, "signing key not found"}
	}
	version := len(k.versions)
	if n, ok := body["key_version"].(float64); ok && n > 0 {
		version = int(n)
	}
	if version > len(k.versions) {
		return nil, vaultFailure{http.StatusBadRequest, "cannot sign: version is too new"}
	}
	text, _ := body["input"].(string)
	input, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, vaultFailure{http.StatusBadRequest, "unable to decode input as base64"}
	}
	prehashed, _ := body["prehashed"].(bool)
	pkcs1 := body["signature_algorithm"] == "pkcs1v15" // what is not asked for is PSS
	sig, err := vaultSign(k.versions[version-1], hash, input, prehashed, pkcs1)
	if err != nil {
		return nil, err
	}
	return map[string]any{"key_version": version, "signature": fmt.Sprintf("vault:v%d:%s", version, base64.StdEncoding.EncodeToString(sig))}, nil
}

func vaultSign(k crypto.Signer, hash string, input []byte, prehashed, pkcs1 bool) ([]byte, error) {
	if _, ok := k.(ed25519.PrivateKey); ok {
		if prehashed {
			return nil, vaultFailure{http.StatusBadRequest, "only Pure Ed25519 signatures supported, prehashed must be false"}
		}
		return k.Sign(nil, input, crypto.Hash(0))
	}
	h, ok := map[string]crypto.Hash{"sha2-256": crypto.SHA256, "sha2-384": crypto.SHA384, "sha2-512": crypto.SHA512}[hash]
	if !ok {
		return nil, vaultFailure{http.StatusBadRequest, "invalid hash algorithm " + hash}
	}
	if !prehashed {
		sum := h.New()
		sum.Write(input)
		input = sum.Sum(nil)
	}
	if len(input) != h.Size() {
		return nil, vaultFailure{http.StatusInternalServerError, "1 error occurred: internal error"}
	}
	switch k := k.(type) {
	case *ecdsa.PrivateKey:
		return ecdsa.SignASN1(rand.Reader, k, input)
	case *rsa.PrivateKey:
		if pkcs1 {
			return rsa.SignPKCS1v15(rand.Reader, k, h, input)
		}
		return rsa.SignPSS(rand.Reader, k, h, input, nil)
	}
	return nil, errors.New("unsupported key type")
}
