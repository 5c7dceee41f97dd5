package plugin_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sigstore/sigstore/pkg/signature"
	"github.com/sigstore/sigstore/pkg/signature/kms/cliplugin"
	"github.com/sigstore/sigstore/pkg/signature/kms/cliplugin/handler"
	"github.com/sigstore/sigstore/pkg/signature/options"

	"github.com/hallmark-oci/hallmark/sign/key/kmstest"
	"github.com/hallmark-oci/hallmark/sign/key/plugin"
)

// TestMain is the tests, or one of the plug-ins that they start: this program
// under the name of a plug-in.
func TestMain(m *testing.M) {
	scheme, ok := strings.CutPrefix(filepath.Base(os.Args[0]), plugin.Prefix)
	if !ok {
		os.Exit(m.Run())
	}
	os.Exit(behave(scheme, os.Args[1:]))
}

// testKey is the key that all plug-ins of the tests use: anyone may know it.
func testKey() *ecdsa.PrivateKey {
	k, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), bytes.Repeat([]byte{7}, 32))
	if err != nil {
		panic(err)
	}
	return k
}

func testPEM() []byte {
	der, err := x509.MarshalPKIXPublicKey(testKey().Public())
	if err != nil {
		panic(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

// ours is a key service that [plugin.Serve] serves.
type ours struct{ plugin.Request }

func (ours) Algorithms() []string { return []string{"ecdsa-p256", "other"} }

func (ours) CreateKey(_ context.Context, algorithm string) ([]byte, error) {
	if algorithm != "ecdsa-p256" {
		return nil, fmt.Errorf("algorithm %q", algorithm)
	}
	return testPEM(), nil
}

func (ours) PublicKey(context.Context) ([]byte, error) { return testPEM(), nil }

func (o ours) Sign(_ context.Context, m plugin.Message) ([]byte, error) {
	if m.Digest == nil {
		sum := sha256.New()
		if _, err := io.Copy(sum, m.Text); err != nil {
			return nil, err
		}
		m.Digest = sum.Sum(nil)
	}
	return testKey().Sign(nil, m.Digest, crypto.SHA256)
}

// theirs is a key service that Sigstore's own handler serves.
type theirs struct{ signature.SignerVerifier }

func (theirs) DefaultAlgorithm() string      { return "ecdsa-p256" }
func (theirs) SupportedAlgorithms() []string { return []string{"other", "ecdsa-p256"} }
func (theirs) CreateKey(context.Context, string) (crypto.PublicKey, error) {
	return testKey().Public(), nil
}
func (theirs) CryptoSigner(context.Context, func(error)) (crypto.Signer, crypto.SignerOpts, error) {
	return testKey(), crypto.SHA256, nil
}

const secret = "s.very-secret-token"

// behave is what the plug-in of that scheme does.
func behave(scheme string, args []string) int {
	good := func() int {
		return plugin.Serve(context.Background(), args, os.Stdin, os.Stdout, func(r plugin.Request) (plugin.Service, error) { return ours{r}, nil })
	}
	switch scheme {
	case "ours":
		return good()
	case "theirs":
		sv, err := signature.LoadSignerVerifier(testKey(), crypto.SHA256)
		if err != nil {
			return 3
		}
		a, err := handler.GetPluginArgs(os.Args)
		if err != nil {
			return 3
		}
		if _, err := handler.Dispatch(os.Stdout, os.Stdin, a, theirs{sv}); err != nil {
			return 3
		}
	case "exit7":
		good()
		return 7
	case "error":
		fmt.Fprintln(os.Stderr, "debug: token is", os.Getenv("SOME_TOKEN"))
		fmt.Println(`{"errorMessage":"permission denied for ` + os.Getenv("SOME_TOKEN") + `"}`)
	case "noise":
		fmt.Fprint(os.Stderr, strings.Repeat("x", 1<<20)+"the end")
		fmt.Println("Traceback")
	case "silent":
	case "empty":
		fmt.Println("{}")
	case "flood":
		for {
			if _, err := os.Stdout.Write(bytes.Repeat([]byte(" "), 1<<20)); err != nil {
				return 1
			}
		}
	case "long":
		fmt.Printf(`{"signMessage":{"signature":"%s"},"publicKey":{"publicKeyPEM":""}}`, strings.Repeat("AAAA", 1000))
	case "many":
		fmt.Printf(`{"defaultAlgorithm":{"defaultAlgorithm":"a"},"supportedAlgorithms":{"supportedAlgorithms":["a"%s]}}`, strings.Repeat(`,"b"`, 200))
	case "killed":
		p, _ := os.FindProcess(os.Getpid())
		_ = p.Kill()
		time.Sleep(time.Minute)
	case "hang", "orphan":
		// A child that holds the streams open and would write a file a little later.
		child := exec.Command("sh", "-c", "sleep 3; touch "+os.Getenv("MARK"))
		child.Stdout, child.Stderr = os.Stdout, os.Stderr
		if err := child.Start(); err != nil {
			return 3
		}
		if scheme == "orphan" {
			return good()
		}
		if err := os.WriteFile(os.Getenv("STARTED"), nil, 0o600); err != nil {
			return 3
		}
		time.Sleep(time.Minute)
	}
	return 0
}

// install makes this program the plug-in of that scheme and returns the
// environment in which it is found.
func install(t *testing.T, scheme string, more ...string) []string {
	t.Helper()
	dir := kmstest.Install(t, scheme)
	return append([]string{kmstest.Quick, "PATH=" + dir + string(filepath.ListSeparator) + os.Getenv("PATH")}, more...)
}

func find(t *testing.T, scheme string, more ...string) *plugin.Program {
	t.Helper()
	p, err := plugin.Find(scheme, "some/key", install(t, scheme, more...))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func check(t *testing.T, sig []byte, err error, message string) {
	t.Helper()
	sum := sha256.Sum256([]byte(message))
	if err != nil || !ecdsa.VerifyASN1(&testKey().PublicKey, sum[:], sig) {
		t.Errorf("signature %x: %v", sig, err)
	}
}

// TestBothHalves: our half against our other half, and against Sigstore's.
func TestBothHalves(t *testing.T) {
	for _, scheme := range []string{"ours", "theirs", "exit7"} {
		p := find(t, scheme)
		text, err := p.PublicKey(t.Context())
		block, _ := pem.Decode(text)
		want, _ := pem.Decode(testPEM())
		if err != nil || block == nil || !bytes.Equal(block.Bytes, want.Bytes) {
			t.Fatalf("%s: %q, %v", scheme, text, err)
		}
		sum := sha256.Sum256([]byte("m"))
		sig, err := p.SignDigest(t.Context(), crypto.SHA256, sum[:])
		check(t, sig, err, "m")
		sig, err = p.SignMessage(t.Context(), strings.NewReader("n"))
		check(t, sig, err, "n")
		names, err := p.Algorithms(t.Context())
		if err != nil || strings.Join(names, " ") != "ecdsa-p256 other" {
			t.Errorf("%s: %v, %v", scheme, names, err)
		}
		if text, err = p.CreateKey(t.Context(), "ecdsa-p256"); err != nil || len(text) == 0 {
			t.Errorf("%s: %q, %v", scheme, text, err)
		}
	}
	if _, err := find(t, "ours").CreateKey(t.Context(), "other"); !errors.Is(err, plugin.ErrFailed) || !strings.Contains(err.Error(), `algorithm "other"`) {
		t.Errorf("an error of the service: %v", err)
	}
}

// TestTheirClient: Sigstore's client, and so cosign, against what Serve serves.
func TestTheirClient(t *testing.T) {
	for _, v := range install(t, "ours") {
		name, value, _ := strings.Cut(v, "=")
		t.Setenv(name, value)
	}
	sv, err := cliplugin.LoadSignerVerifier(t.Context(), "ours://some/key", crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	pub, err := sv.PublicKey()
	if err != nil || !testKey().PublicKey.Equal(pub) {
		t.Errorf("%v, %v", pub, err)
	}
	sig, err := sv.SignMessage(strings.NewReader("m"))
	check(t, sig, err, "m")
	sum := sha256.Sum256([]byte("n"))
	sig, err = sv.SignMessage(strings.NewReader(""), options.WithDigest(sum[:]), options.WithCryptoSignerOpts(crypto.SHA256))
	check(t, sig, err, "n")
	if got := sv.DefaultAlgorithm(); got != "ecdsa-p256" {
		t.Error(got)
	}
	if pub, err = sv.CreateKey(t.Context(), "ecdsa-p256"); err != nil || !testKey().PublicKey.Equal(pub) {
		t.Errorf("%v, %v", pub, err)
	}
	if err := sv.VerifySignature(bytes.NewReader(sig), strings.NewReader("n")); err == nil || !strings.Contains(err.Error(), "public key") {
		t.Errorf("remote verification is not served: %v", err)
	}
}

// TestBadPlugins: whatever a plug-in does, the answer is an error that says what
// happened and gives no secret away.
func TestBadPlugins(t *testing.T) {
	sum := sha256.Sum256(nil)
	for scheme, want := range map[string]struct {
		err  error
		text string
	}{
		"error":  {plugin.ErrFailed, "permission denied for [value of SOME_TOKEN]; it wrote: debug: token is [value of SOME_TOKEN]"},
		"noise":  {plugin.ErrAnswer, "xxthe end"},
		"silent": {plugin.ErrAnswer, "empty"},
		"empty":  {plugin.ErrAnswer, "no "},
		"flood":  {plugin.ErrAnswer, "more than"},
		"long":   {plugin.ErrAnswer, ""},
		"killed": {plugin.ErrFailed, "signal: killed"},
	} {
		p := find(t, scheme, "SOME_TOKEN="+secret)
		_, perr := p.PublicKey(t.Context())
		_, serr := p.SignDigest(t.Context(), crypto.SHA256, sum[:])
		for _, err := range []error{perr, serr} {
			switch {
			case !errors.Is(err, want.err) || !strings.Contains(err.Error(), want.text) || !strings.Contains(err.Error(), plugin.Prefix+scheme):
				t.Errorf("%s: %v", scheme, err)
			case strings.Contains(err.Error(), secret) || len(err.Error()) > 8<<10:
				t.Errorf("%s: a secret, or a flood: %.200s", scheme, err)
			}
		}
	}
	if _, err := find(t, "many").Algorithms(t.Context()); !errors.Is(err, plugin.ErrAnswer) {
		t.Errorf("too many algorithms: %v", err)
	}
}

// TestEnded: a plug-in that is not waited for any longer is gone with its children,
// and one that has answered leaves none behind.
func TestEnded(t *testing.T) {
	dir := t.TempDir()
	mark, started := filepath.Join(dir, "mark"), filepath.Join(dir, "started")
	env := []string{"MARK=" + mark, "STARTED=" + started}
	ctx, cancel := context.WithCancelCause(t.Context())
	reason := errors.New("enough")
	go func() {
		for {
			if _, err := os.Stat(started); err == nil {
				cancel(reason)
				return
			}
			time.Sleep(5 * time.Millisecond)
		}
	}()
	begin := time.Now()
	if _, err := find(t, "hang", env...).PublicKey(ctx); !errors.Is(err, reason) {
		t.Errorf("cancelled: %v", err)
	}
	if _, err := find(t, "orphan", env...).PublicKey(t.Context()); err != nil {
		t.Errorf("a child that stays: %v", err)
	}
	// The children would have made the file three seconds after they were started.
	time.Sleep(time.Until(begin.Add(6 * time.Second)))
	if _, err := os.Stat(mark); err == nil {
		t.Error("a child lived on")
	}
}

func TestFind(t *testing.T) {
	env := install(t, "ours")
	t.Chdir(t.TempDir())
	if err := os.WriteFile(plugin.Prefix+"here", []byte("#!/bin/sh\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	for scheme, path := range map[string][]string{"none": env, "here": {"PATH=.::relative"}, "../x": env, "": env, "Ours": env, "a b": env, "ours": nil} {
		if _, err := plugin.Find(scheme, "k", path); !errors.Is(err, plugin.ErrMissing) {
			t.Errorf("%q: %v", scheme, err)
		}
	}
}

// TestServe: calls that are none are answered with an error, in the protocol.
func TestServe(t *testing.T) {
	init := `"initOptions":{"protocolVersion":"v1","keyResourceID":"k","hashFunc":5,"rpcOptions":null}`
	for name, args := range map[string][]string{
		"nothing":  nil,
		"version":  {"v2", "{" + init + `,"methodName":"publicKey"}`},
		"garbage":  {"v1", "x"},
		"no key":   {"v1", `{"methodName":"publicKey"}`},
		"inner":    {"v1", `{"initOptions":{"protocolVersion":"v9","keyResourceID":"k"},"methodName":"publicKey"}`},
		"method":   {"v1", "{" + init + `,"methodName":"export"}`},
		"no name":  {"v1", "{" + init + `,"methodName":"createKey"}`},
		"digest":   {"v1", "{" + init + `,"methodName":"signMessage","signMessage":{"signOptions":{"messageOptions":{"digest":"AAAA","hashFunc":5}}}}`},
		"hash":     {"v1", "{" + init + `,"methodName":"signMessage","signMessage":{"signOptions":{"messageOptions":{"digest":"AAAA","hashFunc":99}}}}`},
		"too much": {"v1", "{" + init + `,"methodName":"` + strings.Repeat("x", 70<<10) + `"}`},
	} {
		var out strings.Builder
		code := plugin.Serve(t.Context(), args, strings.NewReader(""), &out, func(r plugin.Request) (plugin.Service, error) { return ours{r}, nil })
		if code == 0 || !strings.Contains(out.String(), `"errorMessage":"`) {
			t.Errorf("%s: %d, %s", name, code, out.String())
		}
	}
}
