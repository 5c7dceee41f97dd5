package cli

import (
	"crypto/tls"
	"fmt"
	"sync/atomic"
)

// A keyPair is a certificate with its key, from files that may be replaced.
type keyPair struct {
	cert, key string
	current   atomic.Pointer[tls.Certificate]
}

func newKeyPair(cert, key string) (*keyPair, error) {
	p := &keyPair{cert: cert, key: key}
	return p, p.load()
}

// load reads the files. On an error the pair stays what it was.
func (p *keyPair) load() error {
	pair, err := tls.LoadX509KeyPair(p.cert, p.key)
	if err != nil {
		return fmt.Errorf("certificate %s with key %s: %w", p.cert, p.key, err)
	}
	p.current.Store(&pair)
	return nil
}

// get implements tls.Config.GetCertificate.
func (p *keyPair) get(*tls.ClientHelloInfo) (*tls.Certificate, error) { return p.current.Load(), nil }
