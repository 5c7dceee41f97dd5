package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/rogpeppe/go-internal/testscript"
)

// A planted is a manifest in the making, without the checks of any library.
type planted struct {
	SchemaVersion int              `json:"schemaVersion"`
	MediaType     string           `json:"mediaType"`
	Config        map[string]any   `json:"config"`
	Layers        []map[string]any `json:"layers"`
}

// A site is where something is planted: an image and what may be used for it.
type site struct {
	ts     *testscript.TestScript
	image  name.Digest // the image to attack
	suffix string      // of the tag: "sig" or "att"
	good   planted     // what hangs from the same image elsewhere, when given
}

// plants are the manifests that are planted, by name. Each returns the bytes.
func plants() map[string]func(s site) []byte {
	return map[string]func(s site) []byte{
		// As it is, for comparison.
		"good": func(s site) []byte { return s.marshal(s.good) },
		// A manifest of more than 4 MiB, of good entries.
		"fat": func(s site) []byte { return s.repeat(12000) },
		// One entry more than is looked at, the good one first.
		"layers-1001": func(s site) []byte {
			return s.filled(1001, `{"mediaType":"text/plain","digest":"sha256:`+strings.Repeat("0", 64)+`","size":1}`)
		},
		// A million layers in less than 4 MiB.
		"layers-million": func(s site) []byte { return s.filled(1_000_000, `{}`) },
		// The good entry, said to have 10 GB.
		"huge": func(s site) []byte {
			s.good.Layers[0]["size"] = 10 << 30
			delete(s.good.Layers[0], "data")
			return s.marshal(s.good)
		},
		// Twins of the good entry with a broken certificate.
		"twin-first": func(s site) []byte { return s.twins(1, 0) },
		"twin-last":  func(s site) []byte { return s.twins(0, 1) },
		"twins":      func(s site) []byte { return s.twins(450, 450) },
		// A manifest that has two lists of layers.
		"two-lists": func(s site) []byte {
			return bytes.Replace(s.marshal(s.good), []byte(`"layers":`), []byte(`"layers":[],"layers":`), 1)
		},
		// An entry that has two digests.
		"two-digests": func(s site) []byte {
			return bytes.Replace(s.marshal(s.good), []byte(`"layers":[{`),
				[]byte(`"layers":[{"digest":"sha256:`+strings.Repeat("0", 64)+`",`), 1)
		},
		// A payload that names two images, signed by the accepted key.
		"two-images": func(s site) []byte {
			return s.signed(`{"critical":{"identity":{"docker-reference":""},"image":{"docker-manifest-digest":"sha256:` +
				strings.Repeat("0", 64) + `","docker-manifest-digest":"` + s.image.DigestStr() +
				`"},"type":"cosign container image signature"},"optional":null}`)
		},
		// The same payload without the second name: what is wrong above is that alone.
		"one-image": func(s site) []byte {
			return s.signed(`{"critical":{"identity":{"docker-reference":""},"image":{"docker-manifest-digest":"` + s.image.DigestStr() +
				`"},"type":"cosign container image signature"},"optional":null}`)
		},
		// Statements by the accepted key, that say a thing twice or once.
		"two-subjects": func(s site) []byte { return s.attested(`"subject":[],"subject":[`+s.subject()+`]`, "") },
		"two-types": func(s site) []byte {
			return s.attested(`"predicateType":"https://example.com/other","subject":[`+s.subject()+`]`, "")
		},
		"two-payloads": func(s site) []byte { return s.attested(`"subject":[`+s.subject()+`]`, `"payload":"e30=",`) },
		// An attestation that inflates a thousandfold, and much space
		// around nothing.
		"gzip": func(s site) []byte {
			b, err := newBomb("statement.json", "", " ")
			s.ts.Check(err)
			return s.entry(dsseType, b.compressed, note())
		},
		"spaces": func(s site) []byte {
			return s.entry(dsseType, append(bytes.Repeat([]byte(" "), 48<<20), "{}"...), note())
		},
		"nested":      func(s site) []byte { return s.entry(dsseType, bytes.Repeat([]byte(`{"payload":[`), 1<<20), note()) },
		"one-subject": func(s site) []byte { return s.attested(`"subject":[`+s.subject()+`]`, "") },
	}
}

// plant puts a manifest under cosign's tag of an image, past all checks:
//
//	plant NAME SUFFIX IMAGE [FROM]
//
// FROM is the same image in another repository, with a good entry under its tag.
func plant(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 || len(args) > 4 {
		ts.Fatalf("usage: plant NAME SUFFIX IMAGE [FROM]")
	}
	s := site{ts: ts, image: digestOf(ts, args[2]), suffix: args[1]}
	if len(args) == 4 {
		ts.Check(json.Unmarshal(fetch(ts, s.tag(digestOf(ts, args[3]))), &s.good))
		if len(s.good.Layers) != 1 {
			ts.Fatalf("%d entries in %s, not one", len(s.good.Layers), args[3])
		}
	}
	make := plants()[args[0]]
	if make == nil {
		ts.Fatalf("no plant is called %q", args[0])
	}
	send(ts, http.MethodPut, "manifests/"+s.tag(s.image).TagStr(), s.tag(s.image), ociManifest, make(s))
}

const ociManifest = "application/vnd.oci.image.manifest.v1+json"

func digestOf(ts *testscript.TestScript, ref string) name.Digest {
	r, err := name.ParseReference(ref)
	ts.Check(err)
	d, err := remote.Head(r)
	ts.Check(err)
	return r.Context().Digest(d.Digest.String())
}

// tag returns cosign's tag of the image.
func (s site) tag(image name.Digest) name.Tag {
	return image.Tag(strings.Replace(image.DigestStr(), ":", "-", 1) + "." + s.suffix)
}

func fetch(ts *testscript.TestScript, tag name.Tag) []byte {
	d, err := remote.Get(tag)
	ts.Check(err)
	return d.Manifest
}

// send sends bytes to the registry as they are.
func send(ts *testscript.TestScript, method, path string, tag name.Tag, mediaType string, body []byte) {
	url := "http://" + tag.RegistryStr() + "/v2/" + tag.RepositoryStr() + "/" + path
	req, err := http.NewRequest(method, url, bytes.NewReader(body))
	ts.Check(err)
	req.Header.Set("Content-Type", mediaType)
	resp, err := http.DefaultClient.Do(req)
	ts.Check(err)
	defer resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		text, _ := io.ReadAll(resp.Body)
		ts.Fatalf("%s %s: %d %s", method, url, resp.StatusCode, text)
	}
}

func (s site) marshal(v any) []byte {
	raw, err := json.Marshal(v)
	s.ts.Check(err)
	return raw
}

// repeat returns the good manifest with its entry n times.
func (s site) repeat(n int) []byte {
	s.good.Layers = slices.Repeat(s.good.Layers, n)
	return s.marshal(s.good)
}

// filled returns the good manifest with n entries, all but the first as given.
func (s site) filled(n int, layer string) []byte {
	raw := s.marshal(s.good)
	if !bytes.HasSuffix(raw, []byte("]}")) {
		s.ts.Fatalf("the layers do not end %s", raw)
	}
	return append(append(raw[:len(raw)-2], strings.Repeat(","+layer, n-1)...), "]}"...)
}

// twins returns the good manifest with so many damaged twins before and behind
// its entry. No two are the same.
func (s site) twins(before, behind int) []byte {
	var layers []map[string]any
	twin := func(i int) map[string]any {
		t := maps.Clone(s.good.Layers[0])
		annotations := maps.Clone(t["annotations"].(map[string]any))
		annotations["dev.sigstore.cosign/certificate"] = fmt.Sprintf("-----BEGIN CERTIFICATE-----\n%d\n-----END CERTIFICATE-----\n", i)
		t["annotations"] = annotations
		return t
	}
	for i := range before {
		layers = append(layers, twin(i))
	}
	layers = append(layers, s.good.Layers[0])
	for i := range behind {
		layers = append(layers, twin(before+i))
	}
	s.good.Layers = layers
	return s.marshal(s.good)
}

// sign signs the message with hallmark.key of the script, without the help of
// the code under test, and returns the signature in base64.
func (s site) sign(message []byte) string {
	raw, err := os.ReadFile(filepath.Join(s.ts.Getenv("WORK"), "hallmark.key"))
	s.ts.Check(err)
	block, _ := pem.Decode(raw)
	if block == nil {
		s.ts.Fatalf("hallmark.key holds no PEM block")
	}
	k, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	s.ts.Check(err)
	sum := sha256.Sum256(message)
	sig, err := ecdsa.SignASN1(rand.Reader, k.(*ecdsa.PrivateKey), sum[:])
	s.ts.Check(err)
	return base64.StdEncoding.EncodeToString(sig)
}

// entry uploads the content and returns a manifest with it as the one entry.
func (s site) entry(mediaType string, content []byte, annotations map[string]any) []byte {
	upload := func(b []byte) map[string]any {
		digest := fmt.Sprintf("sha256:%x", sha256.Sum256(b))
		send(s.ts, http.MethodPost, "blobs/uploads/?digest="+digest, s.tag(s.image), "application/octet-stream", b)
		return map[string]any{"digest": digest, "size": len(b)}
	}
	config, layer := upload([]byte("{}")), upload(content)
	config["mediaType"] = "application/vnd.oci.image.config.v1+json"
	layer["mediaType"], layer["annotations"] = mediaType, annotations
	return s.marshal(planted{SchemaVersion: 2, MediaType: ociManifest, Config: config, Layers: []map[string]any{layer}})
}

// signed returns a .sig manifest with the payload, signed by the script's key.
func (s site) signed(payload string) []byte {
	return s.entry("application/vnd.dev.cosign.simplesigning.v1+json", []byte(payload),
		map[string]any{"dev.cosignproject.cosign/signature": s.sign([]byte(payload))})
}

// subject returns the image as a statement names it.
func (s site) subject() string {
	return `{"name":"app","digest":{"sha256":"` + strings.TrimPrefix(s.image.DigestStr(), "sha256:") + `"}}`
}

// attested returns an .att manifest with a statement of these members in an
// envelope with those more, signed by the script's key over what the last
// payload says (DSSE protocol 1.0, pre-authentication encoding).
func (s site) attested(members, more string) []byte {
	const payloadType = "application/vnd.in-toto+json"
	statement := `{"_type":"https://in-toto.io/Statement/v0.1",` + members +
		`,"predicateType":"https://example.com/note","predicate":{"note":1}}`
	pae := fmt.Sprintf("DSSEv1 %d %s %d %s", len(payloadType), payloadType, len(statement), statement)
	envelope := fmt.Sprintf(`{"payloadType":%q,%s"payload":%q,"signatures":[{"keyid":"","sig":%q}]}`,
		payloadType, more, base64.StdEncoding.EncodeToString([]byte(statement)), s.sign([]byte(pae)))
	return s.entry(dsseType, []byte(envelope), note())
}

const dsseType = "application/vnd.dsse.envelope.v1+json"

// note returns the annotations of an attestation.
func note() map[string]any {
	return map[string]any{"dev.cosignproject.cosign/signature": "", "predicateType": "https://example.com/note"}
}
