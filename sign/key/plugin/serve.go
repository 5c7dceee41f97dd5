package plugin

import (
	"context"
	"crypto"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
)

// A Request is one call of a plug-in.
type Request struct {
	// Resource names the key: what follows the scheme's ://.
	Resource string
	// Version is the version of the key that is asked for, most often "".
	Version string
}

// A Message is what is to be signed: a digest, or where Digest is nil the message
// itself, which is read from Text.
type Message struct {
	Digest []byte
	Hash   crypto.Hash
	Text   io.Reader
}

// A Service is a key in a key service.
type Service interface {
	// Algorithms returns the algorithms of keys that can be made, the default first.
	Algorithms() []string
	// CreateKey makes the key and returns its public key as PEM.
	CreateKey(ctx context.Context, algorithm string) ([]byte, error)
	// PublicKey returns the public key as PEM.
	PublicKey(ctx context.Context) ([]byte, error)
	// Sign returns the signature over the message: DER for ECDSA.
	Sign(ctx context.Context, m Message) ([]byte, error)
}

// Serve answers one call of a plug-in: it reads args, those of the process without
// its name, opens the key, does what is asked and writes the answer to out. It
// returns the exit code of the process.
func Serve(ctx context.Context, args []string, in io.Reader, out io.Writer, open func(Request) (Service, error)) int {
	a, err := serve(ctx, args, in, open)
	if err != nil {
		a = answer{Error: err.Error()}
	}
	if werr := json.NewEncoder(out).Encode(a); werr != nil || err != nil {
		return 1
	}
	return 0
}

func serve(ctx context.Context, args []string, in io.Reader, open func(Request) (Service, error)) (answer, error) {
	if len(args) != 2 || args[0] != Version {
		return answer{}, fmt.Errorf("a plug-in that is started by tools such as hallmark and cosign, with two arguments of which the first is %q", Version)
	}
	a, err := parseArguments([]byte(args[1]))
	if err != nil {
		return answer{}, err
	}
	if a.Init.Deadline != nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, *a.Init.Deadline)
		defer cancel()
	}
	s, err := open(Request{Resource: a.Init.Resource, Version: a.version()})
	if err != nil {
		return answer{}, err
	}
	return a.dispatch(ctx, s, in)
}

// parseArguments reads the document that a plug-in is given.
func parseArguments(raw []byte) (arguments, error) {
	var a arguments
	if len(raw) > maxArguments {
		return a, fmt.Errorf("arguments of more than %d bytes", maxArguments)
	}
	if err := json.Unmarshal(raw, &a); err != nil {
		return a, fmt.Errorf("arguments: %w", err)
	}
	switch {
	case a.Init == nil || a.Init.Resource == "":
		return a, errors.New("arguments: no key is named")
	case a.Init.Protocol != Version:
		return a, fmt.Errorf("arguments: protocol version %q, not %q", a.Init.Protocol, Version)
	}
	return a, nil
}

// version returns the version of the key that the call asks for.
func (a arguments) version() string {
	var all []*rpcOptions
	if a.Sign != nil {
		all = append(all, &a.Sign.Options.RPC)
	}
	if a.Public != nil {
		all = append(all, &a.Public.Options.RPC)
	}
	for _, rpc := range append(all, a.Init.RPC) {
		if rpc != nil && rpc.KeyVersion != nil && *rpc.KeyVersion != "" {
			return *rpc.KeyVersion
		}
	}
	return ""
}

func (a arguments) dispatch(ctx context.Context, s Service, in io.Reader) (answer, error) {
	switch a.Method {
	case methodDefault:
		return answer{Default: &defaultAnswer{s.Algorithms()[0]}}, nil
	case methodSupported:
		return answer{Supported: &supportedAnswer{s.Algorithms()}}, nil
	case methodPublic:
		text, err := s.PublicKey(ctx)
		return answer{Public: &publicAnswer{text}}, err
	case methodCreate:
		if a.Create == nil {
			return answer{}, errors.New("arguments: no algorithm is named")
		}
		text, err := s.CreateKey(ctx, a.Create.Algorithm)
		return answer{Create: &publicAnswer{text}}, err
	case methodSign:
		m, err := a.message(in)
		if err != nil {
			return answer{}, err
		}
		sig, err := s.Sign(ctx, m)
		return answer{Sign: &signAnswer{sig}}, err
	}
	return answer{}, fmt.Errorf("method %q is not served here; signatures are verified with the public key", a.Method)
}

// message returns what is to be signed. An empty digest is none: Sigstore's client
// sends one where it means the message.
func (a arguments) message(in io.Reader) (Message, error) {
	m := Message{Hash: a.Init.Hash, Text: in}
	if a.Sign == nil {
		return m, nil
	}
	o := a.Sign.Options.Message
	if o.Hash != nil {
		m.Hash = *o.Hash
	}
	if o.Digest != nil && len(*o.Digest) > 0 {
		m.Digest = *o.Digest
		if !m.Hash.Available() || m.Hash.Size() != len(m.Digest) {
			return m, fmt.Errorf("arguments: a digest of %d bytes, which is none of hash %d", len(m.Digest), m.Hash)
		}
	}
	return m, nil
}

// ReadFile reads a file of a plug-in's configuration, of at most limit bytes.
func ReadFile(name string, limit int64) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(raw)) > limit {
		err = fmt.Errorf("%s has more than %d bytes", name, limit)
	}
	return raw, err
}
