package kmstest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
)

// The credentials that an [AWS] wants.
const (
	AWSKeyID   = "AKIASTANDIN"
	AWSSecret  = "stand-in/secret+access+key/4711"
	AWSSession = "stand-in-session-token"
)

// An AWS is a stand-in for AWS KMS over TLS, with a certificate of its own. Each
// request must be signed for the region us-east-1.
type AWS struct {
	*httptest.Server

	mu      sync.Mutex
	terse   bool
	only    string
	keys    map[string]awsKey // by identifier
	aliases map[string]string
}

type awsKey struct {
	spec string
	crypto.Signer
}

// StartAWS starts the server.
func StartAWS() *AWS {
	a := &AWS{keys: make(map[string]awsKey), aliases: make(map[string]string)}
	a.Server = httptest.NewTLSServer(http.HandlerFunc(a.serve))
	return a
}

// Say sets what the server tells from now on: terse leaves out of answers what some
// that speak the protocol leave out, the algorithms and the newer name of a key's kind;
// only is what RSA keys sign with, where it is not empty.
func (a *AWS) Say(terse bool, only string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.terse, a.only = terse, only
}

// awsFailure is an error with the name that the service gives it.
type awsFailure struct{ kind, text string }

// Error implements error.
func (f awsFailure) Error() string { return f.text }

// awsCall is a request of any operation.
type awsCall struct {
	KeyID            string `json:"KeyId"`
	KeySpec          string
	KeyUsage         string
	AliasName        string
	TargetKeyID      string `json:"TargetKeyId"`
	Message          []byte
	MessageType      string
	SigningAlgorithm string
}

func (a *AWS) serve(w http.ResponseWriter, r *http.Request) {
	out, err := a.answer(r)
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	if f, ok := err.(awsFailure); ok {
		w.WriteHeader(http.StatusBadRequest)
		out = map[string]string{"__type": "com.amazonaws.kms#" + f.kind, "message": f.text}
	} else if err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		out = map[string]string{"__type": "KMSInternalException", "message": err.Error()}
	}
	_ = json.NewEncoder(w).Encode(out)
}

func (a *AWS) answer(r *http.Request) (any, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	if err := checkSigned(r, body); err != nil {
		return nil, err
	}
	var in awsCall
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, awsFailure{"SerializationException", err.Error()}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	operation := strings.TrimPrefix(r.Header.Get("X-Amz-Target"), "TrentService.")
	switch operation {
	case "CreateKey":
		return a.create(in)
	case "CreateAlias":
		if a.aliases[in.AliasName] != "" {
			return nil, awsFailure{"AlreadyExistsException", "An alias with the name exists"}
		}
		a.aliases[in.AliasName] = in.TargetKeyID
		return map[string]string{}, nil
	}
	id := in.KeyID[strings.LastIndex(in.KeyID, "/")+1:]
	if i := strings.Index(in.KeyID, "alias/"); i >= 0 {
		id = a.aliases[in.KeyID[i:]]
	}
	k, ok := a.keys[id]
	if !ok {
		return nil, awsFailure{"NotFoundException", "Key '" + in.KeyID + "' does not exist"}
	}
	switch operation {
	case "DescribeKey":
		return map[string]any{"KeyMetadata": a.about(id, k)}, nil
	case "GetPublicKey":
		about := a.about(id, k)
		about["PublicKey"], err = x509.MarshalPKIXPublicKey(k.Public())
		return about, err
	case "Sign":
		return a.sign(id, k, in)
	}
	return nil, awsFailure{"UnknownOperationException", operation}
}

func (a *AWS) create(in awsCall) (any, error) {
	algorithm := map[string]string{
		"ECC_NIST_P256": "ecdsa-p256", "ECC_NIST_P384": "ecdsa-p384", "ECC_NIST_P521": "ecdsa-p521",
		"RSA_2048": "rsa-2048", "RSA_3072": "rsa-3072", "RSA_4096": "rsa-4096",
	}[in.KeySpec]
	if algorithm == "" || in.KeyUsage != "SIGN_VERIFY" {
		return nil, awsFailure{"ValidationException", fmt.Sprintf("kind %q, usage %q", in.KeySpec, in.KeyUsage)}
	}
	k, err := newKey(algorithm)
	if err != nil {
		return nil, err
	}
	id := fmt.Sprintf("1234abcd-12ab-34cd-56ef-%012d", len(a.keys)+1)
	a.keys[id] = awsKey{in.KeySpec, k}
	return map[string]any{"KeyMetadata": a.about(id, a.keys[id])}, nil
}

func (a *AWS) about(id string, k awsKey) map[string]any {
	out := map[string]any{"KeyId": id, "CustomerMasterKeySpec": k.spec, "KeyUsage": "SIGN_VERIFY"}
	if !a.terse {
		out["KeySpec"], out["SigningAlgorithms"] = k.spec, a.algorithms(k)
	}
	return out
}

func (a *AWS) algorithms(k awsKey) []string {
	if own := map[string]string{"ECC_NIST_P256": "ECDSA_SHA_256", "ECC_NIST_P384": "ECDSA_SHA_384", "ECC_NIST_P521": "ECDSA_SHA_512"}[k.spec]; own != "" {
		return []string{own}
	}
	if a.only != "" {
		return []string{a.only}
	}
	return []string{
		"RSASSA_PSS_SHA_256", "RSASSA_PSS_SHA_384", "RSASSA_PSS_SHA_512",
		"RSASSA_PKCS1_V1_5_SHA_256", "RSASSA_PKCS1_V1_5_SHA_384", "RSASSA_PKCS1_V1_5_SHA_512",
	}
}

func (a *AWS) sign(id string, k awsKey, in awsCall) (any, error) {
	if !slices.Contains(a.algorithms(k), in.SigningAlgorithm) {
		return nil, awsFailure{"InvalidKeyUsageException", "Algorithm " + in.SigningAlgorithm + " is incompatible with key spec " + k.spec + "."}
	}
	h := map[string]crypto.Hash{"256": crypto.SHA256, "384": crypto.SHA384, "512": crypto.SHA512}[in.SigningAlgorithm[len(in.SigningAlgorithm)-3:]]
	if in.MessageType != "DIGEST" || len(in.Message) != h.Size() {
		return nil, awsFailure{"ValidationException", "Digest is invalid length for algorithm " + in.SigningAlgorithm}
	}
	var sig []byte
	var err error
	switch s := k.Signer.(type) {
	case *ecdsa.PrivateKey:
		sig, err = ecdsa.SignASN1(rand.Reader, s, in.Message)
	case *rsa.PrivateKey:
		if strings.Contains(in.SigningAlgorithm, "PSS") {
			sig, err = rsa.SignPSS(rand.Reader, s, h, in.Message, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
		} else {
			sig, err = rsa.SignPKCS1v15(rand.Reader, s, h, in.Message)
		}
	}
	return map[string]any{"KeyId": id, "Signature": sig, "SigningAlgorithm": in.SigningAlgorithm}, err
}

// checkSigned checks the request's signature. It takes the signed headers from the
// request's own list, as the service does.
func checkSigned(r *http.Request, body []byte) error {
	part := func(name string) string {
		_, rest, _ := strings.Cut(r.Header.Get("Authorization"), name+"=")
		value, _, _ := strings.Cut(rest, ",")
		return strings.TrimSpace(value)
	}
	id, within, _ := strings.Cut(part("Credential"), "/")
	if id != AWSKeyID {
		return awsFailure{"UnrecognizedClientException", "The security token included in the request is invalid."}
	}
	if t := r.Header.Get("X-Amz-Security-Token"); t != "" && t != AWSSession {
		return awsFailure{"ExpiredTokenException", "The security token included in the request is expired"}
	}
	names := strings.Split(part("SignedHeaders"), ";")
	for _, must := range []string{"host", "x-amz-date", "x-amz-target"} {
		if !slices.Contains(names, must) || !slices.IsSorted(names) {
			return awsFailure{"IncompleteSignatureException", must + " is not signed"}
		}
	}
	day := r.Header.Get("X-Amz-Date")[:8]
	if within != day+"/us-east-1/kms/aws4_request" {
		return awsFailure{"InvalidSignatureException", "Credential should be scoped to a valid region."}
	}
	text := r.Method + "\n" + r.URL.Path + "\n" + r.URL.RawQuery + "\n"
	for _, n := range names {
		value := r.Header.Get(n)
		if n == "host" {
			value = r.Host
		}
		text += n + ":" + value + "\n"
	}
	text += "\n" + strings.Join(names, ";") + "\n" + hexSum(body)
	text = "AWS4-HMAC-SHA256\n" + r.Header.Get("X-Amz-Date") + "\n" + within + "\n" + hexSum([]byte(text))
	key := []byte("AWS4" + AWSSecret)
	for _, p := range append(strings.Split(within, "/"), text) {
		h := hmac.New(sha256.New, key)
		h.Write([]byte(p))
		key = h.Sum(nil)
	}
	if hex.EncodeToString(key) != part("Signature") {
		return awsFailure{"InvalidSignatureException", "The request signature we calculated does not match the signature you provided."}
	}
	return nil
}

func hexSum(raw []byte) string {
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:])
}
