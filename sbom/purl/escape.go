package purl

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

const hexDigits = "0123456789ABCDEF"

// plain reports whether the byte stands for itself in every part. The colon
// does: it separates nothing behind the scheme.
func plain(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' ||
		c == '-' || c == '.' || c == '_' || c == '~' || c == ':'
}

// escape writes s percent-encoded, with '/' encoded too.
func escape(b *strings.Builder, s string) { escapeExcept(b, s, 0) }

// escapePath writes s percent-encoded, with '/' kept as separator.
func escapePath(b *strings.Builder, s string) { escapeExcept(b, s, '/') }

func escapeExcept(b *strings.Builder, s string, keep byte) {
	from := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		if plain(c) || c == keep && keep != 0 {
			continue
		}
		b.WriteString(s[from:i])
		b.WriteByte('%')
		b.WriteByte(hexDigits[c>>4])
		b.WriteByte(hexDigits[c&15])
		from = i + 1
	}
	b.WriteString(s[from:])
}

// unescape decodes a percent-encoded part. A plus sign is a plus sign.
func unescape(s string) (string, error) {
	if strings.IndexByte(s, '%') < 0 {
		return s, checkUTF8(s)
	}
	var b strings.Builder
	b.Grow(len(s))
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			b.WriteByte(s[i])
			continue
		}
		if i+2 >= len(s) {
			return "", fmt.Errorf("%q ends inside a percent escape", s)
		}
		hi, lo := unhex(s[i+1]), unhex(s[i+2])
		if hi < 0 || lo < 0 {
			return "", fmt.Errorf("%q holds the malformed percent escape %q", s, s[i:i+3])
		}
		b.WriteByte(byte(hi<<4 | lo))
		i += 2
	}
	return b.String(), checkUTF8(b.String())
}

func checkUTF8(s string) error {
	if !utf8.ValidString(s) {
		return fmt.Errorf("%q is not UTF-8", s)
	}
	return nil
}

func unhex(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c|0x20 >= 'a' && c|0x20 <= 'f':
		return int(c|0x20-'a') + 10
	}
	return -1
}
