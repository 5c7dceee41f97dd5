// Package plugin speaks the protocol by which Sigstore's tools use keys that live
// in a key service: both halves of it.
//
// A key is named SCHEME://RESOURCE, and what can use it is a program called
// sigstore-kms-SCHEME on the PATH. The program is started once for each call,
// with the version of the protocol and a JSON document as its arguments; what is
// to be signed comes on its standard input, and it answers with one JSON document
// on its standard output. Its exit code means nothing. Secrets never stand in the
// arguments, which everyone on the machine can read: a plug-in finds its own, in
// the environment or in files.
//
// [Program] is the half of the tool that wants a signature, [Serve] that of the
// plug-in. The documents are those of package kms/cliplugin/common of
// github.com/sigstore/sigstore; its client is not used, because it ends the
// process when a plug-in fails, reads answers of any size, and lets plug-ins
// write to the terminal.
package plugin

import (
	"crypto"
	"errors"
	"fmt"
	"regexp"
	"sync"
	"time"
)

// Prefix is how the names of plug-ins begin; the scheme follows.
const Prefix = "sigstore-kms-"

// Version is the version of the protocol.
const Version = "v1"

// The methods.
const (
	methodDefault   = "defaultAlgorithm"
	methodSupported = "supportedAlgorithms"
	methodCreate    = "createKey"
	methodPublic    = "publicKey"
	methodSign      = "signMessage"
)

// Errors that callers tell apart with errors.Is.
var (
	// ErrMissing says that there is no such plug-in, or no name for one.
	ErrMissing = errors.New("no such plug-in")
	// ErrFailed says that the plug-in did not do what it was asked.
	ErrFailed = errors.New("the plug-in failed")
	// ErrAnswer says that the plug-in's answer is none.
	ErrAnswer = errors.New("the plug-in's answer cannot be used")
)

// schemes are what may stand before the :// of a key: what is safe as the end of a
// file's name.
var schemes = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,62}$`) })

// CheckScheme refuses a scheme that no plug-in can be called by.
func CheckScheme(scheme string) error {
	if !schemes().MatchString(scheme) {
		return fmt.Errorf("scheme %q: want up to 63 of a-z, 0-9, '.', '_', '-', the first a letter or digit: %w", scheme, ErrMissing)
	}
	return nil
}

// arguments is the document that a plug-in is given. Pointers are what the other
// side may leave out.
type arguments struct {
	Init      *initOptions   `json:"initOptions"`
	Method    string         `json:"methodName"`
	Default   *struct{}      `json:"defaultAlgorithm,omitempty"`
	Supported *struct{}      `json:"supportedAlgorithms,omitempty"`
	Create    *createOptions `json:"createKey,omitempty"`
	Public    *publicOptions `json:"publicKey,omitempty"`
	Sign      *signArguments `json:"signMessage,omitempty"`
}

type initOptions struct {
	Deadline *time.Time  `json:"ctxDeadline,omitempty"`
	Protocol string      `json:"protocolVersion"`
	Resource string      `json:"keyResourceID"`
	Hash     crypto.Hash `json:"hashFunc"`
	RPC      *rpcOptions `json:"rpcOptions"`
}

type rpcOptions struct {
	Deadline   *time.Time `json:"ctxDeadline,omitempty"`
	KeyVersion *string    `json:"keyVersion,omitempty"`
	Remote     *bool      `json:"remoteVerification,omitempty"`
}

type createOptions struct {
	Deadline  *time.Time `json:"ctxDeadline,omitempty"`
	Algorithm string     `json:"algorithm"`
}

type publicOptions struct {
	Options publicKeyOptions `json:"publicKeyOptions"`
}

type publicKeyOptions struct {
	RPC rpcOptions `json:"rpcOptions"`
}

type signArguments struct {
	Options signOptions `json:"signOptions"`
}

type signOptions struct {
	RPC     rpcOptions     `json:"rpcOptions"`
	Message messageOptions `json:"messageOptions"`
}

type messageOptions struct {
	Digest *[]byte      `json:"digest,omitempty"`
	Hash   *crypto.Hash `json:"hashFunc,omitempty"`
}

// answer is the document that a plug-in writes.
type answer struct {
	Error     string           `json:"errorMessage,omitempty"`
	Default   *defaultAnswer   `json:"defaultAlgorithm,omitempty"`
	Supported *supportedAnswer `json:"supportedAlgorithms,omitempty"`
	Create    *publicAnswer    `json:"createKey,omitempty"`
	Public    *publicAnswer    `json:"publicKey,omitempty"`
	Sign      *signAnswer      `json:"signMessage,omitempty"`
}

type defaultAnswer struct {
	Algorithm string `json:"defaultAlgorithm"`
}

type supportedAnswer struct {
	Algorithms []string `json:"supportedAlgorithms"`
}

type publicAnswer struct {
	PEM []byte `json:"publicKeyPEM"`
}

type signAnswer struct {
	Signature []byte `json:"signature"`
}
