// Package wycheproof reads the signature vectors of Project Wycheproof: keys,
// messages and signatures of which many are made to be accepted by mistake. It is
// for tests.
//
// The vectors are those of one version of the Go module github.com/c2sp/wycheproof.
// They are no dependency: the go command fetches the module into its cache when a
// test asks for it, as it does for Go's own tests, and what comes must have the sum
// that stands here.
package wycheproof

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// The module, and the sum of its content as a go.sum would hold it.
const (
	Module  = "github.com/c2sp/wycheproof"
	Version = "v0.0.0-20260902155932-3fa63dd0344a"
	Sum     = "h1:pNbL2nztRsWfW/ispAwsvcDFxs9Id38uIsR2/Up5G2c="
)

// A Group is a number of vectors for one key.
type Group struct {
	// SHA is the hash of the message, such as SHA-256.
	SHA string `json:"sha"`
	// Hash of MGF1 and length of the salt in bytes, of RSASSA-PSS.
	MGF        string   `json:"mgf"`
	MGFSHA     string   `json:"mgfSha"`
	SaltLength int      `json:"sLen"`
	PEM        string   `json:"publicKeyPem"`
	Vectors    []Vector `json:"tests"`
}

// A Vector is a signature and whether it holds.
type Vector struct {
	ID        int    `json:"tcId"`
	Comment   string `json:"comment"`
	Message   Hex    `json:"msg"`
	Signature Hex    `json:"sig"`
	// Result is valid, invalid, or acceptable: what old software makes and may be
	// refused.
	Result string `json:"result"`
}

// Hex is bytes that stand in JSON as hexadecimal digits.
type Hex []byte

// UnmarshalText implements encoding.TextUnmarshaler.
func (h *Hex) UnmarshalText(text []byte) (err error) {
	*h, err = hex.AppendDecode(nil, text)
	return err
}

// Read returns the groups of one file, such as ed25519_test.json. The test fails
// where there is none, or where a vector in it has another form than is known.
func Read(t testing.TB, dir, name string) []Group {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(dir, "testvectors_v1", name))
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Number int     `json:"numberOfTests"`
		Groups []Group `json:"testGroups"`
	}
	if err := json.Unmarshal(raw, &file); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	n := 0
	for _, g := range file.Groups {
		if g.PEM == "" {
			t.Fatalf("%s: a group without a public key", name)
		}
		n += len(g.Vectors)
	}
	if n == 0 || n != file.Number {
		t.Fatalf("%s: %d vectors, the file says %d", name, n, file.Number)
	}
	return file.Groups
}

// Fetch returns the folder of the module. The test fails, and says what to do, where
// the module cannot be had or is another one.
func Fetch(t testing.TB) (dir string) {
	t.Helper()
	cmd := exec.Command("go", "mod", "download", "-json", Module+"@"+Version)
	cmd.Dir = t.TempDir() // away from this module, which does not depend on it
	out, err := cmd.Output()
	var m struct{ Dir, Sum, Error string }
	if jerr := json.Unmarshal(out, &m); err == nil {
		err = jerr
	}
	switch {
	case err != nil || m.Error != "":
		t.Fatalf("Wycheproof's vectors were not obtained, so nothing was tested: go mod download %s@%s: %v %s; the go command must reach a module proxy (GOPROXY), once",
			Module, Version, err, m.Error)
	case m.Sum != Sum:
		t.Fatalf("%s@%s has the sum %s, not %s", Module, Version, m.Sum, Sum)
	}
	return m.Dir
}
