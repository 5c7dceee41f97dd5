package keyless_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	v1 "github.com/sigstore/protobuf-specs/gen/pb-go/trustroot/v1"
	"github.com/sigstore/sigstore-go/pkg/root"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/sign/keyless"
)

// configuration makes a signing configuration.
func configuration(ca, log, tsa []root.Service, selector root.ServiceConfiguration) []byte {
	return must(must(root.NewSigningConfig(root.SigningConfigMediaType02, ca, nil, log, selector, tsa, selector)).MarshalJSON())
}

// TestServices is which configurations can make a signature.
func TestServices(t *testing.T) {
	at := func(url string, version uint32) []root.Service {
		return []root.Service{{URL: url, MajorAPIVersion: version, ValidityPeriodStart: time.Now().Add(-time.Hour), Operator: url}}
	}
	many := func(n int) (all []root.Service) {
		for i := range n {
			all = append(all, at("https://tsa.example/"+strings.Repeat("x", i), 1)...)
		}
		return all
	}
	const https = "https://ca.example"
	one := root.ServiceConfiguration{Selector: v1.ServiceSelector_ANY}
	every := root.ServiceConfiguration{Selector: v1.ServiceSelector_ALL}
	old := at(https, 1)
	old[0].ValidityPeriodEnd = time.Now().Add(-time.Minute)
	for name, c := range map[string]struct {
		raw       []byte
		annotated bool
		refused   string // a part of why
	}{
		"good":                     {raw: configuration(at(https, 1), at(https, 1), at(https, 1), one), annotated: true},
		"rekor 2":                  {raw: configuration(at(https, 1), at(https, 2), at(https, 1), one)},
		"rekor 1 without a clock":  {raw: configuration(at(https, 1), at(https, 1), nil, one)},
		"loopback in the clear":    {raw: configuration(at("http://[::1]:80", 1), at(https, 1), at(https, 1), one)},
		"rekor 2 in annotations":   {raw: configuration(at(https, 1), at(https, 2), at(https, 1), one), annotated: true, refused: "--storage referrers"},
		"rekor 2 without a clock":  {raw: configuration(at(https, 1), at(https, 2), nil, one), refused: "tells no time"},
		"no authority":             {raw: configuration(nil, at(https, 1), at(https, 1), one), refused: "no certificate authority"},
		"an authority of tomorrow": {raw: configuration(at(https, 2), at(https, 1), at(https, 1), one), refused: "choose a certificate authority"},
		"an authority of old":      {raw: configuration(old, at(https, 1), at(https, 1), one), refused: "choose a certificate authority"},
		"no log":                   {raw: configuration(at(https, 1), nil, at(https, 1), one), refused: "no transparency log"},
		"a log of tomorrow":        {raw: configuration(at(https, 1), at(https, 3), at(https, 1), one), refused: "choose a transparency log"},
		"a token in the clear":     {raw: configuration(at("http://ca.example", 1), at(https, 1), at(https, 1), one), refused: "in the clear"},
		"a loopback by name":       {raw: configuration(at("http://127.0.0.1.evil.example", 1), at(https, 1), at(https, 1), one), refused: "in the clear"},
		"an address that is none":  {raw: configuration(at("://", 1), at(https, 1), at(https, 1), one), refused: "no address"},
		"nine clocks":              {raw: configuration(at(https, 1), at(https, 1), many(9), every), refused: "at most 8"},
		"nine logs":                {raw: configuration(at(https, 1), many(9), at(https, 1), every), refused: "at most 8"},
		"garbage":                  {raw: []byte("{"), refused: "read the signing configuration"},
		"an old version":           {raw: []byte(`{"mediaType":"application/vnd.dev.sigstore.signingconfig.v0.1+json"}`), refused: "media type"},
		"too large":                {raw: make([]byte, keyless.MaxServices+1), refused: "at most"},
	} {
		s, err := keyless.ParseServices(c.raw)
		if err == nil {
			err = s.Check(time.Now(), c.annotated)
		}
		if c.refused == "" && err != nil || c.refused != "" && (reasonOf(err) != keyless.Unusable || !strings.Contains(err.Error(), c.refused)) {
			t.Errorf("%s: %v, want %q", name, err, c.refused)
		}
	}
}

// TestTrusted is which trusted roots are of no use.
func TestTrusted(t *testing.T) {
	for name, raw := range map[string]string{
		"garbage":   "{",
		"nothing":   "{}",
		"no one":    `{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1"}`,
		"too large": strings.Repeat(" ", keyless.MaxRoot+1),
	} {
		if _, err := keyless.ParseTrusted([]byte(raw)); reasonOf(err) != keyless.Unusable {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestStranger: an instance that answers as it should, but is not the trusted one.
func TestStranger(t *testing.T) {
	w := newWorld(t)
	o := w.options(1)
	o.Trusted = must(keyless.ParseTrusted(newWorld(t).trusted()))
	if _, err := keyless.New(context.Background(), o); reasonOf(err) != keyless.Untrusted {
		t.Error(err)
	}
}

// TestMessageLies: of a message Rekor 1 logs the digest itself.
func TestMessageLies(t *testing.T) {
	for name, lie := range map[string]func(map[string]any){
		"another digest":    func(b map[string]any) { spec(b)["data"].(map[string]any)["hash"] = digestOf([]byte("x")) },
		"another signature": func(b map[string]any) { spec(b)["signature"].(map[string]any)["content"] = []byte("x") },
		"another key": func(b map[string]any) {
			spec(b)["signature"].(map[string]any)["publicKey"] = map[string]any{"content": []byte("x")}
		},
	} {
		w := newWorld(t)
		w.lies.body = lie
		if parcels, err := attempt(w, 1, attach.InBoth); reasonOf(err) != keyless.OtherEntry || len(parcels) != 0 {
			t.Errorf("%s: %d stored, %v", name, len(parcels), err)
		}
	}
}

// TestCancelled: who has no more time asks nobody.
func TestCancelled(t *testing.T) {
	w := newWorld(t)
	w.lies.fronts = map[string]http.HandlerFunc{fulcioPath: func(_ http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body) // else the server does not notice that the client is gone
		<-r.Context().Done()
	}}
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if _, err := keyless.New(ctx, w.options(1)); reasonOf(err) != keyless.Unreachable {
		t.Error(err)
	}
}
