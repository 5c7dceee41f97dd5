package bundle

import (
	"strings"

	"github.com/hallmark-oci/hallmark/sign/jsonscan"
)

// A parser reads one bundle.
type parser struct {
	*jsonscan.Scanner
	out Bundle
	// names is what the member names of the objects that are being read count.
	names int
	// How many of each were there; null is none.
	materials, contents, keys int
}

// A field reads the value of one member.
type field func() error

// bundle reads the document.
func (p *parser) bundle() error {
	err := p.members(map[string]field{
		"mediaType":            func() (err error) { p.out.MediaType, err = p.String(MaxHint); return err },
		"verificationMaterial": p.verification,
		"dsseEnvelope":         p.envelope,
		"messageSignature":     p.message,
	})
	if err == nil {
		err = p.End()
	}
	if err == nil {
		err = p.check()
	}
	return err
}

// envelope notes where the envelope stands. Package dsse reads it, with checks
// of its own.
func (p *parser) envelope() error {
	if p.Peek() != '{' {
		return refuse("dsseEnvelope is no object")
	}
	p.contents++
	var err error
	p.out.envelope.offset, p.out.envelope.length, err = p.Span()
	return err
}

// message notes where the message signature stands.
func (p *parser) message() error {
	p.contents++
	return p.noted(&p.out.message, p.object)
}

// verification reads the verification material and notes where it stands.
func (p *parser) verification() error {
	p.materials++
	return p.noted(&p.out.material, p.material)
}

// noted reads a value and notes where it stands.
func (p *parser) noted(at *span, read field) error {
	p.Peek() // past what stands before the value
	at.offset = p.Offset()
	err := read()
	at.length = p.Offset() - at.offset
	return err
}

// material reads what the signature is to be checked with.
func (p *parser) material() error {
	return p.members(map[string]field{
		"publicKey": func() error {
			p.keys++
			return p.members(map[string]field{
				"hint": func() (err error) { p.out.Hint, err = p.String(MaxHint); return err },
			})
		},
		"certificate": func() error {
			p.keys++
			p.out.HasCertificate = true
			return p.object()
		},
		"x509CertificateChain": func() error {
			p.keys++
			p.out.HasCertificate = true
			return p.chain()
		},
		"tlogEntries": func() (err error) {
			p.out.LogEntries, err = p.objects("log entries", MaxLogEntries)
			return err
		},
		"timestampVerificationData": func() error {
			return p.members(map[string]field{
				"rfc3161Timestamps": func() (err error) {
					p.out.Timestamps, err = p.objects("timestamps", MaxTimestamps)
					return err
				},
			})
		},
	})
}

// chain reads a chain of certificates, which must not be empty.
func (p *parser) chain() error {
	n := 0
	err := p.members(map[string]field{
		"certificates": func() (err error) { n, err = p.objects("certificates", MaxCertificates); return err },
	})
	if err == nil && n == 0 {
		err = refuse("a certificate chain without certificate")
	}
	return err
}

// members reads an object. Members that are null are absent, unknown ones are
// skipped, and names that another reader takes for a known one are refused.
func (p *parser) members(known map[string]field) error {
	return p.each(func(name string) error {
		read, ok := known[name]
		switch {
		case ok && p.Peek() == 'n':
			return p.Skip() // null, or an error
		case ok:
			return read()
		}
		for k := range known {
			if strings.EqualFold(strings.ReplaceAll(name, "_", ""), k) {
				return refuse("member %.100q, which some readers take for %q", name, k)
			}
		}
		return p.value()
	})
}

// objects reads an array of objects and returns their number. It stops at the
// first one above the limit.
func (p *parser) objects(what string, limit int) (int, error) {
	n := 0
	err := p.Array(func(i int) error {
		if i == limit {
			return refuse("more than %d %s", limit, what)
		}
		n++
		return p.object()
	})
	return n, err
}

// object reads an object that is not looked into.
func (p *parser) object() error {
	if p.Peek() != '{' {
		return refuse("a value where an object belongs")
	}
	return p.value()
}

// each reads an object as [jsonscan.Scanner.Object] does, within [MaxNames].
func (p *parser) each(visit func(name string) error) error {
	outside := p.names
	err := p.Object(func(name string) error {
		if p.names += len(name) + 64; p.names > MaxNames {
			return refuse("member names of more than %d bytes inside each other", MaxNames)
		}
		return visit(name)
	})
	p.names = outside
	return err
}

// value reads any value and refuses objects in it that name a member twice. The
// scanner bounds how deep it goes.
func (p *parser) value() error {
	switch p.Peek() {
	case '{':
		return p.each(func(string) error { return p.value() })
	case '[':
		return p.Array(func(int) error { return p.value() })
	}
	return p.Skip()
}
