package main

import (
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/hallmark-oci/hallmark/testdata/peers/sandbox/token"
)

// writeFiles writes the tokens and, last, the file env, whose presence says that
// all the others are there.
func (s *sandbox) writeFiles() error {
	for name, path := range map[string]string{"email": token.Email, "github": token.GitHub, "gitlab": token.GitLab} {
		t, err := s.issuer.Sign(s.issuer.Claims(path))
		if err != nil {
			return err
		}
		if err := s.secret("tokens/"+name, t); err != nil {
			return err
		}
	}
	bad, err := s.issuer.Bad()
	if err != nil {
		return err
	}
	for name, t := range bad {
		if err := s.secret("tokens/bad/"+name, t); err != nil {
			return err
		}
	}
	var env strings.Builder
	abs, err := filepath.Abs(s.dir)
	if err != nil {
		return err
	}
	fmt.Fprintf(&env, "SANDBOX_DIR=%s\n", abs)
	for _, name := range append(services(), adminName) {
		at := s.url(name)
		if name == registryName || name == plainName {
			at = s.host[name]
		}
		fmt.Fprintf(&env, "SANDBOX_%s=%s\n", strings.ToUpper(name), at)
	}
	fmt.Fprintf(&env, "ACTIONS_ID_TOKEN_REQUEST_URL=%s/actions?api-version=2.0\n", s.issuer.URL(token.GitHub))
	fmt.Fprintf(&env, "ACTIONS_ID_TOKEN_REQUEST_TOKEN=%s\n", token.RequestToken)
	fmt.Fprintf(&env, "BUILDKITE_AGENT_ENDPOINT=%s/agent/v3\n", s.issuer.URL(token.Buildkite))
	fmt.Fprintf(&env, "SANDBOX_SOCKET=%s\n", s.socket)
	return s.write("env", []byte(env.String()))
}

// introduce prints how to sign and verify with the sandbox.
func (s *sandbox) introduce(w io.Writer, hallmark string) error {
	dir, err := filepath.Abs(s.dir)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, `
The environment of this sandbox is in %[2]s/env; faults are switched at %[5]s/faults.
Its registry holds the image %[3]s. To sign it, and to verify that:

  %[1]s sign %[3]s --identity-token %[2]s/tokens/email --signing-config %[2]s/signing_config.v1.json --trusted-root %[2]s/trusted_root.json
  %[1]s verify %[3]s --certificate-identity dev@example.test --certificate-oidc-issuer %[4]s --trusted-root %[2]s/trusted_root.json

With Rekor v2 in place of v1: signing_config.v2.json and --storage referrers. With trust from TUF, and no file named:

  %[1]s trust init --mirror %[6]s --root %[2]s/root.json

`, hallmark, dir, s.image(), s.url(oidcName), s.url(adminName), s.url(tufName))
	return err
}
