package plugin

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

// FuzzAnswer: whatever a plug-in answers, it is read or it is an error that says
// which of the two faults it was, and nothing that looks like a secret comes through.
func FuzzAnswer(f *testing.F) {
	f.Add(`{"publicKey":{"publicKeyPEM":"AAAA"}}`, "")
	f.Add(`{"errorMessage":"no, hunter22"}`, "token: hunter22")
	f.Add(`[]`, "x")
	f.Fuzz(func(t *testing.T, out, noise string) {
		p := Program{path: "/bin/sigstore-kms-x", resource: "k", env: []string{"X_TOKEN=hunter22"}}
		var said tail
		_, _ = said.Write([]byte(noise))
		_, err := p.read(methodPublic, []byte(out), &said)
		switch {
		case err == nil:
		case !errors.Is(err, ErrAnswer) && !errors.Is(err, ErrFailed):
			t.Errorf("an error of no kind: %v", err)
		case strings.Contains(err.Error(), "hunter22"):
			t.Errorf("a secret: %v", err)
		}
	})
}

// nobody is a key service that does nothing.
type nobody struct{}

func (nobody) Algorithms() []string                              { return []string{"a"} }
func (nobody) CreateKey(context.Context, string) ([]byte, error) { return nil, errors.New("no") }
func (nobody) PublicKey(context.Context) ([]byte, error)         { return []byte("k"), nil }
func (nobody) Sign(context.Context, Message) ([]byte, error)     { return []byte("s"), nil }

// FuzzServe: whatever a plug-in is called with, it answers with one document.
func FuzzServe(f *testing.F) {
	f.Add(`{"initOptions":{"protocolVersion":"v1","keyResourceID":"k","hashFunc":5},"methodName":"signMessage","signMessage":{"signOptions":{"messageOptions":{"digest":"","hashFunc":5}}}}`)
	f.Add(`{"initOptions":{"protocolVersion":"v1","keyResourceID":"k","rpcOptions":{"keyVersion":"1"}},"methodName":"publicKey","publicKey":{}}`)
	f.Fuzz(func(t *testing.T, args string) {
		var out strings.Builder
		code := Serve(t.Context(), []string{Version, args}, strings.NewReader("m"), &out, func(Request) (Service, error) { return nobody{}, nil })
		var a answer
		if err := json.Unmarshal([]byte(out.String()), &a); err != nil || (a.Error == "") != (code == 0) {
			t.Errorf("exit code %d, %q: %v", code, out.String(), err)
		}
	})
}
