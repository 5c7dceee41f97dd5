package key_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/hallmark-oci/hallmark/sign/key"
)

// TestFingerprint: what is written is read, and nothing that is nearly that.
func TestFingerprint(t *testing.T) {
	good := "sha256:" + strings.Repeat("0a", 31) + "ff"
	f, err := key.ParseFingerprint(good)
	if err != nil || f.Digest() != good || f[0] != 0x0a || f[31] != 0xff {
		t.Fatalf("%s: %s, %v", good, f.Digest(), err)
	}
	for _, bad := range []string{
		"", "sha256:", good[len("sha256:"):], "sha512:" + good[len("sha256:"):], "SHA256:" + good[len("sha256:"):],
		good[:len(good)-1], good[:len(good)-2], good + "00", good + "\n", " " + good, strings.ToUpper(good[:9]) + good[9:],
		"sha256:" + strings.ToUpper(good[len("sha256:"):]), good[:len(good)-1] + "g", "sha256:sha256:" + good[len("sha256:"):],
	} {
		if f, err := key.ParseFingerprint(bad); !errors.Is(err, key.ErrFormat) || f != (key.Fingerprint{}) {
			t.Errorf("%q: %v, %v", bad, f, err)
		}
	}
}
