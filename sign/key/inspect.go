package key

import (
	"context"
	"fmt"
)

// Info is what can be told about a key without its password.
type Info struct {
	// Block is the type of the PEM block: the form of the key.
	Block string
	// Private says that it is a private key, Encrypted that a password opens it.
	Private, Encrypted bool
	// Protection names cipher and key derivation of an encrypted key.
	Protection string
	// Public is the public key, nil where the key is encrypted.
	Public *Public
}

// Inspect reads the key of the given name, private or public, and tells about
// it. It asks for no password; opts.Password is not used.
func Inspect(ctx context.Context, name string, opts Options) (Info, error) {
	text, err := read(ctx, name, opts)
	if err != nil {
		return Info{}, err
	}
	info, err := inspect(ctx, text, name, opts)
	if err != nil {
		return Info{}, fmt.Errorf("key %s: %w", name, err)
	}
	return info, nil
}

func inspect(ctx context.Context, text []byte, name string, opts Options) (Info, error) {
	block, err := decodePEM(text)
	if err != nil {
		return Info{}, err
	}
	info := Info{Block: block.Type, Private: isPrivate(block.Type)}
	switch {
	case !info.Private:
		info.Public, err = ParsePublic(text)
	case block.Type == pemSigstore || block.Type == pemCosign || block.Type == pemEncrypted:
		var l lock
		l, err = readLock(block)
		info.Encrypted, info.Protection = true, l.name
	default:
		var p *Private
		if p, err = parsePrivate(ctx, text, name, opts); err == nil {
			info.Public = p.public
		}
	}
	return info, err
}
