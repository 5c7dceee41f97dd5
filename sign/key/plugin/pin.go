package plugin

import (
	"encoding/hex"
	"strings"
)

// NamesPIN reports whether the attribute pin-value of RFC 7512, which is a PIN itself,
// stands in the name of a key, in any case of letters and with or without percent
// encoding: some libraries decode names of attributes too.
func NamesPIN(resource string) bool {
	var plain strings.Builder
	for i := 0; i < len(resource); i++ {
		if resource[i] == '%' && i+3 <= len(resource) {
			if b, err := hex.DecodeString(resource[i+1 : i+3]); err == nil {
				plain.Write(b)
				i += 2
				continue
			}
		}
		plain.WriteByte(resource[i])
	}
	return strings.Contains(strings.ToLower(plain.String()), "pin-value")
}
