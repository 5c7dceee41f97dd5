package plugin

import (
	"errors"
	"strings"
	"testing"
)

// TestHide: of several values the longest is hidden first, so that none of it is left
// where another is a part of it; and those of keys are.
func TestHide(t *testing.T) {
	for _, c := range []struct {
		text, want string
		env        []string
	}{
		{"x hunter2-long y", "x [value of B_TOKEN] y", []string{"A_TOKEN=hunter2", "B_TOKEN=hunter2-long"}},
		{"x hunter2 y", "x [value of A_TOKEN] y", []string{"A_TOKEN=hunter2", "B_TOKEN=hunter2-long"}},
		{"abcdefgh", "[value of A_TOKEN][value of B_TOKEN]", []string{"A_TOKEN=abcde", "B_TOKEN=cdefgh"}},
		{"by deadbeef", "by [value of SIGNING_KEY]", []string{"SIGNING_KEY=deadbeef"}},
		{"at deadbeef", "at deadbeef", []string{"MONKEY=deadbeef", "NAME=deadbeef"}},
		{"abc", "abc", []string{"A_TOKEN=abc", "B_TOKEN="}},
		{"aaaaaaaa", "[value of A_TOKEN]", []string{"A_TOKEN=aaaa"}},
	} {
		if got := hide(c.text, c.env); got != c.want {
			t.Errorf("%q: %q, not %q", c.text, got, c.want)
		}
	}
}

// TestHiddenBeforeCut: a value of which the limit would leave a part is hidden as a
// whole, at the beginning of what is kept of the noise and at the end of what is
// repeated of a message.
func TestHiddenBeforeCut(t *testing.T) {
	secret := strings.Repeat("s3cr", 16)
	p := &Program{path: "/x/sigstore-kms-x", env: []string{"A_TOKEN=" + secret}}
	said := func(err error, noise *tail) string { return p.fail("publicKey", err, noise).Error() }
	for _, rest := range []int{maxNoise - len(secret) + 1, maxNoise - 32, maxNoise - 4, maxNoise} {
		for _, size := range []int{1, 7, 1 << 20} { // of the pieces in which it is written
			noise := p.noise()
			for all := strings.Repeat("x", 5000) + secret + strings.Repeat("y", rest); all != ""; {
				n := min(size, len(all))
				if _, err := noise.Write([]byte(all[:n])); err != nil {
					t.Fatal(err)
				}
				all = all[n:]
			}
			got := said(errors.New("no"), noise)
			if strings.Contains(got, "s3cr") || strings.Contains(got, "xx") || !strings.HasSuffix(got, strings.Repeat("y", min(rest, maxNoise))) {
				t.Errorf("%d behind it, in pieces of %d: %.300s", rest, size, got)
			}
		}
	}
	// Many values shrink when they are hidden: what was cut off before them stays so.
	noise := p.noise()
	if _, err := noise.Write([]byte("x" + strings.Repeat(secret+".", 1000))); err != nil {
		t.Fatal(err)
	}
	if got := said(errors.New("no"), noise); strings.Contains(got, "s3cr") {
		t.Errorf("a part of one of many: %.300s", got)
	}
	for _, before := range []int{maxError - len(secret) + 1, maxError - 8, maxError} {
		_, err := p.read("publicKey", []byte(`{"errorMessage":"`+strings.Repeat("x", before)+secret+`yyyy"}`), nil)
		if err == nil || strings.Contains(err.Error(), "s3cr") || strings.Contains(err.Error(), "yy") {
			t.Errorf("%d before it: %v", before, err)
		}
	}
}
