package hashivault

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
)

// A client talks to one server.
type client struct {
	base      *url.URL
	token     string
	namespace string
	http      *http.Client
}

// newClient reads the environment.
func newClient(opts Options) (*client, error) {
	env := func(name string) string {
		for _, prefix := range []string{"VAULT_", "BAO_"} {
			if v, ok := opts.LookupEnv(prefix + name); ok && v != "" {
				return v
			}
		}
		return ""
	}
	addr := env("ADDR")
	if addr == "" {
		return nil, errors.New("VAULT_ADDR or BAO_ADDR must say where the server is, such as https://vault.example:8200")
	}
	base, err := url.Parse(addr)
	if err == nil && base.Scheme == "http" && !local(base.Hostname()) {
		return nil, errors.New("VAULT_ADDR speaks plain http to another machine: the token would go over the wire for all to read; use https")
	}
	if err != nil || base.Scheme != "https" && base.Scheme != "http" || base.Host == "" || base.User != nil || base.RawQuery != "" {
		return nil, errors.New("VAULT_ADDR is no address of the form https://HOST:PORT") // what it is may hold a password
	}
	c := client{base: base, namespace: strings.Trim(env("NAMESPACE"), "/")}
	if c.token, err = token(env("TOKEN"), opts); err != nil {
		return nil, err
	}
	transport := opts.Transport
	if transport == nil {
		if transport, err = newTransport(env, opts.ReadFile); err != nil {
			return nil, err
		}
	}
	c.http = &http.Client{Transport: transport, CheckRedirect: sameHost}
	return &c, nil
}

// sameHost follows a redirect only within the server, which the token is for.
func sameHost(req *http.Request, via []*http.Request) error {
	first := via[0].URL
	if len(via) > 3 || req.URL.Host != first.Host || req.URL.Scheme != first.Scheme {
		return errors.New("the server sends elsewhere; set VAULT_ADDR to the address of the active server")
	}
	return nil
}

// token returns the token, which may stand in a file as vault login leaves it.
func token(value string, opts Options) (string, error) {
	if value == "" {
		home, _ := opts.LookupEnv("HOME")
		if home == "" {
			return "", errors.New("no token: set VAULT_TOKEN or BAO_TOKEN, or log in with 'vault login'")
		}
		path := filepath.Join(home, ".vault-token")
		raw, err := opts.ReadFile(path)
		if err != nil {
			return "", fmt.Errorf("no token: VAULT_TOKEN and BAO_TOKEN are not set, and %w", err)
		}
		value = strings.TrimSpace(string(raw))
	}
	for _, r := range value {
		if r <= ' ' || r > '~' {
			return "", errors.New("the token has characters that no token has")
		}
	}
	return value, nil
}

// newTransport sets TLS up as the environment says.
func newTransport(env func(string) string, read func(string) ([]byte, error)) (*http.Transport, error) {
	if v := strings.ToLower(env("SKIP_VERIFY")); v != "" && v != "0" && v != "false" {
		return nil, errors.New("VAULT_SKIP_VERIFY is set: a server that is not checked is given no token; name its authority in VAULT_CACERT")
	}
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12, ServerName: env("TLS_SERVER_NAME")}
	if path := env("CACERT"); path != "" {
		raw, err := read(path)
		if err != nil {
			return nil, fmt.Errorf("VAULT_CACERT: %w", err)
		}
		t.TLSClientConfig.RootCAs = x509.NewCertPool()
		if !t.TLSClientConfig.RootCAs.AppendCertsFromPEM(raw) {
			return nil, fmt.Errorf("VAULT_CACERT: %s holds no certificate", path)
		}
	}
	cert, key := env("CLIENT_CERT"), env("CLIENT_KEY")
	if cert == "" && key == "" {
		return t, nil
	}
	rawCert, err := read(cert)
	if err != nil {
		return nil, fmt.Errorf("VAULT_CLIENT_CERT: %w", err)
	}
	rawKey, err := read(key)
	if err != nil {
		return nil, fmt.Errorf("VAULT_CLIENT_KEY: %w", err)
	}
	pair, err := tls.X509KeyPair(rawCert, rawKey)
	if err != nil {
		return nil, fmt.Errorf("VAULT_CLIENT_CERT with VAULT_CLIENT_KEY: %w", err)
	}
	t.TLSClientConfig.Certificates = []tls.Certificate{pair}
	return t, nil
}

// do sends one request and reads what stands under "data" of the answer into out.
func (c *client) do(ctx context.Context, method, path string, body, out any) error {
	var in io.Reader
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			return err
		}
		in = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base.JoinPath("v1", path).String(), in)
	if err != nil {
		return err
	}
	req.Header.Set("X-Vault-Token", c.token)
	req.Header.Set("X-Vault-Request", "true")
	if c.namespace != "" {
		req.Header.Set("X-Vault-Namespace", c.namespace)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, MaxAnswer+1))
	switch {
	case err != nil:
		return fmt.Errorf("%s %s: %w", method, req.URL, err)
	case len(raw) > MaxAnswer:
		return fmt.Errorf("%s %s: an answer of more than %d bytes", method, req.URL, MaxAnswer)
	case resp.StatusCode/100 != 2:
		return fmt.Errorf("%s %s: %s%s", method, req.URL, resp.Status, said(raw))
	case out == nil:
		return nil
	}
	doc := struct {
		Data any `json:"data"`
	}{out}
	if err := json.Unmarshal(raw, &doc); err != nil {
		return fmt.Errorf("%s %s: the answer is not as it should be: %w", method, req.URL, err)
	}
	return nil
}

// said returns what the server said about an error.
func said(raw []byte) string {
	var doc struct {
		Errors []string `json:"errors"`
	}
	if json.Unmarshal(raw, &doc) != nil || len(doc.Errors) == 0 {
		return ""
	}
	text := strings.Join(doc.Errors, "; ")
	return ": " + strings.TrimSpace(text[:min(len(text), maxSaid)])
}

// local reports whether the host is this machine.
func local(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
