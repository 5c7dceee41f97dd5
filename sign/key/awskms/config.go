package awskms

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
)

// A config is what the environment and the configuration files say.
type config struct {
	credential
	scope
	endpoint *url.URL
}

// profile are the entries of one profile in the files of the AWS tools.
type profile map[string]string

func (o Options) env(names ...string) string {
	for _, name := range names {
		if v, ok := o.LookupEnv(name); ok && v != "" {
			return v
		}
	}
	return ""
}

// load finds credentials, region and endpoint for the key.
func (o Options) load(n name) (config, error) {
	var c config
	p, err := o.profiles()
	if err != nil {
		return c, err
	}
	for _, region := range []string{n.region, o.env("AWS_REGION", "AWS_DEFAULT_REGION"), p["region"]} {
		if c.region == "" {
			c.region = region
		}
	}
	if c.region == "" || strings.Trim(c.region, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
		return c, fmt.Errorf("no region, or %q, which is none: set AWS_REGION", c.region)
	}
	c.service = "kms"
	if c.credential, err = o.credential(p); err != nil {
		return c, err
	}
	c.endpoint, err = o.endpoint(n, c.region)
	return c, err
}

// credential returns the credentials of the environment, or else of the profile.
func (o Options) credential(p profile) (credential, error) {
	c := credential{o.env("AWS_ACCESS_KEY_ID"), o.env("AWS_SECRET_ACCESS_KEY"), o.env("AWS_SESSION_TOKEN")}
	if c.id == "" && c.secret == "" {
		c = credential{p["aws_access_key_id"], p["aws_secret_access_key"], p["aws_session_token"]}
	}
	if c.id == "" || c.secret == "" {
		return c, errors.New("no credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE to a profile that has them; " +
			"other kinds are written into the environment by 'aws configure export-credentials --format env'")
	}
	for _, text := range []string{c.id, c.secret, c.session} {
		for _, r := range text {
			if r <= ' ' || r > '~' {
				return c, errors.New("the credentials have characters that none have")
			}
		}
	}
	return c, nil
}

// endpoint returns where the service is. Without TLS it may only be on this machine.
func (o Options) endpoint(n name, region string) (*url.URL, error) {
	text := o.env("AWS_ENDPOINT_URL_KMS", "AWS_ENDPOINT_URL")
	switch {
	case n.host != "":
		text = "https://" + n.host
	case text == "" && strings.HasPrefix(region, "cn-"):
		text = "https://kms." + region + ".amazonaws.com.cn"
	case text == "":
		text = "https://kms." + region + ".amazonaws.com"
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || strings.Trim(u.Path, "/") != "" {
		return nil, errors.New("the endpoint is no address of the form https://HOST[:PORT]")
	}
	ip := net.ParseIP(u.Hostname())
	local := u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
	if u.Scheme != "https" && (u.Scheme != "http" || !local) {
		return nil, fmt.Errorf("the endpoint %s is not https", u.Host)
	}
	u.Path = "/"
	return u, nil
}

// profiles reads the profile that AWS_PROFILE names from both files. A file that is
// not there is empty; a profile that is named and in neither is an error.
func (o Options) profiles() (profile, error) {
	home, named := o.env("HOME"), o.env("AWS_PROFILE", "AWS_DEFAULT_PROFILE")
	section := named
	if section == "" {
		section = "default"
	}
	all, found := make(profile), false
	for _, f := range []struct{ variable, file, section string }{
		{"AWS_CONFIG_FILE", "config", "profile " + section},
		{"AWS_SHARED_CREDENTIALS_FILE", "credentials", section},
	} {
		path := o.env(f.variable)
		if path == "" {
			if home == "" {
				continue
			}
			path = filepath.Join(home, ".aws", f.file)
		}
		if section == "default" {
			f.section = section
		}
		raw, err := o.ReadFile(path)
		if err != nil {
			if named != "" && o.env(f.variable) != "" {
				return nil, err
			}
			continue
		}
		found = readSection(string(raw), f.section, all) || found
	}
	if named != "" && !found {
		return nil, fmt.Errorf("AWS_PROFILE: there is no profile %q", named)
	}
	return all, nil
}

// readSection adds the entries of one section of an INI file.
func readSection(text, section string, into profile) (found bool) {
	in := false
	for line := range strings.Lines(text) {
		nested := strings.HasPrefix(line, " ") || strings.HasPrefix(line, "\t")
		line = strings.TrimSpace(line)
		if name, ok := strings.CutPrefix(line, "["); ok {
			name, _, _ = strings.Cut(name, "]")
			in = strings.Join(strings.Fields(name), " ") == section
			found = found || in
			continue
		}
		k, v, ok := strings.Cut(line, "=")
		if in && ok && !nested && !strings.HasPrefix(line, "#") && !strings.HasPrefix(line, ";") {
			into[strings.ToLower(strings.TrimSpace(k))] = strings.TrimSpace(v)
		}
	}
	return found
}

// transport sets TLS up as the environment says.
func (o Options) transport() (http.RoundTripper, error) {
	if o.Transport != nil {
		return o.Transport, nil
	}
	if o.env("AWS_TLS_INSECURE_SKIP_VERIFY") == "1" {
		return nil, errors.New("AWS_TLS_INSECURE_SKIP_VERIFY is set: a service that is not checked is asked for no signature; name its authority in AWS_CA_BUNDLE")
	}
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	if path := o.env("AWS_CA_BUNDLE"); path != "" {
		raw, err := o.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("AWS_CA_BUNDLE: %w", err)
		}
		t.TLSClientConfig.RootCAs = x509.NewCertPool()
		if !t.TLSClientConfig.RootCAs.AppendCertsFromPEM(raw) {
			return nil, fmt.Errorf("AWS_CA_BUNDLE: %s holds no certificate", path)
		}
	}
	return t, nil
}
