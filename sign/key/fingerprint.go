package key

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

// A Fingerprint is the SHA-256 of a public key's SubjectPublicKeyInfo in DER.
// It is the same for one key in all its forms: an RSA key that is marked for
// PSS is hashed as if it were not, so that it counts once.
type Fingerprint [sha256.Size]byte

// String returns the fingerprint in lower-case hexadecimal.
func (f Fingerprint) String() string { return hex.EncodeToString(f[:]) }

// Digest returns the fingerprint as answers, policies and revocation lists write it:
// sha256: and 64 lower-case hexadecimal digits.
func (f Fingerprint) Digest() string { return "sha256:" + f.String() }

// ParseFingerprint reads what [Fingerprint.Digest] returns and nothing else. The error
// wraps [ErrFormat].
func ParseFingerprint(text string) (Fingerprint, error) {
	var f Fingerprint
	digits, ok := strings.CutPrefix(text, "sha256:")
	raw, err := hex.DecodeString(digits)
	if !ok || err != nil || len(raw) != len(f) || digits != strings.ToLower(digits) {
		return Fingerprint{}, fmt.Errorf("%.100q is no fingerprint, sha256: and 64 lower-case hexadecimal digits: %w", text, ErrFormat)
	}
	copy(f[:], raw)
	return f, nil
}
