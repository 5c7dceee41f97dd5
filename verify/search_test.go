package verify_test

import (
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/hallmark-oci/hallmark/sign/key"
	"github.com/hallmark-oci/hallmark/verify"
	"github.com/hallmark-oci/hallmark/verify/keyless"
	"github.com/hallmark-oci/hallmark/verify/network"
)

// A searchable is a log of Rekor 1 that can be searched, in the forms of its openapi.yaml
// (SearchLogQuery and SearchIndex). It holds one entry, in the form of bundles.
type searchable struct {
	*httptest.Server
	t     testing.TB
	entry object
	asked []string
	// lies changes what is answered.
	lies func(object) any
}

func newSearchable(t testing.TB) *searchable {
	s := &searchable{t: t}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

// ServeHTTP implements http.Handler.
func (s *searchable) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	s.asked = append(s.asked, r.URL.Path)
	var q struct {
		Hash    string
		IDs     []string `json:"entryUUIDs"`
		Entries []struct {
			Kind string
			Spec struct {
				Signature struct {
					Content   []byte
					PublicKey struct{ Content []byte }
				}
				Data struct {
					Hash struct{ Algorithm, Value string }
				}
			}
		}
	}
	if err := json.NewDecoder(r.Body).Decode(&q); err != nil {
		s.t.Errorf("%s: %v", r.URL.Path, err)
	}
	var answer any = []any{}
	switch {
	case s.entry == nil:
	case r.URL.Path == "/api/v1/index/retrieve":
		answer = []string{"uuid"}
		if q.Hash != "sha256:"+s.spec().PayloadHash.Value {
			answer = []string{}
		}
	case r.URL.Path == "/api/v1/log/entries/retrieve" && (len(q.IDs) == 1 || s.is(q.Entries[0].Spec.Signature.Content, q.Entries[0].Spec.Signature.PublicKey.Content, q.Entries[0].Spec.Data.Hash.Value)):
		answer = []any{object{"uuid": s.answer()}}
		if s.lies != nil {
			answer = s.lies(s.answer())
		}
	}
	rw.Write(text(s.t, answer))
}

// spec is that of the entry's body.
func (s *searchable) spec() (spec struct {
	Signature struct {
		Content   []byte
		PublicKey struct{ Content []byte }
	}
	Data        struct{ Hash struct{ Value string } }
	PayloadHash struct{ Value string }
}) {
	var body struct{ Spec any }
	body.Spec = &spec
	must(s.t, json.Unmarshal(unb64(s.t, s.entry["canonicalizedBody"].(string)), &body))
	return spec
}

func (s *searchable) is(sig, by []byte, sum string) bool {
	spec := s.spec()
	block, rest := pem.Decode(by)
	return string(sig) == string(spec.Signature.Content) && string(by) == string(spec.Signature.PublicKey.Content) &&
		sum == spec.Data.Hash.Value && block != nil && len(rest) == 0
}

// answer is the entry in the form of Rekor 1.
func (s *searchable) answer() object {
	proof := s.entry["inclusionProof"].(object)
	var hashes []string
	for _, h := range proof["hashes"].([]any) {
		hashes = append(hashes, hexOf(unb64(s.t, h.(string))))
	}
	return object{
		"body": s.entry["canonicalizedBody"], "integratedTime": number(s.entry["integratedTime"]), "logIndex": number(s.entry["logIndex"]),
		"logID": hexOf(unb64(s.t, s.entry["logId"].(object)["keyId"].(string))),
		"verification": object{
			"signedEntryTimestamp": s.entry["inclusionPromise"].(object)["signedEntryTimestamp"],
			"inclusionProof": object{
				"checkpoint": proof["checkpoint"].(object)["envelope"], "hashes": hashes, "logIndex": number(proof["logIndex"]),
				"rootHash": hexOf(unb64(s.t, proof["rootHash"].(string))), "treeSize": number(proof["treeSize"]),
			},
		},
	}
}

func number(v any) json.Number { return json.Number(fmt.Sprint(v)) }

// hides has the log hold the entry, and the bundle not.
func (s *searchable) hides(p *plot) {
	p.bundle = func(b object) {
		s.entry = entryOf(b)
		delete(materialOf(b), "tlogEntries")
	}
	p.trust = func(root object) { at(root, "tlogs", 0).(object)["baseUrl"] = s.URL }
}

// TestSearch: an entry that did not come with a signature is looked for in a trusted log
// whose host is named, and nowhere else; what the log says is judged as what was attached.
func TestSearch(t *testing.T) {
	another := func(answer object) any {
		answer["verification"].(object)["signedEntryTimestamp"] = b64([]byte("another"))
		return []any{object{"uuid": answer}}
	}
	for name, c := range map[string]struct {
		hosts func(url string) []string
		lies  func(object) any
		lost  bool // the log does not hold it
		want  verify.Reason
		asked bool
	}{
		"named":                        {want: verify.Accepted, asked: true},
		"nobody is named":              {hosts: func(string) []string { return nil }, want: verify.LogEntryMissing},
		"another is named":             {hosts: func(string) []string { return []string{"rekor.sigstore.dev"} }, want: verify.LogEntryMissing},
		"it does not hold it":          {lost: true, want: verify.LogEntryMissing, asked: true},
		"a promise that does not hold": {lies: another, want: verify.LogEntryInvalid, asked: true},
		"no entries":                   {lies: func(object) any { return object{} }, want: verify.Unreachable, asked: true},
		"too many":                     {lies: func(object) any { return make([]any, 11) }, want: verify.Unreachable, asked: true},
		"two in one":                   {lies: func(a object) any { return []any{object{"a": a, "b": a}} }, want: verify.Unreachable, asked: true},
		"garbage":                      {lies: func(a object) any { a["logID"] = "zz"; return []any{object{"uuid": a}} }, want: verify.Unreachable, asked: true},
		"another signature": {lies: func(a object) any {
			a["body"] = b64([]byte(`{"kind":"hashedrekord","apiVersion":"0.0.1"}`))
			return []any{object{"uuid": a}}
		}, want: verify.LogEntryMissing, asked: true},
	} {
		for _, envelope := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, envelope %v", name, envelope), func(t *testing.T) {
				t.Parallel()
				s, p := newSearchable(t), newPlot(t, envelope, 1)
				s.hides(p)
				s.lies = c.lies
				names := []string{strings.TrimPrefix(s.URL, "http://")}
				if c.hosts != nil {
					names = c.hosts(s.URL)
				}
				hosts, err := network.New(names, nil)
				must(t, err)
				byKey := &keyTrust{quorum: keyless.Quorum{Logs: 1}, now: p.now}
				for _, k := range []*keyTrust{nil, byKey} {
					s.asked, p.key = nil, k
					p.hosts = hosts
					if c.lost {
						p.bundle = func(b object) { delete(materialOf(b), "tlogEntries") }
					}
					got := p.judge()
					if got.Reason != c.want || (len(s.asked) > 0) != c.asked {
						t.Errorf("by key %v: %s, not %s: %s; asked %q", k != nil, got.Reason, c.want, got.Detail, s.asked)
					}
				}
			})
		}
	}
}

// TestSearchIsLast: who has an entry, is asked for none or is nobody's is not looked for.
func TestSearchIsLast(t *testing.T) {
	for name, change := range map[string]func(*plot){
		"an entry is there": func(p *plot) { p.bundle = nil },
		"another identity":  func(p *plot) { p.names.Subject = "x@example.test" },
		"an authority nobody trusts": func(p *plot) {
			was := p.trust
			p.trust = func(root object) {
				was(root)
				root["certificateAuthorities"] = newForge(p.t).trusted()["certificateAuthorities"]
			}
		},
		"a signature that does not hold": func(p *plot) { p.message = []byte("x") },
	} {
		s, p := newSearchable(t), newPlot(t, false, 1)
		s.hides(p)
		change(p)
		hosts, err := network.New([]string{strings.TrimPrefix(s.URL, "http://")}, nil)
		must(t, err)
		p.hosts = hosts
		if got := p.judge(); len(s.asked) > 0 {
			t.Errorf("%s: asked %q: %s", name, s.asked, got.Reason)
		}
	}
}

// TestSearchLimit: so many signatures that came without an entry are looked for, and what
// the others are stays open. One that brings its own counts all the same.
func TestSearchLimit(t *testing.T) {
	log, k, s := newSearchable(t), newKeyPlot(t), newShelf()
	sub := s.image(t, "app")
	for i := range 70 {
		s.put(t, signature(t, k.k, sub.Desc.Digest.String(), map[string]string{"n": fmt.Sprint(i)}))
	}
	root := k.trusted()
	at(root, "tlogs", 0).(object)["baseUrl"] = log.URL
	trusted, err := keyless.ParseRoot(text(t, root))
	must(t, err)
	hosts, err := network.New([]string{strings.TrimPrefix(log.URL, "http://")}, nil)
	must(t, err)
	rule := signatureRule(1)
	rule.KeyQuorum.Logs = 1
	v, err := verify.New(verify.Trust{Keys: []*key.Public{k.k.PublicKey()}, Root: trusted, Hosts: hosts, Now: func() time.Time { return k.forge.now }},
		verify.Policy{Rules: []verify.Rule{rule}})
	must(t, err)
	verdict, err := v.Verify(t.Context(), s, sub)
	must(t, err)
	if c := verdict.Checks[1]; c.Outcome != verify.Undetermined || c.Reason != verify.NetworkLimit || len(log.asked) != 64 {
		t.Errorf("%s %s: %s; asked %d times", c.Outcome, c.Reason, c.Detail, len(log.asked))
	}
	k.puts()["cosign signature"].put(t, s, sub)
	verdict, err = v.Verify(t.Context(), s, sub)
	must(t, err)
	if c := verdict.Checks[1]; c.Outcome != verify.Accept {
		t.Errorf("with one that is logged: %s %s: %s", c.Outcome, c.Reason, c.Detail)
	}
}
